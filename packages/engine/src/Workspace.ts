/**
 * The copy of a directory that a bottle works on: what was changed in it, and taking that back.
 *
 * A copy is made by the launch whose plan asks for one, at `<state>/workspaces/<id>`, and outlives its bottle where
 * anything was changed in it. What is in it was written by a guest: nothing here follows a link, waits for a pipe, or
 * believes a name, and how much is read is bounded.
 *
 * @since 0.1.0
 */
import * as FileLock from "@bottle/process/FileLock"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import { BottleId } from "./BottleId.js"
import type { Directories } from "./Directories.js"
import type { HostFileFailed } from "./LaunchError.js"
import * as Ledger from "./Ledger.js"
import type { Entry } from "./internal/workspace/entry.js"
import { defaults, type Limits } from "./internal/workspace/limits.js"
import * as Places from "./internal/workspace/places.js"
import * as Remove from "./internal/workspace/remove.js"
import * as Scan from "./internal/workspace/scan.js"
import * as Sliced from "./internal/workspace/sliced.js"
import * as Store from "./internal/workspace/store.js"
import * as Take from "./internal/workspace/take.js"
import * as Tree from "./internal/workspace/tree.js"
import {
  WorkspaceConflict,
  type WorkspaceError,
  WorkspaceInUse,
  type WorkspaceMissing,
  WorkspaceNotTaken,
  type WorkspaceUnread
} from "./WorkspaceError.js"

/** Another command on the same copy is done soon, or it is the user's to end it. */
const LOCK_TIMEOUT_MILLIS = 1000

/** Of one file, for whoever looks at it. */
const CONTENTS_BYTES_MAX = 1024 * 1024

/** How many conflicts a failure names. */
const CONFLICTS_MAX = 100

/**
 * What a path is: a file with its size in bytes, a directory, or a link; `mode` is its permission bits.
 *
 * @since 0.1.0
 * @category models
 */
export const Side = Schema.Struct({
  kind: Schema.Literal("file", "directory", "link").annotations({ description: "What it is" }),
  mode: Schema.NullOr(Schema.Int).annotations({ description: "Its permission bits; null for a link" }),
  size: Schema.NullOr(Schema.Number).annotations({ description: "Its size in bytes; null for what is no file" }),
  target: Schema.NullOr(Schema.String).annotations({ description: "Where a link leads; null for what is none" })
})

/**
 * What a path is.
 *
 * @since 0.1.0
 * @category models
 */
export type Side = typeof Side.Type

/**
 * One path that is not as it was when the copy was made. Its name is the guest's.
 *
 * - `kind`: a thing that was moved was deleted in one place and added in another
 * - `before`, `after`: null where nothing was, or is, or where what is there cannot be taken
 * - `here`: what the directory itself holds: `as-before`, `as-after` where it was taken already, or something else
 * - `refused`: why it is never taken: it is no file, directory or link, leads out of the directory, cannot be read
 * - `guarded`: why it is taken only with force: it would run by itself on this machine
 * - `acting`: what it may set off on this machine, though it is taken
 *
 * @since 0.1.0
 * @category models
 */
export const Change = Schema.Struct({
  path: Schema.String.annotations({ description: "The path below the directory; a guest chose it" }),
  kind: Schema.Literal("added", "modified", "deleted").annotations({
    description: "What became of it; what was moved was deleted in one place and added in another"
  }),
  before: Schema.NullOr(Side).annotations({ description: "What was there; null where nothing was" }),
  after: Schema.NullOr(Side).annotations({
    description: "What is there; null where nothing is, or what cannot be taken"
  }),
  here: Schema.Literal("as-before", "as-after", "changed").annotations({
    description: "What the directory itself holds: what it held, what the copy holds, or something else"
  }),
  refused: Schema.NullOr(Schema.String).annotations({ description: "Why it is never taken; null where it can be" }),
  guarded: Schema.NullOr(Schema.String).annotations({
    description: "Why it is taken only with --force: it would run by itself on this machine; null where it would not"
  }),
  acting: Schema.NullOr(Schema.String).annotations({
    description: "What it may set off on this machine, though it is taken; null where it is nothing"
  })
})

