/**
 * The strict reading of a command line. The parser behind it takes unknown and repeated flags for arguments and guesses
 * at the rest; here each word is a known flag, the value of one, or an error that says what to write instead.
 *
 * @since 0.1.0
 */
import * as Nearest from "@bottle/egress/Nearest"
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
 * A command that was read: `operands` are as many as it takes, in their order; `tail` is the guest's command.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommandRead {
  readonly _tag: "Command"
  readonly subcommand: Flags.Subcommand
  readonly operands: ReadonlyArray<string>
  readonly given: ReadonlyArray<Given>
  readonly tail: ReadonlyArray<string> | null
}

/**
 * A line that was read: what it asks for, and each flag in its order.
 *
 * @since 0.1.0
 * @category models
 */
export type Reading =
  | { readonly _tag: "Version"; readonly format: "text" | "json" }
  | { readonly _tag: "Help"; readonly subcommand: Flags.Subcommand | null; readonly group?: string }
  | CommandRead

const refuse = (problem: string, advice: string): Either.Either<never, UsageError> =>
  Either.left(new UsageError({ problem, advice }))

const nearest = (text: string, candidates: ReadonlyArray<string>): string | undefined =>
  Nearest.nearest(text.toLowerCase(), candidates)

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
  out: "output",
  "older-than": "older",
  net: "allow"
}

// The commands of docker and its kind, and what they are here.
const otherCommands: Readonly<Record<string, string>> = {
  ps: "ls",
  list: "ls",
  start: "up",
  create: "up",
  stop: "down",
  kill: "down",
  rm: "down",
  delete: "down",
  enter: "shell",
  gc: "prune",
  clean: "cleanup",
  version: "--version"
}

/** How a subcommand is written with all that it needs. */
const formOf = (subcommand: Flags.Subcommand): string => {
  const needed = Flags.needed[subcommand]
  return [
    `bottle ${subcommand}`,
    ...Flags.operands[subcommand].map(({ many, name }) => (many === true ? `${name} ...` : name)),
    ...(needed === undefined ? [] : [`--${needed.name} ${needed.value}`])
  ].join(" ")
}

const unknownFlag = (subcommand: Flags.Subcommand, word: string): Either.Either<never, UsageError> => {
  const name = word.replace(/^-+/, "")
  if (subcommand === "run" && (name === "detach" || name === "d")) {
    return refuse(`unknown flag ${word}`, "bottle up [flags] leaves a bottle running in the background")
  }
  if (subcommand === "plan" && word === `--${Flags.dryRun.name}`) {
    return refuse(`unknown flag ${word}`, "leave it out: bottle plan creates nothing")
  }
  if (subcommand === "cp" && (name === "r" || name === "R" || name === "a" || name === "recursive")) {
    return refuse(`unknown flag ${word}`, "leave it out: directories are copied with all that is in them")
  }
  const names = Flags.bySubcommand[subcommand].map((flag) => flag.name)
  const known = Object.hasOwn(otherNames, name) ? otherNames[name] : undefined
  const own = Flags.tails[subcommand] === "none" ? "" : "; the guest's own go after --"
  const advice = `${helpOf(subcommand)} lists the flags${own}`
  const meant = known !== undefined && names.includes(known.split(" ")[0] ?? "") ? known : undefined
  const near = nearest(name, names)
  return refuse(
    `unknown flag ${Printable.line(word, 64)}`,
    // A flag of another command is not a misspelt one of this.
    meant !== undefined ? `--${meant}` : (elsewhere(word) ?? (near === undefined ? advice : `--${near}`))
  )
}

/** Which of the commands that launch or run something have the flag. */
const elsewhere = (word: string): string | undefined => {
  const others = (["run", "up", "exec"] as const).filter((subcommand) =>
    Flags.bySubcommand[subcommand].some(({ name, short }) => word === `--${name}` || word === `-${short}`)
  )
  const shown = others.map((subcommand) => `bottle ${subcommand}`).join(" and ")
  return others.length === 0 ? undefined : `${shown} ${others.length === 1 ? "has" : "have"} it`
}

