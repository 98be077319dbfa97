/**
 * Spans as the trace events that Perfetto and Chrome's `about:tracing` show: what ran side by side is on lanes of its own.
 *
 * @since 0.1.0
 */
import type { SpanRecord } from "@bottle/engine/SpanRecord"

/**
 * What one process remembers of a launch.
 *
 * @since 0.1.0
 * @category models
 */
export interface TracedProcess {
  readonly name: string
  readonly spans: ReadonlyArray<SpanRecord>
  readonly dropped: number
}

/**
 * An event of a trace: a span (`X`, times in microseconds) or a name (`M`).
 *
 * @since 0.1.0
 * @category models
 */
export type TraceEvent =
  | {
      readonly ph: "X"
      readonly name: string
      readonly cat: string
      readonly pid: number
      readonly tid: number
      readonly ts: number
      readonly dur: number
      readonly args: Readonly<Record<string, string | number | boolean>>
    }
  | {
      readonly ph: "M"
      readonly name: "process_name" | "process_sort_index" | "thread_name"
      readonly pid: number
      readonly tid: number
      readonly args: Readonly<Record<string, string | number>>
    }

/**
 * A trace file.
 *
 * @since 0.1.0
 * @category models
 */
export interface TraceDocument {
  readonly traceEvents: ReadonlyArray<TraceEvent>
  readonly displayTimeUnit: "ms"
  readonly otherData: { readonly program: string; readonly dropped: number }
}

/** What a person calls it: `create`, `release machine`, `smolvm machine create`. */
const nameOf = ({ attributes, name }: SpanRecord): string => {
  if (name === "process") {
    return [attributes["process.program"], attributes["process.subcommand"]]
      .filter((word) => word !== undefined)
      .join(" ")
  }
  if (name === "process.detach") return `detach ${attributes["process.program"] ?? ""}`
  const resource = attributes["bottle.resource"]
  const own = name.replace(/^bottle\./, "")
  return typeof resource === "string" ? `${own} ${resource}` : own
}

/** A span with its end, and the lane that it is on. */
interface Placed {
  readonly span: SpanRecord
  readonly start: number
  readonly end: number
  readonly lane: number
}

/**
 * Gives each span a lane. On one lane spans only lie inside of each other, and only inside of what they belong to: a
 * viewer shows them stacked. A span goes to its parent's lane where it has room there, else to the first that is free.
 */
const place = (spans: ReadonlyArray<SpanRecord>, nowMicros: number): ReadonlyArray<Placed> => {
  const parents = new Map(spans.map(({ id, parent }) => [id, parent]))
  const isWithin = (id: string, ancestor: string): boolean => {
    let at = parents.get(id) ?? null
    while (at !== null && at !== ancestor) at = parents.get(at) ?? null
    return at === ancestor
  }
  const endOf = ({ durationMicros, startMicros }: SpanRecord): number =>
    durationMicros === null ? Math.max(nowMicros, startMicros) : startMicros + durationMicros
  // Whoever begins first goes first; of those that begin at once, the one that holds the other.
  const sorted = spans.toSorted(
    (left, right) =>
      left.startMicros - right.startMicros || endOf(right) - endOf(left) || Number(left.id) - Number(right.id)
  )
  const lanes: Array<Array<Placed>> = []
  const placed = new Map<string, Placed>()
  const fits = (lane: number, span: SpanRecord): boolean => {
    const stack = lanes[lane] ?? []
    while ((stack.at(-1)?.end ?? Infinity) <= span.startMicros) stack.pop()
    const top = stack.at(-1)
    return top === undefined || (endOf(span) <= top.end && isWithin(span.id, top.span.id))
  }
  for (const span of sorted) {
    const own = span.parent === null ? undefined : placed.get(span.parent)?.lane
    const candidates = [...(own === undefined ? [] : [own]), ...lanes.keys()]
    const lane = candidates.find((candidate) => fits(candidate, span)) ?? lanes.length
    const one: Placed = { span, start: span.startMicros, end: endOf(span), lane }
    lanes[lane] = [...(lanes[lane] ?? []), one]
    placed.set(span.id, one)
  }
  return [...placed.values()]
}

/**
 * The trace of a launch: its processes, each with its lanes, on one line of time that begins with the first span. What is
 * not over ends at `nowMicros`, and says so.
 *
 * @since 0.1.0
 * @category conversions
 */
export const render = (
  processes: ReadonlyArray<TracedProcess>,
  options: { readonly nowMicros: number; readonly program: string }
): TraceDocument => {
  const { nowMicros, program } = options
  const all = processes.flatMap(({ spans }) => spans)
  const origin = all.reduce((first, { startMicros }) => Math.min(first, startMicros), nowMicros)
  const traceEvents = processes.flatMap(({ name, spans }, index): ReadonlyArray<TraceEvent> => {
    if (spans.length === 0) return []
    const pid = index + 1
    const placed = place(spans, nowMicros)
    const lanes = [...new Set(placed.map(({ lane }) => lane))].toSorted((left, right) => left - right)
    return [
      { ph: "M", name: "process_name", pid, tid: 0, args: { name } },
      { ph: "M", name: "process_sort_index", pid, tid: 0, args: { sort_index: pid } },
      ...lanes.map((lane): TraceEvent => ({
        ph: "M",
        name: "thread_name",
        pid,
        tid: lane + 1,
        args: { name: lane === 0 ? name : `beside, ${lane}` }
      })),
      ...placed.map(({ end, lane, span, start }): TraceEvent => ({
        ph: "X",
        name: nameOf(span),
        cat: span.name.startsWith("process") ? "process" : "bottle",
        pid,
        tid: lane + 1,
        ts: start - origin,
        dur: end - start,
        args: { ...span.attributes, ended: span.ok === null ? "not yet" : span.ok ? "well" : "badly" }
      }))
    ]
  })
  return {
    traceEvents,
    displayTimeUnit: "ms",
    otherData: { program, dropped: processes.reduce((sum, { dropped }) => sum + dropped, 0) }
  }
}
