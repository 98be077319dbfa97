/** `docs/reference/errors.md`, out of the classes themselves: their doc comments, messages, suggestions and exit codes. */
import * as Failure from "@bottle/cli/Failure"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { notes } from "./notes.js"
import * as Samples from "./samples.js"

const root = fileURLToPath(new URL("../../../..", import.meta.url))

/** In the order of the page: what people meet most first. */
const packages = {
  cli: "the command",
  engine: "launches, bottles and what is kept of them",
  smolvm: "the runtime",
  docker: "the bundle as a container",
  egress: "policies and the proxy",
  process: "programs that are run",
  bundle: "the proxy in its container",
  local: "the local runtime, which prints them as smolvm would"
} as const

const DECLARED = /\/\*\*\n((?: \*.*\n)+?) \*\/\nexport class (\w+) extends Schema\.TaggedError</g
const WIDTH = 100

/** One error class. */
export interface Entry {
  readonly packageName: string
  readonly tag: string
  readonly doc: string
  readonly failure: Failure.Failure
  readonly cases: ReadonlyArray<Case>
}

/** What a class says where a field of its has one of several values. */
interface Case {
  readonly field: string
  readonly value: string
  readonly failure: Failure.Failure
}

/** What a package keeps to itself reaches nobody as an error of its own. */
const filesOf = (name: string): ReadonlyArray<string> => {
  const source = Path.join(root, "packages", name, "src")
  return Fs.readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith("internal/"))
    .toSorted()
    .map((file) => Path.join(source, file))
}

type ErrorSchema = Schema.Schema.AnyNoContext

const failureOf = (schema: ErrorSchema, fields: object): Failure.Failure =>
  Failure.fromError(Schema.decodeUnknownSync(schema)(fields))

/** The values of the first field of literals by which the message or the suggestion differs. */
const casesOf = (schema: ErrorSchema, { fields, value }: Samples.Sample): ReadonlyArray<Case> => {
  for (const [field, ast] of fields) {
    const choices = Samples.choicesOf(ast)
    // Which stage it was says where, and not what.
    if (choices.length < 2 || field === "stage") continue
    const cases = choices.map((choice) => ({
      field,
      value: choice,
      failure: failureOf(schema, { ...value, [field]: choice })
    }))
    const said = cases.map(({ failure, value: own }) => `${failure.message}\n${failure.suggestion}`.replaceAll(own, ""))
    if (new Set(said).size > 1) return cases
  }
  return []
}

const isErrorSchema = (value: unknown): value is ErrorSchema => Schema.isSchema(value) && typeof value === "function"

const entriesOf = async (packageName: string, file: string): Promise<ReadonlyArray<Entry>> => {
  const text = Fs.readFileSync(file, "utf8")
  const declared = [...text.matchAll(/class (\w+) extends Schema\.TaggedError/g)].map(([, name = ""]) => name)
  if (declared.length === 0) return []
  const docs = new Map([...text.matchAll(DECLARED)].map(([, doc = "", name = ""]) => [name, doc]))
  const module: object = await import(file)
  return declared.map((name) => {
    const schema: unknown = Reflect.get(module, name)
    const doc = docs.get(name)
    if (!isErrorSchema(schema) || doc === undefined) {
      throw new Error(`${Path.relative(root, file)}: ${name} is exported with a doc comment that says when it happens`)
    }
    const sample = Samples.of(`@bottle/${packageName}/${name}`, schema.ast)
    const failure = failureOf(schema, sample.value)
    return { packageName, tag: name, doc: proseOf(doc), failure, cases: casesOf(schema, sample) }
  })
}

/** Every error class of every package, those of the first package of the page first. */
export const collect = async (): Promise<ReadonlyArray<Entry>> => {
  const found: Array<Entry> = []
  for (const name of Object.keys(packages)) {
    for (const file of filesOf(name)) found.push(...(await entriesOf(name, file)))
  }
  return found
}

/** A doc comment as paragraphs and list items of the page. */
const proseOf = (doc: string): string => {
  const lines = doc.split("\n").map((line) => line.replace(/^ \* ?/, ""))
  const blocks: Array<string> = []
  for (const line of lines.filter((text) => !text.startsWith("@"))) {
    if (line.startsWith("- ")) blocks.push(line)
    else if (line.trim() === "") blocks.push("")
    else if ((blocks.at(-1) ?? "") === "") blocks.push(line)
    else blocks[blocks.length - 1] += ` ${line.trim()}`
  }
  return blocks.map(wrap).join("\n").trim()
}

