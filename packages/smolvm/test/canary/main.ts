/** Whether the grammar data still say what an installed smolvm's help says. */
import * as Capture from "@bottle/process/Capture"
import * as Environment from "@bottle/process/Environment"
import * as Executor from "@bottle/process/Executor"
import { printable } from "@bottle/process/Text"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fs from "node:fs"
import { parseArgs } from "node:util"
import * as Capabilities from "../../src/Capabilities.js"
import * as Line from "../../src/Line.js"
import * as Drift from "./drift.js"

const TIMEOUT_MILLIS = 15_000
/** Many times the longest help. */
const CAP_BYTES = 1024 * 1024
/** Many times what any release has. */
const SUBCOMMANDS_MAX = 200

const USAGE = `usage: pnpm canary [--program PATH]

Compares what an installed smolvm says in its --help with the grammar data of its version.
Exit code 0: they agree. 1: they do not; what to change in packages/smolvm/src/grammar/contract.json is
printed as JSON. 2: they could not be compared.
`

type Asked<A> = Effect.Effect<A, string, CommandExecutor>

const run = (program: string, args: ReadonlyArray<string>): Asked<Capture.Captured> =>
  Effect.flatMap(Environment.childDefault, (env) =>
    Capture.capture(
      // No colours, and lines that are not broken.
      { program, args, env: { ...env, NO_COLOR: "1", COLUMNS: "200" } },
      { timeoutMillis: TIMEOUT_MILLIS, capBytes: CAP_BYTES }
    )
  ).pipe(Effect.mapError((error) => `${program} ${args.join(" ")}: ${error.message}`))

const askVersion = (program: string): Asked<string> =>
  Effect.flatMap(run(program, ["--version"]), (captured) => {
    const version = captured.exit.code === 0 ? Capabilities.parseVersion(Capture.stdoutText(captured)) : undefined
    if (version === undefined) return Effect.fail(`${program} --version does not say smolvm and a version`)
    return Line.compare(version, "0.8.0") < 0
      ? Effect.fail(`${program} is version ${version}: the data begin with 0.8.0`)
      : Effect.succeed(version)
  })

/** The help of a group or subcommand; none where its words are refused. */
const askHelp = (program: string, command: string): Asked<ReadonlyArray<readonly [string, string]>> =>
  Effect.flatMap(run(program, [...command.split(" "), "--help"]), (captured) => {
    const { code, signal } = captured.exit
    if (code === 0 && signal === null) return Effect.succeed([[command, Capture.stdoutText(captured)] as const])
    return code === 2 && signal === null
      ? Effect.succeed([])
      : Effect.fail(`${program} ${command} --help failed: ${signal ?? `exit code ${code}`}`)
  })

const askAll = (program: string, commands: ReadonlyArray<string>): Asked<Record<string, string>> =>
  Effect.map(
    Effect.forEach(commands, (command) => askHelp(program, command), { concurrency: 4 }),
    (answers) => Object.fromEntries(answers.flat())
  )

const compare = (program: string): Asked<Drift.Drift> =>
  Effect.gen(function* () {
    const version = yield* askVersion(program)
    const ofGroups = yield* askAll(program, Drift.groups)
    const lacking = Drift.groups.filter((group) => ofGroups[group] === undefined)
    if (lacking.length > 0) return yield* Effect.fail(`${program} has no help of its own for ${lacking.join(", ")}`)
    const commands = Drift.asked(ofGroups)
    if (commands.length > SUBCOMMANDS_MAX) return yield* Effect.fail(`${program} lists ${commands.length} subcommands`)
    return Drift.of({ version, help: { ...ofGroups, ...(yield* askAll(program, commands)) } })
  })

const read = (
  argv: ReadonlyArray<string>
): Either.Either<{ readonly program: string; readonly help: boolean }, string> =>
  Either.map(
    Either.try({
      try: () =>
        parseArgs({
          args: [...argv],
          options: { program: { type: "string", default: "smolvm" }, help: { type: "boolean", default: false } }
        }),
      catch: String
    }),
    ({ values }) => values
  )

const say = (text: string): number => Fs.writeSync(2, `${printable(text)}\n`)

const main = (argv: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.gen(function* () {
    const asked = read(argv)
    if (Either.isLeft(asked) || asked.right.help) {
      const isAsked = Either.isRight(asked)
      Fs.writeSync(isAsked ? 1 : 2, isAsked ? USAGE : `${printable(asked.left)}\n${USAGE}`)
      return isAsked ? 0 : 2
    }
    const compared = yield* Effect.either(compare(asked.right.program))
    if (Either.isLeft(compared)) {
      say(compared.left)
      return 2
    }
    const drift = compared.right
    if (Drift.isNone(drift)) {
      say(`smolvm ${drift.version}: its help says what the data say`)
      return 0
    }
    Fs.writeSync(1, `${JSON.stringify(drift, null, 2)}\n`)
    say(
      `smolvm ${drift.version}: its help is not what the data say. \`delta\` belongs into grammarDeltasAllTags, ` +
        `\`commands\` into the commands of a line. A help names no types: look up the type of each value.`
    )
    return 1
  }).pipe(Effect.provide(Executor.layer))

process.exitCode = await Effect.runPromise(main(process.argv.slice(2)))
