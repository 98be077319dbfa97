import type * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import { BadArgument, SystemError } from "@effect/platform/Error"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Recorded } from "../CommandScript.js"

/** How a process ended. */
export type Ending = { readonly code: number } | { readonly signal: string }

/** What goes on around a process. */
export interface Surroundings {
  /** Takes down what happened: "start ARGV", "signal NAME ARGV", "exit ARGV". */
  readonly note: (event: string) => Effect.Effect<void>
  /** Gets what the process is fed, as it comes. */
  readonly onInput?: ((bytes: Uint8Array) => Effect.Effect<void>) | undefined
  /** Runs once, at the end of the input. */
  readonly onInputEnd?: Effect.Effect<void> | undefined
}

/** A process that no system runs: its end is decided by whoever holds it, its input and signals are recorded. */
export interface InMemoryProcess {
  readonly argv: ReadonlyArray<string>
  readonly command: Command.StandardCommand
  readonly fed: Array<Uint8Array>
  /** Done at the end of its input. */
  readonly fedAll: Deferred.Deferred<void>
  readonly signals: Array<string>
  readonly ended: Deferred.Deferred<Ending>
  readonly surroundings: Surroundings
  /** Whether only SIGKILL ends it. */
  ignoresSigterm: boolean
}

/** A process of that command, noted as started. It is fed nothing yet. */
export const make = (
  command: Command.StandardCommand,
  surroundings: Surroundings,
  ignoresSigterm: boolean
): Effect.Effect<InMemoryProcess> =>
  Effect.gen(function* () {
    return {
      argv: [command.command, ...command.args],
      command,
      fed: [],
      fedAll: yield* Deferred.make<void>(),
      signals: [],
      ended: yield* Deferred.make<Ending>(),
      surroundings,
      ignoresSigterm
    }
  })

/** Feeds it what its command says, until the scope closes; a pipe is fed by whoever runs into its `stdin`. */
export const feed = (process: InMemoryProcess): Effect.Effect<void, never, Scope.Scope> => {
  const { stdin } = process.command
  if (typeof stdin !== "string") {
    return Effect.asVoid(Effect.forkScoped(Effect.ignore(Stream.run(stdin, intake(process)))))
  }
  return stdin === "inherit" ? endInput(process) : Effect.void
}

/** Ends it, unless it has ended. */
export const end = (process: InMemoryProcess, ending: Ending): Effect.Effect<void> =>
  Effect.flatMap(Deferred.succeed(process.ended, ending), (first) =>
    first ? process.surroundings.note(`exit ${words(process.argv)}`) : Effect.void
  )

/** Sends it a signal and waits for its end, as the real executor does. */
export const kill = (process: InMemoryProcess, signal: CommandExecutor.Signal): Effect.Effect<void, SystemError> =>
  Effect.gen(function* () {
    if (yield* Deferred.isDone(process.ended)) return yield* gone(process.argv, "kill")
    process.signals.push(signal)
    yield* process.surroundings.note(`signal ${signal} ${words(process.argv)}`)
    if (signal === "SIGKILL" || (!process.ignoresSigterm && deadly.has(signal))) yield* end(process, { signal })
    yield* Deferred.await(process.ended)
  })

/** What its scope does to it: SIGTERM, and a complaint where it ignores that, since the real executor would hang. */
export const close = (process: InMemoryProcess, complain: (text: string) => Effect.Effect<void>): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (yield* Deferred.isDone(process.ended)) return
    if (process.ignoresSigterm) {
      return yield* complain(`The scope of \`${words(process.argv)}\` closed while it ran on: it ignores SIGTERM`)
    }
    yield* Effect.ignore(kill(process, "SIGTERM"))
  })

/** What the platform's interface shows of it. `index` counts the processes of a double, from 1. */
export const toProcess = (
  process: InMemoryProcess,
  options: {
    readonly id: string
    readonly index: number
    readonly stdout: Stream.Stream<Uint8Array>
    readonly stderr: Stream.Stream<Uint8Array>
  }
): CommandExecutor.Process => {
  // A pipe is closed when its process ends, not when it has nothing more to say.
  const untilTheEnd = Stream.drain(Stream.fromEffect(Deferred.await(process.ended)))
  const output = (content: Stream.Stream<Uint8Array>, to: Command.Command.Output) =>
    to === "inherit" ? Stream.empty : Stream.concat(content, untilTheEnd)
  return {
    ...Inspectable.BaseProto,
    toJSON: () => ({ _id: options.id, argv: process.argv }),
    [CommandExecutor.ProcessTypeId]: CommandExecutor.ProcessTypeId,
    // Above every real pid, so that whoever signals it by number meets nobody.
    pid: CommandExecutor.ProcessId(firstPid + options.index),
    exitCode: Effect.flatMap(Deferred.await(process.ended), (ending) =>
      "code" in ending ? Effect.succeed(CommandExecutor.ExitCode(ending.code)) : killed(process.argv, ending.signal)
    ),
    isRunning: Effect.negate(Deferred.isDone(process.ended)),
    kill: (signal = "SIGTERM") => kill(process, signal),
    stdin: intake(process),
    stdout: output(options.stdout, process.command.stdout),
    stderr: output(options.stderr, process.command.stderr)
  }
}

/** What a test may see of it. */
export const toRecorded = (process: InMemoryProcess): Recorded => ({
  argv: process.argv,
  env: Object.fromEntries(HashMap.toEntries(process.command.env)),
  extendEnv: process.command.extendEnv,
  cwd: Option.getOrUndefined(process.command.cwd),
  stdin: Effect.sync(() => text(process.fed)),
  signals: [...process.signals],
  foreground: process.command.stdin === "inherit" && process.command.stdout === "inherit"
})

/** Chunks of bytes as UTF-8. */
export const text = (chunks: ReadonlyArray<Uint8Array>): string => {
  const decoder = new TextDecoder()
  return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode()
}

/** Words as a shell would have them, for people to read. */
export const words = (argv: ReadonlyArray<string>): string =>
  argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(" ")

/** There is no such program. */
export const notFound = (argv: ReadonlyArray<string>): SystemError => systemError(argv, "spawn", "NotFound", "ENOENT")

/** A double runs no pipelines. */
export const noPipelines: BadArgument = new BadArgument({
  module: "Command",
  method: "start",
  description: "pipelines are not scripted"
})

const firstPid = 5_000_000

const deadly: ReadonlySet<string> = new Set(["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"])

const endInput = (process: InMemoryProcess): Effect.Effect<void> =>
  Effect.zipRight(Deferred.succeed(process.fedAll, undefined), process.surroundings.onInputEnd ?? Effect.void)

const intake = (process: InMemoryProcess): Sink.Sink<void, Uint8Array> =>
  Sink.forEach((bytes: Uint8Array) =>
    Effect.suspend(() => {
      process.fed.push(bytes)
      return process.surroundings.onInput?.(bytes) ?? Effect.void
    })
  ).pipe(Sink.ensuring(endInput(process)))

const systemError = (
  argv: ReadonlyArray<string>,
  method: string,
  reason: "NotFound" | "Unknown",
  description: string
) => new SystemError({ module: "Command", method, reason, pathOrDescriptor: argv[0] ?? "", description })

const gone = (argv: ReadonlyArray<string>, method: string) => systemError(argv, method, "Unknown", "ESRCH")

const killed = (argv: ReadonlyArray<string>, signal: string) =>
  systemError(argv, "exitCode", "Unknown", `Process interrupted due to receipt of signal: ${signal}`)
