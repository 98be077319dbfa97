/**
 * Why a policy allows a request or refuses it, for whoever writes policies: the same decision as the proxy's, with the
 * rules that were looked at.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Credentials from "./Credential.js"
import type { Allow, Asked, Deny, DenyReason, HttpRequest, Remedy } from "./Decision.js"
import * as Decision from "./Decision.js"
import * as Host from "./Host.js"
import * as Match from "./internal/match.js"
import { printable } from "./internal/text.js"
import type { Policy } from "./Policy.js"
import type { Rule } from "./Rule.js"
import * as Rules from "./Rule.js"

/**
 * A rule about the host that was asked for, whether it is about the request too, and why or why not.
 *
 * @since 0.1.0
 * @category models
 */
export interface Considered {
  readonly list: "allow" | "deny"
  readonly rule: string
  readonly applies: boolean
  readonly why: string
}

/**
 * Which addresses an allowed request can be dialled at.
 *
 * - `Given`: this one, which was asked for or is the policy's own word for the name
 * - `Resolved`: those that the name turns out to have; each public or in one of `alsoIn`, and in none of `neverIn`
 *
 * @since 0.1.0
 * @category models
 */
export type Addresses =
  | { readonly _tag: "Given"; readonly address: string; readonly by: "request" | "policy" }
  | { readonly _tag: "Resolved"; readonly alsoIn: ReadonlyArray<string>; readonly neverIn: ReadonlyArray<string> }

/**
 * An explanation. All text is visible ASCII of a bounded length.
 *
 * - `method`, `path`: null for a tunnel
 * - `rule`: the rule that decides; of a refusal that none decides, the one that came nearest
 * - `considered`: every rule about the host, those that deny first
 * - `credentials`: the names of those whose upstream is this host and port, which the guest reaches through the bundle
 *   whatever is said here of the host itself, unless a rule denies it
 * - `remedy`: null for what is allowed
 *
 * @since 0.1.0
 * @category models
 */
export interface Explanation {
  readonly host: string
  readonly port: number
  readonly authority: string
  readonly method: string | null
  readonly path: string | null
  readonly verdict: "allow" | "deny"
  readonly reason: "allowed" | DenyReason
  readonly rule: string | null
  readonly detail: string
  readonly addresses: Addresses | null
  readonly considered: ReadonlyArray<Considered>
  readonly credentials: ReadonlyArray<string>
  readonly remedy: Remedy | null
}

const whyNot = (list: Considered["list"], rule: Rule, port: number, http: HttpRequest | null): string => {
  if (!Match.isOnPort(rule, port)) return `it is for port ${rule.ports?.join(", ") ?? ""}`
  if (http === null) return "it is for plain HTTP, and allows no tunnel"
  const what = [
    ...(rule.methods.length === 0 ? [] : [rule.methods.join(", ")]),
    ...(rule.paths.length === 0 ? [] : [rule.paths.join(", ")])
  ]
  return `it ${list === "allow" ? "allows" : "denies"} only ${printable(what.join(" "), 512)}`
}

const whyYes = (list: Considered["list"], rule: Rule, http: HttpRequest | null): string => {
  if (list === "allow") return "it allows this"
  return Rules.isHttp(rule) && http === null ? "what is inside a tunnel cannot be judged" : "it denies this"
}

const consider = (
  policy: Policy,
  host: Host.Host,
  port: number,
  http: HttpRequest | null
): ReadonlyArray<Considered> => {
  const one = (list: Considered["list"], rule: Rule, isForRequest: boolean): Considered => {
    const applies = Match.isOnPort(rule, port) && isForRequest
    const why = applies ? whyYes(list, rule, http) : whyNot(list, rule, port, http)
    return { list, rule: rule.text, applies, why }
  }
  const isAgainst = Match.denying(host)
  const isFor = Match.allowing(host)
  const { isAllowedBy, isDeniedBy } = Match.requesting(http)
  return [
    ...policy.deny.filter((rule) => isAgainst(rule.host)).map((rule) => one("deny", rule, isDeniedBy(rule))),
    ...policy.allow.filter((rule) => isFor(rule.host)).map((rule) => one("allow", rule, isAllowedBy(rule)))
  ]
}

const credentialsOf = (policy: Policy, host: Host.Host, port: number): ReadonlyArray<string> =>
  [...policy.credentials.values()]
    .filter(({ upstream }) => upstream.port === port && Host.text(upstream.host) === Host.text(host))
    .map(({ name }) => name)

const isOfAddresses = (rule: Rule): boolean => rule.host._tag === "Address" || rule.host._tag === "Range"

