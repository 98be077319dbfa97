/**
 * A bottle: a machine that is ready, whose only way out is its bundle. It lives as long as the scope it was launched in.
 *
 * @since 0.1.0
 */
import type { EgressEvent } from "@bottle/egress/EgressEvent"
import type { Policy } from "@bottle/egress/Policy"
import type { Unended } from "@bottle/smolvm/Reap"
import type { SmolvmError } from "@bottle/smolvm/SmolvmError"
import * as Schema from "effect/Schema"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Stream from "effect/Stream"
import type { BottleId } from "./BottleId.js"
import type { ReloadFailed } from "./BundleError.js"
import type { CommitError, MachineLost } from "./CommitError.js"
import type { BundleDied, OptionRefused } from "./LaunchError.js"
import type { LaunchPlan } from "./LaunchPlan.js"
import type { ProofRecord } from "./ProofRecord.js"

/**
 * Who an exit code comes from: the guest's command, the runtime that was to run it, or it cannot be told.
 *
 * @since 0.1.0
 * @category models
 */
export const ExitOrigin = Schema.Literal("guest", "runtime", "unknown")

/**
 * @since 0.1.0
 * @category models
 */
export type ExitOrigin = typeof ExitOrigin.Type

/**
 * How a command in a bottle ended. A non-zero code is a value, not an error.
 *
 * - `exitCode`: the command's own, 128+n when signal n ended it, 124 when `timedOut`
 * - `origin`: `guest` only where a witness in the guest agrees, or where the code is 0
 *
 * @since 0.1.0
 * @category models
 */
export class CommandExit extends Schema.Class<CommandExit>("@bottle/engine/CommandExit")({
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
export type BottleOutput =
  | { readonly _tag: "Stdout"; readonly bytes: Uint8Array }
  | { readonly _tag: "Stderr"; readonly bytes: Uint8Array }
  | { readonly _tag: "Exit"; readonly exit: CommandExit }

export type { Unended } from "@bottle/smolvm/Reap"

/**
 * A command of the guest.
 *
 * - `command`: the words, never read by a shell of ours
 * - `env`: added to the bottle's own environment, which it overrides
 * - `secrets`: variables of this command alone, whose values are in no command line; they override both
 * - `timeoutMillis`: after it the command is killed and the exit says `timedOut`
 * - `isLast`: the bottle goes down when the command ends, so what the command leaves running is not ended before
 * - `onUnended`: run before the call returns when the command had to be ended and may go on, in a bottle that is up
 *
 * A command that ends by itself may leave processes behind. One that is interrupted, overdue or abandoned leaves none:
 * all that it started has ended when the call returns, unless `onUnended` says otherwise.
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
 * A captured command printed more than fits in memory, and was killed. Output as a stream has no such limit.
 *
 * @since 0.1.0
 * @category errors
 */
export class CapturedTooMuch extends Schema.TaggedError<CapturedTooMuch>("@bottle/engine/CapturedTooMuch")(
  "CapturedTooMuch",
  { stream: Schema.Literal("stdout", "stderr"), capBytes: Schema.Number }
) {
  override get message(): string {
    return `the command printed more than ${this.capBytes} bytes on ${this.stream}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Use stream instead of exec, or raise capBytes."
  }
}

/**
 * What a commit is asked for.
 *
 * - `output`: the absolute path of the pack; nothing may be there, and its directory must be
 * - `force`: whether commands that run are ended; otherwise they keep the bottle from being committed
 *
 * @since 0.1.0
 * @category models
 */
export interface CommitOptions {
  readonly output: string
  readonly force?: boolean | undefined
}

/**
 * A commit: the pack that was written, and the proof of the machine that came up again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Committed {
  readonly output: string
  readonly proof: ProofRecord
}

/**
 * What can go wrong when a bottle is used.
 *
 * @since 0.1.0
 * @category errors
 */
export type BottleError = SmolvmError | BundleDied | MachineLost | CapturedTooMuch

/**
 * A ready bottle.
 *
 * @since 0.1.0
 * @category models
 */
export interface Bottle {
  readonly id: BottleId
  /** The plan that was executed, with the network that was taken. */
  readonly plan: LaunchPlan
  /** What was shown before the bottle was handed over. */
  readonly proof: ProofRecord
  /** Runs a command without input and keeps what it prints, up to `capBytes` (16 MiB) of each stream. */
  readonly exec: (
    options: CommandOptions & { readonly capBytes?: number | undefined }
  ) => Effect.Effect<ExecResult, BottleError>
  /** Runs a command and passes its output on as it comes, unbounded and with backpressure. */
  readonly stream: (
    options: CommandOptions & { readonly stdin?: Stream.Stream<Uint8Array> | undefined }
  ) => Stream.Stream<BottleOutput, BottleError>
  /** Runs a command on the caller's own terminal. `tty` gives it a terminal, `interactive` its input. */
  readonly attach: (
    options: CommandOptions & { readonly tty: boolean; readonly interactive: boolean }
  ) => Effect.Effect<CommandExit, BottleError>
  /** Copies one file of the host into the guest; `guest` is the absolute path of the file it becomes. */
  readonly cpIn: (options: { readonly host: string; readonly guest: string }) => Effect.Effect<void, BottleError>
  /** Copies one file of the guest to the host; what it holds is the guest's word. */
  readonly cpOut: (options: { readonly guest: string; readonly host: string }) => Effect.Effect<void, BottleError>
  /**
   * Makes a pack of the machine's disk, from which a machine can be created again. The machine is stopped for it, started
   * again and proven again; commands wait for that. What goes wrong half-way, and an interruption too, leaves the bottle
   * up and proven, or down (`MachineLost`), and no pack but a complete one.
   */
  readonly commit: (options: CommitOptions) => Effect.Effect<Committed, CommitError>
  /** Fails when the bundle has ended or the machine is lost, and with it all that goes on in the bottle; never succeeds. */
  readonly died: Effect.Effect<never, BundleDied | MachineLost>
  /**
   * Every decision of the bundle since the bottle was handed over. Each run of it begins with the oldest that is kept,
   * and ends with the bundle.
   */
  readonly events: Stream.Stream<EgressEvent>
  /** The refusals among them. */
  readonly denials: Stream.Stream<EgressEvent>
  /** Puts another policy in force: what the guest asks for after this follows it. `plan.egress` is what it began with. */
  readonly reload: (policy: Policy) => Effect.Effect<void, ReloadFailed | BundleDied>
  /**
   * Leaves the machine in place when the scope closes; the bundle goes all the same, so nothing can leave it. Refused in
   * the topology `address`, where what has the bundle's address later need not be this bottle's.
   */
  readonly keep: Effect.Effect<void, OptionRefused>
}
