/**
 * How the ledger of a bottle fails, and why a bottle cannot be recovered.
 *
 * @since 0.1.0
 */
import { printable } from "@bottle/process/Text"
import * as Schema from "effect/Schema"

/**
 * The ledger of a launch could not be written, so nothing was created; or a name that it needs could not be reserved.
 *
 * @since 0.1.0
 * @category errors
 */
export class LedgerFailed extends Schema.TaggedError<LedgerFailed>("@bottle/engine/LedgerFailed")("LedgerFailed", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the ledger ${printable(this.path)} cannot be written: ${printable(this.reason)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Check that the directory is yours, that it can be written, and that the disk is not full: bottle doctor does."
  }
}

/**
 * What a ledger holds cannot be read.
 *
 * @since 0.1.0
 * @category errors
 */
export class LedgerUnreadable extends Schema.TaggedError<LedgerUnreadable>("@bottle/engine/LedgerUnreadable")(
  "LedgerUnreadable",
  { path: Schema.String, reason: Schema.String }
) {
  override get message(): string {
    return `${printable(this.path)} cannot be read: ${printable(this.reason)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Check that it is yours; `bottle cleanup --dry-run` says what is left of the bottle."
  }
}

/**
 * Another living bottle has the name.
 *
 * @since 0.1.0
 * @category errors
 */
export class NameTaken extends Schema.TaggedError<NameTaken>("@bottle/engine/NameTaken")("NameTaken", {
  name: Schema.String,
  /** The bottle that has it. */
  id: Schema.String
}) {
  override get message(): string {
    return `the name ${printable(this.name)} is taken by the bottle ${printable(this.id)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return `Take another name, or take that bottle down: bottle down ${printable(this.id)}`
  }
}

/**
 * Somebody else recovers this bottle.
 *
 * @since 0.1.0
 * @category errors
 */
export class LedgerBusy extends Schema.TaggedError<LedgerBusy>("@bottle/engine/LedgerBusy")("LedgerBusy", {
  id: Schema.String,
  /** The process that holds the ledger's lock, where it is known. */
  holder: Schema.NullOr(Schema.Int)
}) {
  override get message(): string {
    const holder = this.holder === null ? "another process" : `process ${this.holder}`
    return `the bottle ${printable(this.id)} is being cleaned up by ${holder}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Wait until it has finished."
  }
}

/**
 * The bottle has an owner that lives, so it is not touched.
 *
 * @since 0.1.0
 * @category errors
 */
export class OwnerAlive extends Schema.TaggedError<OwnerAlive>("@bottle/engine/OwnerAlive")("OwnerAlive", {
  id: Schema.String,
  pid: Schema.Int
}) {
  override get message(): string {
    return `the bottle ${printable(this.id)} belongs to process ${this.pid}, which runs`
  }
  /** What to do next. */
  get suggestion(): string {
    return `Take it down: bottle down ${printable(this.id)}`
  }
}

/**
 * Whether the bottle's owner lives cannot be known from here, so it is not touched.
 *
 * @since 0.1.0
 * @category errors
 */
export class OwnerUnknown extends Schema.TaggedError<OwnerUnknown>("@bottle/engine/OwnerUnknown")("OwnerUnknown", {
  id: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `whether the owner of the bottle ${printable(this.id)} runs is not known: ${printable(this.reason)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Look from where it was launched; `bottle cleanup --dry-run --all` lists what there is of it."
  }
}

/**
 * The bottle was kept on purpose, so only whoever asks for that takes it down.
 *
 * @since 0.1.0
 * @category errors
 */
export class BottleKept extends Schema.TaggedError<BottleKept>("@bottle/engine/BottleKept")("BottleKept", {
  id: Schema.String
}) {
  override get message(): string {
    return `the bottle ${printable(this.id)} was kept on purpose`
  }
  /** What to do next. */
  get suggestion(): string {
    return `Take it down when you are done: bottle down ${printable(this.id)}`
  }
}

/**
 * The bottle is gone: nothing is left of it, and its ledger was removed.
 *
 * @since 0.1.0
 * @category errors
 */
export class LedgerGone extends Schema.TaggedError<LedgerGone>("@bottle/engine/LedgerGone")("LedgerGone", {
  id: Schema.String
}) {
  override get message(): string {
    return `the bottle ${printable(this.id)} is gone`
  }
  /** What to do next. */
  get suggestion(): string {
    return "There is nothing left to do."
  }
}

/**
 * Why a bottle cannot be recovered now.
 *
 * @since 0.1.0
 * @category errors
 */
export type RecoveryRefused = LedgerBusy | OwnerAlive | OwnerUnknown | BottleKept | LedgerGone | LedgerFailed
