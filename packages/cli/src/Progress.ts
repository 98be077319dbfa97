/**
 * What a launch is busy with, told where it takes long enough to make somebody wonder.
 *
 * @since 0.1.0
 */
import type { LaunchEvent } from "@bottle/engine/LaunchObserver"
import type { Stage } from "@bottle/engine/Stage"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** Nobody wonders before. */
const PATIENCE_MILLIS = 2000

// The others take their second or two, and fail by themselves where they do not.
const texts: Readonly<Partial<Record<Stage, string>>> = {
  pack: "bottle: making a pack of the image, once ...",
  image: "bottle: building the bundle's image, once ..."
}

/**
 * Tells of each long stage and each slow removal while it goes on, in one line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (say: (line: string) => Effect.Effect<void>): ((event: LaunchEvent) => Effect.Effect<void>) => {
  const waiting = new Map<Stage, Fiber.RuntimeFiber<void>>()
  return (event) =>
    Effect.suspend(() => {
      if (event._tag === "StageStarted") {
        const text = texts[event.stage]
        return text === undefined
          ? Effect.void
          : say(text).pipe(
              Effect.delay(PATIENCE_MILLIS),
              Effect.interruptible,
              Effect.forkDaemon,
              Effect.map((fiber) => void waiting.set(event.stage, fiber))
            )
      }
      if (event._tag === "ReleaseSlow") return say(`bottle: still removing ${event.resource} ...`)
      const fiber = event._tag === "StageEnded" ? waiting.get(event.stage) : undefined
      return fiber === undefined ? Effect.void : Fiber.interruptFork(fiber)
    })
}
