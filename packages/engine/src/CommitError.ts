/**
 * Why a bottle could not be committed. Every message is one line; `suggestion` says what to do next.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { LedgerFailed } from "./LedgerError.js"

const refusals = {
  busy: {
    text: "commands run in it",
    advice: "Wait for them, end them, or force the commit, which ends them."
  },
  "main-command": {
    text: "its main command would end, and the bottle with it",
    advice: "Wait for its end, or commit a bottle that was brought up without a command."
  },
  committing: { text: "it is being committed already", advice: "Try again when that commit has ended." },
  "output-not-absolute": { text: "the pack's path is not absolute", advice: "Give the whole path." },
  "output-exists": {
    text: "there is something at the pack's path already",
    advice: "Choose another name, or remove what is there."
  },
  "output-directory": {
    text: "the pack's directory cannot be written to",
    advice: "Name a pack in a directory that exists and that you may write to."
  },
  "packs-incomplete": {
    text: "this smolvm makes packs of machines that boot without what was written in them",
    advice: "Use smolvm 1.2.2 or newer, or --runtime local."
  }
} as const

/**
 * A commit that was not begun; the bottle goes on as it was.
 *
 * @since 0.1.0
 * @category errors
 */
export class CommitRefused extends Schema.TaggedError<CommitRefused>("@bottle/engine/CommitRefused")("CommitRefused", {
  id: Schema.String,
  output: Schema.String,
  reason: Schema.Literal(
    "busy",
    "main-command",
    "committing",
    "output-not-absolute",
    "output-exists",
    "output-directory",
    "packs-incomplete"
  )
}) {
  override get message(): string {
    return `${this.id} cannot be committed to ${this.output}: ${refusals[this.reason].text}`
  }
  /** What to do next. */
  get suggestion(): string {
    return refusals[this.reason].advice
  }
}

/**
 * A commit that failed half-way.
 *
 * - `step`: `stop` and `pack` leave no pack; `place` did not put it where it belongs; after the others (the machine's
 *   start, and the proof) the pack is there unless `isWritten` says otherwise
 * - `bottle`: whether the bottle is up again, and proven; `down` when its machine is gone
 *
 * @since 0.1.0
 * @category errors
 */
export class CommitFailed extends Schema.TaggedError<CommitFailed>("@bottle/engine/CommitFailed")("CommitFailed", {
  id: Schema.String,
  output: Schema.String,
  step: Schema.Literal("stop", "pack", "place", "start", "proof"),
  reason: Schema.String,
  isWritten: Schema.Boolean,
  bottle: Schema.Literal("up", "down")
}) {
  override get message(): string {
    const what =
      this.step === "start" || this.step === "proof"
        ? `${this.id} did not come up again after its commit`
        : `${this.id} could not be committed to ${this.output}`
    return `${what}: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    const pack = this.isWritten ? `The pack ${this.output} is complete.` : "No pack was left."
    return this.bottle === "up"
      ? `${pack} The bottle is up, and proven closed again.`
      : `${pack} The bottle is down${this.isWritten ? ": launch from the pack." : "."}`
  }
}

/**
 * The bottle's machine is gone, since it did not come up again after a commit.
 *
 * @since 0.1.0
 * @category errors
 */
export class MachineLost extends Schema.TaggedError<MachineLost>("@bottle/engine/MachineLost")("MachineLost", {
  id: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the machine of ${this.id} did not come up again after a commit: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Launch again; from the pack, where the commit had written one."
  }
}

/**
 * How a commit fails.
 *
 * @since 0.1.0
 * @category errors
 */
export type CommitError = CommitRefused | CommitFailed | LedgerFailed | MachineLost
