/**
 * Where a machine's root comes from when it is not the host: a directory or a tar archive of a root file system.
 *
 * @since 0.1.0
 */
import * as Capture from "@bottle/process/Capture"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Host } from "./Host.js"
import { attempt, lstatIfThere } from "./internal/files.js"
import { becomeUser, hostEnvironment } from "./Lifecycle.js"
import { OperationFailed, ValueRefused } from "./LocalError.js"
import type { Machine, Source } from "./Machine.js"
import type { Places } from "./Machines.js"
import { isProtected } from "./Volume.js"

/**
 * A root to be: its kind for the record, and what is unpacked when the machine is made.
 *
 * @since 0.1.0
 * @category models
 */
export interface Origin {
  readonly source: Source
  /** A tar archive of a root file system. */
  readonly archive?: string | undefined
  /** A pack of ours. */
  readonly pack?: { readonly path: string; readonly hasDisk: boolean } | undefined
}

/**
 * Read-only parts of the host.
 *
 * @since 0.1.0
 * @category constructors
 */
export const host: Origin = { source: { _tag: "Host" } }

const refuse = (command: string, image: string, reason: string, fix: string) =>
  new ValueRefused({ command, what: `--image ${image}`, reason, fix })

/**
 * What an `--image` means. A path (`./x`, `/x`, or anything that ends in `.tar`, `.tar.gz`, `.tgz`, `.tar.xz`, or a
 * slash) is a directory or archive of a root file system; everything else names an image in a registry, which this
 * runtime cannot pull.
 *
 * @since 0.1.0
 * @category parsing
 */
export const classify = (
  command: string,
  image: string,
  cwd: string,
  ownState: string
): Effect.Effect<Origin, ValueRefused> =>
  Effect.gen(function* () {
    const isPath = /^[./~]/.test(image) || /(\/|\.tar|\.tar\.gz|\.tgz|\.tar\.xz|\.txz)$/.test(image)
    if (!isPath) {
      return yield* refuse(
        command,
        image,
        "the local runtime pulls no images from registries",
        "name a root file system: a directory (./rootfs/) or a tar archive (./rootfs.tar); or leave --image out"
      )
    }
    const path = yield* Effect.try({
      try: () => Fs.realpathSync(Path.resolve(cwd, image)),
      catch: () => refuse(command, image, "there is no such file or directory", "check the path")
    })
    const stat = yield* Effect.try({
      try: () => Fs.statSync(path),
      catch: () => refuse(command, image, "cannot be read", "check its permissions")
    })
    if (stat.isFile()) return { source: { _tag: "Unpacked" }, archive: path } as const
    if (!stat.isDirectory()) return yield* refuse(command, image, "is neither a directory nor a file", "check the path")
    if (isProtected(path)) return yield* refuse(command, image, "is a directory of the system", "name another one")
    if (ownState.startsWith(`${path}/`) || path.startsWith(`${ownState}/`)) {
      return yield* refuse(command, image, "holds our state, or lies in it", "name another directory")
    }
    if (!["bin", "usr"].some((name) => lstatIfThere(Path.join(path, name)) !== undefined)) {
      return yield* refuse(command, image, "has neither bin nor usr", "name the root of the file system")
    }
    return { source: { _tag: "Directory", path } } as const
  })

/**
 * Looks again at a root file system that stays where it is: it must still be the very path that it was, and one that
 * `classify` takes.
 *
 * @since 0.1.0
 * @category predicates
 */
export const recheck = (command: string, source: Source, ownState: string): Effect.Effect<void, ValueRefused> =>
  Effect.gen(function* () {
    if (source._tag !== "Directory") return
    const now = (yield* classify(command, `${source.path}/`, "/", ownState)).source
    if (now._tag === "Directory" && now.path === source.path) return
    return yield* refuse(
      command,
      source.path,
      now._tag === "Directory" ? `leads to ${now.path} now` : "is no directory any more",
      "delete the machine, and create it anew"
    )
  })

// The archive is a stranger's: tar runs as the machine's user, in an empty directory, and by itself strips leading
// slashes, refuses "..", makes links that lead out only at its end, and cannot make devices or files of other users.
const tarText = String.raw`exec 3<"$1"; cd "$2"; shift 2; umask 022; exec "$@" <&3 3<&-`

