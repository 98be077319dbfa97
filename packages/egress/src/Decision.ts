/**
 * Whether a request is allowed: a pure function of the policy and of what was asked for, in two steps. The first knows
 * host and port, and of plain HTTP method and path, and nothing it refuses is resolved; the second judges the addresses a
 * name turned out to have.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Address from "./Address.js"
import type { Credential } from "./Credential.js"
import * as Credentials from "./Credential.js"
import * as Host from "./Host.js"
import * as Match from "./internal/match.js"
import * as Path from "./internal/path.js"
import { printable, printableHost } from "./internal/text.js"
import type { Policy } from "./Policy.js"
import type { Rule } from "./Rule.js"
import * as Rules from "./Rule.js"

/**
 * Why a request is refused by the policy.
 *
 * - `credential-unknown`: the policy has no credential of that name
 * - `credential-unavailable`: the proxy was not given its value
 * - `credential-not-for-this`: it is for other methods or paths
 *
 * @since 0.1.0
 * @category models
 */
export const DenyReason = Schema.Literal(
  "host-invalid",
  "denied-by-rule",
  "no-rule",
  "port-not-allowed",
  "request-not-allowed",
  "address-not-public",
  "answer-invalid",
  "credential-unknown",
  "credential-unavailable",
  "credential-not-for-this"
)

/**
 * Why a request is refused by the policy.
 *
 * @since 0.1.0
 * @category models
 */
export type DenyReason = typeof DenyReason.Type

/**
 * A request of plain HTTP: its method, and its path with or without a query, exactly as they go on to the host.
 *
 * @since 0.1.0
 * @category models
 */
export interface HttpRequest {
  readonly method: string
  readonly path: string
}

/**
 * The addresses that are not to be reached because the proxy is at home there: those of its machine, canonical, and of the
 * networks that it stands in, which are dialled only where a rule lists them, and ranges in which nothing is dialled,
 * whatever lists it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Own {
  readonly addresses: ReadonlySet<string>
  readonly networks: ReadonlyArray<Address.Cidr>
  readonly ranges: ReadonlyArray<Address.Cidr>
}

/**
 * The request is allowed as far as it tells itself. `rule` is the first rule that allows it, `rules` are all of them;
 * `http` is null for a tunnel. A `Literal` or `Pinned` host has its address already and must not be resolved. `credential`
 * is the name of the one that the request is for, and null for what goes to its host by itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface Allow {
  readonly _tag: "Allow"
  readonly host: Host.Host
  readonly port: number
  readonly http: HttpRequest | null
  readonly rule: Rule
  readonly rules: ReadonlyArray<Rule>
  readonly credential: string | null
  readonly target:
    | { readonly _tag: "Literal"; readonly address: Host.Address }
    | { readonly _tag: "Pinned"; readonly address: Host.Address }
    | { readonly _tag: "Resolve"; readonly name: string }
}

/**
 * What would let a refused request through: an entry of `allow` and perhaps an address for its name, that address alone, a
 * denying rule less, or another credential. Nothing for what no rule can allow.
 *
 * @since 0.1.0
 * @category models
 */
export type Remedy =
  | { readonly _tag: "Allow"; readonly entry: string; readonly resolve: string | null }
  | { readonly _tag: "Resolve"; readonly resolve: string }
  | { readonly _tag: "DropDenial"; readonly rule: string }
  | { readonly _tag: "Credential"; readonly what: string }
  | { readonly _tag: "Nothing" }

/**
 * The request is refused. `host` is fit to print; `detail` is one sentence; `rule` is the rule that denies it, or the one
 * that came nearest to allowing it.
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
  readonly remedy: Remedy
}

/**
 * What the policy says about a request.
 *
 * @since 0.1.0
 * @category models
 */
export type Verdict = Allow | Deny

interface Request {
  readonly host: Host.Host
  readonly port: number
  readonly http: HttpRequest | null
}

const denial = (policy: Policy, host: Host.Host, { http, port }: Request): Rule | undefined => {
  const isAbout = Match.denying(host)
  const { isDeniedBy } = Match.requesting(http)
  return policy.deny.find((rule) => isAbout(rule.host) && Match.isOnPort(rule, port) && isDeniedBy(rule))
}

