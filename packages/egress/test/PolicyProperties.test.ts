/** What holds for every policy and every request: each property is tried on the same few hundred cases every time. */
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as Decision from "../src/Decision.js"
import * as Explanation from "../src/Explanation.js"
import * as Host from "../src/Host.js"
import * as Policy from "../src/Policy.js"
import type { AllowEntry, DenyEntry, PolicyDocument } from "../src/PolicyDocument.js"
import * as PolicyReview from "../src/PolicyReview.js"
import { spellingsOfFour, spellingsOfSix } from "./fixtures/spellings.js"

const seed = 20

const dotted = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".")

const masked = (address: number, prefix: number): string =>
  dotted(prefix === 0 ? 0 : ((address >>> (32 - prefix)) << (32 - prefix)) >>> 0)

// Few of each kind, so that rules and requests meet.
const fours = fc.constantFrom(0x08080808, 0x08080809, 0x0a000001, 0x0a090001, 0x7f000001, 0xa9fea9fe, 0xac140001, 0)
const sixes = fc.constantFrom<ReadonlyArray<number>>(
  [0, 0, 0, 0, 0, 0, 0, 1],
  [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1],
  [0xfd00, 0, 0, 0, 0, 0, 0, 1],
  [0x64, 0xff9b, 0, 0, 0, 0, 0x0808, 0x0808],
  [0x2002, 0x0808, 0x0808, 0, 0, 0, 0, 1],
  [0, 0, 0, 0, 0, 0, 0x0808, 0x0808],
  [0, 0, 0, 0, 0, 0xffff, 0x0808, 0x0808],
  [0x2606, 0x4700, 0, 0, 0, 0, 0, 0x1111]
)
const labels = fc.constantFrom("a", "b", "evil", "xn--bcher-kva")
const names = fc.array(labels, { minLength: 0, maxLength: 2 }).map((parts) => [...parts, "example"].join("."))
const ports = fc.constantFrom(80, 443, 22, 5432)
const paths = fc.constantFrom("/", "/v1/x", "/v1/", "/v1", "/admin/x", "/v1/../admin/x", "/%61dmin/x", "/v1;x", "*")
const methods = fc.constantFrom("GET" as const, "POST" as const, "PUT" as const)

const hosts = fc.oneof(
  names,
  fours.map(dotted),
  sixes.map((groups) => `[${spellingsOfSix(groups)[0]}]`)
)
const ranges = fc.oneof(
  fc.tuple(fours, fc.integer({ min: 0, max: 32 })).map(([address, prefix]) => `${masked(address, prefix)}/${prefix}`),
  fc.constantFrom("::/0", "64:ff9b::/96", "fd00::/8", "2000::/3", "2002::/16")
)
const request = fc.record(
  {
    ports: fc.array(ports, { minLength: 1, maxLength: 3 }),
    methods: fc.array(methods, { minLength: 1, maxLength: 2 }),
    paths: fc.array(fc.constantFrom("/v1/*", "/admin/*", "/v1/x", "/*"), { minLength: 1, maxLength: 2 })
  },
  { requiredKeys: [] }
)
const subjects = fc.oneof(
  hosts.map((host) => ({ host })),
  names.map((name) => ({ host: `*.${name}` })),
  ranges.map((cidr) => ({ cidr }))
)
const objects = fc.tuple(subjects, request).map(([subject, fields]) => ({ ...subject, ...fields }))
const texts = fc
  .tuple(
    fc.oneof(
      hosts,
      ranges.map((range) => `[${range}]`)
    ),
    fc.option(ports, { nil: undefined })
  )
  .map(([host, port]) => (port === undefined ? host : `${host}:${port}`))
const entries: fc.Arbitrary<DenyEntry> = fc.oneof(texts, objects)
const listing: fc.Arbitrary<AllowEntry> = fc
  .tuple(hosts, request, fc.array(ranges, { maxLength: 2 }))
  .map(([host, fields, addresses]) => ({ host, ...fields, addresses }))

