/**
 * One rule of a policy: which hosts and ports it is about and, for plain HTTP, which methods and paths.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Address from "./Address.js"
import * as Host from "./Host.js"
import * as Path from "./internal/path.js"
import { printable, printableHost } from "./internal/text.js"
import type { AllowEntry, DenyEntry } from "./PolicyDocument.js"
import { methods as knownMethods } from "./PolicyDocument.js"
import { PolicyError } from "./PolicyError.js"

/**
 * The hosts a rule is about: one name, every name below a name (never that name itself), one address, or a range.
 *
 * @since 0.1.0
 * @category models
 */
export type HostPattern =
  | { readonly _tag: "Exact"; readonly name: string }
  | { readonly _tag: "Suffix"; readonly suffix: string }
  | { readonly _tag: "Address"; readonly address: string; readonly family: 4 | 6; readonly range: Address.Cidr }
  | { readonly _tag: "Range"; readonly range: Address.Cidr }

/**
 * One rule.
 *
 * - `text`: how it is shown, bounded and in visible ASCII
 * - `ports`: null for every port, which only a denying rule is for
 * - `addresses`: the ranges that are not public and that its host may still have; only of an allowing rule
 * - `methods`, `paths`: of plain HTTP, in their one form; empty for all of them, and for tunnels
 *
 * @since 0.1.0
 * @category models
 */
export interface Rule {
  readonly text: string
  readonly host: HostPattern
  readonly ports: ReadonlyArray<number> | null
  readonly addresses: ReadonlyArray<Address.Cidr>
  readonly methods: ReadonlyArray<string>
  readonly paths: ReadonlyArray<string>
}

/**
 * The ports of an allowing rule that names none.
 *
 * @since 0.1.0
 * @category models
 */
export const defaultPorts: ReadonlyArray<number> = [80, 443]

const httpPorts: ReadonlyArray<number> = [80]

/** A rule's text may hold 64 paths; a header, an event and a terminal get this much of it. */
const TEXT_MAX = 512

type Part = "allow" | "deny"

/** What a rule without ports is for. */
const portsOf = (part: Part, isHttp: boolean): Rule["ports"] =>
  isHttp ? httpPorts : part === "allow" ? defaultPorts : null

/**
 * Whether the rule tells requests of one host and port apart, which only plain HTTP lets a proxy do.
 *
 * @since 0.1.0
 * @category models
 */
export const isHttp = (rule: Rule): boolean => rule.methods.length > 0 || rule.paths.length > 0

/**
 * The hosts of a rule as they are written, without a port.
 *
 * @since 0.1.0
 * @category conversions
 */
export const hostText = (host: HostPattern): string => {
  switch (host._tag) {
    case "Exact":
      return host.name
    case "Suffix":
      return `*.${host.suffix}`
    case "Address":
      return host.family === 6 ? `[${host.address}]` : host.address
    case "Range":
      return host.range.family === 6 ? `[${host.range.text}]` : host.range.text
  }
}

const isSame = (left: Rule["ports"], right: Rule["ports"]): boolean => left?.join() === right?.join()

const makeRule = (part: Part, fields: Omit<Rule, "text">): Rule => {
  const { host, methods, paths, ports } = fields
  const isUsual = isSame(ports, portsOf(part, methods.length > 0 || paths.length > 0))
  const text = [
    methods.join(","),
    `${hostText(host)}${isUsual || ports === null ? "" : `:${ports.join(",")}`}`,
    paths.join(",")
  ]
  return { ...fields, text: printable(text.filter((word) => word !== "").join(" "), TEXT_MAX) }
}

/**
 * What makes two rules the same one: everything but the ranges of their hosts.
 *
 * @since 0.1.0
 * @category models
 */
export const identity = ({ host, methods, paths, ports }: Rule): string =>
  JSON.stringify([hostText(host), ports, methods, paths])

const requestOf = (part: Part, { methods, paths, ports }: Rule) => {
  const isUsual = isSame(ports, portsOf(part, methods.length > 0 || paths.length > 0))
  return {
    ...(isUsual || ports === null ? {} : { ports }),
    ...(methods.length === 0 ? {} : { methods: knownMethods.filter((known) => methods.includes(known)) }),
    ...(paths.length === 0 ? {} : { paths })
  }
}

