/**
 * Packs, records and copies of workspaces that nobody needs any more: those that have not been used for long, and the
 * oldest of those that take more room than they should. What a bottle that has its ledger boots from, or writes to, is never among them.
 *
 * @since 0.1.0
 */
import * as FileLock from "@bottle/process/FileLock"
import { printable } from "@bottle/process/Text"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import { BottleId } from "./BottleId.js"
import type { Directories } from "./Directories.js"
import * as Disk from "./internal/cleanup/disk.js"
import * as Files from "./internal/cleanup/files.js"
import { realPath } from "./internal/files.js"
import { sizeOf } from "./internal/prune/size.js"
import * as Workspaces from "./internal/workspace/places.js"
import * as Ledger from "./Ledger.js"
import * as Record from "./Record.js"
import * as RecordStore from "./RecordStore.js"

/** How many things are looked at, and removed, at once. */
const CONCURRENCY = 8

/** A launch has its record before its ledger; one that ended says so. */
const RECORD_AGE_MILLIS_MIN = 3_600_000

/** Whoever holds the lock of a pack makes it, and that may take long: it is in use. */
const LOCK_TIMEOUT_MILLIS = 100

const PACK = ".smolmachine"

/**
 * What something is.
 *
 * - `pack`: a machine's disk in the cache, by its path; it is made again when it is needed
 * - `partial`: what is left of a pack, or of what an image was built of, that was not finished, by its path
 * - `record`: what is known of a bottle that is down, by its id
 * - `workspace`: the copy of a directory that a bottle that is down has worked on, by its id; what was changed in it and
 *   not taken goes with it
 *
 * @since 0.1.0
 * @category models
 */
export const Kind = Schema.Literal("pack", "partial", "record", "workspace")

/**
 * @since 0.1.0
 * @category models
 */
export type Kind = typeof Kind.Type

/**
 * Something could not be removed.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotPruned extends Schema.TaggedError<NotPruned>("@bottle/engine/NotPruned")("NotPruned", {
  kind: Kind,
  path: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.kind} ${printable(this.path)} could not be removed: ${printable(this.reason)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return `Remove it by hand: rm -r ${printable(this.path)}`
  }
}

/**
 * It cannot be known what the bottles that live need, so nothing is removed.
 *
 * @since 0.1.0
 * @category errors
 */
