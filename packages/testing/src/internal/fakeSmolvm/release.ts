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
  const grammar = grammarOf(version)
  const { options } = Capabilities.fromVersion(version)
  return {
    version,
    line,
    since: (first) => Line.compare(version, first) >= 0,
    parse: (args) =>
      Either.flatMap(Grammar.parse(grammar, args), (invocation) => {
        const { command } = invocation
        if (invocation.special !== undefined || grammar === line) return Either.right(invocation)
        const known = Object.hasOwn(options, command) ? options[command] : undefined
        const usage = `smolvm ${command} [OPTIONS]`
        if (known === undefined) {
          const word = command.split(" ").at(-1) ?? ""
          return Either.left(
            new Grammar.UsageError({ problem: `unrecognized subcommand '${word}'`, details: [], usage })
          )
        }
        const given = [...invocation.options.keys(), ...invocation.flags]
        const unknown = given.find((long) => !known.includes(long))
        return unknown === undefined
          ? Either.right(invocation)
          : Either.left(
              new Grammar.UsageError({ problem: `unexpected argument '${unknown}' found`, details: [], usage })
            )
      }),
    help: (command) => Grammar.help(grammar, command) ?? ""
  }
}

/**
 * The grammar that a version is parsed by. Between two lines, that of the newer one, less what came after the version:
 * options were only added there, but for the step from 1.0.1 to 1.0.2, which the range of 1.0.4 covers.
 */
const grammarOf = (version: string): Line.Line => {
  const line = Line.ofVersion(version)
  if (Line.compare(version, "1.0.2") < 0 || Line.compare(version, line) <= 0) return line
  return Line.lines.find((candidate) => Line.compare(candidate, version) >= 0) ?? Line.newest
}
