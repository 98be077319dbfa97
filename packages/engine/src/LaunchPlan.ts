/**
 * A launch, decided: one printable value made by a pure function before anything is created. What `--dry-run` shows is
 * the very value that `Launch.launch` executes.
 *
 * @since 0.1.0
 */
import * as Policy from "@bottle/egress/Policy"
import type { Capabilities } from "@bottle/smolvm/Capabilities"
import * as MachineCreate from "@bottle/smolvm/MachineCreate"
import * as MachineDelete from "@bottle/smolvm/MachineDelete"
import * as MachineExec from "@bottle/smolvm/MachineExec"
import * as MachineStart from "@bottle/smolvm/MachineStart"
import * as MachineStatus from "@bottle/smolvm/MachineStatus"
import * as MachineStop from "@bottle/smolvm/MachineStop"
import * as PackCreate from "@bottle/smolvm/PackCreate"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { BottleId, machineName } from "./BottleId.js"
import type { EngineSettings } from "./Engine.js"
import * as GuestRelay from "./GuestRelay.js"
import { OptionRefused, type PlanRefused, RuntimeUnfit } from "./LaunchError.js"
import type { LaunchOptions, MachineSource } from "./LaunchOptions.js"
import * as PackKey from "./PackKey.js"
import { Stage } from "./Stage.js"
import { Subnet } from "./Subnet.js"

const READY_TIMEOUT_MILLIS = 60_000

/** The proxy's socket is its owner's alone. */
const SOCKET_MODE = 0o600

/** As root, a machine acts as another uid, which must reach the socket; its directory lets nobody but root pass. */
const SOCKET_MODE_SUPERUSER = 0o666

const Variable = Schema.Tuple(Schema.String, Schema.String)

/**
 * The program that runs the machine, and how far it keeps a guest from the host's kernel.
 *
 * @since 0.1.0
 * @category models
 */
export class PlannedRuntime extends Schema.Class<PlannedRuntime>("@bottle/engine/PlannedRuntime")({
  kind: Schema.Literal("smolvm", "local"),
  program: Schema.String,
  /** As the program's `--version` says. */
  version: Schema.String,
  /** The release line whose grammar is spoken. */
  line: Schema.String,
  isolation: Schema.Literal("microvm", "namespaces")
}) {}

/**
 * One command of a launch or of its release: the program and every word after it.
 *
 * @since 0.1.0
 * @category models
 */
export class Step extends Schema.Class<Step>("@bottle/engine/Step")({
  stage: Schema.Union(Stage, Schema.Literal("release")),
  argv: Schema.Array(Schema.String),
  /** Variables that the program itself is given for this one command, where there are any. */
  env: Schema.optionalWith(Schema.Array(Variable), { exact: true })
}) {}

/**
 * What the machine boots from. A pack that is `madeFrom` an image is made when it is not there, or when `refresh` asks.
 *
 * @since 0.1.0
 * @category models
 */
export const PlannedSource = Schema.Union(
  Schema.TaggedStruct("Bare", {}),
  Schema.TaggedStruct("Image", { reference: Schema.String }),
  Schema.TaggedStruct("Pack", {
    path: Schema.String,
    madeFrom: Schema.NullOr(
      Schema.Struct({ reference: Schema.String, partial: Schema.String, refresh: Schema.Boolean })
    )
  })
)

const ContainerBundle = {
  /** `docker`, or a program with its command line. */
  program: Schema.String,
  image: Schema.String,
  /** How the image is built where it is not there; `context` is made for it. */
  build: Schema.NullOr(
    Schema.Struct({
      dockerfile: Schema.String,
      program: Schema.String,
      base: Schema.String,
      context: Schema.String
    })
  ),
  /** The names of the bottle's own network and container. */
  network: Schema.String,
  container: Schema.String,
  /** The directory of the host that holds the policy and the proof's nonce; the container sees it read-only. */
  config: Schema.String,
  /** Networks to try in turn where the engine says that one overlaps; `chosen` is the index of this plan's. */
  candidates: Schema.NonEmptyArray(Subnet),
  chosen: Schema.Int,
  /** The proxy's port at the container's address. */
  port: Schema.Int
}

/** The socket of the host that the guest sees, and its mode. */
const Socket = { socket: Schema.String, socketMode: Schema.Int }

