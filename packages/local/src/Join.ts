/**
 * How a command gets into a running machine: the host's programs, in order, that drop every right and join.
 *
 * @since 0.1.0
 */
import type { Program } from "@bottle/process/Program"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import type { Split } from "./GuestEnvironment.js"
import { findProgram, type Host } from "./Host.js"
import * as Descriptors from "./internal/descriptors.js"
import { quoteAll } from "./internal/quote.js"
import { becomeUser } from "./Lifecycle.js"
import { OperationFailed, PrerequisiteMissing } from "./LocalError.js"
import type { Machine, Run } from "./Machine.js"

/** How many processes and threads a machine may have; the kernel counts them per user namespace (Linux 5.14). */
const processLimit = 4096
const fileLimit = 1_048_576

const hardLimit = (name: string): number => {
  const line = Fs.readFileSync("/proc/self/limits", "utf8")
    .split("\n")
    .find((text) => text.startsWith(name))
  const hard = line?.slice(name.length).trim().split(/\s+/)[1]
  return hard === undefined || hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard)
}

const limits = (host: Host, machine: Machine): ReadonlyArray<string> => {
  // Root's machines are not bound by root's own limits, but what an ordinary user may not raise is not asked for.
  const within = (wanted: number, name: string) => Math.min(wanted, hardLimit(name))
  const memory = machine.memoryMib * 1024 * 1024
  return [
    host.tools.prlimit,
    `--nproc=${within(processLimit, "Max processes")}`,
    ...(memory > 0 ? [`--data=${within(memory, "Max data size")}`] : []),
    "--core=0",
    `--nofile=${within(fileLimit, "Max open files")}`,
    "--"
  ]
}

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

const closeText = String.raw`for number in $1; do eval "exec $number>&-"; done; shift; exec "$@"`

/** Closes what the caller of this process left open for its children: the machine gets standard streams only. */
const closeOthers: Effect.Effect<ReadonlyArray<string>, PrerequisiteMissing> = Effect.suspend(() => {
  const descriptors = Descriptors.inheritable()
  if (descriptors.length === 0) return Effect.succeed([])
  const bash = findProgram("bash")
  return bash === undefined
    ? new PrerequisiteMissing({
        name: "bash",
        detail: `this process was started with open descriptors (${descriptors.join(", ")}) that only bash can close`,
        fix: "install bash, or start this process without them"
      })
    : Effect.succeed([bash, "--noprofile", "--norc", "-p", "-c", closeText, "close", descriptors.join(" ")])
})

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
}

// With a terminal, the guest's shell puts the command into a process group of its own, so that Ctrl-C means the command
// and not the program that waits for it outside.
const terminalText = String.raw`"$@"`

const guestWords = (command: Command): ReadonlyArray<string> => {
  const inner = command.tty ? ["/bin/sh", "-mc", terminalText, "sh", ...command.words] : command.words
  if (command.env.added.length === 0) return inner
  const isAmbiguous = inner[0]?.includes("=") === true || inner[0]?.startsWith("-") === true
  return ["env", ...command.env.added, ...(isAmbiguous ? ["sh", "-c", terminalText, "sh"] : []), ...inner]
}

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
): Effect.Effect<Program, PrerequisiteMissing | OperationFailed> =>
  Effect.gen(function* () {
    const { tools } = host
    const join = [
      ...limits(host, machine),
      ...affinity(host, machine),
      tools.nsenter,
      "--target",
      String(run.pid1.pid),
      "--user",
      "--preserve-credentials",
      "--mount",
      "--pid",
      "--net",
      "--ipc",
      "--uts",
      "--cgroup",
      `--wdns=${command.workdir}`,
      "--",
      ...guestWords(command)
    ]
    if (command.tty && tools.script === undefined) {
      return yield* new PrerequisiteMissing({
        name: "script",
        detail: "a terminal (-t) needs the program script of util-linux",
        fix: "install util-linux (Debian: bsdutils)"
      })
    }
    const body = command.tty
      ? [tools.script ?? "script", "--quiet", "--return", "--flush", "--command", `exec ${quoteAll(join)}`, "/dev/null"]
      : join
    const [first = tools.sh, ...args] = [...(yield* closeOthers), ...becomeUser(host, machine), ...body]
    return {
      program: first,
      args,
      env: { ...command.env.carried, ...(command.tty ? { SHELL: tools.sh } : {}) },
      cwd: "/"
    }
  })
