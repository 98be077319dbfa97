/**
 * `smolvm machine data-dir`: the directory of the host that holds a machine's disks, logs and sockets.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * Which machine to ask for.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineDataDirOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. */
  readonly name: string
}

const { value } = Subcommand.builders<MachineDataDirOptions>()

/**
 * `machine data-dir` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineDataDirOptions> = {
  command: "machine data-dir",
  summary: "Prints the directory of the host that holds a machine's files.",
  options: [{ ...value("name", "--name", Value.MachineName), positional: "NAME", required: true }],
  positionals: [],
  rules: []
}

/**
 * The arguments of `machine data-dir`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineDataDirOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
