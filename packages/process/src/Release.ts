/**
 * The work of a finalizer: bounded, and done whatever interrupts come meanwhile.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Option from "effect/Option"

/**
 * Runs the work for at most so long, and gives none where that was not enough.
 *
 * A finalizer is uninterruptible, so a timeout in it does nothing unless its work can be interrupted; but a fiber passes
 * each interruption on to the fibers it has forked, even while it is uninterruptible itself, and a timeout forks its
 * work: a second Ctrl-C, or a first one that comes while a scope closes, would end a removal half-way. So the work is
 * nobody's child.
 *
 * @since 0.1.0
 * @category combinators
 */
export const within =
  (timeoutMillis: number) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<Option.Option<A>, E, R> =>
    work.pipe(Effect.interruptible, Effect.timeoutOption(timeoutMillis), Effect.forkDaemon, Effect.flatMap(Fiber.join))
