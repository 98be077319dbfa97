/**
 * `bottle down`: takes bottles down, several at once, and says of each that may have left something what and why.
 *
 * @since 0.1.0
 */
import { BottleId } from "@bottle/engine/BottleId"
import { Bottles, type Downed } from "@bottle/engine/Bottles"
import * as Directories from "@bottle/engine/Directories"
import { lazy } from "@bottle/process/Lazy"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { ExitStatus } from "../ExitStatus.js"
import * as Failure from "../Failure.js"
import type { Format } from "../FlagValues.js"
import { Invocation } from "../Invocation.js"
import * as Named from "../Named.js"
import type { DownRequest } from "../requests/DownRequest.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"
import * as WorkspaceTold from "../WorkspaceTold.js"

/**
 * The document of what became of each bottle: `bottle` is the word that named it, `id` is null where none was found;
 * `how` is `owner` where its owner took it down, `recovered` where that was dead or silent.
 *
 * @since 0.1.0
 * @category models
 */
export const DownDocument = Schema.Struct({
  version: Schema.Literal(1).annotations({ description: "The version of this format" }),
  bottles: Schema.Array(
    Schema.Struct({
      bottle: Schema.String.annotations({ description: "The word that named it" }),
      id: Schema.NullOr(Schema.String).annotations({ description: "Its id; null where none was found" }),
      down: Schema.Boolean.annotations({ description: "Whether it is down" }),
      how: Schema.NullOr(Schema.Literal("owner", "recovered")).annotations({
        description: "owner: its owner took it down; recovered: that was dead or silent; null where it is not down"
      }),
      failures: Schema.Array(
        Schema.Struct({
          resource: Schema.String.annotations({ description: "What may be left behind" }),
          reason: Schema.String.annotations({ description: "Why it could not be removed" }),
          suggestion: Schema.String.annotations({ description: "How to remove it" })
        })
      ).annotations({ description: "What may be left behind of it" }),
      failure: Schema.NullOr(Failure.Failure).annotations({ description: "Why it is not down; null where it is" })
    })
  ).annotations({ description: "What became of each" })
})

/** More at once gain nothing: what takes its time is the runtime, on the processors that there are. */
const CONCURRENCY = 16

/** When it is said that it goes on: an owner that does not answer is waited for before it is ended. */
const SLOW_MILLIS = 3000

const isId = Schema.is(BottleId)

type Line = (typeof DownDocument.Type)["bottles"][number]

const lineOf = (bottle: string, exit: Exit.Exit<Downed, unknown>): Line => {
  if (Exit.isSuccess(exit)) {
    const { failures, how, id } = exit.value
    return { bottle, id, down: true, how, failures, failure: null }
  }
  return { bottle, id: null, down: false, how: null, failures: [], failure: Failure.fromCause(exit.cause, null) }
}

const tellLine = ({ bottle, failure, failures }: Line, format: Format): Effect.Effect<void, never, Stdio.Stdio> => {
  if (failure !== null && format === "text") {
    // A message that does not say which bottle it is about would say nothing among several.
    const message = failure.message.includes(bottle) ? failure.message : `${bottle}: ${failure.message}`
    return Stdio.errorLine(Failure.toText(new Failure.Failure({ ...failure, message })))
  }
  return format === "text"
    ? Effect.forEach(failures, (left) => Told.releaseFailure(left, format), { discard: true })
    : Effect.void
}

const isClean = ({ down, failures }: Line): boolean => down && failures.length === 0

const encode = lazy(() => Schema.encodeSync(Schema.parseJson(DownDocument)))

const take = ({ all, bottles: named, format }: DownRequest) =>
  Effect.gen(function* () {
    const bottles = yield* Bottles
    const directories = Directories.fromEnvironment((yield* Invocation).environment)
    const words = all ? (yield* bottles.list).map(({ id }): string => id) : named
    // Whoever has gone away keeps no bottle up.
    let isReaderGone = false
    const print = (text: string) =>
      Effect.catchAll(Stdio.outputText(text), () =>
        Effect.sync(() => {
          isReaderGone = true
        })
      )
    let left = words.length
    const slow = Effect.suspend(() =>
      Stdio.errorLine(`bottle: still taking ${left === 1 ? "one bottle" : `${left} bottles`} down ...`)
    )
    if (format === "text") yield* Effect.forkScoped(Effect.interruptible(Effect.delay(slow, SLOW_MILLIS)))
    const lines = yield* Effect.forEach(
      words,
      (word) =>
        Effect.exit(Named.down(word)).pipe(
          Effect.tap(() => {
            left--
          }),
          Effect.map((exit) => lineOf(word, exit)),
          Effect.tap((line) => tellLine(line, format)),
          Effect.tap(({ id }) => (id === null || format === "json" ? Effect.void : print(id))),
          Effect.tap(({ id }) =>
            isId(id) ? WorkspaceTold.changed({ directories, id }, { format, quiet: false }) : Effect.void
          )
        ),
      { concurrency: CONCURRENCY }
    )
    if (format === "json") yield* print(encode({ version: 1, bottles: lines }))
    else if (words.length === 0) yield* Stdio.errorLine("bottle: no bottle is up")
    if (!lines.every(isClean)) return ExitStatus.launchFailed
    return isReaderGone ? ExitStatus.outputClosed : ExitStatus.success
  })

/**
 * Takes the bottles down and gives the exit code, 125 where one of them is not down or may have left something. Each
 * that is down is printed as soon as it is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const down = (
  request: DownRequest
): Effect.Effect<number, never, Bottles | Invocation | Stdio.Stdio | FileSystem> =>
  Effect.catchAllCause(Effect.scoped(take(request)), (cause) =>
    Told.failWith(cause, { format: request.format, jsonOn: "stdout" })
  )
