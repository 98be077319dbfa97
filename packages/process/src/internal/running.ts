import * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as EffectExit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Environment from "../Environment.js"
import * as Exit from "../Exit.js"
import { ProgramNotFound, SpawnRefused } from "../ProcessError.js"
import type { Program } from "../Program.js"
import { membersOf } from "./members.js"
import { terminate } from "./terminate.js"

/** What ways in and out the child gets. */
export interface Stdio {
  readonly stdin: "inherit" | "pipe" | "empty"
  readonly output: "inherit" | "pipe"
}

const holdsNul = (program: Program, env: Environment.Variables): boolean =>
  [program.program, program.cwd ?? "", ...Object.keys(env), ...Object.values(env)].some(hasNul) ||
  program.args.some(hasNul)

const hasNul = (text: string): boolean => text.includes("\0")

const toCommand = (program: Program, env: Environment.Variables, stdio: Stdio): Command.Command => {
  const made = Command.make(program.program)
  // Passed as rest parameters, a hundred thousand arguments overflow the stack.
  const whole: Command.Command = Object.assign(Object.create(Object.getPrototypeOf(made)), made, { args: program.args })
  return whole.pipe(
    Command.env(env, { extendEnv: false }),
    program.cwd === undefined ? (self) => self : Command.workingDirectory(program.cwd),
    Command.stdin(stdio.stdin === "empty" ? Stream.empty : stdio.stdin),
    Command.stdout(stdio.output),
    Command.stderr(stdio.output)
  )
}

const systemCode = (cause: unknown): string | undefined => {
  if (typeof cause !== "object" || cause === null) return undefined
  if ("code" in cause && typeof cause.code === "string") return cause.code
  if ("cause" in cause && cause.cause !== undefined) return systemCode(cause.cause)
  if ("description" in cause && typeof cause.description === "string") {
    return /^E[A-Z0-9_]+$/.test(cause.description) ? cause.description : undefined
  }
  return undefined
}

const refusalOfCode = (program: string, code: string | undefined): SpawnRefused | undefined => {
  switch (code) {
    case "E2BIG":
      return new SpawnRefused({ program, reason: "arguments-too-long", code })
    case "ENOTDIR":
      return new SpawnRefused({ program, reason: "not-a-directory", code })
    case "EACCES":
    case "EPERM":
      return new SpawnRefused({ program, reason: "permission", code })
    case undefined:
      return undefined
    default:
      return /^E[A-Z0-9]+$/.test(code) ? new SpawnRefused({ program, reason: "other", code }) : undefined
  }
}

const fromPlatformError = (program: string, error: PlatformError): ProgramNotFound | SpawnRefused => {
  if (error._tag === "SystemError" && error.reason === "NotFound") {
    return error.module === "FileSystem"
      ? new SpawnRefused({ program, reason: "working-directory-missing" })
      : new ProgramNotFound({ program })
  }
  if (error._tag === "SystemError" && error.reason === "PermissionDenied") {
    return new SpawnRefused({ program, reason: "permission" })
  }
  return refusalOfCode(program, systemCode(error)) ?? new SpawnRefused({ program, reason: "other" })
}

// Other executors let what spawn throws (E2BIG, ENOTDIR) through as a defect.
const refuseDefects = (program: string) =>
  Effect.catchSomeDefect((defect: unknown) =>
    Option.map(Option.fromNullable(refusalOfCode(program, systemCode(defect))), Effect.fail)
  )

/** How the process ended. */
export const awaitExit = (process: CommandExecutor.Process): Effect.Effect<Exit.Exit> =>
  process.exitCode.pipe(
    Effect.map(Exit.fromCode),
    Effect.catchAll((error) => {
      // The executors say which signal it was only in this sentence.
      const signal = /receipt of signal: (SIG[A-Z0-9]+)/.exec(error.message)?.[1]
      return signal === undefined ? Effect.die(error) : Effect.succeed(Exit.fromSignal(signal))
    })
  )

/** Starts a program; the scope ends it and what it brought along, unless it has ended by itself and all went well. */
export const start = (
  program: Program,
  options: Stdio & { readonly graceMillis: number }
): Effect.Effect<
  CommandExecutor.Process,
  ProgramNotFound | SpawnRefused,
  CommandExecutor.CommandExecutor | Scope.Scope
> =>
  Effect.gen(function* () {
    const executor = yield* CommandExecutor.CommandExecutor
    const env = program.env ?? (yield* Environment.childDefault)
    if (holdsNul(program, env)) {
      return yield* new SpawnRefused({ program: program.program, reason: "nul-in-argument" })
    }
    const ending = (process: CommandExecutor.Process) => (exit: EffectExit.Exit<unknown, unknown>) =>
      Effect.flatMap(
        Effect.orElseSucceed(process.isRunning, () => true),
        (isRunning) =>
          isRunning || EffectExit.isFailure(exit)
            ? terminate({ kill: process.kill, members: membersOf(process), graceMillis: options.graceMillis })
            : Effect.void
      )
    // Between the start and its finalizer nothing may come; the start itself may be long and can be interrupted.
    return yield* Effect.uninterruptibleMask((restore) =>
      restore(executor.start(toCommand(program, env, options))).pipe(
        Effect.mapError((error) => fromPlatformError(program.program, error)),
        refuseDefects(program.program),
        Effect.tap((process) => Effect.addFinalizer(ending(process)))
      )
    )
  })

/** What a program may be fed. */
export type Input = Uint8Array | string | Stream.Stream<Uint8Array>

/**
 * Feeds the process until the input or the process ends. A process that stops reading is no error; an input that breaks
 * goes to `onDefect`, since nobody waits for the feeding.
 */
export const forkFeed = (
  process: CommandExecutor.Process,
  input: Input,
  onDefect: (cause: Cause.Cause<never>) => Effect.Effect<unknown>
): Effect.Effect<void, never, Scope.Scope> => {
  const bytes =
    typeof input === "string"
      ? Stream.make(new TextEncoder().encode(input))
      : input instanceof Uint8Array
        ? Stream.make(input)
        : input
  const feed = Stream.run(bytes, process.stdin).pipe(
    Effect.ignore,
    Effect.catchAllCause((cause) => (Cause.isInterruptedOnly(cause) ? Effect.void : onDefect(cause)))
  )
  return Effect.asVoid(Effect.forkScoped(Effect.raceFirst(feed, Effect.ignore(process.exitCode))))
}
