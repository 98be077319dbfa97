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
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Commands from "./Commands.js"
import { ExitStatus } from "./ExitStatus.js"
import * as Failure from "./Failure.js"
import { formatOf } from "./FlagValues.js"
import * as Help from "./Help.js"
import { Invocation } from "./Invocation.js"
import type { ManifestFileError } from "./ManifestFile.js"
import * as ManifestPlace from "./ManifestPlace.js"
import * as BottleRequest from "./requests/BottleRequest.js"
import * as CleanupRequest from "./requests/CleanupRequest.js"
import * as CommitRequest from "./requests/CommitRequest.js"
import * as CpRequest from "./requests/CpRequest.js"
import * as DownRequest from "./requests/DownRequest.js"
import * as ExecRequest from "./requests/ExecRequest.js"
import * as ListRequest from "./requests/ListRequest.js"
import * as LogsRequest from "./requests/LogsRequest.js"
import * as PolicyWatchRequest from "./requests/PolicyWatchRequest.js"
import * as PruneRequest from "./requests/PruneRequest.js"
import * as UpRequest from "./requests/UpRequest.js"
import * as WorkspaceRequest from "./requests/WorkspaceRequest.js"
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

/** A subcommand that is loaded when a line asks for it: most of the time that a short one takes is what it loads. */
const late =
  <Request, R>(load: () => Promise<(request: Request) => Effect.Effect<number, never, R>>) =>
  (request: Request): Effect.Effect<number, never, R> =>
    Effect.flatMap(Effect.promise(load), (command) => command(request))

const attach = late(async () => (await import("./commands/Attach.js")).attach)
const cleanup = late(async () => (await import("./commands/Cleanup.js")).cleanup)
const commit = late(async () => (await import("./commands/Commit.js")).commit)
const cp = late(async () => (await import("./commands/Cp.js")).cp)
const doctor = late(async () => (await import("./commands/Doctor.js")).doctor)
const down = late(async () => (await import("./commands/Down.js")).down)
const exec = late(async () => (await import("./commands/Exec.js")).exec)
const inspect = late(async () => (await import("./commands/Inspect.js")).inspect)
const logs = late(async () => (await import("./commands/Logs.js")).logs)
const ls = late(async () => (await import("./commands/Ls.js")).ls)
const plan = late(async () => (await import("./commands/Plan.js")).plan)
const prune = late(async () => (await import("./commands/Prune.js")).prune)
const run = late(async () => (await import("./commands/Run.js")).run)
const shell = late(async () => (await import("./commands/Shell.js")).shell)
const up = late(async () => (await import("./commands/Up.js")).up)
const wait = late(async () => (await import("./commands/Wait.js")).wait)
const policyWatch = late(async () => (await import("./commands/PolicyWatch.js")).policyWatch)
const diff = late(async () => (await import("./commands/Diff.js")).diff)
const apply = late(async () => (await import("./commands/Apply.js")).apply)
const init = late(async () => (await import("./commands/Init.js")).init)
const config = late(async () => (await import("./commands/Config.js")).config)
const schema = late(async () => (await import("./commands/Schema.js")).schema)
const completion = late(async () => (await import("./commands/Completion.js")).completion)
const versions = Effect.flatten(Effect.promise(async () => (await import("./commands/Versions.js")).versions))
const policy = Effect.promise(() => import("./commands/Policy.js"))

const bottles = Layer.unwrapEffect(Effect.promise(async () => (await import("./BottlesLayer.js")).layer))

/** How a line that cannot be read is answered: by what it seems to ask for. */
const mannerOf = (words: ReadonlyArray<string>): Told.Manner => {
  const isJson = words.some((word, at) => word === "--format=json" || (word === "--format" && words[at + 1] === "json"))
  const isOurs = !passing.has(words[0] ?? "") || words.includes("--dry-run")
  return { format: isJson ? "json" : "text", jsonOn: isOurs ? "stdout" : "stderr" }
}

/** The manifest that a launch begins with; `null` where there is none. Its reader is loaded only where there is one. */
const manifestOf = (flags: Pick<RunRequest.LaunchFlags, "manifest">) =>
  Effect.gen(function* () {
    const place = yield* ManifestPlace.find(flags.manifest, yield* Invocation)
    if (place === null) return null
    const { read } = yield* Effect.promise(() => import("./ManifestFile.js"))
    return yield* read(place.file)
  })

const refuse = (error: UsageError, manner: Told.Manner): Effect.Effect<number, never, Stdio.Stdio> =>
  Effect.as(Told.tell(Failure.fromError(error), manner), ExitStatus.usage)

const execute = (
  parsed: Commands.Parsed,
  tail: ReadonlyArray<string> | null,
  manner: Told.Manner
): Effect.Effect<number, ManifestFileError, Outside> =>
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
    ): Effect.Effect<number, never, Outside> => Effect.provide(answer(request, command), bottles)
    switch (parsed._tag) {
      case "Run": {
        const read = yield* manifestOf(parsed.flags)
        return yield* answer(RunRequest.make(parsed.flags, tail, invocation, read), parsed.dryRun ? plan : run)
      }
      case "Plan": {
        const read = yield* manifestOf(parsed.flags)
        return yield* answer(RunRequest.make(parsed.flags, tail, invocation, read), plan)
      }
      case "Up": {
        const read = yield* manifestOf(parsed.flags)
        const request = UpRequest.make(parsed.flags, tail, invocation, read)
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
      case "PolicyCheck": {
        const { check, checkRequest } = yield* policy
        return yield* check(checkRequest(parsed.flags))
      }
      case "PolicyExplain": {
        const { explain, explainRequest } = yield* policy
        return yield* answer(explainRequest(parsed.flags), explain)
      }
      case "PolicyWatch":
        return yield* answerOf(PolicyWatchRequest.make(parsed.flags, invocation), policyWatch)
      case "Diff":
        return yield* answer(WorkspaceRequest.makeDiff(parsed.flags), diff)
      case "Apply":
        return yield* answer(WorkspaceRequest.makeApply(parsed.flags), apply)
      case "Init":
        return yield* init(parsed.flags)
      case "Config":
        return yield* config(parsed.flags)
      case "Schema":
        return yield* schema({ document: parsed.flags.document, format: formatOf(parsed.flags.format) })
      case "Completion":
        return yield* completion({ asked: parsed.flags.shell, format: formatOf(parsed.flags.format) })
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
  if (argv.length === 0) return yield* Effect.as(Stdio.errorLine(Help.render(null)), ExitStatus.usage)
  const manner = mannerOf(words)
  const reading = Words.read(words, tail)
  if (Either.isLeft(reading)) return yield* refuse(reading.left, manner)
  switch (reading.right._tag) {
    case "Version":
      return yield* reading.right.format === "json" ? versions : print(VERSION)
    case "Help":
      return yield* print(Help.render(reading.right.subcommand, reading.right.group))
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
