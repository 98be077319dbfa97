/**
 * What is told to programs beside the outcome, one line of JSON on standard error each.
 *
 * @since 0.1.0
 */
import { lazy } from "@bottle/process/Lazy"
import * as Schema from "effect/Schema"

const text = (description: string) => Schema.String.annotations({ description })

const nullable = (description: string) => Schema.NullOr(Schema.String).annotations({ description })

const version = Schema.Literal(1).annotations({ description: "The version of this format" })

/**
 * A notice: something that may be left behind, a record that cannot be complete, or a policy that was read again.
 *
 * @since 0.1.0
 * @category models
 */
export const Notice = Schema.Union(
  Schema.Struct({
    version,
    releaseFailure: Schema.Struct({
      resource: text("What may be left behind"),
      reason: text("Why it could not be removed"),
      suggestion: text("How to remove it")
    }).annotations({ description: "Something may be left behind" })
  }),
  Schema.Struct({
    version,
    recordFailure: Schema.Struct({
      message: text("What happened"),
      suggestion: text("What to do about it")
    }).annotations({ description: "The record of the bottle cannot be complete" })
  }),
  Schema.Struct({
    version,
    reload: Schema.Struct({
      ok: Schema.Boolean.annotations({ description: "Whether the policy of the file is in force" }),
      file: nullable("The policy file; null where the launch had none"),
      message: nullable("Why it is not; null where it is"),
      suggestion: nullable("What to do about it; null where there is nothing")
    }).annotations({ description: "The policy file was read again" })
  })
)

/**
 * A notice.
 *
 * @since 0.1.0
 * @category models
 */
export type Notice = typeof Notice.Type

/**
 * The notice on one line.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toJson: (notice: Notice) => string = lazy(() => Schema.encodeSync(Schema.parseJson(Notice)))