/**
 * Where the bundle runs, and how the guest reaches it.
 *
 * - `None`: there is no bundle, and no network
 * - `Process`: beside the launch, listening on the mounted socket itself
 * - `Container`, `topology: "socket"`: in a container, to whose address the mounted socket is carried
 * - `Container`, `topology: "address"`: in a container, whose address is the one that the guest can reach
 *
 * @since 0.1.0
 * @category models
 */
export const PlannedBundle = Schema.Union(
  Schema.TaggedStruct("None", {}),
  Schema.TaggedStruct("Process", Socket),
  Schema.TaggedStruct("Container", { topology: Schema.Literal("socket"), ...ContainerBundle, ...Socket }),
  Schema.TaggedStruct("Container", { topology: Schema.Literal("address"), ...ContainerBundle })
)

/**
 * @since 0.1.0
 * @category models
 */
export type PlannedBundle = typeof PlannedBundle.Type

/**
 * A bundle in a container.
 *
 * @since 0.1.0
 * @category models
 */
export type PlannedContainer = Extract<PlannedBundle, { readonly _tag: "Container" }>

/**
 * What the proof must show before the bottle is handed over. A leak is refused whatever is demanded.
 *
 * - `proven`: that the guest reaches its bundle and nothing else; a guest in which nothing can be shown is refused
 * - `attempted`: what the guest has the programs for
 *
 * `doubt` says why the runtime is not known to hold the policy by itself, so that the proof alone decides; `null` where
 * it is.
 *
 * @since 0.1.0
 * @category models
 */
export const PlannedProof = Schema.Struct({
  demand: Schema.Literal("proven", "attempted"),
  doubt: Schema.NullOr(Schema.String)
})

/**
 * Everything that a launch will do. It holds names of secrets, never their values.
 *
 * - `egress` is the complete effective set: what is not in it is refused
 * - `steps` are the commands in their order; what prepares and runs the bundle goes beside `create`, `ready` is repeated
 *   until it succeeds, and a `pack` or `image` step is left out when the pack or the image is there
 *
 * @since 0.1.0
 * @category models
 */
export class LaunchPlan extends Schema.Class<LaunchPlan>("@bottle/engine/LaunchPlan")({
  version: Schema.Literal(1),
  id: BottleId,
  machine: Schema.String,
  runtime: PlannedRuntime,
  source: PlannedSource,
  bundle: PlannedBundle,
  egress: Policy.PolicyDocument,
  proof: PlannedProof,
  guest: Schema.Struct({
    env: Schema.Array(Variable),
    secrets: Schema.Array(Schema.String),
    workdir: Schema.NullOr(Schema.String),
    mounts: Schema.Array(Schema.Struct({ host: Schema.String, guest: Schema.String, readonly: Schema.Boolean }))
  }),
  limits: Schema.Struct({ cpus: Schema.NullOr(Schema.Int), memMib: Schema.NullOr(Schema.Int) }),
  /** The bottle's own directory on the host, mode 0700, gone with the bottle. */
  directory: Schema.String,
  readyTimeoutMillis: Schema.Number,
  keepOnFailure: Schema.Boolean,
  steps: Schema.Array(Step)
}) {}

/**
 * What a plan is made of.
 *
 * @since 0.1.0
 * @category models
 */
export interface PlanInput {
  readonly id: BottleId
  readonly options: LaunchOptions
  readonly capabilities: Capabilities
  readonly program: string
  readonly settings: EngineSettings
  /** The host's routes, as `Subnet.parseRoutes` reads them; a container bundle's network overlaps none. */
  readonly routes?: ReadonlyArray<string> | undefined
}

const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

const refuse = (option: string, reason: string, advice: string): Either.Either<never, OptionRefused> =>
  Either.left(new OptionRefused({ option, reason, advice }))

/** Names that come twice keep their last value, in the place of the first. */
const mergeVariables = (
  ...groups: ReadonlyArray<ReadonlyArray<readonly [string, string]>>
): ReadonlyArray<readonly [string, string]> => [...new Map(groups.flat())]

