/**
 * `smolvm pack prune`: removes what is kept of packs that were unpacked.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * How far to clear.
 *
 * @since 0.1.0
 * @category models
 */
export interface PackPruneOptions {
  /** How many of the newest to keep; smolvm's own default is 5. */
  readonly keep?: number | undefined
  /** Removes more: smolvm's `--all`. */
  readonly all?: boolean | undefined
  /** Tells what would be removed, and removes nothing. */
  readonly dryRun?: boolean | undefined
}

const { flag, value } = Subcommand.builders<PackPruneOptions>()

/**
 * `pack prune` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<PackPruneOptions> = {
  command: "pack prune",
  summary: "Removes what is kept of packs that were unpacked.",
  options: [value("keep", "--keep", Value.Whole), flag("all", "--all"), flag("dryRun", "--dry-run")],
  positionals: [],
  rules: []
}

/**
 * The arguments of `pack prune`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: PackPruneOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
