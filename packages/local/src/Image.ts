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
  readonly pack?: string | undefined
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
    if (path === "/" || ownState.startsWith(`${path}/`) || path.startsWith(`${ownState}/`)) {
      return yield* refuse(command, image, "is the host's own root, or holds our state", "name another directory")
    }
    if (!["bin", "usr"].some((name) => lstatIfThere(Path.join(path, name)) !== undefined)) {
      return yield* refuse(command, image, "has neither bin nor usr", "name the root of the file system")
    }
    return { source: { _tag: "Directory", path } } as const
  })

// The archive is a stranger's: tar runs as the machine's user, in an empty directory, and by itself strips leading
// slashes, refuses "..", makes links that lead out only at its end, and cannot make devices or files of other users.
const unpack = (
  from: Host,
  machine: Machine,
  archive: string,
  directory: string
): Effect.Effect<void, OperationFailed, CommandExecutor> =>
  Effect.gen(function* () {
    yield* attempt("make the root's directory", () => {
      Fs.mkdirSync(directory, { mode: 0o700 })
      if (from.uid === 0) Fs.chownSync(directory, machine.uid, machine.gid)
    })
    const words = [
      ...becomeUser(from, machine),
      from.tools.tar,
      "--no-same-owner",
      "--no-same-permissions",
      "--exclude=./dev/*",
      "--exclude=dev/*",
      "--warning=none",
      ...(/\.(tgz|gz)$/.test(archive) ? ["--gzip"] : /\.(txz|xz)$/.test(archive) ? ["--xz"] : []),
      "--extract",
      "--file=-"
    ]
    const shell = String.raw`exec 3<"$1"; cd "$2"; shift 2; exec "$@" <&3 3<&-`
    const captured = yield* Capture.capture(
      {
        program: from.tools.sh,
        args: ["-c", shell, "unpack", archive, directory, ...words],
        env: hostEnvironment,
        cwd: "/"
      },
      { timeoutMillis: 600_000 }
    ).pipe(
      Effect.mapError((error) => new OperationFailed({ family: "storage", operation: "unpack", reason: error.message }))
    )
    if (captured.exit.code !== 0) {
      return yield* new OperationFailed({
        family: "storage",
        operation: "unpack image",
        reason: Capture.stderrText(captured).slice(0, 2000) || `tar ended with ${captured.exit.code}`,
        fix: "check that the file is a tar archive of a root file system"
      })
    }
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
    if (origin.archive !== undefined) return yield* unpack(from, machine, origin.archive, files.rootfs)
    if (origin.pack === undefined) return
    const parts = Path.join(files.home, "pack")
    const extracted = yield* Effect.zipRight(
      attempt("make the pack's directory", () => Fs.mkdirSync(parts, { mode: 0o700 })),
      Capture.capture(
        {
          program: from.tools.tar,
          args: ["--no-same-owner", "--extract", `--file=${origin.pack}`, "rootfs.tar", "disk.tar"],
          env: hostEnvironment,
          cwd: parts
        },
        { timeoutMillis: 600_000 }
      ).pipe(
        Effect.mapError(
          (error) => new OperationFailed({ family: "storage", operation: "open pack", reason: error.message })
        )
      )
    )
    const isPlain = (name: string) => lstatIfThere(Path.join(parts, name))?.isFile() === true
    // tar complains about the member that a pack does not have; what matters is what came out.
    if (!isPlain("rootfs.tar") && !isPlain("disk.tar")) {
      const problem = Capture.stderrText(extracted).slice(0, 500)
      return yield* new OperationFailed({
        family: "storage",
        operation: "open pack",
        reason: problem === "" ? "it holds nothing" : problem
      })
    }
    if (machine.source._tag === "Unpacked") {
      yield* unpack(from, machine, Path.join(parts, "rootfs.tar"), files.rootfs)
    }
    yield* attempt("take over the pack's disk", () => {
      if (isPlain("disk.tar")) {
        Fs.renameSync(Path.join(parts, "disk.tar"), files.savedDisk)
        Fs.chmodSync(files.savedDisk, 0o600)
        if (from.uid === 0) Fs.chownSync(files.savedDisk, machine.uid, machine.gid)
      }
      Fs.rmSync(parts, { recursive: true, force: true })
    })
  })
