// What options exclude, and what releases make nothing of.
import * as Either from "effect/Either"
import { build } from "./build.mjs"
import { circumstances } from "./examples.mjs"
import { code, list, table, wrapped } from "./markdown.mjs"
import * as Types from "./types.mjs"

/** The rules, in their own words. */
export const rulesSection = ({ subcommand: { options, rules } }) => {
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
export const ignoredSection = ({ refusals }) => {
  const rows = new Map()
  for (const error of refusals) {
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
export const droppedSection = ({ members, module, reference, subcommand: { command } }) => {
  const { capabilities, find, lines, modules } = reference
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
