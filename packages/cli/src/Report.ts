/**
 * The record of a run, for programs: what was planned, what happened, and whose exit code it was.
 *
 * @since 0.1.0
 */
import { EgressEvent } from "@bottle/egress/EgressEvent"
import type { LaunchEvent } from "@bottle/engine/LaunchObserver"
import { LaunchPlan } from "@bottle/engine/LaunchPlan"
import { EgressNotEnforced, EgressUnproven } from "@bottle/engine/ProofError"
import { ProofRecord } from "@bottle/engine/ProofRecord"
import type { BottleRecord } from "@bottle/engine/Record"
import { Stage } from "@bottle/engine/Stage"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Failure } from "./Failure.js"
import * as OutputFile from "./OutputFile.js"

/** What is kept of the refusals: a guest can make more of them than a disk can hold. */
const DENIALS_MAX = 10_000

/**
 * The record of a run.
 *
 * - `plan` is null when the run failed before there was one; after the launch it is the one that was executed
 * - `record` is the directory of the bottle's own record, null when there is none; `proof` is what was shown before the
 *   bottle was handed over, or what kept it from being
 * - `exit.origin`: `guest` for the command's own code, `runtime` for the program that ran the machine, `engine` for ours
 *   (124, 125, a signal's), `unknown` when it cannot be told
 * - `denialsDropped` counts refusals beyond the 10000 that are kept
 *
 * @since 0.1.0
 * @category models
 */
export class Report extends Schema.Class<Report>("@bottle/cli/Report")(
  {
    version: Schema.Literal(1).annotations({ description: "The version of this format" }),
    startedAt: Schema.DateTimeUtc.annotations({ description: "ISO 8601 in UTC" }),
    durationMillis: Schema.Number.annotations({ description: "Until everything was down" }),
    record: Schema.NullOr(Schema.String).annotations({
      description: "The directory of the bottle's record; null where there is none"
    }),
    plan: Schema.NullOr(LaunchPlan).annotations({
      description: "The launch plan, with what the launch chose; null where there was none yet"
    }),
    proof: Schema.NullOr(ProofRecord).annotations({
      description: "What was probed before the bottle was handed over; null where it did not get that far"
    }),
    stages: Schema.Array(
      Schema.Struct({
        stage: Stage.annotations({ description: "Which stage" }),
        durationMillis: Schema.Number.annotations({ description: "How long it took" }),
        ok: Schema.Boolean.annotations({ description: "Whether it succeeded" })
      })
    ).annotations({ description: "The stages of the launch, in the order in which they ended" }),
    exit: Schema.Struct({
      code: Schema.Int.annotations({ description: "The exit code of bottle" }),
      origin: Schema.Literal("guest", "runtime", "engine", "unknown").annotations({
        description:
          "Whose the code is: the guest's command's, the runtime's, ours (engine: 2, 124, 125, a signal's), or it cannot be told"
      }),
      timedOut: Schema.Boolean.annotations({ description: "Whether the time of --timeout was up" })
    }).annotations({ description: "How the run ended" }),
    failure: Schema.NullOr(Failure).annotations({ description: "What went wrong; null where nothing did" }),
    denials: Schema.Array(EgressEvent).annotations({
      description: "Every refused connection since the bottle was handed over, up to 10000"
    }),
    denialsDropped: Schema.Int.annotations({ description: "How many more there were" }),
    releaseFailures: Schema.Array(
      Schema.Struct({
        resource: Schema.String.annotations({ description: "What may be left behind" }),
        reason: Schema.String.annotations({ description: "Why it could not be removed" }),
        suggestion: Schema.String.annotations({ description: "How to remove it" })
      })
    ).annotations({ description: "What may be left behind" }),
    kept: Schema.Array(Schema.String).annotations({ description: "Machines that --keep-on-failure left in place" })
  },
  { description: "The record of a run, as --report writes it" }
) {}

/**
 * The report's file cannot be written.
 *
 * @since 0.1.0
 * @category errors
 */
export class ReportUnwritable extends Schema.TaggedError<ReportUnwritable>("@bottle/cli/ReportUnwritable")(
  "ReportUnwritable",
  { file: Schema.String, reason: Schema.String }
) {
  override get message(): string {
    return `the report ${this.file} cannot be written: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Name a file in a directory that exists and that you may write to."
  }
}

/**
 * What a run writes down as it goes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recorder {
  record: BottleRecord | null
  plan: LaunchPlan | null
  proof: ProofRecord | null
  readonly stages: Array<{ readonly stage: Stage; readonly durationMillis: number; readonly ok: boolean }>
  readonly denials: Array<EgressEvent>
  denialsDropped: number
  readonly releaseFailures: Array<{ readonly resource: string; readonly reason: string; readonly suggestion: string }>
  readonly kept: Array<string>
}

/**
 * An empty record.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeRecorder = (): Recorder => ({
  record: null,
  plan: null,
  proof: null,
  stages: [],
  denials: [],
  denialsDropped: 0,
  releaseFailures: [],
  kept: []
})

/**
 * Writes down what a launch says.
 *
 * @since 0.1.0
 * @category constructors
 */
export const record = (recorder: Recorder, event: LaunchEvent): void => {
  switch (event._tag) {
    case "StageStarted":
    case "ReleaseSlow":
    case "StageSaid":
    case "BundleSaid":
      return
    case "StageEnded":
      recorder.stages.push({ stage: event.stage, durationMillis: event.durationMillis, ok: event.ok })
      return
    case "ReleaseFailed":
      recorder.releaseFailures.push({
        resource: event.resource,
        reason: event.reason,
        suggestion: event.suggestion
      })
      return
    case "Kept":
      recorder.kept.push(event.machine)
  }
}

/**
 * Writes down a refusal.
 *
 * @since 0.1.0
 * @category constructors
 */
export const recordDenial = (recorder: Recorder, event: EgressEvent): void => {
  if (recorder.denials.length < DENIALS_MAX) recorder.denials.push(event)
  else recorder.denialsDropped += 1
}

/**
 * Writes down the proof that kept a launch from becoming a bottle, where that is why it failed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const recordProof = (recorder: Recorder, error: unknown): void => {
  if (error instanceof EgressNotEnforced || error instanceof EgressUnproven) recorder.proof = error.record
}

const unwritable =
  (file: string) =>
  (reason: string): ReportUnwritable =>
    new ReportUnwritable({ file, reason })

/**
 * Whether a report can be written there, and where that is; asked before a launch, so that its record is not lost after
 * it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const check = (file: string): Effect.Effect<OutputFile.Place, ReportUnwritable, FileSystem> =>
  Effect.mapError(OutputFile.locate(file), unwritable(file))

/**
 * Writes a report, as `OutputFile.write` does.
 *
 * @since 0.1.0
 * @category constructors
 */
export const write = (place: OutputFile.Place, report: Report): Effect.Effect<void, ReportUnwritable, FileSystem> =>
  Effect.orDie(Schema.encode(Report)(report)).pipe(
    Effect.flatMap((document) => OutputFile.write(place, `${JSON.stringify(document, null, 2)}\n`)),
    Effect.mapError(unwritable(place.file))
  )
