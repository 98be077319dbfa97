import * as Address from "@bottle/egress/Address"
import * as Host from "@bottle/egress/Host"
import type { Policy } from "@bottle/egress/Policy"
import * as Either from "effect/Either"
import type { Directories } from "../Directories.js"
import * as GuestRelay from "../GuestRelay.js"
import { OptionRefused } from "../LaunchError.js"
import type { LaunchOptions } from "../LaunchOptions.js"
import type { LaunchPlan, PlannedBundle } from "../LaunchPlan.js"

const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Why an option says nothing sensible, and what to say instead. */
export const refuse = (option: string, reason: string, advice: string): Either.Either<never, OptionRefused> =>
  Either.left(new OptionRefused({ option, reason, advice }))

/** Whether whoever connects there reaches the machine, or the container, that it is itself in. */
const isItself = (host: Host.Host): boolean =>
  host._tag === "Name"
    ? host.name === "localhost" || host.name.endsWith(".localhost")
    : Address.kind(host) === "loopback"

/**
 * Refuses a policy whose upstream proxy, or the upstream of one of its credentials, a bundle in a container would look for
 * in that container.
 */
export const checkUpstream = (
  { credentials, pins, upstream }: Policy,
  bundle: Pick<PlannedBundle, "_tag">
): Either.Either<void, OptionRefused> => {
  if (bundle._tag !== "Container") return Either.void
  if (upstream !== null && isItself(upstream.host)) {
    return refuse(
      "policy",
      `the upstream ${Host.formatAuthority(upstream.host, upstream.port)} is the bundle's container itself, where nothing listens`,
      "Write an address of this machine that a container reaches and the proxy listens on, or use --bundle process."
    )
  }
  for (const { name, upstream: of } of credentials.values()) {
    const dialled = of.host._tag === "Name" ? (pins.get(of.host.name) ?? of.host) : of.host
    if (!isItself(dialled)) continue
    return refuse(
      "policy",
      `the upstream of the credential ${name} is the bundle's container itself, where nothing listens`,
      "Write an address of this machine that a container reaches and the server listens on, or use --bundle process."
    )
  }
  return Either.void
}

/**
 * Refuses what would give the guest the value that a credential keeps from it, or take from it one of the variables that
 * a credential sets.
 */
export const checkCredentials = (
  { credentials }: Policy,
  { env = [], secrets = [] }: LaunchOptions
): Either.Either<void, OptionRefused> => {
  const given = new Set([...env.map(([name]) => name), ...secrets])
  const relayed = new Set(GuestRelay.environment.map(([name]) => name))
  for (const { baseUrlVariable, name, placeholderVariable, source } of credentials.values()) {
    if ("env" in source && secrets.includes(source.env)) {
      return refuse(
        "env",
        `${source.env} would give the guest the value that the credential ${name} keeps from it`,
        `Leave out -e ${source.env}, or the credential ${name}.`
      )
    }
    for (const [variable, what] of [
      [baseUrlVariable, "its base URL"],
      [placeholderVariable, "its placeholder"]
    ] as const) {
      if (variable === null) continue
      if (given.has(variable)) {
        return refuse(
          "env",
          `${variable} is given, and the credential ${name} sets it to ${what}`,
          `Leave out -e ${variable}, or give the credential ${name} another variable.`
        )
      }
      if (relayed.has(variable)) {
        return refuse(
          "policy",
          `the credential ${name} sets ${variable}, which points at the bottle's own proxy`,
          `Give the credential ${name} another variable.`
        )
      }
    }
  }
  return Either.void
}

const checkVariables = (options: LaunchOptions): Either.Either<void, OptionRefused> => {
  const names = [...(options.env ?? []).map(([name]) => name), ...(options.secrets ?? [])]
  const wrong = names.find((name) => !VARIABLE_NAME.test(name))
  if (wrong !== undefined) {
    const shown = JSON.stringify(wrong.slice(0, 80))
    return refuse("env", `${shown} is not a variable's name`, "Use letters, digits and _, not beginning with a digit.")
  }
  const literal = new Set((options.env ?? []).map(([name]) => name))
  const both = (options.secrets ?? []).find((name) => literal.has(name))
  if (both !== undefined) return refuse("env", `${both} is given as a literal and as a secret`, `Give ${both} once.`)
  const relayed = new Set(GuestRelay.environment.map(([name]) => name))
  const proxy = (options.secrets ?? []).find((name) => relayed.has(name))
  return proxy === undefined
    ? Either.void
    : refuse("env", `${proxy} points at the bottle's own proxy`, `Leave ${proxy} out, or give it as a literal.`)
}

