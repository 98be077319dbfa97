/**
 * The launch: a plan becomes a bottle, in one scope. What it acquires it releases in reverse, whatever happens in
 * between: the bottle's directory, the bundle with its network, the machine.
 *
 * @since 0.1.0
 */
import * as Policy from "@bottle/egress/Policy"
import * as Span from "@bottle/process/Span"
import { Smolvm } from "@bottle/smolvm/Smolvm"
import type { SmolvmError } from "@bottle/smolvm/SmolvmError"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import type { Bottle } from "./Bottle.js"
import * as BottleId from "./BottleId.js"
import { Bundle, none, type RunningBundle } from "./Bundle.js"
import type { BundleError } from "./BundleError.js"
import * as Credentials from "./Credentials.js"
import { DeadMansHandle } from "./DeadMansHandle.js"
import type { MachineLost } from "./CommitError.js"
import type { Directories } from "./Directories.js"
import { Prover } from "./EgressProof.js"
import { Engine } from "./Engine.js"
import * as Commands from "./internal/commands.js"
import * as Commit from "./internal/commit.js"
import * as Fence from "./internal/fence.js"
import { fileFailed, realPath, removeDirectory } from "./internal/files.js"
import * as Gate from "./internal/gate.js"
import * as Machine from "./internal/machine.js"
import * as Ran from "./Ran.js"
import * as OwnDirectory from "./internal/ownDirectory.js"
import { markOf } from "./internal/mark.js"
import * as Relay from "./internal/relay.js"
import { stage } from "./internal/stage.js"
import {
  type BundleDied,
  BundleFailed,
  HostFileFailed,
  type LaunchError,
  OptionRefused,
  type PlanRefused,
  SecretMissing,
  StageFailed
} from "./LaunchError.js"
import { type LaunchEvent, LaunchObserver } from "./LaunchObserver.js"
import type { LaunchOptions } from "./LaunchOptions.js"
import * as LaunchPlan from "./LaunchPlan.js"
import * as Ledger from "./Ledger.js"
import * as Prepare from "./Prepare.js"
import type { EgressNotEnforced, EgressUnproven } from "./ProofError.js"
import type { ProofRecord } from "./ProofRecord.js"
import * as Subnet from "./Subnet.js"
import { Sweeper } from "./Sweep.js"

const DIRECTORY_MODE = 0o700

/** Linux's own list of the routes of this network namespace. */
const ROUTES = "/proc/net/route"

/** Nobody guesses it, and it fits in every line of everything that speaks HTTP. */
const NONCE_BYTES = 16

/**
 * What a launch is given apart from its plan: the values of the secrets that the plan names, those of the credentials of
 * its policy (`Credentials.forPlan` reads them), and what its ledger says of its owner.
 *
 * @since 0.1.0
 * @category models
 */
export interface Given {
  readonly secrets?: ReadonlyMap<string, Redacted.Redacted> | undefined
  readonly credentials?: ReadonlyMap<string, Redacted.Redacted> | undefined
  readonly ledger?: Ledger.About | undefined
}

/**
 * Decides a launch for the runtime at hand. It creates nothing; only the runtime's `--version` and `--help` are read, and
 * the host's routes where the bundle may be a container.
 *
 * @since 0.1.0
 * @category constructors
 */
export const plan = (
  options: LaunchOptions
): Effect.Effect<LaunchPlan.LaunchPlan, PlanRefused | SmolvmError, Engine | Smolvm | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const settings = yield* Engine
    const smolvm = yield* Smolvm
    const capabilities = yield* smolvm.capabilities
    const id = yield* BottleId.make(options.name ?? "box")
    const mayBeContainer = settings.container != null && (options.bundle ?? "container") === "container"
    const routes = mayBeContainer ? yield* hostRoutes : []
    const realPaths = yield* realPathsOf(options, settings.directories)
    const plan = yield* LaunchPlan.make({
      id,
      options,
      capabilities,
      program: smolvm.program,
      settings,
      routes,
      realPaths
    })
    if (settings.runtime === "local" && settings.superuser) yield* checkOwners(options)
    return plan
  }).pipe(Span.around("bottle.plan"))

