/**
 * Work that something else may end.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/**
 * Ends the work when the other effect fails. As `raceFirst`, but whoever interrupts it waits too until the work has ended:
 * what comes after it must not come beside it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const endedBy =
  <E2>(end: Effect.Effect<never, E2>) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.fork(restore(work)), (fiber) =>
        restore(Effect.raceFirst(Fiber.join(fiber), end)).pipe(Effect.ensuring(Fiber.interrupt(fiber)))
      )
    )
