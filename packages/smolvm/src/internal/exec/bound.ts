import type { Capabilities } from "../../Capabilities.js"

/** What whoever is to end a command in the guest gets beyond the command's own time, before we end the client. */
const MARGIN_MILLIS = 10_000

/**
 * Who ends an overdue command, and when its client is ended if nobody has.
 *
 * - `runtimeMillis`: what smolvm is told
 * - `guestMillis`: what the witness is told
 * - `clientMillis`: from its start; without one, never
 */
export interface Bound {
  readonly runtimeMillis: number | undefined
  readonly guestMillis: number | undefined
  readonly clientMillis: number | undefined
}

/** What the machine was made from, as far as it matters to commands. */
export type Source = "bare" | "image"

/** Who bounds a command: smolvm where it keeps to its word, else the witness, else its client's end alone. */
export const boundOf = (
  timeoutMillis: number | undefined,
  capabilities: Pick<Capabilities, "execTimeoutEnforcedForImages">,
  source: Source | undefined,
  hasShell: boolean
): Bound => {
  const none = { runtimeMillis: undefined, guestMillis: undefined, clientMillis: undefined }
  if (timeoutMillis === undefined) return none
  if (capabilities.execTimeoutEnforcedForImages || source === "bare") {
    return { ...none, runtimeMillis: timeoutMillis, clientMillis: timeoutMillis + MARGIN_MILLIS }
  }
  // There smolvm's own bound ends the client with an I/O error, and nothing in the guest.
  return hasShell
    ? { ...none, guestMillis: timeoutMillis, clientMillis: timeoutMillis + MARGIN_MILLIS }
    : { ...none, clientMillis: timeoutMillis }
}
