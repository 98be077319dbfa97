/**
 * The runtime as a `CommandExecutor`: commands whose program has the runtime's name are interpreted in this process, all
 * others go to the executor below.
 *
 * @since 0.1.0
 */
import * as Environment from "@bottle/process/Environment"
import * as Grammar from "@bottle/smolvm/Grammar"
import * as NodeStream from "@effect/platform-node/NodeStream"
import type * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import { type PlatformError, SystemError } from "@effect/platform/Error"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Exec from "./Exec.js"
import * as Host from "./Host.js"
import * as OwnStreams from "./internal/ownStreams.js"
import { type LocalError, render } from "./LocalError.js"
import * as Machines from "./Machines.js"
import * as Runtime from "./Runtime.js"

/**
 * What the layer may be told.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The name that means this runtime: `smolvm-local` by default. */
  readonly program?: string | undefined
  /** Where machines are kept; by default what the command's own environment says (`Machines.defaultRoot`). */
  readonly stateDir?: string | undefined
  /** The release line to speak: `1.9.3` by default; others are for tests. */
  readonly line?: Grammar.Line | undefined
}

/**
 * The name that means this runtime, unless told otherwise.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultProgram = "smolvm-local"

/**
 * What `--version` prints.
 *
 * @since 0.1.0
 * @category rendering
 */
export const versionText = (line: Grammar.Line): string =>
  `smolvm ${line}\nbottle local runtime: namespaces, shared kernel\n`

const ProcessProto = {
  [CommandExecutor.ProcessTypeId]: CommandExecutor.ProcessTypeId,
  ...Inspectable.BaseProto,
  toJSON() {
    return { _id: "@bottle/local/Process" }
  }
}

// Nobody's: a signal that is sent to it reaches no process.
const noProcess = CommandExecutor.ProcessId(2_147_483_647)

const killedBySignal = (program: string, signal: string) =>
  new SystemError({
    module: "Command",
    method: "exitCode",
    reason: "Unknown",
    pathOrDescriptor: program,
    description: `Process interrupted due to receipt of signal: ${signal}`
  })

const text = (bytes: string): Stream.Stream<Uint8Array> =>
  bytes === "" ? Stream.empty : Stream.make(new TextEncoder().encode(bytes))

/** A subcommand that is interpreted here, as a process: its output is there when it has ended. */
const interpreted =
  (program: string) =>
  (work: Effect.Effect<Runtime.Reply>): Effect.Effect<CommandExecutor.Process, never, Scope.Scope> =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkScoped(work)
      const ended = Fiber.await(fiber)
      const output = (pick: (reply: Runtime.Reply) => string) =>
        Stream.unwrap(Effect.map(ended, (exit) => (Exit.isSuccess(exit) ? text(pick(exit.value)) : Stream.empty)))
      const exitCode: CommandExecutor.Process["exitCode"] = Effect.flatMap(ended, (exit) => {
        if (Exit.isSuccess(exit)) return Effect.succeed(CommandExecutor.ExitCode(exit.value.code))
        return Exit.isInterrupted(exit) ? killedBySignal(program, "SIGTERM") : Effect.failCause(exit.cause)
      })
      const members: Omit<
        CommandExecutor.Process,
        typeof CommandExecutor.ProcessTypeId | keyof Inspectable.Inspectable
      > = {
        pid: noProcess,
        exitCode,
        isRunning: Effect.map(Fiber.poll(fiber), Option.isNone),
        kill: () => Effect.asVoid(Fiber.interrupt(fiber)),
        stdin: Sink.drain,
        stdout: output((reply) => reply.stdout),
        stderr: output((reply) => reply.stderr)
      }
      return Object.assign(Object.create(ProcessProto), members)
    })

const refusal = (error: LocalError): Runtime.Reply => ({ code: 1, stdout: "", stderr: render(error) })

const special = (line: Grammar.Line, invocation: Grammar.Invocation): Runtime.Reply => ({
  code: 0,
  stdout: invocation.special === "version" ? versionText(line) : (Grammar.help(line, invocation.command) ?? ""),
  stderr: ""
})

