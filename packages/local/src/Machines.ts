/**
 * The machines of one user: where their state is, and how it is read and written.
 *
 * `$XDG_STATE_HOME/bottle/local` (by default `~/.local/state/bottle/local`) holds `machines/NAME/` and `locks/NAME`.
 * A machine's directory has `machine.json`, `run.json` while it runs, `disk/` (its saved disk), `stage/` (an empty
 * directory that mounts are made on, in the machine's own mount namespace only), and `rootfs/` where one was unpacked.
 *
 * @since 0.1.0
 */
import * as FileLock from "@bottle/process/FileLock"
import * as Identity from "@bottle/process/Identity"
import { lazy } from "@bottle/process/Lazy"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { attempt, lstatIfThere, readIfThere, reasonOf, writeAtomic } from "./internal/files.js"
import * as Trust from "./internal/trust.js"
import {
  type LocalError,
  MachineAlreadyExists,
  MachineBusy,
  MachineNotFound,
  OperationFailed,
  StateCorrupted,
  StateUntrusted
} from "./LocalError.js"
import * as Machine from "./Machine.js"

/**
 * Where the state of a user's machines is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Directories {
  readonly root: string
  readonly machines: string
  readonly locks: string
}

/**
 * The directories below a root.
 *
 * @since 0.1.0
 * @category constructors
 */
export const directories = (root: string): Directories => ({
  root,
  machines: Path.join(root, "machines"),
  locks: Path.join(root, "locks")
})

/**
 * The root of the state for an environment: `$XDG_STATE_HOME/bottle/local`, or below `$HOME/.local/state`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const defaultRoot = (env: Readonly<Record<string, string>>): Effect.Effect<string, OperationFailed> => {
  const state = env["XDG_STATE_HOME"]
  if (state !== undefined && Path.isAbsolute(state)) return Effect.succeed(Path.join(state, "bottle", "local"))
  const home = env["HOME"]
  return home !== undefined && Path.isAbsolute(home)
    ? Effect.succeed(Path.join(home, ".local", "state", "bottle", "local"))
    : new OperationFailed({
        family: "config",
        operation: "state directory",
        reason: "neither XDG_STATE_HOME nor HOME names an absolute path",
        fix: "set HOME"
      })
}

/**
 * The files of one machine.
 *
 * @since 0.1.0
 * @category models
 */
export interface Places {
  readonly home: string
  readonly record: string
  readonly run: string
  readonly disk: string
  readonly savedDisk: string
  readonly stage: string
  readonly rootfs: string
}

/**
 * The files of the machine of this name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const places = (dirs: Directories, name: string): Places => {
  const home = Path.join(dirs.machines, name)
  return {
    home,
    record: Path.join(home, "machine.json"),
    run: Path.join(home, "run.json"),
    disk: Path.join(home, "disk"),
    savedDisk: Path.join(home, "disk", "disk.tar"),
    stage: Path.join(home, "stage"),
    rootfs: Path.join(home, "rootfs")
  }
}

/**
 * Refuses a state that somebody else could have written or put in place: root of another user's home (`sudo -E`), or a
 * user of a directory that everybody may write. With a machine's name, its directory and files too.
 *
 * @since 0.1.0
 * @category predicates
 */
export const trust = (dirs: Directories, name?: string): Effect.Effect<void, StateUntrusted> =>
  Effect.suspend(() => {
    const files = name === undefined ? undefined : places(dirs, name)
    const wrong = Trust.firstWrong(dirs.root, [
      dirs.machines,
      dirs.locks,
      ...(files === undefined ? [] : [files.home, files.record, files.run, files.stage])
    ])
    return wrong === undefined ? Effect.void : new StateUntrusted(wrong)
  })

/**
 * Makes the directories, each for its user alone.
 *
 * @since 0.1.0
 * @category constructors
 */
export const prepare = (dirs: Directories): Effect.Effect<void, OperationFailed | StateUntrusted> =>
  Effect.zipRight(
    trust(dirs),
    attempt("make the state directory", () => {
      for (const directory of [dirs.root, dirs.machines, dirs.locks]) {
        Fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
        if ((Fs.lstatSync(directory).mode & 0o077) !== 0) Fs.chmodSync(directory, 0o700)
      }
    })
  )

