/**
 * What the values of flags and operands mean, for every subcommand that has them.
 *
 * @since 0.1.0
 */
import * as BottleId from "@bottle/engine/BottleId"
import type { WorkspaceMode } from "@bottle/engine/Settings"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Path from "node:path"
import * as Printable from "./Printable.js"
import * as Units from "./Units.js"
import { UsageError } from "./UsageError.js"

/**
 * How documents of ours are written.
 *
 * @since 0.1.0
 * @category models
 */
export type Format = "text" | "json"

/**
 * What surrounds a line: the directory it was typed in, and the environment that secrets are taken from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Surroundings {
  readonly cwd: string
  readonly environment: Readonly<Record<string, string>>
}

/**
 * A refusal, as it is told.
 *
 * @since 0.1.0
 * @category errors
 */
export const usage = (problem: string, advice: string): UsageError => new UsageError({ problem, advice })

/**
 * A word of the line in quotes, made printable.
 *
 * @since 0.1.0
 * @category conversions
 */
export const shown = (text: string): string => `"${Printable.line(text, 80)}"`

/**
 * What `--format` says.
 *
 * @since 0.1.0
 * @category conversions
 */
export const formatOf = (format: Option.Option<string>): Format =>
  Option.getOrUndefined(format) === "json" ? "json" : "text"

/**
 * Variables of the guest: those that may be seen, and secrets apart from them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Environment {
  readonly env: ReadonlyArray<readonly [name: string, value: string]>
  readonly secrets: ReadonlyMap<string, Redacted.Redacted<string>>
}

/**
 * The variables that `-e K=V` and `-e K` ask for.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseEnvironment = (
  entries: ReadonlyArray<string>,
  host: Readonly<Record<string, string>>
): Either.Either<Environment, UsageError> => {
  const env = new Map<string, string>()
  const secrets = new Map<string, Redacted.Redacted<string>>()
  for (const entry of entries) {
    const equals = entry.indexOf("=")
    const name = equals < 0 ? entry : entry.slice(0, equals)
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      // A value without its name may be a secret: never shown.
      return Either.left(
        usage("-e: a variable's name is letters, digits and _, not beginning with a digit", "-e NAME=value")
      )
    }
    const twice = equals < 0 ? env.has(name) : secrets.has(name)
    if (twice)
      return Either.left(usage(`-e ${name} is both a secret and a literal value`, `-e ${name} for the secret alone`))
    if (equals >= 0) {
      env.set(name, entry.slice(equals + 1))
      continue
    }
    const value = host[name]
    if (value === undefined) {
      return Either.left(
        usage(`-e ${name}: your environment has no ${name}`, `export ${name} first, or -e ${name}=value`)
      )
    }
    secrets.set(name, Redacted.make(value))
  }
  return Either.right({ env: [...env], secrets })
}

const parseWith =
  (flag: string, parse: (text: string) => number | undefined, expected: string, example: string) =>
  (value: Option.Option<string>): Either.Either<number | undefined, UsageError> => {
    if (Option.isNone(value)) return Either.right(undefined)
    const parsed = parse(value.value)
    return parsed === undefined
      ? Either.left(usage(`${flag} ${shown(value.value)} is not ${expected}`, `${flag} ${example}`))
      : Either.right(parsed)
  }

const lifetime = "a time with its unit (ms, s, m, h, d) of no more than 24 days"

/**
 * What `--timeout` says, in milliseconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseTimeout = parseWith("--timeout", Units.parseDuration, "a time with its unit (ms, s, m, h)", "30s")

/**
 * What `--cpus` says.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseCpus = parseWith("--cpus", Units.parseCount, "a number of CPUs", "2")

/**
 * What `--mem` says, in MiB.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseMem = parseWith("--mem", Units.parseMebibytes, "an amount of memory in MiB, or with M or G", "2G")

/**
 * What `--ttl` says, in milliseconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseTtl = parseWith("--ttl", Units.parseLifetime, lifetime, "2h")

/**
 * What `--idle` says, in milliseconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseIdle = parseWith("--idle", Units.parseLifetime, lifetime, "30m")

/**
 * What `--older` says, in milliseconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseOlder = parseWith("--older", Units.parseAge, "an age with its unit (m, h, d, w)", "30d")

/**
 * What `--max-size` says, in bytes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseMaxSize = parseWith("--max-size", Units.parseBytes, "a size with its unit (K, M, G, T)", "5G")

/**
 * What `--workdir` says.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseWorkdir = (value: Option.Option<string>): Either.Either<string | undefined, UsageError> =>
  Option.isSome(value) && !value.value.startsWith("/")
    ? Either.left(
        usage(`-w ${shown(value.value)} is not an absolute path of the guest`, `-w /${Printable.line(value.value, 80)}`)
      )
    : Either.right(Option.getOrUndefined(value))

/**
 * Whether a command gets a terminal: `auto` decides by whether standard input and output are one.
 *
 * @since 0.1.0
 * @category models
 */
