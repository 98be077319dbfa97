/**
 * `smolvm machine images --json`: the images that a machine keeps, and what they take. It boots a stopped machine to ask.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * Which machine to ask.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineImagesOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. */
  readonly name: string
}

const { always, value } = Subcommand.builders<MachineImagesOptions>()

/**
 * `machine images` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineImagesOptions> = {
  command: "machine images",
  summary: "Lists the images that a machine keeps. It boots a stopped machine to ask.",
  options: [{ ...value("name", "--name", Value.MachineName), required: true }, always("--json")],
  positionals: [],
  rules: []
}

/**
 * The arguments of `machine images`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineImagesOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
