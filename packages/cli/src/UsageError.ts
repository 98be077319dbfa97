/**
 * What is wrong with a command line.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The command line says nothing that can be done: exit code 2. Its words are printable and hold no value of a secret.
 *
 * @since 0.1.0
 * @category errors
 */
export class UsageError extends Schema.TaggedError<UsageError>("@bottle/cli/UsageError")("UsageError", {
  problem: Schema.String,
  advice: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}
