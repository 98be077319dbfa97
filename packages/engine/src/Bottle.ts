/**
 * A bottle: a machine that is ready, whose only way out is its bundle. It lives as long as the scope it was launched in.
 *
 * @since 0.1.0
 */
import type { EgressEvent } from "@bottle/egress/EgressEvent"
import type { Policy } from "@bottle/egress/Policy"
import type {
  CommandExit,
  CommandOptions,
  ExecError,
  ExecResult,
  Output as BottleOutput
} from "@bottle/smolvm/GuestCommand"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { BottleId } from "./BottleId.js"
import type { ReloadFailed } from "./BundleError.js"
import type { CommitError, MachineLost } from "./CommitError.js"
import type { AllowRefused } from "./ControlError.js"
import type { BundleDied, OptionRefused } from "./LaunchError.js"
import type { LaunchPlan } from "./LaunchPlan.js"
import type { ProofRecord } from "./ProofRecord.js"

export { CapturedTooMuch, CommandExit, ExitOrigin } from "@bottle/smolvm/GuestCommand"
export type { CommandOptions, ExecResult, Output as BottleOutput } from "@bottle/smolvm/GuestCommand"
export type { Unended } from "@bottle/smolvm/Reap"

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
export type BottleError = ExecError | BundleDied | MachineLost

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
  /** The policy in force. `plan.egress` is what it began with. */
  readonly policy: Effect.Effect<Policy>
  /**
   * Puts another policy in force: what the guest asks for after this follows it. With `keepAllowed`, what `allow` added
   * stays in force beside it; else it goes.
   */
  readonly reload: (
    policy: Policy,
    options?: { readonly keepAllowed?: boolean | undefined }
  ) => Effect.Effect<void, ReloadFailed | BundleDied>
  /**
   * Adds entries, as `--allow` takes them, to what is in force, and gives the policy that is in force then. All of them
   * or none; of two calls at once none loses what the other adds.
   */
  readonly allow: (entries: ReadonlyArray<string>) => Effect.Effect<Policy, AllowRefused | ReloadFailed | BundleDied>
  /**
   * Leaves the machine in place when the scope closes; the bundle goes all the same, so nothing can leave it. Refused in
   * the topology `address`, where what has the bundle's address later need not be this bottle's.
   */
  readonly keep: Effect.Effect<void, OptionRefused>
}
