/**
 * A credential that stays in the bundle: the guest uses it at a local base URL and never holds its value.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Address from "./Address.js"
import * as Host from "./Host.js"
import * as Path from "./internal/path.js"
import { printable, printableHost } from "./internal/text.js"
import type { CredentialEntry, CredentialSource } from "./PolicyDocument.js"
import { methods as knownMethods } from "./PolicyDocument.js"
import { PolicyError } from "./PolicyError.js"

/**
 * Where a credential is used: `path` is the base that every path begins with, without a slash at its end, and empty for
 * the whole host.
 *
 * @since 0.1.0
 * @category models
 */
export interface Upstream extends Host.Authority {
  readonly scheme: "https" | "http"
  readonly path: string
}

/**
 * A credential without its value.
 *
 * - `header`: in lower case
 * - `prefix`: what stands before the value; may be empty
 * - `baseUrlVariable`, `placeholderVariable`: variables of the guest, or null
 * - `methods`, `paths`: what it may be used for, paths of the upstream in their one form; empty for everything but TRACE
 *
 * @since 0.1.0
 * @category models
 */
export interface Credential {
  readonly name: string
  readonly source: CredentialSource
  readonly header: string
  readonly prefix: string
  readonly upstream: Upstream
  readonly baseUrlVariable: string | null
  readonly placeholderVariable: string | null
  readonly methods: ReadonlyArray<string>
  readonly paths: ReadonlyArray<string>
}

/**
 * The path of the proxy at which it serves credentials; the name of one follows.
 *
 * @since 0.1.0
 * @category models
 */
export const ROOT = "/credentials/"

/**
 * The path at which the proxy serves the upstream of a credential: behind the address of the proxy, it is the base URL for
 * the guest.
 *
 * @since 0.1.0
 * @category conversions
 */
export const path = (name: string): string => `${ROOT}${name}`

/**
 * The path that goes to the upstream, from what the guest asks for behind the name: nothing, a path, or a query.
 *
 * @since 0.1.0
 * @category conversions
 */
export const upstreamPath = ({ path }: Upstream, rest: string): string =>
  rest.startsWith("/") ? `${path}${rest}` : `${path === "" ? "/" : path}${rest}`

/**
 * What the guest holds in place of the value: a text that is no secret, and says whose place it takes.
 *
 * @since 0.1.0
 * @category conversions
 */
export const placeholder = (name: string): string => `bottle-placeholder-${name}`

/**
 * What events and refusals call a credential: `credentials.<name>`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const ruleText = (name: string): string => `credentials.${name}`

const nameOk = /^[a-z0-9-]{1,63}$/

const variableOk = /^[A-Za-z_][A-Za-z0-9_]*$/

// RFC 9110 5.6.2.
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

const visible = /^[\x20-\x7e]*$/

/**
 * Headers that are about the connection, the message or whoever sends it: another value in one of them would make two
 * readers of a request see two requests, or would be taken out again.
 */
const control = new Set([
  "connection",
  "cookie",
  "cookie2",
  "date",
  "expect",
  "forwarded",
  "host",
  "http2-settings",
  "keep-alive",
  "max-forwards",
  "origin",
  "range",
  "referer",
  "set-cookie",
  "set-cookie2",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via"
])

const controlPrefix = /^(?:accept|access-control|content|if|proxy|sec|x-bottle|x-forwarded)(?:-|$)/

/**
 * The one spelling of a header's name by which two are compared: servers that hand headers to programs as variables take a
 * dash, an underscore, and some of them all that is neither letter nor digit, for the same.
 *
 * @since 0.1.0
 * @category conversions
 */
export const headerKey = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "-")

const isControl = (key: string): boolean => control.has(key) || controlPrefix.test(key)

type Refuse = (
  reason: PolicyError["reason"],
  key: string,
  entry: string,
  detail: string
) => Either.Either<never, PolicyError>

