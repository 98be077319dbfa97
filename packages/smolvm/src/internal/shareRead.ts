import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as SynchronizedRef from "effect/SynchronizedRef"

/**
 * An effect that runs at most once while it succeeds, in the surrounding scope: concurrent callers share the run, a
 * caller that is interrupted does not end it for the others, and a failure is not kept.
 *
 * `Effect.cached` would keep the interruption of the first caller for ever.
 */
export const shareRead = <A, E>(read: Effect.Effect<A, E>): Effect.Effect<Effect.Effect<A, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const running = yield* SynchronizedRef.make(Option.none<Fiber.Fiber<A, E>>())
    const start = read.pipe(
      Effect.tapErrorCause(() => SynchronizedRef.set(running, Option.none())),
      Effect.forkIn(scope)
    )
    const current = SynchronizedRef.modifyEffect(running, (fiber) =>
      Effect.map(Option.isSome(fiber) ? Effect.succeed(fiber.value) : start, (it) => [it, Option.some(it)] as const)
    )
    // Not joined: that would put the services and the scope of the first caller into the place of this one's.
    return Effect.flatMap(current, (fiber) => Effect.flatten(Fiber.await(fiber)))
  })