const checkVariables = (options: LaunchOptions): Either.Either<void, OptionRefused> => {
  const names = [...(options.env ?? []).map(([name]) => name), ...(options.secrets ?? [])]
  const wrong = names.find((name) => !VARIABLE_NAME.test(name))
  if (wrong !== undefined) {
    const shown = JSON.stringify(wrong.slice(0, 80))
    return refuse("env", `${shown} is not a variable's name`, "Use letters, digits and _, not beginning with a digit.")
  }
  const literal = new Set((options.env ?? []).map(([name]) => name))
  const both = (options.secrets ?? []).find((name) => literal.has(name))
  if (both !== undefined) return refuse("env", `${both} is given as a literal and as a secret`, `Give ${both} once.`)
  const relayed = new Set(GuestRelay.environment.map(([name]) => name))
  const proxy = (options.secrets ?? []).find((name) => relayed.has(name))
  return proxy === undefined
    ? Either.void
    : refuse("env", `${proxy} points at the bottle's own proxy`, `Leave ${proxy} out, or give it as a literal.`)
}

const isGuestPath = (path: string): boolean =>
  path.startsWith("/") && !path.includes("\0") && !path.split("/").some((part) => part === ".." || part === ".")

const checkPaths = (options: LaunchOptions): Either.Either<void, OptionRefused> => {
  for (const mount of options.mounts ?? []) {
    if (!mount.host.startsWith("/")) return refuse("mounts", `${mount.host} is not absolute`, "Give an absolute path.")
    if (!isGuestPath(mount.guest) || mount.guest === "/") {
      return refuse("mounts", `${mount.guest} is no place in the guest`, "Give an absolute path without . and ..")
    }
  }
  const guests = (options.mounts ?? []).map((mount) => mount.guest.replace(/\/+$/, ""))
  const twice = guests.find((guest, index) => guests.indexOf(guest) !== index)
  if (twice !== undefined) return refuse("mounts", `two mounts at ${twice}`, "Give each mount a place of its own.")
  if (options.workdir !== undefined && !isGuestPath(options.workdir)) {
    return refuse("workdir", `${options.workdir} is no place in the guest`, "Give an absolute path without . and ..")
  }
  return Either.void
}

const checkLimits = (options: LaunchOptions): Either.Either<void, OptionRefused> => {
  const { cpus, memMib } = options
  if (cpus !== undefined && !(Number.isInteger(cpus) && cpus >= 1 && cpus <= 255)) {
    return refuse("cpus", `${cpus} is not a number of CPUs`, "Give a whole number from 1 to 255.")
  }
  if (memMib !== undefined && !(Number.isInteger(memMib) && memMib >= 64 && memMib <= 0xffff_ffff)) {
    return refuse("memMib", `${memMib} is not an amount of memory in MiB`, "Give a whole number of at least 64.")
  }
  return Either.void
}

/** A path names a rootfs or an archive, anything else is for a registry. */
const isLocalImage = (reference: string): boolean => /^\.{0,2}\//.test(reference)

const planSource = (input: PlanInput): Either.Either<typeof PlannedSource.Type, PlanRefused> => {
  const { capabilities, options, settings } = input
  const source: MachineSource = options.source
  if (source._tag === "Bare") return Either.right({ _tag: "Bare" })
  if (source._tag === "Pack") return Either.right({ _tag: "Pack", path: source.path, madeFrom: null })
  const { reference } = source
  if (isLocalImage(reference) && capabilities.localImages) return Either.right({ _tag: "Image", reference })
  if (settings.runtime === "local") {
    return Either.left(
      new RuntimeUnfit({
        version: capabilities.version,
        demand: `the image ${reference}`,
        reason: "the local runtime has no registry to pull from",
        advice: "Give a directory or tar archive (--image ./rootfs), leave --image out, or install smolvm."
      })
    )
  }
  // An image is pulled inside the guest at its first start, where there is no network: so it is made into a pack first.
  const path = PackKey.path(settings.directories.cache, {
    version: capabilities.version,
    arch: settings.arch,
    reference
  })
  const partial = `${settings.directories.cache}/packs/.partial-${input.id}`
  return Either.right({ _tag: "Pack", path, madeFrom: { reference, partial, refresh: options.refreshPack === true } })
}

/**
 * Whether the proxy's socket arrives where the guest's commands run. smolvm 1.6.4 to 1.7.7 mounts it in bare VMs only,
 * older ones not at all.
 */
