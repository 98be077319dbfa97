/**
 * The reading of a manifest's file: nobody but its user, and root, can have written it or put it where it is.
 *
 * @since 0.1.0
 */
import { presets } from "@bottle/engine/AgentPresets"
import { limits } from "@bottle/engine/Manifest"
import { ManifestInvalid } from "@bottle/engine/ManifestError"
import * as ManifestText from "@bottle/engine/ManifestText"
import type { ManifestRead } from "@bottle/engine/Settings"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import { checkTrust, ManifestUnreadable, type ManifestUntrusted, unreadable } from "./ManifestPlace.js"
import * as Printable from "./Printable.js"

const PATH_CHARS_MAX = 200

const shown = (path: string): string => Printable.line(path, PATH_CHARS_MAX)

/**
 * Why a manifest's file is not taken.
 *
 * @since 0.1.0
 * @category errors
 */
export type ManifestFileError = ManifestUnreadable | ManifestUntrusted | ManifestInvalid

/** Asked first: of a device nobody is to change whose it is, and who may write to it. */
const checkKind = (file: string): Effect.Effect<void, ManifestUnreadable, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { size, type } = yield* Effect.mapError(fs.stat(file), unreadable(file))
    if (type !== "File") {
      return yield* new ManifestUnreadable({ file, reason: "it is not a file", advice: "Name a regular file" })
    }
    if (size > limits.bytes) {
      const reason = `it is longer than ${limits.bytes} bytes`
      return yield* new ManifestUnreadable({ file, reason, advice: "Keep policies in files of their own" })
    }
  })

/**
 * Reads the manifest of a file, which is an absolute path. Relative paths in it are beside the file that this leads to.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (
  file: string,
  uid: number = process.getuid?.() ?? 0
): Effect.Effect<ManifestRead, ManifestFileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    yield* checkKind(file)
    yield* checkTrust(file, uid)
    const fs = yield* FileSystem.FileSystem
    const text = yield* Effect.mapError(fs.readFileString(file), unreadable(file))
    const manifest = yield* Effect.mapError(
      ManifestText.parse(text, presets),
      (error) => new ManifestInvalid({ ...error, file: shown(file) })
    )
    const real = yield* Effect.mapError(fs.realPath(file), unreadable(file))
    return { manifest, file, directory: Path.dirname(real) }
  })
