/**
 * `smolvm machine delete`: removes a machine and its disks.
 *
 * 0.8.0 does not stop a running machine and so orphans it; `Smolvm.machineDelete` stops it first there.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * Which machine to delete.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineDeleteOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. */
  readonly name: string
  /** Deletes the clones of the machine with it, from 1.7.0. */
  readonly cascade?: boolean | undefined
}

const { always, flag, value } = Subcommand.builders<MachineDeleteOptions>()

/**
 * `machine delete` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineDeleteOptions> = {
  command: "machine delete",
  summary: "Removes a machine and its disks.",
  options: [
    // Without it smolvm prompts.
    always("--force", "-f"),
    flag("cascade", "--cascade"),
    // The name, last.
    { ...value("name", "--name", Value.MachineName), positional: "NAME", required: true }
  ],
  positionals: [],
  rules: []
}

/**
 * The arguments of `machine delete`, always with `-f`: without it smolvm prompts, and at the end of its input prints
 * "Cancelled", exits 0 and keeps the machine.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineDeleteOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
