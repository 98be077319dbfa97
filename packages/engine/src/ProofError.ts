/**
 * Why a proof keeps a launch from becoming a bottle. Both errors hold the whole record.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Probe, ProofRecord, TOOLS } from "./ProofRecord.js"

/**
 * The guest reached what it must not: the runtime does not hold what it was told. `probe` is the first that showed it.
 *
 * @since 0.1.0
 * @category errors
 */
export class EgressNotEnforced extends Schema.TaggedError<EgressNotEnforced>("@bottle/engine/EgressNotEnforced")(
  "EgressNotEnforced",
  { machine: Schema.String, runtime: Schema.String, probe: Probe, record: ProofRecord }
) {
  override get message(): string {
    const { name, observation, target } = this.probe
    return `the bottle is open: ${name} (${target}): ${observation}`
  }
  /** What to do next. */
  get suggestion(): string {
    return `Do not use ${this.runtime} for this bottle: it was told to keep this closed. Take another release of it, --runtime local, or --bundle none, and report the leak.`
  }
}

const reasons = {
  "no-shell": {
    text: "the guest has no POSIX shell to probe with",
    advice: "Use an image that has sh, or accept an unproven bottle (--unproven-egress)."
  },
  "no-tool": {
    text: `the guest has none of ${TOOLS.join(", ")} to probe with`,
    advice: "Use an image that has one of them, or accept an unproven bottle (--unproven-egress)."
  },
  "timed-out": {
    text: "the guest did not finish the probes in time",
    advice: "Launch again when the machine is less busy; `bottle doctor` tells what it lacks."
  },
  "no-answer": {
    text: "the guest did not answer the probes",
    advice: "See the record for what it said, and try the image's perl, python3 or node by hand."
  },
  "proxy-broken": {
    text: "the bundle does not answer from inside as it must",
    advice: "See the record for what came back; something in the image may stand in the proxy's place."
  },
  untested: {
    text: "too little could be tried to show that the bottle is closed",
    advice:
      "Use an image that has perl, python3 or node, see the record for what this host lacks, or accept an unproven bottle (--unproven-egress)."
  }
} as const

/**
 * Why nothing was proven.
 *
 * - `no-shell`, `no-tool`: the guest has nothing to probe with
 * - `timed-out`, `no-answer`: its probes did not come to an end, or said nothing
 * - `proxy-broken`: what must work does not
 * - `untested`: the main ways out could not be tried, by the guest or by this host
 *
 * @since 0.1.0
 * @category models
 */
export const UnprovenReason = Schema.Literal(
  "no-shell",
  "no-tool",
  "timed-out",
  "no-answer",
  "proxy-broken",
  "untested"
)

/**
 * @since 0.1.0
 * @category models
 */
export type UnprovenReason = typeof UnprovenReason.Type

/**
 * What is said of a reason, on one line.
 *
 * @since 0.1.0
 * @category rendering
 */
export const reasonText = (reason: UnprovenReason): string => reasons[reason].text

/**
 * It could not be shown that the bottle is closed, and the plan demands that it is. `detail` is what was seen instead.
 *
 * @since 0.1.0
 * @category errors
 */
export class EgressUnproven extends Schema.TaggedError<EgressUnproven>("@bottle/engine/EgressUnproven")(
  "EgressUnproven",
  { machine: Schema.String, reason: UnprovenReason, detail: Schema.String, record: ProofRecord }
) {
  override get message(): string {
    return `the bottle is not proven closed: ${reasonText(this.reason)}${this.detail === "" ? "" : `: ${this.detail}`}`
  }
  /** What to do next. */
  get suggestion(): string {
    return reasons[this.reason].advice
  }
}
