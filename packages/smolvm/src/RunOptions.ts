/**
 * What the ways to run a command in a machine of its own take: `Smolvm.machineRun`, `Smolvm.packRun` and their like.
 *
 * @since 0.1.0
 */
import type * as Stream from "effect/Stream"
import type { MachineRunOptions } from "./MachineRun.js"
import type { PackRunOptions } from "./PackRun.js"
import type { WithSecrets } from "./Secrets.js"

/**
 * How much output of a command to hold, and what it reads.
 *
 * @since 0.1.0
 * @category models
 */
export interface Capturing {
  /** The most bytes of each of stdout and stderr; 16 MiB where it is not given. */
  readonly capBytes?: number | undefined
  /** What the command reads; makes it interactive unless `interactive` is given. */
  readonly stdin?: Uint8Array | string | Stream.Stream<Uint8Array> | undefined
}

/**
 * What a command reads whose output comes as a stream.
 *
 * @since 0.1.0
 * @category models
 */
export interface Following {
  /** What the command reads; nothing where it is not given. */
  readonly stdin?: Stream.Stream<Uint8Array> | undefined
}

/**
 * What `Smolvm.machineRunAttach` takes, and with more the others that wait for the command.
 *
 * @since 0.1.0
 * @category models
 */
export interface AttachedRun extends Omit<MachineRunOptions, "detach" | "name">, WithSecrets {}

/**
 * What `Smolvm.machineRun` takes.
 *
 * @since 0.1.0
 * @category models
 */
export interface CapturedRun extends AttachedRun, Capturing {}

/**
 * What `Smolvm.machineRunFollow` takes.
 *
 * @since 0.1.0
 * @category models
 */
export interface FollowedRun extends AttachedRun, Following {}

/**
 * What `Smolvm.machineRunDetached` takes: there is nothing to forward and no terminal.
 *
 * @since 0.1.0
 * @category models
 */
export interface DetachedRun extends Omit<MachineRunOptions, "detach" | "interactive" | "tty">, WithSecrets {}

/**
 * What `Smolvm.packRun` takes.
 *
 * @since 0.1.0
 * @category models
 */
export interface CapturedPackRun extends PackRunOptions, Capturing {}

/**
 * What `Smolvm.packRunFollow` takes.
 *
 * @since 0.1.0
 * @category models
 */
export interface FollowedPackRun extends PackRunOptions, Following {}
