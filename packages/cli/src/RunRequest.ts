/**
 * What a `run` or `plan` line asks for, decided from its flags by a pure function.
 *
 * @since 0.1.0
 */
import * as Policy from "@bottle/egress/Policy"
import type { PolicyError } from "@bottle/egress/PolicyError"
import * as Rule from "@bottle/egress/Rule"
import { presets } from "@bottle/engine/AgentPresets"
import type { LaunchOptions, MachineSource, Mount } from "@bottle/engine/LaunchOptions"
import * as Settings from "@bottle/engine/Settings"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Path from "node:path"
import {
  type Format,
  formatOf,
  parseCpus,
  type Environment,
  parseEnvironment,
  parseMem,
  parseTimeout,
  parseTty,
  parseWorkdir,
  parseWorkspace,
  shown,
  type Surroundings,
  type TtyChoice,
  usage,
  type WorkspaceAsked
} from "./FlagValues.js"
import * as Printable from "./Printable.js"
import type { UsageError } from "./UsageError.js"

export type { Format, Surroundings } from "./FlagValues.js"

/**
 * The flags of a line as the parser hands them over, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface LaunchFlags {
  readonly image: Option.Option<string>
  readonly from: Option.Option<string>
  readonly allow: ReadonlyArray<string>
  readonly deny: ReadonlyArray<string>
  readonly policy: Option.Option<string>
  readonly resolve: ReadonlyArray<string>
  readonly env: ReadonlyArray<string>
  readonly volume: ReadonlyArray<string>
  readonly workdir: Option.Option<string>
  readonly timeout: Option.Option<string>
  readonly interactive: boolean
  readonly tty: boolean
  readonly noTty: boolean
  readonly cpus: Option.Option<string>
  readonly mem: Option.Option<string>
  readonly name: Option.Option<string>
  readonly keepOnFailure: boolean
  readonly runtime: Option.Option<string>
  readonly bundle: Option.Option<string>
  readonly topology: Option.Option<string>
  readonly unprovenEgress: boolean
  readonly bundleImage: Option.Option<string>
  readonly bundleBase: Option.Option<string>
  readonly manifest: Option.Option<string>
  readonly bottle: Option.Option<string>
  readonly agent: Option.Option<string>
  readonly workspace: Option.Option<string>
  readonly trace: Option.Option<string>
  readonly format: Option.Option<string>
  readonly report: Option.Option<string>
  readonly quiet: boolean
}

/**
 * What a container bundle is made with, as far as the line or the environment says.
 *
 * - `program`: `docker`, or a program with its command line
 * - `image`, `base`: `null` where the choice is ours
 *
 * @since 0.1.0
 * @category models
 */
export interface ContainerChoice {
  readonly program: string
  readonly image: string | null
  readonly base: string | null
}

/**
 * What a launch begins with: the bottle and the agent that the line or the manifest names, and where every value comes
 * from.
 *
 * - `file`: the manifest that was read; `null` where there is none
 *
 * @since 0.1.0
 * @category models
 */
export interface Beginning extends Settings.Composed {
  readonly file: string | null
}

/**
 * A line, understood.
 *
 * - `beginning`: what a manifest, an agent, the environment and the flags say, each with its origin
 * - `input`: the prompt that is the command's standard input; `null` where that is our own
 * - `isConversation`: an agent was given no prompt, and asks for one on a terminal
 * - `workspace`: the directory that the command works on, and how it is given to it
 * - `policyFile`: the policy document, which is read when the launch is decided and at each SIGUSR2
 * - `tty`: `auto` decides by whether standard input and output are a terminal
 * - `secrets`: the values behind `-e K`, apart from everything that can be printed
 * - `runtime`: as it was written; `null` when the choice is ours
 *
 * @since 0.1.0
 * @category models
 */
export interface RunRequest {
  readonly options: LaunchOptions
  readonly beginning: Beginning
  readonly input: string | null
  readonly isConversation: boolean
  readonly workspace: WorkspaceAsked | null
  readonly policyFile: string | null
  readonly container: ContainerChoice
  readonly command: ReadonlyArray<string>
  readonly secrets: ReadonlyMap<string, Redacted.Redacted<string>>
  readonly timeoutMillis: number | undefined
  readonly interactive: boolean
  readonly tty: TtyChoice
  readonly runtime: string | null
  readonly format: Format
  readonly report: string | null
  readonly trace: string | null
  readonly quiet: boolean
}

