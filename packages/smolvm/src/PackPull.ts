/**
 * `smolvm pack pull`: downloads an artifact from a registry. Credentials are those of smolvm's own configuration.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * What to download, and where to.
 *
 * @since 0.1.0
 * @category models
 */
export interface PackPullOptions {
  /** The reference in the registry: `registry.example/name:tag`. */
  readonly reference: string
  /** Where to write; where smolvm puts it without one. */
  readonly output?: string | undefined
}

const { one, value } = Subcommand.builders<PackPullOptions>()

/**
 * `pack pull` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<PackPullOptions> = {
  command: "pack pull",
  summary: "Downloads an artifact from a registry.",
  options: [value("output", "--output", Value.Text, "-o")],
  positionals: [one("reference", "REFERENCE", Value.Reference)],
  rules: []
}

/**
 * The arguments of `pack pull`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: PackPullOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
