/**
 * smolvm's command line, per release line, parsed as strictly as smolvm itself does.
 *
 * The data are smolvm's own argument definitions, read at each public tag (`grammar/contract.json`); the rules are
 * clap's. It serves two sides: tests hold every argv that this package builds against it, and a program that speaks
 * smolvm's command line parses with it.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { contract } from "./internal/contract.js"
import type { Definition, Dialect, Option, Positional } from "./internal/contractTypes.js"
import { refusal } from "./internal/valueTypes.js"
import type { Line } from "./Line.js"

export {
  /**
   * @since 0.1.0
   * @category models
   */
  type Line,
  /**
   * @since 0.1.0
   * @category constants
   */
  lines
} from "./Line.js"

/**
 * A command line that smolvm would accept.
 *
 * @since 0.1.0
 * @category models
 */
export interface Invocation {
  /** The canonical subcommand, aliases resolved: `machine create`; for `special` also a group, or `""` for the root. */
  readonly command: string
  /** Values by long name (`--env`), in the order given; more than one only where the option may be repeated. */
  readonly options: ReadonlyMap<string, ReadonlyArray<string>>
  /** Flags given, by long name (`--net`). */
  readonly flags: ReadonlySet<string>
  /** Positional values that are not the trailing command, in order. */
  readonly positionals: ReadonlyArray<string>
  /** The words of the command that the machine is to run. */
  readonly trailing: ReadonlyArray<string>
  /** Set where the line asks for text instead of work: smolvm prints it on stdout and exits 0. */
  readonly special?: "version" | "help"
}

/**
 * A command line that smolvm refuses: exit code 2, and `stderr` as the text.
 *
 * @since 0.1.0
 * @category errors
 */
export class UsageError extends Schema.TaggedError<UsageError>("@bottle/smolvm/UsageError")("UsageError", {
  /** What is wrong, in clap's words, without the leading `error: `. */
  problem: Schema.String,
  /** The arguments that `problem` speaks of, where clap lists them on lines of their own. */
  details: Schema.Array(Schema.String),
  /** The subcommand's usage: `smolvm machine delete [OPTIONS] <NAME>`. */
  usage: Schema.String
}) {
  /** The problem on one line, as clap begins it. */
  override get message(): string {
    return `error: ${[this.problem, ...this.details].join(" ")}`
  }

  /** The whole text as clap writes it to stderr. */
  get stderr(): string {
    const details = this.details.map((detail) => `\n  ${detail}`).join("")
    return `error: ${this.problem}${details}\n\nUsage: ${this.usage}\n\nFor more information, try '--help'.\n`
  }

  /** What to do next. */
  get suggestion(): string {
    return `Usage: ${this.usage}`
  }
}

/**
 * Parses the arguments after the program's name as the smolvm of a release line does.
 *
 * Only `machine` and `pack` subcommands are known; every other subcommand is refused as unrecognized.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (line: Line, argv: ReadonlyArray<string>): Either.Either<Invocation, UsageError> => {
  const dialect = contract.dialects[line]
  let path = ""
  for (let index = 0; ; index++) {
    const word = argv[index]
    const definition = definitionOf(dialect, path)
    if (definition !== undefined) return parseArguments(path, definition, argv.slice(index))
    const usage = groupUsage(path)
    if (word === undefined) {
      return refuse(usage, `'${programWords(path)}' requires a subcommand but one was not provided`)
    }
    if (word === "--help" || word.startsWith("-h")) return Either.right(special("help", path))
    if (path === "" && (word === "--version" || word.startsWith("-V"))) return Either.right(special("version", path))
    if (word.startsWith("-")) return refuse(usage, `unexpected argument '${shown(word)}' found`)
    if (word === "help") return helpFor(dialect, path, argv.slice(index + 1))
    const next = step(dialect, path, word)
    if (next === undefined) return refuse(usage, `unrecognized subcommand '${word}'`)
    path = next
  }
}

/**
 * What `--help` prints for a subcommand (`machine create`), a group (`machine`) or the root (`""`) of a release line.
 * Hidden options are left out, as smolvm leaves them out. `undefined` for a subcommand that the line does not have.
 *
 * @since 0.1.0
 * @category rendering
 */
