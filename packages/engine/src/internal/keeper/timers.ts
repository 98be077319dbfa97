import * as Effect from "effect/Effect"

/** A timer of Node's takes no more than 24 days. */
const SLEEP_MILLIS_MAX = 24 * 60 * 60_000

const NANOS_IN_MILLI = 1_000_000

/** Waits until nothing is left of a time, which is asked for again whenever it may have run out. */
const untilOver = (leftMillis: Effect.Effect<number>): Effect.Effect<void> =>
  Effect.flatMap(leftMillis, (left) =>
    left <= 0
      ? Effect.void
      : Effect.zipRight(Effect.sleep(Math.ceil(Math.min(left, SLEEP_MILLIS_MAX))), untilOver(leftMillis))
  )

/** The times of a bottle, on a clock that nobody sets. */
export interface Timers {
  /** Something was done in the bottle. */
  readonly touch: () => void
  /** How many things go on in it, during which it is not idle. */
  readonly busy: (count: number) => void
  /** `null` without such a time; `idle` also while something goes on. */
  readonly left: Effect.Effect<{ readonly ttlLeftMillis: number | null; readonly idleLeftMillis: number | null }>
  /** Ends when the time to live is over; never without one. */
  readonly outlived: Effect.Effect<void>
  /** Ends when nothing was done for the idle time; never without one. */
  readonly idled: Effect.Effect<void>
}

/** Both times begin now. */
export const make = (options: {
  readonly ttlMillis: number | null
  readonly idleMillis: number | null
}): Effect.Effect<Timers> =>
  Effect.gen(function* () {
    const { idleMillis, ttlMillis } = options
    const clock = yield* Effect.clock
    const now = (): number => Number(clock.unsafeCurrentTimeNanos()) / NANOS_IN_MILLI
    const begun = now()
    let touched = begun
    let goingOn = 0

    const ttlLeft = (): number => begun + (ttlMillis ?? 0) - now()
    const idleLeft = (): number => (goingOn > 0 ? now() : touched) + (idleMillis ?? 0) - now()
    const atLeastZero = (millis: number): number => Math.max(0, Math.round(millis))
    return {
      touch: () => {
        touched = now()
      },
      busy: (count) => {
        goingOn = count
        touched = now()
      },
      left: Effect.sync(() => ({
        ttlLeftMillis: ttlMillis === null ? null : atLeastZero(ttlLeft()),
        idleLeftMillis: idleMillis === null || goingOn > 0 ? null : atLeastZero(idleLeft())
      })),
      outlived: ttlMillis === null ? Effect.never : untilOver(Effect.sync(ttlLeft)),
      idled: idleMillis === null ? Effect.never : untilOver(Effect.sync(idleLeft))
    }
  })
