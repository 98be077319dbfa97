/**
 * A witness in the guest: the shell below which a command runs, and what it writes down about the command's end.
 *
 * @since 0.1.0
 */
import { randomBytes } from "node:crypto"

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
 * What the witness writes down in place of a code where it killed the command because its time was over.
 *
 * @since 0.1.0
 * @category constants
 */
export const OVERDUE = "overdue"

/**
 * Tells the guest's exit from its runtime's, which smolvm gives by the same number: the command runs below a
 * shell that writes down any code but 0, and a second exec asks for it. A file, so that nothing is added to the
 * command's own streams, terminal or not.
 *
 * It is always made anew (`set -C`): the place is in the command lines of the guest, where a user of less rights could
 * put a link there, and have the witness write through it.
 *
 * The traps let an interactive command handle Ctrl-C: without one, the shell would die of the signal once its child has
 * ended, whatever that child made of it. A trap that runs nothing leaves the child the default action.
 */
const HEAD = `_bottle_exit=$1; shift`

const TRAP = `trap : HUP INT QUIT TERM`

/** Without a process where nothing is in the way. */
const ANEW = `[ ! -e "$_bottle_exit" ] && [ ! -L "$_bottle_exit" ] || rm -f "$_bottle_exit" 2>/dev/null
set -C`

const TAIL = `${TRAP}
"$@"
set -- $?
[ "$1" != 0 ] || exit 0
${ANEW}
printf %s "$1" 2>/dev/null >"$_bottle_exit"
exit "$1"`

/** Makes what was staged the input, and removes its name: nothing of it is left when the command has ended. */
const STAGED = `exec <"$_bottle_exit.in" || exit 2
rm -f "$_bottle_exit.in"`

/**
 * Kills the command when its time is over, by a process beside it: the command stays in the foreground, with its own
 * input and its own signals. After it whatever has the mark is killed too, so that nothing holds the output open.
 *
 * $1 the time in seconds, with a fraction that not every sleep takes, $2 whole seconds. Whether the watch has killed is
 * its exit code. It is ended with the command, and kills nothing once the witness itself has gone: its number may be
 * somebody else's by then. The traps come after it: a shell that has just been forked would lose a signal that its parent
 * traps. \`timeout\` would be shorter, but takes other words on older guests, and runs none of them.
 */
const WATCH = `_bottle_limit=$1 _bottle_whole=$2; shift 2
(
  over= nap=
  trap 'over=1; [ -z "$nap" ] || kill -KILL "$nap"' TERM
  for time in "$_bottle_limit" "$_bottle_whole"; do
    sleep "$time" & nap=$!
    [ -z "$over" ] || kill -KILL "$nap"
    wait "$nap"; slept=$?
    [ -z "$over" ] || { wait "$nap"; exit 0; }
    [ "$slept" != 0 ] || break
  done
  trap "" TERM
  [ -z "$over" ] && [ "$slept" = 0 ] || exit 0
  stat() {
    line= parent=; while IFS= read -r text; do line=$text; done <"/proc/$1/stat"
    set -- \${line##*) }; parent=$2
  }
  marked() {
    while IFS= read -r text || [ -n "$text" ]; do
      case $text in *"${MARK}=\${_bottle_exit##*-}"*) return 0 ;; esac
    done <"/proc/$1/environ"
    return 1
  }
  read -r me rest </proc/self/stat || exit 0
  stat "$me"
  [ "$parent" = "$$" ] || exit 0
  for at in /proc/[0-9]*; do
    pid=\${at#/proc/}
    case $pid in 1 | "$$" | "$me") continue ;; esac
    stat "$pid"
    [ "$parent" = "$$" ] || marked "$pid" || continue
    kill -KILL "$pid"
  done
  exit 99
) </dev/null >/dev/null 2>&1 &
_bottle_watch=$!
${TRAP}
"$@"
set -- $?
exec 2>/dev/null
${ANEW}
kill "$_bottle_watch"
wait "$_bottle_watch"
[ $? != 99 ] || { printf ${OVERDUE} >"$_bottle_exit"; exit 124; }
[ "$1" = 0 ] || printf %s "$1" >"$_bottle_exit"
exit "$1"`