/**
 * Keeps every other process from working on the machine of this name until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lock = (
  dirs: Directories,
  name: string,
  waitMillis: number
): Effect.Effect<void, MachineBusy | OperationFailed | StateUntrusted, Scope.Scope> =>
  FileLock.acquire(Path.join(dirs.locks, name), { timeoutMillis: waitMillis }).pipe(
    Effect.mapError((error) =>
      error._tag === "LockTimedOut"
        ? new MachineBusy({ name, waitedMillis: waitMillis })
        : new OperationFailed({ family: "io", operation: "lock", reason: error.message })
    ),
    (acquire) => Effect.zipRight(trust(dirs, name), acquire)
  )

const MachineJson = Schema.parseJson(Machine.Machine)
const RunJson = Schema.parseJson(Machine.Run)
const encodeMachine = lazy(() => Schema.encodeSync(MachineJson))
const encodeRun = lazy(() => Schema.encodeSync(RunJson))
const decodeMachine = lazy(() => Schema.decodeUnknownEither(MachineJson))
const decodeRun = lazy(() => Schema.decodeUnknownEither(RunJson))

const readText = (path: string): Effect.Effect<string | undefined, StateCorrupted> =>
  Effect.try({
    try: () => readIfThere(path),
    catch: (cause) => new StateCorrupted({ path, problem: reasonOf(cause) })
  })

/**
 * The record of a machine.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (
  dirs: Directories,
  name: string
): Effect.Effect<Machine.Machine, MachineNotFound | StateCorrupted | StateUntrusted> =>
  Effect.gen(function* () {
    if (!Machine.isName(name)) return yield* new MachineNotFound({ name })
    yield* trust(dirs, name)
    const path = places(dirs, name).record
    const text = yield* readText(path)
    if (text === undefined) return yield* new MachineNotFound({ name })
    const decoded = decodeMachine(text)
    if (Either.isLeft(decoded)) return yield* new StateCorrupted({ path, problem: "it does not hold a machine" })
    if (decoded.right.name !== name) return yield* new StateCorrupted({ path, problem: "it is another machine's" })
    return decoded.right
  })

/**
 * Adds a machine; its directory is made here, and must not be there yet. `fill` runs before the record is written, so
 * that a machine that has a record is whole. Whatever fails, nothing is left.
 *
 * @since 0.1.0
 * @category constructors
 */
export const add = <E, R>(
  dirs: Directories,
  machine: Machine.Machine,
  fill: (places: Places) => Effect.Effect<void, E, R>
): Effect.Effect<void, E | MachineAlreadyExists | OperationFailed, R> => {
  const files = places(dirs, machine.name)
  const make = attempt("make the machine's directory", () => {
    for (const directory of [files.home, files.disk, files.stage]) Fs.mkdirSync(directory, { mode: 0o700 })
    // Only the machine's user may read and write its disk.
    if (process.getuid?.() === 0) Fs.chownSync(files.disk, machine.uid, machine.gid)
  })
  const write = attempt("write the machine's record", () =>
    writeAtomic(files.record, `${encodeMachine(machine)}\n`, { mode: 0o600, durable: true })
  )
  return Effect.gen(function* () {
    // A directory without a record is what a killed create left.
    if (Fs.existsSync(files.record)) return yield* new MachineAlreadyExists({ name: machine.name })
    yield* removeTree(files.home)
    yield* make.pipe(
      Effect.zipRight(fill(files)),
      Effect.zipRight(write),
      Effect.onError(() => Effect.ignore(removeTree(files.home)))
    )
  })
}

/** Removes a directory and all below, whatever modes a guest's archive gave them. */
const removeTree = (path: string): Effect.Effect<void, OperationFailed> =>
  attempt("remove the machine's directory", () => {
    const { name, parent } = { name: Path.basename(path), parent: Path.dirname(path) }
    // For root, what is below may be another user's, who may still hold a directory of it open.
    if (process.getuid?.() === 0) return lstatIfThere(path) === undefined ? undefined : removeHeld(parent, name)
    try {
      Fs.rmSync(path, { recursive: true, force: true })
    } catch (cause) {
      if (reasonOf(cause) !== "EACCES" && reasonOf(cause) !== "EPERM") throw cause
      openUp(path)
      Fs.rmSync(path, { recursive: true, force: true })
    }
  })

