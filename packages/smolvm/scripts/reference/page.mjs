// The page of one subcommand.
import * as Either from "effect/Either"
import * as Markdown from "./markdown.mjs"
import { circumstances, examples } from "./examples.mjs"
import { errorsOf, isCommon } from "./errors.mjs"
import { firstSentence, moduleDoc } from "./source.mjs"
import * as Types from "./types.mjs"

const { code, fence, list, paragraphs, table, wrapped } = Markdown

/** The page, and what keeps it from being one. `reference` holds the modules, the sources and what was read in them. */
export const pageOf = (reference, { module, subcommand }) => {
  const members = membersOf(reference, subcommand)
  const problems = []
  const sections = [
    `# \`${subcommand.command}\``,
    about(reference, module, subcommand),
    members.map(synopsis).join("\n\n"),
    optionsSection(reference, subcommand, module, members, problems),
    rulesSection(subcommand),
    droppedSection(reference, module, subcommand),
    commandLines(reference, module, subcommand, problems),
    resultSection(reference, members),
    errorsSection(reference, module, subcommand, problems)
  ]
  if (members.length === 0) problems.push(`${subcommand.command}: no member of the service`)
  return { problems, text: `${sections.filter((section) => section !== "").join("\n\n")}\n` }
}

/** `machine fork-release` → `machineForkRelease`. */
const memberName = (command) => command.replace(/[ -](\w)/g, (_, letter) => letter.toUpperCase())

/** The members that run a subcommand: of its name, and of the name with a word behind it that is no other subcommand's. */
export const membersOf = ({ members, subcommands }, { command }) => {
  const names = subcommands.map((each) => memberName(each.subcommand.command))
  const ownerOf = (member) =>
    names.filter((name) => member.startsWith(name)).sort((left, right) => right.length - left.length)[0]
  return members.filter(({ key }) => ownerOf(key) === memberName(command))
}

const about = ({ capabilities, sources }, module, { command }) => {
  const since = capabilities.neededVersion(command)
  const doc = moduleDoc(sources.get(module)).replace(/^`smolvm [^`]*`[:,] (\w)/, (_, letter) => letter.toUpperCase())
  const from = since === "0.8.0" ? "On every release line." : `From smolvm ${since}.`
  return `${paragraphs(doc)}\n\n${from}`
}

const synopsis = ({ doc, key, type }) => {
  const { isOptional, options, result } = Types.signatureOf(type)
  const takes = options === undefined ? "" : `(options${isOptional ? "?" : ""}: ${Types.shown(options)})`
  return `${fence("ts", `smolvm.${key}${takes}: ${Types.shown(result)}`)}\n\n${paragraphs(doc)}`
}

/** The fields of what the members take: each once, with the members that take it. */
const takenFields = ({ find }, module, members) => {
  const taken = new Map()
  for (const { key, type } of members) {
    const { options } = Types.signatureOf(type)
    for (const field of options === undefined ? [] : Types.fieldsOf(find, options, module)) {
      const entry = taken.get(field.key) ?? { field, members: [] }
      taken.set(field.key, { ...entry, members: [...entry.members, key] })
    }
  }
  return [...taken.values()]
}

const optionsSection = (reference, subcommand, module, members, problems) => {
  const { capabilities } = reference
  const { command } = subcommand
  const taken = takenFields(reference, module, members)
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
    const only = takers.length === members.length ? "" : `${takers.map(code).join(", ")}: `
    return [
      `${code(field.key)}${field.isOptional ? "" : " (needed)"}`,
      code(Types.shown(field.type)),
      written(option, positional),
      option === undefined ? "" : since(capabilities, command, option),
      `${only}${field.doc === "" ? "The machine." : field.doc}`
    ]
  })
  const shapes = shapesOf(reference, module, taken)
  const always = subcommand.options.filter(({ key }) => key === null).map(({ long }) => code(long))
  const sent = always.length === 0 ? "" : `\n\nAlways sent: ${always.join(", ")}.`
  if (rows.length === 0) return `## Options\n\nIt takes none.${sent}`
  return `## Options\n\n${table(["key", "type", "option", "from", "meaning"], rows)}${shapes}${sent}`
}

