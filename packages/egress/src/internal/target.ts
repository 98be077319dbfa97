import * as Either from "effect/Either"
import { ROOT } from "../Credential.js"
import type { Authority } from "../Host.js"
import * as Host from "../Host.js"
import type { RawHeaders } from "./headers.js"
import * as Headers from "./headers.js"
import type { RequestReason } from "./reply.js"
import { printableHost } from "./text.js"

/** Why a request names no target that the policy could be asked about. */
export interface NotATarget {
  readonly reason: RequestReason | "host-invalid"
  readonly detail: string
  readonly host: string | null
}

/** What a request is for: an authority, and the path that goes on to it. */
export interface Target {
  readonly authority: Authority
  readonly path: string
}

/** What is asked of the proxy itself: a credential by the name it was asked for, and what stands behind it. */
export interface Local {
  readonly name: string
  readonly rest: string
}

const refuse = (reason: NotATarget["reason"], detail: string, host: string | null = null) =>
  Either.left<NotATarget>({ reason, detail, host })

/** Names that are not ASCII come as the bytes of UTF-8, which node shows as Latin-1. */
const decode = (text: string): string | undefined => {
  // oxlint-disable-next-line no-control-regex
  if (/^[\u0000-\u007f]*$/.test(text)) return text
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(text, "latin1"))
  } catch {
    return undefined
  }
}

const parseAuthority = (text: string, defaultPort?: number): Either.Either<Authority, NotATarget> => {
  const decoded = decode(text)
  if (decoded === undefined) return refuse("host-invalid", "the host is not UTF-8", printableHost(text))
  return Either.mapLeft(Host.parseAuthority(decoded, defaultPort), (error) => ({
    reason: "host-invalid",
    detail: error.message,
    host: error.text
  }))
}

/** The target of CONNECT: `host:port`, the port always given (RFC 9110 9.3.6). */
export const ofConnect = (url: string): Either.Either<Authority, NotATarget> => parseAuthority(url)

/** The target of a request in absolute form, `http://host[:port]/path`. */
export const ofAbsolute = (method: string, url: string): Either.Either<Target, NotATarget> => {
  if (url.startsWith("/") || url === "*") {
    return refuse(
      "not-a-proxy-request",
      "this is a forward proxy: it takes CONNECT host:port and http://host/path only"
    )
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)
  if (scheme === null) return refuse("request-malformed", "its target is not a URL")
  const name = (scheme[1] ?? "").toLowerCase()
  if (name !== "http") {
    const detail = name === "https" ? "https goes through CONNECT host:443" : "only http and CONNECT are proxied"
    return refuse("scheme-unsupported", detail)
  }
  const rest = url.slice(scheme[0].length)
  if (!/^[\u0021-\u007e\u0080-\u00ff]*$/.test(rest) || rest.includes("#")) {
    return refuse("request-malformed", "its target holds a character that no request target has")
  }
  const end = rest.search(/[/?\\]/)
  const path = end < 0 ? "" : rest.slice(end)
  if (path.startsWith("\\")) return refuse("request-malformed", "its target holds a backslash behind the host")
  return Either.map(parseAuthority(end < 0 ? rest : rest.slice(0, end), 80), (authority) => ({
    authority,
    // RFC 9112 3.2.4: OPTIONS about a whole server becomes `*`.
    path: path === "" ? (method === "OPTIONS" ? "*" : "/") : path.startsWith("?") ? `/${path}` : path
  }))
}

/** Whether `Host` names the target of the absolute form: one that does not is a request for somebody else. */
export const checkHost = (
  headers: RawHeaders,
  authority: Authority,
  httpVersion: string
): Either.Either<void, NotATarget> => {
  const hosts = Headers.values(headers, "host")
  const target = Host.formatAuthority(authority.host, authority.port)
  const [text] = hosts
  if (text === undefined) {
    return httpVersion === "1.0" ? Either.void : refuse("host-mismatch", "it has no Host header", target)
  }
  if (hosts.length > 1) return refuse("host-mismatch", "it has more than one Host header", target)
  const host = parseAuthority(text.trim(), 80)
  if (Either.isRight(host) && Host.formatAuthority(host.right.host, host.right.port) === target) return Either.void
  return refuse("host-mismatch", `its Host header says "${printableHost(text)}"`, target)
}

/** A path at which the proxy serves credentials, whether there is one of that name or not. */
export const ofLocal = (path: string): Local | undefined => {
  if (!path.startsWith(ROOT)) return undefined
  const tail = path.slice(ROOT.length)
  const end = tail.search(/[/?]/)
  return end < 0 ? { name: tail, rest: "" } : { name: tail.slice(0, end), rest: tail.slice(end) }
}

/** Whether an authority is this machine by itself, as a guest calls its relay. */
export const isLoopback = ({ host }: Authority): boolean =>
  host._tag === "Name" ? host.name === "localhost" : host.address === "127.0.0.1" || host.address === "::1"

/** The host of an authority that can be nobody's but this network's: an address, or `localhost`. Any other is somebody's. */
const namelessIn = (text: string): Host.Host | undefined => {
  const parsed = Either.getOrUndefined(parseAuthority(text, 80))
  return parsed !== undefined && (parsed.host._tag === "Address" || isLoopback(parsed)) ? parsed.host : undefined
}

/**
 * Whether no page of somebody else asks: one that says where it is from (`Origin`) is this machine's own, or from the very
 * host that it asks. An address is no sign of either, as anybody's page can be at one.
 */
export const checkOrigin = (headers: RawHeaders): Either.Either<void, NotATarget> => {
  const asked = namelessIn((Headers.values(headers, "host")[0] ?? "").trim())
  const isOwn = (origin: string): boolean => {
    const host = namelessIn(/^https?:\/\/(.*)$/i.exec(origin.trim())?.[1] ?? "")
    if (host === undefined) return false
    return isLoopback({ host, port: 80 }) || (asked !== undefined && Host.text(host) === Host.text(asked))
  }
  const stranger = Headers.values(headers, "origin").find((origin) => !isOwn(origin))
  return stranger === undefined
    ? Either.void
    : refuse(
        "host-mismatch",
        `its Origin header says "${printableHost(stranger)}": a page of somebody else asks for it`
      )
}

/**
 * Whether a request in origin form was meant for the proxy. A browser that reaches it may ask on behalf of a page of
 * somebody else: one whose name points here by now (`Host`), or one that says where it is from (`Origin`).
 */
export const checkLocalHost = (headers: RawHeaders, httpVersion: string): Either.Either<void, NotATarget> => {
  const hosts = Headers.values(headers, "host")
  const [text] = hosts
  if (text === undefined && httpVersion !== "1.0") return refuse("host-mismatch", "it has no Host header")
  if (hosts.length > 1) return refuse("host-mismatch", "it has more than one Host header")
  if (text !== undefined && namelessIn(text.trim()) === undefined) {
    const detail = `its Host header says "${printableHost(text)}", which is not the address of the proxy`
    return refuse("host-mismatch", detail)
  }
  return checkOrigin(headers)
}
