/**
 * What can go wrong with a bundle, before it listens and while it does.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { BundleFailed, HostFileFailed, StageFailed } from "./LaunchError.js"

/**
 * The bundle does not follow the policy it was given; the one before still holds unless `reason` says that this is not
 * known.
 *
 * @since 0.1.0
 * @category errors
 */
export class ReloadFailed extends Schema.TaggedError<ReloadFailed>("@bottle/engine/ReloadFailed")("ReloadFailed", {
  reason: Schema.String,
  advice: Schema.String
}) {
  override get message(): string {
    return `the policy was not reloaded: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * Why a bundle could not be prepared or started.
 *
 * @since 0.1.0
 * @category errors
 */
export type BundleError = BundleFailed | StageFailed | HostFileFailed
