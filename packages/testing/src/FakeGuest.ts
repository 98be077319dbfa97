/**
 * What runs in the machines of a `FakeSmolvm`: a function from a command to its effects.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import * as Standard from "./internal/fakeSmolvm/standardGuest.js"

/**
 * How a command in the guest ended: by a code, by a signal, or not at all because there is no such program.
 *
 * @since 0.1.0
 * @category models
 */
export type GuestExit = { readonly code: number } | { readonly signal: number } | "not found"

/**
 * A command in a machine, and what it can touch.
 *
 * @since 0.1.0
 * @category models
 */
export interface GuestCommand {
  /** The machine's name. */
  readonly machine: string
  /** Its own number in the guest. */
  readonly pid: number
  /** The program and its arguments. */
  readonly words: ReadonlyArray<string>
  /** Its whole environment, secrets included. */
  readonly env: Readonly<Record<string, string>>
  readonly workdir: string
  readonly tty: boolean
  /** Its standard input; it ends where nothing is forwarded. */
  readonly stdin: Stream.Stream<Uint8Array>
  /** Writes to standard output or error. */
  readonly write: (stream: "stdout" | "stderr", content: string | Uint8Array) => Effect.Effect<void>
  /** The regular files of the machine that its commands see. */
  readonly files: Files
  /** Sends a signal, by its number, to every process of the machine of which the predicate is true; says to how many. */
  readonly signal: (
    number: number,
    which: (process: { readonly pid: number; readonly env: Readonly<Record<string, string>> }) => boolean
  ) => Effect.Effect<number>
  /** Runs another command as a child, which is ended with this one. */
  readonly run: (
    command: Partial<Pick<GuestCommand, "env" | "workdir" | "stdin" | "write">> & Pick<GuestCommand, "words">
  ) => Effect.Effect<GuestExit>
}

/**
 * The regular files of a guest, those of mounted directories included. A write says why it cannot be done, where it
 * cannot; nothing of a mounted directory is removed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Files {
  readonly read: (path: string) => Uint8Array | undefined
  readonly write: (path: string, bytes: Uint8Array) => string | undefined
  readonly remove: (path: string) => void
}

/**
 * What runs the commands of a machine. `undefined` leaves a command to the next guest, and last to `standard`.
 *
 * @since 0.1.0
 * @category models
 */
export type Guest = (command: GuestCommand) => Effect.Effect<GuestExit> | undefined

/**
 * A few programs as every image has them: `true`, `false`, `:`, `echo`, `printf`, `cat`, `env`, `printenv`, `pwd`,
 * `sleep` (by the fiber's clock), `test -e`, `rm`, `kill`, and `sh`, which knows simple commands, `;`, `&&`, `||`, `!`,
 * redirections, quotes, `$NAME`, `$1`, `"$@"` and `$?`; of anything else it says that it does not understand it, and
 * exits 2. The scripts of `@bottle/smolvm`'s witness and reap are understood as a whole.
 *
 * @since 0.1.0
 * @category guests
 */
export const standard: Guest = Standard.guest

/**
 * A guest with programs of a test's own, by name; it leaves what is not among them to the next.
 *
 * @since 0.1.0
 * @category guests
 */
export const programs =
  (table: Readonly<Record<string, (command: GuestCommand) => Effect.Effect<GuestExit>>>): Guest =>
  (command) => {
    const [program = ""] = command.words
    return Object.hasOwn(table, program) ? table[program]?.(command) : undefined
  }
