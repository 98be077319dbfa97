/**
 * A refusal as somebody decides on it: what it is about, the one rule that would let it through, and everything about its
 * name that could make it be taken for another. All of it is the guest's word until it has gone through here.
 *
 * @since 0.1.0
 */
import * as Address from "@bottle/egress/Address"
import * as Decision from "@bottle/egress/Decision"
import type { EgressEvent } from "@bottle/egress/EgressEvent"
import * as Host from "@bottle/egress/Host"
import * as Nearest from "@bottle/egress/Nearest"
import * as Policy from "@bottle/egress/Policy"
import * as Rule from "@bottle/egress/Rule"
import * as Either from "effect/Either"
import * as Denials from "./Denials.js"

/** A longer name is shown with its middle left out, but for the rule that would be added. */
const SHOWN_CHARS_MAX = 60

/** How much of a name's end says whose it is. */
const OWNER_LABELS = 3

/** A name of which not all can be taken in at once. */
const LONG_CHARS = 40

/** Allowed names that another one is compared with. */
const COMPARED_MAX = 256

/**
 * A refusal.
 *
 * - `key`: the same for all that one decision is about
 * - `target`: host and port, printable ASCII of at most 90 characters; a long one with its middle left out, and its length
 * - `entry`: the rule that would let it through, as it would be in force, whole; `null` where none can be added here
 * - `advice`: what would have to be done, where `entry` is `null`
 * - `warnings`: what the name could be mistaken for
 *
 * @since 0.1.0
 * @category models
 */
export interface Refusal {
  readonly key: string
  readonly host: string | null
  readonly port: number | null
  readonly target: string
  readonly reason: EgressEvent["reason"]
  readonly why: string
  readonly entry: string | null
  readonly advice: string | null
  readonly warnings: ReadonlyArray<string>
}

const unprintable = /[^\x21-\x7e]/g

const printable = (text: string): string => text.replace(unprintable, "?")

/**
 * A name with its middle left out, and its length, where it is longer than can be read at once.
 *
 * @since 0.1.0
 * @category conversions
 */
export const shorten = (text: string): string => {
  const clean = printable(text)
  if (clean.length <= SHOWN_CHARS_MAX) return clean
  const half = SHOWN_CHARS_MAX / 2
  return `${clean.slice(0, half)}[...]${clean.slice(-half)} (${clean.length} characters)`
}

/** The letters of a name as they look: what differs only in letters that look alike has the same. */
const looks = (name: string): string =>
  name
    .replace(/rn/g, "m")
    .replace(/vv/g, "w")
    .replace(/cl/g, "d")
    .replace(/[1i|]/g, "l")
    .replace(/0/g, "o")
    .replace(/5/g, "s")

const likeness = (name: string, policy: Policy.Policy): string | undefined => {
  const allowed = policy.allow
    .flatMap(({ host }) => (host._tag === "Exact" ? [host.name] : host._tag === "Suffix" ? [host.suffix] : []))
    .filter((other) => other !== name && !name.endsWith(`.${other}`))
    .slice(0, COMPARED_MAX)
  const same = allowed.find((other) => looks(other) === looks(name))
  if (same !== undefined) return same
  const near = Nearest.nearest(name, allowed)
  return near !== undefined && Math.abs(near.length - name.length) <= 2 && near.length > 4 ? near : undefined
}

/** Parts of an allowed name in front of a name that belongs to somebody else. */
const borrowed = (name: string, policy: Policy.Policy): string | undefined =>
  policy.allow
    .flatMap(({ host }) => (host._tag === "Exact" ? [host.name] : host._tag === "Suffix" ? [host.suffix] : []))
    .find((other) => other.includes(".") && name.includes(`${other}.`) && name !== other)

const warningsAbout = (host: Host.Host, policy: Policy.Policy): ReadonlyArray<string> => {
  if (host._tag === "Address") return ["an address and no name: nothing here says whose it is"]
  const { name } = host
  const labels = name.split(".")
  const end = labels.slice(-OWNER_LABELS).join(".")
  const like = likeness(name, policy)
  const front = borrowed(name, policy)
  return [
    ...(labels.some((label) => label.startsWith("xn--"))
      ? ["an international name, shown in its ASCII form (xn--): written out, it can look like another name"]
      : []),
    ...(front === undefined
      ? []
      : [`it only begins like ${shorten(front)}, which is allowed: it belongs to ${shorten(end)}`]),
    ...(like === undefined ? [] : [`it looks like ${shorten(like)}, which is allowed, and is not that`]),
    ...(name.length > LONG_CHARS
      ? [`a name of ${name.length} characters: who has its end has it, ${shorten(end)}`]
      : [])
  ]
}

