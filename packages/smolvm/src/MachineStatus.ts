/**
 * `smolvm machine status --json`: one machine, in the shape of an element of `machine ls`.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { Capabilities } from "./Capabilities.js"
import { Machine } from "./Machine.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * Which machine to ask for.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineStatusOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. */
  readonly name: string
}

const { always, value } = Subcommand.builders<MachineStatusOptions>()

/**
 * `machine status` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineStatusOptions> = {
  command: "machine status",
  summary: "Tells what a machine is and whether it runs.",
  options: [{ ...value("name", "--name", Value.MachineName), required: true }, always("--json")],
  positionals: [],
  rules: []
}

/**
 * The arguments of `machine status`, the same on every release line.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineStatusOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)

/**
 * What it prints.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Output = Schema.parseJson(Machine)
