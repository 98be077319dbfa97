/**
 * Looking after bottles whose owner and handle died both, as when a machine loses its power: each launch looks for them,
 * and leaves the work to a process of its own.
 *
 * @since 0.1.0
 */
import * as Detached from "@bottle/process/Detached"
import * as FileLock from "@bottle/process/FileLock"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type HandleSettings, without } from "./DeadMansHandle.js"
import type { Directories } from "./Directories.js"
import * as Ledger from "./Ledger.js"
import * as Recovery from "./Recovery.js"
import type { Runtimes } from "./Runtimes.js"

/** What could not be removed a moment ago cannot be now: a new attempt at each launch would cost and change nothing. */
const RETRY_PAUSE_MILLIS = 10 * 60_000

/** Each may wait for a daemon most of the time. */
const RECOVERIES_AT_ONCE = 4

/** Another sweep is at it where this is not enough. */
const LOCK_TIMEOUT_MILLIS = 100

/**
 * Looks for dead bottles, and has them taken down by a process that goes on by itself. It never fails. The default does
 * nothing.
 *
 * @since 0.1.0
 * @category services
 */
export class Sweeper extends Context.Reference<Sweeper>()("@bottle/engine/Sweeper", {
  defaultValue: (): {
    /** `secrets`: names of variables that the process does not get, since they are a guest's. */
    readonly sweep: (
      directories: Directories,
      secrets?: ReadonlyArray<string>
    ) => Effect.Effect<void, never, FileSystem.FileSystem>
  } => ({ sweep: () => Effect.void })
}) {}

/**
 * Sweeps by this command: the state directory comes after its words.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (settings: HandleSettings): Layer.Layer<never> =>
  Layer.succeed(Sweeper, {
    sweep: (directories, secrets = []) =>
      Effect.gen(function* () {
        if ((yield* dead(directories)).length === 0) return
        yield* Detached.start({
          argv: [...settings.command, directories.state],
          env: without(settings.env, secrets),
          stdin: "null",
          stdout: "null"
        })
      }).pipe(Effect.ignore)
  })

/**
 * The bottles that nobody holds any more and nobody kept: their owners are dead, or could not remove everything some
 * time ago.
 *
 * @since 0.1.0
 * @category constructors
 */
export const dead = (
  directories: Pick<Directories, "state">
): Effect.Effect<ReadonlyArray<Ledger.LedgerView>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const views = yield* Effect.orElseSucceed(Ledger.list(directories), () => [])
    const found = yield* Effect.filter(views, (view) => {
      if (view.state === "kept") return Effect.succeed(false)
      return view.state === "left"
        ? isRested(view)
        : Effect.map(Ledger.liveness(view), (liveness) => liveness === "dead")
    })
    // An owner that ended since the ledger was read is as dead as any other, and took its ledger with it.
    return yield* Effect.filter(found, ({ directory }) => Effect.orElseSucceed(fs.exists(directory), () => true))
  })

/** Whether nobody has tried to remove it for a while. */
const isRested = ({ directory }: Ledger.LedgerView): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { mtime } = yield* fs.stat(`${directory}/ledger.jsonl`)
    const now = yield* DateTime.now
    // A clock that was set back makes it no younger than it can be.
    const age = Option.match(mtime, {
      onNone: () => RETRY_PAUSE_MILLIS,
      onSome: (at) => Math.abs(DateTime.toEpochMillis(now) - at.getTime())
    })
    return age >= RETRY_PAUSE_MILLIS
  }).pipe(Effect.orElseSucceed(() => false))

/**
 * Takes down every dead bottle, and what is left of ledgers whose maker was killed while it made them. One sweep at a
 * time: where another one is at it, this does nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (
  directories: Pick<Directories, "state">
): Effect.Effect<void, never, Runtimes | FileSystem.FileSystem> =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* FileLock.acquire(`${Ledger.bottlesOf(directories)}/.sweep`, { timeoutMillis: LOCK_TIMEOUT_MILLIS })
      yield* Effect.forEach(yield* dead(directories), (view) => Effect.ignore(Recovery.recover(view)), {
        concurrency: RECOVERIES_AT_ONCE,
        discard: true
      })
      yield* removeAsides(directories, () => true)
    })
  ).pipe(Effect.ignore)

/**
 * Removes what is beside the ledgers though whoever made it was killed while it did.
 *
 * @since 0.1.0
 * @category constructors
 */
export const removeAsides = (
  directories: Pick<Directories, "state">,
  isMeant: (path: string) => boolean
): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const asides = yield* Ledger.asides(directories)
    yield* Effect.forEach(asides.filter(isMeant), (path) => fs.remove(path, { recursive: true, force: true }), {
      discard: true
    })
  }).pipe(Effect.ignore)