/** The rules of `allow` about a host, and of those the ones that allow the request. */
const allowance = (policy: Policy, host: Host.Host, { http, port }: Request) => {
  const isAbout = Match.allowing(host)
  const { isAllowedBy } = Match.requesting(http)
  const about = policy.allow.filter((rule) => isAbout(rule.host))
  return { about, rules: about.filter((rule) => Match.isOnPort(rule, port) && isAllowedBy(rule)) }
}

/** The entry that allows this host and port; the bare host where that says the same. */
const entryOf = ({ host, port }: Request): string => {
  const authority = Host.formatAuthority(host, port)
  return Rules.defaultPorts.includes(port) ? authority.replace(/:[0-9]+$/, "") : authority
}

const refuse = (request: Request, why: Pick<Deny, "reason" | "rule" | "address" | "detail" | "remedy">): Deny => ({
  _tag: "Deny",
  host: Host.text(request.host),
  port: request.port,
  authority: Host.formatAuthority(request.host, request.port),
  ...why
})

const refuseDenied = (request: Request, rule: Rule, address: Host.Address | null): Deny => {
  const isJudged = request.http !== null || !Rules.isHttp(rule)
  const what = address === null ? "it" : `its address ${address.address}`
  const why = isJudged ? "" : ", and what is inside a tunnel cannot be judged"
  return refuse(request, {
    reason: "denied-by-rule",
    rule,
    address: address?.address ?? null,
    detail: `the rule ${rule.text} denies ${what}${why}`,
    remedy: { _tag: "DropDenial", rule: rule.text }
  })
}

/** A policy may have thousands of rules about one host; a refusal names a few. */
const NAMED_MAX = 8

const few = (words: ReadonlyArray<string>): string =>
  printable(
    words.length <= NAMED_MAX
      ? words.join(", ")
      : `${words.slice(0, NAMED_MAX).join(", ")} and ${words.length - NAMED_MAX} more`,
    1024
  )

const portsText = (rules: ReadonlyArray<Rule>): string => {
  const ports = [...new Set(rules.flatMap((rule) => rule.ports ?? []))].sort((left, right) => left - right)
  return few(ports.map(String))
}

const rulesText = (rules: ReadonlyArray<Rule>): string => few(rules.map((rule) => rule.text))

const refuseUnlisted = (about: ReadonlyArray<Rule>, request: Request): Deny => {
  const near = about.filter((rule) => Match.isOnPort(rule, request.port))
  const [nearest] = near.length > 0 ? near : about
  const authority = Host.formatAuthority(request.host, request.port)
  if (nearest === undefined) {
    return refuse(request, {
      reason: "no-rule",
      rule: null,
      address: null,
      detail: "no rule allows this host",
      remedy: { _tag: "Allow", entry: entryOf(request), resolve: null }
    })
  }
  // The bare host would be another rule beside the one for the other port.
  const remedy = { _tag: "Allow", entry: authority, resolve: null } as const
  if (near.length === 0) {
    const detail = `this host is allowed on port ${portsText(about)} only, by ${rulesText(about)}`
    return refuse(request, { reason: "port-not-allowed", rule: nearest, address: null, detail, remedy })
  }
  const what =
    request.http === null
      ? "plain HTTP only, and what is inside a tunnel cannot be judged"
      : Path.ofTarget(request.http.path) === undefined
        ? "some requests only, and servers could take this path for different ones"
        : "other requests only"
  const detail = `this host is allowed for ${what}; the rules are ${rulesText(near)}`
  return refuse(request, { reason: "request-not-allowed", rule: nearest, address: null, detail, remedy })
}

/**
 * Whether a request for a canonical host and port is allowed; without `http` it is for a tunnel. Pure; nothing is
 * resolved. What a rule denies is refused before anything is looked for that allows it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const decideHost = (policy: Policy, host: Host.Host, port: number, http: HttpRequest | null = null): Verdict => {
  const request: Request = { host, port, http }
  const denied = denial(policy, host, request)
  if (denied !== undefined) return refuseDenied(request, denied, null)
  const { about, rules } = allowance(policy, host, request)
  const [rule] = rules
  return rule === undefined
    ? refuseUnlisted(about, request)
    : permit(policy, request, { rule, rules, credential: null })
}

/** Allows what a rule allows, unless the address that the policy gives to its name is denied. */
const permit = (policy: Policy, request: Request, by: Pick<Allow, "rule" | "rules" | "credential">): Verdict => {
  const { host } = request
  const pin = host._tag === "Name" ? policy.pins.get(host.name) : undefined
  const pinDenied = pin === undefined ? undefined : denial(policy, pin, request)
  if (pin !== undefined && pinDenied !== undefined) return refuseDenied(request, pinDenied, pin)
  const target: Allow["target"] =
    host._tag === "Address"
      ? { _tag: "Literal", address: host }
      : pin === undefined
        ? { _tag: "Resolve", name: host.name }
        : { _tag: "Pinned", address: pin }
  return { _tag: "Allow", ...request, ...by, target }
}

