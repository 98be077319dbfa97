/**
 * The end of what a command left running in its machine, seen from inside.
 *
 * @since 0.1.0
 */
import * as Release from "@bottle/process/Release"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Smolvm } from "./Smolvm.js"
import * as Witness from "./Witness.js"

/** The whole of a reap: a machine that has not answered by then hangs or is gone, and its commands with it. */
const REAP_TIMEOUT_MILLIS = 3000

/** More than an answer, since smolvm may write notes of its own beside it (1.7.0 does with every command). */
const ANSWER_BYTES_MAX = 65_536

/** The guest's own bound, below ours, so that it can still say what is left. */
const GUEST_CENTIS_MAX = 250

/** How long the command has between SIGTERM and SIGKILL. Its client was told to end before, and had its grace. */
const GRACE_CENTIS = 30

/** What a runtime that goes on without its client may need to start the command it is about to start. */
const QUIET_MILLIS = 200

/**
 * Ends every process of a command, seen from inside, and waits until none is left; a zombie has ended.
 *
 * $1 the mark, $2 the witness's file, $3 the grace, $4 the quiet, $5 the bound; times in hundredths of a second, by the
 * guest's own /proc/uptime. Builtins only: where a guest can start no more processes, a fork would end this shell.
 *
 * Of the command is what has the mark in its environment, what was seen to be of it before, the children of those, and
 * the sessions they lead or have outlived their leaders in. Never process 1, this shell, or the session this shell is
 * in, which a runtime may share among everything it starts.
 *
 * It is looked twice at least: a parent may have ended, and its child begun, while one look went by. A process in the
 * midst of an exec shows no environment, as a kernel's thread (a bit of its flags) never does: then for longer.
 *
 * A name in /proc/PID/stat can hold anything, also a newline: what follows its last parenthesis is the kernel's.
 */
const REAP = `exec 2>/dev/null
mark=$1 file=$2 grace=$3 quiet=$4 bound=$5 own= known=" " clean=" " told=" "
now() {
  read -r up _ </proc/uptime || return 1
  now=\${up%.*}\${up#*.}
  while :; do case $now in 0?*) now=\${now#0} ;; *) return 0 ;; esac; done
}
marked() {
  any=
  while IFS= read -r text || [ -n "$text" ]; do any=1; case $text in *"${Witness.MARK}=$mark"*) return 0 ;; esac; done <"/proc/$1/environ"
  return 1
}
add() { found="$found$1 "; case $known in *" $2 "*) ;; *) known="$known$2 " ;; esac; }
stat() {
  line=; while IFS= read -r text; do line=$text; done <"/proc/$1/stat"
  set -- "$1" \${line##*) }
  [ "$#" -gt 20 ] || return 0
  case $2 in Z | X | x) return 0 ;; esac
  if [ "$1" = $$ ]; then own=$5; return 0; fi
  [ "$1" != 1 ] || return 0
  rows="$rows $1:$3:$5:\${21}"
  case $known in *" $1:\${21} "*) add "$1" "$1:\${21}"; return 0 ;; esac
  case $clean in *" $1:\${21} "*) return 0 ;; esac
  if marked "$1"; then add "$1" "$1:\${21}"
  elif [ -n "$any" ] || [ $(($8 & 2097152)) != 0 ] || [ ! -r "/proc/$1/environ" ]; then clean="$clean$1:\${21} "
  else doubt=5
  fi
}
session() {
  case $1 in 0 | 1 | "$own") return ;; esac
  case $found in *" $1 "*) ;; *) case $rows in *" $1:"*) return ;; esac ;; esac
  sessions="$sessions$1 " grown=1
}
look() {
  rows= doubt= found=" " sessions=" "
  for at in /proc/[0-9]*; do stat "\${at#/proc/}"; done
  grown=1
  while [ -n "$grown" ]; do
    grown=
    for row in $rows; do
      pid=\${row%%:*} rest=\${row#*:}; parent=\${rest%%:*} rest=\${rest#*:}; sid=\${rest%%:*}
      case $found in *" $pid "*) case $sessions in *" $sid "*) ;; *) session "$sid" ;; esac; continue ;; esac
      case $found in *" $parent "*) ;; *) case $sessions in *" $sid "*) ;; *) continue ;; esac ;; esac
      add "$pid" "$pid:\${rest#*:}"; grown=1
    done
  done
}
now || exit 66
begin=$now silent=
while :; do
  look; now
  if [ "$found" = " " ]; then
    if [ -n "$silent" ]; then [ $((now-silent)) -lt $((quiet+\${doubt:-0})) ] || break; else silent=$now; fi
  else
    silent=
    for pid in $found; do
      if [ $((now-begin)) -ge "$grace" ]; then kill -KILL "$pid"; continue; fi
      case $told in *" $pid "*) ;; *) told="$told$pid "; kill -TERM "$pid" ;; esac
    done
  fi
  [ $((now-begin)) -lt "$bound" ] || { printf left; exit 68; }
done
for at in "$file" "$file.in"; do [ ! -e "$at" ] || rm -f "$at"; done
printf gone`

