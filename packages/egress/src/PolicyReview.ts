/**
 * A look at a document that is valid and may still not say what its author means.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Address from "./Address.js"
import type { Credential } from "./Credential.js"
import * as Credentials from "./Credential.js"
import * as Host from "./Host.js"
import * as Match from "./internal/match.js"
import type { Policy } from "./Policy.js"
import * as Policies from "./Policy.js"
import type { PolicyDocument } from "./PolicyDocument.js"
import type { PolicyError } from "./PolicyError.js"
import type { HostPattern, Rule } from "./Rule.js"
import * as Rules from "./Rule.js"

/**
 * What looks like a mistake, and where it stands in the document.
 *
 * @since 0.1.0
 * @category models
 */
export interface Warning {
  readonly place: string
  readonly message: string
}

/**
 * What a document says in effect.
 *
 * @since 0.1.0
 * @category models
 */
export interface Review {
  readonly policy: Policy
  readonly warnings: ReadonlyArray<Warning>
}

interface Placed {
  readonly place: string
  readonly rule: Rule
}

/** Whether a pattern has every host of this one. */
const covering = (pattern: HostPattern): ((cover: HostPattern) => boolean) => {
  switch (pattern._tag) {
    case "Exact":
      return Match.allowing({ _tag: "Name", name: pattern.name })
    case "Suffix": {
      const isAbove = Match.allowing({ _tag: "Name", name: pattern.suffix })
      return (cover) => cover._tag === "Suffix" && (cover.suffix === pattern.suffix || isAbove(cover))
    }
    case "Address":
    case "Range": {
      const { address, family, prefix } = pattern.range
      const isAround = Match.denying({ _tag: "Address", address, family })
      return (cover) =>
        (cover._tag === "Address" || cover._tag === "Range") &&
        cover.range.family === family &&
        cover.range.prefix <= prefix &&
        isAround(cover)
    }
  }
}

/** The rule of `deny` that leaves nothing of one of `allow`. */
const undoing = (deny: ReadonlyArray<Placed>, { host, ports }: Rule): Placed | undefined => {
  const isCovering = covering(host)
  return deny.find(
    ({ rule }) =>
      isCovering(rule.host) && !Rules.isHttp(rule) && (ports ?? []).every((port) => Match.isOnPort(rule, port))
  )
}

const loopbacks: ReadonlyArray<Address.Compared> = [
  Address.compare({ _tag: "Address", address: "127.0.0.1", family: 4 }),
  Address.compare({ _tag: "Address", address: "::1", family: 6 })
]

/** Whoever writes 127.0.0.0/8 or ::1 means it; whoever writes 0.0.0.0/0 need not. */
const isLoopbackAmongOthers = (range: Address.Cidr): boolean =>
  range.prefix < 8 && loopbacks.some(({ isHeldBy }) => isHeldBy(range))

const warnOfTwice = (placed: ReadonlyArray<Placed>): ReadonlyArray<Warning> => {
  const places = new Map<string, string>()
  return placed.flatMap(({ place, rule }) => {
    const earlier = places.get(Rules.identity(rule))
    if (earlier !== undefined) return [{ place, message: `${rule.text} stands in ${earlier} already` }]
    places.set(Rules.identity(rule), place)
    return []
  })
}

const warnOfAllow = ({ place, rule }: Placed, deny: ReadonlyArray<Placed>): ReadonlyArray<Warning> => {
  const messages: Array<string> = []
  const { host, text } = rule
  const denial = undoing(deny, rule)
  if (denial !== undefined) {
    messages.push(`${text} never allows anything: ${denial.rule.text} in ${denial.place} denies all of it`)
  }
  if (Rules.isHttp(rule) && rule.ports?.includes(443) === true) {
    messages.push(`${text} allows no https: that is a tunnel, in which no method and no path can be seen`)
  }
  if (host._tag === "Suffix" && !host.suffix.includes(".")) {
    messages.push(`${text} allows every name below ${host.suffix}, whoever has it`)
  }
  if (host._tag === "Address" && Address.kind(host) === "metadata") {
    messages.push(`${text} hands out credentials of the machine on many clouds`)
  }
  if (host._tag === "Range" && isLoopbackAmongOthers(host.range)) {
    messages.push(`${text} allows this machine's own services too`)
  }
  return messages.map((message) => ({ place, message }))
}

/** The rule of `allow` that lets https through to hosts of one of `deny`, which is about plain HTTP alone. */
const lettingPast = (allow: ReadonlyArray<Placed>, deny: ReadonlyArray<Placed>, { host }: Rule): Placed | undefined => {
  const isAround = covering(host)
  if (deny.some(({ rule }) => isAround(rule.host) && Match.isOnPort(rule, 443))) return undefined
  return allow.find(
    ({ rule }) => !Rules.isHttp(rule) && Match.isOnPort(rule, 443) && (isAround(rule.host) || covering(rule.host)(host))
  )
}

