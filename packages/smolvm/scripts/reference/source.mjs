// Reads what the reference takes from the sources as text: doc comments, option interfaces, the service's members. It
// relies on the formatter: a declaration begins in the first column, and a field of it in the third.
import { readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"

/** The sources of a directory by module: `MachineCreate` → its text. Those below `internal` are named with it. */
export const readSources = (directory) =>
  new Map(
    ["", "internal/"].flatMap((below) =>
      readdirSync(path.join(directory, below))
        .filter((name) => name.endsWith(".ts"))
        .map((name) => [below + name.slice(0, -3), readFileSync(path.join(directory, below, name), "utf8")])
    )
  )

/** The sentences of a doc comment, without its tags. */
const sentences = (comment) =>
  comment
    .replace(/^\s*\/\*\*|\*\/\s*$/g, "")
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, "").trimEnd())
    .filter((line) => !line.startsWith("@"))
    .join("\n")
    .trim()

/** The doc comment that ends right before an offset. */
const docBefore = (text, offset) => {
  const match = /\/\*\*(?:(?!\*\/)[^])*\*\/\s*$/.exec(text.slice(0, offset))
  return match === null ? "" : sentences(match[0])
}

/** The first doc comment of a module. */
export const moduleDoc = (text) => sentences(/^\/\*\*[^]*?\*\//.exec(text)?.[0] ?? "")

/** The fields of a body whose fields are indented by `indent`: key, type, doc, whether it may be left out. */
const fieldsOf = (body, indent) => {
  const fields = []
  const start = new RegExp(
    `((?:^ {${indent}}/\\*\\*(?:(?!\\*/)[^])*\\*/\\n)?)^ {${indent}}(?:readonly )?(\\w+)(\\?)?: `,
    "gm"
  )
  const found = [...body.matchAll(start)]
  found.forEach((match, index) => {
    const end = found[index + 1]?.index ?? body.length
    const type = body
      .slice(match.index + match[0].length, end)
      .replace(/,?\s*$/, "")
      .replace(/\s+/g, " ")
    fields.push({ key: match[2], isOptional: match[3] === "?", type, doc: sentences(match[1]) })
  })
  return fields
}

/** Splits a list at the commas that are in no bracket. */
const splitList = (text) => {
  const parts = [""]
  let depth = 0
  for (const character of text) {
    if ("<({[".includes(character)) depth += 1
    if (">)}]".includes(character)) depth -= 1
    if (character === "," && depth === 0) parts.push("")
    else parts[parts.length - 1] += character
  }
  return parts.map((part) => part.trim()).filter((part) => part !== "")
}

/** The exported interfaces of a module. */
export const interfacesOf = (text) =>
  new Map(
    [...text.matchAll(/^export interface (\w+)(?:\s+extends ([^{]+?))?\s*\{(?:\}|\n([^]*?)^\})/gm)].map((match) => [
      match[1],
      {
        name: match[1],
        doc: docBefore(text, match.index),
        parents: splitList((match[2] ?? "").replace(/\s+/g, " ")),
        fields: fieldsOf(match[3] ?? "", 2)
      }
    ])
  )

/** The exported structs of a module: of their fields only keys and docs, the types are the schema's. */
export const structsOf = (text) =>
  new Map(
    [...text.matchAll(/^export const (\w+)[^=\n]*= Schema\.Struct\(\{\n([^]*?)^\}\)/gm)].map((match) => [
      match[1],
      { name: match[1], doc: docBefore(text, match.index), fields: fieldsOf(match[2], 2) }
    ])
  )

/** The exported names of a few words each, by name: `"guest" | "runtime"`. */
export const wordsOf = (text) =>
  [...text.matchAll(/^export type (\w+) = ("[^\n]*")$/gm)].map(([, name, words]) => [name, words])

/** The exported tagged errors of a module, by tag. */
export const errorsOf = (text) =>
  new Map(
    [...text.matchAll(/^export class (\w+) extends Schema\.TaggedError/gm)].map((match) => [
      match[1],
      docBefore(text, match.index)
    ])
  )

/** Where a module has its names from: `Volume` → `Value`, by `import { Volume }`, `import * as Value` or `export { Volume }`. */
export const importsOf = (module, text) => {
  const found = new Map()
  const statement = /^(?:import|export) (?:type )?(?:\* as (\w+)|\{([^}]*)\}) from "(\.[^"]+)\.js"$/gm
  for (const [, namespace, names, from] of text.replace(/^\s+\/\*\*[^]*?\*\/\n/gm, "").matchAll(statement)) {
    const target = path.posix.join(path.posix.dirname(module), from)
    for (const name of namespace === undefined ? names.matchAll(/\w+/g) : [[namespace]]) found.set(name[0], target)
  }
  return found
}

/** The members of the service that a module declares. */
export const membersOf = (text) => {
  const body =
    /^export class \w+ extends Context\.Tag\([^)]*\)<\n\s*\w+,\n {2}\{\n([^]*?)^ {2}\}/m.exec(text)?.[1] ?? ""
  return fieldsOf(body, 4)
}

/** The first sentence of a doc, on one line. */
export const firstSentence = (doc) => {
  const line = doc.replace(/\s+/g, " ")
  return /^.*?[.](?= [A-Z`]|$)/.exec(line)?.[0] ?? line
}
