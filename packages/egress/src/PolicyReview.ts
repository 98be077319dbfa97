/**
 * A look at a document that is valid and may still not say what its author means.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Address from "./Address.js"
import type * as Host from "./Host.js"
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

const firstOf = ({ address, family }: Address.Cidr): Host.Address => ({ _tag: "Address", address, family })

/** Whether every host of one pattern is one of the other. */
const covers = (cover: HostPattern, pattern: HostPattern): boolean => {
  const inner = Match.rangeOf(pattern)
  if (inner !== undefined) {
    const outer = Match.rangeOf(cover)
    return outer !== undefined && outer.prefix <= inner.prefix && Address.touches(outer, firstOf(inner))
  }
  if (pattern._tag === "Exact") return Match.isFor(cover, { _tag: "Name", name: pattern.name })
  if (pattern._tag !== "Suffix" || cover._tag !== "Suffix") return false
  return cover.suffix === pattern.suffix || Match.isFor(cover, { _tag: "Name", name: pattern.suffix })
}

/** Whether a rule of `deny` leaves nothing of one of `allow`. */
const undoes = (denial: Rule, rule: Rule): boolean =>
  !Rules.isHttp(denial) &&
  (rule.ports ?? []).every((port) => Match.isOnPort(denial, port)) &&
  covers(denial.host, rule.host)

const isLoopbackAmongOthers = (range: Address.Cidr): boolean =>
  range.family === 4
    ? range.prefix < 8 && Address.holds(range, { _tag: "Address", address: "127.0.0.1", family: 4 })
    : range.prefix < 128 && Address.holds(range, { _tag: "Address", address: "::1", family: 6 })

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
  const denial = deny.find((other) => undoes(other.rule, rule))
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

const warnOfDeny = ({ place, rule }: Placed): ReadonlyArray<Warning> =>
  Rules.isHttp(rule) && rule.ports?.includes(443) === true
    ? [{ place, message: `${rule.text} denies every tunnel to its ports: in one, no method and no path can be seen` }]
    : []

const warnOfPin = (policy: Policy, name: string, address: Host.Address): ReadonlyArray<Warning> => {
  const place = "resolve"
  const isAllowed = policy.allow.some((rule) => Match.isFor(rule.host, { _tag: "Name", name }))
  return [
    ...(isAllowed ? [] : [{ place, message: `no rule allows ${name}, so that its address says nothing` }]),
    ...(Address.kind(address) === "metadata"
      ? [{ place, message: `${name} is at ${address.address}, which hands out credentials on many clouds` }]
      : [])
  ]
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
        ...deny.flatMap(warnOfDeny),
        ...[...policy.pins].flatMap(([name, address]) => warnOfPin(policy, name, address))
      ]
    }
  })
