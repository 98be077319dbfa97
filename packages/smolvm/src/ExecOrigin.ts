/**
 * Where the exit code of `machine exec`, `machine run` and `pack run` came from: smolvm passes the command's own code on
 * and uses a few of the same codes itself.
 *
 * @since 0.1.0
 */
import * as Failure from "./Failure.js"

/**
 * Who ended with the code: the command in the guest, smolvm, or one of them.
 *
 * @since 0.1.0
 * @category models
 */
export type ExecOrigin = "guest" | "runtime" | "unknown"

/**
 * How an exec ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExecOutcome extends Failure.Outcome {
  /** The subcommand that ran the command; `machine exec` where it is not given. */
  readonly command?: "machine exec" | "machine run" | "pack run" | undefined
  /** Whether `--timeout` was given. */
  readonly hasTimeout: boolean
}

/**
 * Who ended with the code, as far as it can be known without a witness in the guest.
 *
 * - 0 is the guest's: smolvm ends with 0 only when the command did.
 * - 1 is smolvm's when the last line of stderr is one of its errors. A command may print the same: elsewhere 1 is unknown.
 * - 2 is smolvm's when stderr holds its parser's usage text for the subcommand, else unknown.
 * - 101, a panic of smolvm when its stdout is closed early, is unknown.
 * - 124 is unknown with `--timeout`, and smolvm's where the text says so; without, it is the guest's.
 * - Every other code is the guest's: smolvm never ends with one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (outcome: ExecOutcome): ExecOrigin => {
  switch (outcome.exitCode) {
    case 1:
      return Failure.isRuntimeFailure(outcome) ? "runtime" : "unknown"
    case 2:
      return isOwnUsage(outcome) ? "runtime" : "unknown"
    case 101:
      return "unknown"
    case 124:
      if (!outcome.hasTimeout) return "guest"
      return /\btimed out after \d+ ?ms\b/.test(outcome.stderr) ? "runtime" : "unknown"
    default:
      return "guest"
  }
}

/** A usage text of smolvm's own subcommand; that of a command in the guest names its own. */
const isOwnUsage = (outcome: ExecOutcome): boolean => {
  const [group, verb] = (outcome.command ?? "machine exec").split(" ")
  const usage = new RegExp(`^Usage: \\S+ ${group === "machine" ? "(?:machine|vm)" : group} ${verb}\\b`, "m")
  return Failure.isUsageRefused(outcome) && usage.test(outcome.stderr)
}
