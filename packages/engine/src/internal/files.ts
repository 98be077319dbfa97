import * as Release from "@bottle/process/Release"
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "node:path"
import { HostFileFailed } from "../LaunchError.js"
import { notify } from "../LaunchObserver.js"

/** The cause in the system's words ("ENOSPC: no space left on device"), without the call and the path that follow. */
export const reasonOf = (error: PlatformError.PlatformError): string =>
  error._tag === "SystemError" ? (error.description?.split(",")[0] ?? error.reason) : "the path cannot be used"

/** A file error without the platform's own message, which names the whole call. */
export const fileFailed =
  (path: string) =>
  (error: PlatformError.PlatformError): HostFileFailed =>
    new HostFileFailed({ path, reason: reasonOf(error) })

/** Where a path leads through links; one that is not there leads where the nearest directory above it does. */
export const realPath = (path: string): Effect.Effect<string, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    fs.realPath(path).pipe(
      Effect.catchAll(() => {
        const above = Path.dirname(path)
        return above === path
          ? Effect.succeed(path)
          : Effect.map(realPath(above), (real) => Path.join(real, Path.basename(path)))
      })
    )
  )

/** A file system that does not answer within this will not later. */
const REMOVE_TIMEOUT_MILLIS = 10_000

/** Removes a directory when its owner is done with it; one that stays is told to whoever observes the launch. */
export const removeDirectory = (fs: FileSystem.FileSystem, directory: string): Effect.Effect<void> =>
  fs.remove(directory, { recursive: true, force: true }).pipe(
    Effect.mapError(reasonOf),
    Release.within(REMOVE_TIMEOUT_MILLIS),
    Effect.flatMap(
      Option.match({
        onNone: () => Effect.fail(`it could not be removed within ${REMOVE_TIMEOUT_MILLIS / 1000} s`),
        onSome: () => Effect.void
      })
    ),
    Effect.catchAll((reason) =>
      notify({
        _tag: "ReleaseFailed",
        resource: `directory ${directory}`,
        reason,
        suggestion: `Remove it by hand: rm -r ${directory}`
      })
    )
  )
