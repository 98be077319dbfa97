/**
 * The control of a living bottle: what its owner answers on `<run>/<id>/control.sock`, to processes of the same user.
 *
 * One connection is one call. The client says one line, the owner answers with lines, and the end of the connection is
 * the end of the call, on both sides: who goes away leaves nothing behind.
 *
 * @since 0.1.0
 */
import type { EgressEvent } from "@bottle/egress/EgressEvent"
import { PolicyDocument } from "@bottle/egress/PolicyDocument"
import type { Smolvm } from "@bottle/smolvm/Smolvm"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { type Bottle, type BottleOutput, CommandExit, type CommitOptions, type Committed } from "./Bottle.js"
import { BottleId } from "./BottleId.js"
import type { ReloadFailed } from "./BundleError.js"
import type { CommitError } from "./CommitError.js"
import {
  type AllowRefused,
  type BottleGone,
  type ControlError,
  type ControlFailed,
  DownReason,
  type OwnerFailed
} from "./ControlError.js"
import type { Backlog } from "./internal/control/backlog.js"
import * as Client from "./internal/control/client.js"
import * as Hold from "./internal/control/hold.js"
import * as Server from "./internal/control/server.js"
import { LaunchPlan } from "./LaunchPlan.js"
import { ProofRecord } from "./ProofRecord.js"

// What whoever calls an owner needs beside it.
export {
  AllowRefused,
  BottleGone,
  type ControlError,
  ControlFailed,
  ControlRefused,
  ControlUnreachable,
  DownReason,
  OwnerFailed
} from "./ControlError.js"

/**
 * Something that may be left behind, and how to remove it by hand.
 *
 * @since 0.1.0
 * @category models
 */
export const ReleaseFailure = Schema.Struct({
  resource: Schema.String,
  reason: Schema.String,
  suggestion: Schema.String
})

/**
 * Something that may be left behind, and how to remove it by hand.
 *
 * @since 0.1.0
 * @category models
 */
export type ReleaseFailure = typeof ReleaseFailure.Type

/**
 * How a living bottle is, as its owner tells it: what a list of many asks of each.
 *
 * - `kind`: what holds it: a `run`, the `keeper` of a detached bottle, or a `program` that uses the library
 * - `ttlLeftMillis`, `idleLeftMillis`: what is left of its times; `null` without such a time, and `idleLeftMillis` also
 *   while something is going on in it
 * - `sessions`: commands that go on in it now, the main command not counted
 * - `main`: the command that the bottle lives for; its `exit` is `null` while it runs, and it takes input where it is
 *   `interactive`
 * - `rules`: how many entries of its policy allow something
 * - `credentials`: the names of those that its bundle holds
 * - `committing`: its machine is stopped, since its disk is being made into a pack
 * - `closing`: why it goes down; `null` while it is up
 *
 * @since 0.1.0
 * @category models
 */
export class Status extends Schema.Class<Status>("@bottle/engine/Status")({
  version: Schema.Literal(1),
  id: BottleId,
  name: Schema.NullOr(Schema.String),
  kind: Schema.Literal("run", "keeper", "program"),
  pid: Schema.Int,
  readyAt: Schema.DateTimeUtc,
  ttlMillis: Schema.NullOr(Schema.Number),
  ttlLeftMillis: Schema.NullOr(Schema.Number),
  idleMillis: Schema.NullOr(Schema.Number),
  idleLeftMillis: Schema.NullOr(Schema.Number),
  sessions: Schema.Int,
  rules: Schema.Int,
  credentials: Schema.Array(Schema.String),
  main: Schema.NullOr(
    Schema.Struct({
      command: Schema.Array(Schema.String),
      interactive: Schema.Boolean,
      exit: Schema.NullOr(CommandExit)
    })
  ),
  committing: Schema.Boolean,
  closing: Schema.NullOr(DownReason)
}) {}

/**
 * A living bottle, as its owner tells it: how it is, the plan that was executed, what was proven of it, and the policy
 * that is in force now, with what was added to it since.
 *
 * @since 0.1.0
 * @category models
 */
export class Description extends Status.extend<Description>("@bottle/engine/Description")({
  plan: LaunchPlan,
  proof: ProofRecord,
  policy: PolicyDocument
}) {}