/**
 * One path that is not as it was.
 *
 * @since 0.1.0
 * @category models
 */
export type Change = typeof Change.Type

/**
 * What was changed in a copy.
 *
 * - `source`: the directory that it is a copy of
 * - `tree`: where it is itself
 * - `isUp`: whether its bottle is, and may change more
 *
 * @since 0.1.0
 * @category models
 */
export interface Changes {
  readonly id: BottleId
  readonly source: string
  readonly tree: string
  readonly isUp: boolean
  readonly changes: ReadonlyArray<Change>
}

/**
 * A copy, without what was changed in it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Copy {
  readonly id: BottleId
  readonly source: string
  readonly tree: string
  /** What of the directory is not in it, and why. */
  readonly skipped: ReadonlyArray<{ readonly path: string; readonly reason: string }>
}

/**
 * Which bottle's copy, and where its owner keeps what survives.
 *
 * @since 0.1.0
 * @category models
 */
export interface Place {
  readonly directories: Directories
  readonly id: BottleId
}

/**
 * How changes are taken back.
 *
 * - `force`: what was changed on the host too is replaced, and what would run by itself is taken
 * - `dryRun`: nothing is changed
 *
 * @since 0.1.0
 * @category models
 */
export interface ApplyOptions extends Place {
  readonly force?: boolean | undefined
  readonly dryRun?: boolean | undefined
}

/**
 * What became of a change: `already` was as in the copy before; `left` stays in the copy.
 *
 * @since 0.1.0
 * @category models
 */
export interface Applied {
  readonly change: Change
  readonly outcome: "taken" | "already" | "left"
  readonly reason: string | null
}

/**
 * What was taken, or would be.
 *
 * - `removed`: whether the copy is gone, since nothing is left in it to take
 *
 * @since 0.1.0
 * @category models
 */
export interface Application {
  readonly id: BottleId
  readonly source: string
  readonly applied: ReadonlyArray<Applied>
  readonly removed: boolean
}

/**
 * How much of a directory is copied, and read back of what a guest has made of it.
 *
 * @since 0.1.0
 * @category models
 */
export const limits: Limits = defaults

const sideOf = (entry: Entry | null): Side | null => {
  if (entry === null) return null
  switch (entry._tag) {
    case "File":
      return { kind: "file", mode: entry.mode, size: entry.size, target: null }
    case "Directory":
      return { kind: "directory", mode: entry.mode, size: null, target: null }
    case "Link":
      return { kind: "link", mode: null, size: null, target: entry.target }
  }
}

const shownOf = ({ change, state }: Take.Weighed): Change => ({
  path: change.path,
  kind: change.before === null ? "added" : change.after === null && change.refused === null ? "deleted" : "modified",
  before: sideOf(change.before),
  after: sideOf(change.after),
  here: state === "taken" ? "as-after" : state === "open" ? "as-before" : "changed",
  refused: change.refused,
  guarded: change.guarded,
  acting: change.acting
})

interface Looked {
  readonly place: string
  readonly base: Store.Base
  readonly isUp: boolean
  readonly weighed: ReadonlyArray<Take.Weighed>
}

const isUpNow = ({ directories, id }: Place): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.map(Ledger.read(directories, id), Option.isSome)

const lookAt = (of: Place): Effect.Effect<Looked, WorkspaceError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const place = Places.placeOf(of.directories, of.id)
    const base = yield* Store.readBase(place, of.id)
    const isUp = yield* isUpNow(of)
    const found = yield* Effect.mapError(
      Sliced.run(() => Scan.changes(Places.treeOf(place), { base: base.entries, limits, source: base.source })),
      Store.failedAt(Places.treeOf(place))
    )
    const weighed = yield* Effect.mapError(
      Sliced.run(() => Take.weigh(base.source, found, limits.bytes)),
      Store.failedAt(base.source)
    )
    return { place, base, isUp, weighed }
  })

