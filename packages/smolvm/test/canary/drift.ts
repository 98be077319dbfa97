/** What the help of an installed smolvm has that the grammar data have not, and the other way round. */
import * as Capabilities from "../../src/Capabilities.js"
import * as HelpText from "../../src/HelpText.js"
import { contract } from "../../src/internal/contract.js"
import type { Definition, Delta, Option, Positional } from "../../src/internal/contractTypes.js"
import { releaseOf } from "../../src/internal/releases.js"
import { possibleValues } from "../../src/internal/valueTypes.js"
import * as Line from "../../src/Line.js"

/** What a smolvm said: `help` has a text for each group and subcommand that it knows, and no entry for one that it refuses. */
export interface Said {
  readonly version: string
  readonly help: Readonly<Record<string, string>>
}

/** What has to be pasted into the data: nothing where all three lists of `delta` are empty. */
export interface Drift {
  readonly version: string
  /** The release line that was compared with. */
  readonly line: Line.Line
  /** For `grammarDeltasAllTags`. */
  readonly delta: Omit<Delta, "version"> & { readonly tag: string }
  /** For `dialects.LINE.commands`: of a new subcommand the whole definition, else what is new or another. */
  readonly commands: Readonly<Record<string, Partial<Definition>>>
}

export const groups = ["machine", "pack"] as const

/** The subcommands that must be asked for their help: those that any release has, and those that the groups list. */
export const asked = (help: Said["help"]): ReadonlyArray<string> => [
  ...new Set([
    ...Capabilities.subcommands,
    ...groups.flatMap((group) => listedBy(help, group).map(({ name }) => `${group} ${name}`))
  ])
]

export const isNone = ({ delta: { added, changed, removed } }: Drift): boolean =>
  [added, changed, removed].every((list) => list.length === 0)

export const of = (said: Said): Drift => {
  const { help, version } = said
  const found = asked(help).map((command) => compare(said, command))
  return {
    version,
    line: Line.ofVersion(version),
    delta: {
      tag: `v${version}`,
      added: found.flatMap(({ added }) => added),
      removed: found.flatMap(({ removed }) => removed),
      changed: found.flatMap(({ changed }) => changed)
    },
    commands: Object.fromEntries(
      found.flatMap(({ command, definition }) => (Object.keys(definition).length === 0 ? [] : [[command, definition]]))
    )
  }
}

interface Difference {
  readonly command: string
  readonly added: ReadonlyArray<string>
  readonly removed: ReadonlyArray<string>
  readonly changed: ReadonlyArray<string>
  readonly definition: Partial<Definition>
}

const listedBy = (help: Said["help"], group: string): ReadonlyArray<HelpText.HelpSubcommand> =>
  HelpText.parse(help[group] ?? "").subcommands

const compare = ({ help, version }: Said, command: string): Difference => {
  const same: Difference = { command, added: [], removed: [], changed: [], definition: {} }
  const known = knownAt(version, command)
  const read = HelpText.parse(help[command] ?? "")
  const isThere = read.usage !== null && read.subcommands.length === 0
  if (!isThere) return known === undefined ? same : { ...same, removed: [`cmd ${command}`] }
  const [group = "", name = ""] = command.split(" ")
  const aliases = listedBy(help, group).find((listed) => listed.name === name)?.aliases ?? []
  const isAlias = !(read.usage ?? "").startsWith(`smolvm ${command}`)
  if (known === undefined) {
    // The name it goes by is in the list of its group, and is compared there.
    if (isAlias) return same
    const options = read.options.map((option) => optionOf(option, undefined))
    const positionals = read.positionals.map((positional) => positionalOf(positional, read))
    return {
      ...same,
      added: [
        `cmd ${command}`,
        ...options.map(({ long }) => `${command} ${long}`),
        ...positionals.map((positional) => `${command} <${positional.name}>`)
      ],
      definition: { aliases, positionals, options }
    }
  }
  const ofOptions = compareOptions(command, known.options, read)
  const ofPositionals = comparePositionals(command, known.positionals, read)
  const hasNewName = isAlias || aliases.some((alias) => !known.aliases.includes(alias))
  return {
    command,
    added: [...ofOptions.added, ...ofPositionals.added],
    removed: [...ofOptions.removed, ...ofPositionals.removed],
    changed: [...(hasNewName ? [`cmd ${command}`] : []), ...ofOptions.changed, ...ofPositionals.changed],
    definition: {
      ...(hasNewName && !isAlias ? { aliases: [...new Set([...known.aliases, ...aliases])] } : {}),
      ...(ofPositionals.written.length === 0 ? {} : { positionals: ofPositionals.written }),
      ...(ofOptions.written.length === 0 ? {} : { options: ofOptions.written })
    }
  }
}

interface Parts<A> extends Omit<Difference, "command" | "definition"> {
  readonly written: ReadonlyArray<A>
}