const notByRule: Readonly<Partial<Record<EgressEvent["reason"], string>>> = {
  "host-invalid": "no rule can allow what is no host's name",
  "answer-invalid": "no rule can help: its name has no usable address",
  "request-not-allowed": "add its method and path to the policy, and launch the bottle with that",
  "credential-unknown": "add the credential to the policy, and launch the bottle with that",
  "credential-unavailable": "launch the bottle where the credential's source gives its value",
  "credential-not-for-this":
    "let the credential be for this method and path in the policy, and launch the bottle with that",
  "sni-mismatch": "no rule can allow it: inside the tunnel it asked for another host than it said",
  "tls-hello-malformed": "no rule can allow it: what is inside the tunnel cannot be judged"
}

const adviceOf = (event: EgressEvent): string => {
  switch (event.reason) {
    case "denied-by-rule":
      return "take the rule that denies it out of the policy, and launch the bottle with that: denying wins"
    case "address-not-public":
      return event.address === null || event.host === null || event.detail.endsWith("never reached")
        ? "no rule can allow it: that address is never reached"
        : `if that address is meant, launch the bottle with --resolve ${shorten(event.host)}=${printable(event.address)}`
    default:
      return notByRule[event.reason] ?? "no rule can allow it"
  }
}

const PRIVATE = "it is no public address: if it is meant, list it in the policy, and launch the bottle with that"

type Entry = Either.Either<{ readonly entry: string; readonly host: Host.Host }, string>

/** The rule for exactly this host and port, where it alone would let through what was refused. */
const entryOf = (event: EgressEvent, policy: Policy.Policy): Entry => {
  if (event.host === null || event.port === null) return Either.left("no rule can allow it")
  if (event.reason !== "no-rule" && event.reason !== "port-not-allowed") return Either.left(adviceOf(event))
  const host = Either.getOrUndefined(Host.parse(event.host))
  // A host is told in its one form; what is told in another one is not what would be allowed.
  if (host === undefined || Host.text(host) !== event.host) return Either.left("no rule can allow it")
  if (host._tag === "Address" && Address.kind(host) !== "public") return Either.left(PRIVATE)
  const entry = Host.formatAuthority(host, event.port)
  const rule = Either.getOrUndefined(Rule.parseAllow(entry))
  const added = Either.getOrUndefined(Policy.fromDocument(Policy.toDocument(policy), { allow: [entry] }))
  const asked = { host: event.host, port: event.port, method: methodOf(event) }
  if (rule?.text !== entry || added === undefined || Decision.decide(added, asked)._tag === "Deny") {
    return Either.left("the policy denies it by another rule: change that, and launch the bottle with it")
  }
  return Either.right({ entry, host })
}

const methodOf = ({ method }: EgressEvent): string | undefined =>
  method === null || method === "CONNECT" ? undefined : method

/**
 * Whether the policy allows by now what was refused.
 *
 * @since 0.1.0
 * @category conversions
 */
export const isAllowedBy = (policy: Policy.Policy, event: EgressEvent): boolean =>
  event.host !== null &&
  event.port !== null &&
  (event.reason === "no-rule" || event.reason === "port-not-allowed") &&
  Decision.decide(policy, { host: event.host, port: event.port, method: methodOf(event) })._tag === "Allow"

/**
 * The refusal that an event is, judged by the policy in force.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (event: EgressEvent, policy: Policy.Policy): Refusal => {
  const { host, port, reason } = event
  const decided = entryOf(event, policy)
  const isSix = host?.includes(":") === true && !host.startsWith("[")
  const named = host === null ? "a request" : shorten(isSix ? `[${host}]` : host)
  return {
    // One question about one host and port, for whichever reason it is refused.
    key: `${Either.isRight(decided) ? "" : reason} ${host ?? ""} ${port ?? ""}`,
    host: host === null ? null : printable(host).slice(0, 255),
    port,
    target: host === null || port === null ? named : `${named}:${port}`,
    reason,
    why: Denials.reasonText(event),
    entry: Either.isRight(decided) ? decided.right.entry : null,
    advice: Either.isLeft(decided) ? decided.left : null,
    warnings: Either.isRight(decided) ? warningsAbout(decided.right.host, policy) : []
  }
}

/**
 * What a refusal's name could be mistaken for by the policy in force now: more may be allowed than when it was refused.
 *
 * @since 0.1.0
 * @category conversions
 */
export const warnings = ({ entry, host }: Refusal, policy: Policy.Policy): ReadonlyArray<string> => {
  const named = entry === null || host === null ? undefined : Either.getOrUndefined(Host.parse(host))
  return named === undefined ? [] : warningsAbout(named, policy)
}
