/**
 * What a person sees while something takes long: one line for each thing that goes on, made by a pure function.
 *
 * @since 0.1.0
 */
import * as Printable from "./Printable.js"

/**
 * A thing that goes on, or went on a moment ago.
 *
 * - `label`: what it is, in a word or two
 * - `detail`: what is waited for; empty where that goes without saying
 * - `said`: the last line that it said, if any
 * - `ended`: when it was over and whether well; `null` while it goes on
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly label: string
  readonly detail: string
  readonly said: string | null
  readonly startedMillis: number
  readonly ended: { readonly atMillis: number; readonly ok: boolean } | null
}

/**
 * What it is drawn on. Sizes are in characters; nothing is written into the last column, where terminals differ.
 *
 * @since 0.1.0
 * @category models
 */
export interface Canvas {
  readonly nowMillis: number
  readonly columns: number
  readonly rows: number
  readonly isColoured: boolean
}

/** Below this there is room for what it is and how long it takes, and for nothing else. */
const COLUMNS_FOR_DETAIL = 20

/** What was over at once, such as a pack that was there, is nothing that anybody waits for. */
const WORTH_MILLIS = 100

const LABEL_COLUMNS = 8
const TIME_COLUMNS = 7

const DIM = "\u001b[2m"
const RED = "\u001b[31m"
const PLAIN = "\u001b[0m"

/**
 * A time that goes on: `0.4 s`, `59.9 s`, `1m 02s`, `2h 05m`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const elapsed = (millis: number): string => {
  const tenths = Math.max(0, Math.floor(millis / 100))
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`
  const seconds = Math.floor(tenths / 10)
  const two = (value: number): string => String(value).padStart(2, "0")
  return seconds < 3600
    ? `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`
    : `${Math.floor(seconds / 3600)}h ${two(Math.floor(seconds / 60) % 60)}m`
}

const textOf = ({ detail, ended, label, said, startedMillis }: Entry, nowMillis: number, columns: number): string => {
  const time = elapsed((ended?.atMillis ?? nowMillis) - startedMillis)
  const width = columns - 1
  if (columns < COLUMNS_FOR_DETAIL) return `${label} ${time}`.slice(0, Math.max(0, width))
  const words =
    ended === null ? [detail, said ?? ""].filter((word) => word !== "").join(": ") : ended.ok ? "" : "failed"
  const line = `  ${label.padEnd(LABEL_COLUMNS)} ${time.padStart(TIME_COLUMNS)}  ${Printable.line(words)}`.trimEnd()
  return line.length <= width ? line : `${line.slice(0, Math.max(0, width - 3))}...`
}

/**
 * The lines of these entries, in their order. Where there is less room than entries, what is over goes first.
 *
 * @since 0.1.0
 * @category conversions
 */
export const render = (all: ReadonlyArray<Entry>, canvas: Canvas): ReadonlyArray<string> => {
  const { columns, isColoured, nowMillis, rows } = canvas
  const entries = all.filter(
    ({ ended, startedMillis }) => ended === null || !ended.ok || ended.atMillis - startedMillis >= WORTH_MILLIS
  )
  // The cursor stands below the last line.
  const room = Math.max(1, rows - 1)
  const kept = new Set(
    [
      ...entries.filter((entry) => entry.ended?.ok !== true),
      ...entries.filter((entry) => entry.ended?.ok === true)
    ].slice(0, room)
  )
  return entries
    .filter((entry) => kept.has(entry))
    .map((entry) => {
      const text = textOf(entry, nowMillis, columns)
      if (!isColoured || entry.ended === null) return text
      return `${entry.ended.ok ? DIM : RED}${text}${PLAIN}`
    })
}
