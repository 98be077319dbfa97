/**
 * `smolvm machine stop`: stops a machine. A machine that does not run is a success; one that does not exist is a failure
 * from 0.8.1 on.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * Which machine to stop.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineStopOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. */
  readonly name: string
}

const { value } = Subcommand.builders<MachineStopOptions>()

/**
 * `machine stop` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineStopOptions> = {
  command: "machine stop",
  summary: "Stops a machine. One that does not run is a success.",
  options: [{ ...value("name", "--name", Value.MachineName), required: true }],
  positionals: [],
  rules: []
}

/**
 * The arguments of `machine stop`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineStopOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
