/**
 * `smolvm machine prune`: removes what a machine keeps of images that it does not use.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * Which machine to clear, and how far.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachinePruneOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. */
  readonly name: string
  /** Tells what would be removed, and removes nothing. */
  readonly dryRun?: boolean | undefined
  /** Removes more: smolvm's `--all`. */
  readonly all?: boolean | undefined
}

const { flag, value } = Subcommand.builders<MachinePruneOptions>()

/**
 * `machine prune` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachinePruneOptions> = {
  command: "machine prune",
  summary: "Removes what a machine keeps of images.",
  options: [
    { ...value("name", "--name", Value.MachineName), required: true },
    flag("dryRun", "--dry-run"),
    flag("all", "--all")
  ],
  positionals: [],
  rules: []
}

/**
 * The arguments of `machine prune`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachinePruneOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