export const help = (line: Line, command: string): string | undefined => {
  const dialect = contract.dialects[line]
  const definition = definitionOf(dialect, command)
  if (definition !== undefined) return commandHelp(command, definition)
  if (command !== "" && !(command in dialect.groups)) return undefined
  const depth = command === "" ? 0 : command.split(" ").length
  const below = [...Object.keys(dialect.groups), ...Object.keys(dialect.commands)].filter(
    (name) => (command === "" || name.startsWith(`${command} `)) && name.split(" ").length === depth + 1
  )
  const commands = [...below.map((name) => name.split(" ").at(-1) ?? ""), "help"].map((name) => `  ${name}\n`)
  const version = command === "" ? "  -V, --version  Print version\n" : ""
  return `Usage: ${groupUsage(command)}\n\nCommands:\n${commands.join("")}\nOptions:\n  -h, --help  Print help\n${version}`
}

/** What one scan of the arguments has found. */
interface Found {
  /** Long names in the order given: clap speaks of the first one that conflicts. */
  readonly order: Set<string>
  readonly options: Map<string, Array<string>>
  readonly flags: Set<string>
  readonly positionals: Array<string>
  readonly trailing: Array<string>
}

type Refusal = Either.Either<never, UsageError>

const parseArguments = (
  command: string,
  definition: Definition,
  argv: ReadonlyArray<string>
): Either.Either<Invocation, UsageError> => {
  const usage = commandUsage(command, definition)
  const found: Found = { order: new Set(), options: new Map(), flags: new Set(), positionals: [], trailing: [] }
  let escaped = false
  let index = 0
  while (index < argv.length) {
    const word = argv[index++] ?? ""
    if (!escaped && word === "--") {
      escaped = true
    } else if (!escaped && word.startsWith("-") && word !== "-") {
      const given = word.startsWith("--") ? readLong(definition, word) : readShorts(definition, word)
      for (const item of given) {
        if (item === "help") return Either.right(special("help", command))
        const problem = accept(definition, found, item, argv[index])
        if (typeof problem === "string") return refuse(usage, problem)
        if (problem.tookNext) index++
      }
    } else {
      const slot = slotFor(definition, found, escaped)
      if (slot === undefined) return refuse(usage, `unexpected argument '${word}' found`)
      if (slot.trailing || slot.requiresDoubleDash) {
        found.trailing.push(word, ...argv.slice(index))
        break
      }
      found.positionals.push(word)
    }
  }
  return verify(command, definition, found)
}

/** One option as it stands on the line, before its value is known. */
interface Given {
  readonly option: Option | undefined
  readonly word: string
  readonly attached: string | undefined
}

const readLong = (definition: Definition, word: string): ReadonlyArray<Given | "help"> => {
  const at = word.indexOf("=")
  const long = at < 0 ? word : word.slice(0, at)
  if (long === "--help" && at < 0) return ["help"]
  const option = definition.options.find((candidate) => candidate.long === long)
  return [{ option, word: long, attached: at < 0 ? undefined : word.slice(at + 1) }]
}

const readShorts = (definition: Definition, word: string): ReadonlyArray<Given | "help"> => {
  const given: Array<Given | "help"> = []
  const letters = Array.from(word.slice(1))
  for (const [index, letter] of letters.entries()) {
    const short = `-${letter}`
    const option = byShort(definition, short)
    if (option === undefined && short === "-h") return [...given, "help"]
    if (option === undefined) return [...given, { option, word: short, attached: undefined }]
    if (option.type !== "flag") {
      const rest = letters.slice(index + 1).join("")
      const attached = rest.startsWith("=") ? rest.slice(1) : rest === "" ? undefined : rest
      return [...given, { option, word: short, attached }]
    }
    given.push({ option, word: short, attached: undefined })
  }
  return given
}

