/**
 * Packs: what a machine begins with, in one file. A tar archive whose first member, `bottle-pack.json`, says so; then
 * `rootfs.tar` (the root below), `disk.tar` (what was written over it), or both.
 *
 * @since 0.1.0
 */
import * as Capture from "@bottle/process/Capture"
import { lazy } from "@bottle/process/Lazy"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Host } from "./Host.js"
import type { Origin } from "./Image.js"
import { attempt, copyOwned, reasonOf } from "./internal/files.js"
import * as Tarball from "./internal/tarball.js"
import { hostEnvironment } from "./Lifecycle.js"
import { OperationFailed, ValueRefused } from "./LocalError.js"

const manifestName = "bottle-pack.json"

/**
 * What a pack says of itself.
 *
 * @since 0.1.0
 * @category models
 */
export const Manifest = Schema.Struct({
  format: Schema.Literal("bottle-local-pack"),
  version: Schema.Literal(1),
  architecture: Schema.String,
  hasRootfs: Schema.Boolean,
  hasDisk: Schema.Boolean
})

const ManifestJson = Schema.parseJson(Manifest)
const encodeManifest = lazy(() => Schema.encodeSync(ManifestJson))
const decodeManifest = lazy(() => Schema.decodeUnknownEither(ManifestJson))

const readManifest = (path: string): unknown => {
  const descriptor = Fs.openSync(path, Fs.constants.O_RDONLY | Fs.constants.O_NONBLOCK)
  try {
    if (!Fs.fstatSync(descriptor).isFile()) return undefined
    const block = Buffer.alloc(4096)
    Fs.readSync(descriptor, block, 0, block.length, 0)
    if (block.toString("latin1", 0, manifestName.length + 1) !== `${manifestName}\0`) return undefined
    const size = Number.parseInt(block.toString("latin1", 124, 135), 8)
    return size > 0 && size < 3000 ? block.toString("utf8", 512, 512 + size) : undefined
  } finally {
    Fs.closeSync(descriptor)
  }
}

/** Why a pack cannot be read, in words where it is what people mistype. */
const readingOf = (cause: unknown): string => (reasonOf(cause) === "ENOENT" ? "there is no such file" : reasonOf(cause))

/**
 * Looks at a pack, so that a machine can be made from it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = (command: string, path: string): Effect.Effect<Origin, ValueRefused> =>
  Effect.gen(function* () {
    const refuse = (reason: string) =>
      new ValueRefused({
        command,
        what: `--from ${path}`,
        reason,
        fix: "make one: pack create --image ./rootfs -o NAME"
      })
    const text = yield* Effect.try({ try: () => readManifest(path), catch: (cause) => refuse(readingOf(cause)) })
    const manifest = decodeManifest(text)
    if (Either.isLeft(manifest)) return yield* refuse("it is not a pack of the local runtime")
    if (manifest.right.architecture !== process.arch) {
      return yield* refuse(`it was made on ${manifest.right.architecture}, and this is ${process.arch}`)
    }
    return {
      source: manifest.right.hasRootfs ? { _tag: "Unpacked" } : { _tag: "Host" },
      pack: { path: Fs.realpathSync(path), hasDisk: manifest.right.hasDisk }
    } as const
  })

/**
 * What goes into a pack.
 *
 * @since 0.1.0
 * @category models
 */
export interface Content {
  /** `<output>.smolmachine` is written, and `<output>` beside it; with `isSingle` only `<output>`. */
  readonly output: string
  readonly isSingle: boolean
  readonly lower: { readonly directory: string } | { readonly archive: string } | undefined
  /** A saved disk, which may not be there, and the user whose it must be. */
  readonly disk: { readonly path: string; readonly uid: number } | undefined
}

const stub = `#!/bin/sh
echo "this goes with a pack of bottle's local runtime: use machine create --from $0.smolmachine" >&2
exit 1
`

const storage = (reason: string) => new OperationFailed({ family: "storage", operation: "pack create", reason })

/**
 * Refuses an output to which the ending of packs would be added a second time.
 *
 * @since 0.1.0
 * @category predicates
 */
export const checkOutput = (output: string): Effect.Effect<void, ValueRefused> =>
  output.endsWith(".smolmachine")
    ? new ValueRefused({
        command: "pack create",
        what: `--output ${output}`,
        reason: "must not end in .smolmachine, which is added",
        fix: "leave the ending out"
      })
    : Effect.void

/**
 * Writes a pack to an output that `checkOutput` has taken. It is there only once all of it is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const write = (
  host: Host,
  content: Content
): Effect.Effect<void, OperationFailed | ValueRefused, CommandExecutor> =>
  Effect.scoped(
    Effect.gen(function* () {
      const target = content.isSingle ? content.output : `${content.output}.smolmachine`
      const work = Path.join(Path.dirname(target), `.${Path.basename(target)}.${randomBytes(6).toString("hex")}`)
      yield* Effect.acquireRelease(
        attempt("make a directory beside the pack", () => Fs.mkdirSync(work, { mode: 0o700 })),
        () => Effect.sync(() => Fs.rmSync(work, { recursive: true, force: true }))
      )
      const tar = (args: ReadonlyArray<string>) =>
        Capture.capture({ program: host.tools.tar, args, env: hostEnvironment, cwd: "/" }).pipe(
          Effect.mapError((error) => storage(error.message)),
          Effect.flatMap((captured) =>
            captured.exit.code === 0 ? Effect.void : storage(Capture.stderrText(captured).slice(0, 2000))
          )
        )
      const rootfs = Path.join(work, "rootfs.tar")
      const lower = content.lower
      if (lower !== undefined && "directory" in lower) {
        yield* tar([`--directory=${lower.directory}`, "--exclude=./dev/*", "--create", `--file=${rootfs}`, "."])
      } else if (lower !== undefined) {
        yield* attempt("copy the image", () => Fs.copyFileSync(lower.archive, rootfs, Fs.constants.COPYFILE_FICLONE))
      }
      const disk = content.disk
      const hasDisk =
        disk !== undefined &&
        (yield* attempt("copy the disk", () => copyOwned(disk.path, disk.uid, Path.join(work, "disk.tar"))))
      const parts = [...(lower === undefined ? [] : ["rootfs.tar"]), ...(hasDisk ? ["disk.tar"] : [])]
      const manifest = encodeManifest({
        format: "bottle-local-pack",
        version: 1,
        architecture: process.arch,
        hasRootfs: lower !== undefined,
        hasDisk
      })
      const pack = Path.join(work, "pack")
      yield* attempt("write the pack", () =>
        Fs.writeFileSync(
          pack,
          Tarball.make([{ type: "file", path: manifestName, mode: 0o644, content: `${manifest}\n` }]),
          // It holds what a guest wrote, and secrets may be among that.
          { mode: 0o600 }
        )
      )
      if (parts.length > 0) yield* tar([`--directory=${work}`, "--append", `--file=${pack}`, ...parts])
      yield* attempt("put the pack in place", () => {
        if (!content.isSingle) {
          Fs.writeFileSync(Path.join(work, "stub"), stub, { mode: 0o755 })
          Fs.renameSync(Path.join(work, "stub"), content.output)
        }
        Fs.renameSync(pack, target)
      })
    })
  )
