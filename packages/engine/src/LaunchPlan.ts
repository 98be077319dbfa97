/**
 * A launch, decided: one printable value made by a pure function before anything is created. What `--dry-run` shows is
 * the very value that `Launch.launch` executes.
 *
 * @since 0.1.0
 */
import * as Policy from "@bottle/egress/Policy"
import type { Capabilities } from "@bottle/smolvm/Capabilities"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { BottleId, machineName } from "./BottleId.js"
import { Directories } from "./Directories.js"
import type { EngineSettings } from "./Engine.js"
import { planBundle, planProof } from "./internal/planBundle.js"
import { checkCredentials, checkOptions, checkUpstream } from "./internal/planChecks.js"
import { bundleEnvironment, subnetOf, type Undecided } from "./internal/planOptions.js"
import { planSource } from "./internal/planSource.js"
import { planSteps } from "./internal/planSteps.js"
import { planWorkspace, withWorkspace } from "./internal/planWorkspace.js"
import { OptionRefused, type PlanRefused, RuntimeUnfit } from "./LaunchError.js"
import type { LaunchOptions } from "./LaunchOptions.js"
import { Stage } from "./Stage.js"
import { Subnet } from "./Subnet.js"

// What whoever executes a plan needs beside it.
export {
  containerOptions,
  createOptions,
  credentialOptions,
  imageOptions,
  networkOptions,
  proofOptions,
  socketOf,
  startOptions,
  subnetOf
} from "./internal/planOptions.js"

const READY_TIMEOUT_MILLIS = 60_000

const Variable = Schema.Tuple(Schema.String, Schema.String)

/**
 * The program that runs the machine, and how far it keeps a guest from the host's kernel.
 *
 * @since 0.1.0
 * @category models
 */
export class PlannedRuntime extends Schema.Class<PlannedRuntime>("@bottle/engine/PlannedRuntime")(
  {
    kind: Schema.Literal("smolvm", "local").annotations({
      description: "Whether it is smolvm, or the embedded local runtime"
    }),
    program: Schema.String.annotations({ description: "The program that is run: a name, or a path" }),
    /** As the program's `--version` says. */
    version: Schema.String.annotations({ description: "As the program's --version says" }),
    /** The release line whose grammar is spoken. */
    line: Schema.String.annotations({ description: "The release line whose grammar is spoken" }),
    isolation: Schema.Literal("microvm", "namespaces").annotations({
      description: "How far it keeps a guest from the host's kernel"
    })
  },
  { description: "The program that runs the machine" }
) {}

/**
 * One command of a launch or of its release: the program and every word after it.
 *
 * @since 0.1.0
 * @category models
 */
export class Step extends Schema.Class<Step>("@bottle/engine/Step")(
  {
    stage: Schema.Union(Stage, Schema.Literal("release")).annotations({
      description: "The stage of the launch that the command is of, or release"
    }),
    argv: Schema.Array(Schema.String).annotations({ description: "The program, and every word after it" }),
    /** Variables that the program itself is given for this one command, where there are any. */
    env: Schema.optionalWith(Schema.Array(Variable), { exact: true }).annotations({
      description: "Variables that the program itself is given for this one command"
    })
  },
  { description: "One command of a launch or of its release" }
) {}

/**
 * What the machine boots from. A pack that is `madeFrom` an image is made when it is not there, or when `refresh` asks.
 *
 * @since 0.1.0
 * @category models
 */
export const PlannedSource = Schema.Union(
  Schema.TaggedStruct("Bare", {}),
  Schema.TaggedStruct("Image", {
    reference: Schema.String.annotations({ description: "An image reference, a rootfs directory or an image archive" })
  }),
  Schema.TaggedStruct("Pack", {
    path: Schema.String.annotations({ description: "The .smolmachine file" }),
    madeFrom: Schema.NullOr(
      Schema.Struct({
        reference: Schema.String.annotations({ description: "The image" }),
        partial: Schema.String.annotations({
          description: "The file that it is made in, and moved from when it is whole"
        }),
        refresh: Schema.Boolean.annotations({ description: "Whether it is made anew where it is there" })
      })
    ).annotations({
      description: "What the pack is made from where it is not there; null where it is the caller's own"
    })
  })
)

