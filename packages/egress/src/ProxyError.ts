/**
 * How starting or running a proxy fails.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { InterfacesUnreadable } from "./Interfaces.js"

/**
 * Where a proxy listens. A TCP port of 0 takes a free one.
 *
 * @since 0.1.0
 * @category models
 */
export const Listen = Schema.Union(
  Schema.TaggedStruct("Unix", { path: Schema.String, mode: Schema.optionalWith(Schema.Int, { exact: true }) }),
  Schema.TaggedStruct("Tcp", { host: Schema.String, port: Schema.Int })
)

/**
 * Where a proxy listens: a Unix socket with the mode it is created with (0o600 unless said), or an address and a port.
 *
 * @since 0.1.0
 * @category models
 */
export type Listen = typeof Listen.Type

/**
 * Where a proxy listens, as text.
 *
 * @since 0.1.0
 * @category models
 */
export const listenText = (listen: Listen): string =>
  listen._tag === "Unix"
    ? listen.path
    : listen.host.includes(":")
      ? `[${listen.host}]:${listen.port}`
      : `${listen.host}:${listen.port}`

/**
 * The longest path of a Unix socket on Linux, in bytes (`sun_path` holds 108 with its end).
 *
 * @since 0.1.0
 * @category models
 */
export const maxSocketPathBytes = 107

/**
 * The proxy could not listen where it was told to.
 *
 * - `path-invalid`: empty, not absolute, or holding a NUL.
 * - `path-too-long`: more than 107 bytes.
 * - `in-use`: somebody answers there.
 * - `not-a-socket`: something else has that name; it is left alone.
 * - `not-ours`: a stale socket of another user; it is left alone.
 * - `directory-missing`, `permission-denied`, `address-unavailable`, `other`: what the system said.
 *
 * @since 0.1.0
 * @category errors
 */
export class ListenRefused extends Schema.TaggedError<ListenRefused>("@bottle/egress/ListenRefused")("ListenRefused", {
  listen: Listen,
  reason: Schema.Literal(
    "path-invalid",
    "path-too-long",
    "in-use",
    "not-a-socket",
    "not-ours",
    "directory-missing",
    "permission-denied",
    "address-unavailable",
    "other"
  ),
  code: Schema.NullOr(Schema.String)
}) {
  override get message(): string {
    const why = {
      "path-invalid": "the path is not absolute, or not a path",
      "path-too-long": `the path is longer than ${maxSocketPathBytes} bytes`,
      "in-use": "somebody listens there already",
      "not-a-socket": "something that is not a socket is there",
      "not-ours": "a socket of another user is there",
      "directory-missing": "its directory does not exist",
      "permission-denied": "permission denied",
      "address-unavailable": "the address is not one of this machine",
      other: `the system says ${this.code ?? "no"}`
    }[this.reason]
    // The path may hold anything; the message is one line.
    return `The egress proxy cannot listen on ${JSON.stringify(listenText(this.listen))}: ${why}`
  }

  /** What to do next. */
  get suggestion(): string {
    switch (this.reason) {
      case "path-invalid":
        return "Give an absolute path"
      case "path-too-long":
        return "Give a directory with a shorter name, such as one under $XDG_RUNTIME_DIR or /tmp"
      case "in-use":
        return "Stop the program that listens there, or choose another place"
      case "not-a-socket":
      case "not-ours":
        return "Remove it, or choose another path"
      case "directory-missing":
        return "Create the directory first, with mode 0700"
      case "permission-denied":
        return "Choose a place that you may write to, or a port above 1023"
      case "address-unavailable":
        return "Choose an address of this machine, such as 127.0.0.1"
      case "other":
        return "Choose another place"
    }
  }
}

/**
 * A limit of the proxy is not a positive whole number.
 *
 * @since 0.1.0
 * @category errors
 */
export class LimitInvalid extends Schema.TaggedError<LimitInvalid>("@bottle/egress/LimitInvalid")("LimitInvalid", {
  limit: Schema.String,
  value: Schema.Number
}) {
  override get message(): string {
    return `The limit ${this.limit} of the egress proxy is ${this.value}, which is not a positive whole number`
  }

  /** What to do next. */
  get suggestion(): string {
    return `Give ${this.limit} a positive whole number, or leave it out`
  }
}

/**
 * The longest value of a credential, in characters: with more of a header than this, many servers refuse a request.
 *
 * @since 0.1.0
 * @category models
 */
export const maxCredentialCharacters = 8192

/**
 * The value that a proxy was given for a credential cannot stand in a header. The value itself is not told.
 *
 * - `empty`: nothing was given.
 * - `too-long`: more than 8192 characters.
 * - `not-visible`: it holds a line break, a NUL or something else than visible ASCII, or begins or ends with a space.
 *
 * @since 0.1.0
 * @category errors
 */
export class CredentialInvalid extends Schema.TaggedError<CredentialInvalid>("@bottle/egress/CredentialInvalid")(
  "CredentialInvalid",
  {
    credential: Schema.String,
    reason: Schema.Literal("empty", "too-long", "not-visible")
  }
) {
  override get message(): string {
    const why = {
      empty: "it is empty",
      "too-long": `it is longer than ${maxCredentialCharacters} characters`,
      "not-visible": "it holds a line break or something else than visible ASCII, or a space at an end"
    }[this.reason]
    return `The value of the credential ${this.credential} cannot stand in a header: ${why}`
  }

  /** What to do next. */
  get suggestion(): string {
    return `Look at what the source of ${this.credential} in the policy gives: it has to be the key alone`
  }
}

/**
 * The proxy has stopped: its scope was closed, or its listener died (`code` is what the system said).
 *
 * @since 0.1.0
 * @category errors
 */
export class ProxyClosed extends Schema.TaggedError<ProxyClosed>("@bottle/egress/ProxyClosed")("ProxyClosed", {
  reason: Schema.Literal("scope-closed", "listener-failed"),
  code: Schema.NullOr(Schema.String)
}) {
  override get message(): string {
    return this.reason === "scope-closed"
      ? "The egress proxy has stopped"
      : `The listener of the egress proxy failed: the system says ${this.code ?? "no"}`
  }

  /** What to do next. */
  get suggestion(): string {
    return "Start the bottle again"
  }
}

/**
 * How starting a proxy fails.
 *
 * @since 0.1.0
 * @category errors
 */
export type ProxyError = ListenRefused | LimitInvalid | CredentialInvalid | InterfacesUnreadable