/** Removes a directory by a descriptor, so that none below can be swapped for a link to somewhere else meanwhile. */
const removeHeld = (parent: string, name: string): void => {
  const path = Path.join(parent, name)
  const flags = Fs.constants.O_RDONLY | Fs.constants.O_DIRECTORY | Fs.constants.O_NOFOLLOW
  const descriptor = Fs.openSync(path, flags)
  try {
    const held = `/proc/self/fd/${descriptor}`
    // From here on nobody but root makes anything new in it.
    Fs.fchownSync(descriptor, 0, 0)
    Fs.fchmodSync(descriptor, 0o700)
    for (const entry of Fs.readdirSync(held, { withFileTypes: true })) {
      if (entry.isDirectory()) removeHeld(held, entry.name)
      else Fs.unlinkSync(Path.join(held, entry.name))
    }
  } finally {
    Fs.closeSync(descriptor)
  }
  Fs.rmdirSync(path)
}

const openUp = (directory: string): void => {
  Fs.chmodSync(directory, 0o700)
  for (const entry of Fs.readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) openUp(Path.join(directory, entry.name))
  }
}

/**
 * Removes all state of a machine. The machine must not run.
 *
 * @since 0.1.0
 * @category constructors
 */
export const remove = (dirs: Directories, name: string): Effect.Effect<void, OperationFailed> => {
  const files = places(dirs, name)
  return Effect.zipRight(
    // Without its record it is no machine any more, should the rest be interrupted.
    attempt("remove the machine's record", () => Fs.rmSync(files.record, { force: true })),
    removeTree(files.home)
  )
}

/**
 * Whether anything of this name is there, a machine or the rest of one.
 *
 * @since 0.1.0
 * @category predicates
 */
export const exists = (dirs: Directories, name: string): Effect.Effect<boolean> =>
  Effect.sync(() => Machine.isName(name) && Fs.existsSync(places(dirs, name).home))

/**
 * The names of all machines, sorted.
 *
 * @since 0.1.0
 * @category constructors
 */
export const names = (dirs: Directories): Effect.Effect<ReadonlyArray<string>, OperationFailed | StateUntrusted> =>
  Effect.zipRight(
    trust(dirs),
    attempt("list the machines", () =>
      Fs.existsSync(dirs.machines)
        ? Fs.readdirSync(dirs.machines).filter(
            (name) => Machine.isName(name) && Fs.existsSync(places(dirs, name).record)
          )
        : []
    )
  ).pipe(Effect.map((found) => [...found].sort()))

/**
 * Notes that a machine runs.
 *
 * @since 0.1.0
 * @category constructors
 */
export const writeRun = (dirs: Directories, name: string, run: Machine.Run): Effect.Effect<void, OperationFailed> =>
  attempt("write the machine's run", () =>
    // A crash of the system ends the run too.
    writeAtomic(places(dirs, name).run, `${encodeRun(run)}\n`, { mode: 0o600, durable: false })
  )

/**
 * Forgets a run that is over.
 *
 * @since 0.1.0
 * @category constructors
 */
export const clearRun = (dirs: Directories, name: string): Effect.Effect<void, OperationFailed> =>
  attempt("clear the machine's run", () => Fs.rmSync(places(dirs, name).run, { force: true }))

/**
 * The last run that was noted, alive or not.
 *
 * @since 0.1.0
 * @category constructors
 */
export const readRun = (dirs: Directories, name: string): Effect.Effect<Machine.Run | undefined, StateCorrupted> =>
  Effect.gen(function* () {
    const path = places(dirs, name).run
    const text = yield* readText(path)
    if (text === undefined) return undefined
    const decoded = decodeRun(text)
    return Either.isLeft(decoded)
      ? yield* new StateCorrupted({ path, problem: "it does not hold a run" })
      : decoded.right
  })

/**
 * What a machine does now, and its run where that is alive: the very processes that were noted, by start time and boot.
 *
 * @since 0.1.0
 * @category constructors
 */
export const state = (
  dirs: Directories,
  name: string
): Effect.Effect<{ readonly state: Machine.State; readonly run: Machine.Run | undefined }, LocalError> =>
  Effect.gen(function* () {
    const run = yield* readRun(dirs, name)
    if (run === undefined) {
      return { state: lstatIfThere(places(dirs, name).savedDisk) !== undefined ? "stopped" : "created", run: undefined }
    }
    const isRunning = yield* Identity.isAlive(run.pid1)
    return isRunning ? { state: "running", run } : { state: "stopped", run: undefined }
  })