const wrap = (text: string): string => {
  const indent = text.startsWith("- ") ? "  " : ""
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = `${indent}${word}`
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, line].join("\n")
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;")

const tableOf = (cases: ReadonlyArray<Case>): ReadonlyArray<string> =>
  cases.length === 0
    ? []
    : [
        "",
        `| \`${cases[0]?.field}\` | what happened | what to do |`,
        "|---|---|---|",
        ...cases.map(
          ({ failure, value }) => `| \`${value}\` | ${cell(failure.message)} | ${cell(failure.suggestion ?? "")} |`
        )
      ]

const sectionOf = ({ cases, doc, failure, tag }: Entry): string =>
  [
    doc,
    "",
    "```text",
    Failure.toText(failure),
    "```",
    ...tableOf(cases),
    ...(notes[tag] === undefined ? [] : ["", wrap(notes[tag])]),
    "",
    `Exit code ${failure.exitCode}.`
  ].join("\n")

/** Programs of two packages can fail in the same way: one heading, one anchor. */
const byTag = (entries: ReadonlyArray<Entry>): ReadonlyMap<string, ReadonlyArray<Entry>> => {
  const found = new Map<string, Array<Entry>>()
  for (const entry of entries) found.set(entry.tag, [...(found.get(entry.tag) ?? []), entry])
  return found
}

const other = (heading: string, text: string, failure: Failure.Failure): string =>
  [
    `### ${heading}`,
    "",
    wrap(text),
    "",
    "```text",
    Failure.toText(failure),
    "```",
    "",
    `Exit code ${failure.exitCode}.`
  ].join("\n")

const INTRODUCTION = `# Errors

How \`bottle\` says that something went wrong, and what each error means. Every one has a name, a line
that says what happened, and one that says what to do next. Where a command failed, what was run and
the last lines that it wrote are shown too; no value of a secret, a credential or a variable is.

\`\`\`text
bottle: what happened
  ran   the command of the plan that failed, as a shell takes it
  said  the last lines that it wrote, six at most
try: what to do next
more: where this page tells about it
\`\`\`

What is wrong with a line or a file says what to write in its place, and leaves out the last line.

With \`--format json\` the same is one document on one line, \`{"version":1,"failure":{...}}\`, with
\`kind\`, \`error\`, \`message\`, \`suggestion\`, \`stage\`, \`exitCode\`, \`command\`, \`stderr\` and \`docs\`
([schema](error.schema.json)). \`error\` is the name of the error, \`command\` what was run as an array
of words, \`docs\` the place on this page; what there is none of is null. Colours are for terminals, and
off with \`NO_COLOR\`. [Exit codes](exit-codes.md) have a page of their own.

This page is made from the code, and a test holds it to that:
\`npx vitest run packages/cli/test/ErrorsReference.test.ts -u\` writes it. In the examples \`<name>\`
stands for what differs.`

/** The whole page. */
export const render = (entries: ReadonlyArray<Entry>): string => {
  const tags = byTag(entries)
  const index = [...tags.keys(), "Defect", "Interrupted"].toSorted((left, right) => left.localeCompare(right, "en"))
  const sections = Object.entries(packages).flatMap(([name, title]) => {
    const own = [...tags].filter(([, [first]]) => first?.packageName === name)
    if (own.length === 0) return []
    const text = own
      .toSorted(([left], [right]) => left.localeCompare(right, "en"))
      .map(([tag, group]) =>
        [
          `### ${tag}`,
          "",
          group
            .map((entry) =>
              group.length === 1 ? sectionOf(entry) : `From \`@bottle/${entry.packageName}\`:\n\n${sectionOf(entry)}`
            )
            .join("\n\n")
        ].join("\n")
      )
    return [`## \`@bottle/${name}\`: ${title}`, ...text]
  })
  return `${[
    INTRODUCTION,
    "## Index",
    index.map((tag) => `[${tag}](#${tag.toLowerCase()})`).join(" ·\n"),
    ...sections,
    "## Without a class of their own",
    other(
      "Defect",
      "A fault of bottle itself. What it holds is not shown: it may be anything.",
      Failure.fromDefect(new Error("x"))
    ),
    [
      "### Interrupted",
      "",
      wrap(
        "Ended by SIGHUP, SIGINT or SIGTERM, after everything was taken down. People are told nothing, programs `kind` `interrupted` with the signal as `error`. A second signal ends the program at once; what is left is then taken down by the bottle's handle."
      ),
      "",
      "Exit code 129, 130 or 143."
    ].join("\n")
  ].join("\n\n")}\n`
}
