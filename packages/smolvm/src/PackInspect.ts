/**
 * `smolvm pack inspect --json`: the manifest of an artifact in a registry.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * What to look at.
 *
 * @since 0.1.0
 * @category models
 */
export interface PackInspectOptions {
  /** The reference in the registry: `registry.example/name:tag`. */
  readonly reference: string
}

const { always, one } = Subcommand.builders<PackInspectOptions>()

/**
 * `pack inspect` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<PackInspectOptions> = {
  command: "pack inspect",
  summary: "Prints the manifest of an artifact in a registry.",
  options: [always("--json")],
  positionals: [one("reference", "REFERENCE", Value.Reference)],
  rules: []
}

/**
 * The arguments of `pack inspect`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: PackInspectOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