const checkPolicy = (flags: LaunchFlags): Either.Either<void, UsageError> => {
  const check = (flag: string, parse: (entry: string) => Either.Either<unknown, PolicyError>) => (entry: string) =>
    Either.mapLeft(parse(entry), (error) => usage(`${flag} ${shown(entry)}: ${error.detail}`, error.suggestion))
  return Either.all([
    ...flags.allow.map(check("--allow", (entry) => Rule.parseAllow(entry))),
    ...flags.deny.map(check("--deny", (entry) => Rule.parseDeny(entry))),
    ...flags.resolve.map(check("--resolve", (entry) => Policy.parseResolve(entry)))
  ]).pipe(Either.map(() => undefined))
}

const parseSource = (flags: LaunchFlags, cwd: string): Either.Either<MachineSource, UsageError> => {
  if (Option.isSome(flags.image) && Option.isSome(flags.from)) {
    return Either.left(
      usage("--image and --from exclude each other", "--image to boot from an image, --from from a pack")
    )
  }
  if (Option.isSome(flags.from)) return Either.right({ _tag: "Pack", path: Path.resolve(cwd, flags.from.value) })
  if (Option.isNone(flags.image)) return Either.right({ _tag: "Bare" })
  const reference = flags.image.value
  // A path must mean the same file wherever it is read; anything else is a registry's name and stays as it is.
  const isPath =
    reference.startsWith("/") ||
    reference.startsWith("./") ||
    reference.startsWith("../") ||
    reference === "." ||
    reference === ".."
  return Either.right({ _tag: "Image", reference: isPath ? Path.resolve(cwd, reference) : reference })
}

const parseMount = (text: string, cwd: string): Either.Either<Mount, UsageError> => {
  const parts = text.split(":")
  const mode = parts.length > 2 ? parts.at(-1) : undefined
  const [host, guest] = parts
  if (parts.length < 2 || parts.length > 3 || host === undefined || host === "" || guest === undefined) {
    return Either.left(usage(`-v ${shown(text)} is not HOST:GUEST`, "-v ./work:/work, or -v ./work:/work:ro"))
  }
  if (mode !== undefined && mode !== "ro") {
    return Either.left(
      usage(`-v ${shown(text)} ends in something other than ro`, `-v ${Printable.line(`${host}:${guest}`, 80)}:ro`)
    )
  }
  if (!guest.startsWith("/")) {
    return Either.left(
      usage(`-v ${shown(text)}: the guest's path is not absolute`, `-v ${Printable.line(`${host}:/${guest}`, 80)}`)
    )
  }
  return Either.right({ host: Path.resolve(cwd, host), guest, readonly: mode === "ro" })
}

const parseBundle = (flags: LaunchFlags): Either.Either<LaunchOptions["bundle"], UsageError> => {
  const bundle = Option.getOrUndefined(flags.bundle)
  if (bundle === "none" && flags.allow.length > 0) {
    return Either.left(usage("--allow needs a proxy, and --bundle none has none", "leave out --bundle, or --allow"))
  }
  const image = Option.isSome(flags.bundleImage)
    ? "--bundle-image"
    : Option.isSome(flags.bundleBase)
      ? "--bundle-base"
      : undefined
  if (image !== undefined && (bundle === "process" || bundle === "none")) {
    return Either.left(
      usage(`${image} needs a container, and --bundle ${bundle} has none`, `leave out ${image}, or --bundle container`)
    )
  }
  return Either.right(bundle === "process" || bundle === "container" || bundle === "none" ? bundle : undefined)
}

const parseTopology = (flags: LaunchFlags): LaunchOptions["topology"] => {
  const topology = Option.getOrUndefined(flags.topology)
  return topology === "socket" || topology === "address" ? topology : undefined
}

const parseReference = (flag: string, value: string | undefined): Either.Either<string | null, UsageError> => {
  if (value === undefined || value === "") return Either.right(null)
  return /^[A-Za-z0-9][A-Za-z0-9._/:@-]*$/.test(value)
    ? Either.right(value)
    : Either.left(usage(`${flag} ${shown(value)} is no image's name`, `${flag} NAME:TAG`))
}

/**
 * The program that runs containers: what `BOTTLE_DOCKER` names, else docker.
 *
 * @since 0.1.0
 * @category constructors
 */
export const dockerProgram = (environment: Readonly<Record<string, string>>): string =>
  environment["BOTTLE_DOCKER"] || "docker"

const parseContainer = (
  flags: LaunchFlags,
  environment: Readonly<Record<string, string>>
): Either.Either<ContainerChoice, UsageError> =>
  Either.all({
    program: Either.right(dockerProgram(environment)),
    image: Option.match(flags.bundleImage, {
      onNone: () => parseReference("BOTTLE_BUNDLE_IMAGE", environment["BOTTLE_BUNDLE_IMAGE"]),
      onSome: (value) => parseReference("--bundle-image", value)
    }),
    base: Option.match(flags.bundleBase, {
      onNone: () => parseReference("BOTTLE_BUNDLE_BASE", environment["BOTTLE_BUNDLE_BASE"]),
      onSome: (value) => parseReference("--bundle-base", value)
    })
  })

