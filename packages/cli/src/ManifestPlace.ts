/**
 * Where the manifest is: the file that `--manifest` names, or the one in the user's configuration directory. Never one in
 * the directory that a line is typed in: whoever writes there, an agent too, would say what bottles are allowed.
 *
 * @since 0.1.0
 */
import type { Mount } from "@bottle/engine/LaunchOptions"
import * as MountedPath from "@bottle/engine/MountedPath"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import type { Surroundings } from "./FlagValues.js"
import * as Printable from "./Printable.js"
import * as ShellQuote from "./ShellQuote.js"

const PATH_CHARS_MAX = 200

const shown = (path: string): string => Printable.line(path, PATH_CHARS_MAX)

/**
 * The guest of this launch could write to the manifest, or put another one in its place, and so say what the next bottle
 * is allowed.
 *
 * @since 0.1.0
 * @category errors
 */
export class ManifestInMount extends Schema.TaggedError<ManifestInMount>("@bottle/cli/ManifestInMount")(
  "ManifestInMount",
  { file: Schema.String, mount: Schema.String }
) {
  override get message(): string {
    return `${shown(this.file)}: the guest can change the manifest, below -v ${shown(this.mount)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Keep the manifest outside of what the guest can write to, or mount that with :ro."
  }
}

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
 * Another user could have written the manifest, or a policy that it names, or could put another one in its place: the
 * file, or a directory on the way to it (`path`), belongs to another user than this one and root, or others may write to
 * it.
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
 * A manifest's file, by its absolute path; `isNamed` where the line names it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ManifestPlace {
  readonly file: string
  readonly isNamed: boolean
}

const absolute = (value: string | undefined): string | undefined =>
  value !== undefined && value.startsWith("/") ? value : undefined

/**
 * Where a line has its manifest, or would have it: `null` where nothing says so, which takes an environment without
 * `HOME`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (flag: Option.Option<string>, { cwd, environment }: Surroundings): ManifestPlace | null => {
  if (Option.isSome(flag)) return { file: Path.resolve(cwd, flag.value), isNamed: true }
  const home = absolute(environment["HOME"])
  const base = absolute(environment["XDG_CONFIG_HOME"]) ?? (home === undefined ? undefined : Path.join(home, ".config"))
  return base === undefined ? null : { file: Path.join(base, "bottle", "bottle.json"), isNamed: false }
}

/**
 * The manifest of a line; `null` where the line names none and there is none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const find = (
  flag: Option.Option<string>,
  surroundings: Surroundings
): Effect.Effect<ManifestPlace | null, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const place = of(flag, surroundings)
    if (place === null || place.isNamed) return place
    const fs = yield* FileSystem.FileSystem
    // What is there and cannot be looked at is no manifest that is not there.
    const isThere = yield* Effect.orElseSucceed(fs.exists(place.file), () => true)
    return isThere ? place : null
  })

/**
 * Refuses a manifest that the guest of a launch could change.
 *
 * @since 0.1.0
 * @category constructors
 */
export const checkMounts = (
  file: string,
  mounts: ReadonlyArray<Mount>
): Effect.Effect<void, ManifestInMount, FileSystem.FileSystem> =>
  Effect.flatMap(
    MountedPath.changedThrough(file, mounts),
    Option.match({
      onNone: () => Effect.void,
      onSome: (mount) => new ManifestInMount({ file, mount: mount.host })
    })
  )

const STICKY = 0o1000
const OTHERS_WRITE = 0o022

/**
 * What the file system says of a manifest, in words.
 *
 * @since 0.1.0
 * @category errors
 */
export const unreadable =
  (file: string) =>
  (error: PlatformError): ManifestUnreadable =>
    new ManifestUnreadable(
      error._tag === "SystemError" && error.reason === "NotFound"
        ? { file, reason: "there is no such file", advice: "Check its name; bottle init writes one" }
        : { file, reason: "it cannot be read", advice: "Name a file that you may read" }
    )

/**
 * Refuses a file that another user than this one and root could have written, or could put another one in the place of.
 *
 * @since 0.1.0
 * @category constructors
 */
export const checkTrust = (
  file: string,
  uid: number = process.getuid?.() ?? 0
): Effect.Effect<void, ManifestUnreadable | ManifestUntrusted, FileSystem.FileSystem> =>
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
