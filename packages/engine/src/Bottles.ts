/**
 * Bottles that outlive the process that brought them up: one background process, the keeper, holds the scope of each.
 *
 * @since 0.1.0
 */
import type * as Identity from "@bottle/process/Identity"
import type { PolicyDocument } from "@bottle/egress/PolicyDocument"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Bottle, BottleError, BottleOutput, CommandExit, CommandOptions, ExecResult } from "./Bottle.js"
import { BottleId } from "./BottleId.js"
import type { ReloadFailed } from "./BundleError.js"
import type { ControlClient, Description, ReleaseFailure, Status } from "./Control.js"
import type { BottleGone, ControlError, ControlFailed, OwnerFailed } from "./ControlError.js"
import type { Directories } from "./Directories.js"
import * as Down from "./internal/bottles/down.js"
import * as Found from "./internal/bottles/find.js"
import * as Listing from "./internal/bottles/list.js"
import * as Up from "./internal/bottles/up.js"
import * as Wait from "./internal/bottles/wait.js"
import type { LaunchError } from "./LaunchError.js"
import type { LaunchEvent } from "./LaunchObserver.js"
import type { LaunchPlan } from "./LaunchPlan.js"
import type { LedgerView } from "./Ledger.js"
import type { LedgerFailed, LedgerUnreadable, NameTaken } from "./LedgerError.js"
import type { ProofRecord } from "./ProofRecord.js"
import { Runtimes } from "./Runtimes.js"
import type { SpanRecord } from "./SpanRecord.js"
import { Stage } from "./Stage.js"

/**
 * No living bottle has this name or id; `nearest` is one that looks like it.
 *
 * @since 0.1.0
 * @category errors
 */
export class BottleNotFound extends Schema.TaggedError<BottleNotFound>("@bottle/engine/BottleNotFound")(
  "BottleNotFound",
  { name: Schema.String, nearest: Schema.NullOr(Schema.String) }
) {
  override get message(): string {
    return `there is no bottle ${this.name}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.nearest === null
      ? "`bottle ls` lists the bottles that are up, and `bottle ls -a` also those that were."
      : `Did you mean ${this.nearest}? \`bottle ls\` lists the bottles that are up.`
  }
}

/**
 * Several living bottles begin with this name.
 *
 * @since 0.1.0
 * @category errors
 */
export class NameAmbiguous extends Schema.TaggedError<NameAmbiguous>("@bottle/engine/NameAmbiguous")("NameAmbiguous", {
  name: Schema.String,
  ids: Schema.Array(BottleId)
}) {
  override get message(): string {
    return `${this.name} may be ${this.ids.slice(0, 5).join(", ")}${this.ids.length > 5 ? ", ..." : ""}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Use the whole id."
  }
}

/**
 * The keeper ended before its bottle was ready, and not by a failure that it told.
 *
 * - `stage`: the last stage of the launch that had begun
 * - `words`: the last of what it wrote on standard error, on one line
 *
 * @since 0.1.0
 * @category errors
 */
export class KeeperFailed extends Schema.TaggedError<KeeperFailed>("@bottle/engine/KeeperFailed")("KeeperFailed", {
  id: BottleId,
  stage: Schema.NullOr(Stage),
  exitCode: Schema.NullOr(Schema.Number),
  signal: Schema.NullOr(Schema.String),
  words: Schema.String
}) {
  override get message(): string {
    const how = this.signal !== null ? `was killed by ${this.signal}` : `ended with ${this.exitCode ?? "no exit code"}`
    const where = this.stage === null ? "before the launch began" : `in the stage ${this.stage}`
    return `the keeper of ${this.id} ${how} ${where}${this.words === "" ? "" : `: ${this.words}`}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "What it made is taken away by itself; `bottle cleanup` tells whether anything is left. Try again, and report it if it happens again."
  }
}

/**
 * The keeper could not be started.
 *
 * @since 0.1.0
 * @category errors
 */
export class KeeperNotStarted extends Schema.TaggedError<KeeperNotStarted>("@bottle/engine/KeeperNotStarted")(
  "KeeperNotStarted",
  { program: Schema.String, reason: Schema.String }
) {
  override get message(): string {
    return `the keeper ${this.program} could not be started: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Install bottle again: its keeper is one of its files."
  }
}

/**
 * The path of the bottle's control socket is longer than a Unix socket's can be.
 *
 * @since 0.1.0
 * @category errors
 */
export class ControlPathTooLong extends Schema.TaggedError<ControlPathTooLong>("@bottle/engine/ControlPathTooLong")(
  "ControlPathTooLong",
  { path: Schema.String, maxBytes: Schema.Int }
) {
  override get message(): string {
    return `the control socket's path ${this.path} is longer than ${this.maxBytes} bytes`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Set XDG_RUNTIME_DIR to a shorter directory, or choose a shorter name."
  }
}

/**
 * The bottle is held by a program that does not serve its control, so only that program can take it down.
 *
 * @since 0.1.0
 * @category errors
 */