const positional = (subcommand: Flags.Subcommand, word: string): Either.Either<never, UsageError> => {
  const shown = Printable.line(word, 64)
  const operands = Flags.operands[subcommand]
  const meant = nearest(
    word,
    Flags.bySubcommand[subcommand].map((flag) => flag.name)
  )
  // Behind an operand a word is the guest's more often than a flag without its dashes.
  if (meant !== undefined && (operands.length === 0 || Flags.tails[subcommand] === "none")) {
    return refuse(`unexpected word "${shown}"`, `--${meant}, if that is what you mean`)
  }
  if (Flags.tails[subcommand] === "none") {
    return refuse(
      `unexpected word "${shown}"`,
      `${formOf(subcommand)} ${operands.length === 0 ? "takes flags only" : "takes no other word"}`
    )
  }
  return refuse(
    `unexpected word "${shown}" before --`,
    `the command goes after --: ${formOf(subcommand)} [flags] -- ${shown} ...`
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
 * Reads a line: our own words, those before the first `--`, and the guest's after it, null without a `--`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (
  line: ReadonlyArray<string>,
  tail: ReadonlyArray<string> | null = null
): Either.Either<Reading, UsageError> => {
  const [first, ...rest] = line
  if (first === undefined) return refuse("no command was given", "bottle run -- COMMAND, or bottle --help")
  if (first === "--version") return readVersion(rest)
  if (first === "help") return readHelp(rest)
  if (first === "--help" || first === "-h") return Either.right({ _tag: "Help", subcommand: null })
  if (Flags.subcommands.some((name) => name.startsWith(`${first} `))) return readNested(first, rest, tail)
  const subcommand = Flags.subcommands.find((name) => name === first && !name.includes(" "))
  if (subcommand === undefined) {
    const shown = Printable.line(first, 64)
    if (first.startsWith("-")) return refuse(`unknown flag ${shown}`, "name the command first: bottle run ...")
    const names = Flags.subcommands.map((name) => name.replace(/ .*/, ""))
    const meant = Object.hasOwn(otherCommands, first) ? otherCommands[first] : nearest(first, names)
    return refuse(
      `unknown command "${shown}"`,
      meant === undefined ? `to run it in a bottle: bottle run -- ${shown} ...` : `bottle ${meant}`
    )
  }
  return readRest(subcommand, rest, tail)
}

/** `--version`, and how it is written. */
const readVersion = (rest: ReadonlyArray<string>): Either.Either<Reading, UsageError> => {
  const [word, ...others] = rest
  if (word === undefined) return Either.right({ _tag: "Version", format: "text" })
  const isAttached = word.startsWith("--format=")
  const value = isAttached ? word.slice("--format=".length) : others[0]
  const foreign = isAttached || word === "--format" ? others[isAttached ? 0 : 1] : word
  if (foreign !== undefined) {
    return refuse(
      `unexpected word "${Printable.line(foreign, 64)}"`,
      "bottle --version, or bottle --version --format json"
    )
  }
  return Either.map(readValue(Flags.living.format, "--format", value), (format) => ({
    _tag: "Version",
    format: format === "json" ? "json" : "text"
  }))
}

/** `help` and the words of a command, as many as there are. */
const readHelp = (rest: ReadonlyArray<string>): Either.Either<Reading, UsageError> =>
  rest.every(isHelp)
    ? Either.right({ _tag: "Help", subcommand: null })
    : read([...rest.filter((word) => !isHelp(word)), "--help"])

const isHelp = (word: string): boolean => word === "--help" || word === "-h"

const readRest = (
  subcommand: Flags.Subcommand,
  rest: ReadonlyArray<string>,
  tail: ReadonlyArray<string> | null
): Either.Either<Reading, UsageError> => {
  if (rest.some(isHelp)) return Either.right({ _tag: "Help", subcommand })
  return Either.flatMap(readFlags(subcommand, rest), ({ given, operands }): Either.Either<Reading, UsageError> => {
    const problem = missing(subcommand, operands, given) ?? wrongTail(subcommand, given, tail)
    return problem ?? Either.right({ _tag: "Command", subcommand, operands, given, tail })
  })
}

/** A subcommand of two words. */
const readNested = (
  group: string,
  rest: ReadonlyArray<string>,
  tail: ReadonlyArray<string> | null
): Either.Either<Reading, UsageError> => {
  const [second = "", ...others] = rest
  if (isHelp(second)) return Either.right({ _tag: "Help", subcommand: null, group })
  const subcommand = Flags.subcommands.find((name) => name === `${group} ${second}`)
  if (subcommand !== undefined) return readRest(subcommand, others, tail)
  const ours = Flags.subcommands.filter((name) => name.startsWith(`${group} `))
  const meant = nearest(`${group} ${second}`, ours)
  const advice = meant === undefined ? ours.map((name) => `bottle ${name}`).join(" or ") : `bottle ${meant}`
  return second === ""
    ? refuse(`bottle ${group} needs to know what to do`, advice)
    : refuse(`unknown command "${group} ${Printable.line(second, 64)}"`, advice)
}

type Refused = Either.Either<never, UsageError>

const isGiven = (given: ReadonlyArray<Given>, name: string): boolean => given.some((flag) => flag.name === name)

/** What is needed and was not given, or was given although a switch stands for it. */
const missing = (
  subcommand: Flags.Subcommand,
  operands: ReadonlyArray<string>,
  given: ReadonlyArray<Given>
): Refused | undefined => {
  const wanted = Flags.operands[subcommand]
  const all = wanted.find(({ unless }) => unless !== undefined && isGiven(given, unless))
  if (all !== undefined) {
    return operands.length === 0
      ? undefined
      : refuse(`--${all.unless} takes no ${all.name}`, `leave out --${all.unless}, or the names`)
  }
  const lacking = wanted[operands.length]
  if (lacking !== undefined) {
    const other = lacking.unless === undefined ? "" : `, or bottle ${subcommand} --${lacking.unless}`
    const tail = Flags.tails[subcommand] === "needed" ? " -- COMMAND" : ""
    const choices = lacking.choices === undefined ? "" : `, which is one of ${lacking.choices.join(", ")}`
    return refuse(`bottle ${subcommand} needs ${lacking.name}${choices}`, `${formOf(subcommand)}${tail}${other}`)
  }
  const flag = Flags.needed[subcommand]
  return flag === undefined || isGiven(given, flag.name)
    ? undefined
    : refuse(`bottle ${subcommand} needs --${flag.name}`, formOf(subcommand))
}

/** A command of the guest where there is none to run, or none where there has to be one. */
const wrongTail = (
  subcommand: Flags.Subcommand,
  given: ReadonlyArray<Given>,
  tail: ReadonlyArray<string> | null
): Refused | undefined => {
  const taken = Flags.tails[subcommand]
  if (taken === "none" && tail !== null) {
    return refuse(`bottle ${subcommand} runs no command of yours`, "leave out -- and what follows it")
  }
  const isEmpty = tail?.[0] === undefined || tail[0] === ""
  if (!isEmpty || isGiven(given, Flags.dryRun.name)) return undefined
  if (isGiven(given, Flags.launch.agent.name)) {
    // An agent has its own command, and asks for a prompt where it is given none.
    return tail === null ? undefined : refuse("no prompt follows --", "leave out --, or write the prompt after it")
  }
  const [first] = Flags.operands[subcommand]
  const form = `bottle ${subcommand} ${first === undefined ? "" : `${first.name} `}[flags] -- COMMAND`
  if (taken === "needed") return refuse("no command was given to run", form)
  return taken === "taken" && tail !== null ? refuse("no command follows --", `leave out --, or ${form}`) : undefined
}

interface Flagged {
  readonly operands: ReadonlyArray<string>
  readonly given: ReadonlyArray<Given>
}

const readFlags = (subcommand: Flags.Subcommand, rest: ReadonlyArray<string>): Either.Either<Flagged, UsageError> => {
  const given: Array<Given> = []
  const operands: Array<string> = []
  const wanted = Flags.operands[subcommand]
  const isFull = () => operands.length >= wanted.length && wanted.at(-1)?.many !== true
  const seen = new Map<string, string>()
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at] ?? ""
    if (!word.startsWith("-") || word === "-") {
      // What `-` would mean is for `cp` to say.
      if (isFull() || word === "" || (word === "-" && subcommand !== "cp")) return positional(subcommand, word)
      operands.push(word)
      continue
    }
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
  return Either.right({ operands, given })
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