/** The runtime would refuse it too, amid all else that it was told to create. */
const checkOwners = ({
  mounts = [],
  workspace
}: LaunchOptions): Effect.Effect<void, OptionRefused, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const shown = workspace?.mode === "rw" ? [{ option: "workspace", host: workspace.source }] : []
    const writable = mounts.flatMap(({ host, readonly }) => (readonly ? [] : [{ option: "mounts", host }]))
    for (const { host, option } of [...writable, ...shown]) {
      const info = yield* Effect.option(fs.stat(host))
      if (Option.isNone(info) || !Option.contains(info.value.uid, 0)) continue
      return yield* new OptionRefused({
        option,
        reason: `${host} belongs to root, and no machine of the local runtime acts as root`,
        advice: "Give a copy (--workspace DIR), show it read-only (:ro), or chown it to another user."
      })
    }
  })

const realPathsOf = (
  { mounts = [], workspace }: LaunchOptions,
  { cache, run, state }: Directories
): Effect.Effect<ReadonlyMap<string, string>, never, FileSystem.FileSystem> => {
  const hosts = [...mounts.map(({ host }) => host), ...(workspace === undefined ? [] : [workspace.source])]
  const paths = hosts.length === 0 ? [] : [...hosts, cache, run, state]
  return Effect.map(
    Effect.forEach(paths, (path) => Effect.map(realPath(path), (real) => [path, real] as const)),
    (pairs) => new Map(pairs)
  )
}

/** Nothing where there is no such file: docker itself refuses what overlaps its own networks. */
const hostRoutes: Effect.Effect<ReadonlyArray<string>, never, FileSystem.FileSystem> = Effect.flatMap(
  FileSystem.FileSystem,
  (fs) => fs.readFileString(ROUTES)
).pipe(
  Effect.map(Subnet.parseRoutes),
  Effect.orElseSucceed(() => [])
)

/**
 * Executes a plan. The bottle is ready to use when this returns, and gone when the scope has closed; an interruption or
 * a failure at any point takes down whatever was there by then. Before anything is created it is in the bottle's ledger,
 * which is the last to go.
 *
 * @since 0.1.0
 * @category constructors
 */
export const launch = (
  decided: LaunchPlan.LaunchPlan,
  given: Given = {}
): Effect.Effect<Bottle, LaunchError, Scope.Scope | Smolvm | Bundle | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const secrets = yield* takeSecrets(decided, given)
    const credentials = yield* Credentials.take(decided, given.credentials)
    yield* Credentials.refuseShared(secrets, credentials)
    const hidden = Credentials.hiddenVariables(decided)
    const nonce = yield* Ledger.makeNonce
    const handle = yield* DeadMansHandle
    // Before there is anything to clean up, and dismissed when there is nothing any more.
    yield* handle.arm({ id: decided.id, nonce, directories: decided.directories, secrets: hidden })
    const ledger = yield* Ledger.claim(decided, { ...given.ledger, nonce })
    const bottle = yield* build(decided, { secrets, credentials }, ledger).pipe(
      noting(ledger),
      Effect.mapError((error) =>
        error._tag === "StageFailed"
          ? error.without(Ran.without([...secrets.values(), ...credentials.values()]))
          : error
      ),
      // Registered last, so that it is the first to run.
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.addFinalizer(() => ledger.closing) : ledger.closing))
    )
    yield* ledger.up
    const sweeper = yield* Sweeper
    yield* Effect.forkScoped(Effect.interruptible(sweeper.sweep(decided.directories, hidden)))
    return bottle
  }).pipe(
    Effect.withSpan("bottle.launch", { captureStackTrace: false }),
    // For all that it acquires, its release too.
    Effect.annotateSpans("bottle.id", decided.id)
  )

