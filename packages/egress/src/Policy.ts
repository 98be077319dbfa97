/**
 * What the guest may reach, as the user said it: rules, and the addresses that were given to names.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Address from "./Address.js"
import * as Host from "./Host.js"
import { printable } from "./internal/text.js"

/**
 * The hosts a rule is about: one name, every name below a name (never that name itself), or one address.
 *
 * @since 0.1.0
 * @category models
 */
export type HostPattern =
  | { readonly _tag: "Exact"; readonly name: string }
  | { readonly _tag: "Suffix"; readonly suffix: string }
  | { readonly _tag: "Address"; readonly address: string; readonly family: 4 | 6 }

/**
 * One entry of the allowlist; `text` is its canonical spelling and its identity, `addresses` the ranges that are not
 * public and that its host may still have.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rule {
  readonly text: string
  readonly host: HostPattern
  readonly ports: ReadonlyArray<number>
  readonly addresses: ReadonlyArray<Address.Cidr>
}

/**
 * The whole allowlist. Without rules nothing is allowed. `pins` gives names their address (`--resolve HOST=IP`): it
 * allows no name, but a name that a rule allows is dialled there, whatever kind of address that is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Policy {
  readonly rules: ReadonlyArray<Rule>
  readonly pins: ReadonlyMap<string, Host.Address>
}

/**
 * A policy as it is written in a file: what `--allow` takes, with the ranges a rule lists, and what `--resolve` takes.
 *
 * @since 0.1.0
 * @category models
 */
export const PolicyDocument = Schema.Struct({
  allow: Schema.Array(
    Schema.Union(
      Schema.String,
      Schema.Struct({
        host: Schema.String,
        addresses: Schema.optionalWith(Schema.Array(Schema.String), { exact: true })
      })
    )
  ),
  resolve: Schema.optionalWith(Schema.Record({ key: Schema.String, value: Schema.String }), { exact: true })
}).annotations({ identifier: "PolicyDocument" })

/**
 * A policy as it is written in a file.
 *
 * @since 0.1.0
 * @category models
 */
export interface PolicyDocument extends Schema.Schema.Type<typeof PolicyDocument> {}

/**
 * An entry of a policy is refused; `entry` is its printable form, cut at 255 characters.
 *
 * @since 0.1.0
 * @category errors
 */
export class PolicyError extends Schema.TaggedError<PolicyError>("@bottle/egress/PolicyError")("PolicyError", {
  entry: Schema.String,
  reason: Schema.Literal("host", "url", "wildcard", "address-kind", "range", "resolve", "resolve-twice"),
  detail: Schema.String
}) {
  override get message(): string {
    return `"${this.entry}" cannot be allowed: ${this.detail}`
  }

  /** What to do next. */
  get suggestion(): string {
    switch (this.reason) {
      case "url":
        return "Write the host alone, without scheme, path or user: example.com or example.com:443"
      case "wildcard":
        return "A star stands only in front, for every name below: *.example.com"
      case "address-kind":
        return "Write the address of one machine"
      case "range":
        return "Write a range such as 10.0.0.0/8 or fd00::/8, or one address"
      case "resolve":
      case "resolve-twice":
        return "Write one HOST=IP for each name, such as api.example.com=10.0.0.5"
      case "host":
        return "Write HOST, *.HOST, HOST:PORT, *.HOST:PORT, 192.0.2.1:443 or [2001:db8::1]:443"
    }
  }
}

/**
 * The policy that allows nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: Policy = { rules: [], pins: new Map() }

/**
 * The ports of a rule that names none.
 *
 * @since 0.1.0
 * @category models
 */
export const defaultPorts: ReadonlyArray<number> = [80, 443]

const refuse = (entry: string, reason: PolicyError["reason"], detail: string): Either.Either<never, PolicyError> =>
  Either.left(new PolicyError({ entry: printable(entry), reason, detail }))

const parsePattern = (entry: string, text: string): Either.Either<HostPattern, PolicyError> => {
  const isSuffix = text.startsWith("*.")
  const rest = isSuffix ? text.slice(2) : text
  if (rest.includes("*")) return refuse(entry, "wildcard", "a star stands for whole names only, and only in front")
  // A bare IPv6 address and `host:port` look alike; brackets tell them apart.
  if (rest.includes(":") && !rest.startsWith("[")) return refuse(entry, "host", "an IPv6 address stands in brackets")
  const parsed = Host.parse(rest)
  if (Either.isLeft(parsed)) return refuse(entry, "host", parsed.left.message)
  const host = parsed.right
  if (host._tag === "Name") {
    return Either.right(isSuffix ? { _tag: "Suffix", suffix: host.name } : { _tag: "Exact", name: host.name })
  }
  if (isSuffix) return refuse(entry, "wildcard", "an address has nothing below it")
  const kind = Address.kind(host)
  if (!Address.isDialable(kind)) return refuse(entry, "address-kind", `it is a ${kind} address`)
  return Either.right(host)
}

