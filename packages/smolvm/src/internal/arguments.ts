import { isIPv4, isIPv6 } from "node:net"
import * as Either from "effect/Either"
import type { Capabilities } from "../Capabilities.js"
import { neededVersions } from "../Capabilities.js"
import * as MachineName from "../MachineName.js"
import { InvalidArgument, UnsupportedOption } from "../SmolvmError.js"

/** The checks of one subcommand: each is `void`, or the refusal of an option, before anything runs. */
export const checks = (command: string) => {
  const refuse = (option: string, problem: string): Either.Either<never, InvalidArgument> =>
    Either.left(new InvalidArgument({ command, option, problem }))

  const first = (option: string, problems: Iterable<string | undefined>): Either.Either<void, InvalidArgument> => {
    for (const problem of problems) if (problem !== undefined) return refuse(option, problem)
    return Either.void
  }

  const each = <A>(option: string, values: ReadonlyArray<A> | undefined, problem: (value: A) => string | undefined) =>
    first(option, (values ?? []).map(problem))

  return {
    refuse,
    name: (name: string) => first("--name", [MachineName.problem(name)]),
    text: (option: string, value: string | undefined) =>
      first(option, [value === undefined ? undefined : empty(value)]),
    number: (option: string, value: number | undefined, least: number, most: number) =>
      first(option, [value === undefined ? undefined : numberProblem(value, least, most)]),
    variables: (option: string, pairs: ReadonlyArray<readonly [string, string]> | undefined) =>
      each(option, pairs, ([name]) => variableProblem(name)),
    secrets: (pairs: ReadonlyArray<SecretEnv> | undefined) =>
      each("--secret-env", pairs, ({ guest, host }) => variableProblem(guest) ?? variableProblem(host)),
    cidrs: (values: ReadonlyArray<string> | undefined) => each("--allow-cidr", values, cidrProblem),
    hosts: (values: ReadonlyArray<string> | undefined) => each("--allow-host", values, hostProblem),
    volumes: (volumes: ReadonlyArray<Mapping> | undefined) =>
      first("--volume", [...(volumes ?? []).map(pathsProblem), twice(volumes)]),
    sockets: (sockets: ReadonlyArray<Mapping> | undefined) =>
      first("--mount-socket", [
        (sockets ?? []).length > 64 ? "takes at most 64 sockets" : undefined,
        ...(sockets ?? []).map((socket) => pathsProblem(socket) ?? separators(socket.guest)),
        twice(sockets)
      ]),
    /** Refuses an option that this release does not have; `used` says whether it was asked for. */
    supported: (capabilities: Capabilities, option: string, has: boolean, used: boolean) =>
      has || !used
        ? Either.void
        : Either.left(
            new UnsupportedOption({
              command,
              option,
              version: capabilities.version,
              neededVersion: neededVersions[`${command} ${option}`] ?? null
            })
          ),
    /** The whole argv, unless an element holds a NUL byte: no program can receive one. */
    whole: (argv: ReadonlyArray<string>): Either.Either<ReadonlyArray<string>, InvalidArgument> =>
      argv.some((element) => element.includes("\0")) ? refuse("an argument", "holds a NUL byte") : Either.right(argv)
  }
}

/** A path of the host and where it is seen in the guest. */
export interface Mapping {
  readonly host: string
  readonly guest: string
}

/** A variable of the guest whose value smolvm reads from a variable of its own environment. */
export interface SecretEnv {
  readonly guest: string
  readonly host: string
}

/** An option with its value: attached where the value begins with a dash, which clap would take for an option. */
export const valued = (short: string, long: string, value: string | undefined): ReadonlyArray<string> => {
  if (value === undefined) return []
  return value.startsWith("-") && value !== "-" ? [`${long}=${value}`] : [short, value]
}

/** An option with its number. */
export const counted = (option: string, value: number | undefined): ReadonlyArray<string> =>
  value === undefined ? [] : [option, String(value)]

/** An option repeated for each value. The values must not begin with a dash. */
export const repeated = (option: string, values: ReadonlyArray<string> | undefined): ReadonlyArray<string> =>
  (values ?? []).flatMap((value) => [option, value])

/** A flag, where it is wanted. */
export const flag = (option: string, wanted: boolean | undefined): ReadonlyArray<string> =>
  wanted === true ? [option] : []

/** Pairs as smolvm writes them: `NAME=VALUE`. */
export const assignments = (pairs: ReadonlyArray<readonly [string, string]> | undefined): ReadonlyArray<string> =>
  (pairs ?? []).map(([name, value]) => `${name}=${value}`)

/** Secrets as smolvm writes them: `GUEST=HOSTVAR`. */
export const references = (pairs: ReadonlyArray<SecretEnv> | undefined): ReadonlyArray<string> =>
  (pairs ?? []).map(({ guest, host }) => `${guest}=${host}`)

const empty = (value: string): string | undefined => (value.trim() === "" ? "must not be empty" : undefined)

const numberProblem = (value: number, least: number, most: number): string | undefined =>
  Number.isInteger(value) && value >= least && value <= most
    ? undefined
    : `must be a whole number from ${least} to ${most}`

const variableProblem = (name: string): string | undefined => {
  if (name === "") return "needs a name"
  if (name.includes("=")) return "has a name with '=' in it"
  return name.startsWith("-") ? "has a name that begins with '-'" : undefined
}

const cidrProblem = (text: string): string | undefined => {
  const [address = "", prefix, ...rest] = text.split("/")
  const bits = isIPv4(address) ? 32 : isIPv6(address) && !address.includes("%") ? 128 : -1
  const prefixIsRight = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits)
  return bits > 0 && rest.length === 0 && prefixIsRight ? undefined : "must be an address or ADDRESS/PREFIX"
}

const hostProblem = (text: string): string | undefined =>
  isIPv6(text) || /^[A-Za-z0-9_*][A-Za-z0-9_.*-]*$/.test(text) ? undefined : "must be a host name or an address"

const pathsProblem = ({ guest, host }: Mapping): string | undefined => {
  if (!host.startsWith("/") || !guest.startsWith("/")) return "needs absolute paths on both sides"
  return host.includes(":") || guest.includes(":") ? "cannot take a path with ':' in it" : undefined
}

const separators = (guest: string): string | undefined =>
  /[;|]/.test(guest) ? "cannot take a guest path with ';' or '|' in it" : undefined

const twice = (mappings: ReadonlyArray<Mapping> | undefined): string | undefined => {
  const guests = (mappings ?? []).map(({ guest }) => guest)
  return new Set(guests).size === guests.length ? undefined : "names the same guest path twice"
}
