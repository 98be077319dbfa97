/**
 * Whether a guest reaches a file of the host through what is mounted for it, by every link on the way.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "node:path"
import type { Mount } from "./LaunchOptions.js"

/** As many as Linux itself follows. */
const LINKS_MAX = 40

const isBelow = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`)

/**
 * Every directory on the way to a file, through each link that is on it: whoever writes to one can change what is read.
 *
 * @since 0.1.0
 * @category constructors
 */
export const directoriesTo = (file: string): Effect.Effect<ReadonlySet<string>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const found = new Set<string>()
    let directory = "/"
    let parts = file.split("/")
    let links = 0
    while (parts.length > 0 && links <= LINKS_MAX) {
      const [part = "", ...rest] = parts
      parts = rest
      if (part === "" || part === ".") continue
      if (part === "..") {
        directory = Path.dirname(directory)
        continue
      }
      found.add(directory)
      const at = Path.join(directory, part)
      const link = yield* Effect.option(fs.readLink(at))
      if (link._tag === "None") directory = at
      else {
        links += 1
        parts = [...link.value.split("/"), ...parts]
        if (link.value.startsWith("/")) directory = "/"
      }
    }
    return found
  })

const firstOver = (
  fs: FileSystem.FileSystem,
  mounts: ReadonlyArray<Mount>,
  paths: ReadonlyArray<string>
): Effect.Effect<Option.Option<Mount>> =>
  Effect.gen(function* () {
    for (const mount of mounts) {
      const real = yield* Effect.orElseSucceed(fs.realPath(mount.host), () => mount.host)
      if (paths.some((path) => isBelow(path, real))) return Option.some(mount)
    }
    return Option.none()
  })

/**
 * The writable mount through which a guest could change the file, or put another one in its place; none where it cannot.
 *
 * @since 0.1.0
 * @category constructors
 */
export const changedThrough = (
  file: string,
  mounts: ReadonlyArray<Mount>
): Effect.Effect<Option.Option<Mount>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const writable = mounts.filter((mount) => !mount.readonly)
    if (writable.length === 0) return Option.none()
    const fs = yield* FileSystem.FileSystem
    return yield* firstOver(fs, writable, [...(yield* directoriesTo(file))])
  })

/**
 * The mount, read-only or not, through which a guest could read the file; none where it cannot.
 *
 * @since 0.1.0
 * @category constructors
 */
export const readThrough = (
  file: string,
  mounts: ReadonlyArray<Mount>
): Effect.Effect<Option.Option<Mount>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    if (mounts.length === 0) return Option.none()
    const fs = yield* FileSystem.FileSystem
    return yield* firstOver(fs, mounts, [yield* Effect.orElseSucceed(fs.realPath(file), () => file)])
  })
