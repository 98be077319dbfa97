/**
 * Which signal is ending the program, for those who have to say so: an interruption by itself does not tell.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { EndingSignal } from "./ExitStatus.js"

/**
 * The name of a signal that was received.
 *
 * @since 0.1.0
 * @category models
 */
export type Received = EndingSignal

/**
 * Where `RunMain` writes down the first signal.
 *
 * @since 0.1.0
 * @category services
 */
export class Interruption extends Context.Reference<Interruption>()("@bottle/cli/Interruption", {
  defaultValue: (): { signal: Received | null } => ({ signal: null })
}) {}
