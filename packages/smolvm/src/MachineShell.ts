/**
 * `smolvm machine shell`: a shell in a running machine, on the caller's own terminal.
 *
 * Its help says that it starts a stopped machine; the program refuses one (`ShellCmd::run`, 1.9.3).
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * In which machine.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineShellOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. */
  readonly name: string
}

const { value } = Subcommand.builders<MachineShellOptions>()

/**
 * `machine shell` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineShellOptions> = {
  command: "machine shell",
  summary: "Opens a shell in a running machine, on the caller's own terminal.",
  options: [{ ...value("name", "--name", Value.MachineName), required: true }],
  positionals: [],
  rules: []
}

/**
 * The arguments of `machine shell`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineShellOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
