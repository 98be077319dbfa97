// What smolvm gets, on each release line.
import * as Either from "effect/Either"
import { build } from "./build.mjs"
import { examples } from "./examples.mjs"
import { code, commandLine, enumerated, fence, literal, wrapped } from "./markdown.mjs"

/** What a release makes of options; without those that it lacks, which are named. */
const builtFor = ({ module, reference: { capabilities, modules }, subcommand }, options, line) => {
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

/** An example's argv, once for lines on which it is the same. */
export const commandLines = (page) => {
  const { problems, reference, subcommand } = page
  const example = examples[subcommand.command]
  if (example === undefined) {
    problems.push(`${subcommand.command}: no example`)
    return ""
  }
  const built = reference.lines.map((line) => ({ line, ...builtFor(page, example, line) }))
  if (built.at(-1).argv === undefined) problems.push(`${subcommand.command}: ${built.at(-1).refusal}`)
  const groups = []
  for (const each of built) {
    const shown = blockOf(each)
    if (groups.at(-1)?.shown === shown) groups.at(-1).lines.push(each.line)
    else groups.push({ shown, lines: [each.line] })
  }
  const given =
    Object.keys(example).length === 0 ? "" : `Of these options\n\n${fence("ts", literal(example))}\n\nsmolvm gets:\n\n`
  return `## Command lines\n\n${given}${groups.map(({ lines, shown }) => `${headOf(lines)}\n\n${shown}`).join("\n\n")}`
}

const headOf = (lines) => `### ${lines.length === 1 ? lines[0] : `${lines[0]} to ${lines.at(-1)}`}`

const blockOf = ({ argv, lacking, refusal }) => {
  if (argv === undefined) return wrapped(`Refused: ${refusal}.`)
  const without = lacking.map(({ key, neededVersion }) =>
    neededVersion === null ? `${code(key)} (on no known release)` : `${code(key)} (from ${neededVersion})`
  )
  const note = without.length === 0 ? "" : `${wrapped(`Without ${enumerated(without)}:`)}\n\n`
  return note + fence("sh", commandLine("smolvm", argv))
}
