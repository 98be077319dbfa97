/**
 * What `logs --format json` prints: a line of a bottle's record each, with where it comes from.
 *
 * @since 0.1.0
 */
import { EgressEvent } from "@bottle/egress/EgressEvent"
import { BundleLine, Cut, LaunchLine, Lost } from "@bottle/engine/RecordLine"
import * as Schema from "effect/Schema"

const from = <const Source extends string>(source: Source) =>
  Schema.Struct({ source: Schema.Literal(source).annotations({ description: "Where it comes from" }) })

const source = Schema.Struct({
  source: Schema.Literal("launch", "bundle", "decisions").annotations({ description: "Where it comes from" })
})

const Unreadable = Schema.Struct({
  unreadable: Schema.Literal(true).annotations({ description: "The line in the record cannot be read" })
})

const Output = Schema.Struct({
  time: Schema.Null.annotations({ description: "When it was written is not known" }),
  text: Schema.String.annotations({ description: "A line that the main command wrote" })
})

const Decision = Schema.Struct(EgressEvent.fields)

/**
 * A line of the logs. What another release wrote into a record is printed as it stands there.
 *
 * @since 0.1.0
 * @category models
 */
export const LogLine = Schema.Union(
  Schema.extend(from("launch"), LaunchLine),
  Schema.extend(from("bundle"), BundleLine),
  Schema.extend(from("decisions"), Decision),
  Schema.extend(from("output"), Output),
  Schema.extend(source, Schema.Union(Cut, Lost, Unreadable))
)
