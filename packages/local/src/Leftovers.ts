/**
 * What is left of machines that are no more: processes and namespaces whose machine was deleted under them, what a killed
 * `machine create` had begun, and the locks of processes that were killed. `machine ls` shows none of it.
 *
 * @since 0.1.0
 */
import * as FileLock from "@bottle/process/FileLock"
import * as Identity from "@bottle/process/Identity"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { attempt, lstatIfThere, realPathOf } from "./internal/files.js"
import * as Processes from "./internal/processes.js"
import { type LocalError, OperationFailed, type StateUntrusted } from "./LocalError.js"
import * as Lifecycle from "./Lifecycle.js"
import * as Machine from "./Machine.js"
import * as Machines from "./Machines.js"

/** Whoever works on a machine that is no more does so for a moment only. */
const LOCK_TIMEOUT_MILLIS = 2000

const END_TIMEOUT_MILLIS = 10_000
const POLL_MILLIS = 20

/**
 * Something that is left.
 *
 * - `processes`: of a machine that has no record any more; `path` is where that was, and `pids` are the processes
 * - `directory`: of a machine that has none yet, or none any more
 * - `lock`: of a machine, whose holder runs no more
 *
 * @since 0.1.0
 * @category models
 */
export interface Leftover {
  readonly kind: "processes" | "directory" | "lock"
  /** Of the machine. */
  readonly machine: string
  readonly path: string
  readonly pids: ReadonlyArray<number>
}

/**
 * What is left in the state of a user, whose root is given. What somebody works on now is not among it. It changes
 * nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const find = (root: string): Effect.Effect<ReadonlyArray<Leftover>, OperationFailed | StateUntrusted> =>
  Effect.gen(function* () {
    const dirs = Machines.directories(root)
    yield* Machines.trust(dirs)
    const processes = yield* attempt("look for processes of machines", () => processesOf(dirs))
    const names = yield* attempt("list the machines", () => namesIn(dirs.machines).filter(Machine.isName))
    const ofMachines = yield* Effect.forEach([...new Set([...names, ...processes.keys()])].sort(), (machine) =>
      ofMachine(dirs, machine, processes.get(machine) ?? [])
    )
    const locks = yield* attempt("list the locks", () =>
      namesIn(dirs.locks).filter((name) => Machine.isName(name) && holderOf(Path.join(dirs.locks, name)) === "Dead")
    )
    return [
      ...ofMachines.flat(),
      ...locks.map((machine) => ({ kind: "lock" as const, machine, path: Path.join(dirs.locks, machine), pids: [] }))
    ]
  })

const ofMachine = (
  dirs: Machines.Directories,
  machine: string,
  started: ReadonlyArray<Processes.Started>
): Effect.Effect<ReadonlyArray<Leftover>> =>
  Effect.gen(function* () {
    if (isWhole(dirs, machine) || isBusy(dirs, machine)) return []
    const path = Machines.places(dirs, machine).home
    const run = yield* notedRun(dirs, machine)
    const noted = yield* Effect.filter(run === undefined ? [] : [run.holder, run.pid1], Identity.isAlive)
    const pids = [...new Set([...noted, ...started].map(({ pid }) => pid))]
    return [
      ...(pids.length === 0 ? [] : [{ kind: "processes" as const, machine, path, pids }]),
      ...(lstatIfThere(path) === undefined ? [] : [{ kind: "directory" as const, machine, path, pids: [] }])
    ]
  })

/** The last run of a machine, where its note is there and can be read. */
const notedRun = (dirs: Machines.Directories, machine: string): Effect.Effect<Machine.Run | undefined> =>
  Effect.orElseSucceed(Machines.readRun(dirs, machine), () => undefined)

/**
 * Removes it, bounded. It succeeds where it is gone already, and leaves a machine alone that has a record by now.
 *
 * @since 0.1.0
 * @category constructors
 */
export const remove = (root: string, { kind, machine, path }: Leftover): Effect.Effect<void, LocalError> => {
  const dirs = Machines.directories(root)
  if (kind === "lock") {
    // Taken over as any next holder would, and given back.
    return FileLock.acquire(path, { timeoutMillis: LOCK_TIMEOUT_MILLIS }).pipe(
      Effect.catchTag("LockTimedOut", () => Effect.void),
      Effect.mapError(({ message }) => new OperationFailed({ family: "io", operation: "lock", reason: message })),
      Effect.scoped
    )
  }
  return Effect.scoped(
    Effect.gen(function* () {
      yield* Machines.prepare(dirs)
      yield* Machines.lock(dirs, machine, LOCK_TIMEOUT_MILLIS)
      if (isWhole(dirs, machine)) return
      yield* Lifecycle.discard(dirs, machine, yield* notedRun(dirs, machine))
      yield* endProcesses(dirs, machine)
      if (kind === "directory") yield* Machines.remove(dirs, machine)
    })
  )
}

const namesIn = (directory: string): ReadonlyArray<string> =>
  lstatIfThere(directory)?.isDirectory() === true ? Fs.readdirSync(directory) : []

const isWhole = (dirs: Machines.Directories, machine: string): boolean =>
  lstatIfThere(Machines.places(dirs, machine).record) !== undefined

const isBusy = (dirs: Machines.Directories, machine: string): boolean =>
  holderOf(Path.join(dirs.locks, machine)) === "Alive"

/** The processes of every machine, by its name: what shows its disk, and what bears its mark. */
const processesOf = (dirs: Machines.Directories): ReadonlyMap<string, ReadonlyArray<Processes.Started>> => {
  const found = new Map<string, Map<number, Processes.Started>>()
  const add = (machine: string, started: ReadonlyArray<Processes.Started>): void => {
    const known = found.get(machine) ?? new Map<number, Processes.Started>()
    for (const one of started) known.set(one.pid, one)
    found.set(machine, known)
  }
  for (const [machine, started] of Processes.withDiskBelow(realPathOf(dirs.machines))) add(machine, started)
  for (const [home, started] of Processes.marked()) {
    if (Path.dirname(home) === dirs.machines) add(Path.basename(home), started)
  }
  return new Map([...found].map(([machine, started]) => [machine, [...started.values()]]))
}

const holderOf = (path: string): FileLock.Holder["_tag"] => Effect.runSync(FileLock.holderOf(path))._tag

/** What is started while others are ended is ended too. */
const endProcesses = (dirs: Machines.Directories, machine: string): Effect.Effect<void, OperationFailed> =>
  Effect.gen(function* () {
    const deadline = (yield* Clock.currentTimeMillis) + END_TIMEOUT_MILLIS
    for (;;) {
      const left = yield* attempt("end the machine's processes", () => {
        const found = processesOf(dirs).get(machine) ?? []
        for (const { pid } of found) kill(pid)
        return found
      })
      if (left.length === 0) return
      if ((yield* Clock.currentTimeMillis) >= deadline) {
        const pids = left.map(({ pid }) => pid).join(", ")
        return yield* new OperationFailed({
          family: "agent",
          operation: "end the machine's processes",
          reason: `${pids} could not be ended within ${END_TIMEOUT_MILLIS / 1000} s`
        })
      }
      yield* Effect.sleep(POLL_MILLIS)
    }
  })

/** Right after the look: between the two the number would have to come round again. */
const kill = (pid: number): void => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It has ended.
  }
}