const isGuestPath = (path: string): boolean =>
  path.startsWith("/") && !path.includes("\0") && !path.split("/").some((part) => part === ".." || part === ".")

const checkPaths = (options: LaunchOptions): Either.Either<void, OptionRefused> => {
  for (const mount of options.mounts ?? []) {
    if (!mount.host.startsWith("/")) return refuse("mounts", `${mount.host} is not absolute`, "Give an absolute path.")
    if (!isGuestPath(mount.guest) || mount.guest === "/") {
      return refuse("mounts", `${mount.guest} is no place in the guest`, "Give an absolute path without . and ..")
    }
  }
  const guests = (options.mounts ?? []).map((mount) => mount.guest.replace(/\/+$/, ""))
  const twice = guests.find((guest, index) => guests.indexOf(guest) !== index)
  if (twice !== undefined) return refuse("mounts", `two mounts at ${twice}`, "Give each mount a place of its own.")
  if (options.workdir !== undefined && !isGuestPath(options.workdir)) {
    return refuse("workdir", `${options.workdir} is no place in the guest`, "Give an absolute path without . and ..")
  }
  return Either.void
}

const isBelow = (path: string, above: string): boolean => path === above || path.startsWith(`${above}/`)

/** Where paths lead that lead elsewhere. */
export type RealPaths = ReadonlyMap<string, string>

/** What mounts are judged by. */
interface Surroundings {
  readonly directories: Directories
  readonly realPaths: RealPaths
  readonly runtime: LaunchPlan["runtime"]["kind"]
}

/**
 * What the guest can write to holds nothing of ours, where its bundle's policy and its own record are. Nor can it see the
 * sockets of bottles where it shares the host's kernel: they are used also where they are mounted read-only.
 */
const checkMounts = (
  options: LaunchOptions,
  { directories, realPaths, runtime }: Surroundings
): Either.Either<void, OptionRefused> => {
  const real = (path: string): string => realPaths.get(path) ?? path
  const isReaching = (host: string, directory: string): boolean => {
    const at = host.replace(/\/+$/, "")
    return isBelow(directory, at) || isBelow(at, directory)
  }
  const own = [directories.run, directories.state, directories.cache]
  for (const { host, readonly } of options.mounts ?? []) {
    const reached = readonly
      ? undefined
      : own.find((directory) => isReaching(host, directory) || isReaching(real(host), real(directory)))
    const isReached = isReaching(host, directories.run) || isReaching(real(host), real(directories.run))
    if (readonly && runtime === "local" && isReached) {
      const reason = `the guest could reach the sockets of bottles in ${directories.run}, by ${host}, read-only or not`
      return refuse("mounts", reason, "Mount a directory that does not hold them.")
    }
    if (reached !== undefined) {
      const reason = `the guest could write to bottle's own files in ${reached}, by ${host}`
      return refuse("mounts", reason, "Mount a directory that does not hold them, or mount it read-only.")
    }
  }
  return Either.void
}

const checkLimits = (options: LaunchOptions): Either.Either<void, OptionRefused> => {
  const { cpus, memMib } = options
  if (cpus !== undefined && !(Number.isInteger(cpus) && cpus >= 1 && cpus <= 255)) {
    return refuse("cpus", `${cpus} is not a number of CPUs`, "Give a whole number from 1 to 255.")
  }
  if (memMib !== undefined && !(Number.isInteger(memMib) && memMib >= 64 && memMib <= 0xffff_ffff)) {
    return refuse("memMib", `${memMib} is not an amount of memory in MiB`, "Give a whole number of at least 64.")
  }
  return Either.void
}

/** What can be judged of the options by themselves, whatever runs them. */
export const checkOptions = (options: LaunchOptions, surroundings: Surroundings): Either.Either<void, OptionRefused> =>
  Either.gen(function* () {
    yield* checkVariables(options)
    yield* checkPaths(options)
    yield* checkMounts(options, surroundings)
    yield* checkLimits(options)
  })