/**
 * The copy of a bottle, as it was made.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = ({
  directories,
  id
}: Place): Effect.Effect<Copy, WorkspaceMissing | WorkspaceUnread | HostFileFailed> => {
  const place = Places.placeOf(directories, id)
  return Effect.map(Store.readBase(place, id), ({ skipped, source }) => ({
    id,
    source,
    tree: Places.treeOf(place),
    skipped
  }))
}

/**
 * What was changed in the copy of a bottle, up or down, sorted by path.
 *
 * @since 0.1.0
 * @category constructors
 */
export const changes = (of: Place): Effect.Effect<Changes, WorkspaceError, FileSystem.FileSystem> =>
  Effect.map(lookAt(of), ({ base, isUp, place, weighed }) => ({
    id: of.id,
    source: base.source,
    tree: Places.treeOf(place),
    isUp,
    changes: weighed.map(shownOf)
  }))

/**
 * The contents of a file on one side of a change; `cut` where there is more of it than is read (1 MiB).
 *
 * @since 0.1.0
 * @category models
 */
export interface Contents {
  readonly bytes: Uint8Array
  readonly cut: boolean
}

/**
 * What a changed file holds in the copy (`after`), or in the directory that it is a copy of (`here`), where that is a plain
 * file. None where it is not, or cannot be read.
 *
 * @since 0.1.0
 * @category constructors
 */
export const contents = (
  { source, tree }: Pick<Changes, "source" | "tree">,
  path: string,
  side: "after" | "here"
): Effect.Effect<Option.Option<Contents>> =>
  Effect.option(
    Sliced.run(function* () {
      const root = side === "after" ? Tree.openRoot(tree) : Tree.openReal(source)
      try {
        return Tree.inParent(root, path, (parent, name) => {
          const stat = Tree.lstat(parent, name)
          if (!stat.isFile()) throw new Tree.NotAFile("it is no plain file")
          return readSome(parent, name)
        })
      } finally {
        Tree.close(root)
      }
    })
  )