/** What the flags of a line say, in the words that manifests are put in too. */
interface Flagged {
  readonly settings: Settings.Settings
  readonly environment: Environment
  readonly mounts: ReadonlyArray<Mount>
}

const flag = (name: string, said: Settings.Said): Settings.Settings => Settings.of({ kind: "flag", name }, said)

const fromEnvironment = (variable: string, key: "runtime" | "bundleImage" | "bundleBase", value: string | undefined) =>
  value === undefined || value === ""
    ? Settings.empty
    : Settings.of({ kind: "environment", name: variable }, { [key]: value })

/**
 * What the environment of a launch says.
 *
 * @since 0.1.0
 * @category constructors
 */
export const environmentSettings = (environment: Readonly<Record<string, string>>): Settings.Settings =>
  Settings.combineAll([
    fromEnvironment("BOTTLE_RUNTIME", "runtime", environment["BOTTLE_RUNTIME"]),
    fromEnvironment("BOTTLE_BUNDLE_IMAGE", "bundleImage", environment["BOTTLE_BUNDLE_IMAGE"]),
    fromEnvironment("BOTTLE_BUNDLE_BASE", "bundleBase", environment["BOTTLE_BUNDLE_BASE"])
  ])

const parseFlags = (flags: LaunchFlags, { cwd, environment: host }: Surroundings): Either.Either<Flagged, UsageError> =>
  Either.gen(function* () {
    yield* checkPolicy(flags)
    const source = yield* parseSource(flags, cwd)
    const mounts = yield* Either.all(flags.volume.map((volume) => parseMount(volume, cwd)))
    const environment = yield* parseEnvironment(flags.env, host)
    const { env, secrets } = environment
    const passed = [...secrets.keys()].map((name) => [name, { from: name }] as const)
    const settings = Settings.combineAll([
      flag(Option.isSome(flags.from) ? "from" : "image", { source: source._tag === "Bare" ? undefined : source }),
      flag("allow", { allow: flags.allow.map((host) => [host, host]) }),
      flag("env", { env: [...env, ...passed] }),
      flag("volume", { mounts: mounts.map((mount) => [Settings.mountKey(mount), mount]) }),
      flag("workdir", { workdir: yield* parseWorkdir(flags.workdir) }),
      flag("timeout", { timeoutMillis: yield* parseTimeout(flags.timeout) }),
      flag("cpus", { cpus: yield* parseCpus(flags.cpus) }),
      flag("mem", { memMib: yield* parseMem(flags.mem) }),
      flag("bundle", { bundle: yield* parseBundle(flags) }),
      flag("topology", { topology: parseTopology(flags) }),
      flag("runtime", { runtime: Option.getOrUndefined(flags.runtime) }),
      flag("policy", {
        policy: Option.getOrUndefined(
          Option.map(flags.policy, (file) => ({ _tag: "File" as const, path: Path.resolve(cwd, file) }))
        )
      })
    ])
    return { settings, environment, mounts }
  })

/** The variables of everything that was said; what is taken from the host is a secret, and must be there. */
const variablesOf = (
  { keyed }: Settings.Settings,
  host: Readonly<Record<string, string>>
): Either.Either<Environment, UsageError> => {
  const env: Array<readonly [string, string]> = []
  const secrets = new Map<string, Redacted.Redacted<string>>()
  for (const [name, { origin, value }] of keyed.env) {
    if (typeof value === "string") {
      env.push([name, value])
      continue
    }
    const held = host[value.from]
    if (held === undefined) {
      return Either.left(
        usage(
          `${Settings.originText(origin)}.env.${name}: your environment has no ${value.from}`,
          `export ${value.from} first`
        )
      )
    }
    secrets.set(name, Redacted.make(held))
  }
  return Either.right({ env, secrets })
}

/** What lists hold of a manifest, unless the line says another thing of the same key. */
const besideFlags = <A>(entries: ReadonlyMap<string, Settings.Setting<A>>): ReadonlyArray<A> =>
  [...entries.values()].filter(({ origin }) => origin.kind !== "flag").map(({ value }) => value)

/**
 * What a manifest, an agent and the environment say, without a line's own flags.
 *
 * @since 0.1.0
 * @category constructors
 */