/** What a credential is for, as the rule that its events name. It stands in no list and so allows nothing else. */
const ruleOf = ({ methods, name, paths, upstream: { host, port } }: Credential): Rule => ({
  // What was parsed as an upstream is a host, and one that a rule can name.
  ...Either.getOrThrow(Rules.parseAllow(Host.formatAuthority(host, port))),
  text: Credentials.ruleText(name),
  methods,
  paths
})

/** Why a credential is not for a request, and what it is for. */
const unsuited = (
  { methods, paths, upstream }: Credential,
  http: HttpRequest
): readonly [string, string] | undefined => {
  if (http.method === "TRACE") return ["the answer to TRACE would hold the credential", "Use another method"]
  if (methods.length > 0 && !methods.includes(http.method)) {
    return [`this credential is for ${few(methods)} only`, `Use one of ${few(methods)}`]
  }
  const [path = ""] = http.path.split("?")
  const isBelow = path === (upstream.path || "/") || path.startsWith(`${upstream.path}/`)
  if (!isBelow || !Path.stays(http.path)) {
    return ["servers could take this path for one that the credential is not for", "Write the path in its plain form"]
  }
  if (paths.length === 0) return undefined
  const normal = Path.ofTarget(http.path)
  if (normal !== undefined && paths.some((pattern) => Path.matches(pattern, normal))) return undefined
  return [`this credential is for the paths ${few(paths)} only`, `Use one of the paths ${few(paths)}`]
}

/**
 * Whether a request may use a credential: `http.path` is the path that goes to the upstream, its base in front. Pure;
 * nothing is resolved. What a rule denies is refused, of the upstream as of everything; a rule that allows is not needed.
 * The policy must have this very credential.
 *
 * @since 0.1.0
 * @category constructors
 */
export const decideCredential = (policy: Policy, credential: Credential, http: HttpRequest): Verdict => {
  const { host, port } = credential.upstream
  const request: Request = { host, port, http }
  const rule = ruleOf(credential)
  const no = (reason: DenyReason, detail: string, what: string): Deny =>
    refuse(request, { reason, rule, address: null, detail, remedy: { _tag: "Credential", what } })
  const own = policy.credentials.get(credential.name)
  if (own === undefined || !Credentials.isSame(own, credential)) {
    return no("credential-unknown", "the policy has no such credential any more", "Ask again, if it was changed only")
  }
  const denied = denial(policy, host, request)
  if (denied !== undefined) return refuseDenied(request, denied, null)
  const why = unsuited(credential, http)
  if (why !== undefined) return no("credential-not-for-this", ...why)
  // What lists addresses for this host lists them for the credential too.
  const { rules } = allowance(policy, host, request)
  return permit(policy, request, { rule, rules: [rule, ...rules], credential: credential.name })
}

/**
 * The refusal of a host that has no canonical form; `host` may be any text.
 *
 * @since 0.1.0
 * @category constructors
 */
export const refuseHost = (host: string, port: number, detail: string): Deny => {
  const text = printableHost(host)
  return {
    _tag: "Deny",
    reason: "host-invalid",
    host: text,
    port,
    authority: port === 0 ? text : `${text}:${port}`,
    rule: null,
    address: null,
    detail,
    remedy: { _tag: "Nothing" }
  }
}

/**
 * What is asked for, as it was spelled; without a method it is a tunnel.
 *
 * @since 0.1.0
 * @category models
 */
export interface Asked {
  readonly host: string
  readonly port: number
  readonly method?: string | undefined
  readonly path?: string | undefined
}

/**
 * Whether a request for a host, as it was spelled, and a port is allowed. Pure; nothing is resolved.
 *
 * @since 0.1.0
 * @category constructors
 */
