/**
 * `smolvm machine fork-release`: lets a clone that is held at the point of its fork go on, from 1.7.2.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * Which clone to release.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineForkReleaseOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. */
  readonly name: string
  /** Variables of the clone, in order. They stand in argv. */
  readonly env?: ReadonlyArray<readonly [string, string]> | undefined
}

const { list, value } = Subcommand.builders<MachineForkReleaseOptions>()

/**
 * `machine fork-release` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineForkReleaseOptions> = {
  command: "machine fork-release",
  summary: "Lets a clone that is held at the point of its fork go on.",
  options: [
    list("env", "--env", Value.Variable, "-e"),
    // The name, last.
    { ...value("name", "--name", Value.MachineName), required: true }
  ],
  positionals: [],
  rules: []
}

/**
 * The arguments of `machine fork-release`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineForkReleaseOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