const toEntry = (part: Part, rule: Rule): DenyEntry => {
  const written = hostText(rule.host)
  const request = requestOf(part, rule)
  if (!isHttp(rule) && request.ports === undefined) return written
  if (!isHttp(rule) && request.ports?.length === 1) return `${written}:${request.ports.join()}`
  return rule.host._tag === "Range" ? { cidr: rule.host.range.text, ...request } : { host: written, ...request }
}

/**
 * The entry of `allow` that is this rule.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toAllowEntry = (rule: Rule): AllowEntry =>
  rule.addresses.length === 0
    ? toEntry("allow", rule)
    : {
        host: hostText(rule.host),
        addresses: rule.addresses.map((range) => range.text),
        ...requestOf("allow", rule)
      }

/**
 * The entry of `deny` that is this rule.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toDenyEntry = (rule: Rule): DenyEntry => toEntry("deny", rule)

type Refused = Either.Either<never, PolicyError>

/** Refuses an entry; or something of it, that stands somewhere in it. */
type Refuse = (reason: PolicyError["reason"], detail: string, what?: string, at?: string) => Refused

const parseRange = (refuse: Refuse, text: string): Either.Either<HostPattern, PolicyError> => {
  const inner = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text
  return Either.match(Address.parseCidr(inner), {
    onLeft: (error) => refuse("range", error.message),
    onRight: (range) =>
      range.prefix === (range.family === 4 ? 32 : 128)
        ? Either.right({ _tag: "Address", address: range.address, family: range.family, range } as const)
        : Either.right({ _tag: "Range", range } as const)
  })
}

const isAddress = (text: string): boolean => Either.getOrUndefined(Host.parse(text))?._tag === "Address"

const parsePattern = (refuse: Refuse, text: string): Either.Either<HostPattern, PolicyError> => {
  const slash = text.indexOf("/")
  if (slash >= 0 && isAddress(text.slice(text.startsWith("[") && text.endsWith("]") ? 1 : 0, slash))) {
    return parseRange(refuse, text)
  }
  if (slash >= 0 || text.includes("@")) return refuse("url", "it is more than a host and a port")
  const isSuffix = text.startsWith("*.")
  const rest = isSuffix ? text.slice(2) : text
  if (rest.includes("*")) return refuse("wildcard", "a star stands for whole names only, and only in front")
  // A bare IPv6 address and `host:port` look alike; brackets tell them apart.
  if (rest.includes(":") && !rest.startsWith("[")) return refuse("host", "an IPv6 address stands in brackets")
  const parsed = Host.parse(rest)
  if (Either.isLeft(parsed)) return refuse("host", parsed.left.message)
  const host = parsed.right
  if (host._tag === "Name") {
    return Either.right(isSuffix ? { _tag: "Suffix", suffix: host.name } : { _tag: "Exact", name: host.name })
  }
  return isSuffix ? refuse("wildcard", "an address has nothing below it") : parseRange(refuse, host.address)
}

const parsePort = (refuse: Refuse, text: string): Either.Either<number, PolicyError> => {
  const port = Number(text)
  if (text.includes("/")) return refuse("url", "it is more than a host and a port")
  return !/^[1-9][0-9]{0,4}$/.test(text) || port > 65535
    ? refuse("host", "its port is not a number from 1 to 65535")
    : Either.right(port)
}

/** The hosts of an entry, and the port that may stand behind them. */
const parseSubject = (
  refuse: Refuse,
  text: string,
  parseHosts: typeof parsePattern
): Either.Either<{ readonly host: HostPattern; readonly port: number | undefined }, PolicyError> =>
  Either.gen(function* () {
    const bracket = text.lastIndexOf("]")
    const colon = text.lastIndexOf(":")
    const hasPort = colon > bracket && text.indexOf(":", bracket + 1) === colon
    // What is no host at all is told before what is wrong with a port of it.
    if (!hasPort || text.includes("://") || text.includes("@")) {
      return { host: yield* parseHosts(refuse, text), port: undefined }
    }
    const port = yield* parsePort(refuse, text.slice(colon + 1))
    return { host: yield* parseHosts(refuse, text.slice(0, colon)), port }
  })

