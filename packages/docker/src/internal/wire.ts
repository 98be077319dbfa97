import * as Effect from "effect/Effect"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

/** Labels by name. */
export const Labels = Schema.Record({ key: Schema.String, value: Schema.String })

/** Labels as docker writes them: null where there are none, or left out. */
export const NullableLabels = Schema.optional(Schema.NullOr(Labels))

/** A list as Go writes it: null where it is empty, or left out. */
export const nullableArray = <A, I>(item: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(Schema.Array(item)))

/** Reads one document per line. */
export const decodeLines =
  <A, I, B>(schema: Schema.Schema<A, I>, make: (document: A) => B) =>
  (stdout: string): Effect.Effect<ReadonlyArray<B>, ParseResult.ParseError> =>
    Effect.forEach(linesOf(stdout), (line) => Effect.map(Schema.decode(Schema.parseJson(schema))(line), make))

/** The lines that are not blank. What is inspected and not there is printed as `[]`, on a line of its own. */
export const linesOf = (stdout: string): ReadonlyArray<string> =>
  stdout
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && line !== "[]")
