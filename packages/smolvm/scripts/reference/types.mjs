// Types as the pages show them, and the fields behind their names.
import * as SchemaAST from "effect/SchemaAST"
import { importsOf, interfacesOf, structsOf } from "./source.mjs"

/** A type without what only the compiler needs. */
export const shown = (type) => {
  let text = type
    .replace(/\s*\| undefined$/, "")
    .replace(/\breadonly /g, "")
    .replace(/\b(?:Value|Stream|Effect|Redacted|Subcommand|Machine\w+|Pack\w+)\.(?=[A-Z])/g, "")
  for (let before = ""; before !== text;) {
    before = text
    text = text.replace(/ReadonlyArray<([^<>]*)>/g, (_, of) =>
      /[ |]/.test(of) && !/^[[{]/.test(of) ? `(${of})[]` : `${of}[]`
    )
  }
  text = text.replace(/\{ \[x: string\]: (\w+);? \}/g, "Record<string, $1>")
  return text.replace(/Readonly<(Record<[^<>]*>)>/g, "$1").replace(/\(\s+|\s+\)/g, (match) => match.trim())
}

/** Finds what a name stands for in a module of the sources: one of its own, or one that it imports. */
export const declarations = (sources) => {
  const modules = new Map(
    [...sources].map(([module, text]) => {
      // An interface says more than the struct of the same name.
      const own = new Map([...structsOf(text), ...interfacesOf(text)])
      return [module, { own, imports: importsOf(module, text) }]
    })
  )
  return ({ module: qualifier, name }, from) => {
    const asked = modules.get(from)?.imports.get(qualifier ?? name) ?? from
    // A name may be passed on by the module that it is asked of; programs import it from there.
    for (let module = asked; module !== undefined;) {
      const declared = modules.get(module)?.own.get(name)
      if (declared !== undefined) return { ...declared, module, importedFrom: asked }
      module = modules.get(module)?.imports.get(name)
    }
    return undefined
  }
}

/** The fields of an options type: those of its parents and its own, less what is omitted. */
export const fieldsOf = (find, type, module) => {
  const parts = splitTop(type.replace(/\s*\| undefined$/, ""), "&")
  return parts.flatMap((part) => fieldsOfPart(find, part, module))
}

const fieldsOfPart = (find, part, module) => {
  const utility = /^(Omit|Pick|Partial|Readonly)<([^]*)>$/.exec(part)
  if (utility !== null) {
    const [inner = "", keys = ""] = splitTop(utility[2], ",")
    const fields = fieldsOf(find, inner, module)
    const named = new Set([...keys.matchAll(/"(\w+)"/g)].map(([, key]) => key))
    if (utility[1] === "Omit") return fields.filter(({ key }) => !named.has(key))
    if (utility[1] === "Pick") return fields.filter(({ key }) => named.has(key))
    return utility[1] === "Partial" ? fields.map((field) => ({ ...field, isOptional: true })) : fields
  }
  const qualified = /^(?:(\w+)\.)?(\w+)$/.exec(part)
  const declared = qualified === null ? undefined : find({ module: qualified[1], name: qualified[2] }, module)
  if (declared === undefined || declared.parents === undefined) return []
  const own = declared.fields.map((field) => ({ ...field, module: declared.module }))
  return [...declared.parents.flatMap((parent) => fieldsOf(find, parent, declared.module)), ...own]
}

const splitTop = (text, separator) => {
  const parts = [""]
  let depth = 0
  for (const character of text) {
    if ("<({[".includes(character)) depth += 1
    if (">)}]".includes(character)) depth -= 1
    if (character === separator && depth === 0) parts.push("")
    else parts[parts.length - 1] += character
  }
  return parts.map((part) => part.trim()).filter((part) => part !== "")
}

/** What a member takes and gives, from its type. */
export const signatureOf = (type) => {
  const match = /^\((\s*options\??: ([^]*?))\) => ([^]*)$/.exec(type)
  const result = match?.[3] ?? type
  const kind = /^(?:Effect\.Effect|Stream\.Stream)<([^]*)>$/.exec(result.trim())
  return {
    options: match?.[2].trim(),
    isOptional: /^\s*options\?/.test(match?.[1] ?? ""),
    result: result.trim(),
    value: splitTop(kind?.[1] ?? "", ",")[0] ?? ""
  }
}

/** The names of our own types in a type. */
export const namesIn = (type) =>
  [...type.matchAll(/(?:\b(\w+)\.)?\b([A-Z]\w+)/g)].map(([, module, name]) => ({ module, name }))

/** The types of a struct's fields, from the schema itself. */
export const schemaTypes = (schema) =>
  new Map(
    SchemaAST.getPropertySignatures(SchemaAST.typeAST(schema.ast)).map(({ name, type }) => [String(name), String(type)])
  )

/** The type that a field's schema stands for, from its text: for schemas of our own inside it, which have no name later. */
export const ofSchema = (text) =>
  text
    .replace(/\.pipe\([^]*$/, "")
    .replace(/\b(?:absentOr|likely)\(([^]*)\)$/, "$1 | null")
    .replace(/\bSchema\.Array\((\w+)\)/g, "$1[]")
