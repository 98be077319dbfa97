/**
 * The JSON Schema of policy documents, for editors and for programs that write them. It tells the shape alone: which
 * hosts, ranges and paths are refused, `Policy.fromJson` says.
 *
 * @since 0.1.0
 */
import * as JSONSchema from "effect/JSONSchema"
import * as Schema from "effect/Schema"
import { PolicyDocument } from "./PolicyDocument.js"

/** What Effect calls its filters says nothing to whoever reads the schema. */
const untitled = (value: unknown, isTop = false): unknown => {
  if (Array.isArray(value)) return value.map((inner) => untitled(inner))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => (key === "title" && !isTop ? [] : [[key, untitled(inner)]]))
  )
}

/**
 * The JSON Schema that stands in `docs/reference/policy.schema.json`.
 *
 * @since 0.1.0
 * @category models
 */
export const schema: unknown = untitled(
  // Of its fields: what has an identifier would be a reference to itself.
  JSONSchema.make(
    Schema.Struct(PolicyDocument.fields).annotations({
      title: "Policy",
      description: "What a guest may reach: what nothing in it allows is refused, and what denies wins"
    })
  ),
  true
)
