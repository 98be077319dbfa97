/**
 * What the program's exit code says. `docs/reference/exit-codes.md` says for people what each means, for each command.
 *
 * @since 0.1.0
 */
import type { CommandExit } from "@bottle/engine/Bottle"

/**
 * The codes that are ours; every other one is the guest's own. The guest may use them too: the report says whose it was.
 *
 * @since 0.1.0
 * @category models
 */
export const ExitStatus = {
  success: 0,
  /** The command line says nothing that can be done. */
  usage: 2,
  /** A defect of this program. */
  defect: 70,
  /** The command took longer than `--timeout`. */
  timedOut: 124,
  /** The launch failed, or the bottle did while the command ran. */
  launchFailed: 125,
  /** Whoever read our standard output went away, as SIGPIPE ends other programs. */
  outputClosed: 141
} as const

/**
 * The signals that end the program after teardown, and the exit code of each.
 *
 * @since 0.1.0
 * @category models
 */
export const bySignal = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/**
 * The name of a signal that ends the program.
 *
 * @since 0.1.0
 * @category models
 */
export type EndingSignal = keyof typeof bySignal

/**
 * The exit code for a command that ended: its own; 124 when its time was up; 125 when it is the runtime's own failure,
 * or when nothing proves that a 0 is the command's.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromCommand = (exit: CommandExit): number => {
  if (exit.timedOut) return ExitStatus.timedOut
  if (exit.origin === "runtime") return ExitStatus.launchFailed
  return exit.exitCode
}
