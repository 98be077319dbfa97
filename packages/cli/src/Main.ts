/**
 * The program without its bin: a command line in, an exit code out.
 *
 * @since 0.1.0
 */
import type { Bottles } from "@bottle/engine/Bottles"
import type { Runtimes } from "@bottle/engine/Runtimes"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as BottlesLayer from "./BottlesLayer.js"
import * as Commands from "./Commands.js"
import { attach } from "./commands/Attach.js"
import { cleanup } from "./commands/Cleanup.js"
import { commit } from "./commands/Commit.js"
import { cp } from "./commands/Cp.js"
import { doctor } from "./commands/Doctor.js"
import { down } from "./commands/Down.js"
import { exec } from "./commands/Exec.js"
import { inspect } from "./commands/Inspect.js"
import { logs } from "./commands/Logs.js"
import { ls } from "./commands/Ls.js"
import { plan } from "./commands/Plan.js"
import * as PolicyCommand from "./commands/Policy.js"
import { prune } from "./commands/Prune.js"
import { run } from "./commands/Run.js"
import { shell } from "./commands/Shell.js"
import { up } from "./commands/Up.js"
import { wait } from "./commands/Wait.js"
import { ExitStatus } from "./ExitStatus.js"
import * as Failure from "./Failure.js"
import { formatOf } from "./FlagValues.js"
import * as Help from "./Help.js"
import { Invocation } from "./Invocation.js"
import * as BottleRequest from "./requests/BottleRequest.js"
import * as CleanupRequest from "./requests/CleanupRequest.js"
import * as CommitRequest from "./requests/CommitRequest.js"
import * as CpRequest from "./requests/CpRequest.js"
import * as DownRequest from "./requests/DownRequest.js"
import * as ExecRequest from "./requests/ExecRequest.js"
import * as ListRequest from "./requests/ListRequest.js"
import * as LogsRequest from "./requests/LogsRequest.js"
import * as PruneRequest from "./requests/PruneRequest.js"
import * as UpRequest from "./requests/UpRequest.js"
import * as RunRequest from "./RunRequest.js"
import * as Stdio from "./Stdio.js"
import * as Tail from "./Tail.js"
import * as Told from "./Told.js"
import type { UsageError } from "./UsageError.js"
import { VERSION } from "./Version.js"
import * as Words from "./Words.js"

/** Everything that a command needs from outside. */
type Outside = Invocation | Stdio.Stdio | CommandExecutor | FileSystem

/** The subcommands whose standard output is a command's own. */
const passing: ReadonlySet<string> = new Set(["run", "exec", "shell", "attach"])

/** How a line that cannot be read is answered: by what it seems to ask for. */
const mannerOf = (words: ReadonlyArray<string>): Told.Manner => {
  const isJson = words.some((word, at) => word === "--format=json" || (word === "--format" && words[at + 1] === "json"))
  const isOurs = !passing.has(words[0] ?? "") || words.includes("--dry-run")
  return { format: isJson ? "json" : "text", jsonOn: isOurs ? "stdout" : "stderr" }
}

const refuse = (error: UsageError, manner: Told.Manner): Effect.Effect<number, never, Stdio.Stdio> =>
  Effect.as(Told.tell(Failure.fromError(error), manner), ExitStatus.usage)

const execute = (
  parsed: Commands.Parsed,
  tail: ReadonlyArray<string> | null,
  manner: Told.Manner
): Effect.Effect<number, never, Outside> =>
  Effect.gen(function* () {
    const invocation = yield* Invocation
    /** Does what a line asks for, or says why it asks for nothing that can be done. */
    const answer = <A, R>(
      request: Either.Either<A, UsageError>,
      command: (request: A) => Effect.Effect<number, never, R>
    ): Effect.Effect<number, never, R | Outside> =>
      Either.match(request, { onLeft: (error) => refuse(error, manner), onRight: command })
    /** As `answer`, for what is about bottles of other processes. */
    const answerOf = <A>(
      request: Either.Either<A, UsageError>,
      command: (request: A) => Effect.Effect<number, never, Outside | Bottles | Runtimes>
    ): Effect.Effect<number, never, Outside> => Effect.provide(answer(request, command), BottlesLayer.layer)
    switch (parsed._tag) {
      case "Run":
        return yield* answer(RunRequest.make(parsed.flags, tail, invocation), parsed.dryRun ? plan : run)
      case "Plan":
        return yield* answer(RunRequest.make(parsed.flags, tail, invocation), plan)
      case "Up": {
        const request = UpRequest.make(parsed.flags, tail, invocation)
        return yield* parsed.dryRun ? answer(request, ({ launch }) => plan(launch)) : answerOf(request, up)
      }
      case "Exec":
        return yield* answerOf(ExecRequest.make(parsed.flags, tail ?? [], invocation), exec)
      case "Shell":
        return yield* answerOf(ExecRequest.makeShell(parsed.flags, invocation), shell)
      case "Commit":
        return yield* answerOf(CommitRequest.make(parsed.flags, invocation), commit)
      case "Attach":
        return yield* answerOf(BottleRequest.makeAttach(parsed.flags), attach)
      case "Cp":
        return yield* answerOf(CpRequest.make(parsed.flags, invocation), cp)
      case "Logs":
        return yield* answer(LogsRequest.make(parsed.flags), logs)
      case "Ls":
        return yield* answerOf(Either.right(ListRequest.make(parsed.flags)), ls)
      case "Inspect":
        return yield* answerOf(BottleRequest.makeInspect(parsed.flags), inspect)
      case "Down":
        return yield* answerOf(DownRequest.make(parsed.flags), down)
      case "Wait":
        return yield* answerOf(BottleRequest.makeWait(parsed.flags), wait)
      case "Prune":
        return yield* answer(PruneRequest.make(parsed.flags), prune)
      case "Cleanup":
        return yield* answerOf(Either.right(CleanupRequest.make(parsed.flags)), cleanup)
      case "Doctor": {
        const { format, runtime } = parsed.flags
        return yield* doctor({ runtime: Option.getOrNull(runtime), format: formatOf(format) })
      }
      case "PolicyCheck":
        return yield* PolicyCommand.check(PolicyCommand.checkRequest(parsed.flags))
      case "PolicyExplain":
        return yield* answer(PolicyCommand.explainRequest(parsed.flags), PolicyCommand.explain)
    }
  })

/**
 * Runs a command line and gives the exit code. It fails by its exit code only.
 *
 * @since 0.1.0
 * @category constructors
 */
export const main: Effect.Effect<number, never, Outside> = Effect.gen(function* () {
  const { argv } = yield* Invocation
  const { tail, words } = Tail.split(argv)
  const manner = mannerOf(words)
  const reading = Words.read(words, tail)
  if (Either.isLeft(reading)) return yield* refuse(reading.left, manner)
  switch (reading.right._tag) {
    case "Version":
      return yield* print(VERSION)
    case "Help":
      return yield* print(Help.render(reading.right.subcommand))
    case "Command":
      return yield* Commands.parse(reading.right).pipe(
        Effect.flatMap((parsed) => execute(parsed, tail, manner)),
        Effect.catchAllCause((cause) => Told.failWith(cause, manner))
      )
  }
})

const print = (text: string): Effect.Effect<number, never, Stdio.Stdio> =>
  Stdio.outputText(text).pipe(
    Effect.as<number>(ExitStatus.success),
    Effect.orElseSucceed(() => ExitStatus.outputClosed)
  )