const credentials: fc.Arbitrary<PolicyDocument["credentials"] & {}> = fc.dictionary(
  fc.constantFrom("a", "b-2"),
  fc
    .record(
      {
        source: fc.constantFrom({ env: "KEY" }, { file: "~/key" }, { command: ["pass", "show"] }),
        header: fc.constantFrom("X-Api-Key", "authorization"),
        host: hosts,
        base: fc.constantFrom("", "/", "/v1", "/v1/a/"),
        port: fc.constantFrom("", ":443", ":8443"),
        prefix: fc.constantFrom("Bearer ", "x"),
        methods: fc.array(methods, { minLength: 1, maxLength: 2 }),
        paths: fc.array(fc.constantFrom("/v1/*", "/*"), { minLength: 1, maxLength: 2 })
      },
      { requiredKeys: ["source", "header", "host", "base", "port"] }
    )
    .map(({ base, host, port, ...entry }) => ({ ...entry, upstream: `https://${host}${port}${base}` })),
  { maxKeys: 2 }
)

const documents: fc.Arbitrary<PolicyDocument> = fc.record({
  allow: fc.array(fc.oneof(entries, listing), { maxLength: 6 }),
  deny: fc.array(entries, { maxLength: 4 }),
  resolve: fc.dictionary(names, fours.filter((address) => address !== 0).map(dotted), { maxKeys: 2 })
})

/** Documents that say nothing undialable, as policies. */
const policies = documents
  .map(Policy.fromDocument)
  .filter(Either.isRight)
  .map(({ right }) => right)

const asked = fc.record({
  host: hosts,
  port: ports,
  http: fc.option(fc.record({ method: methods, path: paths }), { nil: undefined })
})

const answers = fc.array(
  fc.oneof(
    fours.map(dotted),
    sixes.map((groups) => spellingsOfSix(groups)[0] ?? ""),
    fc.constantFrom("1.1.1.1", "2606:4700::1", "junk")
  ),
  { maxLength: 3 }
)

type Request = typeof asked extends fc.Arbitrary<infer A> ? A : never

const decide = (policy: Policy.Policy, { host, http, port }: Request): Decision.Verdict =>
  Decision.decide(policy, { host, port, ...http })

/** All that a decision says: of the request, and of the addresses it may be dialled at. */
const outcome = (policy: Policy.Policy, given: Request, found: ReadonlyArray<string> = []): unknown => {
  const verdict = decide(policy, given)
  if (verdict._tag === "Deny") return verdict
  return { verdict, addresses: Decision.decideAddresses(policy, verdict, found) }
}

const isReached = (policy: Policy.Policy, given: Request, found: ReadonlyArray<string>): boolean => {
  const verdict = decide(policy, given)
  return verdict._tag === "Allow" && Either.isRight(Decision.decideAddresses(policy, verdict, found))
}

/** How often a property was tried on either side; a property that never saw one says nothing. */
const tally = () => {
  const seen = new Set<boolean>()
  return { saw: (value: boolean) => seen.add(value), both: () => assert.strictEqual(seen.size, 2, "both were seen") }
}

