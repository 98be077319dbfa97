import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { notify } from "../LaunchObserver.js"
import type { Stage } from "../Stage.js"

/** Runs a stage of the launch in a span of its own, and tells the observer when it began and how it ended. */
export const stage =
  (name: Stage) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.gen(function* () {
      const startedMillis = yield* Clock.currentTimeMillis
      yield* notify({ _tag: "StageStarted", stage: name })
      return yield* Effect.onExit(effect, (exit) =>
        Effect.flatMap(Clock.currentTimeMillis, (nowMillis) =>
          notify({
            _tag: "StageEnded",
            stage: name,
            durationMillis: nowMillis - startedMillis,
            ok: Exit.isSuccess(exit)
          })
        )
      )
    }).pipe(Effect.withSpan(`bottle.${name}`, { attributes: { "bottle.stage": name }, captureStackTrace: false }))
