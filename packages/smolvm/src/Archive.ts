/**
 * Tar archives between this machine and a guest. What comes out of a guest is hostile: it is written where it belongs, as
 * plain files, directories and links that stay among themselves, or not at all.
 *
 * @since 0.1.0
 */
import * as Release from "@bottle/process/Release"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { type ArchiveError, ArchiveRefused, DestinationRefused } from "./ArchiveError.js"
import * as Extraction from "./internal/archive/extraction.js"
import * as Handle from "./internal/archive/handle.js"
import * as Names from "./internal/archive/names.js"
import * as Packing from "./internal/archive/packing.js"
import * as Placing from "./internal/archive/placing.js"
import * as Reader from "./internal/archive/reader.js"
import { attempt, inSlices } from "./internal/archive/run.js"

/**
 * What an archive may become.
 *
 * - `bytes`: of all files together
 * - `entries`: files, directories and links
 * - `depth`: names on one path
 * - `nameBytes`: of all names and targets of links together, which are held in memory
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  readonly bytes: number
  readonly entries: number
  readonly depth: number
  readonly nameBytes: number
}

/**
 * 64 GiB in a million entries, 128 deep, with 128 MiB of names.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultLimits: Limits = {
  bytes: 64 * 1024 ** 3,
  entries: 1_000_000,
  depth: 128,
  nameBytes: 128 * 1024 ** 2
}

/**
 * What was copied up to now.
 *
 * @since 0.1.0
 * @category models
 */
export interface Counts {
  readonly files: number
  readonly directories: number
  readonly links: number
  readonly bytes: number
}

/**
 * A symbolic link of the archive that was not made, since it would have led out of what was copied. `path` is printable.
 *
 * @since 0.1.0
 * @category models
 */
export interface LeftOut {
  readonly path: string
  readonly reason: string
}

/**
 * What an archive has become.
 *
 * @since 0.1.0
 * @category models
 */
export interface Extracted {
  readonly counts: Counts
  readonly leftOut: ReadonlyArray<LeftOut>
}

/**
 * What is extracted, and where to.
 *
 * - `path`: what it becomes, absolute and without symbolic links; the directory that it is in must be there
 * - `kind`: `directory` for an archive of what is in one (`./a`, `./b`), `file` for an archive of one file, whose name does
 *   not matter
 * - `onProgress`: called after each piece that was written
 *
 * @since 0.1.0
 * @category models
 */
export interface ExtractOptions {
  readonly path: string
  readonly kind: "directory" | "file"
  readonly limits?: Limits | undefined
  readonly onProgress?: ((counts: Counts) => void) | undefined
}

const REMOVE_MILLIS = 60_000

/** What the extracted is called until it has its name. */
const CONTENT = "content"

interface Places {
  readonly parent: Handle.Directory
  readonly name: string
  readonly holder: Handle.Directory
}

const opened = (
  path: string,
  open: () => Handle.Directory
): Effect.Effect<Handle.Directory, ArchiveError, Scope.Scope> =>
  Effect.acquireRelease(attempt(path, open), (handle) => Effect.sync(handle.close))

/** A directory beside the destination, so that all comes into its place by a rename; closed to others, and removed. */
const places = (path: string): Effect.Effect<Places, ArchiveError, Scope.Scope> =>
  Effect.gen(function* () {
    const above = Path.dirname(path)
    const name = Names.fromText(Path.basename(path))
    const parent = yield* opened(above, () => Handle.openPath(Names.fromText(above)))
    const beside = `.${name.slice(0, 100)}.bottle-${randomBytes(6).toString("hex")}`
    yield* Effect.addFinalizer(() =>
      inSlices(above, () => Handle.remove(parent, beside)).pipe(Release.within(REMOVE_MILLIS), Effect.ignore)
    )
    const holder = yield* opened(above, () => Handle.makeIn(parent, beside))
    return { parent, name, holder }
  })

/** Only the one file of an archive, whatever it is called. */
const onlyFile = (extraction: Extraction.Extraction): Reader.Receiver => {
  let isThere = false
  return {
    ...extraction,
    begin: (member) => {
      if (member.type !== "file" || isThere) {
        throw new ArchiveRefused({
          member: Names.shown(member.path.join("/")),
          reason: isThere ? "one file was asked for" : "a file was asked for, and it is none"
        })
      }
      isThere = true
      extraction.begin({ ...member, path: [CONTENT] })
    }
  }
}

const refuse = (path: string, reason: string, advice: string) =>
  new DestinationRefused({ path: Names.shown(Names.fromText(path)), reason, advice })

const placeFile = ({ holder, name, parent }: Places, path: string): Effect.Effect<void, ArchiveError> =>
  attempt(path, () => {
    if (Handle.lookAt(holder, CONTENT) === undefined) {
      throw new ArchiveRefused({ member: Names.shown(name), reason: "a file was asked for, and there is none" })
    }
    if (Handle.lookAt(parent, name)?.isDirectory() === true) {
      throw refuse(path, "it is a directory", "Name the file in it that this becomes.")
    }
    Fs.renameSync(holder.at(CONTENT), parent.at(name))
  })

