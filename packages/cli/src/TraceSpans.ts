/**
 * A tracer that remembers the spans of a launch, in bounds, and nothing that may be a secret.
 *
 * @since 0.1.0
 */
import type { SpanRecord } from "@bottle/engine/SpanRecord"
import type * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import * as Printable from "./Printable.js"

/** A launch has some forty; one that waits for a slow guest asks again and again. */
const SPANS_MAX = 5000

const VALUE_CHARS_MAX = 120

/** Only what we name ourselves: a library's span may say an address, or whatever else it was called with. */
const ours = /^(?:bottle|process)(?:\.[a-z_.]+)?$/

/**
 * What was remembered.
 *
 * - `spans`: in the order of their ends, then what is still open
 * - `dropped`: how many were one too many
 *
 * @since 0.1.0
 * @category models
 */
export interface Remembered {
  readonly spans: ReadonlyArray<SpanRecord>
  readonly dropped: number
}

/**
 * A tracer, and what it remembers.
 *
 * @since 0.1.0
 * @category models
 */
export interface Collector {
  readonly tracer: Tracer.Tracer
  readonly remembered: () => Remembered
}

const micros = (nanos: bigint): number => Number(nanos / 1000n)

const valueOf = (value: unknown): string | number | boolean | undefined => {
  if (typeof value === "string") return Printable.line(value, VALUE_CHARS_MAX)
  return typeof value === "number" || typeof value === "boolean" ? value : undefined
}

const attributesOf = (attributes: ReadonlyMap<string, unknown>): SpanRecord["attributes"] =>
  Object.fromEntries(
    [...attributes].flatMap(([key, value]) => {
      const told = valueOf(value)
      return ours.test(key) && told !== undefined ? [[key, told]] : []
    })
  )

/** What a span is made from. */
interface Beginning extends Pick<Tracer.Span, "spanId" | "name" | "parent" | "context" | "kind"> {
  readonly startTime: bigint
  readonly onEnd: (span: Remembering) => void
}

class Remembering implements Tracer.Span {
  readonly _tag = "Span"
  readonly traceId = "bottle"
  readonly sampled = true
  readonly attributes = new Map<string, unknown>()
  readonly links: Array<Tracer.SpanLink> = []
  readonly spanId: string
  readonly name: string
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly context: Context.Context<never>
  readonly kind: Tracer.SpanKind
  readonly #onEnd: (span: Remembering) => void
  status: Tracer.SpanStatus

  constructor({ context, kind, name, onEnd, parent, spanId, startTime }: Beginning) {
    this.spanId = spanId
    this.name = name
    this.parent = parent
    this.context = context
    this.kind = kind
    this.#onEnd = onEnd
    this.status = { _tag: "Started", startTime }
  }

  attribute(key: string, value: unknown): void {
    this.attributes.set(key, value)
  }

  event(): void {}

  addLinks(): void {}

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    this.status = { _tag: "Ended", startTime: this.status.startTime, endTime, exit }
    this.#onEnd(this)
  }
}

const recordOf = ({ attributes, name, parent, spanId, status }: Remembering): SpanRecord => ({
  id: spanId,
  parent: Option.getOrNull(Option.map(parent, (span) => span.spanId)),
  name,
  startMicros: micros(status.startTime),
  durationMicros: status._tag === "Started" ? null : micros(status.endTime - status.startTime),
  ok: status._tag === "Started" ? null : Exit.isSuccess(status.exit),
  attributes: attributesOf(attributes)
})

/**
 * Makes a collector. `onSpan` is told of each span when it is over; what it returns is nobody's to wait for.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: {
    readonly spansMax?: number
    readonly onSpan?: (span: SpanRecord) => void
  } = {}
): Collector => {
  const { onSpan, spansMax = SPANS_MAX } = options
  const open = new Set<Remembering>()
  const ended: Array<SpanRecord> = []
  let count = 0
  let dropped = 0
  const onEnd = (span: Remembering): void => {
    if (!open.delete(span)) return
    const record = recordOf(span)
    ended.push(record)
    onSpan?.(record)
  }
  const tracer = Tracer.make({
    span: (name, parent, context, _links, startTime, kind) => {
      count += 1
      const span = new Remembering({ context, kind, name, onEnd, parent, spanId: String(count), startTime })
      if (!ours.test(name)) return span
      // Those that are over count too: whoever never stops making spans must not fill our memory.
      if (ended.length + open.size < spansMax) open.add(span)
      else dropped += 1
      return span
    },
    context: (run) => run()
  })
  return { tracer, remembered: () => ({ spans: [...ended, ...[...open].map(recordOf)], dropped }) }
}
