/**
 * The file of `--trace`: looked at before a launch, written when all is over.
 *
 * @since 0.1.0
 */
import type { SpanRecord } from "@bottle/engine/SpanRecord"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Tracer from "effect/Tracer"
import * as OutputFile from "./OutputFile.js"
import * as TraceEvents from "./TraceEvents.js"
import * as TraceSpans from "./TraceSpans.js"
import { VERSION } from "./Version.js"

/** What a keeper may add to a trace: it bounds itself, and need not be believed. */
const KEEPER_SPANS_MAX = 5000

/**
 * The trace's file cannot be written.
 *
 * @since 0.1.0
 * @category errors
 */
export class TraceUnwritable extends Schema.TaggedError<TraceUnwritable>("@bottle/cli/TraceUnwritable")(
  "TraceUnwritable",
  { file: Schema.String, reason: Schema.String }
) {
  override get message(): string {
    return `the trace ${this.file} cannot be written: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Name a file in a directory that exists and that you may write to."
  }
}

/**
 * A trace that is being taken.
 *
 * - `check`: whether its file can be written
 * - `hear`: takes a span of the keeper's
 * - `write`: writes all that there is by now, as `OutputFile.write` does
 *
 * @since 0.1.0
 * @category models
 */
export interface Trace {
  readonly tracer: Tracer.Tracer
  readonly check: Effect.Effect<void, TraceUnwritable, FileSystem>
  readonly hear: (span: SpanRecord) => Effect.Effect<void>
  readonly write: Effect.Effect<void, TraceUnwritable, FileSystem>
}

/**
 * Takes a trace for a file; `name` is what the process is called in it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (file: string, name: string): Trace => {
  const collector = TraceSpans.make()
  const keeper: Array<SpanRecord> = []
  let unheard = 0
  let place: OutputFile.Place | null = null
  const unwritable = (reason: string) => new TraceUnwritable({ file, reason })
  const located = Effect.mapError(OutputFile.locate(file), unwritable)
  return {
    tracer: collector.tracer,
    check: Effect.map(located, (found) => void (place = found)),
    hear: (span) =>
      Effect.sync(() => {
        if (keeper.length < KEEPER_SPANS_MAX) keeper.push(span)
        else unheard += 1
      }),
    write: Effect.gen(function* () {
      const now = yield* Clock.currentTimeNanos
      const document = TraceEvents.render(
        [
          { name, ...collector.remembered() },
          { name: "bottle-keeper", spans: keeper, dropped: unheard }
        ],
        { nowMicros: Number(now / 1000n), program: `bottle ${VERSION}` }
      )
      const text = `${JSON.stringify(document)}\n`
      yield* Effect.mapError(OutputFile.write(place ?? (yield* located), text), unwritable)
    })
  }
}