/**
 * What the machine boots from.
 *
 * @since 0.1.0
 * @category models
 */
export type PlannedSource = typeof PlannedSource.Type

const ContainerBundle = {
  /** `docker`, or a program with its command line. */
  program: Schema.String.annotations({ description: "docker, or a program with its command line" }),
  image: Schema.String.annotations({ description: "The image that the bundle runs from" }),
  /** How the image is built where it is not there; `context` is made for it. */
  build: Schema.NullOr(
    Schema.Struct({
      dockerfile: Schema.String.annotations({ description: "The text of the Dockerfile" }),
      program: Schema.String.annotations({ description: "The bundle's own program, as a file of the host" }),
      base: Schema.String.annotations({ description: "The image that it is built on" }),
      context: Schema.String.annotations({ description: "The directory that is made for the build" })
    })
  ).annotations({ description: "How the image is built where it is not there; null where it has to be" }),
  /** The names of the bottle's own network and container. */
  network: Schema.String.annotations({ description: "The name of the bottle's own network" }),
  container: Schema.String.annotations({ description: "The name of the bottle's own container" }),
  /** What network and container are marked with: the bottle, and where its owner keeps what lives and its ledgers. */
  labels: Schema.Record({ key: Schema.String, value: Schema.String }).annotations({
    description:
      "What network and container are marked with: the bottle, and where its owner keeps what lives and its ledgers"
  }),
  /** The directory of the host that holds the policy and the proof's nonce; the container sees it read-only. */
  config: Schema.String.annotations({
    description:
      "The directory of the host that holds the policy and the proof's nonce; the container sees it read-only"
  }),
  /** Networks to try in turn where the engine says that one overlaps; `chosen` is the index of this plan's. */
  candidates: Schema.NonEmptyArray(Subnet).annotations({
    description: "Networks to try in turn where the engine says that one overlaps"
  }),
  chosen: Schema.Int.annotations({ description: "Which of the candidates is this plan's, from 0" }),
  /** The proxy's port at the container's address. */
  port: Schema.Int.annotations({ description: "The proxy's port at the container's address" })
}

/** The socket of the host that the guest sees, and its mode. */
const Socket = {
  socket: Schema.String.annotations({ description: "The socket of the host that the guest sees" }),
  socketMode: Schema.Int.annotations({ description: "The mode of the socket, as a number" })
}

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
  Schema.TaggedStruct("Container", {
    topology: Schema.Literal("socket").annotations({
      description: "Through one mounted socket, in a guest without any network"
    }),
    ...ContainerBundle,
    ...Socket
  }),
  Schema.TaggedStruct("Container", {
    topology: Schema.Literal("address").annotations({
      description: "Over a network on which the bundle's address is the only one that can be reached"
    }),
    ...ContainerBundle
  })
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
  demand: Schema.Literal("proven", "attempted").annotations({
    description:
      "proven: a guest in which nothing can be shown is refused; attempted: what the guest has the programs for. A leak is refused by both"
  }),
  doubt: Schema.NullOr(Schema.String).annotations({
    description: "Why the runtime is not known to hold the policy by itself; null where it is"
  })
})

/**
 * The directory that the guest works on. A `copy` is made by the launch, and outlives the bottle where anything was changed
 * in it; otherwise the directory itself is mounted.
 *
 * @since 0.1.0
 * @category models
 */
export const PlannedWorkspace = Schema.Struct({
  source: Schema.String.annotations({ description: "The directory on the host, links followed" }),
  mode: Schema.Literal("copy", "ro", "rw").annotations({
    description: "A copy of it, itself for reading only, or itself to be changed in place"
  }),
  copy: Schema.NullOr(Schema.String).annotations({
    description: "Where the copy is made, which is what the guest sees; null where it is none"
  })
})

/**
 * The directory that the guest works on.
 *
 * @since 0.1.0
 * @category models
 */
