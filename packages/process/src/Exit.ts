/**
 * How a process ended.
 *
 * @since 0.1.0
 */
import * as Os from "node:os"

/**
 * The way a process ended: `code` is its exit code, or 128+n when signal n ended it; `signal` is then that signal's
 * name ("SIGKILL") and otherwise `null`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Exit {
  readonly code: number
  readonly signal: string | null
}

/**
 * The `Exit` of a process that ended by itself.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromCode = (code: number): Exit => ({ code, signal: null })

const signalNumbers: ReadonlyMap<string, number> = new Map(Object.entries(Os.constants.signals))

/**
 * The `Exit` of a process that a signal ended: 128+n, as shells report it; 128 for a name this system does not know.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromSignal = (signal: string): Exit => ({ code: 128 + (signalNumbers.get(signal) ?? 0), signal })

/**
 * Whether the process ended by itself with code 0.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isSuccess = (exit: Exit): boolean => exit.code === 0 && exit.signal === null