/** What is not released, and what is kept, is in the ledger: the observer of the acquisition is told of the release. */
const noting =
  (ledger: Ledger.OwnLedger) =>
  <A, E, R>(launch: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(LaunchObserver, (outer) =>
      Effect.provideService(launch, LaunchObserver, {
        notify: (event) => Effect.zipRight(note(ledger, event), outer.notify(event))
      })
    )

const note = (ledger: Ledger.OwnLedger, event: LaunchEvent): Effect.Effect<void> => {
  switch (event._tag) {
    case "ReleaseFailed":
      return ledger.failed({ resource: event.resource, reason: event.reason, suggestion: event.suggestion })
    case "Kept":
      return ledger.kept
    default:
      return Effect.void
  }
}

const build = (
  decided: LaunchPlan.LaunchPlan,
  { credentials, secrets }: Record<"secrets" | "credentials", ReadonlyMap<string, Redacted.Redacted>>,
  ledger: Ledger.OwnLedger
): Effect.Effect<Bottle, LaunchError, Scope.Scope | Smolvm | Bundle | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm
    const bundles = yield* Bundle
    const prover = yield* Prover
    yield* acquireDirectory(decided)
    // Before the machine that it is mounted into, which so is gone when it is looked through.
    yield* acquireWorkspace(decided)
    // Scopes of their own, made in this order, so that the machine goes before its bundle however the two were made.
    const scope = yield* Effect.scope
    const bundleScope = yield* Scope.fork(scope, ExecutionStrategy.sequential)
    const machineScope = yield* Scope.fork(scope, ExecutionStrategy.sequential)
    const [plan] = yield* Effect.all([Scope.extend(bundles.prepare(decided), bundleScope), Prepare.pack(decided)], {
      concurrency: "unbounded"
    })
    if (plan !== decided) yield* ledger.planned(plan)
    const nonce = randomBytes(NONCE_BYTES).toString("hex")
    const [bundle, machine] = yield* Effect.all(
      [
        Scope.extend(startBundle(plan, nonce, credentials), bundleScope),
        Scope.extend(Machine.acquire(plan), machineScope)
      ],
      { concurrency: "unbounded" }
    )
    const fence = Fence.make(bundle.events)
    const proof = yield* bringUp(plan, machine).pipe(
      Effect.zipRight(fenced(fence, prove(machine, prover.prove({ plan, bundle, proof: nonce })))),
      Effect.raceFirst(bundle.died)
    )
    const gate = yield* Gate.make
    const ended = yield* Deferred.make<never, BundleDied | MachineLost>()
    // Once for all commands: each of them waits for it.
    yield* Effect.forkScoped(Effect.catchAll(bundle.died, (error) => Deferred.fail(ended, error)))
    const context = yield* Effect.context<Smolvm>()
    const commit = yield* Commit.make({
      plan,
      smolvm,
      bundle,
      machine,
      machineScope,
      ledger,
      gate,
      fence,
      ended,
      bringUp: Effect.provide(bringUp(plan, machine), context),
      prove: Effect.provide(prove(machine, prover.prove({ plan, bundle, proof: nonce })), context)
    })
    return yield* Commands.make({
      plan,
      smolvm,
      bundle,
      proof,
      secrets,
      gate,
      fence,
      ended,
      commit,
      keep: keep(plan, machine)
    })
  })

/** The guest has run nothing of its own by then: an event that the proof did not wait for is its all the same. */
const fenced = <E, R>(
  fence: Fence.Fence,
  proving: Effect.Effect<ProofRecord, E, R>
): Effect.Effect<ProofRecord, E, R> =>
  Effect.scoped(
    Effect.gen(function* () {
      const latest = yield* fence.follow
      const proof = yield* proving
      yield* fence.lower(Math.max(proof.lastEvent, yield* latest))
      return proof
    })
  )

/**
 * Plans and executes in one step.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bottle = (
  options: LaunchOptions,
  given: Given = {}
): Effect.Effect<Bottle, LaunchError | SmolvmError, Scope.Scope | Engine | Smolvm | Bundle | FileSystem.FileSystem> =>
  Effect.flatMap(plan(options), (decided) => launch(decided, given))

/** Only what the plan names is taken, so nothing else can reach the guest. */
const takeSecrets = (plan: LaunchPlan.LaunchPlan, given: Given) =>
  Effect.map(
    Effect.forEach(plan.guest.secrets, (name) => {
      const value = given.secrets?.get(name)
      return value === undefined ? new SecretMissing({ name }) : Effect.succeed([name, value] as const)
    }),
    (entries) => new Map(entries)
  )