export type PlannedWorkspace = typeof PlannedWorkspace.Type

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
export class LaunchPlan extends Schema.Class<LaunchPlan>("@bottle/engine/LaunchPlan")(
  {
    version: Schema.Literal(1).annotations({ description: "The version of this format" }),
    id: BottleId,
    machine: Schema.String.annotations({ description: "The machine's name" }),
    runtime: PlannedRuntime,
    source: PlannedSource.annotations({ description: "What the machine boots from" }),
    bundle: PlannedBundle.annotations({ description: "Where the bundle runs, and how the guest reaches it" }),
    egress: Policy.PolicyDocument.annotations({
      description: "The complete policy in effect: what is not in it is refused"
    }),
    policyFile: Schema.optionalWith(
      Schema.String.annotations({ description: "The file that the policy was read from, where it was read from one" }),
      { exact: true }
    ),
    proof: PlannedProof.annotations({ description: "What must be shown before the bottle is handed over" }),
    guest: Schema.Struct({
      env: Schema.Array(Variable).annotations({
        description: "The variables that the guest has, each a name and its value"
      }),
      secrets: Schema.Array(Schema.String).annotations({
        description: "Names of variables whose values are given apart from the plan"
      }),
      workdir: Schema.NullOr(Schema.String).annotations({
        description: "The guest's working directory; null for its own"
      }),
      mounts: Schema.Array(
        Schema.Struct({
          host: Schema.String.annotations({ description: "The directory on the host" }),
          guest: Schema.String.annotations({ description: "Where the guest sees it" }),
          readonly: Schema.Boolean.annotations({ description: "Whether the guest can only read it" })
        })
      ).annotations({ description: "Directories of the host that the guest sees" })
    }).annotations({ description: "What the guest is given" }),
    workspace: Schema.optionalWith(
      Schema.NullOr(PlannedWorkspace).annotations({
        description: "The directory that the guest works on, at /workspace; null where none was named"
      }),
      { default: () => null }
    ),
    limits: Schema.Struct({
      cpus: Schema.NullOr(Schema.Int).annotations({ description: "How many CPUs; null for the runtime's own number" }),
      memMib: Schema.NullOr(Schema.Int).annotations({ description: "Memory in MiB; null for the runtime's own" })
    }).annotations({ description: "What the machine may take" }),
    /** The bottle's own directory on the host, mode 0700, gone with the bottle. */
    directory: Schema.String.annotations({
      description: "The bottle's own directory on the host, gone with the bottle"
    }),
    /** The bottle's ledger, mode 0700: there from before the first resource until everything is gone. */
    ledger: Schema.String.annotations({
      description: "The bottle's ledger: there from before the first resource until everything is gone"
    }),
    /** Where the launch writes on the host. */
    directories: Directories,
    readyTimeoutMillis: Schema.Number.annotations({
      description: "How long the machine may take from started to its first successful command"
    }),
    keepOnFailure: Schema.Boolean.annotations({
      description: "Whether the machine is left in place when the launch or the command fails"
    }),
    steps: Schema.Array(Step).annotations({
      description: "The commands in their order; a pack or image step is left out when the pack or the image is there"
    })
  },
  { description: "Everything that a launch will do. It holds names of secrets, never their values" }
) {}

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
  /** Where the mounts' hosts and the engine's directories lead through links; what is missing leads to itself. */
  readonly realPaths?: ReadonlyMap<string, string> | undefined
}

/** Names that come twice keep their last value, in the place of the first. */
const mergeVariables = (
  ...groups: ReadonlyArray<ReadonlyArray<readonly [string, string]>>
): ReadonlyArray<readonly [string, string]> => [...new Map(groups.flat())]

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

const planPolicy = ({
  allow,
  credentials,
  deny,
  policy,
  resolve
}: LaunchOptions): Either.Either<Policy.Policy, OptionRefused> =>
  Either.mapLeft(
    Policy.fromDocument(policy ?? {}, { allow, deny, resolve, credentials }),
    (error) =>
      new OptionRefused({
        option: error.place === null ? error.part : "policy",
        reason: error.message,
        advice: error.suggestion
      })
  )