export class PruneRefused extends Schema.TaggedError<PruneRefused>("@bottle/engine/PruneRefused")("PruneRefused", {
  reason: Schema.String,
  advice: Schema.String
}) {
  override get message(): string {
    return `nothing is removed, since it is not known what is in use: ${printable(this.reason)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * Something that takes room.
 *
 * - `bytes`: what it takes, links not followed
 * - `unusedMillis`: how long ago a pack was last read or written, a record written, and anything in a workspace changed, as
 *   far as the file system tells; 0 where it does not
 * - `usedBy`: why it is not removed whatever it takes; null where it may be
 * - `note`: what there is to say of a record that cannot be read; null where there is nothing
 *
 * @since 0.1.0
 * @category models
 */
export interface Stored {
  readonly kind: Kind
  readonly name: string
  readonly path: string
  readonly bytes: number
  readonly unusedMillis: number
  readonly usedBy: string | null
  readonly note: string | null
}

/**
 * Something that is to go, and why in one line.
 *
 * @since 0.1.0
 * @category models
 */
export interface Prunable {
  readonly stored: Stored
  readonly why: string
}

/**
 * What is looked at, and what of it is too much.
 *
 * - `olderMillis`: what was not used for longer goes
 * - `maxSizeBytes`: of what is left the least recently used goes, until all of it, used or not, takes no more than this;
 *   workspaces, which hold somebody's work, go last
 *
 * Without either, nothing goes but what was never finished.
 *
 * @since 0.1.0
 * @category models
 */
export interface PruneOptions {
  readonly directories: Directories
  readonly packs: boolean
  readonly records: boolean
  readonly workspaces?: boolean | undefined
  readonly olderMillis?: number | undefined
  readonly maxSizeBytes?: number | undefined
}

/**
 * What goes, and what stays.
 *
 * @since 0.1.0
 * @category models
 */
export interface Survey {
  readonly prunable: ReadonlyArray<Prunable>
  readonly staying: ReadonlyArray<Stored>
}

/**
 * What became of something that was to go: `failure` says why it may still be there.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pruned {
  readonly prunable: Prunable
  readonly failure: NotPruned | null
}

/**
 * Decides what goes: pure, so that what a dry run shows is what is removed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const decide = (
  stored: ReadonlyArray<Stored>,
  { maxSizeBytes, olderMillis }: Pick<PruneOptions, "maxSizeBytes" | "olderMillis">
): Survey => {
  const why = new Map<Stored, string>()
  const mayGo = stored
    .filter(({ usedBy }) => usedBy === null)
    .toSorted((left, right) => right.unusedMillis - left.unusedMillis || (left.path < right.path ? -1 : 1))
  for (const one of mayGo) {
    if (one.kind === "partial") why.set(one, "it was never finished")
    else if (olderMillis !== undefined && one.unusedMillis > olderMillis) {
      why.set(one, "it was not used for longer than is asked for")
    }
  }
  let left = stored.reduce((sum, one) => (why.has(one) ? sum : sum + one.bytes), 0)
  const isWork = ({ kind }: Stored): boolean => kind === "workspace"
  for (const one of [...mayGo.filter((found) => !isWork(found)), ...mayGo.filter(isWork)]) {
    if (maxSizeBytes === undefined || left <= maxSizeBytes) break
    if (why.has(one)) continue
    why.set(one, "all of it takes more room than is asked for, and this was used the least recently")
    left -= one.bytes
  }
  return {
    prunable: mayGo.flatMap((one) => {
      const reason = why.get(one)
      return reason === undefined ? [] : [{ stored: one, why: reason }]
    }),
    staying: stored.filter((one) => !why.has(one))
  }
}

/**
 * What there is, and what of it is to go. It changes nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const survey = (options: PruneOptions): Effect.Effect<Survey, PruneRefused, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { directories, packs, records, workspaces = false } = options
    const found = yield* Effect.all(
      [
        packs ? listPacks(directories) : Effect.succeed([]),
        packs ? listPartials(directories) : Effect.succeed([]),
        records ? listRecords(directories) : Effect.succeed([]),
        workspaces ? listWorkspaces(directories) : Effect.succeed([])
      ],
      { concurrency: "unbounded" }
    )
    // Who launches claims before it looks for its pack; so what nobody has claimed by now nobody had then.
    const use = yield* useOf(directories)
    const stored = yield* Effect.forEach(found.flat(), (one) =>
      Effect.map(userOf(use, one), (user) => ({ ...one, usedBy: one.usedBy ?? user }))
    )
    return decide(stored, options)
  })

/** What the bottles that have their ledgers need. */
interface Use {
  readonly ids: ReadonlySet<string>
  readonly packs: ReadonlyMap<string, string>
  /** A bottle whose plan cannot be read; any pack may be its. */
  readonly unread: string | undefined
}

const useOf = (directories: Directories): Effect.Effect<Use, PruneRefused, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const views = yield* Effect.mapError(
      Ledger.list(directories),
      ({ message, suggestion }) => new PruneRefused({ reason: message, advice: suggestion })
    )
    const packs = new Map<string, string>()
    let unread: string | undefined
    const plans = yield* Effect.forEach(views, (view) => Effect.either(Ledger.plan(view)), { concurrency: CONCURRENCY })
    for (const [at, { id }] of views.entries()) {
      const plan = plans[at]
      if (plan === undefined || Either.isLeft(plan)) unread = id
      else if (plan.right.source._tag === "Pack") packs.set(yield* realPath(plan.right.source.path), id)
    }
    return { ids: new Set<string>(views.map(({ id }) => id)), packs, unread }
  })

/** Why something is in use; null where it is not. */
const userOf = (
  { ids, packs, unread }: Use,
  { kind, name, path }: Stored
): Effect.Effect<string | null, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    if (kind === "record" || kind === "workspace") return ids.has(name) ? `the bottle ${name} has its ledger` : null
    // One that is not finished is its launch's as long as there is one.
    if (kind === "partial") return isId(Path.basename(path)) && ids.has(Path.basename(path)) ? "it is being made" : null
    const user = packs.get(yield* realPath(path))
    if (user !== undefined) return `the bottle ${user} boots from it`
    return unread === undefined ? null : `the plan of the bottle ${unread} cannot be read, and it may boot from it`
  })

const measure = (
  one: Pick<Stored, "kind" | "name" | "path"> & Partial<Stored>
): Effect.Effect<Stored, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { bytes, readAtMillis, writtenAtMillis } = yield* sizeOf(one.path)
    const now = yield* Clock.currentTimeMillis
    // Who lists records reads them, and uses none by it.
    const usedAtMillis = one.kind === "record" ? writtenAtMillis : Math.max(readAtMillis, writtenAtMillis)
    const unusedMillis = usedAtMillis === 0 ? 0 : Math.max(0, now - usedAtMillis)
    return { usedBy: null, note: null, ...one, bytes, unusedMillis }
  })

const listPacks = ({ cache }: Directories): Effect.Effect<ReadonlyArray<Stored>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const directory = `${cache}/packs`
    const names = (yield* Disk.namesIn(directory)).filter((name) => name.endsWith(PACK) && !name.startsWith("."))
    return yield* Effect.forEach(
      names,
      (name) =>
        Effect.gen(function* () {
          const path = `${directory}/${name}`
          if ((yield* Disk.kindOf(path)) !== "File") return []
          const holder = yield* Disk.holderOf(`${path}.lock`)
          const usedBy = holder._tag === "Alive" ? `process ${holder.pid} is making it` : null
          return [yield* measure({ kind: "pack", name: path, path, usedBy })]
        }),
      { concurrency: CONCURRENCY }
    ).pipe(Effect.map((found) => found.flat()))
  })

/** As a cleanup finds them; those of bottles that have their ledgers are theirs. */
const listPartials = (directories: Directories): Effect.Effect<ReadonlyArray<Stored>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const begun = yield* Files.partials({ directories, all: false })
    const orphaned = yield* Effect.filter(begun, ({ bottle, removable }) =>
      bottle === null || !removable
        ? Effect.succeed(false)
        : Effect.map(Ledger.read(directories, bottle), Option.isNone)
    )
    return yield* Effect.forEach(orphaned, ({ name }) => measure({ kind: "partial", name, path: name }))
  })

const isId = Schema.is(BottleId)

const listRecords = (directories: Directories): Effect.Effect<ReadonlyArray<Stored>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const records = Record.directoryOf(directories)
    const ids = (yield* Disk.namesIn(records)).filter(isId)
    return (yield* Effect.forEach(ids, (id) => recordOf(directories, id), { concurrency: CONCURRENCY })).flat()
  })

const listWorkspaces = (directories: Directories): Effect.Effect<ReadonlyArray<Stored>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const workspaces = Workspaces.directoryOf(directories)
    const ids = (yield* Disk.namesIn(workspaces)).filter(isId)
    if (ids.length === 0) return []
    const { sizeOf: sizeOfCopy } = yield* removing
    const now = yield* Clock.currentTimeMillis
    return (yield* Effect.forEach(ids, (id) =>
      Effect.gen(function* () {
        const path = `${workspaces}/${id}`
        if ((yield* Disk.kindOf(path)) !== "Directory") return []
        const size = yield* Effect.option(sizeOfCopy(path))
        const { bytes, changedAtMillis } = Option.getOrElse(size, () => ({ bytes: 0, changedAtMillis: now }))
        const isFinished = (yield* Disk.kindOf(`${path}/base.json`)) === "File"
        const kind = isFinished ? ("workspace" as const) : ("partial" as const)
        const unusedMillis = changedAtMillis === 0 ? 0 : Math.max(0, now - changedAtMillis)
        return [{ kind, name: isFinished ? id : path, path, bytes, unusedMillis, usedBy: null, note: null }]
      })
    )).flat()
  })

/** What a guest wrote is not walked through as other directories are. */
const removing = Effect.promise(() => import("./internal/workspace/removal.js"))

const recordOf = (directories: Directories, id: BottleId) =>
  Effect.gen(function* () {
    const path = `${Record.directoryOf(directories)}/${id}`
    if ((yield* Disk.kindOf(path)) !== "Directory") return []
    const record = yield* RecordStore.read(directories, id)
    const [hasEnd, note] = Option.match(record, {
      onNone: () => [false, null] as const,
      onSome: ({ end, plan }) =>
        [Option.isSome(end), plan._tag === "SetAside" ? `its plan is not read: ${plan.reason}` : null] as const
    })
    const one = yield* measure({ kind: "record", name: id, path, note })
    const isYoung = !hasEnd && one.unusedMillis < RECORD_AGE_MILLIS_MIN
    return [{ ...one, usedBy: isYoung ? "it does not say that its bottle has ended, and was written to lately" : null }]
  })

/**
 * Removes what is to go, several at one time. It succeeds: what could not be removed is said by name. What is in use by
 * now stays, and so is a failure.
 *
 * @since 0.1.0
 * @category constructors
 */
export const remove = (
  directories: Directories,
  prunable: ReadonlyArray<Prunable>
): Effect.Effect<ReadonlyArray<Pruned>, never, FileSystem.FileSystem> =>
  Effect.forEach(
    prunable,
    (one) =>
      Effect.match(removeOne(directories, one.stored), {
        onFailure: (failure): Pruned => ({ prunable: one, failure }),
        onSuccess: (): Pruned => ({ prunable: one, failure: null })
      }),
    { concurrency: CONCURRENCY }
  )

const removeOne = (directories: Directories, stored: Stored): Effect.Effect<void, NotPruned, FileSystem.FileSystem> => {
  const { kind, name, path } = stored
  const failed = (reason: string) => new NotPruned({ kind, path, reason })
  const gone = Effect.mapError(Disk.remove({ kind: "file", name: path }, path), ({ reason }) => failed(reason))
  const goneOf = (id: string) =>
    Effect.flatMap(removing, ({ remove: removeCopy }) =>
      Effect.mapError(removeCopy(path, { directories, id }), (reason) => failed(reason))
    )
  switch (kind) {
    case "partial":
      return Path.dirname(path) === Workspaces.directoryOf(directories) ? goneOf(Path.basename(path)) : gone
    case "workspace":
      return goneOf(name)
    case "record":
      return Effect.flatMap(isId(name) ? Ledger.read(directories, name) : Effect.succeedNone, (view) =>
        Option.isSome(view) ? failed("its bottle has a ledger now") : gone
      )
    case "pack":
      // Nobody makes it meanwhile, and whoever has claimed a bottle that boots from it by now keeps it.
      return Effect.scoped(
        Effect.gen(function* () {
          yield* Effect.mapError(
            FileLock.acquire(`${path}.lock`, { timeoutMillis: LOCK_TIMEOUT_MILLIS }),
            ({ message }) => failed(message)
          )
          const use = yield* Effect.mapError(useOf(directories), ({ reason }) => failed(reason))
          const user = yield* userOf(use, stored)
          if (user !== null) return yield* failed(user)
          yield* gone
        })
      )
  }
}