const socketArrives = (capabilities: Capabilities, source: typeof PlannedSource.Type): boolean =>
  capabilities.socketReachesWorkload === "all" ||
  (capabilities.socketReachesWorkload === "bare" && source._tag === "Bare")

const planBundle = (
  input: PlanInput,
  source: typeof PlannedSource.Type,
  directory: string
): Either.Either<PlannedBundle, PlanRefused> => {
  const { capabilities, options, settings } = input
  const isAllowing = (options.allow ?? []).length > 0
  if (options.bundle === "none") {
    return isAllowing
      ? refuse("bundle", "none leaves nothing to allow", "Leave out --allow, or use --bundle process.")
      : Either.right({ _tag: "None" })
  }
  if (!socketArrives(capabilities, source)) {
    if (!isAllowing && options.bundle === undefined) return Either.right({ _tag: "None" })
    return Either.left(
      new RuntimeUnfit({
        version: capabilities.version,
        demand: isAllowing ? "an allowlist (--allow)" : "the proxy (--bundle process)",
        reason:
          capabilities.socketReachesWorkload === "bare"
            ? "it mounts a host socket (--mount-socket) in bare machines only"
            : "it cannot mount a host socket (--mount-socket) in the guest, and holds no egress policy otherwise",
        advice: "Use smolvm 1.8.0 or newer (bare machines: 1.6.4), --runtime local, or leave out --allow."
      })
    )
  }
  const socketMode = settings.superuser ? SOCKET_MODE_SUPERUSER : SOCKET_MODE
  return Either.right({ _tag: "Process", socket: `${directory}/egress.sock`, socketMode })
}

const checkRuntime = (input: PlanInput): Either.Either<void, RuntimeUnfit> => {
  const { capabilities, options, settings } = input
  const { version } = capabilities
  if (options.isolation === "microvm" && settings.runtime === "local") {
    const reason = "the local runtime isolates by namespaces and shares the host's kernel"
    const advice = "Install smolvm, or do not demand a microVM."
    return Either.left(new RuntimeUnfit({ version, demand: "isolation by a microVM", reason, advice }))
  }
  if ((options.secrets ?? []).length > 0 && !capabilities.secretEnv) {
    const reason = "it has no --secret-env, and a secret never travels by argv"
    const advice = "Use smolvm 1.0.0 or newer, or --runtime local."
    return Either.left(new RuntimeUnfit({ version, demand: "a secret variable", reason, advice }))
  }
  return Either.void
}

/** A plan before its commands are known. */
type Undecided = Omit<LaunchPlan, "steps">

/**
 * The socket of the host that the guest sees, or `null` where there is none: without a bundle, and where the guest
 * reaches it by its address.
 *
 * @since 0.1.0
 * @category models
 */
export const socketOf = ({
  bundle
}: Pick<LaunchPlan, "bundle">): { readonly socket: string; readonly socketMode: number } | null =>
  bundle._tag === "None" || (bundle._tag === "Container" && bundle.topology === "address") ? null : bundle

/**
 * The network of a container bundle: the candidate that this plan has chosen.
 *
 * @since 0.1.0
 * @category models
 */
export const subnetOf = ({ candidates, chosen }: PlannedContainer): Subnet => candidates[chosen] ?? candidates[0]

const socketsOf = (plan: Undecided): MachineCreate.MachineCreateOptions["mountSockets"] => {
  const socket = socketOf(plan)
  return socket === null ? [] : [{ host: socket.socket, guest: GuestRelay.GUEST_SOCKET }]
}

/**
 * The options of `machine create` that a plan stands for. The working directory is not among them: some lines ignore it
 * there, so it goes with every command.
 *
 * @since 0.1.0
 * @category argv
 */
export const createOptions = (plan: Undecided, capabilities: Capabilities): MachineCreate.MachineCreateOptions => ({
  name: plan.machine,
  ...(plan.source._tag === "Image" ? { image: plan.source.reference } : {}),
  ...(plan.source._tag === "Pack" ? { from: plan.source.path } : {}),
  ...(plan.limits.cpus === null ? {} : { cpus: plan.limits.cpus }),
  ...(plan.limits.memMib === null ? {} : { memMib: plan.limits.memMib }),
  volumes: plan.guest.mounts,
  mountSockets: socketsOf(plan),
  env: plan.guest.env,
  labels: capabilities.label ? [["bottle.id", plan.id]] : []
})