const byShort = (definition: Definition, short: string): Option | undefined =>
  definition.options.find((option) => option.short === short || option.shortAliases?.includes(short) === true)

/** Takes one option into `found`, or says in clap's words why not. */
const accept = (
  definition: Definition,
  found: Found,
  { attached, option, word }: Given,
  next: string | undefined
): string | { readonly tookNext: boolean } => {
  if (option === undefined) return `unexpected argument '${word}' found`
  const name = display(option)
  found.order.add(option.long)
  if (option.type === "flag") {
    if (attached !== undefined) return `unexpected value '${attached}' for '${name}' found; no more were expected`
    if (found.flags.has(option.long)) return repeated(name)
    found.flags.add(option.long)
    return { tookNext: false }
  }
  if (attached === undefined && next !== undefined && next.startsWith("-") && next !== "-" && next !== "--") {
    // clap looks at such a word as an option first: an unknown one is what it complains about.
    const unknown = unknownOption(definition, next)
    if (unknown !== undefined) return `unexpected argument '${unknown}' found`
  }
  const value = attached ?? (next === undefined || (next.startsWith("-") && next !== "-") ? undefined : next)
  if (value === undefined) return `a value is required for '${name}' but none was supplied`
  const values = found.options.get(option.long)
  if (values !== undefined && option.repeatable !== true) return repeated(name)
  const reason = refusal(option.type, value)
  if (reason !== undefined) return `invalid value '${value}' for '${name}': ${reason}`
  found.options.set(option.long, [...(values ?? []), value])
  return { tookNext: attached === undefined }
}

const unknownOption = (definition: Definition, word: string): string | undefined => {
  const given = word.startsWith("--") ? readLong(definition, word) : readShorts(definition, word)
  const first = given[0]
  return first === undefined || first === "help" || first.option !== undefined ? undefined : first.word
}

const repeated = (name: string): string => `the argument '${name}' cannot be used multiple times`

/** The positional that takes the next word: after `--` the one that asks for it, else the first that is still free. */
const slotFor = (definition: Definition, found: Found, escaped: boolean): Positional | undefined => {
  const last = definition.positionals.find((positional) => positional.requiresDoubleDash)
  if (escaped && last !== undefined) return last
  const open = definition.positionals.filter((positional) => !positional.requiresDoubleDash)
  return open[found.positionals.length] ?? open.find((positional) => positional.variadic)
}

/** What can only be said once the whole line is known: conflicts first, then what is missing, as clap does. */
const verify = (command: string, definition: Definition, found: Found): Either.Either<Invocation, UsageError> => {
  const usage = commandUsage(command, definition)
  const { flags, options, order, positionals, trailing } = found
  const given = (long: string): boolean => order.has(long)
  const present = [...order].flatMap((long) => definition.options.filter((option) => option.long === long))
  const named = (long: string): string => {
    const option = definition.options.find((candidate) => candidate.long === long)
    return option === undefined ? long : display(option)
  }
  for (const option of present) {
    const against = (option.conflictsWith ?? []).filter(given).map(named)
    const problem = `the argument '${display(option)}' cannot be used with`
    if (against.length === 1) return refuse(usage, `${problem} '${against[0]}'`)
    if (against.length > 1) return refuse(usage, `${problem}:`, against)
  }
  const missing = [
    ...definition.options.filter((option) => isMissing(option, given)).map(display),
    ...present
      .flatMap((option) => option.requires ?? [])
      .filter((long) => !given(long))
      .map(named),
    ...missingPositionals(definition, found)
  ]
  if (missing.length > 0) return refuse(usage, "the following required arguments were not provided:", missing)
  return Either.right({ command, options, flags, positionals, trailing })
}

