import * as Capture from "@bottle/process/Capture"
import type { Exit } from "@bottle/process/Exit"
import type { FollowEvent } from "@bottle/process/Follow"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { Capabilities } from "../Capabilities.js"
import type { Deadlines } from "../Deadlines.js"
import * as Failure from "../Failure.js"
import * as MachineExec from "../MachineExec.js"
import type { SmolvmError } from "../SmolvmError.js"
import { MachineNotReady } from "../SmolvmError.js"
import { notUnderstood } from "./errors.js"
import * as Passing from "./passing.js"
import type { Runner } from "./runner.js"
import { tail } from "./tail.js"

/** Runs a command to its end. `graceMillis` is how long it may take to end once it is told to. */
export const exec = (
  runner: Runner,
  deadlines: Deadlines,
  { capBytes, stdin, ...options }: MachineExec.CapturedOptions,
  graceMillis?: number
): Effect.Effect<MachineExec.ExecResult, SmolvmError> =>
  Passing.captured(
    runner,
    {
      ...request(stdin === undefined ? options : { ...options, interactive: options.interactive ?? true }),
      isRefused: (outcome) => isRefusedFor(options.name, outcome)
    },
    { capBytes, graceMillis, stdin, timeoutMillis: options.timeoutMillis, slackMillis: deadlines.exec }
  )

/** Runs a command and gives its output as it comes. */
export const follow = (
  runner: Runner,
  { stdin, ...options }: MachineExec.FollowedOptions
): Stream.Stream<FollowEvent, SmolvmError> => {
  const interactive = options.interactive ?? (options.stream !== true && options.tty !== true)
  return Passing.followed(runner, request({ ...options, interactive }), stdin)
}

/** Runs a command on the caller's terminal. */
export const attach = (runner: Runner, options: MachineExec.AttachedOptions): Effect.Effect<Exit, SmolvmError> =>
  Passing.attached(runner, request(options))

/** Starts a command and gives its process id in the guest. */
export const detached = (
  runner: Runner,
  deadlines: Deadlines,
  options: MachineExec.DetachedOptions
): Effect.Effect<number, SmolvmError> =>
  Effect.gen(function* () {
    const { call, captured } = yield* runner.execute(request({ ...options, detach: true }), deadlines.machineStart)
    const guestPid = /^\s*(\d{1,10})\s*$/m.exec(Capture.stdoutText(captured))?.[1]
    if (guestPid === undefined) return yield* notUnderstood(call, captured, "it holds no process id")
    return Number(guestPid)
  })

/**
 * Runs `true` until it exits 0. Early execs are killed (137) or refused, so every failure that time can heal is
 * tolerated up to the deadline, or so many times; each attempt has what is left of the time.
 */
export const waitReady = (
  runner: Runner,
  deadlines: Deadlines,
  { failuresMax = Number.POSITIVE_INFINITY, name, timeoutMillis }: MachineExec.WaitOptions
): Effect.Effect<void, SmolvmError> =>
  Effect.gen(function* () {
    const deadline = (yield* Clock.currentTimeMillis) + timeoutMillis
    let lastFailure: string | null = null
    let failures = 0
    for (let pauseMillis = firstPauseMillis; ; pauseMillis = Math.min(pauseMillis * 2, longestPauseMillis)) {
      const leftMillis = deadline - (yield* Clock.currentTimeMillis)
      if (leftMillis <= 0) return yield* new MachineNotReady({ name, timeoutMillis, lastFailure })
      const failure: Option.Option<string | null> = yield* Effect.timeoutOption(
        attempt(runner, deadlines, name),
        leftMillis
      )
      if (Option.isSome(failure) && failure.value === null) return
      failures += 1
      lastFailure = Option.getOrElse(failure, () => "it did not end")
      if (Option.isSome(failure) && failures >= failuresMax) {
        return yield* new MachineNotReady({ name, timeoutMillis: null, lastFailure })
      }
      yield* Effect.sleep(Math.max(0, Math.min(pauseMillis, deadline - (yield* Clock.currentTimeMillis))))
    }
  })

const firstPauseMillis = 5
const longestPauseMillis = 250

/** What one attempt failed with, or `null`. */
const attempt = (runner: Runner, deadlines: Deadlines, name: string): Effect.Effect<string | null, SmolvmError> =>
  exec(runner, deadlines, { name, command: ["true"] }, attemptGraceMillis).pipe(
    Effect.map(({ exitCode, stderr }) => (exitCode === 0 ? null : failureOf(exitCode, stderr, runner.secrets))),
    Effect.catchAll((error) => (isLasting(error) ? Effect.fail(error) : Effect.succeed(error.message)))
  )

const failureOf = (exitCode: number, stderr: Uint8Array, secrets: ReadonlyArray<string>): string => {
  const said = Failure.lastLine(tail(stderr, secrets)).trim().slice(0, failureLengthMax)
  return said === "" ? `exit code ${exitCode}` : `exit code ${exitCode}: ${said}`
}

const failureLengthMax = 300

/** How long an attempt may take to end once its time is over. */
const attemptGraceMillis = 500

/** Failures that no waiting heals. */
const isLasting = ({ _tag }: SmolvmError): boolean =>
  _tag === "InvalidArgument" ||
  _tag === "UnsupportedCommand" ||
  _tag === "UnsupportedOption" ||
  _tag === "IgnoredOption" ||
  _tag === "SmolvmNotInstalled" ||
  _tag === "SmolvmNotStarted" ||
  _tag === "SmolvmTooOld"

const request = (options: MachineExec.AttachedOptions) => ({
  command: "machine exec" as const,
  build: (capabilities: Capabilities) => MachineExec.argv(options, capabilities),
  name: options.name,
  secrets: options.secrets
})

/** Whether smolvm refused the exec because this very machine is missing or stopped. */
const isRefusedFor = (name: string, { exitCode, stderr: line }: Failure.Outcome): boolean => {
  const own = { exitCode, stderr: line }
  return (
    (Failure.isMachineNotFound(own) && (line.trimEnd().endsWith(`: ${name}`) || line.includes(`'${name}'`))) ||
    (Failure.isMachineNotRunning(own) && line.includes(`'${name}'`))
  )
}