const parseSource = (refuse: Refuse, source: CredentialSource): Either.Either<CredentialSource, PolicyError> => {
  const no = (key: string, entry: string, detail: string) => refuse("credential-source", `source.${key}`, entry, detail)
  if ("env" in source) {
    return variableOk.test(source.env)
      ? Either.right({ env: source.env })
      : no("env", source.env, "it is not the name of a variable")
  }
  if ("file" in source) {
    const { file } = source
    if (file.includes("\0")) return no("file", file, "it holds a NUL")
    return file.startsWith("/") || (file.startsWith("~/") && file.length > 2)
      ? Either.right({ file })
      : no("file", file, "its path is neither absolute nor below ~/")
  }
  const { command } = source
  if ((command[0] ?? "") === "") return no("command", "", "it names no program")
  const broken = command.find((word) => word.includes("\0"))
  return broken === undefined ? Either.right({ command }) : no("command", broken, "it holds a NUL")
}

const parseHeader = (refuse: Refuse, header: string): Either.Either<string, PolicyError> => {
  const no = (detail: string) => refuse("credential-header", "header", header, detail)
  if (!token.test(header)) return no("it is not the name of a header")
  return isControl(headerKey(header))
    ? no("that header is about the connection or the message, and not a credential")
    : Either.right(header.toLowerCase())
}

/**
 * Whether what is sent there in the clear may leave this machine and its networks: `pins` are the addresses of names, and
 * any other name may lead anywhere.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isInTheOpen = ({ host }: Host.Authority, pins: ReadonlyMap<string, Host.Address> = new Map()): boolean => {
  const address = host._tag === "Address" ? host : pins.get(host.name)
  return address === undefined || Address.kind(address) === "public"
}

const parseUpstream = (
  refuse: Refuse,
  text: string,
  pins: ReadonlyMap<string, Host.Address>
): Either.Either<Upstream, PolicyError> => {
  const no = (detail: string) => refuse("credential-upstream", "upstream", text, detail)
  const url = /^(https?):\/\/([^/?#\\]*)([^]*)$/i.exec(text)
  if (url === null) return no("it is not https://HOST")
  const scheme = url[1]?.toLowerCase() === "http" ? "http" : "https"
  const [, , inner = "", rest = ""] = url
  if (inner.includes("@")) return no("it holds a user name or a password")
  if (rest.includes("?") || rest.includes("#")) return no("it has a query or a fragment")
  const base = rest === "" || rest === "/" ? "" : Path.ofTarget(rest)?.replace(/\/$/, "")
  if (base === undefined) return no("servers could take its path for different ones")
  const authority = Host.parseAuthority(inner, scheme === "https" ? 443 : 80)
  if (Either.isLeft(authority)) return no(authority.left.message)
  const { host, port } = authority.right
  const kind = host._tag === "Address" ? Address.kind(host) : "public"
  if (!Address.isDialable(kind)) return no(`it is ${Address.describeKind(kind)}`)
  if (scheme === "http" && isInTheOpen(authority.right, pins)) {
    return no(
      "plain http shows the key to everybody on the way: it is only for an address that is not public, given here or in resolve"
    )
  }
  return Either.right({ scheme, host, port, path: base })
}

const parseVariable = (
  refuse: Refuse,
  key: string,
  variable: string | undefined
): Either.Either<string | null, PolicyError> =>
  variable === undefined || variableOk.test(variable)
    ? Either.right(variable ?? null)
    : refuse("credential-variable", key, variable, "it is not the name of a variable")

const sorted = (items: Iterable<string>): ReadonlyArray<string> =>
  [...new Set(items)].sort((left, right) => (left < right ? -1 : left > right ? 1 : 0))

/**
 * The credential of an entry in a document; `pins` are the addresses that the policy gives to names.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (
  name: string,
  entry: CredentialEntry,
  pins: ReadonlyMap<string, Host.Address> = new Map()
): Either.Either<Credential, PolicyError> =>
  Either.gen(function* () {
    const shownName = printable(name, 64)
    const refuse: Refuse = (reason, key, what, detail) =>
      Either.left(
        new PolicyError({
          part: "credentials",
          place: key === "" ? "credentials" : `credentials.${shownName}.${key}`,
          entry: printableHost(what),
          reason,
          detail
        })
      )
    if (!nameOk.test(name)) {
      return yield* refuse(
        "credential-name",
        "",
        name,
        "its name holds something else than a-z, 0-9 and -, or is too long"
      )
    }
    const source = yield* parseSource(refuse, entry.source)
    const header = yield* parseHeader(refuse, entry.header)
    const { paths: givenPaths = [], prefix = "" } = entry
    if (!visible.test(prefix)) {
      return yield* refuse("credential-prefix", "prefix", prefix, "it holds something else than visible ASCII")
    }
    const upstream = yield* parseUpstream(refuse, entry.upstream, pins)
    const baseUrlVariable = yield* parseVariable(refuse, "baseUrlVariable", entry.baseUrlVariable)
    const placeholderVariable = yield* parseVariable(refuse, "placeholderVariable", entry.placeholderVariable)
    for (const key of ["methods", "paths"] as const) {
      // A list that is empty could be taken for nothing or for everything.
      if (entry[key]?.length === 0) return yield* refuse("empty", key, name, `its ${key} are an empty list`)
    }
    for (const [index, method] of (entry.methods ?? []).entries()) {
      if (method === "TRACE" || !knownMethods.includes(method)) {
        const detail = method === "TRACE" ? "its answer would hold the credential" : "it is not a method of plain HTTP"
        return yield* refuse("method", `methods[${index}]`, method, detail)
      }
    }
    const paths: Array<string> = []
    for (const [index, text] of givenPaths.entries()) {
      const pattern = Path.parsePattern(text)
      if (pattern === undefined) {
        const detail = "servers could take its path for different ones"
        return yield* refuse("path", `paths[${index}]`, text, detail)
      }
      paths.push(pattern)
    }
    return {
      name,
      source,
      header,
      prefix,
      upstream,
      baseUrlVariable,
      placeholderVariable,
      methods: sorted(entry.methods ?? []),
      paths: sorted(paths)
    }
  })

/**
 * Whether two are the same credential, from the same source.
 *
 * @since 0.1.0
 * @category conversions
 */