export class OwnedByProgram extends Schema.TaggedError<OwnedByProgram>("@bottle/engine/OwnedByProgram")(
  "OwnedByProgram",
  { id: BottleId, pid: Schema.NullOr(Schema.Int) }
) {
  override get message(): string {
    return `${this.id} is held by a program of yours${this.pid === null ? "" : `, process ${this.pid}`}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.pid === null ? "End that program." : `End that program: kill ${this.pid}`
  }
}

/**
 * The bottle could not be taken down.
 *
 * @since 0.1.0
 * @category errors
 */
export class DownFailed extends Schema.TaggedError<DownFailed>("@bottle/engine/DownFailed")("DownFailed", {
  id: BottleId,
  reason: Schema.String,
  advice: Schema.String
}) {
  override get message(): string {
    return `${this.id} could not be taken down: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * How looking for a bottle fails.
 *
 * @since 0.1.0
 * @category errors
 */
export type FindError = BottleNotFound | NameAmbiguous | LedgerUnreadable

/**
 * How `up` fails: by any failure of the launch itself, as it happened in the keeper, or by its keeper. `BottleGone` says
 * that somebody else took it down before it was ready.
 *
 * @since 0.1.0
 * @category errors
 */
export type UpError =
  | LaunchError
  | LedgerFailed
  | NameTaken
  | ControlPathTooLong
  | KeeperNotStarted
  | KeeperFailed
  | ControlFailed
  | BottleGone
  | OwnerFailed

/**
 * How `down` fails. What was taken down but may have left something is a value (`Downed.failures`).
 *
 * @since 0.1.0
 * @category errors
 */
export type DownError = FindError | OwnedByProgram | DownFailed

/**
 * How an operation of a found bottle fails.
 *
 * @since 0.1.0
 * @category errors
 */
export type FoundError = BottleError | ControlError

/**
 * What happens while a bottle comes up: the launch's own events as they come, and a record that cannot be complete.
 *
 * @since 0.1.0
 * @category models
 */
export type UpEvent =
  | LaunchEvent
  | { readonly _tag: "RecordFailed"; readonly message: string; readonly suggestion: string }

/**
 * What a bottle that is brought up is given apart from its plan.
 *
 * - `secrets`: the values of the secrets that the plan names; they go to the keeper over a pipe
 * - `credentials`: those of the credentials of its policy; they go to the keeper the same way, and from it to the bundle
 * - `name`: a name that no other living bottle has
 * - `ttlMillis`: it goes down after that, whatever goes on in it
 * - `idleMillis`: it goes down when for that long no command has run in it and its bundle was asked for nothing
 * - `command`: its main command; the bottle goes down when it ends. Where it is `interactive`, its input stays open for
 *   who attaches to it; else it has none
 * - `onSpan`: hears the spans of the keeper until the bottle is ready; without it, a keeper tells none
 *
 * @since 0.1.0
 * @category models
 */
export interface UpOptions {
  readonly secrets?: ReadonlyMap<string, Redacted.Redacted> | undefined
  readonly credentials?: ReadonlyMap<string, Redacted.Redacted> | undefined
  readonly name?: string | undefined
  readonly ttlMillis?: number | undefined
  readonly idleMillis?: number | undefined
  readonly command?: (CommandOptions & { readonly interactive?: boolean | undefined }) | undefined
  readonly onEvent?: ((event: UpEvent) => Effect.Effect<void>) | undefined
  readonly onSpan?: ((span: SpanRecord) => Effect.Effect<void>) | undefined
}

/**
 * A bottle that is up: ready and proven, and held by its keeper.
 *
 * - `record`: the directory of its record; `null` where none could be made
 *
 * @since 0.1.0
 * @category models
 */
export interface UpBottle {
  readonly id: BottleId
  readonly name: string | null
  readonly plan: LaunchPlan
  readonly proof: ProofRecord
  readonly record: string | null
  readonly keeper: Identity.Identity
}

/**
 * One living bottle, or what is left of one, as `list` sees it.
 *
 * - `owner`: whether the process that holds it lives
 * - `status`: what its owner said; `null` where it did not answer in time, and `silence` says why
 * - `describe`: asks its owner for more
 *
 * @since 0.1.0
 * @category models
 */
export interface ListedBottle {
  readonly id: BottleId
  readonly name: string | null
  readonly view: LedgerView
  readonly owner: "alive" | "dead" | "unknown"
  readonly status: Status | null
  readonly silence: ControlError | null
  readonly describe: Effect.Effect<Description, ControlError>
}

/**
 * A bottle that another process holds. Its operations are those of a bottle of one's own, and fail with `BottleGone` when
 * it goes down meanwhile.
 *
 * @since 0.1.0
 * @category models
 */
export interface FoundBottle {
  readonly id: BottleId
  readonly name: string | null
  readonly view: LedgerView
  readonly plan: LaunchPlan
  readonly proof: ProofRecord
  readonly control: ControlClient
  /** Fails when the bottle goes down, or its owner dies; never succeeds. */
  readonly gone: Effect.Effect<never, BottleGone>
  readonly describe: Effect.Effect<Description, ControlError>
  readonly exec: (
    options: CommandOptions & { readonly capBytes?: number | undefined }
  ) => Effect.Effect<ExecResult, FoundError>
  readonly stream: (
    options: CommandOptions & { readonly stdin?: Stream.Stream<Uint8Array> | undefined }
  ) => Stream.Stream<BottleOutput, FoundError>
  readonly attach: (
    options: CommandOptions & { readonly tty: boolean; readonly interactive: boolean }
  ) => Effect.Effect<CommandExit, FoundError>
  readonly cpIn: (options: Parameters<Bottle["cpIn"]>[0]) => Effect.Effect<void, FoundError>
  readonly cpOut: (options: Parameters<Bottle["cpOut"]>[0]) => Effect.Effect<void, FoundError>
  readonly commit: ControlClient["commit"]
  readonly reload: (policy: PolicyDocument) => Effect.Effect<void, ControlError | ReloadFailed | OwnerFailed>
  readonly down: Effect.Effect<Downed, DownError>
}

/**
 * A bottle that is down.
 *
 * - `how`: by its owner, or, since that did not answer or was dead, by taking away what it had
 * - `failures`: what may be left behind
 *
 * @since 0.1.0
 * @category models
 */
export interface Downed {
  readonly id: BottleId
  readonly how: "owner" | "recovered"
  readonly failures: ReadonlyArray<ReleaseFailure>
}

/**
 * How a bottle ended. `exit` is the record's last word: `code` is `null` where it is not known.
 *
 * @since 0.1.0
 * @category models
 */
export interface WaitedBottle {
  readonly id: BottleId
  readonly code: number | null
  readonly origin: string
  readonly error: string | null
  readonly failures: ReadonlyArray<ReleaseFailure>
}

/**
 * The living bottles of this user.
 *
 * @since 0.1.0
 * @category services
 */
export class Bottles extends Context.Tag("@bottle/engine/Bottles")<
  Bottles,
  {
    /**
     * Brings a bottle up, and returns when it is ready and proven. Interrupted before, it returns when all that was made
     * is gone.
     */
    readonly up: (plan: LaunchPlan, options?: UpOptions) => Effect.Effect<UpBottle, UpError>
    /** The living bottle with this id, this reserved name, or the only one whose id begins with it. */
    readonly find: (nameOrId: string) => Effect.Effect<FoundBottle, FindError | ControlError, Scope.Scope>
    /** Every bottle that is up or of which something is left. It has a deadline, and one sick bottle does not fail it. */
    readonly list: Effect.Effect<ReadonlyArray<ListedBottle>, LedgerUnreadable>
    /** Takes a bottle down, whatever state its owner is in, and returns when it is down. */
    readonly down: (nameOrId: string) => Effect.Effect<Downed, DownError>
    /** Waits until the bottle is down, and tells how it ended. */
    readonly wait: (nameOrId: string) => Effect.Effect<WaitedBottle, FindError>
  }
>() {}

/**
 * How keepers are started, and where their bottles are.
 *
 * - `keeper.command`: the program of the keeper with its first words, by absolute paths; it calls `Keeper.keep`
 * - `keeper.env`: its whole environment, in which the runtime runs too; variables that a plan names as secrets, or that
 *   the value of a credential is read from, are left out
 *
 * @since 0.1.0
 * @category models
 */
export interface BottlesSettings {
  readonly directories: Directories
  readonly keeper: {
    readonly command: readonly [program: string, ...words: ReadonlyArray<string>]
    readonly env: Readonly<Record<string, string>>
  }
}

type Services = Runtimes | FileSystem.FileSystem

/**
 * The service over the ledgers of a state directory.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  settings: BottlesSettings
): Effect.Effect<Context.Tag.Service<Bottles>, never, Runtimes | FileSystem.FileSystem> =>
  // These two and nothing else: the scope that is there now would take the place of that of who looks for a bottle.
  Effect.map(Effect.map(Effect.context<Services>(), Context.pick(Runtimes, FileSystem.FileSystem)), (context) => ({
    up: (plan, options = {}) => Up.up(settings, plan, options),
    find: (nameOrId) => Effect.provide(Found.find(settings.directories, nameOrId), context),
    list: Effect.provide(Listing.list(settings.directories), context),
    down: (nameOrId) => Effect.provide(Down.down(settings.directories, nameOrId), context),
    wait: (nameOrId) => Effect.provide(Wait.wait(settings.directories, nameOrId), context)
  }))

/**
 * The service over the ledgers of a state directory.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (settings: BottlesSettings): Layer.Layer<Bottles, never, Runtimes | FileSystem.FileSystem> =>
  Layer.effect(Bottles, make(settings))
