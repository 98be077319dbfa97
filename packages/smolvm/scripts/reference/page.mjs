// The page of one subcommand.
import { commandLines } from "./commandLines.mjs"
import { droppedSection, ignoredSection, rulesSection } from "./limits.mjs"
import { code, fence, paragraphs, WIDTH } from "./markdown.mjs"
import { optionsSection } from "./options.mjs"
import { refused } from "./probe.mjs"
import { errorsSection, resultSection } from "./results.mjs"
import { moduleDoc } from "./source.mjs"
import * as Types from "./types.mjs"

/** The page, and what keeps it from being one. `reference` holds the modules, the sources and what was read in them. */
export const pageOf = (reference, { module, subcommand }) => {
  const members = membersOf(reference, subcommand)
  const problems = members.length === 0 ? [`${subcommand.command}: no member of the service`] : []
  const refusals = refused(reference, module, subcommand)
  const page = { reference, module, subcommand, members, refusals, problems }
  const sections = [
    `# ${code(subcommand.command)}`,
    about(page),
    ...members.map(synopsis),
    optionsSection(page),
    rulesSection(page),
    ignoredSection(page),
    droppedSection(page),
    commandLines(page),
    resultSection(page),
    errorsSection(page)
  ]
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

const about = ({ module, reference: { capabilities, sources }, subcommand: { command } }) => {
  const since = capabilities.neededVersion(command)
  const doc = moduleDoc(sources.get(module)).replace(/^`smolvm [^`]*`[:,] (\w)/, (_, letter) => letter.toUpperCase())
  if (since === "0.8.0") return `${paragraphs(doc)}\n\nOn every release line.`
  return doc.includes(`from ${since}`) ? paragraphs(doc) : `${paragraphs(doc)}\n\nFrom smolvm ${since}.`
}

const synopsis = ({ doc, key, type }) => {
  const { isOptional, options, result } = Types.signatureOf(type)
  const gives = Types.shown(result)
  const parameter = options === undefined ? "" : `options${isOptional ? "?" : ""}: ${Types.shown(options)}`
  const takes = options === undefined ? "" : `(${parameter})`
  const line = `smolvm.${key}${takes}: ${gives}`
  const text = line.length <= WIDTH ? line : `smolvm.${key}(\n  ${parameter}\n): ${gives}`
  return `${fence("ts", text)}\n\n${paragraphs(doc)}`
}
