import * as Option from "effect/Option"
import type * as AST from "effect/SchemaAST"

/** What a value has to be, in words that follow "it is not", and one that would be taken, as JSON. */
export interface Expected {
  readonly what: string
  readonly example: string
}

const key = Symbol.for("@bottle/engine/manifest/expected")

const isExpected = (value: unknown): value is Expected =>
  typeof value === "object" && value !== null && "what" in value && "example" in value

/** The annotation that says what a value has to be. */
export const expected = (value: Expected): Readonly<Record<symbol, Expected>> => ({ [key]: value })

/** What the value of a schema has to be, where the schema says so. */
export const expectedBy = (ast: AST.Annotated): Option.Option<Expected> =>
  Option.liftPredicate(isExpected)(ast.annotations[key])