export const isSame = (left: Credential, right: Credential): boolean =>
  left === right || (left.name === right.name && JSON.stringify(toEntry(left)) === JSON.stringify(toEntry(right)))

/**
 * What `Host` says to an upstream: its host, and its port where that is not the usual one of its scheme.
 *
 * @since 0.1.0
 * @category conversions
 */
export const hostText = ({ host, port, scheme }: Upstream): string => {
  const authority = Host.formatAuthority(host, port)
  return port === (scheme === "https" ? 443 : 80) ? authority.slice(0, authority.lastIndexOf(":")) : authority
}

/**
 * The upstream as it is written in a document.
 *
 * @since 0.1.0
 * @category conversions
 */
export const upstreamText = (upstream: Upstream): string => `${upstream.scheme}://${hostText(upstream)}${upstream.path}`

/**
 * The entry of a document that is this credential.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toEntry = (credential: Credential): CredentialEntry => ({
  source: credential.source,
  header: credential.header,
  ...(credential.prefix === "" ? {} : { prefix: credential.prefix }),
  upstream: upstreamText(credential.upstream),
  ...(credential.baseUrlVariable === null ? {} : { baseUrlVariable: credential.baseUrlVariable }),
  ...(credential.placeholderVariable === null ? {} : { placeholderVariable: credential.placeholderVariable }),
  ...(credential.methods.length === 0
    ? {}
    : { methods: knownMethods.filter((known) => credential.methods.includes(known)) }),
  ...(credential.paths.length === 0 ? {} : { paths: credential.paths })
})
