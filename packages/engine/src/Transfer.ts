/**
 * Files and directories into a bottle and out of it: `@bottle/smolvm/Transfer` for a bottle.
 *
 * @since 0.1.0
 */
import * as Capabilities from "@bottle/smolvm/Capabilities"
import * as Transfer from "@bottle/smolvm/Transfer"
import type { TransferError } from "@bottle/smolvm/TransferError"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { BottleOutput, CommandOptions, ExecResult } from "./Bottle.js"
import type { LaunchPlan } from "./LaunchPlan.js"

/**
 * What is asked of a bottle: one of our own, and one that was found, have it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Copyable<E> {
  readonly plan: LaunchPlan
  readonly exec: (options: CommandOptions & { readonly capBytes?: number | undefined }) => Effect.Effect<ExecResult, E>
  readonly stream: (
    options: CommandOptions & { readonly stdin?: Stream.Stream<Uint8Array> | undefined }
  ) => Stream.Stream<BottleOutput, E>
  readonly cpIn: (options: { readonly host: string; readonly guest: string }) => Effect.Effect<void, E>
  readonly cpOut: (options: { readonly guest: string; readonly host: string }) => Effect.Effect<void, E>
}

/**
 * A bottle as a copy sees it: relative paths begin in its working directory, and files stand aside in the directory of
 * its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const endpoint = <E>({ cpIn, cpOut, exec, plan, stream }: Copyable<E>): Transfer.Endpoint<E> => ({
  workdir: plan.guest.workdir ?? "/",
  directory: plan.directory,
  guestWritable: plan.guest.mounts.flatMap(({ host, readonly }) => (readonly ? [] : [host])),
  capabilities: Capabilities.fromVersion(plan.runtime.version),
  isBare: plan.source._tag === "Bare",
  exec,
  stream,
  cpIn,
  cpOut
})

/**
 * Copies a file or a directory out of a bottle (`Transfer.copyOut` of `@bottle/smolvm`).
 *
 * @since 0.1.0
 * @category constructors
 */
export const copyOut = <E>(
  bottle: Copyable<E>,
  options: Transfer.CopyOptions
): Effect.Effect<Transfer.Copied, TransferError | E> => Transfer.copyOut(endpoint(bottle), options)

/**
 * Copies a file or a directory into a bottle (`Transfer.copyIn` of `@bottle/smolvm`).
 *
 * @since 0.1.0
 * @category constructors
 */
export const copyIn = <E>(
  bottle: Copyable<E>,
  options: Transfer.CopyOptions
): Effect.Effect<Transfer.Copied, TransferError | E> => Transfer.copyIn(endpoint(bottle), options)
