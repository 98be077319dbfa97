/**
 * The file of `--trace`: looked at before a launch, written when all is over.
 *
 * @since 0.1.0
 */
import type { SpanRecord } from "@bottle/engine/SpanRecord"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Tracer from "effect/Tracer"
import { randomBytes } from "node:crypto"
import * as Path from "node:path"
import * as TraceEvents from "./TraceEvents.js"
import * as TraceSpans from "./TraceSpans.js"
import * as Unwritable from "./Unwritable.js"
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

const unwritable =
  (file: string) =>
  (error: PlatformError): TraceUnwritable =>
    new TraceUnwritable({ file, reason: Unwritable.reasonOf(error) })

/**
 * A trace that is being taken.
 *
 * - `check`: whether its file can be written
 * - `hear`: takes a span of the keeper's
 * - `write`: writes all that there is by now, readable by its owner only. A file appears whole or not at all; what is not
 *   a regular file is written to, never replaced
 *
 * @since 0.1.0
 * @category models
 */
export interface Trace {
  readonly tracer: Tracer.Tracer
  readonly check: Effect.Effect<void, TraceUnwritable, FileSystem.FileSystem>
  readonly hear: (span: SpanRecord) => Effect.Effect<void>
  readonly write: Effect.Effect<void, TraceUnwritable, FileSystem.FileSystem>
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
  return {
    tracer: collector.tracer,
    check: check(file),
    hear: (span) =>
      Effect.sync(() => {
        if (keeper.length < KEEPER_SPANS_MAX) keeper.push(span)
        else unheard += 1
      }),
    write: Effect.flatMap(Clock.currentTimeNanos, (now) =>
      write(
        file,
        TraceEvents.render(
          [
            { name, ...collector.remembered() },
            { name: "bottle-keeper", spans: keeper, dropped: unheard }
          ],
          { nowMicros: Number(now / 1000n), program: `bottle ${VERSION}` }
        )
      )
    )
  }
}

const check = (file: string): Effect.Effect<void, TraceUnwritable, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const there = yield* fs.stat(file).pipe(Effect.option)
    if (there._tag === "Some" && there.value.type === "Directory") {
      return yield* new TraceUnwritable({ file, reason: "it is a directory" })
    }
    yield* fs
      .access(there._tag === "Some" ? file : Path.dirname(file), { writable: true })
      .pipe(Effect.mapError(unwritable(file)))
  })

const write = (file: string, document: TraceEvents.TraceDocument) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const text = `${JSON.stringify(document)}\n`
    const there = yield* fs.stat(file).pipe(Effect.option)
    if (there._tag === "Some" && there.value.type !== "File") return yield* fs.writeFileString(file, text)
    const aside = `${file}.${randomBytes(6).toString("hex")}.tmp`
    yield* fs.writeFileString(aside, text, { mode: 0o600, flag: "wx" }).pipe(
      Effect.zipRight(fs.rename(aside, file)),
      Effect.onError(() => Effect.ignore(fs.remove(aside, { force: true })))
    )
  }).pipe(Effect.mapError(unwritable(file)))
