/**
 * `smolvm machine monitor`: stays in the foreground, watches a machine and starts it again. Ended, it leaves the machine
 * running.
 *
 * Where the machine has numbers of its own (a Smolfile's `[health]`), they win over `intervalSeconds`,
 * `healthTimeoutSeconds` and `healthRetries`.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * Which machine to watch, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineMonitorOptions {
  /** 1 to 128 letters, digits, `-` and `_`; see `MachineName`. */
  readonly name: string
  /** When to start it again: `never`, `always`, `on-failure` or `unless-stopped`. */
  readonly restart?: "never" | "always" | "on-failure" | "unless-stopped" | undefined
  /** The shell command in the guest whose exit code 0 means that the machine is well. It stands in argv. */
  readonly healthCmd?: string | undefined
  /** How long that command may take, in seconds; smolvm's own default is 5. */
  readonly healthTimeoutSeconds?: number | undefined
  /** The time between two looks, in seconds; smolvm's own default is 5. */
  readonly intervalSeconds?: number | undefined
  /** How often that command may fail in a row; smolvm's own default is 3. */
  readonly healthRetries?: number | undefined
}

const { value } = Subcommand.builders<MachineMonitorOptions>()

/**
 * `machine monitor` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineMonitorOptions> = {
  command: "machine monitor",
  summary: "Watches a machine and starts it again.",
  options: [
    { ...value("name", "--name", Value.MachineName), required: true },
    value("restart", "--restart", Value.RestartPolicy),
    value("healthCmd", "--health-cmd", Value.Text),
    value("healthTimeoutSeconds", "--health-timeout", Value.Size),
    value("intervalSeconds", "--interval", Value.Size),
    value("healthRetries", "--health-retries", Value.Whole)
  ],
  positionals: [],
  rules: []
}

/**
 * The arguments of `machine monitor`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: MachineMonitorOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
