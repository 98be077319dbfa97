/**
 * The strict reading of a command line. The parser behind it takes unknown and repeated flags for arguments and guesses
 * at the rest; here each word is a known flag, the value of one, or an error that says what to write instead.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Flags from "./Flags.js"
import * as Printable from "./Printable.js"
import { UsageError } from "./UsageError.js"

/**
 * A flag as it was given: its long name, and its value, null for a switch.
 *
 * @since 0.1.0
 * @category models
 */
export interface Given {
  readonly name: string
  readonly value: string | null
}

/**
 * A line that was read: what it asks for, and each flag in its order.
 *
 * @since 0.1.0
 * @category models
 */
export type Reading =
  | { readonly _tag: "Version" }
  | { readonly _tag: "Help"; readonly subcommand: Flags.Subcommand | null }
  | { readonly _tag: "Command"; readonly subcommand: Flags.Subcommand; readonly given: ReadonlyArray<Given> }

const refuse = (problem: string, advice: string): Either.Either<never, UsageError> =>
  Either.left(new UsageError({ problem, advice }))

const distance = (left: string, right: string): number => {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let i = 1; i <= left.length; i++) {
    const next = [i]
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1] ? 0 : 1
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same))
    }
    row = next
  }
  return row[right.length] ?? 0
}

