/**
 * The refusals of a bottle that another process holds, as that one writes them into its record.
 *
 * @since 0.1.0
 */
import { EgressEvent } from "@bottle/egress/EgressEvent"
import type { LaunchPlan } from "@bottle/engine/LaunchPlan"
import * as Record from "@bottle/engine/Record"
import { lazy } from "@bottle/process/Lazy"
import * as Release from "@bottle/process/Release"
import * as Text from "@bottle/process/Text"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** How often the file is looked at that had nothing new. */
const POLL_MILLIS = 100

const CHUNK_BYTES = 64 * 1024

/** How long what was written last may take to be read and told. */
const DRAIN_MILLIS = 1000

const decode = lazy(() => Schema.decodeUnknownOption(Schema.parseJson(EgressEvent)))

/** What comes into a file after so many bytes, until it is over; the file need not be there yet. */
const bytesAfter = (
  path: string,
  begin: bigint,
  over: Deferred.Deferred<void>
): Stream.Stream<Uint8Array, never, FileSystem.FileSystem> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const scope = yield* Effect.scope
      let opened: FileSystem.File | undefined
      const open = Effect.gen(function* () {
        const file = yield* Scope.extend(fs.open(path, { flag: "r" }), scope)
        yield* file.seek(begin, "start")
        opened = file
        return file
      })
      const read = Effect.suspend(() => (opened === undefined ? open : Effect.succeed(opened))).pipe(
        Effect.flatMap((file) => file.readAlloc(CHUNK_BYTES)),
        Effect.orElseSucceed(() => Option.none<Uint8Array>())
      )
      const pause = Effect.raceFirst(Effect.sleep(POLL_MILLIS), Deferred.await(over))
      const step: Effect.Effect<Uint8Array, Option.Option<never>> = Effect.gen(function* () {
        // Asked before the file is read, so that what was written by then is given.
        const isOver = yield* Deferred.isDone(over)
        const bytes = yield* read
        if (Option.isSome(bytes)) return bytes.value
        return isOver ? yield* Effect.fail(Option.none()) : yield* Effect.zipRight(pause, step)
      })
      return Stream.repeatEffectOption(step)
    })
  )

/**
 * Tells the refusals of a bottle from now on until the scope closes, then those that were written by then. A bottle
 * without a record tells none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const follow = (
  plan: Pick<LaunchPlan, "directories" | "id">,
  tell: (event: EgressEvent) => Effect.Effect<void>
): Effect.Effect<void, never, Scope.Scope | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = `${Record.directoryOf(plan.directories)}/${plan.id}/decisions.jsonl`
    const before = yield* Effect.option(fs.stat(path))
    const over = yield* Deferred.make<void>()
    const begin = Option.match(before, { onNone: () => 0n, onSome: ({ size }) => size })
    const watcher = yield* Text.lines(bytesAfter(path, begin, over)).pipe(
      Stream.filterMap(decode),
      Stream.filter(({ verdict }) => verdict === "deny"),
      Stream.runForEach(tell),
      Effect.interruptible,
      Effect.forkDaemon
    )
    yield* Effect.addFinalizer(() =>
      Deferred.succeed(over, undefined).pipe(
        Effect.zipRight(Release.within(DRAIN_MILLIS)(Fiber.await(watcher))),
        Effect.zipRight(Fiber.interrupt(watcher))
      )
    )
  }).pipe(Effect.uninterruptible)
