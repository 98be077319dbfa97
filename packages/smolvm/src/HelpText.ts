/**
 * What `--help` prints, as data: the options of a subcommand, the subcommands of a group.
 *
 * smolvm's help is clap's: an option stands at the beginning of its own line, six columns in or behind its short form,
 * and its description beside it or, further in, below it. So a word of a description is never taken for an option, in
 * whichever of the two forms and however narrow the terminal.
 *
 * @since 0.1.0
 */
import { plain } from "./internal/tail.js"

/**
 * An option, as a help text lists it.
 *
 * - `long`: `--env`; `short`: `-e`, or `null`
 * - `value`: the name of its value without brackets, `KEY=VALUE`, or `null` for a flag
 * - `repeatable`: whether the text says that it may be repeated (`...`); clap rarely says so
 * - `aliases`: other names that the text tells, long and short
 * - `possibleValues`: the words it takes, where the text lists them
 * - `default`: what is taken without it, or `null` where the text says nothing
 *
 * @since 0.1.0
 * @category models
 */
export interface HelpOption {
  readonly long: string
  readonly short: string | null
  readonly value: string | null
  readonly repeatable: boolean
  readonly aliases: ReadonlyArray<string>
  readonly possibleValues: ReadonlyArray<string>
  readonly default: string | null
}

/**
 * A positional argument, as a help text lists it: `[COMMAND]...` is optional and variadic.
 *
 * @since 0.1.0
 * @category models
 */
export interface HelpPositional {
  readonly name: string
  readonly required: boolean
  readonly variadic: boolean
}

/**
 * A subcommand, as the help of its group lists it, with the other names that the text tells.
 *
 * @since 0.1.0
 * @category models
 */
export interface HelpSubcommand {
  readonly name: string
  readonly aliases: ReadonlyArray<string>
}

/**
 * A help text, read. `--help`, `--version` and the subcommand `help` are left out: everything has them.
 *
 * @since 0.1.0
 * @category models
 */
export interface HelpText {
  /** What stands behind `Usage:`, on one line; `null` where the text has none, and so is hardly a help text. */
  readonly usage: string | null
  readonly options: ReadonlyArray<HelpOption>
  readonly positionals: ReadonlyArray<HelpPositional>
  /** Not empty for a group, and for nothing else. */
  readonly subcommands: ReadonlyArray<HelpSubcommand>
}

/**
 * Reads a help text. Colours are taken out first, and what is not understood is left out.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (text: string): HelpText => {
  const entries = entriesOf(plain(text).split("\n"))
  const of = <A>(kind: Kind, read: (entry: Entry) => A | undefined): ReadonlyArray<A> =>
    entries.filter((entry) => entry.kind === kind).flatMap((entry) => read(entry) ?? [])
  const usage = entries.find(({ kind }) => kind === "usage")
  return {
    usage: usage === undefined ? null : wordsOf(usage),
    options: of("option", readOption).filter(({ long }) => long !== "--help" && long !== "--version"),
    positionals: of("positional", readPositional),
    subcommands: of("subcommand", readSubcommand).filter(({ name }) => name !== "help")
  }
}

/**
 * The long names of all options of a help text, aliases included.
 *
 * @since 0.1.0
 * @category parsing
 */
export const longs = ({ options }: HelpText): ReadonlyArray<string> =>
  options.flatMap(({ aliases, long }) => [long, ...aliases.filter((alias) => alias.startsWith("--"))])

type Kind = "usage" | "option" | "positional" | "subcommand"

/** One thing that a help text lists: its first line, and what stands below it. */
interface Entry {
  readonly kind: Kind
  readonly lines: Array<string>
}

/** What the lines below a heading list: options may stand under any, such as `Networking`, but for those of prose. */
const listedUnder = (heading: string): Exclude<Kind, "usage"> | undefined => {
  if (/^(?:sub)?commands$/i.test(heading)) return "subcommand"
  if (/^arguments$/i.test(heading)) return "positional"
  return /^[A-Z][\w/&() -]{0,40}$/.test(heading) && !prose.test(heading) ? "option" : undefined
}

const prose = /\b(?:examples?|notes?|environment|see also|exit|tips?|learn|more|warning)\b/i

