/**
 * What a launch is told, put together from a manifest's bottle, an agent, the environment and flags; each value with where
 * it comes from. Pure: a manifest is an input here, and nothing is looked up.
 *
 * @since 0.1.0
 */
import * as Nearest from "@bottle/egress/Nearest"
import type { CredentialEntry, PolicyDocument } from "@bottle/egress/PolicyDocument"
import * as Either from "effect/Either"
import * as Path from "node:path"
import type { BundleKind, IsolationDemand, MachineSource, Mount, Topology } from "./LaunchOptions.js"
import type { Agent, Bottle, EnvValue, Manifest, Prompt } from "./Manifest.js"
import { NameUnknown } from "./ManifestError.js"
import * as Quantity from "./Quantity.js"

/**
 * Where a value comes from.
 *
 * - `default`: nobody said anything else
 * - `environment`: a variable of the host, by its name
 * - `bottle`, `agent`: an entry of the manifest, by its name
 * - `preset`: an agent that is known without a manifest
 * - `flag`: the command line, by the flag's name
 *
 * @since 0.1.0
 * @category models
 */
export interface Origin {
  readonly kind: "default" | "environment" | "bottle" | "preset" | "agent" | "flag"
  readonly name: string
}

/**
 * A value, and where it comes from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Setting<A> {
  readonly value: A
  readonly origin: Origin
}

/**
 * The policy that a bottle begins with: a file, by its absolute path, or a document.
 *
 * @since 0.1.0
 * @category models
 */
export type PolicySource =
  | { readonly _tag: "File"; readonly path: string }
  | { readonly _tag: "Document"; readonly document: PolicyDocument }

/**
 * How a workspace is given to a command.
 *
 * @since 0.1.0
 * @category models
 */
export type WorkspaceMode = "copy" | "ro" | "rw"

/**
 * What has one value: the one that is said last holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Single {
  readonly source: MachineSource
  readonly isolation: IsolationDemand
  readonly runtime: string
  readonly bundle: BundleKind
  readonly topology: Topology
  readonly cpus: number
  readonly memMib: number
  readonly workdir: string
  readonly policy: PolicySource
  readonly ttlMillis: number
  readonly idleMillis: number
  readonly timeoutMillis: number
  readonly bundleImage: string
  readonly bundleBase: string
  readonly command: ReadonlyArray<string>
  readonly prompt: Prompt
  readonly workspace: WorkspaceMode
}

/**
 * What adds up, each by its key: variables by their names, mounts by their places in the guest, hosts by their text,
 * credentials by their names. Of what has the same key, the one that is said last holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Keyed {
  readonly env: EnvValue
  readonly mounts: Mount
  readonly allow: string
  readonly credentials: CredentialEntry
}

/**
 * Everything that was said, each value with where it comes from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  readonly single: { readonly [K in keyof Single]?: Setting<Single[K]> }
  readonly keyed: { readonly [K in keyof Keyed]: ReadonlyMap<string, Setting<Keyed[K]>> }
}

/**
 * Nothing was said.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: Settings = {
  single: {},
  keyed: { env: new Map(), mounts: new Map(), allow: new Map(), credentials: new Map() }
}

/**
 * What one source says.
 *
 * @since 0.1.0
 * @category models
 */
export type Said = {
  readonly [K in keyof Single]?: Single[K] | undefined
} & {
  readonly [K in keyof Keyed]?: ReadonlyArray<readonly [key: string, value: Keyed[K]]> | undefined
}

const isSaid = <A>(value: A | undefined): value is A => value !== undefined

/**
 * What one source says, with where it comes from.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (origin: Origin, said: Said): Settings => {
  const { allow = [], credentials = [], env = [], mounts = [], ...single } = said
  const setting = <A>(value: A): Setting<A> => ({ value, origin })
  const keyed = <A>(entries: ReadonlyArray<readonly [string, A]>) =>
    new Map(entries.map(([key, value]) => [key, setting(value)]))
  return {
    single: Object.fromEntries(
      Object.entries(single).flatMap(([key, value]) => (isSaid(value) ? [[key, setting(value)]] : []))
    ),
    keyed: { env: keyed(env), mounts: keyed(mounts), allow: keyed(allow), credentials: keyed(credentials) }
  }
}

const both = <A>(left: ReadonlyMap<string, A>, right: ReadonlyMap<string, A>): ReadonlyMap<string, A> =>
  right.size === 0 ? left : new Map([...left, ...right])

/**
 * What is said first, and then what is said after it, which wins. Associative, with `empty` on either side.
 *
 * @since 0.1.0
 * @category constructors
 */