/** The first line of the caller's input, where that is given from the start; a pipe that is yet to be fed says no. */
const confirm = (stdin: Command.StandardCommand["stdin"]): Effect.Effect<boolean> => {
  if (stdin === "pipe") return Effect.succeed(false)
  const input = stdin === "inherit" ? NodeStream.stdin : stdin
  return input.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runHead,
    Effect.map((line) => /^\s*y(es)?\s*$/i.test(Option.getOrElse(line, () => ""))),
    Effect.orElseSucceed(() => false)
  )
}

const contextOf = (options: Options, command: Command.StandardCommand): Effect.Effect<Runtime.Context, LocalError> =>
  Effect.gen(function* () {
    const own = Object.fromEntries(HashMap.toEntries(command.env))
    const env = command.extendEnv ? { ...(yield* Environment.host), ...own } : own
    const root = options.stateDir ?? (yield* Machines.defaultRoot(env))
    return {
      line: options.line ?? defaultLine,
      env,
      cwd: Option.getOrElse(command.cwd, () => process.cwd()),
      host: yield* Host.make(root),
      dirs: Machines.directories(root),
      confirm: confirm(command.stdin)
    }
  })

const defaultLine: Grammar.Line = "1.9.3"

/** Writes what an interpreted subcommand printed to our own streams, where the caller wants it there. */
const passOn = (command: Command.StandardCommand, work: Effect.Effect<Runtime.Reply>): Effect.Effect<Runtime.Reply> =>
  Effect.tap(work, (reply) =>
    Effect.zipRight(
      command.stdout === "inherit" ? OwnStreams.write("stdout", reply.stdout) : Effect.void,
      command.stderr === "inherit" ? OwnStreams.write("stderr", reply.stderr) : Effect.void
    )
  )

const start = (
  below: CommandExecutor.CommandExecutor,
  options: Options,
  command: Command.StandardCommand
): Effect.Effect<CommandExecutor.Process, PlatformError, Scope.Scope> =>
  Effect.gen(function* () {
    const line = options.line ?? defaultLine
    const answer = (work: Effect.Effect<Runtime.Reply>) => interpreted(command.command)(passOn(command, work))
    const parsed = Grammar.parse(line, command.args)
    if (Either.isLeft(parsed)) {
      return yield* answer(Effect.succeed({ code: 2, stdout: "", stderr: parsed.left.stderr }))
    }
    const invocation = parsed.right
    if (invocation.special !== undefined) return yield* answer(Effect.succeed(special(line, invocation)))
    const context = yield* Effect.either(contextOf(options, command))
    if (Either.isLeft(context)) return yield* answer(Effect.succeed(refusal(context.left)))
    if (invocation.command === "machine exec")
      return yield* Exec.exec(below, context.right, invocation, command, answer)
    if (invocation.command === "machine run") return yield* Exec.run(below, context.right, invocation, command, answer)
    return yield* answer(
      Runtime.run(context.right, invocation).pipe(
        Effect.provideService(CommandExecutor.CommandExecutor, below),
        Effect.catchAll((error) => Effect.succeed(refusal(error)))
      )
    )
  })

/**
 * An executor that interprets the commands of this runtime's name, and gives all others to the one below.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (below: CommandExecutor.CommandExecutor, options?: Options): CommandExecutor.CommandExecutor => {
  const program = options?.program ?? defaultProgram
  return CommandExecutor.makeExecutor((command) =>
    command._tag === "StandardCommand" && command.command === program
      ? start(below, options ?? {}, command)
      : below.start(command)
  )
}

/**
 * The executor below with this runtime in it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: Options
): Layer.Layer<CommandExecutor.CommandExecutor, never, CommandExecutor.CommandExecutor> =>
  Layer.effect(
    CommandExecutor.CommandExecutor,
    Effect.map(CommandExecutor.CommandExecutor, (below) => make(below, options))
  )
