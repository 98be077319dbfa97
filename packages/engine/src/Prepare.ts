/**
 * Packs: what a machine boots from without pulling anything. A pack is made once for a runtime's version, an architecture
 * and an image, and kept in the user's cache directory.
 *
 * @since 0.1.0
 */
import * as FileLock from "@bottle/process/FileLock"
import { Smolvm } from "@bottle/smolvm/Smolvm"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { fileFailed } from "./internal/files.js"
import { stage } from "./internal/stage.js"
import { tellingWords } from "./internal/telling.js"
import { HostFileFailed, StageFailed } from "./LaunchError.js"
import type { LaunchPlan } from "./LaunchPlan.js"

/** An image is pulled and unpacked in this time, or somebody else's launch does it while ours waits. */
const LOCK_TIMEOUT_MILLIS = 30 * 60 * 1000

const CACHE_MODE = 0o700

const directoryOf = (path: string): string => path.slice(0, path.lastIndexOf("/"))

/**
 * Makes the pack that a plan boots from, unless it is there already or none is needed. Two launches that want the same
 * pack at one time, in one program or in two, make it once: the second waits for the first. A pack appears under its
 * name only when it is complete, and an interrupted one leaves nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const pack = (
  plan: LaunchPlan
): Effect.Effect<void, HostFileFailed | StageFailed, Smolvm | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    if (plan.source._tag !== "Pack" || plan.source.madeFrom === null) return
    const { madeFrom, path } = plan.source
    const fs = yield* FileSystem.FileSystem
    const isThere = fs.exists(path).pipe(Effect.mapError(fileFailed(path)))
    if (!madeFrom.refresh && (yield* isThere)) return
    const directory = directoryOf(path)
    yield* fs
      .makeDirectory(directory, { recursive: true, mode: CACHE_MODE })
      .pipe(Effect.mapError(fileFailed(directory)))
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* FileLock.acquire(`${path}.lock`, { timeoutMillis: LOCK_TIMEOUT_MILLIS }).pipe(
          Effect.mapError((error) => new HostFileFailed({ path: `${path}.lock`, reason: error.message }))
        )
        // Whoever held the lock before us may have made it.
        if (!madeFrom.refresh && (yield* isThere)) return
        yield* make(path, madeFrom)
      })
    )
  }).pipe(stage("pack"))

const make = (path: string, madeFrom: { readonly reference: string; readonly partial: string }) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const smolvm = yield* Smolvm
    const { partial, reference } = madeFrom
    // pack create writes an executable stub, and beside it the pack that --from takes; only the second is kept.
    yield* Effect.addFinalizer(() =>
      Effect.forEach([partial, `${partial}.smolmachine`], (file) => Effect.ignore(fs.remove(file, { force: true })), {
        discard: true
      })
    )
    yield* smolvm
      .packCreate({ image: reference, output: partial })
      .pipe(tellingWords("pack"), Effect.mapError(StageFailed.of("pack")))
    yield* fs.rename(`${partial}.smolmachine`, path).pipe(Effect.mapError(fileFailed(path)))
  })