const starts: Readonly<Record<Exclude<Kind, "usage">, RegExp>> = {
  option: /^(?: {1,4}-[^\s-],? | {1,8})--[A-Za-z0-9]/,
  positional: /^ {1,4}[<[]/,
  subcommand: /^ {1,4}[A-Za-z0-9]/
}

const entriesOf = (lines: ReadonlyArray<string>): ReadonlyArray<Entry> => {
  const entries: Array<Entry> = []
  let listed: Exclude<Kind, "usage"> | undefined
  let current: Entry | undefined
  const begin = (kind: Kind, line: string): void => {
    current = { kind, lines: [line] }
    entries.push(current)
  }
  for (const line of lines) {
    const heading = /^(\S.*):\s*$/.exec(line)?.[1]
    if (/^usage:/i.test(line)) {
      listed = undefined
      begin("usage", line.slice("usage:".length))
    } else if (line.trim() === "") {
      // Within an option, a blank line parts its description from its values; a usage ends there.
      if (current?.kind === "usage") current = undefined
    } else if (/^\S/.test(line)) {
      listed = heading === undefined ? undefined : listedUnder(heading)
      current = undefined
    } else if (listed !== undefined && starts[listed].test(line)) {
      begin(listed, line)
    } else {
      current?.lines.push(line)
    }
  }
  return entries
}

const wordsOf = ({ lines }: Entry): string => lines.join(" ").replace(/\s+/g, " ").trim()

const readOption = (entry: Entry): HelpOption | undefined => {
  const found = /^\s*(?:(-[^\s-]),? )?(--[A-Za-z0-9][\w-]*)(\.\.\.)?/.exec(entry.lines[0] ?? "")
  const long = found?.[2]
  if (found === null || long === undefined) return undefined
  const rest = (entry.lines[0] ?? "").slice(found[0].length)
  // `<VALUE>`, `=<VALUE>`, `[=<VALUE>]`, `[<VALUE>]`, and `...` behind it; two spaces begin the description.
  const value = /^(?: ?\[?=?| )<([^<>]+)>\]?(\.\.\.)?/.exec(rest)
  const text = wordsOf(entry)
  return {
    long,
    short: found[1] ?? null,
    value: value?.[1] ?? null,
    repeatable: found[3] !== undefined || value?.[2] !== undefined,
    aliases: [
      ...listOf(text, "aliases").map((alias) => (alias.startsWith("-") ? alias : `--${alias}`)),
      ...listOf(text, "short aliases").map((alias) => (alias.startsWith("-") ? alias : `-${alias}`))
    ],
    possibleValues: possibleValuesOf(entry, text),
    default: /\[default: ([^[\]]*)\]/.exec(text)?.[1] ?? null
  }
}

/** The items of a note such as `[aliases: --one, --two]`. */
const listOf = (text: string, note: string): ReadonlyArray<string> =>
  (new RegExp(`\\[${note}: ([^[\\]]*)\\]`).exec(text)?.[1] ?? "")
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "")

/** In a note, or in the long form one to a line, each behind a dash and before a colon. */
const possibleValuesOf = ({ lines }: Entry, text: string): ReadonlyArray<string> => {
  const noted = listOf(text, "possible values")
  if (noted.length > 0) return noted
  const at = lines.findIndex((line) => /^\s*possible values:\s*$/i.test(line))
  return at < 0 ? [] : lines.slice(at + 1).flatMap((line) => /^\s*- ([^\s:]+)/.exec(line)?.[1] ?? [])
}

const readPositional = ({ lines }: Entry): HelpPositional | undefined => {
  const found = /^\s*(?:<([^<>]+)>|\[([^[\]]+)\])(\.\.\.)?/.exec(lines[0] ?? "")
  const name = found?.[1] ?? found?.[2]
  return name === undefined
    ? undefined
    : { name, required: found?.[1] !== undefined, variadic: found?.[3] !== undefined }
}

const readSubcommand = (entry: Entry): HelpSubcommand | undefined => {
  const found = /^\s*([\w-]+)((?:, [\w-]+)*)(?:\s|$)/.exec(entry.lines[0] ?? "")
  const name = found?.[1]
  if (name === undefined) return undefined
  const beside = (found?.[2] ?? "").split(", ").filter((alias) => alias !== "")
  return { name, aliases: [...beside, ...listOf(wordsOf(entry), "aliases")] }
}