const isMissing = (option: Option, given: (long: string) => boolean): boolean => {
  if (given(option.long)) return false
  const unless = option.requiredUnlessPresentAny
  return option.required === true || (unless !== undefined && !unless.some(given))
}

const missingPositionals = (definition: Definition, found: Found): ReadonlyArray<string> =>
  definition.positionals
    .filter(
      (positional, index) =>
        positional.required && (positional.trailing ? found.trailing.length === 0 : found.positionals.length <= index)
    )
    .map(displayPositional)

const definitionOf = (dialect: Dialect, path: string): Definition | undefined => {
  const index = Object.hasOwn(dialect.commands, path) ? dialect.commands[path] : undefined
  return index === undefined ? undefined : contract.definitions[index]
}

/** The path one word further, aliases resolved. */
const step = (dialect: Dialect, path: string, word: string): string | undefined => {
  const at = (name: string): string => (path === "" ? name : `${path} ${name}`)
  const exact = at(word)
  if (Object.hasOwn(dialect.commands, exact) || Object.hasOwn(dialect.groups, exact)) return exact
  const group = Object.keys(dialect.groups).find((name) => dialect.groups[name]?.aliases.some((a) => at(a) === exact))
  return (
    group ??
    Object.keys(dialect.commands).find((name) =>
      definitionOf(dialect, name)?.aliases.some((alias) => at(alias) === exact && name.startsWith(`${path} `))
    )
  )
}

const helpFor = (
  dialect: Dialect,
  from: string,
  words: ReadonlyArray<string>
): Either.Either<Invocation, UsageError> => {
  let path = from
  for (const word of words) {
    const next = step(dialect, path, word)
    if (next === undefined) return refuse(groupUsage(path), `unrecognized subcommand '${word}'`)
    path = next
  }
  return Either.right(special("help", path))
}

const special = (kind: "version" | "help", command: string): Invocation => ({
  command,
  options: new Map(),
  flags: new Set(),
  positionals: [],
  trailing: [],
  special: kind
})

const refuse = (usage: string, problem: string, details: ReadonlyArray<string> = []): Refusal =>
  Either.left(new UsageError({ problem, details, usage }))

const shown = (word: string): string => (word.startsWith("--") ? (word.split("=")[0] ?? word) : word.slice(0, 2))

const programWords = (path: string): string => (path === "" ? "smolvm" : `smolvm ${path}`)

const groupUsage = (path: string): string => `${programWords(path)} <COMMAND>`

const commandUsage = (command: string, definition: Definition): string =>
  [
    programWords(command),
    "[OPTIONS]",
    ...requiredOptions(definition),
    ...definition.positionals.map(usagePositional)
  ].join(" ")

const requiredOptions = (definition: Definition): ReadonlyArray<string> =>
  definition.options.filter((option) => option.required === true).map(display)

const usagePositional = (positional: Positional): string =>
  positional.requiresDoubleDash ? `[-- <${positional.name}>...]` : displayPositional(positional)

const displayPositional = ({ name, required, variadic }: Positional): string =>
  `${required ? `<${name}>` : `[${name}]`}${variadic ? "..." : ""}`

const display = (option: Option): string =>
  option.type === "flag" ? option.long : `${option.long} <${option.value ?? "VALUE"}>`

const commandHelp = (command: string, definition: Definition): string => {
  const positionals = definition.positionals.map((positional) => `  ${displayPositional(positional)}\n`)
  const options = definition.options
    .filter((option) => option.hidden !== true)
    .map((option) => `  ${option.short === undefined ? "   " : `${option.short},`} ${display(option)}\n`)
  const args = positionals.length === 0 ? "" : `\nArguments:\n${positionals.join("")}`
  return `Usage: ${commandUsage(command, definition)}\n${args}\nOptions:\n${options.join("")}  -h, --help\n`
}
