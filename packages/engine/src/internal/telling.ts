import { Overhearing } from "@bottle/process/Overhearing"
import { decode } from "@bottle/process/Text"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { notify } from "../LaunchObserver.js"
import type { Stage } from "../Stage.js"

/** As often as anybody can read. */
const EVERY_MILLIS = 500

const TEXT_CHARS_MAX = 200

/** Of what came at once, as much as its last lines can be. */
const BYTES_MAX = 4096

const lastLine = (bytes: Uint8Array): string | undefined =>
  decode(bytes.subarray(-BYTES_MAX))
    .split(/[\r\n]+/)
    .findLast((line) => line.trim() !== "")

/** Tells the observer, now and then, what the programs of a stage last said, for as long as they run. */
export const tellingWords =
  (stage: Stage) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      let heard: string | undefined
      const tell = Effect.suspend(() => {
        const text = heard
        heard = undefined
        return text === undefined
          ? Effect.void
          : notify({
              _tag: "StageSaid",
              stage,
              text: text
                .trim()
                .slice(0, TEXT_CHARS_MAX)
                .replaceAll(/[^ -~]/g, "?")
            })
      })
      const hear = (bytes: Uint8Array): void => {
        heard = lastLine(bytes) ?? heard
      }
      return Effect.acquireUseRelease(
        Effect.forkDaemon(Effect.interruptible(Effect.forever(Effect.zipRight(Effect.sleep(EVERY_MILLIS), tell)))),
        () => Effect.provideService(work, Overhearing, { hear }),
        Fiber.interrupt
      )
    })