/** Reads what the witness wrote, and removes it. What the guest made of that file is its own word, so it is bounded. */
const READ = `head -c 8 "$0" 2>/dev/null && rm -f "$0"`

const STAGE = `umask 077; exec cat >>"$0.in"`

/** Only what was made anew is the witness's alone; see `HEAD`. */
const STAGE_FIRST = `umask 077; set -C; exec cat >"$0.in"`

const UNSTAGE = `rm -f "$0.in"`

const PROBE = `set -C; printf 1 >"$0"`

const PREFIX = "/tmp/.bottle-exit-"

/**
 * A place for one witness, chosen at random. It is in the guest, which can forge it: to lie about its own command's exit
 * only, its code and whose it is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const place = (): string => `${PREFIX}${randomBytes(8).toString("hex")}`

/**
 * Whether a word is such a place; others may have sent it.
 *
 * @since 0.1.0
 * @category predicates
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
 * How a command runs below its witness.
 *
 * - `timeoutMillis`: after it the command is killed by the witness, and the exit code is 124; rounded up to a second where
 *   the guest's `sleep` takes whole ones only. Needs `sleep` and `/proc` in the guest, and is nobody's where they are not
 * - `isStaged`: whether it reads what `stage` has brought into the guest, in place of the exec's own input
 *
 * @since 0.1.0
 * @category models
 */
export interface WrapOptions {
  readonly timeoutMillis?: number | undefined
  readonly isStaged?: boolean | undefined
}

/**
 * The words that run a command below its witness. Its exec must have `MARK` in its variables.
 *
 * @since 0.1.0
 * @category argv
 */
export const wrap = (place: string, command: ReadonlyArray<string>, options?: WrapOptions): ReadonlyArray<string> => {
  const { isStaged, timeoutMillis } = options ?? {}
  return [
    "sh",
    "-c",
    [HEAD, ...(isStaged === true ? [STAGED] : []), timeoutMillis === undefined ? TAIL : WATCH].join("\n"),
    // What the shell calls itself when it says that there is no such command.
    "sh",
    place,
    ...(timeoutMillis === undefined ? [] : seconds(timeoutMillis)),
    ...command
  ]
}

const seconds = (millis: number): ReadonlyArray<string> => {
  const whole = Math.max(1, Math.ceil(millis))
  const rest = whole % 1000
  const text = String(Math.floor(whole / 1000))
  return [rest === 0 ? text : `${text}.${String(rest).padStart(3, "0")}`, String(Math.ceil(whole / 1000))]
}

/**
 * The words that append their input to what a command with `isStaged` will read. Run them at least once, and with
 * `isFirst` at first only: what is there already is not ours then, and refused.
 *
 * @since 0.1.0
 * @category argv
 */
export const stage = (place: string, { isFirst }: { readonly isFirst: boolean }): ReadonlyArray<string> => [
  "sh",
  "-c",
  isFirst ? STAGE_FIRST : STAGE,
  place
]

/**
 * The words that remove what was staged, where the command that was to read it has not begun.
 *
 * @since 0.1.0
 * @category argv
 */
export const unstage = (place: string): ReadonlyArray<string> => ["sh", "-c", UNSTAGE, place]

/**
 * The words that write `1` where a witness would write a code. Where `read` does not give it then, the guest keeps
 * nothing between two execs, and that nothing was written says nothing.
 *
 * @since 0.1.0
 * @category argv
 */
export const probe = (place: string): ReadonlyArray<string> => ["sh", "-c", PROBE, place]

/**
 * The words that print what the witness wrote, and remove it: the command's exit code, `OVERDUE`, or nothing where the
 * code was 0 or the witness never got to it.
 *
 * @since 0.1.0
 * @category argv
 */
export const read = (place: string): ReadonlyArray<string> => ["sh", "-c", READ, place]
