import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { notify, RELEASE_SLOW_MILLIS } from "../LaunchObserver.js"

/** Runs a release in a span of its own, and tells the observer, once, that it takes long. `resource` begins with its kind. */
export const tellingSlow =
  (resource: string) =>
  <A, E, R>(release: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      notify({ _tag: "ReleaseSlow", resource }).pipe(
        Effect.delay(RELEASE_SLOW_MILLIS),
        Effect.interruptible,
        Effect.forkDaemon
      ),
      () => release,
      Fiber.interrupt
    ).pipe(
      Effect.withSpan("bottle.release", {
        attributes: { "bottle.resource": resource.split(" ", 1)[0] },
        captureStackTrace: false
      })
    )
