/**
 * Why a program could not be run to its end. None of these holds an argument or a variable: those may be secrets.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { printable } from "./Text.js"

/**
 * There is no such program: no file of that name, or none on the child's `PATH`, or its interpreter is missing.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProgramNotFound extends Schema.TaggedError<ProgramNotFound>("@bottle/process/ProgramNotFound")(
  "ProgramNotFound",
  { program: Schema.String }
) {
  override get message(): string {
    return `${printable(this.program)}: program not found`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Install it or correct PATH; if the file is there, the interpreter named in its first line may be missing."
  }
}

/**
 * Why the operating system refuses to start a program.
 *
 * @since 0.1.0
 * @category errors
 */
export const SpawnRefusedReason = Schema.Literal(
  "permission",
  "arguments-too-long",
  "nul-in-argument",
  "not-a-directory",
  "working-directory-missing",
  "other"
)

const refusals: Record<typeof SpawnRefusedReason.Type, { readonly text: string; readonly suggestion: string }> = {
  permission: {
    text: "permission denied when starting it",
    suggestion: "Check that the file is executable, and that its directory and the working directory can be entered."
  },
  "arguments-too-long": {
    text: "its arguments and environment are longer than the system allows",
    suggestion: "Pass large values through a file or standard input; one argument may hold 128 KiB on Linux."
  },
  "nul-in-argument": {
    text: "its name, an argument, a variable or the working directory holds a NUL byte",
    suggestion: "Remove the NUL byte: no program can receive one."
  },
  "not-a-directory": {
    text: "a part of its path, or the working directory, is not a directory",
    suggestion: "Correct the path of the program or the working directory."
  },
  "working-directory-missing": {
    text: "its working directory does not exist",
    suggestion: "Create the working directory, or name one that exists."
  },
  other: {
    text: "the system refused to start it",
    suggestion: "Check the limits on processes, memory and open files (ulimit -a), then try again."
  }
}

/**
 * The operating system refused to start a program; `code` is the system's own name for the cause ("EMFILE") where it
 * gave one.
 *
 * @since 0.1.0
 * @category errors
 */
export class SpawnRefused extends Schema.TaggedError<SpawnRefused>("@bottle/process/SpawnRefused")("SpawnRefused", {
  program: Schema.String,
  reason: SpawnRefusedReason,
  code: Schema.optional(Schema.String)
}) {
  override get message(): string {
    const code = this.code === undefined ? "" : ` (${printable(this.code)})`
    return `${printable(this.program)}: ${refusals[this.reason].text}${code}`
  }
  /** What to do next. */
  get suggestion(): string {
    return refusals[this.reason].suggestion
  }
}

/**
 * A program wrote more than we hold in memory and was ended; `capBytes` is the most we take of that stream.
 *
 * @since 0.1.0
 * @category errors
 */
export class OutputTooLarge extends Schema.TaggedError<OutputTooLarge>("@bottle/process/OutputTooLarge")(
  "OutputTooLarge",
  { program: Schema.String, stream: Schema.Literal("stdout", "stderr"), capBytes: Schema.Number }
) {
  override get message(): string {
    return `${printable(this.program)}: wrote more than ${this.capBytes} bytes to ${this.stream} and was ended`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Read its output as a stream, let it write to a file, or raise the cap."
  }
}

/**
 * A program did not end within `timeoutMillis` and was ended.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProcessTimedOut extends Schema.TaggedError<ProcessTimedOut>("@bottle/process/ProcessTimedOut")(
  "ProcessTimedOut",
  { program: Schema.String, timeoutMillis: Schema.Number }
) {
  override get message(): string {
    return `${printable(this.program)}: did not end within ${this.timeoutMillis} ms and was ended`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Give it more time, or find out what it waits for."
  }
}

/**
 * Everything that can keep a program from running to its end.
 *
 * @since 0.1.0
 * @category errors
 */
export type ProcessError = ProgramNotFound | SpawnRefused | OutputTooLarge | ProcessTimedOut
