/**
 * How a bottle goes down, and how those who ask its owner for something fail.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Why a bottle goes down.
 *
 * - `asked`: somebody asked for it
 * - `ended`: its main command, or the run that it was launched for, has ended
 * - `time-to-live`, `idle`: its time was up
 * - `machine-gone`, `bundle-died`: it had lost one of its two parts
 * - `signal`: its owner was told to end
 *
 * @since 0.1.0
 * @category models
 */
export const DownReason = Schema.Literal(
  "asked",
  "ended",
  "time-to-live",
  "idle",
  "machine-gone",
  "bundle-died",
  "signal"
)

/**
 * Why a bottle goes down.
 *
 * @since 0.1.0
 * @category models
 */
export type DownReason = typeof DownReason.Type

/**
 * Nobody answers for the bottle in time.
 *
 * - `no-socket`: it has no control, or is not ready yet
 * - `refused`: its owner is dead
 * - `silent`: its owner lives, and says nothing: it is stopped, or its machine is far too busy
 * - `not-ours`: the socket belongs to another user, or speaks for another bottle
 * - `too-many`: its owner serves as many connections as it takes
 * - `kept`: it has no owner any more, only its machine was kept
 * - `kept-unproven`: as `kept`, and nothing says that its machine was proven closed
 * - `other`: the system said `detail`
 *
 * @since 0.1.0
 * @category errors
 */
export class ControlUnreachable extends Schema.TaggedError<ControlUnreachable>("@bottle/engine/ControlUnreachable")(
  "ControlUnreachable",
  {
    id: Schema.String,
    reason: Schema.Literal("no-socket", "refused", "silent", "not-ours", "too-many", "kept", "kept-unproven", "other"),
    detail: Schema.NullOr(Schema.String)
  }
) {
  override get message(): string {
    return `${this.id}: ${unreachable[this.reason].text}${this.detail === null ? "" : ` (${this.detail})`}`
  }
  /** What to do next. */
  get suggestion(): string {
    return unreachable[this.reason].advice
  }
}

const unreachable = {
  "no-socket": {
    text: "its owner has no control socket",
    advice: "It is not ready yet, or already closing: `bottle inspect` tells its state."
  },
  refused: { text: "its owner no longer listens", advice: "`bottle down` takes away what it left." },
  silent: {
    text: "its owner does not answer",
    advice: "It may be stopped or busy: try again, or take the bottle down with `bottle down`."
  },
  "not-ours": {
    text: "its control socket is not this bottle's",
    advice: "Look at who made the socket before you use the bottle; `bottle down` takes it down."
  },
  "too-many": {
    text: "its owner has too many callers",
    advice: "Wait until some of the commands in the bottle have ended, and try again."
  },
  kept: {
    text: "it has no owner any more, only its machine was kept",
    advice: "`bottle shell`, `bottle exec` and `bottle cp` look into it, `bottle down` removes it."
  },
  "kept-unproven": {
    text: "its machine was kept, and it is not known to have been proven closed",
    advice: "Nothing is run in it: `bottle logs` tells what its launch did, `bottle down` removes it."
  },
  other: { text: "its owner cannot be reached", advice: "`bottle inspect` tells its state." }
} as const

/**
 * The bottle is no longer there, or is on its way down; `reason` says why where its owner said so.
 *
 * @since 0.1.0
 * @category errors
 */
export class BottleGone extends Schema.TaggedError<BottleGone>("@bottle/engine/BottleGone")("BottleGone", {
  id: Schema.String,
  reason: Schema.NullOr(DownReason)
}) {
  override get message(): string {
    return `${this.id} ${this.reason === null ? "has lost its owner" : goneBy[this.reason]}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.reason === null
      ? `\`bottle logs ${this.id}\` tells what it did; what its owner left is taken away by itself, or by \`bottle cleanup\`.`
      : `\`bottle logs ${this.id}\` tells what it did; bring up a new one with \`bottle up\`.`
  }
}

