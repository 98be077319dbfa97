/**
 * The signal by which a user asks a running bottle to read its policy file again: SIGUSR2. Not SIGHUP, which is what a
 * terminal sends that goes away.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * Where `RunMain` tells of the signal.
 *
 * @since 0.1.0
 * @category services
 */
export class ReloadRequests extends Context.Reference<ReloadRequests>()("@bottle/cli/ReloadRequests", {
  defaultValue: (): {
    /** Waits for the next signal. One that came before anybody waited is not lost; of several, one is kept. */
    readonly next: Effect.Effect<void>
  } => ({ next: Effect.never })
}) {}