export const begin = (
  flags: Pick<LaunchFlags, "bottle" | "agent">,
  read: Settings.ManifestRead | null,
  environment: Readonly<Record<string, string>>
): Either.Either<Beginning, UsageError> =>
  Settings.compose({
    read,
    bottle: Option.getOrNull(flags.bottle),
    agent: Option.getOrNull(flags.agent),
    presets,
    home: environment["HOME"] ?? "/"
  }).pipe(
    Either.mapLeft((error) => usage(error.message, error.suggestion)),
    Either.map(({ agent, bottle, settings }) => ({
      agent,
      bottle,
      settings: Settings.combine(environmentSettings(environment), settings),
      file: read?.file ?? null
    }))
  )

interface Command extends Settings.Prompted {
  readonly isConversation: boolean
}

/** The command of a line: what follows `--`, which is the prompt where there is an agent. */
const commandOf = ({ agent, settings }: Beginning, tail: ReadonlyArray<string> | null): Command => {
  if (agent === null) return { words: tail ?? [], input: null, isConversation: false }
  const { command, prompt } = settings.single
  const words = tail === null || tail.length === 0 ? null : tail.join(" ")
  const prompted = Settings.prompted(command?.value ?? [], prompt?.value ?? "argument", words)
  return { ...prompted, isConversation: words === null }
}

const nameOf = (
  flags: LaunchFlags,
  { agent }: Beginning,
  tail: ReadonlyArray<string> | null
): LaunchOptions["name"] => {
  if (Option.isSome(flags.name)) return flags.name.value
  if (agent !== null) return agent
  // Its words may be private; what program it is shows in any list of processes.
  return tail?.[0] === undefined ? undefined : Path.basename(tail[0])
}

const optionsOf = (
  flags: LaunchFlags,
  settings: Settings.Settings,
  { environment, mounts }: Flagged
): Omit<LaunchOptions, "name"> => {
  const { keyed, single } = settings
  const credentials = Object.fromEntries([...keyed.credentials].map(([name, { value }]) => [name, value]))
  const policy = single.policy?.value
  return {
    source: single.source?.value ?? { _tag: "Bare" },
    allow: [...besideFlags(keyed.allow), ...flags.allow],
    deny: flags.deny,
    resolve: flags.resolve,
    env: environment.env,
    secrets: [...environment.secrets.keys()],
    // Two of the line at one place are refused where the launch is planned.
    mounts: [...besideFlags(keyed.mounts), ...mounts],
    workdir: single.workdir?.value,
    cpus: single.cpus?.value,
    memMib: single.memMib?.value,
    bundle: single.bundle?.value,
    topology: single.topology?.value,
    unprovenEgress: flags.unprovenEgress,
    keepOnFailure: flags.keepOnFailure,
    ...(single.isolation === undefined ? {} : { isolation: single.isolation.value }),
    ...(policy?._tag === "Document" ? { policy: policy.document } : {}),
    ...(keyed.credentials.size === 0 ? {} : { credentials })
  }
}

/**
 * The request of a `run`, `up` or `plan` line, and of the manifest that was read for it. Paths of the line become absolute
 * against the directory it was typed in.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  flags: LaunchFlags,
  tail: ReadonlyArray<string> | null,
  surroundings: Surroundings,
  read: Settings.ManifestRead | null = null
): Either.Either<RunRequest, UsageError> =>
  Either.gen(function* () {
    const { cwd } = surroundings
    const begun = yield* begin(flags, read, surroundings.environment)
    const flagged = yield* parseFlags(flags, surroundings)
    const settings = Settings.combine(begun.settings, flagged.settings)
    const environment = yield* variablesOf(settings, surroundings.environment)
    const tty = yield* parseTty(flags)
    const container = yield* parseContainer(flags, surroundings.environment)
    const workspace = yield* parseWorkspace(flags.workspace, { cwd, mode: settings.single.workspace?.value ?? "copy" })
    const { input, isConversation, words } = commandOf({ ...begun, settings }, tail)
    const { policy, runtime, timeoutMillis } = settings.single
    return {
      options: {
        name: nameOf(flags, begun, tail),
        ...optionsOf(flags, settings, { ...flagged, environment })
      },
      beginning: { ...begun, settings },
      input,
      isConversation,
      workspace,
      policyFile: policy?.value._tag === "File" ? policy.value.path : null,
      container,
      command: words,
      secrets: environment.secrets,
      timeoutMillis: timeoutMillis?.value,
      interactive: flags.interactive,
      tty: input === null ? tty : "never",
      // What the environment says is looked for where the runtime is chosen.
      runtime: runtime === undefined || runtime.origin.kind === "environment" ? null : runtime.value,
      format: formatOf(flags.format),
      report: Option.getOrNull(Option.map(flags.report, (file) => Path.resolve(cwd, file))),
      trace: Option.getOrNull(Option.map(flags.trace, (file) => Path.resolve(cwd, file))),
      quiet: flags.quiet
    }
  })
