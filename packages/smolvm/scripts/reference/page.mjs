// The page of one subcommand.
import * as Either from "effect/Either"
import { build } from "./build.mjs"
import * as Markdown from "./markdown.mjs"
import { circumstances, examples } from "./examples.mjs"
import { errorsOf, isCommon } from "./errors.mjs"
import { refused } from "./probe.mjs"
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
    ignoredSection(reference, module, subcommand),
    droppedSection(reference, module, subcommand, members),
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
  return doc.includes(since) ? paragraphs(doc) : `${paragraphs(doc)}\n\n${from}`
}

const synopsis = ({ doc, key, type }) => {
  const { isOptional, options, result } = Types.signatureOf(type)
  const gives = Types.shown(result)
  const parameter = options === undefined ? "" : `options${isOptional ? "?" : ""}: ${Types.shown(options)}`
  const takes = options === undefined ? "" : `(${parameter})`
  const line = `smolvm.${key}${takes}: ${gives}`
  const text = line.length <= Markdown.WIDTH ? line : `smolvm.${key}(\n  ${parameter}\n): ${gives}`
  return `${fence("ts", text)}\n\n${paragraphs(doc)}`
}

/** The fields of what the members take, each once, with the members that take it, and of the module's own options. */
const takenFields = ({ find }, module, members) => {
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

const rulesSection = ({ options, rules }) => {
  const has = (long) => options.some((option) => option.long === long)
  // Rules are shared: one that begins with an option, or is about a policy, which this subcommand lacks is not about it.
  const sentences = rules
    .map(({ sentence }) => sentence)
    .filter((sentence) => {
      const [, first] = /^`(--[\w-]+)/.exec(sentence) ?? []
      return (first === undefined || has(first)) && (has("--allow-cidr") || !sentence.includes("egress policy"))
    })
  return sentences.length === 0 ? "" : `## What goes together\n\nChecked before anything runs:\n\n${list(sentences)}`
}

/** A text with its options as code. */
const marked = (text) => text.replace(/--[\w-]+/g, code)

const untilVersion = (neededVersion) => (neededVersion === null ? "on every release" : `before ${neededVersion}`)

/** What releases would take and ignore, found by asking for it. */
const ignoredSection = (reference, module, subcommand) => {
  const rows = new Map()
  for (const error of refused(reference, module, subcommand)) {
    if (error._tag !== "IgnoredOption") continue
    const { circumstance, neededVersion, option } = error
    const cells = [code(option), marked(circumstance), untilVersion(neededVersion)]
    rows.set(cells.join(), cells)
  }
  const intro = "smolvm takes these and does nothing with them, so they are refused with `IgnoredOption`:"
  return rows.size === 0
    ? ""
    : `## What is ignored\n\n${wrapped(intro)}\n\n${table(["option", "where", "when"], [...rows.values()])}`
}

/** What releases take and drop, found by asking for it. */
const droppedSection = ({ capabilities, find, lines, modules }, module, { command }, members) => {
  const { dropped } = modules.get(module)
  if (dropped === undefined) return ""
  const rows = new Map()
  for (const options of circumstances[command] ?? []) {
    for (const release of lines.map((line) => capabilities.fromVersion(line))) {
      if (Either.isLeft(build(modules.get(module), options, release))) continue
      for (const { circumstance, isPolicy, neededVersion, option, reason } of dropped(options, release)) {
        // From oldest to newest: of two releases that need different ones, the newer says until when it is so.
        const key = [circumstance, reason].join()
        const cells = [marked(circumstance), untilVersion(neededVersion), reason, isPolicy ? "yes" : "no"]
        rows.set(key, { cells, options: new Set(rows.get(key)?.options).add(option) })
      }
    }
  }
  const inResult = members.some(({ type }) =>
    Types.namesIn(Types.signatureOf(type).value).some((named) =>
      find(named, "Smolvm")?.fields.some(({ key }) => key === "dropped")
    )
  )
  const told = `${code(`${module}.dropped`)} names them for a release${inResult ? ", and the result of a call for its own" : ""}`
  const intro = `These are sent as asked, and nothing shows whether they have an effect. ${told}:`
  const body = [...rows.values()].map(({ cells, options }) => [[...options].map(code).join(", "), ...cells])
  return `## What may have no effect\n\n${wrapped(intro)}\n\n${table(["option", "where", "when", "why", "policy"], body)}`
}

/** What a release makes of options; without those that it lacks, which are named. */
const builtFor = ({ capabilities, modules }, module, subcommand, options, line) => {
  const lacking = []
  for (let left = options; ;) {
    const built = build(modules.get(module), left, capabilities.fromVersion(line))
    if (Either.isRight(built)) return { argv: built.right, lacking }
    const { left: error } = built
    if (error._tag === "UnsupportedCommand") {
      return { refusal: `there is no ${code(error.command)} before ${error.neededVersion}`, lacking }
    }
    const key = keyOf(subcommand, error)
    const canDoWithout = error._tag === "UnsupportedOption" && key !== undefined && key in left
    if (!canDoWithout) return { refusal: error.message, lacking }
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
  if (built.at(-1).argv === undefined) problems.push(`${subcommand.command}: ${built.at(-1).refusal}`)
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

const blockOf = ({ argv, lacking, refusal }) => {
  if (argv === undefined) return wrapped(`Refused: ${refusal}.`)
  const without = lacking.map(({ key, neededVersion }) =>
    neededVersion === null ? `${code(key)} (on no known release)` : `${code(key)} (from ${neededVersion})`
  )
  const note = without.length === 0 ? "" : `${wrapped(`Without ${Markdown.enumerated(without)}:`)}\n\n`
  return note + fence("sh", Markdown.commandLine("smolvm", argv))
}

/** The types that the members give, field by field, and those of their fields. */
const resultSection = (reference, members) => {
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

const lowered = (doc) => doc.replace(/^(An?|The|What|How|One) /, (word) => word.toLowerCase())

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