export type TtyChoice = "always" | "never" | "auto"

/**
 * What `--tty` and `--no-tty` say.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseTty = (flags: {
  readonly tty: boolean
  readonly noTty: boolean
}): Either.Either<TtyChoice, UsageError> => {
  if (flags.tty && flags.noTty) return Either.left(usage("-t and --no-tty exclude each other", "leave out one of them"))
  return Either.right(flags.tty ? "always" : flags.noTty ? "never" : "auto")
}

const NAME_CHARS_MAX = 46

/**
 * A word that can be the id of a bottle, its name, or what either begins with. Anything else, a path above all, is
 * refused before it is looked for.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseBottle = (word: string): Either.Either<string, UsageError> =>
  word.length <= NAME_CHARS_MAX && /^[a-z0-9]+(?:-[a-z0-9]+)*-?$/.test(word)
    ? Either.right(word)
    : Either.left(
        usage(
          `${shown(word)} cannot be a bottle: names are lower-case letters, digits and single dashes`,
          "bottle ls lists the bottles"
        )
      )

/**
 * The name that `--name` gives a bottle that stays: what its id begins with, letter by letter.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseName = (value: Option.Option<string>): Either.Either<string | null, UsageError> => {
  if (Option.isNone(value)) return Either.right(null)
  const slug = BottleId.slug(value.value)
  return slug === value.value
    ? Either.right(slug)
    : Either.left(
        usage(
          `--name ${shown(value.value)} is not made of at most 40 lower-case letters, digits and single dashes`,
          `--name ${slug}`
        )
      )
}

/**
 * The directory that a command works on, by its absolute path, and how it is given to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface WorkspaceAsked {
  readonly directory: string
  readonly mode: WorkspaceMode
}

const modes: ReadonlyArray<WorkspaceMode> = ["copy", "ro", "rw"]

/**
 * What `--workspace DIR[:copy|:ro|:rw]` says; `mode` is the one of a directory that names none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseWorkspace = (
  value: Option.Option<string>,
  { cwd, mode }: { readonly cwd: string; readonly mode: WorkspaceMode }
): Either.Either<WorkspaceAsked | null, UsageError> => {
  if (Option.isNone(value)) return Either.right(null)
  const [, directory = "", word] = /^(.*?)(?::([^:/]*))?$/s.exec(value.value) ?? []
  const asked = word === undefined ? mode : modes.find((candidate) => candidate === word)
  if (asked === undefined || directory === "") {
    const name = directory === "" ? "DIR" : Printable.line(directory, 80)
    return Either.left(
      usage(
        `--workspace ${shown(value.value)} is not DIR, DIR:copy, DIR:ro or DIR:rw`,
        `--workspace ${name}, or --workspace ${name}:ro`
      )
    )
  }
  return Either.right({ directory: Path.resolve(cwd, directory), mode: asked })
}
