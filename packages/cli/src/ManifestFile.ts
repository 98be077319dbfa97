/**
 * The reading of a manifest's file: nobody but its user, and root, can have written it or put it where it is.
 *
 * @since 0.1.0
 */
import { presets } from "@bottle/engine/AgentPresets"
import { limits } from "@bottle/engine/Manifest"
import { ManifestInvalid } from "@bottle/engine/ManifestError"
import * as ManifestText from "@bottle/engine/ManifestText"
import * as MountedPath from "@bottle/engine/MountedPath"
import type { ManifestRead } from "@bottle/engine/Settings"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import * as Printable from "./Printable.js"
import * as ShellQuote from "./ShellQuote.js"

const PATH_CHARS_MAX = 200

const shown = (path: string): string => Printable.line(path, PATH_CHARS_MAX)

/**
 * The manifest that was named is not there, or cannot be read.
 *
 * @since 0.1.0
 * @category errors
 */
export class ManifestUnreadable extends Schema.TaggedError<ManifestUnreadable>("@bottle/cli/ManifestUnreadable")(
  "ManifestUnreadable",
  { file: Schema.String, reason: Schema.String, advice: Schema.String }
) {
  override get message(): string {
    return `${shown(this.file)}: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * Another user could have written the manifest, or could put another one in its place: the file, or a directory on the
 * way to it (`path`), belongs to another user than this one and root, or others may write to it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ManifestUntrusted extends Schema.TaggedError<ManifestUntrusted>("@bottle/cli/ManifestUntrusted")(
  "ManifestUntrusted",
  { file: Schema.String, path: Schema.String, problem: Schema.Literal("owner", "mode") }
) {
  override get message(): string {
    const what = this.path === this.file ? "it" : shown(this.path)
    const why = this.problem === "owner" ? "belongs to another user" : "can be written by other users"
    return `${shown(this.file)}: ${what} ${why}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.problem === "mode"
      ? `chmod go-w ${ShellQuote.word(shown(this.path))}`
      : "Keep the manifest in a directory of your own."
  }
}

/**
 * Why a manifest's file is not taken.
 *
 * @since 0.1.0
 * @category errors
 */
export type ManifestFileError = ManifestUnreadable | ManifestUntrusted | ManifestInvalid

const STICKY = 0o1000
const OTHERS_WRITE = 0o022

const unreadable = (file: string) => (error: PlatformError) =>
  new ManifestUnreadable(
    error._tag === "SystemError" && error.reason === "NotFound"
      ? { file, reason: "there is no such file", advice: "Check its name; bottle init writes one" }
      : { file, reason: "it cannot be read", advice: "Name a file that you may read" }
  )

/** Refuses what another user could have written, or replaced. */
const checkTrust = (file: string, uid: number): Effect.Effect<void, ManifestFileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const real = yield* Effect.mapError(fs.realPath(file), unreadable(file))
    const directories = [...(yield* MountedPath.directoriesTo(file))]
    for (const path of [...directories, real]) {
      const { mode, uid: owner } = yield* Effect.mapError(fs.stat(path), unreadable(file))
      const at = path === real ? file : path
      // Of a directory such as /tmp nobody takes away what is another's, and whose that is, is looked at in its turn.
      const isShared = path !== real && (mode & STICKY) !== 0
      const holder = Option.getOrElse(owner, () => uid)
      if (holder !== uid && holder !== 0) return yield* new ManifestUntrusted({ file, path: at, problem: "owner" })
      if (!isShared && (mode & OTHERS_WRITE) !== 0) {
        return yield* new ManifestUntrusted({ file, path: at, problem: "mode" })
      }
    }
  })

const readText = (file: string): Effect.Effect<string, ManifestFileError, FileSystem.FileSystem> =>
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
    return yield* Effect.mapError(fs.readFileString(file), unreadable(file))
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
    yield* checkTrust(file, uid)
    const text = yield* readText(file)
    const manifest = yield* Effect.mapError(
      ManifestText.parse(text, presets),
      (error) => new ManifestInvalid({ ...error, file: shown(file) })
    )
    const fs = yield* FileSystem.FileSystem
    const real = yield* Effect.mapError(fs.realPath(file), unreadable(file))
    return { manifest, file, directory: Path.dirname(real) }
  })