export const decide = (policy: Policy, asked: Asked): Verdict => {
  const { method, path = "/", port } = asked
  const host = Host.parse(asked.host)
  if (Either.isLeft(host)) return refuseHost(asked.host, port, host.left.message)
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    return refuseHost(asked.host, port, "its port is not a number from 1 to 65535")
  }
  return decideHost(policy, host.right, port, method === undefined ? null : { method, path })
}

/** Each answer is held against every rule, and an answer of DNS has room for thousands. */
const ANSWERS_MAX = 256

const nobody: Own = { addresses: new Set(), networks: [], ranges: [] }

const kindOf = (address: Host.Address, own: Own): Address.AddressKind => {
  const kind = Address.kind(address, own.addresses)
  return kind === "public" && own.networks.some(Address.compare(address).touches) ? "neighbour" : kind
}

const isListed = (policy: Policy, allow: Allow, address: Host.Address): boolean => {
  const { isHeldBy } = Address.compare(address)
  return allow.rules.some((rule) => rule.addresses.some(isHeldBy)) || allowance(policy, address, allow).rules.length > 0
}

/** Why an address is never dialled for this request, whatever lists it. */
const refuseAddress = (policy: Policy, allow: Allow, address: Host.Address, own: Own): Deny | undefined => {
  const denied = denial(policy, address, allow)
  if (denied !== undefined) return refuseDenied(allow, denied, address)
  const kind = Address.kind(address, own.addresses)
  const isHome = own.ranges.some(Address.compare(address).touches)
  if (Address.isDialable(kind) && !isHome) return undefined
  const what = isHome ? "an address of the proxy's own network" : Address.describeKind(kind)
  return refuse(allow, {
    reason: "address-not-public",
    rule: allow.rule,
    address: address.address,
    detail: `${address.address} is ${what}, and never reached`,
    remedy: { _tag: "Nothing" }
  })
}

/**
 * The addresses that may be dialled for an allowed request, in the order of the answers. Pure.
 *
 * One answer that is denied, or neither public nor listed, refuses them all: a name that points both outwards and inwards
 * is an attack, not a choice. The user's own word (`Literal`, `Pinned`) is taken without looking at the answers.
 *
 * @since 0.1.0
 * @category constructors
 */
export const decideAddresses = (
  policy: Policy,
  allow: Allow,
  answers: ReadonlyArray<string>,
  own: Own = nobody
): Either.Either<ReadonlyArray<Host.Address>, Deny> => {
  if (allow.target._tag !== "Resolve") {
    const { address } = allow.target
    const refused = refuseAddress(policy, allow, address, own)
    return refused === undefined ? Either.right([address]) : Either.left(refused)
  }
  const invalid = (detail: string): Either.Either<never, Deny> => {
    const why = {
      reason: "answer-invalid",
      rule: allow.rule,
      address: null,
      detail,
      remedy: { _tag: "Nothing" }
    } as const
    return Either.left(refuse(allow, why))
  }
  if (answers.length > ANSWERS_MAX) return invalid(`its name has more than ${ANSWERS_MAX} addresses`)
  const addresses: Array<Host.Address> = []
  for (const answer of answers) {
    const address = Either.getOrUndefined(Host.parse(answer))
    if (address === undefined || address._tag !== "Address") {
      return invalid(`its name resolves to "${printable(answer)}", which is not an address`)
    }
    const refused = refuseAddress(policy, allow, address, own)
    if (refused !== undefined) return Either.left(refused)
    const kind = kindOf(address, own)
    if (kind !== "public" && !isListed(policy, allow, address)) {
      const resolve = `${Host.text(allow.host)}=${address.address}`
      return Either.left(
        refuse(allow, {
          reason: "address-not-public",
          rule: allow.rule,
          address: address.address,
          detail: `its name resolves to ${address.address}, ${Address.describeKind(kind)} that no rule lists`,
          remedy:
            allow.credential === null ? { _tag: "Allow", entry: entryOf(allow), resolve } : { _tag: "Resolve", resolve }
        })
      )
    }
    if (!addresses.some((other) => other.address === address.address)) addresses.push(address)
  }
  return addresses.length === 0 ? invalid("its name has no address") : Either.right(addresses)
}