/** A member of the pack that is an archive goes to a second tar as it is read: nothing of it is ever a file of ours. */
const innerText = String.raw`tar=$1 member=$2; shift 2
"$tar" --extract --to-stdout --no-recursion --occurrence=1 --file=- "$member" | exec "$tar" "$@"`

/** A saved disk is its user's alone. */
const ownText = String.raw`umask 077; exec "$@"`

const extractFlags = ["--no-same-owner", "--no-same-permissions", "--warning=none", "--extract", "--file=-"]
const rootFlags = ["--exclude=./dev/*", "--exclude=dev/*", ...extractFlags]

const compression = (archive: string): ReadonlyArray<string> =>
  /\.(tgz|gz)$/.test(archive) ? ["--gzip"] : /\.(txz|xz)$/.test(archive) ? ["--xz"] : []

/** Runs words as the machine's user, in a directory of that user's, with the archive for standard input. */
const extract = (
  from: Host,
  machine: Machine,
  archive: string,
  directory: string,
  words: ReadonlyArray<string>,
  what: "image" | "pack"
): Effect.Effect<void, OperationFailed, CommandExecutor> =>
  Capture.capture(
    {
      program: from.tools.sh,
      args: ["-c", tarText, "unpack", archive, directory, ...becomeUser(from, machine), ...words],
      env: hostEnvironment,
      cwd: "/"
    },
    { timeoutMillis: 600_000 }
  ).pipe(
    Effect.mapError((error) => new OperationFailed({ family: "storage", operation: "unpack", reason: error.message })),
    Effect.flatMap((captured) =>
      captured.exit.code === 0
        ? Effect.void
        : new OperationFailed({
            family: "storage",
            operation: `unpack ${what}`,
            reason: Capture.stderrText(captured).slice(0, 2000) || `tar ended with ${captured.exit.code}`,
            fix:
              what === "image"
                ? "check that the file is a tar archive of a root file system"
                : "check that the pack is whole, or make it anew: pack create"
          })
    )
  )

const makeRoot = (from: Host, machine: Machine, directory: string) =>
  attempt("make the root's directory", () => {
    Fs.mkdirSync(directory, { mode: 0o700 })
    if (from.uid === 0) Fs.chownSync(directory, machine.uid, machine.gid)
  })

const fillFromPack = (
  from: Host,
  machine: Machine,
  pack: { readonly path: string; readonly hasDisk: boolean },
  files: Places
): Effect.Effect<void, OperationFailed, CommandExecutor> =>
  Effect.gen(function* () {
    const { sh, tar } = from.tools
    if (machine.source._tag === "Unpacked") {
      yield* makeRoot(from, machine, files.rootfs)
      const words = [sh, "-c", innerText, "unpack", tar, "rootfs.tar", ...rootFlags]
      yield* extract(from, machine, pack.path, files.rootfs, words, "pack")
    }
    if (!pack.hasDisk) return
    const words = [sh, "-c", ownText, "unpack", tar, ...extractFlags, "--no-recursion", "--occurrence=1", "disk.tar"]
    yield* extract(from, machine, pack.path, files.disk, words, "pack")
    // A link would be followed to other archives of the user's.
    yield* attempt("look at the pack's disk", () => {
      const stat = lstatIfThere(files.savedDisk)
      if (stat?.isFile() !== true || stat.nlink !== 1) throw new Error("the pack's disk.tar is not a plain file")
    })
  })

/**
 * Fills the directory of a new machine with what its origin brings.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fill = (
  from: Host,
  machine: Machine,
  origin: Origin,
  files: Places
): Effect.Effect<void, OperationFailed, CommandExecutor> =>
  Effect.gen(function* () {
    if (origin.pack !== undefined) return yield* fillFromPack(from, machine, origin.pack, files)
    if (origin.archive === undefined) return
    yield* makeRoot(from, machine, files.rootfs)
    const words = [from.tools.tar, ...compression(origin.archive), ...rootFlags]
    yield* extract(from, machine, origin.archive, files.rootfs, words, "image")
  })
