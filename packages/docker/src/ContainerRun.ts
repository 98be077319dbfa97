/**
 * `docker run --detach`: makes a container and starts it.
 *
 * A container that cannot be started is left behind, made but not running: whoever runs one removes it by its name
 * whatever comes of it.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { isReadByClient } from "./ClientEnvironment.js"
import type { Argv, Checked } from "./internal/arguments.js"
import { assigned, checks, flag, repeated, valued } from "./internal/arguments.js"

/**
 * What a container is made of.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContainerRunOptions {
  /** 2 to 128 letters, digits, `_`, `.` and `-`; not hexadecimal digits only. */
  readonly name: string
  /** An image that is there: none is fetched. */
  readonly image: string
  /** A network of the caller's, or `none`. docker's own (`host`, `bridge`, `default`) are refused. */
  readonly network: string
  /** The container's IPv4 address in that network. */
  readonly ip?: string | undefined
  readonly labels: Readonly<Record<string, string>>
  /** Variables. They stand in argv: secrets go by `secretNames`. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /**
   * Variables whose values the client takes from its own environment. Names that the client itself reads are refused
   * (`ClientEnvironment.isReadByClient`). Whoever may inspect the container can read the values.
   */
  readonly secretNames?: ReadonlyArray<string> | undefined
  /** Files and directories of the host. */
  readonly mounts?: ReadonlyArray<Mount> | undefined
  /** Directories in memory. */
  readonly tmpfs?: ReadonlyArray<Tmpfs> | undefined
  readonly readonlyRoot: boolean
  /** `UID` or `UID:GID`, as numbers. */
  readonly user: string
  /** Memory in MiB, at least 6, which is docker's least; swap is not added. */
  readonly memoryMib: number
  /** The most processes and threads. */
  readonly pids: number
  /** The arguments of the image's entry point, or the command where it has none. */
  readonly command?: ReadonlyArray<string> | undefined
}

/**
 * A file or directory of the host in the container; both paths are absolute.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mount {
  readonly host: string
  readonly container: string
  readonly readonly: boolean
}

/**
 * A directory in memory: nothing in it can be executed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tmpfs {
  /** An absolute path without `:` and `,`. */
  readonly path: string
  readonly sizeMib: number
}

/**
 * How much of a container's output is kept, in MiB and files of as much: the older file goes when both are full.
 *
 * @since 0.1.0
 * @category constants
 */
export const logLimits = { sizeMib: 16, files: 2 } as const

/**
 * The arguments of `run`. Whatever the options say, the container has no capabilities and can get none, nothing is
 * fetched, and its log is bounded.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (options: ContainerRunOptions): Argv =>
  Either.map(validate(options), () => [
    "run",
    "--detach",
    // What every container gets.
    "--pull",
    "never",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
    "--log-driver",
    "json-file",
    "--log-opt",
    `max-size=${logLimits.sizeMib}m`,
    "--log-opt",
    `max-file=${logLimits.files}`,
    // Single values, then numbers.
    "--name",
    options.name,
    "--network",
    options.network,
    ...valued("--ip", options.ip),
    "--user",
    options.user,
    "--memory",
    `${options.memoryMib}m`,
    "--memory-swap",
    `${options.memoryMib}m`,
    "--pids-limit",
    String(options.pids),
    // Repeated ones.
    ...repeated("--mount", options.mounts?.map(mount)),
    ...repeated("--tmpfs", options.tmpfs?.map(tmpfs)),
    ...assigned("--env", options.env),
    ...repeated("--env", options.secretNames),
    ...assigned("--label", options.labels),
    // Flags.
    ...flag("--read-only", options.readonlyRoot),
    // The image, then what is the container's own.
    options.image,
    ...(options.command ?? [])
  ])

const mount = ({ container, host, readonly }: Mount): string =>
  ["type=bind", field("source", host), field("target", container), ...(readonly ? ["readonly"] : [])].join(",")

/** A field of comma-separated values, quoted where it has to be. */
const field = (key: string, value: string): string =>
  /[",]/.test(value) ? `"${key}=${value.replaceAll('"', '""')}"` : `${key}=${value}`

const tmpfs = ({ path, sizeMib }: Tmpfs): string => `${path}:rw,noexec,nosuid,nodev,size=${sizeMib}m,mode=1777`

const check = checks("run")

const MEMORY_MIB_LEAST = 6
const MEMORY_MIB_MOST = 1024 * 1024
const PIDS_MOST = 4_194_304

const validate = (options: ContainerRunOptions): Checked =>
  Either.gen(function* () {
    yield* check.name("--name", options.name)
    yield* check.image("the image", options.image)
    yield* check.name("--network", options.network)
    if (["host", "bridge", "default"].includes(options.network)) {
      return yield* check.refuse("--network", `cannot be ${options.network}, which is docker's own`)
    }
    yield* check.address("--ip", options.ip)
    yield* check.labels("--label", options.labels)
    yield* check.variables("--env", options.env)
    yield* check.variableNames("--env", options.secretNames)
    yield* secrets(options)
    for (const { container, host } of options.mounts ?? []) {
      yield* check.path("--mount", host)
      yield* check.path("--mount", container)
    }
    for (const { path, sizeMib } of options.tmpfs ?? []) {
      yield* check.path("--tmpfs", path)
      yield* check.matches("--tmpfs", path, /^[^:,]*$/, "cannot take a path with ':' or ',' in it")
      yield* check.number("--tmpfs", sizeMib, 1, MEMORY_MIB_MOST)
    }
    yield* check.matches("--user", options.user, /^[0-9]{1,10}(?::[0-9]{1,10})?$/, "must be UID or UID:GID, as numbers")
    yield* check.number("--memory", options.memoryMib, MEMORY_MIB_LEAST, MEMORY_MIB_MOST)
    yield* check.number("--pids-limit", options.pids, 1, PIDS_MOST)
    yield* check.words("the command", options.command)
  })

const secrets = ({ env, secretNames }: ContainerRunOptions): Checked => {
  const names = secretNames ?? []
  const read = names.find(isReadByClient)
  if (read !== undefined)
    return check.refuse("--env", `cannot take a secret named ${read}, which the client itself reads`)
  const twice = names.find((name) => env !== undefined && Object.hasOwn(env, name))
  return twice === undefined ? Either.void : check.refuse("--env", `has ${twice} both as a secret and as a plain value`)
}