const readSome = (parent: Tree.Directory, name: string): Contents => {
  const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = Fs.constants
  const fd = Fs.openSync(Tree.at(parent, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const stat = Fs.fstatSync(fd)
    if (!stat.isFile()) throw new Tree.NotAFile("it is no plain file")
    const bytes = Buffer.alloc(Math.min(stat.size, CONTENTS_BYTES_MAX))
    let length = 0
    while (length < bytes.length) {
      const count = Fs.readSync(fd, bytes, length, bytes.length - length, null)
      if (count === 0) break
      length += count
    }
    return { bytes: bytes.subarray(0, length), cut: stat.size > CONTENTS_BYTES_MAX }
  } finally {
    Fs.closeSync(fd)
  }
}

const locked = ({ directories, id }: Place): Effect.Effect<void, WorkspaceInUse | HostFileFailed, Scope.Scope> =>
  FileLock.acquire(`${Places.placeOf(directories, id)}/lock`, { timeoutMillis: LOCK_TIMEOUT_MILLIS }).pipe(
    Effect.mapError((error) =>
      error._tag === "LockTimedOut"
        ? new WorkspaceInUse({ id, user: "command" })
        : Store.fileFailed(Places.placeOf(directories, id), error)
    )
  )

/** Why a change stays in the copy; null where it is taken. */
const leftFor = ({ change, reason, state }: Take.Weighed, force: boolean): string | null => {
  if (change.refused !== null) return change.refused
  if (change.guarded !== null && !force) return change.guarded
  return state === "blocked" ? reason : null
}

/** The base of what is left: as it was, but for what was taken, which is as it is. */
const without = (base: Store.Base, taken: ReadonlyArray<Take.Weighed>): Store.Base => {
  const entries = new Map(base.entries.map((entry) => [entry.path, entry]))
  for (const { change } of taken) {
    if (change.after === null) entries.delete(change.path)
    else entries.set(change.path, change.after)
  }
  return { ...base, entries: [...entries.values()] }
}

const conflictOf = (id: BottleId, weighed: ReadonlyArray<Take.Weighed>): WorkspaceConflict | null => {
  const paths = weighed.map(({ change }) => change.path)
  return paths.length === 0
    ? null
    : new WorkspaceConflict({ id, paths: paths.slice(0, CONFLICTS_MAX), count: paths.length })
}

/**
 * Takes what was changed in a copy back into the directory that it was made of. It fails before anything is changed where
 * a file that is to be taken was changed there too, unless `force`. Each file is replaced at once. One that was
 * interrupted, or failed half-way, is run again and goes on. A copy of which all was taken is removed, unless its bottle
 * is up.
 *
 * @since 0.1.0
 * @category constructors
 */
export const apply = (
  options: ApplyOptions
): Effect.Effect<Application, WorkspaceError | WorkspaceConflict | WorkspaceNotTaken, FileSystem.FileSystem> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { dryRun = false, force = false, id } = options
      // First, so that a copy that is not there has no lock.
      yield* Store.readBase(Places.placeOf(options.directories, id), id)
      yield* locked(options)
      const { base, isUp, place, weighed } = yield* lookAt(options)
      const open = weighed.filter((one) => leftFor(one, force) === null)
      const conflict = conflictOf(id, force ? [] : open.filter(({ state }) => state === "conflict"))
      if (conflict !== null) return yield* conflict
      const applied = weighed.map((one): Applied => {
        const reason = leftFor(one, force)
        const outcome = reason !== null ? "left" : one.state === "taken" ? "already" : "taken"
        return { change: shownOf(one), outcome, reason }
      })
      const isAll = open.length === weighed.length
      if (dryRun) return { id, source: base.source, applied, removed: false }
      const due = open.flatMap(({ change, state }) => (state === "taken" ? [] : [change]))
      const marks = new Map(force ? [] : open.map(({ change, mark }) => [change.path, mark]))
      const taking: Take.Taking = { taken: 0, path: base.source }
      yield* Effect.mapError(
        Sliced.run(() => Take.take({ tree: Places.treeOf(place), source: base.source, marks }, due, taking)),
        (cause) =>
          new WorkspaceNotTaken({
            id,
            path: taking.path,
            reason: cause instanceof Take.NotTaken ? cause.message : Store.fileFailed(taking.path, cause).reason,
            taken: taking.taken
          })
      )
      const removed = isAll && !isUp
      yield* removed ? remove(place) : keep(place, without(base, open))
      return { id, source: base.source, applied, removed }
    })
  )

const keep = (place: string, base: Store.Base): Effect.Effect<void, HostFileFailed> =>
  Effect.try({ try: () => Store.writeBase(place, base), catch: (cause) => Store.fileFailed(place, cause) })

const remove = (place: string) =>
  Effect.uninterruptible(
    Effect.mapError(
      Sliced.run(() => Remove.directory(place)),
      Store.failedAt(place)
    )
  )

/**
 * Throws the copy of a bottle away, with whatever was changed in it. Fails while its bottle is up.
 *
 * @since 0.1.0
 * @category constructors
 */
export const discard = (of: Place): Effect.Effect<Copy, WorkspaceError, FileSystem.FileSystem> =>
  Effect.scoped(
    Effect.gen(function* () {
      const copy = yield* read(of)
      if (yield* isUpNow(of)) return yield* new WorkspaceInUse({ id: of.id, user: "bottle" })
      yield* locked(of)
      yield* remove(Places.placeOf(of.directories, of.id))
      return copy
    })
  )
