/**
 * JSON Schemas of our documents for whoever reads them: draft 7, made from the schemas that the program itself encodes by.
 *
 * @since 0.1.0
 */
import * as Make from "effect/JSONSchema"
import type * as Schema from "effect/Schema"

/**
 * A JSON Schema, or a part of one.
 *
 * @since 0.1.0
 * @category models
 */
export type JsonSchema = { readonly [key: string]: unknown }

/**
 * What a document is, beside its schema.
 *
 * @since 0.1.0
 * @category models
 */
export interface About {
  readonly title: string
  readonly description: string
}

const DRAFT = "http://json-schema.org/draft-07/schema#"

const isObject = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** What Effect says of its own filters, in words that say nothing about the document. */
const FILTER = /^an? (?:integer|number|positive|negative|non[ -]|string )/

/** `@bottle/engine/LaunchPlan` is `LaunchPlan` to whoever reads the schema. */
const shortOf = (identifier: string): string => identifier.replace(/^.*\//, "")

const referred = (schema: JsonSchema): string | undefined =>
  typeof schema["$ref"] === "string"
    ? schema["$ref"]
        .replace(/^#\/\$defs\//, "")
        .replaceAll("~1", "/")
        .replaceAll("~0", "~")
    : undefined

const mapValues = (value: unknown, map: (inner: unknown) => unknown): JsonSchema =>
  isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, map(inner)])) : {}

/** `{"type": ["string", "null"]}` for what is either, where nothing else is said of them. */
const joined = (members: unknown): ReadonlyArray<unknown> | undefined => {
  if (!Array.isArray(members)) return undefined
  const types = members.map((member) => (isObject(member) && Object.keys(member).length === 1 ? member["type"] : null))
  return types.every((type) => typeof type === "string") ? types : undefined
}

/** A definition that only names a kind of number or text stands where it is used. */
const isPlain = (definition: unknown): boolean =>
  isObject(definition) && definition["properties"] === undefined && definition["anyOf"] === undefined

interface Tidying {
  readonly definitions: JsonSchema
  /** Whether a document of a later release may have fields that this one does not know. */
  readonly open: boolean
}

const tidy = (value: unknown, tidying: Tidying): unknown => {
  if (Array.isArray(value)) return value.map((inner) => tidy(inner, tidying))
  if (!isObject(value)) return value
  const name = referred(value)
  const definition = name === undefined ? undefined : tidying.definitions[name]
  if (name !== undefined && isPlain(definition)) return tidy(definition, tidying)
  if (name !== undefined) return { $ref: `#/definitions/${shortOf(name)}` }
  const entries = Object.entries(value).flatMap(([key, inner]): ReadonlyArray<readonly [string, unknown]> => {
    switch (key) {
      case "title":
        return []
      case "description":
        return typeof inner === "string" && FILTER.test(inner) ? [] : [[key, inner]]
      case "enum":
      case "required":
        return Array.isArray(inner) && inner.length === 0 ? [] : [[key, inner]]
      case "properties": {
        const properties = mapValues(inner, (property) => tidy(property, tidying))
        return Object.keys(properties).length === 0 ? [] : [[key, properties]]
      }
      case "additionalProperties":
        return inner === false && tidying.open ? [] : [[key, tidy(inner, tidying)]]
      case "anyOf": {
        const members = tidy(inner, tidying)
        const types = joined(members)
        return [types === undefined ? [key, members] : ["type", types]]
      }
      default:
        return [[key, tidy(inner, tidying)]]
    }
  })
  const { description, ...rest } = Object.fromEntries(entries)
  return description === undefined ? rest : { description, ...rest }
}

/**
 * The JSON Schema of what a schema encodes to. An `open` one takes fields that it does not know, so that a program that
 * was written against it reads what a later release writes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <A, I, R>(
  schema: Schema.Schema<A, I, R>,
  { description, title }: About,
  { open }: { readonly open: boolean }
): JsonSchema => {
  const { $defs, $schema: _, ...root }: JsonSchema = { ...Make.make(schema) }
  const definitions: JsonSchema = isObject($defs) ? $defs : {}
  const tidying = { definitions, open }
  const name = referred(root)
  const top = tidy(name === undefined ? root : definitions[name], tidying)
  const others = Object.entries(definitions).flatMap(([key, definition]) =>
    key === name || isPlain(definition) ? [] : [[shortOf(key), tidy(definition, tidying)] as const]
  )
  return {
    $schema: DRAFT,
    title,
    ...(isObject(top) ? top : {}),
    description,
    ...(others.length === 0 ? {} : { definitions: Object.fromEntries(others) })
  }
}
