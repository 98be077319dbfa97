/**
 * A program that stands before another one and misbehaves when it is told to: it hangs before or after what it was asked
 * for, or fails. smolvm's and docker's places are taken by it in tests.
 *
 * @since 0.1.0
 */
import * as Fs from "node:fs"
import * as Path from "node:path"

/**
 * What goes wrong with a call.
 *
 * - `hang`: nothing is done, and the call does not end
 * - `hang-after`: all is done, and the call does not end
 * - `fail`: nothing is done, and the call ends with 1 and a sentence
 * - `fail-after`: all is done, and the call ends with 1 and a sentence
 *
 * @since 0.1.0
 * @category models
 */
export type Mode = "hang" | "hang-after" | "fail" | "fail-after"

/**
 * Which calls go wrong, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rule {
  /** The first words of the call, "machine start"; with "*" as its last word any calls that begin so. */
  readonly step: string
  readonly mode: Mode
  /** So many calls, the next ones, have the fault; all by default. */
  readonly times?: number | undefined
  /** Whether it does not hear SIGHUP, SIGINT and SIGTERM while it hangs. */
  readonly deaf?: boolean | undefined
}

/**
 * A program that was put in another one's place.
 *
 * @since 0.1.0
 * @category models
 */
export interface FaultyProgram {
  readonly path: string
  /** Puts a rule in force, beside those that are. */
  readonly misbehave: (rule: Rule) => void
  /** Ends all hanging, the calls that hang now and those to come; what hung before it began is done then. */
  readonly recover: () => void
  /** The calls up to now, each as its first two words; a call that hangs is told a second time with " hangs" after it. */
  readonly calls: () => ReadonlyArray<string>
}

/**
 * Where it is written, and what it hands on to.
 *
 * @since 0.1.0
 * @category models
 */
export interface FaultyProgramOptions {
  /** The file to write. */
  readonly path: string
  /** A directory that whoever runs the program may write to; it is made. */
  readonly control: string
  /** The words before the caller's own: the real program. */
  readonly command: ReadonlyArray<string>
}

// A call takes a rule's next ticket by making a directory, which only one of two at once can do. The script runs itself
// anew under the program's own name, so that it is found where a real one that hangs is.
const text = ({ command, control, path }: FaultyProgramOptions): string => `#!/bin/bash
[[ -n \${BOTTLE_FAULTY:-} ]] || BOTTLE_FAULTY=1 exec -a ${quote(path)} bash ${quote(path)} "$@"
unset BOTTLE_FAULTY
control=${quote(control)}
step="$1\${2:+ $2}"
echo "$step" >> "$control/calls"
mode= deaf=
[[ -e $control/recovered ]] || for file in "$control"/rules/*; do
  [[ -e $file ]] || continue
  { read -r wanted; read -r what; read -r times; read -r hears; } < "$file"
  [[ $step = "$wanted" || ( $wanted = *\\* && $step = "\${wanted%\\*}"* ) ]] || continue
  for ((ticket = 1; ticket <= times; ticket++)); do
    mkdir "$control/tickets/\${file##*/}.$ticket" 2>/dev/null || continue
    mode=$what deaf=$hears
    break 2
  done
done
hang() {
  [[ $deaf = deaf ]] && trap '' HUP INT TERM
  echo "$step hangs" >> "$control/calls"
  exec 9<> <(:)
  until [[ -e $control/recovered || ! -d $control ]]; do read -r -t 0.05 -u 9; done
}
case $mode in
  hang) hang ;;
  fail) echo "Error: agent operation failed: $step: a fault of the test" >&2; exit 1 ;;
  hang-after) ${command.map(quote).join(" ")} "$@"; code=$?; hang; exit $code ;;
  fail-after) ${command.map(quote).join(" ")} "$@"; echo "Error: agent operation failed: $step: a fault of the test" >&2; exit 1 ;;
esac
exec ${command.map(quote).join(" ")} "$@"
`

const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

/** More calls than a test makes. */
const ALL = 1000

/**
 * Writes the program. It behaves until it is told not to.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: FaultyProgramOptions): FaultyProgram => {
  const { control, path } = options
  const rules = Path.join(control, "rules")
  const calls = Path.join(control, "calls")
  // Whoever runs the program takes tickets and adds calls, and may be another user.
  for (const directory of [control, rules, Path.join(control, "tickets")]) {
    Fs.mkdirSync(directory, { recursive: true })
    Fs.chmodSync(directory, 0o777)
  }
  Fs.writeFileSync(calls, "")
  Fs.chmodSync(calls, 0o666)
  Fs.writeFileSync(path, text(options), { mode: 0o755 })
  let count = 0
  return {
    path,
    misbehave: ({ deaf, mode, step, times }) => {
      count += 1
      const aside = Path.join(control, `rule-${count}`)
      Fs.writeFileSync(aside, `${step}\n${mode}\n${times ?? ALL}\n${deaf === true ? "deaf" : "hears"}\n`, {
        mode: 0o644
      })
      Fs.renameSync(aside, Path.join(rules, String(count)))
    },
    recover: () => Fs.writeFileSync(Path.join(control, "recovered"), ""),
    calls: () => Fs.readFileSync(calls, "utf8").split("\n").slice(0, -1)
  }
}