const acquireDirectory = (
  plan: LaunchPlan.LaunchPlan
): Effect.Effect<void, HostFileFailed, Scope.Scope | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const parent = plan.directory.slice(0, plan.directory.lastIndexOf("/"))
    yield* fs.makeDirectory(parent, { recursive: true, mode: DIRECTORY_MODE }).pipe(Effect.mapError(fileFailed(parent)))
    const doubt = OwnDirectory.doubtOf(parent)
    if (doubt !== null) return yield* new HostFileFailed({ path: parent, reason: doubt })
    const mark = markOf(plan.directory)
    yield* Effect.acquireRelease(
      // Not recursive: a directory that is there already is somebody else's.
      fs.makeDirectory(plan.directory, { mode: DIRECTORY_MODE }).pipe(
        Effect.mapError(fileFailed(plan.directory)),
        Effect.zipRight(
          fs.symlink(plan.ledger, mark).pipe(
            Effect.mapError(fileFailed(mark)),
            Effect.onError(() => removeDirectory(fs, plan.directory))
          )
        )
      ),
      () => removeDirectory(fs, plan.directory)
    )
  })

/** Loaded by whoever has one: most launches have none. */
const acquireWorkspace = (plan: LaunchPlan.LaunchPlan) =>
  plan.workspace === null || plan.workspace.copy === null
    ? Effect.void
    : Effect.promise(() => import("./internal/workspace/acquire.js")).pipe(
        Effect.flatMap(({ acquire }) => acquire(plan)),
        stage("workspace")
      )

const startBundle = (
  plan: LaunchPlan.LaunchPlan,
  proof: string,
  credentials: ReadonlyMap<string, Redacted.Redacted>
): Effect.Effect<RunningBundle, BundleError, Scope.Scope | Bundle> =>
  Effect.gen(function* () {
    if (plan.bundle._tag === "None") return none
    const policy = yield* Effect.mapError(
      Policy.fromDocument(plan.egress),
      (error) => new BundleFailed({ reason: error.message, advice: error.suggestion })
    )
    const bundle = yield* Bundle
    return yield* bundle.start({ plan, policy, proof, credentials }).pipe(stage("bundle"))
  })

/** A machine of the local runtime is ready when it has started; a few more tries are for a host that is short of memory. */
const FAILURES_MAX_LOCAL = 5

/** From created to usable, one after the other: a command while another one is set up can corrupt a guest. */
const bringUp = (
  plan: LaunchPlan.LaunchPlan,
  machine: Machine.OwnedMachine
): Effect.Effect<void, LaunchError | BundleDied, Smolvm> =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm
    const name = plan.machine
    if (plan.source._tag === "Pack") yield* Machine.checkNetwork(plan)
    yield* machine
      .step(smolvm.machineStart(LaunchPlan.startOptions(plan)))
      .pipe(Effect.mapError(StageFailed.of("start")), stage("start"))
    yield* smolvm
      .waitExecReady({
        name,
        timeoutMillis: plan.readyTimeoutMillis,
        ...(plan.runtime.kind === "local" ? { failuresMax: FAILURES_MAX_LOCAL } : {})
      })
      .pipe(Effect.mapError(StageFailed.of("ready")), stage("ready"))
    yield* Relay.start(plan)
  })

/** Its way to the address would stay, and another bottle's bundle may have that address by then. */
const keep = (plan: LaunchPlan.LaunchPlan, machine: Machine.OwnedMachine): Bottle["keep"] =>
  plan.bundle._tag === "Container" && plan.bundle.topology === "address"
    ? new OptionRefused({
        option: "keep",
        reason: "a machine that reaches its bundle at an address cannot be left in place when the bundle is gone",
        advice: "Use --topology socket where the release takes it."
      })
    : machine.keep

/** A machine that leaks, or that nothing is known of, goes whatever the plan says of failures. */
const prove = (
  machine: Machine.OwnedMachine,
  proving: Effect.Effect<ProofRecord, EgressNotEnforced | EgressUnproven | SmolvmError, Smolvm>
): Effect.Effect<ProofRecord, EgressNotEnforced | EgressUnproven | StageFailed, Smolvm> =>
  proving.pipe(
    // An interrupted one too: the bundle may have died under it.
    Effect.onError(() => machine.condemn),
    Effect.mapError((error) =>
      error._tag === "EgressNotEnforced" || error._tag === "EgressUnproven" ? error : StageFailed.of("proof")(error)
    ),
    stage("proof")
  )
