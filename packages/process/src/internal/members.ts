import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { ChildProcess } from "node:child_process"
import * as ProcTable from "./procTable.js"

/** The processes that a child of ours brought along, so far as we can still reach them. */
export interface Members {
  /** Sends a signal to all of them; `false` when there was nobody to send it to. */
  readonly signal: (signal: NodeJS.Signals) => boolean
  /** Whether any of them, the child included, still runs. */
  readonly anyRunning: () => boolean
}

/** The key under which a `Process` of our executor carries its members. */
export const MembersKey: unique symbol = Symbol.for("@bottle/process/Members")

/** The members of a process; `undefined` when another executor made it. */
export const membersOf = (process: CommandExecutor.Process): Members | undefined =>
  MembersKey in process ? (process[MembersKey] as Members) : undefined

const send = (pid: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

/**
 * The process group that a detached child leads. It outlives its leader while it has a member, and until then no other
 * process can get the leader's number.
 */
export const detachedGroup = (leader: ChildProcess): Members => {
  const group = leader.pid ?? 0
  const isOurs = () => group > 1 && (isChildRunning(leader) || ProcTable.readRow(group) === undefined)
  return {
    signal: (signal) => isOurs() && send(-group, signal),
    anyRunning: () => {
      if (!isOurs() || !send(-group, 0)) return false
      // Signal 0 also reaches zombies, and nobody may ever collect those.
      const rows = ProcTable.readAll()
      return rows === undefined || rows.some((row) => row.group === group && ProcTable.isRunning(row))
    }
  }
}

const isChildRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null

/**
 * A child in our own process group, which we cannot signal as a whole, and its descendants. They are noted at every
 * signal, because they lose their parent when the child ends.
 */
export const foregroundTree = (child: ChildProcess): Members => {
  const noted = new Map<number, ProcTable.Row>()
  const pid = child.pid ?? 0
  const isSame = (row: ProcTable.Row): boolean => {
    const now = ProcTable.readRow(row.pid)
    return now !== undefined && now.startTime === row.startTime && ProcTable.isRunning(now)
  }
  return {
    signal: (signal) => {
      if (pid <= 1) return false
      if (isChildRunning(child)) {
        for (const row of ProcTable.descendants(ProcTable.readAll() ?? [], pid)) noted.set(row.pid, row)
      }
      const sent = [...noted.values()].filter((row) => isSame(row) && send(row.pid, signal)).length
      return child.kill(signal) || sent > 0
    },
    anyRunning: () => isChildRunning(child) || [...noted.values()].some(isSame)
  }
}
