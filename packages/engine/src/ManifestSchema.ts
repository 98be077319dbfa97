/**
 * The JSON Schema of manifests, for editors and for programs that write them. It tells the shape alone: which names and
 * policies are refused, `ManifestText.parse` says.
 *
 * @since 0.1.0
 */
import * as JSONSchema from "effect/JSONSchema"
import * as Schema from "effect/Schema"
import { Manifest } from "./Manifest.js"

/** What Effect calls its filters says nothing to whoever reads the schema. */
const untitled = (value: unknown, isTop = false): unknown => {
  if (Array.isArray(value)) return value.map((inner) => untitled(inner))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) =>
      key === "title" && typeof inner === "string" && !isTop ? [] : [[key, untitled(inner)]]
    )
  )
}

/**
 * The JSON Schema that stands in `docs/reference/manifest.schema.json`.
 *
 * @since 0.1.0
 * @category models
 */
export const schema: unknown = untitled(
  JSONSchema.make(
    Schema.Struct(Manifest.fields).annotations({
      title: "Manifest",
      description: "bottle.json: bottles and agents by their names"
    })
  ),
  true
)
