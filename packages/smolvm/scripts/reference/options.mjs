// What the members of a subcommand take.
import { code, list, lowered, table } from "./markdown.mjs"
import * as Types from "./types.mjs"

/** The fields of what the members take, each once, with the members that take it, and of the module's own options. */
const takenFields = ({ members, module, reference: { find } }) => {
  const taken = new Map()
  const take = (type, from, takers) => {
    for (const field of type === undefined ? [] : Types.fieldsOf(find, type, from)) {
      const entry = taken.get(field.key) ?? { field, members: [] }
      taken.set(field.key, { ...entry, members: [...entry.members, ...takers] })
    }
  }
  take(`${module}Options`, module, [])
  for (const { key, type } of members) take(Types.signatureOf(type).options, "Smolvm", [key])
  return [...taken.values()]
}

/** The table of the options; it tells `problems` what cannot be said. */
export const optionsSection = (page) => {
  const { members, problems, reference, subcommand } = page
  const { capabilities } = reference
  const { command } = subcommand
  const taken = takenFields(page)
  for (const { key } of [...subcommand.options, ...subcommand.positionals]) {
    if (key !== null && !taken.some(({ field }) => field.key === key))
      problems.push(`${command}: no ${key} in the options`)
  }
  for (const { field } of taken) {
    if (field.doc === "" && field.key !== "name") problems.push(`${command}: ${field.key} is not described`)
  }
  const rows = taken.map(({ field, members: takers }) => {
    const option = subcommand.options.find(({ key }) => key === field.key)
    const positional = subcommand.positionals.find(({ key }) => key === field.key)
    const only = isForFew(takers, members) ? `${takers.map(code).join(", ")}: ` : ""
    return [
      `${code(field.key)}${field.isOptional ? "" : " (needed)"}`,
      code(Types.shown(field.type)),
      written(option, positional),
      option === undefined ? "" : since(capabilities, command, option),
      `${only}${field.doc === "" ? "The machine." : field.doc}`
    ]
  })
  const shapes = shapesOf(reference, taken)
  const always = subcommand.options.filter(({ key }) => key === null).map(({ long }) => code(long))
  const sent = always.length === 0 ? "" : `\n\nAlways sent: ${always.join(", ")}.`
  if (rows.length === 0) return `## Options\n\nIt takes none.${sent}`
  return `## Options\n\n${table(["key", "type", "option", "from", "meaning"], rows)}${shapes}${sent}`
}

/** Whether it must be said which members take a field. A second member with options of its own takes few of the first's. */
const isForFew = (takers, members) => {
  if (takers.length === 0 || takers.length === members.length) return false
  return members.length > 2 || !takers.includes(members[0].key)
}

/** The types of the options that have fields of their own. */
const shapesOf = ({ find }, taken) => {
  const shapes = new Map()
  for (const { field } of taken) {
    for (const named of Types.namesIn(field.type)) {
      const declared = find(named, field.module)
      if (declared?.parents !== undefined) shapes.set(declared.name, declared)
    }
  }
  const lines = [...shapes.values()].map(({ doc, fields, name }) => {
    const inside = fields.map(({ isOptional, key, type }) => `${key}${isOptional ? "?" : ""}: ${Types.shown(type)}`)
    return `${code(name)} is ${code(`{ ${inside.join(", ")} }`)}: ${lowered(doc)}`
  })
  return lines.length === 0 ? "" : `\n\n${list(lines)}`
}

const written = (option, positional) => {
  if (positional !== undefined)
    return positional.kind === "trailing" ? code(`-- ${positional.name}...`) : code(positional.name)
  if (option === undefined) return ""
  const { long, negated, positional: before, written: short } = option
  const names = [...(short === long ? [] : [short]), long, ...(negated === undefined ? [] : [negated])]
  return `${names.map(code).join(", ")}${before === undefined ? "" : `; ${code(before)} up to 1.0.1`}`
}

/** The first version with an option; empty where the oldest has it. */
const since = (capabilities, command, { long, positional }) => {
  const needed = capabilities.neededVersion(command, long)
  if (needed === null) return "none yet"
  return needed === capabilities.neededVersion(command) || positional !== undefined ? "" : needed
}