/**
 * What a session is about.
 *
 * - `witness`: where in the guest its command writes down who it is (`@bottle/smolvm/Witness`); the owner ends that command
 *   when the session's client has died without ending it
 *
 * @since 0.1.0
 * @category models
 */
export interface SessionOptions {
  readonly witness?: string | undefined
}

/**
 * A command goes on in the bottle, which is not idle as long as the scope of this lives.
 *
 * @since 0.1.0
 * @category models
 */
export interface Session {
  /** Fails when the bottle goes down; never succeeds. */
  readonly gone: Effect.Effect<never, BottleGone>
}

/**
 * What an attached main command says. `Lost` counts bytes of its output that came too fast for whoever reads here; the
 * record's `output.log` has them.
 *
 * @since 0.1.0
 * @category models
 */
export type AttachOutput = BottleOutput | { readonly _tag: "Lost"; readonly bytes: number }

/**
 * Which decisions are followed.
 *
 * - `since`: `start` begins with the oldest that the owner keeps, `now` with the next; `start` when absent
 * - `verdict`: only those that say so; all when absent
 *
 * @since 0.1.0
 * @category models
 */
export interface EventsOptions {
  readonly since?: "start" | "now" | undefined
  readonly verdict?: EgressEvent["verdict"] | undefined
}

/**
 * The control of one bottle.
 *
 * @since 0.1.0
 * @category models
 */
export interface ControlClient {
  readonly id: BottleId
  /** The owner's process. */
  readonly pid: number
  /** Fails when the bottle goes down, or its owner dies; never succeeds. */
  readonly gone: Effect.Effect<never, BottleGone>
  readonly describe: Effect.Effect<Description, ControlError>
  /** The values of the secrets that the plan names. */
  readonly secrets: Effect.Effect<ReadonlyMap<string, Redacted.Redacted>, ControlError>
  /** Says that a command goes on until the scope closes. */
  readonly session: (options?: SessionOptions) => Effect.Effect<Session, ControlError, Scope.Scope>
  /** Takes the bottle down, and returns when it is; what may be left behind is a value. Two at once are one. */
  readonly down: Effect.Effect<ReadonlyArray<ReleaseFailure>, ControlError>
  /**
   * Makes a pack of the machine's disk, and returns when the bottle is up and proven again. Refused while commands run,
   * unless `force` ends them.
   */
  readonly commit: (options: CommitOptions) => Effect.Effect<Committed, ControlError | CommitError>
  /**
   * The bottle's decisions, as they are made, until it goes down (`BottleGone`). Whoever reads slowly loses the oldest:
   * without `verdict`, a gap in `sequence` tells. Leaving the stream leaves the bottle as it is.
   */
  readonly events: (options?: EventsOptions) => Stream.Stream<EgressEvent, ControlError>
  /**
   * Adds entries, as `--allow` takes them and at most 64, to the policy in force, and gives the policy that is in force
   * then. All or none; what another caller adds at the same time stays.
   */
  readonly allow: (
    entries: ReadonlyArray<string>
  ) => Effect.Effect<PolicyDocument, ControlError | AllowRefused | ReloadFailed | OwnerFailed>
  /** Puts another policy in force; what was added by `allow` goes. */
  readonly reload: (policy: PolicyDocument) => Effect.Effect<void, ControlError | ReloadFailed | OwnerFailed>
  /**
   * The main command's output, from the newest 64 KiB on, and exactly one `Exit` when it ends. What `stdin` gives is its
   * input, refused (`no-input`) where it takes none; the end of `stdin` is not the end of its input, so that others can
   * go on. Leaving the stream leaves the command as it is.
   */
  readonly attach: (options?: {
    readonly stdin?: Stream.Stream<Uint8Array> | undefined
  }) => Stream.Stream<AttachOutput, ControlError>
}

/**
 * Where a control socket is to be found, and whose it must be.
 *
 * @since 0.1.0
 * @category models
 */
export interface ControlAddress {
  readonly id: BottleId
  /** The bottle's own directory, `plan.directory`. */
  readonly directory: string
}

/**
 * The path of a bottle's control socket.
 *
 * @since 0.1.0
 * @category constructors
 */
export const socketOf = (directory: string): string => `${directory}/control.sock`

/**
 * The main command of a bottle, as its owner holds it.
 *
 * - `output`: what it writes, for who attaches
 * - `input`: gives it input, and returns when there is room for more; `null` where it takes none
 *
 * @since 0.1.0
 * @category models
 */
