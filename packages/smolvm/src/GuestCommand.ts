/**
 * A command in a machine: what is asked of it, what it says, and how it ended.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { Unended } from "./Reap.js"
import type { SmolvmError } from "./SmolvmError.js"

/**
 * Who an exit code comes from: the guest's command, the runtime that was to run it, or it cannot be told.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ExitOrigin = Schema.Literal("guest", "runtime", "unknown")

/**
 * Who an exit code comes from.
 *
 * @since 0.1.0
 * @category models
 */
export type ExitOrigin = typeof ExitOrigin.Type

/**
 * How a command ended. A non-zero code is a value, not an error.
 *
 * - `exitCode`: the command's own, 128+n when signal n ended it, 124 when `timedOut`
 * - `origin`: `guest` only where a witness in the guest agrees, or where the code is 0
 *
 * @since 0.1.0
 * @category models
 */
export class CommandExit extends Schema.Class<CommandExit>("@bottle/smolvm/CommandExit")({
  exitCode: Schema.Number,
  origin: ExitOrigin,
  timedOut: Schema.Boolean
}) {}

/**
 * What a captured command printed, byte for byte, and how it ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExecResult {
  readonly exit: CommandExit
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
}

/**
 * What a streamed command says: its output as it comes, and exactly one `Exit` at the end.
 *
 * @since 0.1.0
 * @category models
 */
export type Output =
  | { readonly _tag: "Stdout"; readonly bytes: Uint8Array }
  | { readonly _tag: "Stderr"; readonly bytes: Uint8Array }
  | { readonly _tag: "Exit"; readonly exit: CommandExit }

/**
 * A command of the guest.
 *
 * - `command`: the words, never read by a shell of ours
 * - `env`: added to the machine's own variables, which it overrides
 * - `secrets`: variables of this command alone, whose values are in no command line; they override both. From 1.0.0
 * - `timeoutMillis`: after it the command is killed and the exit says `timedOut`
 * - `isLast`: the machine goes down when the command ends, so what the command leaves running is not ended before
 * - `onUnended`: run before the call returns when the command had to be ended and may go on, in a machine that is up
 *
 * A command that ends by itself may leave processes behind. One that is interrupted, overdue or abandoned leaves none:
 * all that it started has ended when the call returns, unless `onUnended` says otherwise. Only what has taken pains not to
 * be found goes on, with another session, another environment and no parent (`env -i setsid`); it ends with the machine.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommandOptions {
  readonly command: ReadonlyArray<string>
  readonly env?: ReadonlyArray<readonly [name: string, value: string]> | undefined
  readonly secrets?: ReadonlyMap<string, Redacted.Redacted> | undefined
  readonly workdir?: string | undefined
  readonly timeoutMillis?: number | undefined
  readonly isLast?: boolean | undefined
  readonly onUnended?: ((what: Unended) => Effect.Effect<void>) | undefined
}

/**
 * What a command reads. Without it, nothing.
 *
 * smolvm before 1.8.1 can deadlock over more than about 256 KiB of input (`Capabilities.stdinLargeSafe`). There, bytes
 * and texts of more than 192 KiB are brought into the guest before the command begins, and a stream, which is passed on
 * as it comes, fails with `StdinTooLarge` at that size.
 *
 * - `stdin`: the input
 * - `stageStdin`: whether a stream too is brought into the guest before the command begins, where this release cannot
 *   take it live: the command then begins when the stream has ended
 *
 * @since 0.1.0
 * @category models
 */
export interface InputOptions {
  readonly stdin?: Uint8Array | string | Stream.Stream<Uint8Array> | undefined
  readonly stageStdin?: boolean | undefined
}

/**
 * What `Exec` takes for a captured command.
 *
 * - `capBytes`: the most that is kept of each of stdout and stderr, 16 MiB by default
 *
 * @since 0.1.0
 * @category models
 */
export interface RunOptions extends CommandOptions, InputOptions {
  readonly capBytes?: number | undefined
}

/**
 * What `Exec` takes for a streamed command.
 *
 * @since 0.1.0
 * @category models
 */
export interface StreamOptions extends CommandOptions, InputOptions {}

/**
 * What `Exec` takes for a command on the caller's own terminal.
 *
 * - `tty`: whether it has a terminal, on which both its outputs are
 * - `interactive`: whether it has the caller's input. Before 1.8.1 more than about 256 KiB of that, where it is no
 *   terminal, can deadlock, and is not seen here
 *
 * @since 0.1.0
 * @category models
 */
export interface AttachOptions extends CommandOptions {
  readonly tty: boolean
  readonly interactive: boolean
}

/**
 * What `Exec` takes for a command that nobody waits for.
 *
 * @since 0.1.0
 * @category models
 */
export type SpawnOptions = Omit<CommandOptions, "timeoutMillis" | "isLast">

/**
 * A captured command printed more than fits in memory, and was killed. Output as a stream has no such limit.
 *
 * @since 0.1.0
 * @category errors
 */
export class CapturedTooMuch extends Schema.TaggedError<CapturedTooMuch>("@bottle/smolvm/CapturedTooMuch")(
  "CapturedTooMuch",
  { stream: Schema.Literal("stdout", "stderr"), capBytes: Schema.Number }
) {
  override get message(): string {
    return `the command printed more than ${this.capBytes} bytes on ${this.stream}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Take the output as a stream, or raise capBytes."
  }
}

/**
 * A command was to read more than this release of smolvm passes on without a risk of deadlock, and was killed, or never
 * began. `isStageable`: whether it would have been taken, had it been staged.
 *
 * @since 0.1.0
 * @category errors
 */
export class StdinTooLarge extends Schema.TaggedError<StdinTooLarge>("@bottle/smolvm/StdinTooLarge")("StdinTooLarge", {
  version: Schema.String,
  neededVersion: Schema.String,
  maxBytes: Schema.Number,
  isStageable: Schema.Boolean
}) {
  override get message(): string {
    return `the command was to read more than ${this.maxBytes} bytes, over which smolvm ${this.version} can deadlock`
  }
  /** What to do next. */
  get suggestion(): string {
    const update = `Update smolvm to ${this.neededVersion} or newer`
    return this.isStageable
      ? `${update}, or copy the input into the machine as a file first (stageStdin does).`
      : `${update}, or use a machine that has a shell.`
  }
}

/**
 * What a command was to read could not be brought into the guest, so the command did not begin. `exitCode` is that of the
 * command that was to write it.
 *
 * @since 0.1.0
 * @category errors
 */
export class StdinNotStaged extends Schema.TaggedError<StdinNotStaged>("@bottle/smolvm/StdinNotStaged")(
  "StdinNotStaged",
  { name: Schema.String, exitCode: Schema.Number }
) {
  override get message(): string {
    return `what the command was to read could not be written in machine '${this.name}' (exit code ${this.exitCode})`
  }
  /** What to do next. */
  get suggestion(): string {
    return "See that /tmp of the machine can be written and has room, and that the machine has cat."
  }
}

/**
 * What can go wrong when a command runs.
 *
 * @since 0.1.0
 * @category errors
 */
export type ExecError = SmolvmError | CapturedTooMuch | StdinTooLarge | StdinNotStaged
