import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { notify } from "../LaunchObserver.js"

/** A release that is well takes a second at most; after this somebody wonders. */
const PATIENCE_MILLIS = 3000

/** Tells the observer, once, that a release takes long. */
export const tellingSlow =
  (resource: string) =>
  <A, E, R>(release: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      notify({ _tag: "ReleaseSlow", resource }).pipe(
        Effect.delay(PATIENCE_MILLIS),
        Effect.interruptible,
        Effect.forkDaemon
      ),
      () => release,
      Fiber.interrupt
    )
