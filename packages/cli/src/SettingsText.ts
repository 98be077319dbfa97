/**
 * What a launch is told, value by value, with where each comes from: for `bottle config`, and beside a plan. Secrets and
 * credentials are shown by where they are taken from, never by their values.
 *
 * @since 0.1.0
 */
import type { CredentialEntry, PolicyDocument } from "@bottle/egress/PolicyDocument"
import type { MachineSource } from "@bottle/engine/LaunchOptions"
import * as Quantity from "@bottle/engine/Quantity"
import * as Settings from "@bottle/engine/Settings"
import * as Columns from "./Columns.js"
import * as Printable from "./Printable.js"
import * as ShellQuote from "./ShellQuote.js"

const VALUE_CHARS_MAX = 100

/**
 * One value: its key as the manifest spells it, the value as JSON has it, the same in words, and where it comes from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Row {
  readonly key: string
  readonly value: unknown
  readonly text: string
  readonly origin: Settings.Origin
}

const plain = (value: unknown): string => {
  if (value === null) return "none"
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "")
}

const commandText = (words: ReadonlyArray<string>): string =>
  words.map((word) => (word.includes("\n") ? `<${word.length} characters>` : ShellQuote.word(word))).join(" ")

const agentText = (key: (typeof agents)[number], { single }: Settings.Settings): string | undefined => {
  const prompt = single.prompt?.value
  if (key === "command") return commandText(single.command?.value ?? [])
  return key === "prompt" && typeof prompt === "object" ? `behind ${prompt.flag}` : undefined
}

const row = (key: string, value: unknown, origin: Settings.Origin, text = plain(value)): Row => ({
  key,
  value,
  text,
  origin
})

const sourceRow = (source: MachineSource, origin: Settings.Origin): Row => {
  if (source._tag === "Bare") return row("image", null, origin)
  return source._tag === "Pack" ? row("pack", source.path, origin) : row("image", source.reference, origin)
}

/** Where a credential's value is taken from; of a command the program alone, for its words may be private. */
const takenFrom = ({ source }: CredentialEntry): string => {
  if ("env" in source) return `$${source.env}`
  return "file" in source ? source.file : `the output of ${source.command[0] ?? ""}`
}

const credentialRow = (key: string, entry: CredentialEntry, origin: Settings.Origin): Row => {
  const from = takenFrom(entry)
  const { header, upstream } = entry
  return row(key, { upstream, header, from }, origin, `${upstream}, ${header} from ${from}`)
}

const documentRows = (document: PolicyDocument, origin: Settings.Origin): ReadonlyArray<Row> => {
  const { $schema: _, credentials = {}, version: __, ...lists } = document
  return [
    ...Object.entries(lists).map(([key, value]) => row(`policy.${key}`, value, origin)),
    ...Object.entries(credentials).map(([name, entry]) => credentialRow(`policy.credentials.${name}`, entry, origin))
  ]
}

const byDefault: Settings.Origin = { kind: "default", name: "" }

const defaults = (agent: string | null): Settings.Settings =>
  Settings.of(byDefault, {
    source: { _tag: "Bare" },
    isolation: "any",
    ...(agent === null ? {} : { prompt: "argument", workspace: "copy" })
  })

/** A number in the words that a manifest has for it. */
const measured = (key: string, field: string, value: number, origin: Settings.Origin): Row => {
  if (field.endsWith("Millis")) return row(key, value, origin, Quantity.formatSpan(value))
  return row(key, value, origin, field === "memMib" ? Quantity.formatMebibytes(value) : String(value))
}

// In the order of a manifest.
const singles = [
  ["isolation", "isolation"],
  ["runtime", "runtime"],
  ["bundle", "bundle"],
  ["bundleImage", "bundle-image"],
  ["bundleBase", "bundle-base"],
  ["topology", "topology"],
  ["cpus", "limits.cpus"],
  ["memMib", "limits.mem"],
  ["workdir", "workdir"]
] as const

const times = [
  ["ttlMillis", "ttl"],
  ["idleMillis", "idle"],
  ["timeoutMillis", "timeout"]
] as const

const agents = ["command", "prompt", "workspace"] as const

/**
 * Every value of a launch, in the order of a manifest.
 *
 * @since 0.1.0
 * @category conversions
 */
export const rows = ({ agent, settings }: Settings.Composed): ReadonlyArray<Row> => {
  const all = Settings.combine(defaults(agent), settings)
  const { keyed, single } = all
  const { policy, source } = single
  return [
    ...(source === undefined ? [] : [sourceRow(source.value, source.origin)]),
    ...singles.flatMap(([field, key]) => {
      const found = single[field]
      if (found === undefined) return []
      const { origin, value } = found
      return [typeof value === "number" ? measured(key, field, value, origin) : row(key, value, origin)]
    }),
    ...[...keyed.env].map(([name, { origin, value }]) =>
      typeof value === "string"
        ? row(`env.${name}`, value, origin, JSON.stringify(value))
        : row(`env.${name}`, value, origin, `$${value.from}, a secret`)
    ),
    ...[...keyed.mounts].map(([guest, { origin, value }]) =>
      row(
        `mounts.${guest}`,
        { host: value.host, readonly: value.readonly },
        origin,
        `${value.host}${value.readonly ? ", read-only" : ""}`
      )
    ),
    ...(policy === undefined
      ? []
      : policy.value._tag === "File"
        ? [row("policy", policy.value.path, policy.origin)]
        : documentRows(policy.value.document, policy.origin)),
    ...times.flatMap(([field, key]) => {
      const found = single[field]
      return found === undefined ? [] : [measured(key, field, found.value, found.origin)]
    }),
    ...agents.flatMap((key) => {
      const found = single[key]
      return found === undefined ? [] : [row(key, found.value, found.origin, agentText(key, all))]
    }),
    ...[...keyed.allow].map(([host, { origin, value }]) => row(`allow.${host}`, value, origin)),
    ...[...keyed.credentials].map(([name, { origin, value }]) => credentialRow(`credentials.${name}`, value, origin))
  ]
}

/**
 * The lines of values: `key value # origin`, in columns.
 *
 * @since 0.1.0
 * @category conversions
 */
export const lines = (of: ReadonlyArray<Row>): ReadonlyArray<string> =>
  Columns.render(
    of.map(({ key, origin, text }) => [
      Printable.line(key, VALUE_CHARS_MAX),
      Printable.line(text, VALUE_CHARS_MAX),
      `# ${Printable.line(Settings.originText(origin), VALUE_CHARS_MAX)}`
    ])
  )
