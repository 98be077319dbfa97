/**
 * Why a copy between this machine and a guest did not come about. Every message is one line; paths are made printable.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { ArchiveError } from "./ArchiveError.js"

/**
 * A place in the guest that cannot be copied from or to.
 *
 * @since 0.1.0
 * @category errors
 */
export class GuestPathRefused extends Schema.TaggedError<GuestPathRefused>("@bottle/smolvm/GuestPathRefused")(
  "GuestPathRefused",
  { path: Schema.String, reason: Schema.String, advice: Schema.String }
) {
  override get message(): string {
    return `${this.path} in the guest ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * A directory is copied by tar, and the guest has none.
 *
 * @since 0.1.0
 * @category errors
 */
export class GuestLacksTar extends Schema.TaggedError<GuestLacksTar>("@bottle/smolvm/GuestLacksTar")("GuestLacksTar", {
  path: Schema.String
}) {
  override get message(): string {
    return `the guest has no tar, without which ${this.path} cannot be copied: it is a directory`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Install tar in the image, or copy the files one by one."
  }
}

/**
 * The guest's side of a copy failed.
 *
 * @since 0.1.0
 * @category errors
 */
export class TransferFailed extends Schema.TaggedError<TransferFailed>("@bottle/smolvm/TransferFailed")(
  "TransferFailed",
  {
    direction: Schema.Literal("in", "out"),
    path: Schema.String,
    exitCode: Schema.Number,
    /** The last of what it said, on one line. */
    words: Schema.String
  }
) {
  override get message(): string {
    const what = this.direction === "in" ? "copied into the guest" : "copied out of the guest"
    return `${this.path} could not be ${what}: ${this.words === "" ? `tar ended with ${this.exitCode}` : this.words}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.direction === "in"
      ? "Check that the guest's user may write there, and that its disk is not full."
      : "Check that the guest's user may read all of it. Nothing was written here."
  }
}

/**
 * How a copy fails, apart from what the endpoint itself fails with.
 *
 * @since 0.1.0
 * @category errors
 */
export type TransferError = ArchiveError | GuestPathRefused | GuestLacksTar | TransferFailed