export const combine = (first: Settings, then: Settings): Settings => ({
  single: { ...first.single, ...then.single },
  keyed: {
    env: both(first.keyed.env, then.keyed.env),
    mounts: both(first.keyed.mounts, then.keyed.mounts),
    allow: both(first.keyed.allow, then.keyed.allow),
    credentials: both(first.keyed.credentials, then.keyed.credentials)
  }
})

/**
 * What all of them say, the last one winning.
 *
 * @since 0.1.0
 * @category constructors
 */
export const combineAll = (all: ReadonlyArray<Settings>): Settings => all.reduce(combine, empty)

/**
 * A manifest that was read: the file's own directory, which relative paths in it are beside.
 *
 * @since 0.1.0
 * @category models
 */
export interface ManifestRead {
  readonly manifest: Manifest
  readonly file: string
  readonly directory: string
}

/** The directories that paths of a manifest are resolved against. */
interface Bases {
  readonly directory: string
  readonly home: string
}

const atHome = (path: string, { home }: Bases): string =>
  path === "~" || path.startsWith("~/") ? Path.join(home, path.slice(1)) : path

const isPath = (reference: string): boolean => /^(\/|\.\.?(\/|$)|~\/)/.test(reference)

const sourceOf = ({ image, pack }: Bottle, bases: Bases): MachineSource | undefined => {
  if (pack !== undefined) return { _tag: "Pack", path: atHome(pack, bases) }
  if (image === undefined) return undefined
  const reference = isPath(image) ? Path.resolve(bases.directory, atHome(image, bases)) : image
  return { _tag: "Image", reference }
}

const policyOf = ({ policy }: Bottle, bases: Bases): PolicySource | undefined => {
  if (policy === undefined) return undefined
  return typeof policy === "string"
    ? { _tag: "File", path: Path.resolve(bases.directory, atHome(policy, bases)) }
    : { _tag: "Document", document: policy }
}

const parsed = <A>(parse: (text: string) => A | undefined, text: string | undefined): A | undefined =>
  text === undefined ? undefined : parse(text)

/** The place of a mount in the guest, which no two can have. */
const placeOf = (guest: string): string => guest.replace(/(.)\/+$/, "$1")

const ofBottle = (name: string, bottle: Bottle, bases: Bases): Settings =>
  of(
    { kind: "bottle", name },
    {
      source: sourceOf(bottle, bases),
      isolation: bottle.isolation,
      runtime: parsed((runtime) => atHome(runtime, bases), bottle.runtime),
      bundle: bottle.bundle,
      topology: bottle.topology,
      cpus: bottle.limits?.cpus,
      memMib: parsed(Quantity.parseMebibytes, bottle.limits?.mem),
      workdir: bottle.workdir,
      policy: policyOf(bottle, bases),
      ttlMillis: parsed(Quantity.parseLifetime, bottle.ttl),
      idleMillis: parsed(Quantity.parseLifetime, bottle.idle),
      timeoutMillis: parsed(Quantity.parseDuration, bottle.timeout),
      env: Object.entries(bottle.env ?? {}),
      mounts: (bottle.mounts ?? []).map(({ guest, host, readonly }) => [
        placeOf(guest),
        { host: Path.resolve(atHome(host, bases)), guest, readonly: readonly ?? false }
      ])
    }
  )

const ofAgent = (origin: Origin, agent: Agent): Settings =>
  of(origin, {
    command: agent.command,
    prompt: agent.prompt,
    workspace: agent.workspace,
    allow: (agent.allow ?? []).map((host) => [host, host]),
    credentials: Object.entries(agent.credentials ?? {}),
    env: Object.entries(agent.env ?? {})
  })

/**
 * The mount's key in settings.
 *
 * @since 0.1.0
 * @category conversions
 */
export const mountKey = (mount: Mount): string => placeOf(mount.guest)

/**
 * The agents that are known without a manifest.
 *
 * @since 0.1.0
 * @category models
 */
export type Presets = Readonly<Record<string, Agent>>

/**
 * The agent that one extends: of the manifest, or one that is known without it. An agent that extends its own name means
 * the latter. Undefined where it extends none, or one that is not there.
 *
 * @since 0.1.0
 * @category models
 */
export const extended = (
  manifest: Manifest,
  presets: Presets,
  name: string
): { readonly name: string; readonly agent: Agent; readonly isPreset: boolean } | undefined => {
  const parent = own(manifest.agents, name)?.extends
  if (parent === undefined) return undefined
  const agent = parent === name ? undefined : own(manifest.agents, parent)
  if (agent !== undefined) return { name: parent, agent, isPreset: false }
  const preset = own(presets, parent)
  return preset === undefined ? undefined : { name: parent, agent: preset, isPreset: true }
}

const own = <A>(entries: Readonly<Record<string, A>> | undefined, name: string): A | undefined =>
  entries !== undefined && Object.hasOwn(entries, name) ? entries[name] : undefined

interface Link {
  readonly origin: Origin
  readonly agent: Agent
}

