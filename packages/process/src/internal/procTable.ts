import * as Fs from "node:fs"

/** One row of the process table, from `/proc/<pid>/stat`. */
export interface Row {
  readonly pid: number
  readonly state: string
  readonly parent: number
  readonly group: number
  readonly session: number
  /** In clock ticks since boot. */
  readonly startTime: string
}

/** The row of one process; `undefined` when there is none, or no `/proc`. */
export const readRow = (pid: number): Row | undefined => {
  let text: string
  try {
    text = Fs.readFileSync(`/proc/${pid}/stat`, "latin1")
  } catch {
    return undefined
  }
  return parseRow(text)
}

/** A row from the text of a `stat` file. The second field may hold spaces, newlines and parentheses. */
export const parseRow = (text: string): Row | undefined => {
  const pid = Number.parseInt(text, 10)
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
  const [state, parent, group, session] = fields
  const startTime = fields[19]
  if (!Number.isSafeInteger(pid) || state === undefined || startTime === undefined) return undefined
  return { pid, state, parent: Number(parent), group: Number(group), session: Number(session), startTime }
}

/** Every process, or `undefined` where there is no `/proc`. */
export const readAll = (): ReadonlyArray<Row> | undefined => {
  let names: ReadonlyArray<string>
  try {
    names = Fs.readdirSync("/proc")
  } catch {
    return undefined
  }
  return names.flatMap((name) => {
    if (!/^[0-9]+$/.test(name)) return []
    const row = readRow(Number(name))
    return row === undefined ? [] : [row]
  })
}

/** Whether the process still runs: a zombie has ended and only waits for its parent to ask. */
export const isRunning = (row: Row): boolean => row.state !== "Z" && row.state !== "X"

/** Every process below `root`, nearest first, without `root` itself. */
export const descendants = (rows: ReadonlyArray<Row>, root: number): ReadonlyArray<Row> => {
  const found: Array<Row> = []
  let parents = new Set([root])
  while (parents.size > 0) {
    const children = rows.filter((row) => parents.has(row.parent) && row.pid !== root)
    for (const child of children) found.push(child)
    parents = new Set(children.map((child) => child.pid))
  }
  return found
}
