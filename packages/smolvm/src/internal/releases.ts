import * as Line from "../Line.js"
import { contract } from "./contract.js"

/**
 * What one version has, by subcommand (`machine create`): long options (`--net`) and positionals (`<NAME>`). A
 * subcommand that the version does not have has no entry.
 */
export type Release = Readonly<Record<string, ReadonlyArray<string>>>

/**
 * What a version has: the grammar of the oldest release line, with what every tag up to this version added and removed.
 * So it is right between the lines too, where a line's own grammar is that of an older or a newer version.
 */
export const releaseOf = (version: string): Release => {
  const has = new Map<string, Set<string>>(
    Object.entries(oldest).map(([command, index]) => [command, new Set(membersOf(index))])
  )
  for (const delta of contract.deltas) {
    if (Line.compare(delta.version, version) > 0) break
    for (const { command, member } of delta.removed.map(read)) {
      if (member === undefined) has.delete(command)
      else has.get(command)?.delete(member)
    }
    for (const { command, member } of delta.added.map(read)) {
      if (!isPublic(command)) continue
      const members = has.get(command) ?? new Set()
      if (member !== undefined) members.add(member)
      has.set(command, members)
    }
  }
  return Object.fromEntries([...has].map(([command, members]) => [command, [...members]]))
}

/** The long options of a version, by subcommand. */
export const optionsOf = (version: string): Readonly<Record<string, ReadonlyArray<string>>> =>
  Object.fromEntries(
    Object.entries(releaseOf(version)).map(([command, members]) => [
      command,
      members.filter((member) => member.startsWith("--"))
    ])
  )

/**
 * The first version from which on every known release has a subcommand, or its option or positional; `null` where no
 * known release has it. `0.8.0` stands for that version and, unless a tag says otherwise, every one before it.
 */
export const firstVersion = (command: string, member?: string): string | null => {
  const versions = ["0.8.0", ...contract.deltas.map(({ version }) => version)]
  const has = versions.map((version) => {
    const members = known(version)[command]
    return members !== undefined && (member === undefined || members.includes(member))
  })
  const lacking = has.lastIndexOf(false)
  return versions[lacking + 1] ?? null
}

/** Every subcommand that some release line has. */
export const allSubcommands: ReadonlyArray<string> = [
  ...new Set(Object.values(contract.dialects).flatMap(({ commands }) => Object.keys(commands)))
]

const oldest = contract.dialects["0.8.0"].commands

const membersOf = (index: number): ReadonlyArray<string> => {
  const definition = contract.definitions[index]
  if (definition === undefined) return []
  return [...definition.options.map(({ long }) => long), ...definition.positionals.map(({ name }) => `<${name}>`)]
}

/** Subcommands that this package speaks; the data know `serve` and `secret` by their changes only. */
const isPublic = (command: string): boolean => /^(?:machine|pack) /.test(command)

const read = (entry: string): { readonly command: string; readonly member: string | undefined } => {
  const whole = /^cmd (.+)$/.exec(entry)?.[1]
  if (whole !== undefined) return { command: whole, member: undefined }
  const at = entry.lastIndexOf(" ")
  return { command: entry.slice(0, at), member: entry.slice(at + 1) }
}

const releases = new Map<string, Release>()

/** `releaseOf` a version of the data, kept: there are only so many. */
const known = (version: string): Release => {
  const release = releases.get(version) ?? releaseOf(version)
  releases.set(version, release)
  return release
}