/** An agent and what it extends, the last one first: what is nearer wins. */
const chainOf = (manifest: Manifest, presets: Presets, name: string): ReadonlyArray<Link> => {
  const agent = own(manifest.agents, name)
  const preset = own(presets, name)
  if (agent === undefined) return preset === undefined ? [] : [{ origin: { kind: "preset", name }, agent: preset }]
  const chain: Array<Link> = [{ origin: { kind: "agent", name }, agent }]
  const seen = new Set([name])
  for (let at = name; ;) {
    const parent = extended(manifest, presets, at)
    // A circle is refused where a manifest is read; one that was not read so must end all the same.
    if (parent === undefined || (!parent.isPreset && seen.has(parent.name))) return chain
    chain.unshift({ origin: { kind: parent.isPreset ? "preset" : "agent", name: parent.name }, agent: parent.agent })
    if (parent.isPreset) return chain
    seen.add(parent.name)
    at = parent.name
  }
}

/**
 * What is asked of a manifest: names that were given, and what is there without one.
 *
 * - `read`: `null` where there is no manifest
 * - `bottle`, `agent`: the names on the command line, `null` where none is there
 * - `home`: what `~` means
 *
 * @since 0.1.0
 * @category models
 */
export interface Asked {
  readonly read: ManifestRead | null
  readonly bottle: string | null
  readonly agent: string | null
  readonly presets: Presets
  readonly home: string
}

/**
 * What a manifest says of the bottle and the agent that were asked for; `bottle` and `agent` are the names that this is
 * of.
 *
 * @since 0.1.0
 * @category models
 */
export interface Composed {
  readonly settings: Settings
  readonly bottle: string | null
  readonly agent: string | null
}

const unknown = (kind: NameUnknown["kind"], name: string, known: ReadonlyArray<string>, read: ManifestRead | null) =>
  Either.left(
    new NameUnknown({
      kind,
      name: name.replace(/[^\x20-\x7e]/g, "?").slice(0, 64),
      file: read?.file ?? null,
      near: Nearest.nearest(name.toLowerCase(), known) ?? null,
      known
    })
  )

/**
 * What a manifest says of a bottle and an agent. The bottle is the one that is named, else the agent's, else the
 * manifest's own; what the agent says wins over it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const compose = ({ agent, bottle, home, presets, read }: Asked): Either.Either<Composed, NameUnknown> => {
  const manifest = read?.manifest ?? {}
  const chain = agent === null ? [] : chainOf(manifest, presets, agent)
  if (agent !== null && chain.length === 0) {
    const known = [...new Set([...Object.keys(manifest.agents ?? {}), ...Object.keys(presets)])]
    return unknown("agent", agent, known, read)
  }
  const chosen = bottle ?? chain.findLast((link) => link.agent.bottle !== undefined)?.agent.bottle ?? manifest.bottle
  const found = chosen === undefined ? undefined : own(manifest.bottles, chosen)
  if (chosen !== undefined && found === undefined) {
    return unknown("bottle", chosen, Object.keys(manifest.bottles ?? {}), read)
  }
  const bases = { directory: read?.directory ?? "/", home }
  return Either.right({
    settings: combineAll([
      ...(chosen === undefined || found === undefined ? [] : [ofBottle(chosen, found, bases)]),
      ...chain.map((link) => ofAgent(link.origin, link.agent))
    ]),
    bottle: chosen ?? null,
    agent
  })
}

/**
 * The command of an agent that was given a prompt, or none.
 *
 * - `words`: the command, with the prompt where it is one of its words
 * - `input`: the prompt where it is the command's standard input, `null` where it is not
 *
 * @since 0.1.0
 * @category models
 */
export interface Prompted {
  readonly words: ReadonlyArray<string>
  readonly input: string | null
}

/**
 * The command that gives an agent its prompt; `prompt` is `null` where it is to ask for one itself.
 *
 * @since 0.1.0
 * @category constructors
 */
export const prompted = (command: ReadonlyArray<string>, how: Prompt, prompt: string | null): Prompted => {
  if (prompt === null) return { words: command, input: null }
  if (how === "stdin") return { words: command, input: prompt }
  return { words: [...command, ...(how === "argument" ? [] : [how.flag]), prompt], input: null }
}

/**
 * Where a value comes from, in the words of whoever wrote it: `default`, `BOTTLE_RUNTIME`, `bottles.dev`,
 * `agents.claude`, `preset claude`, `--cpus`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const originText = ({ kind, name }: Origin): string => {
  switch (kind) {
    case "default":
      return "default"
    case "environment":
      return name
    case "bottle":
      return `bottles.${name}`
    case "agent":
      return `agents.${name}`
    case "preset":
      return `preset ${name}`
    case "flag":
      return `--${name}`
  }
}
