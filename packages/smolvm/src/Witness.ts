/**
 * A witness in the guest: the shell below which a command runs, and what it writes down about the command's end.
 *
 * @since 0.1.0
 */
import { randomBytes } from "node:crypto"

/**
 * Tells the guest's exit from its runtime's, which smolvm gives by the same number: the command runs below a
 * shell that writes down any code but 0, and a second exec asks for it. A file, so that nothing is added to the
 * command's own streams, terminal or not.
 *
 * The traps let an interactive command handle Ctrl-C: without one, the shell would die of the signal once its child has
 * ended, whatever that child made of it. A trap that runs nothing leaves the child the default action.
 */
const WITNESS = `_bottle_exit=$1; shift
trap : HUP INT QUIT TERM
"$@"
set -- $?
[ "$1" = 0 ] || printf %s "$1" >"$_bottle_exit" 2>/dev/null
exit "$1"`

/** Reads what the witness wrote, and removes it. What the guest made of that file is its own word, so it is bounded. */
const READ = `head -c 8 "$0" 2>/dev/null && rm -f "$0"`

const PREFIX = "/tmp/.bottle-exit-"

/**
 * The variable that every process of a command has from its first: by it the command is found again, also what left its
 * session and lost its parent. The kernel shows it as the process was started with, and the witness writes no file for
 * it, so a command that succeeds leaves nothing in the guest.
 *
 * @since 0.1.0
 * @category constants
 */
export const MARK = "_BOTTLE_COMMAND"

/**
 * A place for one witness, chosen at random. It is in the guest, which can forge it: to lie about its own command's exit
 * only.
 *
 * @since 0.1.0
 * @category constructors
 */
export const place = (): string => `${PREFIX}${randomBytes(8).toString("hex")}`

/**
 * Whether a word is such a place; others may have sent it.
 *
 * @since 0.1.0
 * @category guards
 */
export const isPlace = (word: string): boolean => /^\/tmp\/\.bottle-exit-[0-9a-f]{16}$/.test(word)

/**
 * What marks the processes of the command that has this place: the value of `MARK`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const markOf = (place: string): string => place.slice(PREFIX.length)

/**
 * The words that run a command below its witness. Its exec must have `MARK` in its variables.
 *
 * @since 0.1.0
 * @category argv
 */
export const wrap = (place: string, command: ReadonlyArray<string>): ReadonlyArray<string> => [
  "sh",
  "-c",
  WITNESS,
  // What the shell calls itself when it says that there is no such command.
  "sh",
  place,
  ...command
]

/**
 * The words that print what the witness wrote, and remove it: the command's exit code, or nothing where that was 0 or
 * the witness never got to it.
 *
 * @since 0.1.0
 * @category argv
 */
export const read = (place: string): ReadonlyArray<string> => ["sh", "-c", READ, place]
