/**
 * The decision log: what was asked for, what was said, and what came of it.
 *
 * A request that is refused makes one event, of phase `decision`. A request that is allowed makes two with the same
 * `request`: `decision` when it is about to be dialled, and `closed` when it is over, with its bytes and its time. A
 * tunnel that is cut for what its client says in it is closed with the verdict `deny`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { DenyReason } from "./Decision.js"

/**
 * Why a tunnel is cut before the first byte of its client has gone on: its TLS hello names another host than the one
 * that was decided, or cannot be read.
 *
 * @since 0.1.0
 * @category models
 */
export const TlsReason = Schema.Literal("sni-mismatch", "tls-hello-malformed")

/**
 * Why a tunnel is cut before the first byte of its client has gone on.
 *
 * @since 0.1.0
 * @category models
 */
export type TlsReason = typeof TlsReason.Type

/**
 * Why the proxy itself refuses a request or cuts a connection, whatever the policy says.
 *
 * @since 0.1.0
 * @category models
 */
export const ProtocolReason = Schema.Literal(
  "not-a-proxy-request",
  "scheme-unsupported",
  "host-mismatch",
  "request-malformed",
  "framing-ambiguous",
  "headers-too-large",
  "headers-too-slow",
  "too-many-connections",
  "too-many-pipelined",
  "too-much-waiting",
  ...TlsReason.literals
)

/**
 * Why the proxy itself refuses a request or cuts a connection.
 *
 * @since 0.1.0
 * @category models
 */
export type ProtocolReason = typeof ProtocolReason.Type

/**
 * How an allowed request ended.
 *
 * @since 0.1.0
 * @category models
 */
export const Outcome = Schema.Literal(
  "completed",
  "client-gone",
  "upstream-failed",
  "resolve-failed",
  "connect-failed",
  "timed-out",
  "idle",
  "shut-down"
)

/**
 * How an allowed request ended.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome = typeof Outcome.Type

/**
 * One entry of the decision log. All text is visible ASCII of a bounded length.
 *
 * - `sequence` counts the events of one proxy from 1: a gap is what a slow reader lost.
 * - `request` counts requests and tunnels from 1; 0 for a connection that was cut before it asked for anything.
 * - `host`, `port` are null when the request did not get as far as naming them.
 * - `address` is the address that is dialled, or the one that made the request be refused.
 * - `rule` is the rule that allowed it, or the one that came nearest.
 * - `reason` is `allowed` in an allowing decision, an outcome when it is closed, else why it was refused or cut.
 * - `bytesUp`, `bytesDown` are what went over the upstream connection, without what an upstream proxy was asked and
 *   answered; `durationMillis` counts from the request.
 *
 * @since 0.1.0
 * @category models
 */
export class EgressEvent extends Schema.Class<EgressEvent>("@bottle/egress/EgressEvent")(
  {
    sequence: Schema.Int.annotations({
      description: "Counts the events of one proxy from 1; a gap is what a slow reader lost"
    }),
    request: Schema.Int.annotations({
      description: "Counts requests and tunnels from 1; 0 for a connection that was cut before it asked for anything"
    }),
    phase: Schema.Literal("decision", "closed").annotations({
      description: "decision, and for what was allowed a second event when it is over: closed"
    }),
    time: Schema.DateTimeUtc.annotations({ description: "ISO 8601 in UTC" }),
    method: Schema.NullOr(Schema.String).annotations({
      description: "The method that was asked with; null where it did not get that far"
    }),
    host: Schema.NullOr(Schema.String).annotations({
      description: "The host that was asked for, in its canonical form; null where it did not get that far"
    }),
    port: Schema.NullOr(Schema.Int).annotations({
      description: "The port that was asked for; null where it did not get that far"
    }),
    address: Schema.NullOr(Schema.String).annotations({
      description: "The address that is dialled, or the one that made the request be refused"
    }),
    rule: Schema.NullOr(Schema.String).annotations({
      description: "The rule that decided, or came nearest; null where there is none"
    }),
    verdict: Schema.Literal("allow", "deny").annotations({
      description: "What was decided; of a tunnel that was cut for what its client said in it, deny"
    }),
    reason: Schema.Union(Schema.Literal("allowed"), DenyReason, ProtocolReason, Outcome).annotations({
      description: "Why it was allowed or refused; of what is closed, how it ended"
    }),
    detail: Schema.String.annotations({ description: "The reason as a sentence" }),
    bytesUp: Schema.Int.annotations({ description: "What went to the host over the connection" }),
    bytesDown: Schema.Int.annotations({ description: "What came from the host over the connection" }),
    durationMillis: Schema.Int.annotations({ description: "How long it took since the request" })
  },
  { description: "One decision of the proxy, or the end of what it allowed" }
) {}
