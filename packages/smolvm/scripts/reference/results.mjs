// What a call gives, and what it fails with.
import { errorsOf } from "./errors.mjs"
import { code, lowered, table, wrapped } from "./markdown.mjs"
import { firstSentence } from "./source.mjs"
import * as Types from "./types.mjs"

/** The types that the members give, field by field, and those of their fields; it tells `problems` what nobody describes. */
export const resultSection = ({ members, problems, reference, subcommand }) => {
  const found = new Map()
  const follow = (type, from) => {
    for (const named of Types.namesIn(type)) {
      const declared = found.has(named.name) ? undefined : reference.find(named, from)
      if (declared === undefined) continue
      const own = declared.fields.map((field) => ({ ...field, module: declared.module }))
      const fields = declared.parents === undefined ? own : Types.fieldsOf(reference.find, named.name, declared.module)
      found.set(named.name, { ...declared, fields })
      for (const field of fields) follow(field.type, field.module)
    }
  }
  for (const { type } of members) follow(Types.signatureOf(type).value, "Smolvm")
  if (found.size === 0) return ""
  for (const { fields, name } of found.values()) {
    for (const { doc, key } of fields) {
      if (doc === "") problems.push(`${subcommand.command}: ${key} of ${name} is not described`)
    }
  }
  return `## Result\n\n${[...found.values()].map((declared) => resultTable(reference, declared)).join("\n\n")}`
}

const resultTable = ({ aliases, modules }, { doc, fields, importedFrom, module, name }) => {
  const schema = modules.get(module)?.[name]
  const types = schema?.ast === undefined ? new Map() : Types.schemaTypes(schema)
  const rows = fields.map((field) => {
    const type = types.get(field.key)
    const text = type === undefined || type.includes("Struct") ? Types.ofSchema(field.type) : type
    return [code(field.key), code(aliases.get(text) ?? Types.shown(text)), field.doc]
  })
  const what = wrapped(`${code(name)} of ${code(`@bottle/smolvm/${importedFrom}`)}: ${lowered(doc)}`)
  return `${what}\n\n${table(["field", "type", "meaning"], rows)}`
}

/** The errors of its own; those of every call are on the index. */
export const errorsSection = (page) => {
  const { problems, reference, subcommand } = page
  const tags = errorsOf(page)
  for (const tag of tags) {
    if (!reference.errors.has(tag)) problems.push(`${subcommand.command}: ${tag} is not described`)
  }
  const rows = tags.map((tag) => [code(tag), firstSentence(reference.errors.get(tag) ?? "")])
  const common = "[errors of every call](README.md#errors-of-every-call)"
  return rows.length === 0
    ? `## Errors\n\n${wrapped(`Only the ${common}.`)}`
    : `## Errors\n\n${table(["error", "when"], rows)}\n\n${wrapped(`And the ${common}.`)}`
}
