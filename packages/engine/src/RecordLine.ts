/**
 * The lines of a bottle's record that are not decisions: `launch.jsonl` and `bundle.jsonl`, and what stands in any of its
 * files of lines for what was not kept.
 *
 * @since 0.1.0
 */
import { PolicyDocument } from "@bottle/egress/PolicyDocument"
import * as Schema from "effect/Schema"
import { DownReason } from "./ControlError.js"
import type { LaunchEvent } from "./LaunchObserver.js"
import { Stage } from "./Stage.js"

const text = (description: string) => Schema.String.annotations({ description })

const time = text("ISO 8601 in UTC")

const stage = Stage.annotations({ description: "Which stage of the launch" })

const resource = text("What is, or may be, left behind")

/**
 * A line of `launch.jsonl`: what happened to the bottle, and when.
 *
 * - `ReleaseSlow`: something takes long to remove; how that ends is yet to come
 * - `ReleaseFailed`: something may be left behind
 * - `Kept`: the machine was left in place on purpose
 * - `Reloaded`: another policy is in force from then on
 * - `Closing`: why the bottle goes down
 * - `Recovered`: its owner had died, and somebody else has taken it down
 * - `Ended`: how it ended
 *
 * @since 0.1.0
 * @category models
 */
export const LaunchLine = Schema.Union(
  Schema.TaggedStruct("StageStarted", { time, stage }),
  Schema.TaggedStruct("StageEnded", {
    time,
    stage,
    durationMillis: Schema.Number.annotations({ description: "How long it took, by the clock on the wall" }),
    ok: Schema.Boolean.annotations({ description: "Whether it succeeded" })
  }),
  Schema.TaggedStruct("ReleaseSlow", { time, resource: text("What takes long to remove") }),
  Schema.TaggedStruct("ReleaseFailed", {
    time,
    resource,
    reason: text("Why it could not be removed"),
    suggestion: text("How to remove it")
  }),
  Schema.TaggedStruct("Kept", { time, machine: text("The machine that was left in place") }),
  Schema.TaggedStruct("Reloaded", {
    time,
    egress: PolicyDocument.annotations({ description: "The policy from then on" })
  }),
  Schema.TaggedStruct("Closing", { time, reason: DownReason.annotations({ description: "Why it goes down" }) }),
  Schema.TaggedStruct("Recovered", {
    time,
    failures: Schema.Int.annotations({ description: "How many things may be left behind" })
  }),
  Schema.TaggedStruct("Ended", {
    time,
    code: Schema.NullOr(Schema.Int).annotations({ description: "The exit code; null where it is not known" }),
    origin: text("Whose the code is: guest, runtime, engine or unknown"),
    timedOut: Schema.Boolean.annotations({ description: "Whether the command took longer than it might" }),
    error: Schema.NullOr(Schema.String).annotations({
      description: "The tag of the error that ended it; null where none did"
    })
  })
)

/**
 * A line of `launch.jsonl`.
 *
 * @since 0.1.0
 * @category models
 */
export type LaunchLine = typeof LaunchLine.Type

type Timeless<Line> = Line extends unknown ? Omit<Line, "time"> : never

/**
 * What a line of `launch.jsonl` says; when is added when it is written. What a bundle says has a file of its own;
 * what a stage says is for whoever waits for it.
 *
 * @since 0.1.0
 * @category models
 */
export type Said = Timeless<LaunchLine> | Exclude<LaunchEvent, { readonly _tag: "BundleSaid" | "StageSaid" }>

/**
 * A line of `bundle.jsonl`: what a bundle in a container said in words.
 *
 * @since 0.1.0
 * @category models
 */
export const BundleLine = Schema.Struct({
  time,
  daemon: Schema.NullOr(Schema.String).annotations({
    description: "Which of its programs said it; null where that is not known"
  }),
  text: text("One line, visible ASCII of a bounded length")
})

/**
 * The last line of a file that would have grown too large.
 *
 * @since 0.1.0
 * @category models
 */
export const Cut = Schema.Struct({
  cut: Schema.Literal(true).annotations({ description: "What came after it was not kept" }),
  capBytes: Schema.Int.annotations({ description: "How large the file may become" })
})

/**
 * What stands for lines that came faster than the disk could take them.
 *
 * @since 0.1.0
 * @category models
 */
export const Lost = Schema.Struct({
  lost: Schema.Int.annotations({ description: "How many lines were lost here" })
})
