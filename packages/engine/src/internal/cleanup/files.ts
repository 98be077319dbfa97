import * as FileLock from "@bottle/process/FileLock"
import * as Identity from "@bottle/process/Identity"
import { lazy } from "@bottle/process/Lazy"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { BottleId } from "../../BottleId.js"
import type { Directories } from "../../Directories.js"
import * as Ledger from "../../Ledger.js"
import * as Record from "../../Record.js"
import { Owner } from "../ledger/model.js"
import * as Names from "../ledger/names.js"
import { liveness } from "../ledger/owner.js"
import { markOf } from "../mark.js"
import * as Disk from "./disk.js"
import { type Leftover, NotRemoved, type Unanswered, Unanswered as Unanswered_ } from "./leftover.js"
import { byMark } from "./whose.js"

type Found = Effect.Effect<ReadonlyArray<Leftover>, never, FileSystem.FileSystem>

interface Options {
  readonly directories: Directories
  readonly all: boolean
}

const isId = Schema.is(BottleId)

/** What is written to a record is in its place within milliseconds. */
const ASIDE_AGE_MILLIS_MIN = 600_000

/** Taking a lock makes a file for a moment only. */
const LOCK_ASIDE_AGE_MILLIS_MIN = 60_000

const LOCK_TIMEOUT_MILLIS = 2000

/** Something at a path that goes as a whole. */
const at = (
  leftover: Omit<Leftover, "isThere" | "remove">,
  fs: FileSystem.FileSystem,
  path: string = leftover.name
): Leftover => ({
  ...leftover,
  isThere: Effect.map(Disk.kindOf(path), (kind) => kind !== null).pipe(
    Effect.provideService(FileSystem.FileSystem, fs)
  ),
  remove: Disk.remove(leftover, path).pipe(Effect.provideService(FileSystem.FileSystem, fs))
})

/** The directories of bottles that have no ledger any more. */
export const runDirectories = ({ all, directories }: Options): Found =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const ids = (yield* Disk.namesIn(directories.run)).filter(isId)
    const found = yield* Effect.forEach(ids, (id) =>
      Effect.gen(function* () {
        const path = `${directories.run}/${id}`
        if ((yield* Disk.kindOf(path)) !== "Directory") return []
        const mark = yield* Effect.orElseSucceed(fs.readLink(markOf(path)), () => null)
        const whose = byMark(directories, mark, Ledger.directoryOf(directories, id))
        if (whose === "theirs") return []
        const served = yield* servedIn(path)
        const doubt = whose === "ours" ? "" : "; it does not say in whose state directory else it might have one"
        const leftover = at(
          {
            kind: "directory",
            name: path,
            bottle: id,
            why:
              served === undefined
                ? `its bottle has no ledger here${doubt}`
                : `its bottle has no ledger here, but somebody answers at its ${served}`,
            removable: served === undefined && (whose === "ours" || all)
          },
          fs
        )
        return [leftover]
      })
    )
    return found.flat()
  })

/** A socket in the directory that somebody serves. */
const servedIn = (directory: string): Effect.Effect<string | undefined, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    for (const name of yield* Disk.namesIn(directory)) {
      const isSocket = (yield* Disk.kindOf(`${directory}/${name}`)) === "Socket"
      if (isSocket && (yield* Disk.isServed(`${directory}/${name}`))) return name
    }
    return undefined
  })

/** Locks whose holders were killed, and what killed holders were about to make one of. */
export const locks = ({ directories }: Options): Found =>
  Effect.map(
    Effect.forEach(lockPlaces(directories), ({ directory, isLock }) =>
      Effect.flatMap(Disk.namesIn(directory), (names) =>
        Effect.forEach(names, (name) => lockAt(directory, name, isLock))
      )
    ),
    (found) => found.flat(2)
  )

interface LockPlace {
  readonly directory: string
  readonly isLock: (name: string) => boolean
}

