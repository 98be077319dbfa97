import * as Credentials from "../Credential.js"
import type { Allow, Deny, DenyReason } from "../Decision.js"
import type { Outcome, ProtocolReason, TlsReason } from "../EgressEvent.js"
import * as Host from "../Host.js"
import { printable } from "./text.js"

/** An answer of the proxy itself, the same on CONNECT and on plain requests. */
export interface Reply {
  readonly status: number
  readonly statusText: string
  /** Without `Content-Length` and `Connection`. */
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly body: string
}

/** A value for a quoted string in a header. */
const quoted = (text: string): string => `"${printable(text).replace(/["\\]/g, "?")}"`

const make = (
  status: number,
  statusText: string,
  header: readonly [string, string],
  lines: ReadonlyArray<string>
): Reply => ({
  status,
  statusText,
  headers: [["Content-Type", "text/plain; charset=utf-8"], header],
  body: `${lines.map((line) => printable(line, 1024)).join("\n")}\n`
})

/** What the user can do about a refusal. */
const howToAsk = (deny: Deny): string => {
  // Brackets mean something to a shell.
  const quote = (text: string): string => (text.includes("[") ? `'${text}'` : text)
  switch (deny.remedy._tag) {
    case "Allow": {
      const { entry, resolve } = deny.remedy
      // A watch allows hosts; it gives no name an address.
      return resolve === null
        ? `To allow it: bottle policy watch, or launch with --allow ${quote(entry)}`
        : `To allow it: launch with --allow ${quote(entry)} --resolve ${resolve}`
    }
    case "Resolve":
      return `To allow it, give the name its address: launch with --resolve ${deny.remedy.resolve}`
    case "Credential":
      return `${deny.remedy.what}.`
    case "DropDenial":
      return `To allow it, take the denying rule out of the policy: ${deny.remedy.rule}`
    case "Nothing":
      return "This cannot be allowed by a rule."
  }
}

/** The policy refuses: 403, what was refused, why, and how to ask for it. */
export const denied = (method: string, deny: Deny): Reply => {
  return make(
    403,
    "Forbidden",
    ["X-Bottle-Refused", `${deny.reason}; target=${quoted(deny.authority)}; rule=${quoted(deny.rule?.text ?? "none")}`],
    [
      `bottle refused ${method} ${deny.authority}: ${deny.detail}.`,
      `Rule: ${deny.rule?.text ?? "no rule"}.`,
      howToAsk(deny)
    ]
  )
}

/** There is no credential to use: 403, as for all that the policy refuses. */
export const noCredential = (
  method: string,
  why: {
    readonly name: string
    readonly reason: DenyReason
    readonly rule: string | null
    readonly detail: string
    readonly advice: string
  }
): Reply => {
  const { advice, detail, name, reason, rule } = why
  const target = Credentials.path(name)
  return make(
    403,
    "Forbidden",
    ["X-Bottle-Refused", `${reason}; target=${quoted(target)}; rule=${quoted(rule ?? "none")}`],
    [`bottle refused ${method} ${printable(target)}: ${detail}.`, `${advice}.`]
  )
}

/** Why a request is refused, as long as there is a request that could be answered. */
export type RequestReason = Exclude<ProtocolReason, TlsReason>

const protocolStatus: Record<RequestReason, readonly [number, string]> = {
  "not-a-proxy-request": [400, "Bad Request"],
  "scheme-unsupported": [400, "Bad Request"],
  "host-mismatch": [400, "Bad Request"],
  "request-malformed": [400, "Bad Request"],
  "framing-ambiguous": [400, "Bad Request"],
  "headers-too-large": [431, "Request Header Fields Too Large"],
  "headers-too-slow": [408, "Request Timeout"],
  "too-many-connections": [503, "Service Unavailable"],
  "too-many-pipelined": [503, "Service Unavailable"],
  "too-much-waiting": [503, "Service Unavailable"]
}

/** The proxy itself refuses, whatever the policy says. */
export const protocol = (reason: RequestReason, detail: string): Reply => {
  const [status, statusText] = protocolStatus[reason]
  return make(status, statusText, ["X-Bottle-Refused", reason], [`bottle refused this request: ${detail}.`])
}

/** What the proxy itself serves. */
export const text = (body: string): Reply => ({
  status: 200,
  statusText: "OK",
  headers: [
    ["Content-Type", "text/plain; charset=utf-8"],
    ["Cache-Control", "no-store"]
  ],
  body
})

/** The policy allows it, but it did not work out: 504 for time, 502 for everything else. */
export const failed = (method: string, allow: Allow, outcome: Outcome, detail: string): Reply => {
  const isTime = outcome === "timed-out" || outcome === "idle"
  const authority = Host.formatAuthority(allow.host, allow.port)
  return make(
    isTime ? 504 : 502,
    isTime ? "Gateway Timeout" : "Bad Gateway",
    ["X-Bottle-Upstream", outcome],
    [`bottle allows ${method} ${authority} (rule ${allow.rule.text}), but ${detail}.`]
  )
}

/** The reply as bytes for a connection that nobody parses any more; the connection ends with it. */
export const bytes = (reply: Reply): string => {
  const headers = [
    ...reply.headers,
    ["Content-Length", String(Buffer.byteLength(reply.body))] as const,
    ["Connection", "close"] as const
  ]
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")
  return `HTTP/1.1 ${reply.status} ${reply.statusText}\r\n${lines}\r\n${reply.body}`
}
