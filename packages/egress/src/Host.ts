/**
 * The canonical host: the one form in which a name or an address is compared, decided, resolved and dialled.
 *
 * Every spelling of an address ends as that address, so that no spelling can be decided differently from another.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Net from "node:net"
import * as Url from "node:url"
import { printableHost } from "./internal/text.js"

/**
 * A DNS name: lower case, punycode, no trailing dot, never a spelling of an address.
 *
 * @since 0.1.0
 * @category models
 */
export interface Name {
  readonly _tag: "Name"
  readonly name: string
}

/**
 * An IP address: dotted decimal, or RFC 5952 without brackets; an IPv4-mapped IPv6 address is the IPv4 address it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Address {
  readonly _tag: "Address"
  readonly address: string
  readonly family: 4 | 6
}

/**
 * What a request can be for.
 *
 * @since 0.1.0
 * @category models
 */
export type Host = Name | Address

/**
 * A host and the port that is meant, 1 to 65535.
 *
 * @since 0.1.0
 * @category models
 */
export interface Authority {
  readonly host: Host
  readonly port: number
}

/**
 * Why a text is not a host.
 *
 * @since 0.1.0
 * @category errors
 */
export const InvalidReason = Schema.Literal(
  "empty",
  "too-long",
  "control-character",
  "percent-encoding",
  "userinfo",
  "zone",
  "empty-label",
  "character",
  "number",
  "name",
  "address",
  "port"
)

/**
 * Why a text is not a host.
 *
 * @since 0.1.0
 * @category errors
 */
export type InvalidReason = typeof InvalidReason.Type

const explanations: Record<InvalidReason, string> = {
  empty: "it is empty",
  "too-long": "it is longer than a name may be (253 characters, 63 in a label)",
  "control-character": "it holds a control character or a space",
  "percent-encoding": "it is percent-encoded",
  userinfo: "it holds a user name or a password",
  zone: "it holds an IPv6 zone",
  "empty-label": "one of its labels is empty",
  character: "it holds a character that no host name has",
  number: "it ends in a number and is not an IPv4 address",
  name: "it is not a valid international name",
  address: "it is not an IPv6 address in brackets",
  port: "its port is not a number from 1 to 65535"
}

/**
 * The text is not a host; `text` is its printable form, cut at 255 characters and without a
 * user name and password.
 *
 * @since 0.1.0
 * @category errors
 */
export class HostInvalid extends Schema.TaggedError<HostInvalid>("@bottle/egress/HostInvalid")("HostInvalid", {
  text: Schema.String,
  reason: InvalidReason
}) {
  override get message(): string {
    return `"${this.text}" is not a host: ${explanations[this.reason]}`
  }

  /** What to do next. */
  get suggestion(): string {
    return "Write a name such as example.com, an address such as 192.0.2.1, or [2001:db8::1]"
  }
}

const invalid = (text: string, reason: InvalidReason): Either.Either<never, HostInvalid> =>
  Either.left(new HostInvalid({ text: printableHost(text), reason }))

// A name takes at most 253 characters in ASCII; a text that is much longer is not worth converting first.
const maxTextLength = 1024
const maxNameLength = 253
// oxlint-disable-next-line no-control-regex
const control = /[\u0000-\u0020\u007f-\u00a0\u2028\u2029]/
const foreignAscii = /[!-,/:-@[-^`{-~]/
const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

const parseSix = (text: string, inner: string): Either.Either<Address, HostInvalid> => {
  if (inner.includes("%")) return invalid(text, "zone")
  if (!Net.isIPv6(inner)) return invalid(text, "address")
  // The standard of the web writes an address in hexadecimal groups only, whatever mixture came in.
  const canonical = Url.domainToASCII(`[${inner}]`).slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical)
  if (mapped === null) {
    return canonical === ""
      ? invalid(text, "address")
      : Either.right({ _tag: "Address", address: canonical, family: 6 })
  }
  const high = Number.parseInt(mapped[1] ?? "", 16)
  const low = Number.parseInt(mapped[2] ?? "", 16)
  return Either.right({ _tag: "Address", address: [high >> 8, high & 255, low >> 8, low & 255].join("."), family: 4 })
}

/**
 * The canonical form of a host: a name, an IPv4 address in any spelling, or an IPv6 address with or without brackets.
 *
 * Names go through IDNA as the WHATWG URL standard has it (`domainToASCII`), which also knows every numeric spelling of
 * an IPv4 address that resolvers accept.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Either.Either<Host, HostInvalid> => {
  if (text === "") return invalid(text, "empty")
  if (text.length > maxTextLength) return invalid(text, "too-long")
  if (control.test(text)) return invalid(text, "control-character")
  if (text.startsWith("[") && text.endsWith("]")) return parseSix(text, text.slice(1, -1))
  if (text.includes("@")) return invalid(text, "userinfo")
  if (text.includes(":")) return parseSix(text, text)
  if (text.includes("%")) return invalid(text, "percent-encoding")
  if (foreignAscii.test(text)) return invalid(text, "character")

  const ascii = Url.domainToASCII(text)
  if (ascii === "") return invalid(text, /(?:^|\.)[0-9][0-9a-fx]*\.?$/i.test(text) ? "number" : "name")
  const name = ascii.endsWith(".") ? ascii.slice(0, -1) : ascii
  if (Net.isIPv4(name)) return Either.right({ _tag: "Address", address: name, family: 4 })
  if (name.length > maxNameLength) return invalid(text, "too-long")
  for (const part of name.split(".")) {
    if (part === "") return invalid(text, "empty-label")
    if (part.length > 63) return invalid(text, "too-long")
    if (!label.test(part)) return invalid(text, "character")
  }
  // What is left ends in no number, so no resolver takes it for an address: the standard's rule, kept here as ours.
  return /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/.test(name) ? invalid(text, "number") : Either.right({ _tag: "Name", name })
}

/**
 * The canonical form of `host:port`, `[v6]:port`, or of a host alone when `defaultPort` is given.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseAuthority = (text: string, defaultPort?: number): Either.Either<Authority, HostInvalid> => {
  if (text.includes("@")) return invalid(text, "userinfo")
  const bracket = text.lastIndexOf("]")
  const colon = text.indexOf(":", bracket + 1)
  if (bracket >= 0 && !text.startsWith("[")) return invalid(text, "address")
  if (bracket >= 0 && text.length > bracket + 1 && colon !== bracket + 1) return invalid(text, "address")
  const hostText = colon < 0 ? text : text.slice(0, colon)
  const portText = colon < 0 ? undefined : text.slice(colon + 1)
  if (portText?.includes(":")) return invalid(text, "address")
  if (portText === undefined && defaultPort === undefined) return invalid(text, "port")
  if (portText !== undefined && !/^[1-9][0-9]{0,4}$/.test(portText)) return invalid(text, "port")
  const port = portText === undefined ? (defaultPort ?? 0) : Number(portText)
  if (port > 65535) return invalid(text, "port")
  return Either.map(parse(hostText), (host) => ({ host, port }))
}

/**
 * The host as text, an IPv6 address without brackets: what is compared and dialled.
 *
 * @since 0.1.0
 * @category models
 */
export const text = (host: Host): string => (host._tag === "Name" ? host.name : host.address)

/**
 * `host:port` as it is written in a URL or on the command line, an IPv6 address in brackets.
 *
 * @since 0.1.0
 * @category models
 */
export const formatAuthority = (host: Host, port: number): string =>
  host._tag === "Address" && host.family === 6 ? `[${host.address}]:${port}` : `${text(host)}:${port}`
