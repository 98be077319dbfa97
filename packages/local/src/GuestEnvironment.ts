/**
 * The environment of a guest's command, and by which way each variable may travel.
 *
 * Values travel in the environment of the programs that join the machine, never on a command line. But those programs
 * are the host's, and some names would steer them: their loader, their C library, their shell. Such a name travels on
 * the command line of the guest's own `env`, and is refused where its value is a secret.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { reasonOf } from "./internal/files.js"
import { ValueRefused } from "./LocalError.js"

/**
 * Names and values in the order given; a later one wins.
 *
 * @since 0.1.0
 * @category models
 */
export type Pairs = ReadonlyArray<readonly [string, string]>

/**
 * What every command of a machine starts from.
 *
 * @since 0.1.0
 * @category models
 */
export const base: Pairs = [
  ["PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
  ["HOME", "/home/bottle"],
  ["USER", "bottle"],
  ["LOGNAME", "bottle"]
]

const steeringNames = new Set([
  "CDPATH",
  "ENV",
  "GCONV_PATH",
  "GETCONF_DIR",
  "GLOBIGNORE",
  "HOSTALIASES",
  "IFS",
  "LANG",
  "LANGUAGE",
  "LOCALDOMAIN",
  "LOCPATH",
  "NIS_PATH",
  "NLSPATH",
  "OLDPWD",
  "OPTERR",
  "OPTIND",
  "OUTPUT_CHARSET",
  "POSIXLY_CORRECT",
  "PS0",
  "PS1",
  "PS2",
  "PS4",
  "PWD",
  "RESOLV_HOST_CONF",
  "SHELL",
  "SHELLOPTS",
  "SHLVL",
  "TEXTDOMAIN",
  "TEXTDOMAINDIR",
  "TMPDIR",
  "TZ",
  "TZDIR",
  "ULPATH",
  // Every shell sets it.
  "_"
])

const steeringPrefixes = [
  "BASH",
  "GLIBC_",
  "LC_",
  "LD_",
  "LIBBLKID_",
  "LIBC_",
  "LIBMOUNT_",
  "LIBSMARTCOLS_",
  "MALLOC_",
  "PERL",
  "RES_",
  "TERMINAL_",
  "UL_"
]

/**
 * Whether a variable of this name would steer the host's programs.
 *
 * @since 0.1.0
 * @category predicates
 */
export const steersHost = (name: string): boolean =>
  steeringNames.has(name) ||
  steeringPrefixes.some((prefix) => name.startsWith(prefix)) ||
  // A shell passes on what it cannot take as a name, but some drop it: these too go by env.
  !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)

/**
 * An environment in two parts: what the joining programs carry, and what the guest's `env` adds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Split {
  readonly carried: Readonly<Record<string, string>>
  readonly added: ReadonlyArray<string>
}

const refuse = (what: string, reason: string, fix: string) =>
  new ValueRefused({ command: "machine exec", what, reason, fix })

/**
 * Puts an environment together. `secrets` win over `plain`, which win over `base`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const split = (plain: Pairs, secrets: Pairs): Effect.Effect<Split, ValueRefused> =>
  Effect.gen(function* () {
    const steering = secrets.find(([name]) => steersHost(name))
    if (steering !== undefined) {
      return yield* refuse(
        `--secret-env ${steering[0]}`,
        "a variable of this name would have to travel on a command line",
        "pass it by -e if it is no secret, or under another name"
      )
    }
    const all = new Map([...base, ...plain, ...secrets])
    const bad = [...all].find(([name, value]) => name === "" || name.includes("=") || `${name}${value}`.includes("\0"))
    if (bad !== undefined) {
      return yield* refuse(`-e ${bad[0]}`, "is not a variable", "write -e NAME=VALUE, without a NUL byte")
    }
    const carried = [...all].filter(([name]) => !steersHost(name))
    const added = [...all].filter(([name]) => steersHost(name)).map(([name, value]) => `${name}=${value}`)
    return { carried: Object.fromEntries(carried), added }
  })

/**
 * Reads `-e NAME=VALUE` entries; like smolvm, an entry without `=` is dropped.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parsePairs = (entries: ReadonlyArray<string>): Pairs =>
  entries.flatMap((entry): Pairs => {
    const equals = entry.indexOf("=")
    return equals <= 0 ? [] : [[entry.slice(0, equals), entry.slice(equals + 1)]]
  })

/**
 * Where the secrets of a command line come from: variables of the caller's environment, and files of the host.
 *
 * @since 0.1.0
 * @category models
 */
export interface References {
  readonly variables: Pairs
  readonly files: Pairs
}

/**
 * The references to secrets of a command line (`GUEST=SOURCE`): each name once, and paths absolute.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseReferences = (
  command: string,
  variables: ReadonlyArray<string>,
  files: ReadonlyArray<string>
): Effect.Effect<References, ValueRefused> =>
  Effect.gen(function* () {
    const parsed = {
      variables: yield* Effect.forEach(variables, (entry) => parseReference(command, "--secret-env", entry)),
      files: yield* Effect.forEach(files, (entry) => parseReference(command, "--secret-file", entry))
    }
    const names = [...parsed.variables, ...parsed.files].map(([name]) => name)
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    if (twice === undefined) return parsed
    return yield* new ValueRefused({
      command,
      what: `the secret ${twice}`,
      reason: "it is given twice",
      fix: "give every name once, by --secret-env or by --secret-file"
    })
  })

const parseReference = (
  command: string,
  option: "--secret-env" | "--secret-file",
  entry: string
): Effect.Effect<readonly [name: string, source: string], ValueRefused> => {
  const equals = entry.indexOf("=")
  const name = entry.slice(0, Math.max(equals, 0))
  const source = entry.slice(equals + 1)
  if (equals <= 0 || source === "") {
    return new ValueRefused({
      command,
      what: option,
      reason: "it is not KEY=VALUE",
      fix: `write ${option} GUEST=SOURCE`
    })
  }
  return option === "--secret-file" && !source.startsWith("/")
    ? new ValueRefused({ command, what: option, reason: "the path is not absolute", fix: "begin it with /" })
    : Effect.succeed([name, source])
}

/**
 * The values that references stand for, taken from the caller's environment and files now. A variable or file that is
 * not there is an error which names it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolveSecrets = (
  command: string,
  variables: Pairs,
  files: Pairs,
  env: Readonly<Record<string, string>>
): Effect.Effect<Pairs, ValueRefused> =>
  Effect.gen(function* () {
    const fromVariables = yield* Effect.forEach(variables, ([guest, host]) => {
      const value = env[host]
      return value === undefined
        ? new ValueRefused({
            command,
            what: `--secret-env ${guest}`,
            reason: `the host's environment has no ${host}`,
            fix: `set ${host}`
          })
        : Effect.succeed([guest, value] as const)
    })
    const fromFiles = yield* Effect.forEach(files, ([guest, path]) =>
      Effect.try({
        try: () => [guest, Fs.readFileSync(path, "utf8").replace(/\n$/, "")] as const,
        catch: (cause) =>
          new ValueRefused({
            command,
            what: `--secret-file ${guest}`,
            reason: `${path} cannot be read (${reasonOf(cause)})`,
            fix: "name a file that can be read"
          })
      })
    )
    return [...fromVariables, ...fromFiles]
  })
