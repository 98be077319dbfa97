/**
 * Who is told what a captured program writes while it still runs. By default nobody.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * A listener beside `Capture.capture`, for whoever shows what a long call is busy with: it is given the bytes of standard
 * output and of standard error as they come, and what it does must be quick. It is no way to read a program's output.
 *
 * @since 0.1.0
 * @category services
 */
export class Overhearing extends Context.Reference<Overhearing>()("@bottle/process/Overhearing", {
  defaultValue: (): { readonly hear: ((bytes: Uint8Array) => void) | null } => ({ hear: null })
}) {}
