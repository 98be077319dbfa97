/**
 * A span of a trace as one process tells it to another: what a keeper did while its bottle came up.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A span of a launch, over or open.
 *
 * - `id`, `parent`: known to the process that had it only; `parent` is `null` at the root
 * - `name`: what of ours it was, such as `bottle.create` or `process`
 * - `startMicros`: when it began, since the epoch
 * - `durationMicros`: `null` while it is not over
 * - `ok`: whether it ended well; `null` while it is not over
 * - `attributes`: nothing of it is an argument, a variable or a path
 *
 * @since 0.1.0
 * @category models
 */
export const SpanRecord = Schema.Struct({
  id: Schema.String,
  parent: Schema.NullOr(Schema.String),
  name: Schema.String,
  startMicros: Schema.Number,
  durationMicros: Schema.NullOr(Schema.Number),
  ok: Schema.NullOr(Schema.Boolean),
  attributes: Schema.Record({ key: Schema.String, value: Schema.Union(Schema.String, Schema.Number, Schema.Boolean) })
})

/**
 * A span of a launch.
 *
 * @since 0.1.0
 * @category models
 */
export type SpanRecord = typeof SpanRecord.Type