const placeTree = (
  extraction: Extraction.Extraction,
  { holder, name, parent }: Places,
  content: Handle.Directory,
  path: string
): Effect.Effect<ReadonlyArray<LeftOut>, ArchiveError> =>
  // A scope of its own: what ran the archive may have left another one in its place.
  Effect.gen(function* () {
    const there = yield* attempt(path, () => Handle.lookAt(parent, name))
    if (there === undefined) {
      const leftOut = yield* inSlices(path, () => extraction.makeLinks(() => "missing"))
      yield* Effect.uninterruptible(
        inSlices(path, () => Placing.moveTree(extraction, { from: holder, to: parent }, { from: CONTENT, to: name }))
      )
      return leftOut
    }
    if (!there.isDirectory()) {
      return yield* refuse(path, "it is there, and no directory", "Remove it, or name another place.")
    }
    const target = yield* opened(path, () => Handle.openIn(parent, name))
    yield* inSlices(path, () => Placing.check(extraction.root, target))
    const leftOut = yield* inSlices(path, () => extraction.makeLinks(Placing.existingIn(target)))
    yield* Effect.uninterruptible(inSlices(path, () => Placing.merge(extraction, { from: content, to: target })))
    return leftOut
  }).pipe(Effect.scoped)

/**
 * Writes an archive to this machine. All of it is extracted beside its destination first; only an archive that is whole,
 * and has nothing in it that is refused, comes into its place:
 *
 * - a file replaces what is there by a rename; a directory must not be in its place
 * - a directory comes by a rename where nothing is, and is laid over a directory that is there, file by file: what is in
 *   it and not in the archive stays, and no symbolic link there is followed
 *
 * Members are refused that are absolute or have `..` in their names, go through a link, are devices, FIFOs or anything
 * else that is no file, directory or link, come twice, have control characters in their names, or are another name of what
 * is no file of the archive. Set-user-id, set-group-id and sticky bits, owners and extended attributes are not taken over.
 * Symbolic links that lead out are left out, and told.
 *
 * @since 0.1.0
 * @category constructors
 */
export const extract =
  ({ kind, limits = defaultLimits, onProgress, path }: ExtractOptions) =>
  <E, R>(
    archive: Stream.Stream<Uint8Array, E, R>
  ): Effect.Effect<Extracted, E | ArchiveError, Exclude<R, Scope.Scope>> =>
    Effect.scoped(
      Effect.gen(function* () {
        const where = yield* places(path)
        const content =
          kind === "directory" ? yield* opened(path, () => Handle.makeIn(where.holder, CONTENT)) : where.holder
        const extraction = yield* Effect.acquireRelease(
          Effect.sync(() => Extraction.make(content)),
          (made) => Effect.sync(made.close)
        )
        const reader = Reader.make(limits, kind === "directory" ? extraction : onlyFile(extraction))
        yield* Stream.runForEach(archive, (chunk) =>
          attempt(path, () => {
            reader.push(chunk)
            onProgress?.(extraction.counts)
          })
        )
        yield* attempt(path, reader.finish)
        const leftOut =
          kind === "directory"
            ? yield* placeTree(extraction, where, content, path)
            : yield* Effect.as(placeFile(where, path), [])
        return { counts: { ...extraction.counts }, leftOut }
      })
    )

/**
 * What is put into an archive.
 *
 * - `path`: the file or directory, absolute and without symbolic links
 * - `name`: what it is called in the archive
 * - `withRoot`: whether a directory is itself a member, with its mode and time, and not only what is in it; true by default
 *
 * @since 0.1.0
 * @category models
 */
export interface CreateOptions {
  readonly path: string
  readonly name: string
  readonly withRoot?: boolean | undefined
  readonly limits?: Limits | undefined
  readonly onProgress?: ((counts: Counts) => void) | undefined
}

/**
 * An archive of a file or directory of this machine, made as it is read. Symbolic links are members and not followed; what
 * is neither file, directory nor link is refused by name, and so is a file that changes its size meanwhile. Owners, extended
 * attributes and special bits are not told.
 *
 * @since 0.1.0
 * @category constructors
 */
export const create = ({
  limits = defaultLimits,
  name,
  onProgress,
  path,
  withRoot = true
}: CreateOptions): Stream.Stream<Uint8Array, ArchiveError> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const above = Path.dirname(path)
      const parent = yield* opened(above, () => Handle.openPath(Names.fromText(above)))
      const packing = yield* Effect.acquireRelease(
        Effect.sync(() =>
          Packing.make(
            {
              parent,
              entry: Names.fromText(Path.basename(path)),
              name: Names.fromText(name),
              path: Names.fromText(path),
              withRoot
            },
            limits
          )
        ),
        (made) => Effect.sync(made.close)
      )
      return Stream.repeatEffectOption(
        attempt(path, packing.next).pipe(
          Effect.mapError(Option.some),
          Effect.flatMap((bytes) => (bytes === undefined ? Effect.fail(Option.none()) : Effect.succeed(bytes))),
          Effect.tap(() => Effect.sync(() => onProgress?.(packing.counts)))
        )
      )
    })
  )
