/**
 * `bottle logs`: what a launch, its bundle and its proxy had to say, and what the main command wrote, of bottles that
 * live and of those that are down.
 *
 * @since 0.1.0
 */
import * as Directories from "@bottle/engine/Directories"
import * as Ledger from "@bottle/engine/Ledger"
import * as Record from "@bottle/engine/Record"
import * as RecordStore from "@bottle/engine/RecordStore"
import * as Text from "@bottle/process/Text"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ExitStatus } from "../ExitStatus.js"
import { Invocation } from "../Invocation.js"
import * as LogLines from "../LogLines.js"
import * as Named from "../Named.js"
import type { LogsRequest } from "../requests/LogsRequest.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"

/** How often it is looked whether the bottle still is there; its files are followed more closely than that. */
const LOOK_MILLIS = 500

/**
 * How many looks find a dead owner before nobody is waited for any more: who takes a dead bottle down writes that, and
 * comes within seconds or not at all.
 */
const DEAD_LOOKS_MAX = 20

/**
 * There is no record of the bottle: it could not be written, or it was removed.
 *
 * @since 0.1.0
 * @category errors
 */
export class NoRecord extends Schema.TaggedError<NoRecord>("@bottle/cli/NoRecord")("NoRecord", { id: Schema.String }) {
  override get message(): string {
    return `there is no record of ${this.id}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "bottle ls -a lists what there is a record of"
  }
}

/** Returns when the bottle is down, or when whoever would have to say more is dead. */
const untilGone = (directories: Directories.Directories, named: Named.Named) =>
  Effect.gen(function* () {
    let deadLooks = 0
    while (deadLooks < DEAD_LOOKS_MAX) {
      const view = yield* Ledger.read(directories, named.id)
      if (Option.isNone(view) || view.value.state === "left" || view.value.state === "kept") return
      deadLooks = (yield* Ledger.liveness(view.value)) === "dead" ? deadLooks + 1 : 0
      yield* Effect.sleep(LOOK_MILLIS)
    }
  })

const encodeLine = (value: object): string => JSON.stringify(value)

const lines = (
  directory: string,
  { follow: isFollowing, format, sources }: LogsRequest,
  until: Effect.Effect<unknown>
): Stream.Stream<string, never, FileSystem.FileSystem> => {
  const follow = isFollowing ? { until } : undefined
  const parts = RecordStore.PARTS.filter((part) => sources.includes(part))
  const entries = RecordStore.entries(directory, { parts, follow }).pipe(
    Stream.map((entry) => (format === "json" ? encodeLine(LogLines.toJson(entry)) : LogLines.ofEntry(entry)))
  )
  const output = Text.lines(RecordStore.output(directory, { follow })).pipe(
    Stream.map((text) =>
      format === "json" ? encodeLine({ source: "output", time: null, text }) : LogLines.ofOutput(text)
    )
  )
  if (!sources.includes("output")) return entries
  if (parts.length === 0) return output
  return isFollowing ? Stream.merge(entries, output) : Stream.concat(entries, output)
}

const print = (request: LogsRequest) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directories = Directories.fromEnvironment((yield* Invocation).environment)
    const named = yield* Named.find(request.bottle, directories)
    const { id } = named
    const told = Named.toldOf(named)
    if (told !== undefined && request.format === "text") yield* Stdio.errorLine(told)
    const directory = `${Record.directoryOf(directories)}/${id}`
    if (!(yield* Effect.orElseSucceed(fs.exists(directory), () => false))) return yield* new NoRecord({ id })
    const until = Effect.provideService(untilGone(directories, named), FileSystem.FileSystem, fs)
    // A chunk is what there is at once, so that a long log is not written line by line.
    yield* Stream.runForEachChunk(lines(directory, request, until), (chunk) =>
      chunk.length === 0 ? Effect.void : Stdio.outputText([...chunk].join("\n"))
    )
    const output = `${directory}/${Record.OUTPUT_FILE}`
    if (!request.sources.includes("output") && request.format === "text" && (yield* hasBytes(output))) {
      yield* Stdio.errorLine(`bottle: what its command wrote: bottle logs ${id} --only output`)
    }
    return ExitStatus.success
  })

const hasBytes = (path: string): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.stat(path)).pipe(
    Effect.map(({ size }) => size > 0n),
    Effect.orElseSucceed(() => false)
  )

/**
 * Prints the lines and gives the exit code. With `follow` it goes on until the bottle is down.
 *
 * @since 0.1.0
 * @category constructors
 */
export const logs = (
  request: LogsRequest
): Effect.Effect<number, never, Invocation | Stdio.Stdio | FileSystem.FileSystem> =>
  Effect.catchAllCause(print(request), (cause) => Told.failWith(cause, { format: request.format, jsonOn: "stdout" }))
