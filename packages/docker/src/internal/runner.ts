import * as Capture from "@bottle/process/Capture"
import * as Environment from "@bottle/process/Environment"
import * as Release from "@bottle/process/Release"
import type { Program } from "@bottle/process/Program"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as ClientEnvironment from "../ClientEnvironment.js"
import type { DockerError } from "../DockerError.js"
import { DockerNotUnderstood } from "../DockerError.js"
import type * as Failure from "../Failure.js"
import type { Argv } from "./arguments.js"
import type { Call } from "./errors.js"
import { fromOutcome, fromProcess, outcomeOf } from "./errors.js"

/** What a call is made from. */
export interface Request {
  readonly command: string
  readonly argv: Argv
  /** Variables beside the client's environment. */
  readonly variables?: Readonly<Record<string, string>> | undefined
  /** What the client reads, and passes on; without it, nothing. */
  readonly stdin?: string | undefined
}

/** A call that has ended, whatever it ended with. */
export interface Ended {
  readonly call: Call
  readonly outcome: Failure.Outcome
  readonly stdout: string
}

/** The error for a way of failing that the caller knows, or undefined. */
export type Explain = (outcome: Failure.Outcome) => DockerError | undefined

/** How the calls of one docker are run. */
export interface Runner {
  readonly program: string
  readonly executor: CommandExecutor.CommandExecutor
  readonly prepare: (request: Request) => Effect.Effect<Call, DockerError>
  /** Runs a call, whatever it ends with. */
  readonly run: (request: Request, timeoutMillis: number) => Effect.Effect<Ended, DockerError>
  /** Runs a call that must exit 0. */
  readonly succeed: (
    request: Request,
    timeoutMillis: number,
    explain?: Explain | undefined
  ) => Effect.Effect<Ended, DockerError>
  readonly toProgram: (call: Call) => Program
}

/** What a runner is made from. */
export interface RunnerOptions {
  readonly program: string
  readonly env: Readonly<Record<string, string>> | undefined
}

/** The most that is read of either stream: of a list of many networks, or of a build that went wrong. */
const OUTPUT_CAP_BYTES = 4 * 1024 * 1024

export const makeRunner = (options: RunnerOptions): Effect.Effect<Runner, never, CommandExecutor.CommandExecutor> =>
  Effect.gen(function* () {
    const executor = yield* CommandExecutor.CommandExecutor
    const { program } = options
    const env = options.env ?? ClientEnvironment.scrub(yield* Environment.host)

    const prepare = ({ argv, command, variables }: Request): Effect.Effect<Call, DockerError> =>
      Effect.map(argv, (words) => ({ program, command, argv: words, variables: variables ?? {} }))
    const toProgram = ({ argv, command, variables }: Call): Program => ({
      program,
      args: argv,
      subcommand: command,
      env: { ...env, ...variables }
    })
    const run = (request: Request, timeoutMillis: number) =>
      Effect.flatMap(prepare(request), (call) =>
        Capture.capture(toProgram(call), {
          timeoutMillis,
          capBytes: OUTPUT_CAP_BYTES,
          ...(request.stdin === undefined ? {} : { stdin: request.stdin })
        }).pipe(
          Effect.provideService(CommandExecutor.CommandExecutor, executor),
          Effect.mapBoth({
            onFailure: (error) => fromProcess(call, error),
            onSuccess: (captured) => ({ call, outcome: outcomeOf(captured), stdout: Capture.stdoutText(captured) })
          })
        )
      )
    const succeed = (request: Request, timeoutMillis: number, explain?: Explain | undefined) =>
      Effect.flatMap(run(request, timeoutMillis), (ended) =>
        ended.outcome.exitCode === 0 ? Effect.succeed(ended) : failed(ended, explain)
      )
    return { program, executor, prepare, run, succeed, toProgram }
  })

/** Fails as the caller explains it, else as docker does. */
export const failed = ({ call, outcome }: Ended, explain?: Explain | undefined): Effect.Effect<never, DockerError> =>
  Effect.fail(explain?.(outcome) ?? fromOutcome(call, outcome))

/** What a call printed. */
export const decoded =
  <A>(decode: (stdout: string) => Effect.Effect<A, ParseResult.ParseError>) =>
  ({ call, stdout }: Ended): Effect.Effect<A, DockerError> =>
    Effect.mapError(decode(stdout), () => notUnderstood(call))

/** The error for an answer that makes no sense. It is not repeated: it may hold the values of variables. */
export const notUnderstood = ({ command, program }: Call): DockerError =>
  new DockerNotUnderstood({ program, command, reason: "its answer is not docker's" })

/** How long an interrupted call may go on until the daemon has done what it was asked to. */
const SETTLE_MILLIS = 10_000

/**
 * Lets a call that makes something come to its end, bounded, before an interruption goes on. Killing the client does not
 * stop the daemon: what it makes a moment later would be met by no removal.
 */
export const settled = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDaemon(Effect.interruptible(self)), (fiber) =>
      restore(Fiber.join(fiber)).pipe(
        Effect.onInterrupt(() =>
          Fiber.await(fiber).pipe(
            Release.within(SETTLE_MILLIS),
            Effect.flatMap((ended) => (Option.isNone(ended) ? Fiber.interrupt(fiber) : Effect.void))
          )
        )
      )
    )
  )
