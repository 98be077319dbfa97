/**
 * `bottle wait`: waits until a bottle is down, and ends as its command did.
 *
 * @since 0.1.0
 */
import { Bottles, type WaitedBottle } from "@bottle/engine/Bottles"
import * as Directories from "@bottle/engine/Directories"
import * as RecordStore from "@bottle/engine/RecordStore"
import { lazy } from "@bottle/process/Lazy"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ExitStatus } from "../ExitStatus.js"
import { Invocation } from "../Invocation.js"
import * as Named from "../Named.js"
import type { WaitRequest } from "../requests/BottleRequest.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"
import { formatMillis } from "../Units.js"

/**
 * The bottle was not down in time.
 *
 * @since 0.1.0
 * @category errors
 */
export class WaitTimedOut extends Schema.TaggedError<WaitTimedOut>("@bottle/cli/WaitTimedOut")("WaitTimedOut", {
  bottle: Schema.String,
  timeoutMillis: Schema.Number
}) {
  override get message(): string {
    return `${this.bottle} was not down within ${formatMillis(this.timeoutMillis)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return `a longer --timeout, or none; or bottle down ${this.bottle}`
  }
}

/**
 * The document of how a bottle ended; `code` is null where that is not known.
 *
 * @since 0.1.0
 * @category models
 */
export const WaitDocument = Schema.Struct({
  version: Schema.Literal(1).annotations({ description: "The version of this format" }),
  bottle: Schema.Struct({
    id: Schema.String.annotations({ description: "The bottle's id" }),
    code: Schema.NullOr(Schema.Int).annotations({
      description: "The exit code of its main command; null where it is not known"
    }),
    origin: Schema.String.annotations({ description: "Whose the code is" }),
    error: Schema.NullOr(Schema.String).annotations({
      description: "The tag of the error that ended it; null where none did"
    }),
    failures: Schema.Array(
      Schema.Struct({
        resource: Schema.String.annotations({ description: "What may be left behind" }),
        reason: Schema.String.annotations({ description: "Why it could not be removed" }),
        suggestion: Schema.String.annotations({ description: "How to remove it" })
      })
    ).annotations({ description: "What may be left behind of it" })
  }).annotations({ description: "How it ended" })
})

/** How a bottle that is down already ended. */
const ended = ({ bottle, format }: WaitRequest) =>
  Effect.gen(function* () {
    const directories = Directories.fromEnvironment((yield* Invocation).environment)
    const named = yield* Named.find(bottle, directories)
    const { id } = named
    const told = Named.toldOf(named)
    if (told !== undefined && format === "text") yield* Stdio.errorLine(told)
    const record = yield* RecordStore.read(directories, id)
    const end = Option.flatMap(record, (found) => found.end)
    const { code, error, origin } = Option.getOrElse(end, () => ({ code: null, error: null, origin: "unknown" }))
    const failures = Option.match(record, { onNone: () => [], onSome: (found) => found.failures })
    return { id, code, error, origin, failures } satisfies WaitedBottle
  })

/** A code that the runtime ended with says nothing of the command, but that its time was up. */
const codeOf = ({ code, error, origin }: WaitedBottle): number | null =>
  origin === "runtime" && error !== "CommandTimedOut" ? null : code

const encode = lazy(() => Schema.encodeSync(Schema.parseJson(WaitDocument)))

const print = (request: WaitRequest) =>
  Effect.gen(function* () {
    const { bottle, format, timeoutMillis } = request
    const bottles = yield* Bottles
    const waiting = Effect.catchTag(bottles.wait(bottle), "BottleNotFound", () => ended(request))
    const ending = yield* timeoutMillis === undefined
      ? waiting
      : Effect.timeoutFail(waiting, {
          duration: timeoutMillis,
          onTimeout: () => new WaitTimedOut({ bottle, timeoutMillis })
        })
    const { error, failures, id, origin } = ending
    const code = codeOf(ending)
    if (format === "json") {
      yield* Stdio.outputText(encode({ version: 1, bottle: { id, code, error, failures, origin } }))
    } else {
      yield* Effect.forEach(failures, (failure) => Told.releaseFailure(failure, format), { discard: true })
      if (code === null) yield* Stdio.errorLine(`bottle: how ${id} ended is not known`)
    }
    return code ?? ExitStatus.launchFailed
  })

/**
 * Waits and gives the exit code: of the bottle's command, 0 where it had none and went down cleanly, 125 where that is
 * not known. A bottle that is down already has its record.
 *
 * @since 0.1.0
 * @category constructors
 */
export const wait = (
  request: WaitRequest
): Effect.Effect<number, never, Bottles | Invocation | Stdio.Stdio | FileSystem> =>
  Effect.catchAllCause(print(request), (cause) => Told.failWith(cause, { format: request.format, jsonOn: "stdout" }))
