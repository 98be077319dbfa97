import * as Capabilities from "@bottle/smolvm/Capabilities"
import * as Grammar from "@bottle/smolvm/Grammar"
import * as Line from "@bottle/smolvm/Line"
import * as Either from "effect/Either"

/** A release of smolvm: what it parses, and since when it does what. */
export interface Release {
  readonly version: string
  readonly line: Line.Line
  /** Whether it is that version or a newer one. */
  readonly since: (version: string) => boolean
  readonly parse: (args: ReadonlyArray<string>) => Either.Either<Grammar.Invocation, Grammar.UsageError>
  readonly help: (command: string) => string
}

export const make = (version: string): Release => {
  const line = Line.ofVersion(version)
  const since = (first: string): boolean => Line.compare(version, first) >= 0
  const grammar = grammarOf(version)
  const { options } = Capabilities.fromVersion(version)
  const isBetween = since("1.0.0") && !since("1.0.2")
  return {
    version,
    line,
    since,
    parse: (args) => {
      const written = isBetween ? withNameOptions(args) : args
      if (Either.isEither(written)) return written
      return Either.flatMap(Grammar.parse(grammar, written), (invocation) => {
        const { command } = invocation
        if (invocation.special !== undefined || grammar === line) return Either.right(invocation)
        const known = Object.hasOwn(options, command) ? options[command] : undefined
        if (known === undefined) return refuse(command, `unrecognized subcommand '${command.split(" ").at(-1) ?? ""}'`)
        const given = [...invocation.options.keys(), ...invocation.flags]
        const renamed: ReadonlyArray<string> = isBetween ? (nameOptions[command] ?? []) : []
        const unknown = given.find((long) => !known.includes(long) && !renamed.includes(long))
        return unknown === undefined
          ? Either.right(invocation)
          : refuse(command, `unexpected argument '${unknown}' found`)
      })
    },
    help: (command) => Grammar.help(grammar, command) ?? ""
  }
}

const refuse = (command: string, problem: string): Either.Either<never, Grammar.UsageError> =>
  Either.left(new Grammar.UsageError({ problem, details: [], usage: `smolvm ${command} [OPTIONS]` }))

/**
 * The grammar that a version is parsed by. Between two lines, that of the newer one, less what came after the version:
 * options were only added there, but for the names, which became options at 1.0.2.
 */
const grammarOf = (version: string): Line.Line => {
  const line = Line.ofVersion(version)
  if (Line.compare(version, "1.0.0") < 0 || Line.compare(version, line) <= 0) return line
  return Line.lines.find((candidate) => Line.compare(candidate, version) >= 0) ?? Line.newest
}

/** The options that took the place of positionals at 1.0.2, in the order of those. */
const nameOptions: Readonly<Record<string, ReadonlyArray<string>>> = {
  "machine create": ["--name"],
  "machine delete": ["--name"],
  "machine update": ["--name"],
  "machine data-dir": ["--name"],
  "machine fork": ["--golden", "--name"]
}

/**
 * A line of 1.0.0 or 1.0.1, whose own grammar is in no data, as 1.0.4 writes it: names as options, the command behind
 * `--`.
 */
const withNameOptions = (
  args: ReadonlyArray<string>
): ReadonlyArray<string> | Either.Either<never, Grammar.UsageError> => {
  const command = `machine ${args[1] === "rm" ? "delete" : (args[1] ?? "")}`
  const names = args[0] === "machine" || args[0] === "vm" ? nameOptions[command] : undefined
  if (names === undefined) return args
  const end = args.indexOf("--")
  const own = end < 0 ? args : args.slice(0, end)
  const early = own.find((word) => names.some((name) => word === name || word.startsWith(`${name}=`)) || word === "-n")
  if (early !== undefined) return refuse(command, `unexpected argument '${early.split("=")[0] ?? ""}' found`)
  const named = names.reduce<ReadonlyArray<string>>((written, name) => {
    const at = firstPositional(written)
    return at === undefined
      ? written
      : [...written.slice(0, at), `${name}=${written[at] ?? ""}`, ...written.slice(at + 1)]
  }, args)
  const at = command === "machine create" ? firstPositional(named) : undefined
  return at === undefined ? named : [...named.slice(0, at), "--", ...named.slice(at)]
}

/** Where the first word is that 1.0.4 has no place for, which is none of an option's. */
const firstPositional = (args: ReadonlyArray<string>): number | undefined => {
  const end = args.includes("--") ? args.indexOf("--") : args.length
  const isPositional = (word: string, at: number) => {
    const parsed = Grammar.parse("1.0.4", args.slice(0, at + 1))
    return (
      Either.isLeft(parsed) && !word.startsWith("-") && parsed.left.problem === `unexpected argument '${word}' found`
    )
  }
  const found = args.slice(0, end).findIndex((word, at) => at > 1 && isPositional(word, at))
  return found < 0 ? undefined : found
}
