/**
 * What the guest may reach, as the user said it: what is allowed, what is denied all the same, and the addresses that
 * were given to names.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Address from "./Address.js"
import type { Credential } from "./Credential.js"
import * as Credentials from "./Credential.js"
import * as Host from "./Host.js"
import * as Document from "./internal/document.js"
import { printableHost } from "./internal/text.js"
import type { AllowEntry, CredentialEntry, DenyEntry } from "./PolicyDocument.js"
import { PolicyDocument } from "./PolicyDocument.js"
import type { DocumentInvalid } from "./PolicyError.js"
import { PolicyError } from "./PolicyError.js"
import type { Rule } from "./Rule.js"
import * as Rules from "./Rule.js"

// What whoever has a policy needs beside it.
export { PolicyDocument, PolicyError }
export { parseAllow, parseDeny } from "./Rule.js"

/**
 * The whole policy. What no rule of `allow` allows is refused, and what a rule of `deny` denies is refused whatever
 * allows it.
 *
 * - `pins` gives names their address (`--resolve HOST=IP`): it allows no name, but a name that a rule allows is dialled
 *   there, whatever kind of address that is.
 * - `upstream` is the proxy that connections go through to the address that was judged; null for none.
 * - `credentials`, by name, are what the guest reaches through the proxy without holding the key. They allow nothing else.
 *
 * @since 0.1.0
 * @category models
 */
export interface Policy {
  readonly allow: ReadonlyArray<Rule>
  readonly deny: ReadonlyArray<Rule>
  readonly pins: ReadonlyMap<string, Host.Address>
  readonly upstream: Host.Authority | null
  readonly credentials: ReadonlyMap<string, Credential>
}

/**
 * The policy that allows nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: Policy = { allow: [], deny: [], pins: new Map(), upstream: null, credentials: new Map() }

const refuser =
  (part: PolicyError["part"], place: string | null, entry: string) =>
  (reason: PolicyError["reason"], detail: string): Either.Either<never, PolicyError> =>
    Either.left(new PolicyError({ part, place, entry: printableHost(entry), reason, detail }))

/**
 * A name and its address from what `--resolve` takes: `HOST=IP`. An IPv6 address may stand in brackets.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseResolve = (
  entry: string,
  place: string | null = null
): Either.Either<readonly [string, Host.Address], PolicyError> => {
  const refuse = refuser("resolve", place, entry)
  const equals = entry.indexOf("=")
  if (equals < 0) return refuse("resolve", "it is not HOST=IP")
  const name = Host.parse(entry.slice(0, equals))
  if (Either.isLeft(name)) return refuse("resolve", name.left.message)
  if (name.right._tag === "Address") return refuse("resolve", "its host is an address already")
  const address = Host.parse(entry.slice(equals + 1))
  if (Either.isLeft(address) || address.right._tag !== "Address") {
    return refuse("resolve", "what follows = is not an IP address")
  }
  const kind = Address.kind(address.right)
  if (!Address.isDialable(kind)) return refuse("address-kind", `it is ${Address.describeKind(kind)}`)
  return Either.right([name.right.name, address.right])
}

/**
 * The proxy that connections go through, from `http://HOST:PORT`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseUpstream = (
  text: string,
  place: string | null = null
): Either.Either<Host.Authority, PolicyError> => {
  const refuse = refuser("upstream", place, text)
  const inner = /^http:\/\/([^/]*)\/?$/i.exec(text)?.[1]
  if (inner === undefined) return refuse("upstream", "it is not http://HOST:PORT")
  const authority = Host.parseAuthority(inner)
  if (Either.isLeft(authority)) return refuse("upstream", authority.left.message)
  const { host } = authority.right
  const kind = host._tag === "Address" ? Address.kind(host) : "public"
  return Address.isDialable(kind)
    ? Either.right(authority.right)
    : refuse("address-kind", `it is ${Address.describeKind(kind)}`)
}

/** A list as it was given, and where it stands in a document. */
interface Listed<A> {
  readonly entries: ReadonlyArray<A>
  readonly placeOf: (index: number) => string | null
}

const parseRules = <A>(
  listed: Listed<A>,
  parse: (entry: A, place: string | null) => Either.Either<Rule, PolicyError>
): Either.Either<ReadonlyMap<string, Rule>, PolicyError> => {
  const rules = new Map<string, Rule>()
  for (const [index, entry] of listed.entries.entries()) {
    const parsed = parse(entry, listed.placeOf(index))
    if (Either.isLeft(parsed)) return Either.left(parsed.left)
    const rule = parsed.right
    const known = rules.get(Rules.identity(rule))?.addresses ?? []
    const added = rule.addresses.filter((range) => !known.some((other) => other.text === range.text))
    rules.set(Rules.identity(rule), { ...rule, addresses: [...known, ...added] })
  }
  return Either.right(rules)
}

const parsePins = (listed: Listed<string>): Either.Either<Policy["pins"], PolicyError> => {
  const pins = new Map<string, Host.Address>()
  for (const [index, entry] of listed.entries.entries()) {
    const parsed = parseResolve(entry, listed.placeOf(index))
    if (Either.isLeft(parsed)) return Either.left(parsed.left)
    const [name, address] = parsed.right
    const known = pins.get(name)
    if (known !== undefined && known.address !== address.address) {
      return refuser("resolve", listed.placeOf(index), entry)("resolve-twice", `${name} is ${known.address} already`)
    }
    pins.set(name, address)
  }
  return Either.right(pins)
}

