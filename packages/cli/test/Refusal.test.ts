import * as Refusal from "@bottle/cli/Refusal"
import type { EgressEvent } from "@bottle/egress/EgressEvent"
import * as Policy from "@bottle/egress/Policy"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "fast-check"
import { denied, type Fields } from "./fixtures/denied.js"

const policy = Either.getOrThrow(
  Policy.make({ allow: ["api.example.com", "git.example:22", "*.corp.example"], deny: ["bad.example"] })
)

const event = (over: Fields) => denied({ host: "other.test", ...over })

const of = (over: Fields) => Refusal.of(event(over), policy)

describe("Refusal.of", () => {
  it("names the rule for this host and port alone, as it would be in force", () => {
    assert.strictEqual(of({}).entry, "other.test:443")
    assert.strictEqual(of({ port: 8443 }).entry, "other.test:8443")
    assert.strictEqual(of({ host: "git.example", port: 443, reason: "port-not-allowed" }).entry, "git.example:443")
    assert.strictEqual(of({ host: "2606:4700::1111", port: 443 }).entry, "[2606:4700::1111]:443")
    assert.deepStrictEqual(of({}).warnings, [])
  })

  it("adds nothing where a rule alone would not do, and says what would", () => {
    const cases: ReadonlyArray<readonly [Fields, RegExp]> = [
      [{ host: "bad.example", reason: "denied-by-rule", rule: "bad.example" }, /denying wins/],
      // What it is refused for is the guest's bundle's word; the policy's own is asked.
      [{ host: "bad.example" }, /another rule/],
      [{ host: "10.0.0.7", port: 80, method: "GET" }, /no public address/],
      [{ host: "169.254.169.254", port: 80 }, /no public address/],
      [{ reason: "address-not-public", address: "10.0.0.7", detail: "..." }, /--resolve other\.test=10\.0\.0\.7/],
      [{ reason: "address-not-public", address: "127.0.0.1", detail: "it is never reached" }, /never reached/],
      [{ reason: "sni-mismatch" }, /asked for another host/],
      [{ reason: "tls-hello-malformed" }, /cannot be judged/],
      [{ reason: "host-invalid", host: "a b" }, /no host's name/],
      [{ reason: "request-not-allowed", method: "POST" }, /method and path/],
      [{ reason: "credential-not-for-this", method: "GET" }, /let the credential be for this/],
      [{ host: null, port: null, reason: "request-malformed" }, /no rule can allow it/],
      // Not in the one form of a host: it is not what would be allowed.
      [{ host: "OTHER.test" }, /no rule can allow it/],
      [{ host: "other.test\u001b[2J" }, /no rule can allow it/]
    ]
    for (const [over, advice] of cases) {
      const refusal = of(over)
      assert.isNull(refusal.entry, JSON.stringify(over))
      assert.match(refusal.advice ?? "", advice)
    }
  })

  it("says what a name could be taken for", () => {
    const warned = (host: string) => of({ host }).warnings.join("\n")
    assert.match(warned("xn--pple-43d.com"), /international name/)
    assert.match(warned("api.examp1e.com"), /looks like api\.example\.com, which is allowed/)
    assert.match(warned("api.exarnple.com"), /looks like api\.example\.com/)
    assert.match(
      warned("api.example.com.attacker.test"),
      /only begins like api\.example\.com.* belongs to com\.attacker\.test/
    )
    assert.match(warned(`${"a".repeat(60)}.attacker.test`), /a name of 74 characters/)
    assert.match(warned("93.184.216.34"), /an address and no name/)
    assert.strictEqual(warned("www.api.example.com"), "")
  })

  it("shows a long name with its middle left out, and the rule whole", () => {
    const host = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.example`
    const refusal = of({ host })
    assert.strictEqual(refusal.entry, `${host}:443`)
    assert.isBelow(refusal.target.length, 90)
    assert.include(refusal.target, "[...]")
    assert.include(refusal.target, `(${host.length} characters)`)
  })

  it("shows nothing of whatever is asked for but printable ASCII of a bounded length, and its one form or no rule", () => {
    const odd = FastCheck.constantFrom(
      "\u202ecod.evil",
      "a\u001b]0;x\u0007.test",
      "xn--a-ecp.test",
      "ａpi.example.com",
      "[::1]",
      "0x7f.1",
      "a..b",
      "*.test",
      "10.0.0.0/8",
      "user@api.example.com",
      `${"l".repeat(63)}.${"o".repeat(63)}.test`
    )
    const host = FastCheck.oneof(
      odd,
      FastCheck.nat(999).map((at) => `h${at}.test`),
      FastCheck.ipV6(),
      FastCheck.string({ unit: "binary" })
    )
    const reasons: ReadonlyArray<EgressEvent["reason"]> = [
      "no-rule",
      "port-not-allowed",
      "host-invalid",
      "denied-by-rule",
      "sni-mismatch"
    ]
    const asked = FastCheck.record({
      host,
      port: FastCheck.integer({ min: 1, max: 65_535 }),
      reason: FastCheck.constantFrom(...reasons),
      detail: FastCheck.string({ unit: "binary" })
    })
    let entries = 0
    FastCheck.assert(
      FastCheck.property(asked, (over) => {
        const { advice, entry, host, target, warnings } = of(over)
        for (const text of [target, host ?? "", advice ?? "", ...warnings]) assert.match(text, /^[\x20-\x7e]{0,300}$/)
        assert.isAtMost(target.length, 100)
        if (entry === null) return
        entries += 1
        const isSix = over.host.includes(":")
        assert.strictEqual(entry, `${isSix ? `[${over.host}]` : over.host}:${over.port}`)
        const added = Either.getOrThrow(Policy.make({ allow: [entry] }))
        assert.deepStrictEqual(
          added.allow.map(({ ports, text }) => [text, ports]),
          [[entry, [over.port]]]
        )
      }),
      { numRuns: 300, seed: 6 }
    )
    assert.isAbove(entries, 20)
  })

  it("knows what is allowed by now", () => {
    assert.isTrue(Refusal.isAllowedBy(policy, event({ host: "api.example.com" })))
    assert.isFalse(Refusal.isAllowedBy(policy, event({})))
    assert.isFalse(Refusal.isAllowedBy(policy, event({ host: "api.example.com", reason: "sni-mismatch" })))
  })
})