/**
 * What is known of a command that had to be ended, where it is not that nothing of it runs.
 *
 * - `left`: something of it cannot be ended, or is another user's
 * - `unknown`: the guest cannot tell, or did not answer in time
 *
 * @since 0.1.0
 * @category models
 */
export type Unended = "left" | "unknown"

/**
 * How a reap ended: nothing of the command runs, or something may.
 *
 * @since 0.1.0
 * @category models
 */
export type Reaped = "gone" | Unended

/**
 * Whose command is ended, and where.
 *
 * - `name`: the machine
 * - `place`: the place of the command's witness; anything else is refused without a look
 * - `quietMillis`: how long nothing of the command must have been there, 200 by default, rounded up to hundredths of a
 *   second; 0 for a runtime that starts nothing once its client has ended
 *
 * @since 0.1.0
 * @category models
 */
export interface ReapOptions {
  readonly name: string
  readonly place: string
  readonly quietMillis?: number | undefined
}

/**
 * The words that reap, for one exec in the machine: it prints `gone` and exits 0, prints `left` and exits 68, or ends
 * otherwise where the guest cannot look.
 *
 * @since 0.1.0
 * @category argv
 */
export const command = ({ place, quietMillis }: Omit<ReapOptions, "name">): ReadonlyArray<string> => [
  "sh",
  "-c",
  REAP,
  "bottle-reap",
  Witness.markOf(place),
  place,
  String(GRACE_CENTIS),
  String(Math.ceil((quietMillis ?? QUIET_MILLIS) / 10)),
  String(GUEST_CENTIS_MAX)
]

/**
 * Ends what a command left running in its machine, by the place of its witness. It never fails and takes three seconds
 * at most. Call it when the command's client has ended, and never before the machine is ready.
 *
 * @since 0.1.0
 * @category constructors
 */
export const reap = (options: ReapOptions): Effect.Effect<Reaped, never, Smolvm> =>
  Effect.gen(function* () {
    if (!Witness.isPlace(options.place)) return "unknown"
    const smolvm = yield* Smolvm
    const { exitCode, stdout } = yield* smolvm.machineExec({
      name: options.name,
      command: command(options),
      timeoutMillis: REAP_TIMEOUT_MILLIS,
      capBytes: ANSWER_BYTES_MAX
    })
    const answer = new TextDecoder().decode(stdout)
    if (exitCode === 0 && answer === "gone") return "gone"
    return exitCode === 68 && answer === "left" ? "left" : "unknown"
  }).pipe(
    Effect.orElseSucceed((): Reaped => "unknown"),
    // A client that does not end must not hold us either.
    Effect.disconnect,
    Release.within(REAP_TIMEOUT_MILLIS),
    Effect.map(Option.getOrElse((): Reaped => "unknown"))
  )
