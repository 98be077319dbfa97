import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import { HostFileFailed } from "../LaunchError.js"

/** A file error without the platform's own message, which names the whole call. */
export const fileFailed =
  (path: string) =>
  (error: PlatformError.PlatformError): HostFileFailed =>
    new HostFileFailed({ path, reason: error._tag === "SystemError" ? error.reason : "the path cannot be used" })

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