/** The candidate that a mistyped word most likely means; undefined when none is near. */
const nearest = (text: string, candidates: ReadonlyArray<string>): string | undefined => {
  const lower = text.toLowerCase()
  const prefixed = candidates.filter((candidate) => lower.length >= 2 && candidate.startsWith(lower))
  if (prefixed.length === 1) return prefixed[0]
  const ranked = candidates
    .map((candidate) => ({ candidate, far: distance(lower, candidate) }))
    .filter(({ candidate, far }) => far <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((left, right) => left.far - right.far)
  return ranked[0]?.candidate
}

const helpOf = (subcommand: Flags.Subcommand | null): string =>
  subcommand === null ? "bottle --help" : `bottle ${subcommand} --help`

// What people write who know docker, or the flag by another name.
const otherNames: Readonly<Record<string, string>> = {
  memory: "mem",
  cpu: "cpus",
  volumes: "volume",
  mount: "volume",
  "allow-host": "allow",
  "allow-net": "allow",
  cwd: "workdir",
  silent: "quiet",
  json: "format json",
  secret: "env",
  rm: "",
  detach: "",
  net: "allow"
}

const unknownFlag = (subcommand: Flags.Subcommand, word: string): Either.Either<never, UsageError> => {
  const name = word.replace(/^-+/, "")
  const names = Flags.bySubcommand[subcommand].map((flag) => flag.name)
  const known = otherNames[name]
  const meant = known !== undefined && names.includes(known.split(" ")[0] ?? "") ? known : nearest(name, names)
  return refuse(
    `unknown flag ${Printable.line(word, 64)}`,
    meant === undefined ? `${helpOf(subcommand)} lists the flags; the guest's own go after --` : `--${meant}`
  )
}

const positional = (subcommand: Flags.Subcommand, word: string): Either.Either<never, UsageError> => {
  const shown = Printable.line(word, 64)
  const meant = nearest(
    word,
    Flags.bySubcommand[subcommand].map((flag) => flag.name)
  )
  if (meant !== undefined) return refuse(`unexpected word "${shown}"`, `--${meant}, if that is what you mean`)
  if (subcommand === "doctor") return refuse(`unexpected word "${shown}"`, "bottle doctor takes flags only")
  return refuse(
    `unexpected word "${shown}" before --`,
    `the command goes after --: bottle ${subcommand} [flags] -- ${shown} ...`
  )
}

/** One flag as it was written: which it is, and what stood behind its `=`. */
type Found = { readonly flag: Flags.Flag; readonly attached: string | undefined; readonly written: string }

/** The flags that one word stands for; more than one only for joined letters, `-it`. */
const findFlags = (subcommand: Flags.Subcommand, word: string): Either.Either<ReadonlyArray<Found>, UsageError> => {
  const flags = Flags.bySubcommand[subcommand]
  if (word.startsWith("--")) {
    const equals = word.indexOf("=")
    const written = equals < 0 ? word : word.slice(0, equals)
    const flag = flags.find((candidate) => `--${candidate.name}` === written)
    if (flag === undefined) return unknownFlag(subcommand, written)
    return Either.right([{ flag, attached: equals < 0 ? undefined : word.slice(equals + 1), written }])
  }
  const found: Array<Found> = []
  for (const letter of word.slice(1)) {
    const flag = flags.find((candidate) => candidate.short === letter)
    if (flag === undefined) return unknownFlag(subcommand, found.length === 0 ? word : `-${letter}`)
    if (flag.value !== undefined && word.length > 2) {
      return refuse(`-${letter} takes its value as the next word`, `-${letter} ${flag.value}`)
    }
    found.push({ flag, attached: undefined, written: `-${letter}` })
  }
  return Either.right(found)
}

/**
 * Reads our own words of a line, those before the first `--`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (line: ReadonlyArray<string>): Either.Either<Reading, UsageError> => {
  const [first, ...rest] = line
  if (first === undefined) return refuse("no command was given", "bottle run -- COMMAND, or bottle --help")
  if (first === "--version") return Either.right({ _tag: "Version" })
  if (first === "--help" || first === "-h") return Either.right({ _tag: "Help", subcommand: null })
  const subcommand = Flags.subcommands.find((name) => name === first)
  if (subcommand === undefined) {
    const shown = Printable.line(first, 64)
    if (first.startsWith("-")) return refuse(`unknown flag ${shown}`, "name the command first: bottle run ...")
    const meant = nearest(first, Flags.subcommands)
    return refuse(
      `unknown command "${shown}"`,
      meant === undefined ? `to run it in a bottle: bottle run -- ${shown} ...` : `bottle ${meant}`
    )
  }
  if (rest.some((word) => word === "--help" || word === "-h")) return Either.right({ _tag: "Help", subcommand })
  return readFlags(subcommand, rest)
}

const readFlags = (subcommand: Flags.Subcommand, rest: ReadonlyArray<string>): Either.Either<Reading, UsageError> => {
  const given: Array<Given> = []
  const seen = new Map<string, string>()
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at] ?? ""
    if (!word.startsWith("-") || word === "-") return positional(subcommand, word)
    const found = findFlags(subcommand, word)
    if (Either.isLeft(found)) return Either.left(found.left)
    for (const { attached, flag, written } of found.right) {
      const earlier = seen.get(flag.name)
      if (earlier !== undefined && flag.repeated !== true) {
        return refuse(`--${flag.name} was given twice`, `give --${flag.name} once`)
      }
      seen.set(flag.name, written)
      if (flag.value === undefined) {
        if (attached !== undefined) return refuse(`${written} takes no value`, `${written} alone`)
        given.push({ name: flag.name, value: null })
        continue
      }
      const value = attached ?? rest[++at]
      const needed = readValue(flag, written, value)
      if (Either.isLeft(needed)) return Either.left(needed.left)
      given.push({ name: flag.name, value: needed.right })
    }
  }
  return Either.right({ _tag: "Command", subcommand, given })
}

const readValue = (flag: Flags.Flag, written: string, value: string | undefined): Either.Either<string, UsageError> => {
  if (value === undefined || value === "") return refuse(`${written} needs a value`, `${written} ${flag.value}`)
  if (value.startsWith("-")) {
    const shown = flag.name === "env" ? "a flag" : Printable.line(value, 64)
    return refuse(`${written} needs a value, and ${shown} follows`, `${written} ${flag.value}`)
  }
  if (flag.choices !== undefined && !flag.choices.includes(value)) {
    const meant = nearest(value, flag.choices) ?? flag.choices.join(` or ${written} `)
    return refuse(`${written} does not take "${Printable.line(value, 64)}"`, `${written} ${meant}`)
  }
  return Either.right(value)
}
