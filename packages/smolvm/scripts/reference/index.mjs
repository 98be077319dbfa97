// All pages, from the sources and the modules that they compile to.
import { table, code, paragraphs, wrapped } from "./markdown.mjs"
import { membersOf, pageOf } from "./page.mjs"
import { commonErrors } from "./errors.mjs"
import { declarations } from "./types.mjs"
import {
  errorsOf as declaredErrors,
  firstSentence,
  membersOf as declaredMembers,
  readSources,
  wordsOf
} from "./source.mjs"

/** The pages by file name, and what is missing for them. `load` gives a module: `MachineCreate`, `internal/errors`. */
export const pagesOf = async (directory, load) => {
  const reference = await read(directory, load)
  const made = reference.subcommands.map((each) => ({ ...each, ...pageOf(reference, each) }))
  const pages = new Map([["README.md", indexPage(reference)]])
  for (const { subcommand, text } of made) pages.set(fileOf(subcommand), text)
  return { pages, problems: made.flatMap(({ problems }) => problems) }
}

const read = async (directory, load) => {
  const sources = readSources(directory)
  const modules = new Map()
  for (const name of sources.keys()) if (!name.includes("/")) modules.set(name, await load(name))
  const moduleOf = (subcommand) => [...modules].find(([, module]) => module.subcommand === subcommand)?.[0]
  const subcommands = modules.get("Subcommands").all.map((subcommand) => ({ module: moduleOf(subcommand), subcommand }))
  return {
    sources,
    modules,
    subcommands,
    find: declarations(sources),
    aliases: new Map([...sources.values()].flatMap(wordsOf)),
    members: declaredMembers(sources.get("Smolvm")),
    errors: declaredErrors(sources.get("SmolvmError")),
    mapping: await load("internal/errors"),
    capabilities: modules.get("Capabilities"),
    lines: modules.get("Line").lines
  }
}

const fileOf = ({ command }) => `${command.replaceAll(" ", "-")}.md`

const indexPage = (reference) => {
  const rows = reference.subcommands.map(({ subcommand }) => {
    const since = reference.capabilities.neededVersion(subcommand.command)
    return [
      `[${code(subcommand.command)}](${fileOf(subcommand)})`,
      membersOf(reference, subcommand)
        .map(({ key }) => code(key))
        .join(", "),
      since === "0.8.0" ? "" : since,
      subcommand.summary
    ]
  })
  const common = commonErrors(reference).map((tag) => [code(tag), firstSentence(reference.errors.get(tag) ?? "")])
  return `${[
    "# smolvm's subcommands",
    paragraphs(INTRODUCTION),
    table(["subcommand", "members of `Smolvm`", "from", "what it does"], rows),
    "## The other members",
    table(
      ["member", "what it does"],
      otherMembers(reference).map(({ doc, key }) => [code(key), doc])
    ),
    "## How to read the pages",
    paragraphs(HOW_TO_READ(reference.lines)),
    "## Errors of every call",
    wrapped("All of them are in `@bottle/smolvm/SmolvmError`, by tag:"),
    table(["error", "when"], common)
  ].join("\n\n")}\n`
}

/** The members that are no subcommand. */
const otherMembers = (reference) => {
  const own = new Set(reference.subcommands.flatMap(({ subcommand }) => membersOf(reference, subcommand)))
  return reference.members.filter((member) => !own.has(member))
}

const INTRODUCTION = `What \`@bottle/smolvm\` runs, a page for each subcommand of smolvm: what it takes, the command line that it
makes on each release line, and what it fails with. Written by \`node packages/smolvm/scripts/reference.mjs\` from the
code and its comments; [how to use it](../../guides/smolvm-alone.md).`

const HOW_TO_READ = (
  lines
) => `The release lines are ${lines.slice(0, -1).join(", ")} and ${lines.at(-1)}: the versions at which smolvm's
grammar was read. A version between two of them has what was there at that version, not what its line has.

\`from\` is the first version that has something; where it is empty, every release line does, or every one that has the
subcommand. What the installed release lacks is refused with \`UnsupportedOption\` or \`UnsupportedCommand\`, which name the
first version that has it, and what it would take and ignore with \`IgnoredOption\`.

Types are shown without \`readonly\` and \`undefined\`. A key without an option is not smolvm's: it is for the call itself.

Nothing here was seen with a real smolvm unless it says so: the grammar was read in its source.`