const lockPlaces = (directories: Directories): ReadonlyArray<LockPlace> => {
  const bottles = Ledger.bottlesOf(directories)
  const isNamed = (name: string) => name.endsWith(".lock")
  return [
    { directory: `${directories.cache}/packs`, isLock: isNamed },
    { directory: `${directories.cache}/images`, isLock: isNamed },
    { directory: Names.directoryOf(bottles), isLock: isNamed },
    // That of a sweep; a bottle's own is below its ledger, and goes with it.
    { directory: bottles, isLock: (name) => name === ".sweep" }
  ]
}

/** What `FileLock` makes beside a lock: `LOCK.PID.RANDOM` before it takes it, `LOCK.breaking` while it breaks it. */
const LOCK_ASIDE = /^(.*)\.(?:breaking|([0-9]+)\.[0-9a-f]{8})$/

const lockAt = (directory: string, name: string, isLock: LockPlace["isLock"]): Found =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = `${directory}/${name}`
    if (isLock(name)) {
      const holder = yield* Disk.holderOf(path)
      return holder._tag === "Dead" ? [staleLock(path, holder.pid, fs)] : []
    }
    const [, lock, pid] = LOCK_ASIDE.exec(name) ?? []
    if (lock === undefined || !isLock(lock)) return []
    const age = yield* Disk.ageMillis(path, yield* Clock.currentTimeMillis)
    const isOld = Option.exists(age, (millis) => millis > LOCK_ASIDE_AGE_MILLIS_MIN)
    const isAlive = pid !== undefined && Option.isSome(yield* Identity.fromPid(Number(pid)))
    const why = "whoever was taking the lock was killed"
    return isOld && !isAlive ? [at({ kind: "lock", name: path, bottle: null, why, removable: true }, fs)] : []
  })

/** Taken over as any next holder would, and given back: between a look and a removal somebody else may have it. */
const staleLock = (path: string, pid: number | null, fs: FileSystem.FileSystem): Leftover => ({
  kind: "lock",
  name: path,
  bottle: null,
  why: pid === null ? "it does not name who holds it" : `process ${pid}, which held it, runs no more`,
  removable: true,
  isThere: Effect.map(Disk.holderOf(path), ({ _tag }) => _tag === "Dead").pipe(
    Effect.provideService(FileSystem.FileSystem, fs)
  ),
  remove: Effect.scoped(FileLock.acquire(path, { timeoutMillis: LOCK_TIMEOUT_MILLIS })).pipe(
    // Somebody holds it who lives.
    Effect.catchTag("LockTimedOut", () => Effect.void),
    Effect.mapError(
      ({ message, suggestion }) => new NotRemoved({ kind: "lock", name: path, reason: message, advice: suggestion })
    )
  )
})

const PARTIAL = /^\.partial-([a-z0-9-]+?)(?:\..*)?$/
const CONTEXT = /^\.context-([a-z0-9-]+)$/

/** What launches that were killed had begun to make in the cache. */
export const partials = ({ directories }: Options): Found =>
  Effect.map(
    Effect.all([
      begun(`${directories.cache}/packs`, PARTIAL, "a pack that was not finished"),
      begun(`${directories.cache}/images`, CONTEXT, "what an image was being built of")
    ]),
    (found) => found.flat()
  )

const begun = (directory: string, pattern: RegExp, what: string): Found =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const names = yield* Disk.namesIn(directory)
    const ours = names.flatMap((name) => {
      const id = pattern.exec(name)?.[1]
      return isId(id) ? [{ name, id }] : []
    })
    if (ours.length === 0) return []
    // The cache may be of several state directories, and whoever makes something in it holds a lock there meanwhile.
    const holders = yield* Effect.forEach(
      names.filter((name) => name.endsWith(".lock")),
      (name) => Disk.holderOf(`${directory}/${name}`)
    )
    const busy = holders.find((holder) => holder._tag === "Alive")
    const why = `it is ${what}, and its bottle has no ledger here`
    return ours.map(({ id, name }) =>
      at(
        {
          kind: "file",
          name: `${directory}/${name}`,
          bottle: id,
          why: busy === undefined ? why : `${why}; but process ${busy.pid} is making something there`,
          removable: busy === undefined
        },
        fs
      )
    )
  })