const addressesOf = (policy: Policy, allow: Allow): Addresses => {
  const { http, port, target } = allow
  if (target._tag !== "Resolve") {
    const by = target._tag === "Literal" ? "request" : "policy"
    return { _tag: "Given", address: target.address.address, by }
  }
  const { isAllowedBy, isDeniedBy } = Match.requesting(http)
  const ofAddresses = (rules: ReadonlyArray<Rule>): ReadonlyArray<Rule> =>
    rules.filter((rule) => isOfAddresses(rule) && Match.isOnPort(rule, port))
  const listed = ofAddresses(policy.allow).filter(isAllowedBy)
  const denied = ofAddresses(policy.deny).filter(isDeniedBy)
  const own = allow.rules.flatMap((rule) => rule.addresses.map((range) => range.text))
  return {
    _tag: "Resolved",
    alsoIn: [...new Set([...own, ...listed.map((rule) => Rules.hostText(rule.host))])],
    neverIn: [...new Set(denied.map((rule) => Rules.hostText(rule.host)))]
  }
}

/** What is known before anything is resolved; an address that was given is judged at once. */
const judge = (policy: Policy, asked: Asked): Allow | Deny => {
  const verdict = Decision.decide(policy, asked)
  if (verdict._tag === "Deny" || verdict.target._tag === "Resolve") return verdict
  return Either.match(Decision.decideAddresses(policy, verdict, []), {
    onLeft: (deny) => deny,
    onRight: () => verdict
  })
}

/**
 * Explains what the policy says about a request; without a method it is for a tunnel. Pure; nothing is resolved.
 *
 * @since 0.1.0
 * @category constructors
 */
export const explain = (policy: Policy, asked: Asked): Explanation => {
  const verdict = judge(policy, asked)
  const { method, path = "/", port } = asked
  const http = method === undefined ? null : { method, path }
  const host = Either.getOrUndefined(Host.parse(asked.host))
  const about = {
    port,
    method: http === null ? null : printable(http.method, 32),
    path: http === null ? null : printable(http.path),
    considered: host === undefined ? [] : consider(policy, host, port, http),
    credentials: host === undefined ? [] : credentialsOf(policy, host, port)
  }
  return verdict._tag === "Deny"
    ? {
        ...about,
        host: verdict.host,
        authority: verdict.authority,
        verdict: "deny",
        reason: verdict.reason,
        rule: verdict.rule?.text ?? null,
        detail: verdict.detail,
        addresses: null,
        remedy: verdict.remedy
      }
    : {
        ...about,
        host: Host.text(verdict.host),
        authority: Host.formatAuthority(verdict.host, port),
        verdict: "allow",
        reason: "allowed",
        rule: verdict.rule.text,
        detail: `the rule ${verdict.rule.text} allows it`,
        addresses: addressesOf(policy, verdict),
        remedy: null
      }
}

const addressLines = (addresses: Addresses): ReadonlyArray<string> => {
  if (addresses._tag === "Given") {
    return [
      addresses.by === "request"
        ? `it is dialled at ${addresses.address}, and nothing is resolved`
        : `it is dialled at ${addresses.address}, its address in resolve`
    ]
  }
  const also = addresses.alsoIn.length === 0 ? "" : `, or in ${addresses.alsoIn.join(", ")}`
  return [
    `its name is resolved once, and each address has to be public${also}`,
    ...(addresses.neverIn.length === 0 ? [] : [`no address may be in ${addresses.neverIn.join(", ")}`])
  ]
}

const remedyLines = (remedy: Remedy): ReadonlyArray<string> => {
  switch (remedy._tag) {
    case "Allow":
      return [`to allow it, add "${remedy.entry}" to allow`]
    case "Resolve":
      return [`to allow it, give the name its address: ${remedy.resolve}`]
    case "DropDenial":
      return [`to allow it, take ${remedy.rule} out of deny`]
    case "Credential":
      return [remedy.what]
    case "Nothing":
      return ["no rule can allow it"]
  }
}

const SHOWN_MAX = 20

/**
 * The explanation in lines for people; the first is the verdict, the others are indented.
 *
 * @since 0.1.0
 * @category conversions
 */
export const lines = (explanation: Explanation): ReadonlyArray<string> => {
  const { addresses, authority, considered, credentials, detail, method, path, remedy, verdict } = explanation
  const what = method === null ? "a tunnel (CONNECT)" : `${method} ${path ?? ""}`
  const more = considered.length - SHOWN_MAX
  return [
    `${authority}, ${what}: ${verdict === "allow" ? "allowed" : "refused"}`,
    `  ${detail}`,
    ...(addresses === null ? [] : addressLines(addresses).map((line) => `  ${line}`)),
    ...(considered.length === 0 ? [] : ["  rules about this host:"]),
    ...considered.slice(0, SHOWN_MAX).map(({ list, rule, why }) => `    ${list} ${rule}: ${why}`),
    ...(more > 0 ? [`    and ${more} more`] : []),
    ...credentials.map(
      (name) => `  the bundle serves it with ${Credentials.ruleText(name)}, at ${Credentials.path(name)}`
    ),
    ...(remedy === null ? [] : remedyLines(remedy).map((line) => `  ${line}`))
  ].map((line) => printable(line, 1024))
}
