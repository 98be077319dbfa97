import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Release from "../Release.js"
import type { Members } from "./members.js"

/** How long SIGTERM may take before SIGKILL follows, where nobody says otherwise. */
export const defaultGraceMillis = 5000

/** How long a killed process may take to vanish before we stop waiting for it. */
const killWaitMillis = 5000

const pollMillis = 10

/**
 * Ends a process and all that it brought along: SIGTERM, then, when the grace is over, SIGKILL. `kill` sends a signal and
 * waits for the end of the process. Bounded, and made to run in a finalizer.
 */
export const terminate = (options: {
  readonly kill: (signal: "SIGTERM" | "SIGKILL") => Effect.Effect<unknown, unknown>
  readonly members: Members | undefined
  readonly graceMillis: number
}): Effect.Effect<void> => {
  const membersGone: Effect.Effect<void> = Effect.suspend(() =>
    options.members?.anyRunning() === true ? Effect.delay(membersGone, pollMillis) : Effect.void
  )
  const end = (signal: "SIGTERM" | "SIGKILL", atMostMillis: number) =>
    Effect.zipRight(Effect.ignore(options.kill(signal)), membersGone).pipe(Release.within(atMostMillis))
  return Effect.flatMap(end("SIGTERM", options.graceMillis), (ended) =>
    Option.isSome(ended) ? Effect.void : Effect.asVoid(end("SIGKILL", killWaitMillis))
  )
}