/**
 * Decides a launch, or says why it cannot be. Pure: the same input gives the same plan, and nothing is looked up.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (input: PlanInput): Either.Either<LaunchPlan, PlanRefused> =>
  Either.gen(function* () {
    const { capabilities, id, settings } = input
    const options = withWorkspace(input.options)
    yield* checkOptions(options, {
      directories: settings.directories,
      realPaths: input.realPaths ?? new Map(),
      runtime: settings.runtime
    })
    const { mounts, workspace } = yield* planWorkspace(input)
    yield* checkRuntime(input)
    const policy = yield* planPolicy(options)
    const source = yield* planSource(input)
    const directory = `${settings.directories.run}/${id}`
    yield* checkCredentials(policy, options)
    const decided = yield* planBundle({
      input,
      source,
      directory,
      isAllowing: policy.allow.length > 0,
      credentials: [...policy.credentials.keys()]
    })
    const { bundle } = decided
    yield* checkUpstream(policy, bundle)
    const egress = Policy.toDocument(policy)
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
      egress,
      ...(options.policyFile === undefined ? {} : { policyFile: options.policyFile }),
      proof: planProof(input, decided),
      guest: {
        env: mergeVariables(bundleEnvironment(bundle, egress), options.env ?? []),
        secrets: [...new Set(options.secrets ?? [])],
        workdir: options.workdir ?? null,
        mounts: [...(options.mounts ?? []), ...mounts].map(({ guest, host, readonly }) => ({ host, guest, readonly }))
      },
      workspace,
      limits: { cpus: options.cpus ?? null, memMib: options.memMib ?? null },
      directory,
      ledger: `${settings.directories.state}/bottles/${id}`,
      directories: settings.directories,
      readyTimeoutMillis: options.readyTimeoutMillis ?? READY_TIMEOUT_MILLIS,
      keepOnFailure: options.keepOnFailure === true
    }
    const steps = yield* planSteps(plan, capabilities)
    return new LaunchPlan({ ...plan, steps: steps.map((step) => new Step(step)) })
  })

/** Options of both programs whose value is an address of the bottle's network, or a variable that holds one. */
const ADDRESS_OPTIONS = new Set(["--subnet", "--gateway", "--ip", "--allow-cidr", "--allow-host", "-e"])

/** Every value of those options that is another one in another network. */
const readdress = (
  from: PlannedContainer,
  to: PlannedContainer,
  policy: Policy.PolicyDocument
): ReadonlyMap<string, string> => {
  const [old, next] = [subnetOf(from), subnetOf(to)]
  const values = new Map(bundleEnvironment(to, policy))
  return new Map([
    [old.subnet, next.subnet],
    [old.gateway, next.gateway],
    [old.address, next.address],
    [`${old.address}/32`, `${next.address}/32`],
    ...bundleEnvironment(from, policy).map(
      ([name, value]) => [`${name}=${value}`, `${name}=${values.get(name)}`] as const
    )
  ])
}

/**
 * The plan with another of its candidate networks: the same but for that network's addresses, in the guest's
 * environment and in every command. `index` is one of `candidates`; without a container bundle the plan stays as it is.
 *
 * @since 0.1.0
 * @category conversions
 */
export const withSubnet = (plan: LaunchPlan, index: number): LaunchPlan => {
  const from = plan.bundle
  if (from._tag !== "Container") return plan
  if (from.candidates[index] === undefined) throw new RangeError(`the plan has no network ${index}`)
  const bundle = { ...from, chosen: index }
  const words = readdress(from, bundle, plan.egress)
  const variable = ([name, value]: readonly [string, string]): readonly [string, string] => {
    const word = words.get(`${name}=${value}`)
    return [name, word === undefined ? value : word.slice(name.length + 1)]
  }
  const argv = (step: Step) =>
    step.argv.map((word, at) => (ADDRESS_OPTIONS.has(step.argv[at - 1] ?? "") ? (words.get(word) ?? word) : word))
  return new LaunchPlan({
    ...plan,
    bundle,
    guest: { ...plan.guest, env: plan.guest.env.map(variable) },
    steps: plan.steps.map((step) => new Step({ ...step, argv: argv(step) }))
  })
}