const warnOfDeny = (
  { place, rule }: Placed,
  allow: ReadonlyArray<Placed>,
  deny: ReadonlyArray<Placed>
): ReadonlyArray<Warning> => {
  if (!Rules.isHttp(rule)) return []
  const unseen = "no method and no path can be seen"
  if (Match.isOnPort(rule, 443)) {
    return [{ place, message: `${rule.text} denies every tunnel to its ports: in one, ${unseen}` }]
  }
  const past = lettingPast(allow, deny, rule)
  if (past === undefined) return []
  const by = `${past.rule.text} in ${past.place}`
  return [{ place, message: `${rule.text} denies no https: ${by} allows tunnels, in which ${unseen}` }]
}

const warnOfPin = (policy: Policy, name: string, address: Host.Address): ReadonlyArray<Warning> => {
  const place = "resolve"
  const isAbout = Match.allowing({ _tag: "Name", name })
  const isAllowed =
    policy.allow.some((rule) => isAbout(rule.host)) ||
    [...policy.credentials.values()].some(({ upstream }) => Host.text(upstream.host) === name)
  return [
    ...(isAllowed ? [] : [{ place, message: `no rule allows ${name}, so that its address says nothing` }]),
    ...(Address.kind(address) === "metadata"
      ? [{ place, message: `${name} is at ${address.address}, which hands out credentials on many clouds` }]
      : [])
  ]
}

/** Whether a path of a credential can be asked for at all: every path that goes to its upstream begins with its base. */
const isReachable = (base: string, pattern: string): boolean =>
  pattern === (base === "" ? "/" : base) ||
  pattern.startsWith(`${base}/`) ||
  (pattern.endsWith("*") && `${base}/`.startsWith(pattern.slice(0, -1)))

const warnOfCredential = (
  policy: Policy,
  credential: Credential,
  deny: ReadonlyArray<Placed>
): ReadonlyArray<Warning> => {
  const { header, name, paths, prefix, upstream } = credential
  const place = Credentials.ruleText(name)
  const authority = Host.formatAuthority(upstream.host, upstream.port)
  const messages: Array<string> = []
  const isAgainst = Match.denying(upstream.host)
  const denial = deny.find(
    ({ rule }) => isAgainst(rule.host) && Match.isOnPort(rule, upstream.port) && !Rules.isHttp(rule)
  )
  if (denial !== undefined) {
    messages.push(`it is never used: ${denial.rule.text} in ${denial.place} denies ${authority}`)
  }
  const isAbout = Match.allowing(upstream.host)
  const open = policy.allow.find((rule) => isAbout(rule.host) && Match.isOnPort(rule, upstream.port))
  if (open !== undefined) {
    messages.push(`the guest reaches ${authority} by itself too, by ${open.text}, and there with any key it has`)
  }
  if (header === "authorization" && !prefix.endsWith(" ")) {
    messages.push('authorization has the name of a scheme in front of most keys: "prefix": "Bearer "')
  }
  if (upstream.scheme === "http") {
    messages.push(`it goes to ${authority} in the clear: whoever is on the way reads it`)
  }
  for (const pattern of paths) {
    if (!isReachable(upstream.path, pattern)) {
      messages.push(`${pattern} is never asked for: every path of this upstream begins with ${upstream.path}/`)
    }
  }
  return messages.map((message) => ({ place, message }))
}

/**
 * The policy of a document, and what looks like a mistake in it, in the order of the document.
 *
 * @since 0.1.0
 * @category constructors
 */
export const review = (document: PolicyDocument): Either.Either<Review, PolicyError> =>
  Either.gen(function* () {
    const policy = yield* Policies.fromDocument(document)
    const place = <A>(
      part: "allow" | "deny",
      entries: ReadonlyArray<A> = [],
      parse: (entry: A, place: string) => Either.Either<Rule, PolicyError>
    ) =>
      Either.all(
        entries.map((entry, index) => {
          const at = `${part}[${index}]`
          return Either.map(parse(entry, at), (rule): Placed => ({ place: at, rule }))
        })
      )
    const allow = yield* place("allow", document.allow, Rules.parseAllow)
    const deny = yield* place("deny", document.deny, Rules.parseDeny)
    return {
      policy,
      warnings: [
        ...warnOfTwice(allow),
        ...allow.flatMap((placed) => warnOfAllow(placed, deny)),
        ...warnOfTwice(deny),
        ...deny.flatMap((placed) => warnOfDeny(placed, allow, deny)),
        ...[...policy.pins].flatMap(([name, address]) => warnOfPin(policy, name, address)),
        ...[...policy.credentials.values()].flatMap((credential) => warnOfCredential(policy, credential, deny))
      ]
    }
  })
