/**
 * What the proof of a launch saw: every probe, what it was to show and what came of it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The programs that can probe from inside a guest, in the order in which they are looked for: those that can do every
 * probe first, the quickest to start before the others.
 *
 * @since 0.1.0
 * @category models
 */
export const TOOLS = ["perl", "python3", "node", "socat", "bash", "nc", "curl", "wget"] as const

/**
 * One of `TOOLS`.
 *
 * @since 0.1.0
 * @category models
 */
export const Tool = Schema.Literal(...TOOLS)

/**
 * @since 0.1.0
 * @category models
 */
export type Tool = typeof Tool.Type

/**
 * What a probe showed.
 *
 * - `held`: what was expected
 * - `leaked`: the guest reached what it must not
 * - `untested`: nothing, because the target cannot be reached from the host either, the guest's program cannot try it,
 *   or the guest did not say
 * - `broken`: what must work did not
 *
 * @since 0.1.0
 * @category models
 */
export const Verdict = Schema.Literal("held", "leaked", "untested", "broken")

/**
 * @since 0.1.0
 * @category models
 */
export type Verdict = typeof Verdict.Type

/**
 * One probe and what came of it.
 *
 * - `name`: what kind of way out it tried, the same in every launch (`host-loopback-tcp`)
 * - `target`: what it tried in this one (`tcp 127.0.0.1:40123`)
 * - `observation`: visible ASCII; where it holds words of the guest's, they are bounded
 * - `durationMillis`: how long the guest says it took; 0 where it did not say
 *
 * @since 0.1.0
 * @category models
 */
export class Probe extends Schema.Class<Probe>("@bottle/engine/Probe")(
  {
    name: Schema.String.annotations({ description: "What kind of way out it tried, the same in every launch" }),
    target: Schema.String.annotations({ description: "What it tried in this one" }),
    expectation: Schema.String.annotations({ description: "What was to come of it" }),
    observation: Schema.String.annotations({
      description: "What came of it; where it holds words of the guest they are bounded"
    }),
    verdict: Verdict.annotations({
      description:
        "held: what was expected; leaked: the guest reached what it must not; untested: nothing was shown; broken: what must work did not"
    }),
    durationMillis: Schema.Int.annotations({ description: "How long the guest says it took; 0 where it did not say" })
  },
  { description: "One probe and what came of it" }
) {}

/**
 * Everything that a proof saw.
 *
 * - `outcome`: `proven` where what must work works, nothing leaked and the main ways out were tried; `leaked` where
 *   something did; `unproven` otherwise
 * - `reason`: why it is not proven; `null` where it is
 * - `tool`: the guest's program that probed; `null` where none did
 * - `lastEvent`: the bundle's events up to this `sequence` are of the proof's own requests; 0 where there are none
 *
 * @since 0.1.0
 * @category models
 */
export class ProofRecord extends Schema.Class<ProofRecord>("@bottle/engine/ProofRecord")(
  {
    version: Schema.Literal(1).annotations({ description: "The version of this format" }),
    outcome: Schema.Literal("proven", "unproven", "leaked").annotations({
      description:
        "proven: what must work works, nothing leaked, and the main ways out were tried; leaked: something did; unproven otherwise"
    }),
    reason: Schema.NullOr(Schema.String).annotations({ description: "Why it is not proven; null where it is" }),
    tool: Schema.NullOr(Tool).annotations({ description: "The guest's program that probed; null where none did" }),
    durationMillis: Schema.Int.annotations({ description: "How long the proof took" }),
    lastEvent: Schema.Int.annotations({
      description: "The bundle's events up to this sequence are of the proof's own requests; 0 where there are none"
    }),
    probes: Schema.Array(Probe).annotations({ description: "Every probe, in the order in which they were made" })
  },
  { description: "What the proof of a launch saw" }
) {}
