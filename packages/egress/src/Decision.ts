/**
 * Whether a request is allowed: a pure function of the policy and of what was asked for, in two steps. The first knows
 * host and port only, and nothing it refuses is resolved; the second judges the addresses a name turned out to have.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Address from "./Address.js"
import * as Host from "./Host.js"
import { printable } from "./internal/text.js"
import type { Policy, Rule } from "./Policy.js"

/**
 * Why a request is refused by the policy.
 *
 * @since 0.1.0
 * @category models
 */
export const DenyReason = Schema.Literal(
  "host-invalid",
  "no-rule",
  "port-not-allowed",
  "address-not-public",
  "answer-invalid"
)

/**
 * Why a request is refused by the policy.
 *
 * @since 0.1.0
 * @category models
 */
export type DenyReason = typeof DenyReason.Type

/**
 * The request is allowed as far as host and port tell. `rule` is the first rule that allows it, `rules` are all of them.
 * A `Literal` or `Pinned` host has its address already and must not be resolved.
 *
 * @since 0.1.0
 * @category models
 */
export interface Allow {
  readonly _tag: "Allow"
  readonly host: Host.Host
  readonly port: number
  readonly rule: Rule
  readonly rules: ReadonlyArray<Rule>
  readonly target:
    | { readonly _tag: "Literal"; readonly address: Host.Address }
    | { readonly _tag: "Pinned"; readonly address: Host.Address }
    | { readonly _tag: "Resolve"; readonly name: string }
}

/**
 * The request is refused. `host` is fit to print; `detail` is one sentence; `rule` is the rule that came nearest.
 *
 * @since 0.1.0
 * @category models
 */
export interface Deny {
  readonly _tag: "Deny"
  readonly reason: DenyReason
  readonly host: string
  readonly port: number
  readonly authority: string
  readonly rule: Rule | null
  readonly address: string | null
  readonly detail: string
}

/**
 * What the policy says about a request.
 *
 * @since 0.1.0
 * @category models
 */
export type Verdict = Allow | Deny

const matches = (rule: Rule, host: Host.Host): boolean => {
  switch (rule.host._tag) {
    case "Exact":
      return host._tag === "Name" && host.name === rule.host.name
    case "Suffix":
      // The dot keeps evilexample.com out of *.example.com, and a name is longer than the dot it begins with.
      return (
        host._tag === "Name" &&
        host.name.length > rule.host.suffix.length + 1 &&
        host.name.endsWith(`.${rule.host.suffix}`)
      )
    case "Address":
      return host._tag === "Address" && host.address === rule.host.address
  }
}

/**
 * Whether a canonical host and port are allowed. Pure; nothing is resolved.
 *
 * @since 0.1.0
 * @category constructors
 */
export const decideHost = (policy: Policy, host: Host.Host, port: number): Verdict => {
  const about = policy.rules.filter((rule) => matches(rule, host))
  const rules = about.filter((rule) => rule.ports.includes(port))
  const [rule] = rules
  if (rule === undefined) {
    const nearest = about[0] ?? null
    const ports = [...new Set(about.flatMap((other) => other.ports))].sort((left, right) => left - right)
    return {
      _tag: "Deny",
      reason: nearest === null ? "no-rule" : "port-not-allowed",
      host: Host.text(host),
      port,
      authority: Host.formatAuthority(host, port),
      rule: nearest,
      address: null,
      detail:
        nearest === null
          ? "no rule allows this host"
          : `this host is allowed on port ${ports.join(", ")} only, by ${about.map((other) => other.text).join(", ")}`
    }
  }
  const pin = host._tag === "Name" ? policy.pins.get(host.name) : undefined
  const target: Allow["target"] =
    host._tag === "Address"
      ? { _tag: "Literal", address: host }
      : pin === undefined
        ? { _tag: "Resolve", name: host.name }
        : { _tag: "Pinned", address: pin }
  return { _tag: "Allow", host, port, rule, rules, target }
}

/**
 * Whether a request for a host, as it was spelled, and a port is allowed. Pure; nothing is resolved.
 *
 * @since 0.1.0
 * @category constructors
 */
export const decide = (policy: Policy, request: { readonly host: string; readonly port: number }): Verdict => {
  const host = Host.parse(request.host)
  if (Either.isRight(host) && Number.isInteger(request.port) && request.port > 0 && request.port <= 65535) {
    return decideHost(policy, host.right, request.port)
  }
  const text = printable(request.host)
  return {
    _tag: "Deny",
    reason: "host-invalid",
    host: text,
    port: request.port,
    authority: `${text}:${request.port}`,
    rule: null,
    address: null,
    detail: Either.isLeft(host) ? host.left.message : "its port is not a number from 1 to 65535"
  }
}

const nobody: ReadonlySet<string> = new Set()

const isListed = (policy: Policy, allow: Allow, address: Host.Address): boolean =>
  allow.rules.some((rule) => rule.addresses.some((range) => Address.holds(range, address))) ||
  policy.rules.some(
    (rule) => rule.host._tag === "Address" && rule.host.address === address.address && rule.ports.includes(allow.port)
  )

/**
 * The addresses that may be dialled for an allowed request, in the order of the answers. Pure.
 *
 * One answer that is not public and not listed refuses them all: a name that points both outwards and inwards is an
 * attack, not a choice. The user's own word (`Literal`, `Pinned`) is taken without looking at the answers.
 * `own` are the canonical addresses of this machine: a public one of them is not public to its guests.
 *
 * @since 0.1.0
 * @category constructors
 */
export const decideAddresses = (
  policy: Policy,
  allow: Allow,
  answers: ReadonlyArray<string>,
  own: ReadonlySet<string> = nobody
): Either.Either<ReadonlyArray<Host.Address>, Deny> => {
  const deny = (reason: DenyReason, address: string | null, detail: string): Either.Either<never, Deny> =>
    Either.left({
      _tag: "Deny",
      reason,
      host: Host.text(allow.host),
      port: allow.port,
      authority: Host.formatAuthority(allow.host, allow.port),
      rule: allow.rule,
      address,
      detail
    })
  if (allow.target._tag !== "Resolve") {
    const { address } = allow.target
    const kind = Address.kind(address)
    return Address.isDialable(kind)
      ? Either.right([address])
      : deny("address-not-public", address.address, `${address.address} is a ${kind} address`)
  }
  const addresses: Array<Host.Address> = []
  for (const answer of answers) {
    const address = Either.getOrUndefined(Host.parse(answer))
    if (address === undefined || address._tag !== "Address") {
      return deny("answer-invalid", null, `its name resolves to "${printable(answer)}", which is not an address`)
    }
    const kind = Address.kind(address, own)
    if (kind !== "public" && !(Address.isDialable(kind) && isListed(policy, allow, address))) {
      const detail = `its name resolves to ${address.address}, ${Address.describeKind(kind)} that no rule lists`
      return deny("address-not-public", address.address, detail)
    }
    if (!addresses.some((other) => other.address === address.address)) addresses.push(address)
  }
  return addresses.length === 0 ? deny("answer-invalid", null, "its name has no address") : Either.right(addresses)
}
