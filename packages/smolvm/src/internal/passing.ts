import * as Attach from "@bottle/process/Attach"
import * as Capture from "@bottle/process/Capture"
import type { Exit } from "@bottle/process/Exit"
import type { FollowEvent } from "@bottle/process/Follow"
import * as Follow from "@bottle/process/Follow"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Os from "node:os"
import * as ExecOrigin from "../ExecOrigin.js"
import * as Failure from "../Failure.js"
import type { ExecResult } from "../MachineExec.js"
import type { SmolvmError } from "../SmolvmError.js"
import type { Call } from "./errors.js"
import { fromCaptured, fromProcess } from "./errors.js"
import type { Request, Runner } from "./runner.js"

/** A subcommand that passes on the exit code and the output of a command in the guest: exec and the runs. */
export interface Passing extends Request {
  readonly command: "machine exec" | "machine run" | "pack run"
  /** Whether this is smolvm's own word on why the command could not run; `stderr` is the last line only. */
  readonly isRefused: (outcome: Failure.Outcome) => boolean
}

/** How a command is run to its end. */
export interface CaptureOptions extends Pick<Capture.CaptureOptions, "capBytes" | "graceMillis" | "stdin"> {
  /** The command's own timeout, and how much longer smolvm may take; without one, smolvm may take for ever. */
  readonly timeoutMillis: number | undefined
  readonly slackMillis: number
}

/** Runs it to its end. What the command ended with is a value, and whether it was the command. */
export const captured = (
  runner: Runner,
  passing: Passing,
  { slackMillis, timeoutMillis, ...options }: CaptureOptions
): Effect.Effect<ExecResult, SmolvmError> =>
  Effect.gen(function* () {
    const call = yield* runner.prepare(passing)
    const captured = yield* runner.capture(call, {
      ...options,
      timeoutMillis: timeoutMillis === undefined ? undefined : timeoutMillis + slackMillis
    })
    const { exit, stderr, stdout } = captured
    const outcome = { exitCode: exit.code, stderr: Capture.stderrText(captured) }
    // A command can print the like, but then its own last line, or that of a witness, comes after it.
    const lastWord = { exitCode: exit.code, stderr: Failure.lastLine(outcome.stderr) }
    if (exit.signal !== null || passing.isRefused(lastWord)) return yield* fromCaptured(call, captured)
    const origin = ExecOrigin.of({ ...outcome, command: passing.command, hasTimeout: timeoutMillis !== undefined })
    return { exitCode: exit.code, signal: signalOf(exit.code), stdout, stderr, origin }
  })

/** Runs it, and gives what it writes as it comes. */
export const followed = (
  runner: Runner,
  request: Request,
  stdin: Stream.Stream<Uint8Array> | undefined
): Stream.Stream<FollowEvent, SmolvmError> =>
  Stream.unwrap(Effect.map(runner.prepare(request), (call) => followedCall(runner, call, stdin)))

/** Runs a call that is prepared, and gives what it writes as it comes. */
export const followedCall = (
  runner: Runner,
  call: Call,
  stdin: Stream.Stream<Uint8Array> | undefined
): Stream.Stream<FollowEvent, SmolvmError> =>
  Follow.follow(runner.toProgram(call), { stdin }).pipe(
    Stream.mapError((error) => fromProcess(call, error)),
    Stream.provideService(CommandExecutor.CommandExecutor, runner.executor)
  )

/** Runs it on the caller's terminal. */
export const attached = (runner: Runner, request: Request): Effect.Effect<Exit, SmolvmError> =>
  Effect.flatMap(runner.prepare(request), (call) =>
    Attach.attach(runner.toProgram(call)).pipe(
      Effect.provideService(CommandExecutor.CommandExecutor, runner.executor),
      Effect.mapError((error) => fromProcess(call, error))
    )
  )

const signalOf = (exitCode: number): string | null =>
  Object.entries(Os.constants.signals).find(([, number]) => number === exitCode - 128)?.[0] ?? null
