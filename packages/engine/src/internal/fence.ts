import type { EgressEvent } from "@bottle/egress/EgressEvent"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** Events by their numbers: above the first, up to the second. */
interface Span {
  readonly after: number
  upTo: number
}

/** Tells the events of the guest's own doing from those that a proof has caused. */
export interface Fence {
  /** The guest's own events among all of them. */
  readonly events: Stream.Stream<EgressEvent>
  /** Reads all events until the scope closes; what it gives is the number of the last one by then. */
  readonly follow: Effect.Effect<Effect.Effect<number>, never, Scope.Scope>
  /** What comes after this event is a proof's, until the fence is lowered. */
  readonly raise: (after: number) => Effect.Effect<void>
  /** The proof is over, and this was its last event. */
  readonly lower: (lastEvent: number) => Effect.Effect<void>
}

/** A fence over a bundle's events, raised from the first one on: before its first proof a guest does nothing of its own. */
export const make = (all: Stream.Stream<EgressEvent>): Fence => {
  const spans: Array<Span> = [{ after: -1, upTo: Number.POSITIVE_INFINITY }]
  let lastOfProofs = -1
  const isHidden = ({ sequence }: EgressEvent) => spans.some(({ after, upTo }) => sequence > after && sequence <= upTo)
  return {
    events: Stream.filter(all, (event) => !isHidden(event)),
    follow: Effect.suspend(() => {
      let last = lastOfProofs
      const read = Stream.runForEach(all, ({ sequence }) =>
        Effect.sync(() => {
          last = Math.max(last, sequence)
        })
      )
      return Effect.as(
        Effect.forkScoped(read),
        Effect.sync(() => last)
      )
    }),
    raise: (after) => Effect.sync(() => void spans.push({ after, upTo: Number.POSITIVE_INFINITY })),
    lower: (last) =>
      Effect.sync(() => {
        lastOfProofs = last
        for (const span of spans) if (span.upTo === Number.POSITIVE_INFINITY) span.upTo = last
      })
  }
}
