/**
 * Refused connections, as the user sees them: once for each host, with what to do about it.
 *
 * @since 0.1.0
 */
import type { EgressEvent } from "@bottle/egress/EgressEvent"
import * as Printable from "./Printable.js"

/** How many different hosts are shown: a guest can ask for more than anybody can read. */
const HOSTS_MAX = 100
const HOST_CHARS_MAX = 255
const DETAIL_CHARS_MAX = 200

const reasons: Readonly<Partial<Record<EgressEvent["reason"], string>>> = {
  "no-rule": "no rule allows it",
  "port-not-allowed": "it is allowed on other ports only",
  "host-invalid": "that is no host's name",
  "answer-invalid": "its name has no usable address"
}

/**
 * Why something was refused, in a few printable words.
 *
 * @since 0.1.0
 * @category conversions
 */
export const reasonText = (event: EgressEvent): string => {
  switch (event.reason) {
    case "denied-by-rule":
      return event.rule === null ? "a rule denies it" : `the rule ${Printable.line(event.rule, 100)} denies it`
    case "request-not-allowed":
      return event.method === null || event.method === "CONNECT"
        ? "only plain HTTP requests to it are allowed"
        : `it is allowed for other requests than this ${Printable.line(event.method, 32)} only`
    default:
      return reasons[event.reason] ?? Printable.line(event.detail, DETAIL_CHARS_MAX)
  }
}

const target = (event: EgressEvent): string => {
  if (event.host === null) return "a request"
  const host = Printable.line(event.host, HOST_CHARS_MAX)
  const written = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host
  return event.port === null ? written : `${written}:${event.port}`
}

const advice = (event: EgressEvent, given: Given): string => {
  if (event.host === null) return ""
  const host = Printable.line(event.host, HOST_CHARS_MAX)
  const isUsual = event.port === null || event.port === 80 || event.port === 443
  switch (event.reason) {
    case "no-rule":
      if (given !== "here") return `; to decide on it: bottle policy watch ${given.bottle}`
      return `; allow it with --allow ${isUsual ? (host.includes(":") ? `[${host}]` : host) : target(event)}`
    case "port-not-allowed":
      if (given !== "here") return `; to decide on it: bottle policy watch ${given.bottle}`
      return `; allow it with --allow ${target(event)}`
    case "address-not-public":
      return event.address === null || event.detail.endsWith("never reached")
        ? ""
        : `; ${given === "here" ? "allow it" : "launch the bottle"} with --resolve ${host}=${Printable.line(event.address, 64)}`
    case "denied-by-rule":
      return "; to allow it, take that rule away: denying wins"
    case "request-not-allowed":
      return "; to allow it, add its method and path to the policy"
    default:
      return ""
  }
}

/**
 * Where something is allowed: by the flags of the command that tells of a refusal, or in a bottle that another process
 * holds, while it runs.
 *
 * @since 0.1.0
 * @category models
 */
export type Given = "here" | { readonly bottle: string }

/**
 * The line for one refusal.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toLine = (event: EgressEvent, given: Given = "here"): string =>
  `bottle: refused ${target(event)} (${reasonText(event)})${advice(event, given)}`

/**
 * Which refusals are news: the first for each host and reason, and one last line when there are too many.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeFilter = (given: Given = "here"): ((event: EgressEvent) => string | undefined) => {
  const seen = new Set<string>()
  return (event) => {
    const key = `${event.host ?? ""} ${event.reason}`
    if (seen.has(key) || seen.size > HOSTS_MAX) return undefined
    seen.add(key)
    return seen.size > HOSTS_MAX
      ? "bottle: refused more hosts than are shown here; the record has them all"
      : toLine(event, given)
  }
}