const planSteps = (
  plan: Undecided,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<Step>, { readonly message: string; readonly suggestion: string }> =>
  Either.gen(function* () {
    const name = plan.machine
    const words = (stage: Step["stage"], argv: ReadonlyArray<string>) =>
      new Step({ stage, argv: [plan.runtime.program, ...argv] })
    const steps: Array<Step> = []
    if (plan.source._tag === "Pack" && plan.source.madeFrom !== null) {
      const { partial, reference } = plan.source.madeFrom
      steps.push(words("pack", yield* PackCreate.argv({ image: reference, output: partial }, capabilities)))
    }
    steps.push(words("create", yield* MachineCreate.argv(createOptions(plan, capabilities), capabilities)))
    // A pack that was made with networking boots networked whatever is asked: the machine's record tells.
    if (plan.source._tag === "Pack") {
      steps.push(words("create", yield* MachineStatus.argv({ name }, capabilities)))
    }
    steps.push(words("start", yield* MachineStart.argv({ name }, capabilities)))
    steps.push(words("ready", yield* MachineExec.argv({ name, command: ["true"] }, capabilities)))
    if (socketOf(plan) !== null) {
      steps.push(words("relay", yield* MachineExec.argv({ name, command: GuestRelay.command }, capabilities)))
    }
    if (!capabilities.deleteStopsFirst) {
      steps.push(words("release", yield* MachineStop.argv({ name }, capabilities)))
    }
    steps.push(words("release", yield* MachineDelete.argv({ name }, capabilities)))
    return steps
  })

/**
 * Decides a launch, or says why it cannot be. Pure: the same input gives the same plan, and nothing is looked up.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (input: PlanInput): Either.Either<LaunchPlan, PlanRefused> =>
  Either.gen(function* () {
    const { capabilities, id, options, settings } = input
    yield* checkVariables(options)
    yield* checkPaths(options)
    yield* checkLimits(options)
    yield* checkRuntime(input)
    const policy = yield* Either.mapLeft(
      Policy.make({ allow: options.allow ?? [], resolve: options.resolve ?? [] }),
      (error) => new OptionRefused({ option: "allow", reason: error.message, advice: error.suggestion })
    )
    const source = yield* planSource(input)
    const directory = `${settings.directories.run}/${id}`
    const bundle = yield* planBundle(input, source, directory)
    const plan: Undecided = {
      version: 1,
      id,
      machine: machineName(id),
      runtime: new PlannedRuntime({
        kind: settings.runtime,
        program: input.program,
        version: capabilities.version,
        line: capabilities.line,
        isolation: settings.runtime === "local" ? "namespaces" : "microvm"
      }),
      source,
      bundle,
      egress: Policy.toDocument(policy),
      proof: {
        demand: bundle._tag === "None" || options.unprovenEgress === true ? "attempted" : "proven",
        doubt: null
      },
      guest: {
        env: mergeVariables(bundle._tag === "Process" ? GuestRelay.environment : [], options.env ?? []),
        secrets: [...new Set(options.secrets ?? [])],
        workdir: options.workdir ?? null,
        mounts: (options.mounts ?? []).map(({ guest, host, readonly }) => ({ host, guest, readonly }))
      },
      limits: { cpus: options.cpus ?? null, memMib: options.memMib ?? null },
      directory,
      readyTimeoutMillis: options.readyTimeoutMillis ?? READY_TIMEOUT_MILLIS,
      keepOnFailure: options.keepOnFailure === true
    }
    const steps = yield* Either.mapLeft(
      planSteps(plan, capabilities),
      ({ message, suggestion }) =>
        new RuntimeUnfit({
          version: capabilities.version,
          demand: "this plan",
          reason: message,
          advice: suggestion
        })
    )
    return new LaunchPlan({ ...plan, steps })
  })

/**
 * The plan with another of its candidate networks: the same but for that network's addresses, in the guest's
 * environment and in every command. `index` is one of `candidates`; without a container bundle the plan stays as it is.
 *
 * @since 0.1.0
 * @category conversions
 */
export const withSubnet = (plan: LaunchPlan, index: number): LaunchPlan => {
  const { bundle } = plan
  if (bundle._tag !== "Container") return plan
  return new LaunchPlan({ ...plan, bundle: { ...bundle, chosen: index } })
}
