/**
 * `smolvm machine ls --json`: every machine of the user, running or not.
 *
 * Running machines are probed, so that the list waits about three seconds for each that does not answer.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Machine } from "./Machine.js"
import * as Subcommand from "./Subcommand.js"

/**
 * How to list.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineLsOptions {
  /** Lists more of each machine in the text that people read; the JSON that is asked for here has all of it anyway. */
  readonly verbose?: boolean | undefined
}

const { always, flag } = Subcommand.builders<MachineLsOptions>()

/**
 * `machine ls` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineLsOptions> = {
  command: "machine ls",
  summary: "Lists every machine of the user, running or not.",
  options: [flag("verbose", "--verbose", "-v"), always("--json")],
  positionals: [],
  rules: []
}

/**
 * The arguments of `machine ls`, the same on every release line.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv: ReadonlyArray<string> = ["machine", "ls", "--json"]

/**
 * What it prints: a list, `[]` when there is no machine.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Output = Schema.parseJson(Schema.Array(Machine))
