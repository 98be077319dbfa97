/**
 * `smolvm machine egress-events --json`: what a machine has tried to reach, from 1.8.1.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * Which machine to ask for, and for how much.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineEgressEventsOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. */
  readonly name: string
  /** The most events, the newest ones; smolvm's own default is 200. */
  readonly limit?: number | undefined
}

const { always, value } = Subcommand.builders<MachineEgressEventsOptions>()

/**
 * `machine egress-events` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineEgressEventsOptions> = {
  command: "machine egress-events",
  summary: "Lists what a machine has tried to reach.",
  options: [
    { ...value("name", "--name", Value.MachineName), required: true },
    value("limit", "--limit", Value.Size),
    always("--json")
  ],
  positionals: [],
  rules: []
}

/**
 * The arguments of `machine egress-events`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineEgressEventsOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