const parseCredentials = (
  entries: Readonly<Record<string, CredentialEntry>>,
  { pins, upstream }: Pick<Policy, "pins" | "upstream">
): Either.Either<Policy["credentials"], PolicyError> => {
  const credentials = new Map<string, Credential>()
  const variables = new Map<string, string>()
  for (const [name, entry] of Object.entries(entries)) {
    const parsed = Credentials.parse(name, entry, pins)
    if (Either.isLeft(parsed)) return Either.left(parsed.left)
    // The proxy reads what goes through it, and an address that is not public is another one there.
    if (parsed.right.upstream.scheme === "http" && upstream !== null && Credentials.isInTheOpen(upstream)) {
      return refuser(
        "credentials",
        `credentials.${name}.upstream`,
        entry.upstream
      )(
        "credential-upstream",
        "plain http shows the key to the upstream proxy, which is at no address of these networks"
      )
    }
    for (const key of ["baseUrlVariable", "placeholderVariable"] as const) {
      const variable = parsed.right[key]
      if (variable === null) continue
      const place = `credentials.${name}.${key}`
      const other = variables.get(variable)
      if (other !== undefined) {
        return refuser("credentials", place, variable)("credential-variable", `${other} sets it already`)
      }
      variables.set(variable, place)
    }
    credentials.set(name, parsed.right)
  }
  return Either.right(credentials)
}

const parseAll = (lists: {
  readonly allow: Listed<AllowEntry>
  readonly deny: Listed<DenyEntry>
  readonly resolve: Listed<string>
  readonly upstream: string | undefined
  readonly credentials: Readonly<Record<string, CredentialEntry>>
}): Either.Either<Policy, PolicyError> =>
  Either.gen(function* () {
    const allow = yield* parseRules(lists.allow, Rules.parseAllow)
    const deny = yield* parseRules(lists.deny, Rules.parseDeny)
    const pins = yield* parsePins(lists.resolve)
    const upstream = lists.upstream === undefined ? null : yield* parseUpstream(lists.upstream, "upstream")
    const credentials = yield* parseCredentials(lists.credentials, { pins, upstream })
    return { allow: [...allow.values()], deny: [...deny.values()], pins, upstream, credentials }
  })

/**
 * What the user says beside a document, on the command line: entries of `allow` and `deny`, and `HOST=IP`. A credential
 * takes the place of the document's one of that name.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entries {
  readonly allow?: ReadonlyArray<AllowEntry> | undefined
  readonly deny?: ReadonlyArray<DenyEntry> | undefined
  readonly resolve?: ReadonlyArray<string> | undefined
  readonly credentials?: Readonly<Record<string, CredentialEntry>> | undefined
}

/**
 * The policy of a document, and of what was said beside it. The same rule twice is one rule with the ranges of both; one
 * name with two different addresses is refused.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromDocument = (document: PolicyDocument, beside: Entries = {}): Either.Either<Policy, PolicyError> => {
  const names = Object.keys(document.resolve ?? {})
  const listed = <A>(part: "allow" | "deny", own: ReadonlyArray<A> = [], others: ReadonlyArray<A> = []): Listed<A> => ({
    entries: [...own, ...others],
    placeOf: (index) => (index < own.length ? `${part}[${index}]` : null)
  })
  return parseAll({
    allow: listed("allow", document.allow, beside.allow),
    deny: listed("deny", document.deny, beside.deny),
    resolve: {
      entries: [
        ...Object.entries(document.resolve ?? {}).map(([name, address]) => `${name}=${address}`),
        ...(beside.resolve ?? [])
      ],
      placeOf: (index) => (index < names.length ? "resolve" : null)
    },
    upstream: document.upstream,
    credentials: { ...document.credentials, ...beside.credentials }
  })
}

/**
 * A policy from what the user said without a document.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (entries: Entries): Either.Either<Policy, PolicyError> => fromDocument({}, entries)

/**
 * The document of a JSON text, or of what a JSON reader gave. Nothing is overlooked: an unknown key, a key that stands
 * twice, an empty list and more than `limits` allow are errors.
 *
 * @since 0.1.0
 * @category constructors
 */
export const documentFromJson = (json: unknown): Either.Either<PolicyDocument, DocumentInvalid> =>
  typeof json === "string" ? Document.parse(json) : Document.decode(json)

/**
 * The policy of a JSON text, or of what a JSON reader gave.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromJson = (json: unknown): Either.Either<Policy, DocumentInvalid | PolicyError> =>
  Either.flatMap(documentFromJson(json), (document) => fromDocument(document))

/**
 * The document of a policy, in canonical spelling: `fromDocument` of it is the same policy.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toDocument = (policy: Policy): PolicyDocument => ({
  allow: policy.allow.map(Rules.toAllowEntry),
  ...(policy.deny.length === 0 ? {} : { deny: policy.deny.map(Rules.toDenyEntry) }),
  resolve: Object.fromEntries([...policy.pins].map(([name, address]) => [name, address.address])),
  ...(policy.upstream === null
    ? {}
    : { upstream: `http://${Host.formatAuthority(policy.upstream.host, policy.upstream.port)}` }),
  ...(policy.credentials.size === 0
    ? {}
    : {
        credentials: Object.fromEntries(
          [...policy.credentials].map(([name, credential]) => [name, Credentials.toEntry(credential)])
        )
      })
})