/** The types of the options that have fields of their own. */
const shapesOf = ({ find }, module, taken) => {
  const shapes = new Map()
  for (const { field } of taken) {
    for (const named of Types.namesIn(field.type)) {
      const declared = find(named.name, named.module ?? module)
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

const rulesSection = ({ rules }) =>
  rules.length === 0
    ? ""
    : `## What goes together\n\nChecked before anything runs:\n\n${list(rules.map(({ sentence }) => sentence))}`

/** What releases take and drop, found by asking for it. */
const droppedSection = ({ capabilities, lines, modules }, module, { command }) => {
  const { dropped } = modules.get(module)
  if (dropped === undefined) return ""
  const rows = new Map()
  for (const line of lines) {
    for (const options of circumstances[command] ?? []) {
      for (const { isPolicy, neededVersion, option, reason } of dropped(options, capabilities.fromVersion(line))) {
        const until = neededVersion === null ? "on every release" : `before ${neededVersion}`
        rows.set(option, [code(option), until, reason, isPolicy ? "yes" : "no"])
      }
    }
  }
  const intro =
    "These are sent as asked, and named in the result (`dropped`), since nothing shows whether they had an effect:"
  return `## What may have no effect\n\n${wrapped(intro)}\n\n${table(["option", "when", "why", "policy"], [...rows.values()])}`
}

/** What a release makes of options; without those that it lacks, which are named. */
const builtFor = ({ capabilities, modules }, module, subcommand, options, line) => {
  const lacking = []
  for (let left = options; ;) {
    const built = modules.get(module).argv(left, capabilities.fromVersion(line))
    if (Either.isRight(built)) return { argv: built.right, lacking }
    const { left: error } = built
    const key = keyOf(subcommand, error)
    if (error._tag !== "UnsupportedOption" || key === undefined || !(key in left))
      return { refused: error.message, lacking }
    lacking.push({ key, neededVersion: error.neededVersion })
    left = Object.fromEntries(Object.entries(left).filter(([each]) => each !== key))
  }
}

const keyOf = ({ options, positionals }, { option }) =>
  options.find(({ long, negated }) => option === long || option === negated)?.key ??
  positionals.find(({ key }) => key === option)?.key

const commandLines = (reference, module, subcommand, problems) => {
  const example = examples[subcommand.command]
  if (example === undefined) {
    problems.push(`${subcommand.command}: no example`)
    return ""
  }
  const built = reference.lines.map((line) => ({ line, ...builtFor(reference, module, subcommand, example, line) }))
  if (built.at(-1).argv === undefined) problems.push(`${subcommand.command}: ${built.at(-1).refused}`)
  const groups = []
  for (const each of built) {
    const shown = blockOf(each)
    if (groups.at(-1)?.shown === shown) groups.at(-1).lines.push(each.line)
    else groups.push({ shown, lines: [each.line] })
  }
  const given =
    Object.keys(example).length === 0
      ? ""
      : `Of these options\n\n${fence("ts", Markdown.literal(example))}\n\nsmolvm gets:\n\n`
  return `## Command lines\n\n${given}${groups.map(({ lines, shown }) => `${headOf(lines)}\n\n${shown}`).join("\n\n")}`
}

const headOf = (lines) => `### ${lines.length === 1 ? lines[0] : `${lines[0]} to ${lines.at(-1)}`}`

const blockOf = ({ argv, lacking, refused }) => {
  if (argv === undefined) return wrapped(`Refused: ${refused}.`)
  const without = lacking.map(({ key, neededVersion }) =>
    neededVersion === null ? `${code(key)} (on no known release)` : `${code(key)} (from ${neededVersion})`
  )
  const note = without.length === 0 ? "" : `${wrapped(`Without ${Markdown.enumerated(without)}:`)}\n\n`
  return note + fence("sh", Markdown.commandLine("smolvm", argv))
}

/** The types that the members give, field by field. */
const resultSection = (reference, members) => {
  const names = new Map()
  for (const { type } of members) {
    for (const { module, name } of Types.namesIn(Types.signatureOf(type).value)) {
      const declared = reference.find(name, module)
      if (declared !== undefined) names.set(name, declared)
    }
  }
  if (names.size === 0) return ""
  return `## Result\n\n${[...names.values()].map((declared) => resultTable(reference, declared)).join("\n\n")}`
}

const resultTable = ({ modules }, { doc, fields, module, name }) => {
  const schema = modules.get(module)[name]
  const types = schema?.ast === undefined ? new Map() : Types.schemaTypes(schema)
  const rows = fields.map((field) => [
    code(field.key),
    code(Types.shown(types.get(field.key) ?? field.type)),
    field.doc
  ])
  return `${wrapped(`\`${name}\` of \`@bottle/smolvm/${module}\`: ${lowered(doc)}`)}\n\n${table(["field", "type", "meaning"], rows)}`
}

const lowered = (doc) => doc.replace(/^(An?|The|What|How) /, (word) => word.toLowerCase())

const errorsSection = (reference, module, subcommand, problems) => {
  const tags = errorsOf(reference, module, subcommand).filter((tag) => !isCommon(reference, tag))
  for (const tag of tags)
    if (!reference.errors.has(tag)) problems.push(`${subcommand.command}: ${tag} is not described`)
  const rows = tags.map((tag) => [code(tag), firstSentence(reference.errors.get(tag) ?? "")])
  const common = "[errors of every call](README.md#errors-of-every-call)"
  return rows.length === 0
    ? `## Errors\n\n${wrapped(`Only the ${common}.`)}`
    : `## Errors\n\n${table(["error", "when"], rows)}\n\n${wrapped(`And the ${common}.`)}`
}