/** What was being written to a record, or to a ledger, by somebody who was killed. */
export const asides = ({
  directories
}: Options): Effect.Effect<ReadonlyArray<Leftover>, Unanswered, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const now = yield* Clock.currentTimeMillis
    const records = Record.directoryOf(directories)
    const ofRecords = yield* Effect.forEach((yield* Disk.namesIn(records)).filter(isId), (id) =>
      Effect.gen(function* () {
        const names = (yield* Disk.namesIn(`${records}/${id}`)).filter((name) => name.startsWith("."))
        const found = yield* Effect.forEach(names, (name) =>
          Effect.map(Disk.ageMillis(`${records}/${id}/${name}`, now), (age) =>
            Option.exists(age, (millis) => millis > ASIDE_AGE_MILLIS_MIN)
              ? [
                  aside(
                    fs,
                    `${records}/${id}/${name}`,
                    "it was being written to a record that is no longer written",
                    id
                  )
                ]
              : []
          )
        )
        return found.flat()
      })
    )
    const ofLedgers = yield* Effect.mapError(
      Ledger.asides(directories),
      ({ message, suggestion }) =>
        new Unanswered_({ asked: "the state directory", reason: message, advice: suggestion, isAbsent: false })
    )
    return [
      ...ofRecords.flat(),
      ...ofLedgers.map((path) => aside(fs, path, "whoever was making or removing a ledger was killed", null))
    ]
  })

const aside = (fs: FileSystem.FileSystem, path: string, why: string, bottle: BottleId | null): Leftover =>
  at({ kind: "file", name: path, bottle, why, removable: true }, fs)

const decodeReservation = lazy(() =>
  Schema.decodeUnknownEither(Schema.parseJson(Schema.Struct({ id: BottleId, writer: Owner })))
)

/** Names that are reserved for bottles that are no more. */
export const names = ({ directories }: Options): Found =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = Names.directoryOf(Ledger.bottlesOf(directories))
    const found = yield* Effect.forEach(
      (yield* Disk.namesIn(directory)).filter((name) => !name.startsWith(".")),
      (name) => {
        const path = `${directory}/${name}`
        const isStale = Effect.provideService(staleName(directories, path), FileSystem.FileSystem, fs)
        const of = { kind: "file", name: path } as const
        return Effect.map(isStale, (bottle): ReadonlyArray<Leftover> =>
          Option.isNone(bottle)
            ? []
            : [
                {
                  ...of,
                  bottle: bottle.value,
                  why: "it reserves a name for a bottle that is no more",
                  removable: true,
                  isThere: Effect.map(isStale, Option.isSome),
                  // Under the lock of whoever takes or frees a name.
                  remove: Effect.scoped(
                    Effect.zipRight(
                      FileLock.acquire(`${directory}/.${name}.lock`, { timeoutMillis: LOCK_TIMEOUT_MILLIS }).pipe(
                        Effect.mapError(
                          ({ message, suggestion }) => new NotRemoved({ ...of, reason: message, advice: suggestion })
                        )
                      ),
                      Effect.whenEffect(
                        Effect.provideService(Disk.remove(of, path), FileSystem.FileSystem, fs),
                        Effect.map(isStale, Option.isSome)
                      )
                    )
                  )
                }
              ]
        )
      }
    )
    return found.flat()
  })

/** The bottle that a reserved name was for, where that is no more; null where the reservation does not say. */
const staleName = (
  directories: Directories,
  path: string
): Effect.Effect<Option.Option<BottleId | null>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if ((yield* Disk.kindOf(path)) !== "File") return Option.none()
    const text = yield* Effect.option(fs.readFileString(path))
    if (Option.isNone(text)) return Option.none()
    const reservation = decodeReservation(text.value)
    if (Either.isLeft(reservation)) {
      // It is written in one go; what cannot be read a while later was cut off.
      const age = yield* Disk.ageMillis(path, yield* Clock.currentTimeMillis)
      return Option.exists(age, (millis) => millis > LOCK_ASIDE_AGE_MILLIS_MIN) ? Option.some(null) : Option.none()
    }
    const { id, writer } = reservation.right
    const isDead = (yield* liveness(writer)) === "dead"
    return isDead && Option.isNone(yield* Ledger.read(directories, id)) ? Option.some(id) : Option.none()
  })