const compareOptions = (command: string, known: ReadonlyArray<Option>, read: HelpText.HelpText): Parts<Option> => {
  const longs = new Set(HelpText.longs(read))
  const pairs = read.options.map((option) => ({ option, before: known.find(({ long }) => long === option.long) }))
  const isAnother = pairs.filter(({ before, option }) => before !== undefined && differs(before, option))
  const isNew = pairs.filter(({ before }) => before === undefined)
  return {
    added: isNew.map(({ option }) => `${command} ${option.long}`),
    // The help shows what is hidden no more than what is gone.
    removed: known
      .filter(({ hidden, long }) => hidden !== true && !longs.has(long))
      .map(({ long }) => `${command} ${long}`),
    changed: isAnother.map(({ option }) => `${command} ${option.long}`),
    written: [...isNew, ...isAnother].map(({ before, option }) => optionOf(option, before))
  }
}

/** Help need not tell a default, the words of an enumeration, or that an option may be repeated: only what it tells counts. */
const differs = (before: Option, now: HelpText.HelpOption): boolean =>
  before.hidden === true ||
  (before.type === "flag") !== (now.value === null) ||
  (before.short ?? null) !== now.short ||
  (before.value !== undefined && now.value !== null && before.value !== now.value) ||
  (now.default !== null && defaultOf(now) !== before.default) ||
  (now.possibleValues.length > 0 && now.possibleValues.join() !== possibleValues(before.type)?.join()) ||
  (now.repeatable && before.repeatable !== true)

/** The value alone: a description may go on, as in `[default: 4, or what the pack says]`. */
const defaultOf = (option: HelpText.HelpOption): string => (option.default ?? "").split(", ")[0] ?? ""

/** As the data have it. The type of a value is not in the help: that of a new one has to be looked up. */
const optionOf = (now: HelpText.HelpOption, before: Option | undefined): Option => {
  const {
    hidden: _hidden,
    short: _short,
    type: was,
    value: _value,
    ...rest
  } = before ?? { long: now.long, type: "string" }
  const words = now.possibleValues.length > 0 ? `enum:${now.possibleValues.join("|")}` : undefined
  return {
    ...rest,
    long: now.long,
    ...(now.short === null ? {} : { short: now.short }),
    ...(now.value === null ? {} : { value: now.value }),
    type: now.value === null ? "flag" : (words ?? (was === "flag" ? "string" : was)),
    ...(now.default === null ? {} : { default: defaultOf(now) }),
    ...(now.repeatable ? { repeatable: true } : {})
  }
}

const comparePositionals = (
  command: string,
  known: ReadonlyArray<Positional>,
  read: HelpText.HelpText
): Parts<Positional> => {
  const now = read.positionals.map((positional) => positionalOf(positional, read))
  const before = (name: string) => known.find((positional) => positional.name === name)
  const isNew = now.filter(({ name }) => before(name) === undefined)
  const isAnother = now.filter((positional) => {
    const was = before(positional.name)
    return (
      was !== undefined &&
      (was.required !== positional.required ||
        was.variadic !== positional.variadic ||
        was.requiresDoubleDash !== positional.requiresDoubleDash)
    )
  })
  const word = ({ name }: { readonly name: string }) => `${command} <${name}>`
  const removed = known.filter(({ name }) => now.every((positional) => positional.name !== name))
  return {
    added: isNew.map(word),
    removed: removed.map(word),
    changed: isAnother.map(word),
    // Their order matters: all of them, where one is another.
    written: isNew.length + isAnother.length + removed.length === 0 ? [] : now
  }
}

const positionalOf = ({ name, required, variadic }: HelpText.HelpPositional, read: HelpText.HelpText): Positional => ({
  name,
  required,
  variadic,
  trailing: variadic,
  requiresDoubleDash: (read.usage ?? "").includes(`-- <${name}>`)
})

/** A subcommand as the data have it for a version; between the lines put together from those around it. */
const knownAt = (version: string, command: string): Definition | undefined => {
  const members = releaseOf(version)[command]
  if (members === undefined) return undefined
  const line = Line.ofVersion(version)
  const at = Line.lines.indexOf(line)
  const nearest = [line, ...Line.lines.slice(at + 1), ...Line.lines.slice(0, at).toReversed()]
  const definitions = nearest.flatMap((it) => {
    const index = contract.dialects[it].commands[command]
    return index === undefined ? [] : (contract.definitions[index] ?? [])
  })
  return {
    aliases: definitions[0]?.aliases ?? [],
    options: members.flatMap((member) =>
      firstOf(definitions, ({ options }) => options.find(({ long }) => long === member))
    ),
    positionals: members.flatMap((member) =>
      firstOf(definitions, ({ positionals }) => positionals.find(({ name }) => `<${name}>` === member))
    )
  }
}

const firstOf = <A>(definitions: ReadonlyArray<Definition>, find: (definition: Definition) => A | undefined) =>
  definitions.flatMap((definition) => find(definition) ?? []).slice(0, 1)
