/**
 * How a command gets into a running machine: the host's programs, in order, that drop every right and join.
 *
 * @since 0.1.0
 */
import type { Program } from "@bottle/process/Program"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import type { Split } from "./GuestEnvironment.js"
import { closeOthers } from "./Descriptors.js"
import type { Host } from "./Host.js"
import { quoteAll } from "./internal/quote.js"
import { becomeUser } from "./Lifecycle.js"
import * as Limits from "./Limits.js"
import { PrerequisiteMissing } from "./LocalError.js"
import type { Machine, Run } from "./Machine.js"
import * as SyscallFilter from "./SyscallFilter.js"

/** Every CPU in a list as the kernel writes it: `0-3,8`. */
const cpusOf = (list: string): ReadonlyArray<number> =>
  list.split(",").flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split("-").map(Number)
    return Number.isInteger(first) && Number.isInteger(last)
      ? Array.from({ length: last - first + 1 }, (_, index) => first + index)
      : []
  })

const affinity = (host: Host, machine: Machine): ReadonlyArray<string> => {
  const text = /^Cpus_allowed_list:\s*(\S+)$/m.exec(Fs.readFileSync("/proc/self/status", "utf8"))?.[1]
  const allowed = cpusOf(text ?? "")
  return host.tools.taskset === undefined || machine.cpus < 1 || machine.cpus >= allowed.length
    ? []
    : [host.tools.taskset, "-c", allowed.slice(0, machine.cpus).join(",")]
}

/**
 * What runs in the guest, and where.
 *
 * @since 0.1.0
 * @category models
 */
export interface Command {
  readonly words: ReadonlyArray<string>
  readonly env: Split
  readonly workdir: string
  readonly tty: boolean
  /** What perl does before it loads the filter; it then waits for the command, and gives its end as smolvm does. */
  readonly before?: ReadonlyArray<SyscallFilter.Step> | undefined
}

const runText = String.raw`exec "$@"`

const guestWords = ({ env, words }: Command): ReadonlyArray<string> => {
  if (env.added.length === 0) return words
  // env would take such a word for an assignment or an option of its own.
  const isAmbiguous = words[0]?.includes("=") === true || words[0]?.startsWith("-") === true
  return ["env", ...env.added, ...(isAmbiguous ? ["sh", "-c", runText, "sh"] : []), ...words]
}

/*
 * With a terminal, no program of ours may be in the command's process group: Ctrl-C goes to all of that group, and one
 * that waits there for a command which survives it would not. So the process that `script` makes for the command must
 * be born in the machine's process namespace. For that, script itself has to be root of the upper user namespace, the
 * holder's: to a guest, a process of that one is as foreign as any of the host's.
 */
const terminal = (
  host: Host,
  run: Run,
  enter: (pid: number, ...namespaces: ReadonlyArray<string>) => ReadonlyArray<string>,
  join: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>, PrerequisiteMissing> =>
  host.tools.script === undefined
    ? new PrerequisiteMissing({
        name: "script",
        detail: "a terminal (-t) needs the program script of util-linux",
        fix: "install util-linux (Debian: bsdutils)"
      })
    : Effect.succeed([
        ...enter(run.holder.pid, "--user", "--preserve-credentials", "--no-fork", "--"),
        ...enter(run.pid1.pid, "--pid", "--no-fork", "--"),
        host.tools.script,
        "--quiet",
        "--return",
        "--flush",
        "--command",
        `unset PWD; exec ${quoteAll(join)}`,
        "/dev/null"
      ])

/**
 * The program that runs a command in a machine. The caller has made sure that `run` is alive, that very process.
 *
 * With `tty` it makes a terminal for the command and copies between that one and its own streams.
 *
 * @since 0.1.0
 * @category constructors
 */
export const program = (
  host: Host,
  machine: Machine,
  run: Run,
  command: Command
): Effect.Effect<Program, PrerequisiteMissing> =>
  Effect.gen(function* () {
    const { tools } = host
    const enter = (pid: number, ...namespaces: ReadonlyArray<string>) => [
      tools.nsenter,
      "--target",
      String(pid),
      ...namespaces
    ]
    const limits = yield* Limits.make(host, machine)
    const join = [
      ...limits.asUser,
      ...affinity(host, machine),
      ...SyscallFilter.words(
        tools,
        [...(command.before ?? []), ...SyscallFilter.steps()],
        command.before === undefined ? "become" : "wait"
      ),
      ...enter(run.pid1.pid, "--user", "--preserve-credentials", "--mount", "--net", "--ipc", "--uts", "--cgroup"),
      ...(command.tty ? [] : ["--pid"]),
      `--wdns=${command.workdir}`,
      "--",
      ...guestWords(command)
    ]
    const body = command.tty ? yield* terminal(host, run, enter, join) : join
    const [first = tools.sh, ...args] = [
      ...(yield* closeOthers),
      ...limits.asCaller,
      ...becomeUser(host, machine),
      ...body
    ]
    return {
      program: first,
      args,
      env: { ...command.env.carried, ...(command.tty ? { SHELL: tools.sh } : {}) },
      cwd: "/"
    }
  })
