/**
 * Takes a trace of a command, where a line asks for one; where none does, nothing of it is loaded.
 *
 * @since 0.1.0
 */
import type { SpanRecord } from "@bottle/engine/SpanRecord"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Failure from "./Failure.js"
import type { Stdio } from "./Stdio.js"
import * as Told from "./Told.js"

/**
 * What is traced, and where to.
 *
 * - `file`: the path of the trace; `null` where there is to be none
 * - `name`: the subcommand
 * - `manner`: how a file that cannot be written is told
 *
 * @since 0.1.0
 * @category models
 */
export interface Traced {
  readonly file: string | null
  readonly name: "run" | "up" | "plan"
  readonly manner: Told.Manner
}

/**
 * Runs a command, and writes the trace of it when it is over, however it ends; nothing is run where that cannot be
 * written. The command is given what takes the spans of a keeper, where there is a trace.
 *
 * @since 0.1.0
 * @category constructors
 */
export const over = <R>(
  { file, manner, name }: Traced,
  command: (hear: ((span: SpanRecord) => Effect.Effect<void>) | undefined) => Effect.Effect<number, never, R>
): Effect.Effect<number, never, R | Stdio | FileSystem> =>
  Effect.gen(function* () {
    if (file === null) return yield* command(undefined)
    const { make } = yield* Effect.promise(() => import("./TraceFile.js"))
    const trace = make(file, `bottle ${name}`)
    const tell = (failure: Failure.Failure) => Effect.as(Told.tell(failure, manner), failure.exitCode)
    const checked = yield* Effect.either(trace.check)
    if (checked._tag === "Left") return yield* tell(Failure.fromError(checked.left))
    return yield* command(trace.hear).pipe(
      Effect.withSpan(`bottle.${name}`, { root: true, captureStackTrace: false }),
      Effect.withTracer(trace.tracer),
      Effect.onExit(() => Effect.catchAll(trace.write, (error) => tell(Failure.fromError(error))))
    )
  })