const patternText = (host: HostPattern): string => {
  switch (host._tag) {
    case "Exact":
      return host.name
    case "Suffix":
      return `*.${host.suffix}`
    case "Address":
      return host.family === 6 ? `[${host.address}]` : host.address
  }
}

/**
 * A rule from what `--allow` takes: `host`, `*.host`, `host:port`, `*.host:port`, an IPv4 address, or an IPv6 address in
 * brackets. Without a port the rule is for 80 and 443.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseAllow = (entry: string, addresses: ReadonlyArray<string> = []): Either.Either<Rule, PolicyError> => {
  if (entry.includes("/") || entry.includes("@")) return refuse(entry, "url", "it is more than a host and a port")
  const bracket = entry.lastIndexOf("]")
  const colon = entry.lastIndexOf(":")
  const hasPort = colon > bracket && entry.indexOf(":", bracket + 1) === colon
  const portText = hasPort ? entry.slice(colon + 1) : undefined
  const port = Number(portText)
  if (portText !== undefined && (!/^[1-9][0-9]{0,4}$/.test(portText) || port > 65535)) {
    return refuse(entry, "host", "its port is not a number from 1 to 65535")
  }
  const ranges: Array<Address.Cidr> = []
  for (const address of addresses) {
    const range = Address.parseCidr(address)
    if (Either.isLeft(range)) return refuse(entry, "range", range.left.message)
    ranges.push(range.right)
  }
  return Either.map(parsePattern(entry, hasPort ? entry.slice(0, colon) : entry), (host) => ({
    text: portText === undefined ? patternText(host) : `${patternText(host)}:${portText}`,
    host,
    ports: portText === undefined ? defaultPorts : [port],
    addresses: ranges
  }))
}

/**
 * A name and its address from what `--resolve` takes: `HOST=IP`. An IPv6 address may stand in brackets.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseResolve = (entry: string): Either.Either<readonly [string, Host.Address], PolicyError> => {
  const equals = entry.indexOf("=")
  if (equals < 0) return refuse(entry, "resolve", "it is not HOST=IP")
  const name = Host.parse(entry.slice(0, equals))
  if (Either.isLeft(name)) return refuse(entry, "resolve", name.left.message)
  if (name.right._tag === "Address") return refuse(entry, "resolve", "its host is an address already")
  const address = Host.parse(entry.slice(equals + 1))
  if (Either.isLeft(address) || address.right._tag !== "Address") {
    return refuse(entry, "resolve", "what follows = is not an IP address")
  }
  const kind = Address.kind(address.right)
  if (!Address.isDialable(kind)) return refuse(entry, "address-kind", `it is a ${kind} address`)
  return Either.right([name.right.name, address.right])
}

/**
 * A policy from what the user wrote. The same rule twice is one rule with the ranges of both; one name with two
 * different addresses is refused.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly allow: ReadonlyArray<
    string | { readonly host: string; readonly addresses?: ReadonlyArray<string> | undefined }
  >
  readonly resolve?: ReadonlyArray<string> | undefined
}): Either.Either<Policy, PolicyError> => {
  const rules = new Map<string, Rule>()
  for (const entry of options.allow) {
    const parsed = typeof entry === "string" ? parseAllow(entry) : parseAllow(entry.host, entry.addresses)
    if (Either.isLeft(parsed)) return Either.left(parsed.left)
    const rule = parsed.right
    const same = rules.get(rule.text)
    const known = same?.addresses ?? []
    const added = rule.addresses.filter((range) => !known.some((other) => other.text === range.text))
    rules.set(rule.text, { ...rule, addresses: [...known, ...added] })
  }
  const pins = new Map<string, Host.Address>()
  for (const entry of options.resolve ?? []) {
    const parsed = parseResolve(entry)
    if (Either.isLeft(parsed)) return Either.left(parsed.left)
    const [name, address] = parsed.right
    const known = pins.get(name)
    if (known !== undefined && known.address !== address.address) {
      return refuse(entry, "resolve-twice", `${name} is ${known.address} already`)
    }
    pins.set(name, address)
  }
  return Either.right({ rules: [...rules.values()], pins })
}

/**
 * The policy of a document.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromDocument = (document: PolicyDocument): Either.Either<Policy, PolicyError> =>
  make({
    allow: document.allow,
    resolve: Object.entries(document.resolve ?? {}).map(([name, address]) => `${name}=${address}`)
  })

/**
 * The document of a policy, in canonical spelling: `fromDocument` of it is the same policy.
 *
 * @since 0.1.0
 * @category models
 */
export const toDocument = (policy: Policy): PolicyDocument => ({
  allow: policy.rules.map((rule) =>
    rule.addresses.length === 0 ? rule.text : { host: rule.text, addresses: rule.addresses.map((range) => range.text) }
  ),
  resolve: Object.fromEntries([...policy.pins].map(([name, address]) => [name, address.address]))
})
