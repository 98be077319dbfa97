/**
 * The kernel's limits for a machine's commands: what we ask for, within what the caller may give.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import type { Host } from "./Host.js"
import { PrerequisiteMissing } from "./LocalError.js"
import type { Machine } from "./Machine.js"

/** How many processes and threads a machine may have; the kernel counts them per user namespace (Linux 5.14). */
const processLimit = 4096
const fileLimit = 65_536

/**
 * What decides on core dumps: the caller's hard limit, whether it may raise that, and the kernel's pattern for dumps
 * where it can be read.
 *
 * @since 0.1.0
 * @category models
 */
export interface CoreSetting {
  readonly hardLimit: number
  readonly mayRaise: boolean
  readonly pattern: string | undefined
}

/**
 * The limit of core dumps to set, whether that raises the caller's hard one, or why no limit would do.
 *
 * @since 0.1.0
 * @category models
 */
export type CoreDecision =
  | { readonly limit: 0 | 1; readonly isRaise: boolean }
  | { readonly problem: string; readonly fix: string }

const fixPattern = "let the host write dumps to files: sysctl -w kernel.core_pattern=core"

/**
 * Keeps a crash of the guest's from programs of the host's.
 *
 * A program that the kernel pipes dumps to (`|`) is run whatever the limit is, 0 included, except for 1. One that it
 * connects to (`@`, Linux 6.16) is told of every crash; no limit keeps it from that. A file is written for neither 0
 * nor 1 (fs/coredump.c; core(5)).
 *
 * @since 0.1.0
 * @category constructors
 */
export const decideCore = ({ hardLimit, mayRaise, pattern }: CoreSetting): CoreDecision => {
  if (pattern?.startsWith("@") === true) {
    return {
      problem: `the kernel hands crashes to a service of the host's (kernel.core_pattern is ${pattern}), which no limit turns off`,
      fix: fixPattern
    }
  }
  if (hardLimit >= 1) return { limit: 1, isRaise: false }
  if (mayRaise) return { limit: 1, isRaise: true }
  if (pattern !== undefined && !pattern.startsWith("|")) return { limit: 0, isRaise: false }
  const handler = pattern === undefined ? "kernel.core_pattern cannot be read" : `kernel.core_pattern is ${pattern}`
  return {
    problem:
      `the kernel may hand crashes to a program of the host's (${handler}), ` +
      "and the hard limit of 0 keeps us from the limit that turns this off, 1",
    fix: `allow a hard limit of 1 (docker: --ulimit core=1; systemd: LimitCORE=1), or ${fixPattern}`
  }
}

const hardLimitOf = (name: string): number => {
  const line = Fs.readFileSync("/proc/self/limits", "utf8")
    .split("\n")
    .find((text) => text.startsWith(name))
  const hard = line?.slice(name.length).trim().split(/\s+/)[1]
  return hard === undefined || hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard)
}

const capSysResource = 24n

/** The inode of the first user namespace, the same on every Linux; a capability of another one does not raise limits. */
const firstUserNamespace = "user:[4026531837]"

const mayRaiseLimits = (uid: number): boolean => {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(Fs.readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"
  return (
    uid === 0 &&
    ((BigInt(`0x${capabilities}`) >> capSysResource) & 1n) === 1n &&
    Fs.readlinkSync("/proc/self/ns/user") === firstUserNamespace
  )
}

const readPattern = (): string | undefined => {
  try {
    return Fs.readFileSync("/proc/sys/kernel/core_pattern", "utf8").trimEnd()
  } catch {
    return undefined
  }
}

/** What the checks call it. */
const coreName = "crashes kept from the host"

/**
 * The limit of core dumps for this host and caller, as they are now. Fails where a crash of a machine's command could be
 * handed to a program of the host's.
 *
 * @since 0.1.0
 * @category constructors
 */
export const core: Effect.Effect<
  Extract<CoreDecision, { readonly limit: number }>,
  PrerequisiteMissing
> = Effect.suspend(() => {
  const decision = decideCore({
    hardLimit: hardLimitOf("Max core file size"),
    mayRaise: mayRaiseLimits(process.getuid?.() ?? 0),
    pattern: readPattern()
  })
  return "limit" in decision
    ? Effect.succeed(decision)
    : new PrerequisiteMissing({ name: coreName, detail: decision.problem, fix: decision.fix })
})

/**
 * The same as one of the things that the runtime needs.
 *
 * @since 0.1.0
 * @category constructors
 */
export const corePrerequisite: Effect.Effect<{
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly fix: string
}> = Effect.match(core, {
  onFailure: ({ detail, fix, name }) => ({ name, ok: false, detail, fix }),
  onSuccess: ({ limit }) => ({ name: coreName, ok: true, detail: `by a limit of ${limit}`, fix: fixPattern })
})

/**
 * Words to put before a program so that it has a machine's limits: `asCaller` for what takes the caller's rights,
 * `asUser` for all the rest, once it is the machine's user.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  readonly asCaller: ReadonlyArray<string>
  readonly asUser: ReadonlyArray<string>
}

/**
 * The limits of a machine's commands. What the caller's hard limits do not allow is not asked for.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (host: Host, machine: Machine): Effect.Effect<Limits, PrerequisiteMissing> =>
  Effect.map(core, ({ isRaise, limit }) => {
    const { prlimit } = host.tools
    const within = (wanted: number, name: string) => Math.min(wanted, hardLimitOf(name))
    const memory = machine.memoryMib * 1024 * 1024
    return {
      asCaller: isRaise ? [prlimit, `--core=${limit}`, "--"] : [],
      asUser: [
        prlimit,
        `--nproc=${within(processLimit, "Max processes")}`,
        ...(memory > 0 ? [`--data=${within(memory, "Max data size")}`] : []),
        `--core=${limit}`,
        `--nofile=${within(fileLimit, "Max open files")}`,
        "--"
      ]
    }
  })