export interface MainCommand {
  readonly command: ReadonlyArray<string>
  readonly output: Backlog
  readonly input: ((bytes: Uint8Array) => Effect.Effect<void>) | null
}

/**
 * What an owner answers with.
 *
 * - `about`: what it told the ledger
 * - `down`: begins to take the bottle down, and returns at once
 * - `commit`: makes a pack; without it, a commit is refused
 * - `reloaded`: notes the policy that is in force after a change
 * - `reap`: ends what a session's command left in the guest, when its client has died
 * - `onBusy`: is told how many sessions, attachments and changes go on, each time that changes
 *
 * @since 0.1.0
 * @category models
 */
export interface ServeOptions {
  readonly bottle: Pick<Bottle, "id" | "plan" | "proof" | "events" | "policy" | "reload" | "allow">
  readonly about: {
    readonly name: string | null
    readonly kind: Description["kind"]
    readonly ttlMillis: number | null
    readonly idleMillis: number | null
  }
  readonly secrets: ReadonlyMap<string, Redacted.Redacted>
  readonly down: Effect.Effect<void>
  readonly commit?: Bottle["commit"] | undefined
  readonly reap?: ((witness: string) => Effect.Effect<void>) | undefined
  readonly reloaded?: ((policy: PolicyDocument) => Effect.Effect<void>) | undefined
  readonly main?: MainCommand | undefined
  readonly left?: Effect.Effect<Pick<Description, "ttlLeftMillis" | "idleLeftMillis">> | undefined
  readonly onBusy?: ((count: number) => void) | undefined
}

/**
 * The control of a bottle of ours, while it is served.
 *
 * @since 0.1.0
 * @category models
 */
export interface Serving {
  /** How many commands of others go on in it, the main command not counted. */
  readonly sessions: Effect.Effect<number>
  readonly committing: Effect.Effect<boolean>
  /** Tells everybody that the bottle goes down, and ends what changes it. To be called before anything is released. */
  readonly closing: (reason: DownReason) => Effect.Effect<void>
  /** Answers whoever asked for it: all is down, but for this. */
  readonly closed: (failures: ReadonlyArray<ReleaseFailure>) => Effect.Effect<void>
}

/**
 * Serves the control of a ready bottle until the scope closes. That is best a scope outside of the bottle's own: who
 * asks for the bottle to go down is answered when it has. The bottle's directory must be there.
 *
 * @since 0.1.0
 * @category constructors
 */
export const serve: (options: ServeOptions) => Effect.Effect<Serving, ControlFailed, Scope.Scope> = (options) =>
  Server.serve(socketOf(options.bottle.plan.directory), options)

/**
 * How a bottle is served that the fiber that launched it uses itself.
 *
 * - `outer`: a scope that closes after the bottle's own: who asks for the bottle to go down is answered then
 * - `failures`: what could not be released, asked for when `outer` closes
 *
 * @since 0.1.0
 * @category models
 */
export interface HoldOptions extends Omit<ServeOptions, "down" | "reap"> {
  readonly outer: Scope.Scope
  readonly failures: Effect.Effect<ReadonlyArray<ReleaseFailure>>
}

/**
 * A bottle of ours that others can use and take down meanwhile.
 *
 * @since 0.1.0
 * @category models
 */
export interface Held {
  /** Ends the work, and waits for its end, when somebody asks for the bottle to go down. */
  readonly during: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BottleGone, R>
}

/**
 * Serves the control of a bottle for as long as the bottle's own scope lives, which is this effect's. Whoever asks for it
 * to go down ends what runs under `during`; the bottle goes down when its scope closes, as ever.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hold: (options: HoldOptions) => Effect.Effect<Held, ControlFailed, Scope.Scope | Smolvm> = (options) =>
  Hold.hold(options)

/**
 * How long an owner may take to say its first word; 5000 when absent.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectOptions {
  readonly timeoutMillis?: number | undefined
}

/**
 * Connects to the owner of a bottle, which must be this user's. The client is told when the bottle goes down for as long
 * as the scope lives; what it asks has connections and deadlines of its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect: (
  address: ControlAddress,
  options?: ConnectOptions
) => Effect.Effect<ControlClient, ControlError, Scope.Scope> = Client.connect
