import type { Captured } from "@bottle/process/Capture"
import { stderrText } from "@bottle/process/Capture"
import type { ProcessError } from "@bottle/process/ProcessError"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Failure from "../Failure.js"
import type { SmolvmError } from "../SmolvmError.js"
import {
  CommandFailed,
  HostPortInUse,
  HypervisorUnavailable,
  ImageNeedsNetwork,
  MachineAlreadyExists,
  MachineBusy,
  MachineInWrongState,
  MachineNotFound,
  MachineNotRunning,
  OutputNotUnderstood,
  SmolvmKilled,
  SmolvmNotInstalled,
  SmolvmNotStarted,
  SmolvmOutputTooLarge,
  SmolvmTimedOut,
  SmolvmUsageRefused
} from "../SmolvmError.js"
import * as Redact from "./redact.js"
import { plain, tail } from "./tail.js"

/** One run of smolvm: what an error about it is made from. */
export interface Call {
  readonly program: string
  /** The subcommand: `machine create`. */
  readonly command: string
  /** The arguments after the program, unredacted: for the process only. */
  readonly argv: ReadonlyArray<string>
  /** The machine it is about, where it is about one. */
  readonly name: string | undefined
  /** Variables for smolvm's environment that are no secrets. */
  readonly env: Readonly<Record<string, string>>
  /** Variables for smolvm's environment whose values must not appear in an error. */
  readonly secrets: Readonly<Record<string, string>>
}

/** The error for a program that could not be run to its end. */
export const fromProcess = ({ argv, command, program }: Call, error: ProcessError): SmolvmError => {
  switch (error._tag) {
    case "ProgramNotFound":
      return new SmolvmNotInstalled({ program })
    case "SpawnRefused":
      return new SmolvmNotStarted({ program, command, reason: error.reason })
    case "OutputTooLarge":
      return new SmolvmOutputTooLarge({ program, command, stream: error.stream, capBytes: error.capBytes })
    case "ProcessTimedOut":
      return new SmolvmTimedOut({
        program,
        command,
        argv: Redact.argv(argv),
        timeoutMillis: error.timeoutMillis,
        stderr: ""
      })
  }
}

/** The error for a run that did not exit 0, by its cause. */
export const fromCaptured = (call: Call, captured: Captured): SmolvmError => {
  const fields = failure(call, captured)
  const outcome: Failure.Outcome = { exitCode: captured.exit.code, stderr: stderrText(captured) }
  const named = { ...fields, name: call.name ?? "" }
  if (captured.exit.signal !== null) return new SmolvmKilled({ ...fields, signal: captured.exit.signal })
  if (Failure.isUsageRefused(outcome)) return new SmolvmUsageRefused(fields)
  if (call.name !== undefined) {
    if (Failure.isMachineNotFound(outcome)) return new MachineNotFound(named)
    if (Failure.isMachineNotRunning(outcome)) return new MachineNotRunning(named)
    if (Failure.isMachineBusy(outcome)) return new MachineBusy(named)
  }
  // What is taken out of the text for a field is taken out of what has no secrets any more.
  const said = { exitCode: outcome.exitCode, stderr: fields.stderr }
  // A pack whose file exists is not a machine.
  if (makesMachines.has(call.command) && Failure.isMachineAlreadyExists(outcome)) {
    return new MachineAlreadyExists({ ...named, name: Failure.takenName(said) ?? named.name })
  }
  const state = Failure.wrongState(said)
  if (state !== undefined) return new MachineInWrongState({ ...named, ...state })
  const port = Failure.portInUse(said)
  if (port !== undefined) return new HostPortInUse({ ...fields, ...port })
  const image = Failure.imageNeedsNetwork(said)
  if (image !== undefined) return new ImageNeedsNetwork({ ...fields, image })
  const problem = Failure.hypervisorProblem(outcome)
  if (problem !== undefined) return new HypervisorUnavailable({ ...fields, problem })
  if (Failure.isTimedOut(outcome)) return new SmolvmTimedOut({ ...fields, timeoutMillis: null })
  return new CommandFailed(fields)
}

/** The subcommands by which a name can be taken. */
const makesMachines: ReadonlySet<string> = new Set(["machine create", "machine run", "machine fork"])

/** The error for a run that exited 0 with output that makes no sense. */
export const notUnderstood = (call: Call, captured: Captured, problem: string): OutputNotUnderstood =>
  new OutputNotUnderstood({ ...failure(call, captured), problem: Redact.secrets(problem, Object.values(call.secrets)) })

/** The error for output that is not what its schema says. */
export const fromParse = (call: Call, captured: Captured, error: ParseResult.ParseError): OutputNotUnderstood => {
  // What is nested too deeply to be shown is no defect of ours.
  const shown = Either.try(() => ParseResult.ArrayFormatter.formatErrorSync(error)[0])
  if (Either.isLeft(shown)) return notUnderstood(call, captured, "it holds what is nested too deeply")
  const issue = shown.right
  const path = issue?.path.map(String).join(".") ?? ""
  // Secrets first: one that is cut would no longer be found.
  const text = plain(Redact.secrets(issue?.message ?? "", Object.values(call.secrets)))
    .replace(/\s+/g, " ")
    .slice(0, 200)
  return notUnderstood(call, captured, path === "" ? text : `${path}: ${text}`)
}

const failure = ({ argv, command, program, secrets }: Call, { exit, stderr, stdout }: Captured) => ({
  program,
  command,
  argv: Redact.argv(argv),
  exitCode: exit.code,
  stdout: tail(stdout, Object.values(secrets)),
  stderr: tail(stderr, Object.values(secrets))
})
