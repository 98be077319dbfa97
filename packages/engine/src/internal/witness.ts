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

/** A place for one witness. It is in the guest, which can forge it: to lie about its own command's exit only. */
export const place = (): string => `/tmp/.bottle-exit-${randomBytes(8).toString("hex")}`

export const wrap = (place: string, command: ReadonlyArray<string>): ReadonlyArray<string> => [
  "sh",
  "-c",
  WITNESS,
  // What the shell calls itself when it says that there is no such command.
  "sh",
  place,
  ...command
]

export const read = (place: string): ReadonlyArray<string> => ["sh", "-c", READ, place]