const goneBy: Readonly<Record<DownReason, string>> = {
  asked: "was taken down",
  ended: "went down, since its main command ended",
  "time-to-live": "went down, since its time to live was over",
  idle: "went down, since nothing was done in it",
  "machine-gone": "went down, since its machine had stopped",
  "bundle-died": "went down, since its proxy had ended",
  signal: "went down, since its owner was told to end"
}

/**
 * The owner would not do what was asked.
 *
 * - `unknown-call`: it is of another version
 * - `no-main`: the bottle has no main command
 * - `no-input`: its main command takes no input
 * - `committing`: it is being committed
 * - `unsupported`: this owner cannot do that
 * - `malformed`: it could not read the call
 *
 * @since 0.1.0
 * @category errors
 */
export class ControlRefused extends Schema.TaggedError<ControlRefused>("@bottle/engine/ControlRefused")(
  "ControlRefused",
  {
    id: Schema.String,
    reason: Schema.Literal("unknown-call", "no-main", "no-input", "committing", "unsupported", "malformed"),
    detail: Schema.NullOr(Schema.String)
  }
) {
  override get message(): string {
    return `${this.id}: ${refusals[this.reason].text}${this.detail === null ? "" : ` (${this.detail})`}`
  }
  /** What to do next. */
  get suggestion(): string {
    return refusals[this.reason].advice
  }
}

const refusals = {
  "unknown-call": {
    text: "its owner does not know what was asked",
    advice: "It was launched by another version of bottle: use that one, or take it down and bring it up again."
  },
  "no-main": { text: "it has no main command", advice: "Run a command in it with `bottle exec` or `bottle shell`." },
  "no-input": {
    text: "its main command takes no input",
    advice: "Attach without input, or bring the bottle up with -i."
  },
  committing: { text: "it is being committed", advice: "Try again when the commit has ended." },
  unsupported: { text: "its owner cannot do that", advice: "Only a bottle that `bottle up` brought up can." },
  malformed: { text: "its owner could not read what was asked", advice: "Report this with the versions of both." }
} as const

/**
 * An entry was not added to the policy in force: it is none, or there are too many.
 *
 * @since 0.1.0
 * @category errors
 */
export class AllowRefused extends Schema.TaggedError<AllowRefused>("@bottle/engine/AllowRefused")("AllowRefused", {
  entry: Schema.String,
  reason: Schema.Literal("malformed", "too-many"),
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.entry} was not allowed: ${this.detail}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.reason === "malformed"
      ? "Write HOST:PORT, such as example.com:443."
      : "Write the entries into the bottle's policy, and launch it again."
  }
}

/**
 * What was asked for was tried, and failed. The failure is the one that happened in the owner's process: `error` is its
 * tag, `stage` the stage of the launch where it has one, `command` and `stderr` what was run and the last that it said.
 *
 * @since 0.1.0
 * @category errors
 */
export class OwnerFailed extends Schema.TaggedError<OwnerFailed>("@bottle/engine/OwnerFailed")("OwnerFailed", {
  id: Schema.String,
  error: Schema.String,
  reason: Schema.String,
  advice: Schema.NullOr(Schema.String),
  stage: Schema.NullOr(Schema.String),
  command: Schema.optionalWith(Schema.NullOr(Schema.Array(Schema.String)), { default: () => null }),
  stderr: Schema.optionalWith(Schema.NullOr(Schema.String), { default: () => null })
}) {
  override get message(): string {
    return this.reason
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice ?? `\`bottle logs ${this.id}\` tells what it did.`
  }
}

/**
 * The control of a bottle of ours cannot be served.
 *
 * @since 0.1.0
 * @category errors
 */
export class ControlFailed extends Schema.TaggedError<ControlFailed>("@bottle/engine/ControlFailed")("ControlFailed", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `nobody can listen on the control socket ${this.path}: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Check that its directory is yours and can be written; a shorter XDG_RUNTIME_DIR makes its path shorter."
  }
}

/**
 * How a call fails that anybody may make.
 *
 * @since 0.1.0
 * @category errors
 */
export type ControlError = ControlUnreachable | BottleGone | ControlRefused
