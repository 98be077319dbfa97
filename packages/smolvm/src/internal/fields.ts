import * as Schema from "effect/Schema"

/** A field that may be missing or null; `null` then. */
export const absentOr = <A, I>(schema: Schema.Schema<A, I>) =>
  Schema.optionalWith(Schema.NullOr(schema), { default: () => null })

/**
 * A field of which the data give the name but not the type: `null` where it is missing, or is of another type than the
 * one that is likely, so that one surprise does not cost the whole answer.
 */
export const likely = <A, I>(schema: Schema.Schema<A, I>) =>
  Schema.optionalWith(
    Schema.transform(Schema.Unknown, Schema.NullOr(Schema.typeSchema(schema)), {
      strict: true,
      decode: (value) => (Schema.is(Schema.typeSchema(schema))(value) ? value : null),
      encode: (value) => value
    }),
    { default: () => null }
  )
