/**
 * Which process a number means: a pid is used again, a pid with its start time is not.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as ProcTable from "./internal/procTable.js"

/**
 * One process for good: `startTime` is in clock ticks since boot (field 22 of `/proc/<pid>/stat`), `bootId` names the
 * boot (`/proc/sys/kernel/random/boot_id`). It can be written down and read by another program later.
 *
 * @since 0.1.0
 * @category models
 */
export const Identity = Schema.Struct({
  pid: Schema.Int.pipe(Schema.positive()),
  startTime: Schema.String.pipe(Schema.pattern(/^[0-9]+$/)),
  bootId: Schema.NonEmptyString
})

/**
 * One process for good.
 *
 * @since 0.1.0
 * @category models
 */
export type Identity = typeof Identity.Type

const readBootId = (): string | undefined => {
  try {
    return Fs.readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()
  } catch {
    return undefined
  }
}

/**
 * The identity of the process that has this pid now; none when there is no such process, or no `/proc` to read it from.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromPid = (pid: number): Effect.Effect<Option.Option<Identity>> =>
  Effect.sync(() => {
    const row = ProcTable.readRow(pid)
    const bootId = readBootId()
    return row === undefined || bootId === undefined || !ProcTable.isRunning(row)
      ? Option.none()
      : Option.some({ pid: row.pid, startTime: row.startTime, bootId })
  })

/**
 * The identity of this process; none where there is no `/proc` to read it from.
 *
 * @since 0.1.0
 * @category constructors
 */
export const self: Effect.Effect<Option.Option<Identity>> = Effect.suspend(() => fromPid(process.pid))

/**
 * The identity of a child that we have not collected yet, ended or not: until then the number is no other process's.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromChild = (pid: number): Effect.Effect<Option.Option<Identity>> =>
  Effect.sync(() => {
    const row = ProcTable.readRow(pid)
    const bootId = readBootId()
    return row === undefined || bootId === undefined
      ? Option.none()
      : Option.some({ pid: row.pid, startTime: row.startTime, bootId })
  })

const isSame = (identity: Identity): boolean => {
  const row = ProcTable.readRow(identity.pid)
  return (
    row !== undefined &&
    ProcTable.isRunning(row) &&
    row.startTime === identity.startTime &&
    readBootId() === identity.bootId
  )
}

/**
 * Whether this very process still runs; a zombie does not.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isAlive = (identity: Identity): Effect.Effect<boolean> => Effect.sync(() => isSame(identity))

/**
 * Sends a signal to this very process; `false` when it no longer runs or is not ours to signal, and then nobody gets it.
 * Process 1 is never signalled: it ends everything.
 *
 * @since 0.1.0
 * @category constructors
 */
export const signal = (identity: Identity, name: NodeJS.Signals): Effect.Effect<boolean> =>
  Effect.sync(() => {
    // Look and send in one go: between the two no other code of ours runs, and the pid would have to come round again.
    if (identity.pid === 1 || !isSame(identity)) return false
    try {
      return process.kill(identity.pid, name)
    } catch {
      return false
    }
  })