const parseEach = <A>(
  items: ReadonlyArray<string>,
  parse: (item: string, index: number) => Either.Either<A, PolicyError>
): Either.Either<ReadonlyArray<A>, PolicyError> => Either.all(items.map(parse))

const sorted = <A>(items: ReadonlyArray<A>, order: (left: A, right: A) => number): ReadonlyArray<A> =>
  [...new Set(items)].sort(order)

const byCharacter = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0)

const parse = (part: Part, entry: AllowEntry, place: string | null): Either.Either<Rule, PolicyError> =>
  Either.gen(function* () {
    const subject = typeof entry === "string" ? entry : "cidr" in entry ? entry.cidr : entry.host
    const given: Partial<Exclude<AllowEntry, string>> = typeof entry === "string" ? {} : entry
    const refuse: Refuse = (reason, detail, what, at = "") =>
      Either.left(
        new PolicyError({
          part,
          place: place === null ? null : `${place}${at}`,
          entry: what === undefined ? printableHost(subject) : printable(what),
          reason,
          detail
        })
      )
    const isCidr = typeof entry !== "string" && "cidr" in entry
    if (isCidr && "host" in entry) return yield* refuse("range", "it has both host and cidr")
    // A list that is empty could be taken for nothing or for everything.
    for (const key of ["ports", "methods", "paths"] as const) {
      if (given[key]?.length === 0) return yield* refuse("empty", `its ${key} are an empty list`)
    }
    const { host, port } = yield* parseSubject(refuse, subject, isCidr ? parseRange : parsePattern)
    if (typeof entry !== "string" && !isCidr && host._tag === "Range") {
      return yield* refuse("range", "a range is named by cidr, not by host")
    }
    if (part === "allow" && host._tag === "Address") {
      const kind = Address.kind(host)
      if (!Address.isDialable(kind)) return yield* refuse("address-kind", `it is ${Address.describeKind(kind)}`)
    }
    if (port !== undefined && given.ports !== undefined) {
      return yield* refuse("ports-twice", "it has a port of its own beside ports")
    }
    for (const number of given.ports ?? []) yield* parsePort(refuse, String(number))
    const addresses = yield* parseEach(("addresses" in given ? given.addresses : undefined) ?? [], (text, index) =>
      Either.match(Address.parseCidr(text), {
        onLeft: (error) => refuse("range", error.message, text, `.addresses[${index}]`),
        onRight: (range) => Either.right(range)
      })
    )
    const methods = yield* parseEach(given.methods ?? [], (method, index) =>
      knownMethods.some((known) => known === method)
        ? Either.right(method)
        : refuse("method", "it is not a method of plain HTTP", method, `.methods[${index}]`)
    )
    const paths = yield* parseEach(given.paths ?? [], (path, index) => {
      const pattern = Path.parsePattern(path)
      return pattern === undefined
        ? refuse("path", "servers could take its path for different ones", path, `.paths[${index}]`)
        : Either.right(pattern)
    })
    const ports = port === undefined ? given.ports : [port]
    return makeRule(part, {
      host,
      ports:
        ports === undefined
          ? portsOf(part, methods.length > 0 || paths.length > 0)
          : sorted(ports, (left, right) => left - right),
      addresses,
      methods: sorted(methods, byCharacter),
      paths: sorted(paths, byCharacter)
    })
  })

/**
 * An allowing rule: `host`, `*.host`, `host:port`, `*.host:port`, an IPv4 address, an IPv6 address in brackets, a range of
 * addresses, or an object as documents have it. Without a port it is for 80 and 443, with methods or paths for 80.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseAllow = (entry: AllowEntry, place: string | null = null): Either.Either<Rule, PolicyError> =>
  parse("allow", entry, place)

/**
 * A denying rule, written as an allowing one. Without a port it is for every port, with methods or paths for 80.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseDeny = (entry: DenyEntry, place: string | null = null): Either.Either<Rule, PolicyError> =>
  parse("deny", entry, place)
