import * as Release from "@bottle/process/Release"
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { BottleId } from "../../BottleId.js"
import { reasonOf } from "../files.js"
import { type Entry, type Line, type Owner, stateOf, type Transition } from "./model.js"
import * as Owners from "./owner.js"
import * as Reading from "./reading.js"
import { isAllowed, type Place } from "./state.js"

export const DIRECTORY_MODE = 0o700
export const FILE_MODE = 0o600

export const LEDGER = "ledger.jsonl"
export const PLAN = "plan.json"
export const LOCK = "lock"

/** A ledger is a few lines; whatever is larger is none. */
const LEDGER_BYTES_MAX = 1024 * 1024

/** A disk that does not answer within this will not later; one that is busy with other launches may need long. */
export const FILE_TIMEOUT_MILLIS = 30_000

/** Work on files that has an end, also where the disk does not answer and nobody may interrupt. */
export const bounded = <A, R>(work: Effect.Effect<A, PlatformError.PlatformError, R>): Effect.Effect<A, string, R> =>
  work.pipe(
    Effect.mapError(reasonOf),
    // A call that hangs cannot be taken back, and what would follow it need not be waited for.
    Effect.interruptible,
    Effect.disconnect,
    Release.within(FILE_TIMEOUT_MILLIS),
    Effect.flatMap(
      Option.match({
        onNone: () => Effect.fail(`the disk did not answer within ${FILE_TIMEOUT_MILLIS / 1000} s`),
        onSome: Effect.succeed
      })
    )
  )

export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"))

/** What a directory holds survives a power loss only when the directory itself is written. */
export const syncDirectory = (
  fs: FileSystem.FileSystem,
  path: string
): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.scoped(Effect.flatMap(fs.open(path, { flag: "r" }), (file) => file.sync))

/** What a bottle's ledger says: none where there is no ledger, a reason where it cannot be read. */
export const read = (
  fs: FileSystem.FileSystem,
  directory: string,
  id: string
): Effect.Effect<Option.Option<Reading.Reading>, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const path = `${directory}/${LEDGER}`
    const info = yield* fs.stat(path)
    const isOne = info.type === "File" && info.size <= LEDGER_BYTES_MAX
    return Option.some(isOne ? Reading.read(yield* fs.readFileString(path), id) : unreadable)
  }).pipe(
    Effect.catchIf(
      (error) => error._tag === "SystemError" && error.reason === "NotFound",
      () => Effect.map(fs.exists(directory), (isThere) => (isThere ? Option.some(unreadable) : Option.none()))
    )
  )

/** A ledger of which no line says anything. */
export const unreadable: Reading.Reading = { ...Reading.read("", ""), damaged: 1 }

/** What has to be on the disk when it is written. The rest says what a process does, and none survives a power loss. */
const DURABLE: ReadonlySet<Entry["_tag"]> = new Set(["Claimed", "Added", "Left", "Kept"])

/** A ledger that somebody writes to. */
export interface Writer {
  /** Appends, also what is no transition. */
  readonly append: (entry: Entry) => Effect.Effect<void, PlatformError.PlatformError>
  /** Appends a transition where it is allowed after the last one that was written, and nothing otherwise. */
  readonly move: (entry: Transition) => Effect.Effect<void, PlatformError.PlatformError>
}

export interface WriterOptions {
  readonly path: string
  readonly flag: "ax" | "a"
  readonly id: BottleId
  readonly writer: Owner
  readonly role: Line["role"]
  readonly from: Place
  readonly isTorn: boolean
}

/** Opens a ledger until the scope closes. */
export const open = (
  fs: FileSystem.FileSystem,
  options: WriterOptions
): Effect.Effect<Writer, PlatformError.PlatformError, Scope.Scope> =>
  Effect.gen(function* () {
    const file = yield* fs.open(options.path, { flag: options.flag, mode: FILE_MODE })
    const lock = yield* Effect.makeSemaphore(1)
    let place = options.from
    let isTorn = options.isTorn
    const write = (entry: Entry) =>
      Effect.gen(function* () {
        const { id, role, writer } = options
        const line = Reading.format({ version: 1, id, time: yield* DateTime.now, writer, role, entry })
        const text = `${isTorn ? "\n" : ""}${line}\n`
        // A write that fails half-way leaves half a line, and the next one must not be part of it.
        isTorn = true
        yield* file.writeAll(Buffer.from(text))
        isTorn = false
        if (entry._tag !== "Added") place = stateOf[entry._tag]
        if (DURABLE.has(entry._tag)) yield* file.sync
      })
    return {
      append: (entry) => lock.withPermits(1)(write(entry)),
      move: (entry) =>
        lock.withPermits(1)(Effect.suspend(() => (isAllowed(place, stateOf[entry._tag]) ? write(entry) : Effect.void)))
    }
  })

const ASIDE = /^\.(?:new|gone)-.+?_([0-9]+)_([0-9]+)_([0-9a-zA-Z-]+)_([0-9a-f]{8}_[0-9a-f]{8})$/

/** A name beside the ledgers that says whose it is: nobody takes it for a ledger, and it can be known when it is stale. */
export const aside = (what: "new" | "gone", id: string, owner: Owner): string => {
  const { bootId, pid, startTime } = owner.identity
  return `.${what}-${id}_${pid}_${startTime}_${bootId}_${Owners.placeOf(owner)}`
}

/** Whether a name is of an aside whose maker is known to run no more. */
export const isStaleAside = (name: string): Effect.Effect<boolean> => {
  const [, pid, startTime, bootId, place] = ASIDE.exec(name) ?? []
  return pid === undefined || startTime === undefined || bootId === undefined || place === undefined
    ? Effect.succeed(false)
    : Owners.isKnownDead({ pid: Number(pid), startTime, bootId }, place)
}

/** Takes a ledger away in one step, and then removes what was in it. */
export const remove = (
  fs: FileSystem.FileSystem,
  directory: string,
  id: string,
  self: Owner
): Effect.Effect<void, PlatformError.PlatformError> => {
  const away = `${parentOf(directory)}/${aside("gone", id, self)}`
  const rm = (path: string) => fs.remove(path, { recursive: true, force: true })
  return fs.rename(directory, away).pipe(
    Effect.zipRight(rm(away)),
    Effect.catchIf(
      (error) => error._tag === "SystemError" && error.reason === "NotFound",
      () => Effect.void
    ),
    // A disk that is full may refuse a new name, and still take one away.
    Effect.catchAll(() => rm(directory))
  )
}

export const removePlan = (
  fs: FileSystem.FileSystem,
  directory: string
): Effect.Effect<void, PlatformError.PlatformError> => fs.remove(`${directory}/${PLAN}`, { force: true })