// Five seconds are little on a machine that does other things too.
describe("every policy", { timeout: 60_000 }, () => {
  it("decides all spellings of one address alike", () => {
    const { both, saw } = tally()
    const spelled = fc.oneof(
      fours.map(spellingsOfFour),
      sixes.map(spellingsOfSix),
      fc.integer({ min: 0, max: 0xffffffff }).map(spellingsOfFour),
      fc
        .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
        .map(spellingsOfSix)
    )
    fc.assert(
      fc.property(policies, asked, spelled, (policy, given, spellings) => {
        const [first = "", ...others] = spellings
        const expected = outcome(policy, { ...given, host: first })
        saw(isReached(policy, { ...given, host: first }, []))
        for (const host of others) assert.deepStrictEqual(outcome(policy, { ...given, host }), expected, host)
      }),
      { seed, numRuns: 150 }
    )
    both()
  })

  it("is the same policy, however its addresses are spelled", () => {
    const { both, saw } = tally()
    fc.assert(
      fc.property(fours, ports, fc.constantFrom("allow", "deny"), (address, port, part) => {
        const [canonical, ...others] = spellingsOfFour(address).map((spelling) =>
          // In a policy an IPv6 address stands in brackets.
          Policy.make({
            [part]: [spelling.includes("::") ? `[${spelling.replace(/[[\]]/g, "")}]:${port}` : `${spelling}:${port}`]
          })
        )
        saw(canonical !== undefined && Either.isRight(canonical))
        for (const other of others) {
          if (canonical === undefined || Either.isLeft(canonical)) assert.isTrue(Either.isLeft(other))
          else assert.deepStrictEqual(other, canonical)
        }
      }),
      { seed, numRuns: 100 }
    )
    both()
  })

  it("decides all spellings of one name alike", () => {
    const flips = fc.func(fc.boolean())
    fc.assert(
      fc.property(policies, asked, names, flips, fc.boolean(), (policy, given, host, isUpper, hasDot) => {
        const mixed = [...host].map((char, index) => (isUpper(index) ? char.toUpperCase() : char)).join("")
        const spelled = `${mixed.replace(/\./g, hasDot ? "\u3002" : ".")}${hasDot ? "." : ""}`
        const unicode = mixed.replace(/xn--bcher-kva/i, "b\u00fccher")
        const expected = outcome(policy, { ...given, host })
        assert.deepStrictEqual(outcome(policy, { ...given, host: spelled }), expected)
        assert.deepStrictEqual(outcome(policy, { ...given, host: unicode }), expected)
      }),
      { seed, numRuns: 150 }
    )
  })

  it("refuses what it denies, whatever it allows besides", () => {
    const { both, saw } = tally()
    fc.assert(
      fc.property(policies, asked, entries, answers, (policy, given, entry, found) => {
        const denial = Either.getOrUndefined(Policy.parseDeny(entry))
        if (denial === undefined) return
        const denying = { ...policy, deny: [denial] }
        // Alone, the same rule allows what it denies: of the same hosts and ports, and of plain HTTP.
        const alone = { ...Policy.empty, allow: [{ ...denial, ports: denial.ports ?? [given.port] }] }
        const isDenied = decide(alone, given)._tag === "Allow"
        saw(isDenied)
        if (isDenied) {
          const verdict = decide(denying, given)
          assert.strictEqual(verdict._tag === "Deny" ? verdict.reason : "allowed", "denied-by-rule")
        }
        // And a rule less never refuses more.
        if (isReached(denying, given, found)) assert.isTrue(isReached({ ...policy, deny: [] }, given, found))
      }),
      { seed, numRuns: 600 }
    )
    both()
  })

  it("never allows more for a rule more that denies, nor less for one more that allows", () => {
    const { both, saw } = tally()
    fc.assert(
      fc.property(policies, policies, asked, answers, (policy, other, given, found) => {
        const before = isReached(policy, given, found)
        saw(before)
        const denying = { ...policy, deny: [...policy.deny, ...other.deny] }
        const allowing = { ...policy, allow: [...policy.allow, ...other.allow] }
        if (!before) assert.isFalse(isReached(denying, given, found))
        if (before) assert.isTrue(isReached(allowing, given, found))
        const verdict = decide(policy, given)
        if (verdict._tag === "Deny" && verdict.reason === "denied-by-rule") {
          assert.isFalse(isReached(allowing, given, found))
        }
      }),
      { seed, numRuns: 600 }
    )
    both()
  })

  it("dials no address that it denies, and none that is neither public nor its own word", () => {
    const { both, saw } = tally()
    fc.assert(
      fc.property(policies, asked, answers, (policy, given, found) => {
        const verdict = decide(policy, given)
        const judged =
          verdict._tag === "Allow" ? Decision.decideAddresses(policy, verdict, found) : Either.left(verdict)
        saw(Either.isRight(judged))
        if (Either.isLeft(judged)) return
        for (const address of judged.right) {
          // Asked for by itself, it is not refused because it is denied.
          const itself = decide(policy, { ...given, host: Host.text(address) })
          assert.isFalse(itself._tag === "Deny" && itself.reason === "denied-by-rule", address.address)
          assert.deepStrictEqual(Either.getOrThrow(Host.parse(address.address)), address)
          assert.notMatch(address.address, /^(?:0\.0\.0\.0|::|2(?:2[4-9]|[34][0-9]|5[0-5])\..*)$/)
        }
      }),
      { seed, numRuns: 600 }
    )
    both()
  })

  it("refuses a name for an address in a range that it denies, by whatever address that is reached", () => {
    const publics = fc.integer({ min: 0x08000000, max: 0x08ffffff })
    fc.assert(
      fc.property(
        policies,
        names,
        ports,
        publics,
        fc.integer({ min: 0, max: 32 }),
        (policy, name, port, four, prefix) => {
          const groups = `${(four >>> 16).toString(16)}:${(four & 0xffff).toString(16)}`
          const given: Request = { host: name, port, http: undefined }
          const allow = Either.getOrThrow(Policy.parseAllow(`${name}:${port}`))
          const deny = Either.getOrThrow(Policy.parseDeny(`${masked(four, prefix)}/${prefix}`))
          const allowing = { ...policy, allow: [...policy.allow, allow], deny: [], pins: new Map() }
          const denying = { ...allowing, deny: [deny] }
          for (const answer of [dotted(four), `::ffff:${groups}`, `64:ff9b::${groups}`, `2002:${groups}::1`]) {
            assert.isTrue(isReached(allowing, given, [answer]), answer)
            assert.isFalse(isReached(denying, given, [answer]), answer)
            assert.isFalse(isReached(denying, given, ["1.1.1.1", answer]), answer)
            const pins = new Map([[name, Either.getOrThrow(Policy.parseResolve(`${name}=${answer}`))[1]]])
            assert.isTrue(isReached({ ...allowing, pins }, given, []), answer)
            assert.isFalse(isReached({ ...denying, pins }, given, []), answer)
          }
        }
      ),
      { seed, numRuns: 150 }
    )
  })

  it("allows no tunnel and no path of two readings by a rule for requests, and denies both by one", () => {
    const odd = fc.constantFrom<Request["http"]>(
      undefined,
      { method: "GET", path: "/v1/../x" },
      { method: "GET", path: "/v1/%78" },
      { method: "GET", path: "/v1/;x" },
      { method: "GET", path: "*" }
    )
    const rules = fc.record({
      host: names,
      ports: fc.constant([80]),
      paths: fc.array(fc.constantFrom("/v1/*", "/*", "/x"), { minLength: 1 })
    })
    fc.assert(
      fc.property(rules, odd, (entry, http) => {
        const given: Request = { host: entry.host, port: 80, http }
        const only = Either.getOrThrow(Policy.make({ allow: [entry] }))
        const but = Either.getOrThrow(Policy.make({ allow: [entry.host], deny: [entry] }))
        const path = (entry.paths[0] ?? "").replace("*", "x")
        assert.strictEqual(decide(only, { ...given, http: { method: "GET", path } })._tag, "Allow")
        assert.strictEqual(decide(only, given)._tag, "Deny")
        assert.strictEqual(decide({ ...but, deny: [] }, given)._tag, "Allow")
        assert.strictEqual(decide(but, given)._tag, "Deny")
      }),
      { seed, numRuns: 150 }
    )
  })

  it("resolves no name that is refused, and none but the canonical one that was asked for", () => {
    const { both, saw } = tally()
    const any = fc.oneof(hosts, fc.fullUnicodeString({ maxLength: 40 }), fc.string({ maxLength: 300 }))
    fc.assert(
      fc.property(policies, any, asked, (policy, host, given) => {
        const verdict = decide(policy, { ...given, host })
        const parsed = Host.parse(host)
        saw(verdict._tag === "Allow")
        if (Either.isLeft(parsed)) {
          assert.strictEqual(verdict._tag === "Deny" ? verdict.reason : "allowed", "host-invalid")
        }
        if (verdict._tag === "Deny") {
          // Nothing in a refusal tells what to resolve or dial.
          assert.isFalse("target" in verdict)
          for (const text of [verdict.host, verdict.authority, verdict.detail]) assert.match(text, /^[\x20-\x7e]*$/)
          return
        }
        assert.deepStrictEqual(verdict.host, Either.getOrThrow(parsed))
        if (verdict.target._tag === "Resolve") assert.strictEqual(verdict.target.name, Host.text(verdict.host))
      }),
      { seed, numRuns: 600 }
    )
    both()
  })

  it("comes back from its document, through JSON too", () => {
    fc.assert(
      fc.property(policies, credentials, (rules, given) => {
        const made = Policy.fromDocument(Policy.toDocument(rules), { credentials: given })
        const policy = Either.getOrElse(made, () => rules)
        const document = Policy.toDocument(policy)
        assert.deepStrictEqual(Either.getOrThrow(Policy.fromDocument(document)), policy)
        assert.deepStrictEqual(Either.getOrThrow(Policy.fromJson(JSON.stringify(document))), policy)
        assert.deepStrictEqual(Policy.toDocument(Either.getOrThrow(Policy.fromJson(document))), document)
      }),
      { seed, numRuns: 300 }
    )
  })

  it("is explained as it decides, in visible lines", () => {
    fc.assert(
      fc.property(policies, asked, (policy, given) => {
        const verdict = decide(policy, given)
        const explanation = Explanation.explain(policy, { host: given.host, port: given.port, ...given.http })
        if (verdict._tag === "Deny") {
          assert.strictEqual(explanation.reason, verdict.reason)
          assert.strictEqual(explanation.rule, verdict.rule?.text ?? null)
        }
        // What is allowed is explained as refused only where its one address is.
        if (verdict._tag === "Allow" && explanation.verdict === "deny") {
          assert.isTrue(Either.isLeft(Decision.decideAddresses(policy, verdict, [])))
          assert.notStrictEqual(verdict.target._tag, "Resolve")
        }
        const deciding = explanation.considered.filter(({ applies, list }) => applies && list === "deny")
        assert.strictEqual(
          deciding.length > 0,
          verdict._tag === "Deny" && verdict.reason === "denied-by-rule" && verdict.address === null
        )
        for (const line of Explanation.lines(explanation)) assert.match(line, /^[\x20-\x7e]{1,1100}$/)
      }),
      { seed, numRuns: 300 }
    )
  })

  it("loses nothing by what a review says never allows anything", () => {
    const { both, saw } = tally()
    fc.assert(
      fc.property(documents, asked, answers, (document, given, found) => {
        const review = PolicyReview.review(document)
        if (Either.isLeft(review)) return
        const idle = new Set(
          review.right.warnings.flatMap(({ message, place }) => (/never allows|already$/.test(message) ? [place] : []))
        )
        saw(idle.size > 0)
        const kept = {
          ...document,
          allow: (document.allow ?? []).filter(
            (entry, index) => !idle.has(`allow[${index}]`) || (typeof entry !== "string" && "addresses" in entry)
          ),
          deny: (document.deny ?? []).filter((_, index) => !idle.has(`deny[${index}]`))
        }
        const policy = Either.getOrThrow(Policy.fromDocument(kept))
        assert.strictEqual(isReached(policy, given, found), isReached(review.right.policy, given, found))
      }),
      { seed, numRuns: 600 }
    )
    both()
  })
})

describe("the empty policy", () => {
  it("allows nothing", () => {
    const empties = [
      Policy.empty,
      Either.getOrThrow(Policy.fromJson("{}")),
      Either.getOrThrow(Policy.fromJson({ allow: [] }))
    ]
    fc.assert(
      fc.property(fc.constantFrom(...empties), asked, (policy, given) => {
        assert.strictEqual(decide(policy, given)._tag, "Deny")
      }),
      { seed, numRuns: 300 }
    )
  })

  it("allows nothing for all that it denies and gives addresses to", () => {
    fc.assert(
      fc.property(policies, asked, (policy, given) => {
        assert.strictEqual(decide({ ...policy, allow: [] }, given)._tag, "Deny")
      }),
      { seed, numRuns: 300 }
    )
  })
})
