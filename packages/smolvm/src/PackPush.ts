/**
 * `smolvm pack push`: uploads an artifact to a registry. Credentials are those of smolvm's own configuration.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * What to upload, and where to.
 *
 * @since 0.1.0
 * @category models
 */
export interface PackPushOptions {
  /** The reference in the registry: `registry.example/name:tag`. */
  readonly reference: string
  /** The `.smolmachine` file to upload. */
  readonly file: string
}

const { one, value } = Subcommand.builders<PackPushOptions>()

/**
 * `pack push` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<PackPushOptions> = {
  command: "pack push",
  summary: "Uploads an artifact to a registry.",
  options: [{ ...value("file", "--file", Value.Text, "-f"), required: true }],
  positionals: [one("reference", "REFERENCE", Value.Reference)],
  rules: []
}

/**
 * The arguments of `pack push`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: PackPushOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
