import type { Captured } from "@bottle/process/Capture"
import { stderrText } from "@bottle/process/Capture"
import type { ProcessError } from "@bottle/process/ProcessError"
import { printable } from "@bottle/process/Text"
import type { DockerError } from "../DockerError.js"
import {
  DaemonUnreachable,
  DockerCommandFailed,
  DockerNotInstalled,
  DockerNotUnderstood,
  DockerTimedOut
} from "../DockerError.js"
import * as Failure from "../Failure.js"

/** One run of the client: what an error about it is made from. */
export interface Call {
  readonly program: string
  /** The subcommand: `network create`. */
  readonly command: string
  /** The arguments after the program: for the process only. */
  readonly argv: ReadonlyArray<string>
  /** Variables for the client beside its environment: for the process only, their values are in no error. */
  readonly variables: Readonly<Record<string, string>>
}

const REASON_CHARS_MAX = 300

/** The error for a client that could not be run to its end. */
export const fromProcess = ({ command, program }: Call, error: ProcessError): DockerError => {
  switch (error._tag) {
    case "ProgramNotFound":
      return new DockerNotInstalled({ program })
    case "ProcessTimedOut":
      return new DockerTimedOut({ program, command, timeoutMillis: error.timeoutMillis })
    case "SpawnRefused":
    case "OutputTooLarge":
      return new DockerNotUnderstood({ program, command, reason: error.message })
  }
}

/** What a run ended with. */
export const outcomeOf = ({ exit, stderr }: Pick<Captured, "exit" | "stderr">): Failure.Outcome => ({
  exitCode: exit.code,
  stderr: stderrText({ exit, stderr, stdout: new Uint8Array() })
})

/** The error for a run that did not exit 0 and whose cause is none of the caller's. */
export const fromOutcome = (call: Call, outcome: Failure.Outcome): DockerError => {
  const { command, program } = call
  const reason = reasonOf(call, outcome.stderr)
  return Failure.isDaemonUnreachable(outcome)
    ? new DaemonUnreachable({ program, clientVersion: null, reason })
    : new DockerCommandFailed({
        program,
        command,
        exitCode: outcome.exitCode,
        reason,
        stderr: tail(call, outcome.stderr)
      })
}

/** The line that says why, fit for a message. */
export const reasonOf = (call: Call, stderr: string): string =>
  printable(Failure.reasonLine(redact(call, stderr))).slice(0, REASON_CHARS_MAX)

/** Text that docker wrote, fit to be kept in an error: its last lines without control characters. */
export const tail = (call: Call, text: string): string =>
  redact(call, text).trimEnd().split("\n").slice(-TAIL_LINES_MAX).map(printable).join("\n").slice(-TAIL_CHARS_MAX)

const TAIL_LINES_MAX = 20
const TAIL_CHARS_MAX = 4096

/** docker does not print the values of variables; should a program in its place do so, they go no further. */
const redact = ({ variables }: Call, text: string): string =>
  Object.values(variables)
    .filter((value) => value.length >= REDACTED_CHARS_MIN)
    .toSorted((left, right) => right.length - left.length)
    .reduce((before, value) => before.replaceAll(value, "<redacted>"), text)

/** Shorter values would blot out the text. */
const REDACTED_CHARS_MIN = 4
