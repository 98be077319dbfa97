/**
 * Taking down what a dead owner left of a bottle: the way of the bottle's own release, but for what goes on without its
 * owner, the clients that it had started.
 *
 * @since 0.1.0
 */
import type { Docker } from "@bottle/docker/Docker"
import type { DockerError } from "@bottle/docker/DockerError"
import * as FileLock from "@bottle/process/FileLock"
import * as Identity from "@bottle/process/Identity"
import * as Strays from "@bottle/process/Strays"
import { printable } from "@bottle/process/Text"
import { Smolvm } from "@bottle/smolvm/Smolvm"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import { type BottleId, machineName } from "./BottleId.js"
import type { Directories } from "./Directories.js"
import * as DockerResource from "./internal/dockerResource.js"
import { reasonOf } from "./internal/files.js"
import * as Machine from "./internal/machine.js"
import * as RecordEnd from "./internal/recordEnd.js"
import * as Ledger from "./Ledger.js"
import type { RecoveryRefused } from "./LedgerError.js"
import type { LaunchPlan } from "./LaunchPlan.js"
import { placeOf } from "./internal/workspace/places.js"
import type { PlacesUnknown } from "./Places.js"
import { Runtimes } from "./Runtimes.js"

/** A delete takes seconds, and is tried three times; a runtime that hangs is given up. */
const MACHINE_TIMEOUT_MILLIS = 90_000

/** A daemon that starts or ends many containers at once takes some seconds for each. */
const CONTAINER_TIMEOUT_MILLIS = 60_000

/**
 * A creation whose client is not cut off comes to its end, and can be removed then; what a daemon makes after its client
 * was killed would be met by no removal.
 */
const CREATION_PATIENCE_MILLIS = 10_000

/**
 * So many looks in a row that find no container: half a second for a bottle that was up; four where a creation may have
 * lost its client, which its owner has ended with itself; fifteen where one had to be cut off. The pauses double.
 */
const LOOKS_WHEN_UP = DockerResource.LOOKS_IN_A_ROW
const LOOKS_IN_LAUNCH = 7
const LOOKS_AFTER_CUT = 9

const FILE_TIMEOUT_MILLIS = 10_000

/** For a lock whose holder is dead; one that somebody else holds by now is theirs. */
const LOCK_TIMEOUT_MILLIS = 100

/** Clients that were between two programs when they were looked for are found the second time. */
const ROUNDS_MAX = 3

/** Programs of the host that the embedded runtime prepares and enters a machine with. */
const LOCAL_PROGRAMS = ["unshare", "setpriv", "nsenter", "prlimit", "script", "perl", "tar", "sh", "bash", "env"]

/**
 * The ledger is another bottle's than the one that was to be recovered.
 *
 * @since 0.1.0
 * @category errors
 */
export class NonceMismatch extends Schema.TaggedError<NonceMismatch>("@bottle/engine/NonceMismatch")("NonceMismatch", {
  id: Schema.String
}) {
  override get message(): string {
    return `the bottle ${printable(this.id)} is not the one that was to be cleaned up`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Nothing was touched; `bottle cleanup --dry-run` says what is left of dead bottles."
  }
}

/**
 * What recovery is told.
 *
 * - `nonce`: that of the claim; a ledger with another one is not touched
 * - `machineTimeoutMillis`, `containerTimeoutMillis`: how long the runtime may take for the machine, and the container
 *   engine for each of container and network
 *
 * @since 0.1.0
 * @category models
 */
export interface RecoveryOptions extends Ledger.RecoveringOptions {
  readonly nonce?: string | undefined
  readonly machineTimeoutMillis?: number | undefined
  readonly containerTimeoutMillis?: number | undefined
}

/**
 * How a recovery ended: the bottle is gone when there are no failures, and `left` otherwise.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recovered {
  readonly id: BottleId
  /** How many clients of the dead owner had to be ended, or were waited for. */
  readonly strays: number
  readonly failures: ReadonlyArray<Ledger.Failure>
}

/**
 * Takes down a bottle that nobody holds. It is told in the bottle's ledger and in its record, and a recovery that is cut
 * off is taken up by the next one. It has an end, also where a runtime or a disk does not answer: what could not be
 * removed by then is `failures`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const recover = (
  view: Pick<Ledger.LedgerView, "id" | "directory" | "claim" | "state">,
  options: RecoveryOptions = {}
): Effect.Effect<Recovered, RecoveryRefused | NonceMismatch, Runtimes | FileSystem.FileSystem> =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* checkNonce(view, options)
      const held = yield* Ledger.recovering(view, options)
      yield* checkNonce(held.view, options)
      const subject = yield* subjectOf(held.view)
      const wasUp = view.state === "up" || view.state === "left" || view.state === "kept"
      const { failures, strays } =
        subject === undefined
          ? { failures: [unknown(held.view)], strays: 0 }
          : yield* takeDown(subject, wasUp ? LOOKS_WHEN_UP : LOOKS_IN_LAUNCH, options)
      if (subject !== undefined && failures.length === 0) yield* settleWorkspace(subject)
      yield* RecordEnd.recovered(stateOf(held.view), held.view.id, failures)
      yield* failures.length === 0 ? held.closed : held.left(failures)
      return { id: held.view.id, strays, failures }
    })
  )

const checkNonce = (
  { claim, id }: Pick<Ledger.LedgerView, "id" | "claim">,
  { nonce }: RecoveryOptions
): Effect.Effect<void, NonceMismatch> =>
  nonce === undefined || claim === null || claim.nonce === nonce ? Effect.void : new NonceMismatch({ id })

/** The state directory that a ledger is in. */
const stateOf = ({ directory }: Ledger.LedgerView): string => Path.dirname(Path.dirname(directory))

/** What there may be of a bottle, and by which programs it was made. */
interface Subject {
  readonly id: BottleId
  readonly owner: Identity.Identity | null
  readonly machine: string
  readonly runtime: Ledger.Claim["runtime"]
  readonly container: Ledger.Claim["container"]
  readonly directories: Directories
  readonly places?: Ledger.Claim["places"]
  readonly resources: ReadonlyArray<Ledger.Resource>
}

/** From the claim, or where that cannot be read, from the plan beside it. */
const subjectOf = (view: Ledger.LedgerView): Effect.Effect<Subject | undefined, never, FileSystem.FileSystem> =>
  view.claim === null
    ? Effect.match(Ledger.plan(view), {
        onFailure: () => undefined,
        onSuccess: (plan) => (plan.id === view.id ? fromPlan(plan) : undefined)
      })
    : Effect.succeed({ ...view.claim, owner: view.claim.owner.identity })

const fromPlan = (plan: LaunchPlan): Subject => ({
  id: plan.id,
  owner: null,
  machine: plan.machine,
  runtime: plan.runtime,
  container: plan.bundle._tag === "Container" ? plan.bundle : null,
  directories: plan.directories,
  resources: Ledger.resourcesOf(plan)
})

const unknown = ({ directory }: Ledger.LedgerView): Ledger.Failure => ({
  resource: `ledger ${directory}`,
  reason: "neither its claim nor its plan can be read, so what there is of the bottle is not known",
  suggestion: "Run `bottle cleanup --dry-run --all`: it looks for what bears the bottle's name."
})

/** Ends the clients, then removes the machine, then its bundle, then the files. */
const takeDown = (
  given: Subject,
  looksAtLeast: number,
  options: RecoveryOptions
): Effect.Effect<Pick<Recovered, "failures" | "strays">, never, Runtimes | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const others = given.resources.filter((resource) => !isOwnResource(resource, given))
    const resources = given.resources.filter((resource) => isOwnResource(resource, given))
    const subject = { ...given, machine: machineName(given.id), resources }
    let strays = 0
    let failures: ReadonlyArray<Ledger.Failure> = []
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const ended = yield* endStrays(subject)
      const machines = yield* removeMachines(subject, options)
      const looks = ended.overdue > 0 ? LOOKS_AFTER_CUT : looksAtLeast
      const containers = yield* removeContainers(subject, looks, options)
      strays += ended.found
      failures = [...ended.left.map(strayLeft), ...machines, ...containers]
      if (failures.length > 0 || (yield* findStrays(subject)).length === 0) break
    }
    yield* releaseLocks(subject)
    const foreign = yield* Effect.filter(others, mayBeThere, { concurrency: "unbounded" })
    return { strays, failures: [...failures, ...(yield* removeFiles(subject)), ...foreign.map(notOwn)] }
  })

/** Most bottles have no copy of a directory; one that nobody has changed goes with its bottle. */
const settleWorkspace = ({ directories, id }: Subject): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.whenEffect(
      Effect.flatMap(
        Effect.promise(() => import("./internal/workspace/acquire.js")),
        ({ settle }) => settle({ directories, id })
      ),
      Effect.orElseSucceed(fs.exists(placeOf(directories, id)), () => false)
    )
  )

/** What the clients of this bottle have in their argv. */
const wantedOf = ({ container, machine, resources, runtime }: Subject): Strays.Wanted => ({
  programs: [runtime.program, ...(container === null ? [] : [container.program])],
  names: [machine, ...resources.map(({ name }) => name)]
})

/** The embedded runtime has no client: what it had started for its owner works on the machine's own directory. */
const localOf = ({ directories, machine, runtime }: Subject): Strays.Wanted | undefined =>
  runtime.kind === "local"
    ? { programs: LOCAL_PROGRAMS, names: [`${directories.state}/local/machines/${machine}`], users: "any" }
    : undefined

const findStrays = (subject: Subject): Effect.Effect<ReadonlyArray<Strays.Stray>> => {
  const local = localOf(subject)
  return Effect.map(
    Effect.all([
      Strays.find(wantedOf(subject)),
      local === undefined ? Effect.succeed<ReadonlyArray<Strays.Stray>>([]) : Strays.find(local)
    ]),
    (found) => found.flat()
  )
}

const endStrays = (subject: Subject): Effect.Effect<Strays.Ended> => {
  const local = localOf(subject)
  const { container } = subject
  const isCreation = (argv: ReadonlyArray<string>) =>
    container !== null &&
    Strays.runs(argv, container.program) &&
    argv.some((word) => word === "run" || word === "create")
  const clients = Strays.end(wantedOf(subject), {
    patienceMillis: CREATION_PATIENCE_MILLIS,
    isWaitedFor: isCreation
  })
  return Effect.map(
    Effect.all(
      [clients, local === undefined ? Effect.succeed({ found: 0, overdue: 0, left: [] }) : Strays.end(local)],
      {
        concurrency: "unbounded"
      }
    ),
    ([one, other]) => ({ found: one.found + other.found, overdue: one.overdue, left: [...one.left, ...other.left] })
  )
}

const strayLeft = ({ argv: [program = ""], identity: { pid } }: Strays.Stray): Ledger.Failure => ({
  resource: `process ${pid} (${printable(Path.basename(program))})`,
  reason: "it could not be ended",
  suggestion: `End it by hand: kill -KILL ${pid}`
})

type Failures = ReadonlyArray<Ledger.Failure>

/** A step that says why it failed, or that it took too long, as what is left behind by it. */
const attempt =
  (resource: string, suggestion: string, timeoutMillis: number) =>
  <E, R>(work: Effect.Effect<void, E, R>, reasonOf: (error: E) => string): Effect.Effect<Failures, never, R> =>
    work.pipe(
      Effect.timeoutOption(timeoutMillis),
      Effect.match({
        onFailure: (error) => [{ resource, reason: reasonOf(error), suggestion }],
        onSuccess: Option.match({
          onNone: () => [{ resource, reason: `it could not be removed within ${timeoutMillis / 1000} s`, suggestion }],
          onSome: () => []
        })
      })
    )

const named = ({ resources }: Subject, kind: Ledger.Resource["kind"]): ReadonlyArray<string> =>
  resources.flatMap((resource) => (resource.kind === kind ? [resource.name] : []))

const removeMachines = (subject: Subject, options: RecoveryOptions): Effect.Effect<Failures, never, Runtimes> =>
  Effect.scoped(
    Effect.gen(function* () {
      const runtimes = yield* Runtimes
      const { directories, places, runtime } = subject
      const smolvm = yield* runtimes.smolvm(runtime, places)
      const looks = runtime.kind === "local" ? Machine.LOOKS_IN_A_ROW_LOCAL : Machine.LOOKS_IN_A_ROW
      const failures = yield* Effect.forEach(named(subject, "machine"), (name) =>
        attempt(
          `machine ${name}`,
          `Remove it by hand: ${printable(runtime.program)} machine delete --name ${name} --force`,
          options.machineTimeoutMillis ?? MACHINE_TIMEOUT_MILLIS
        )(
          Effect.unlessEffect(
            Machine.remove(name, looks).pipe(Effect.provideService(Smolvm, smolvm)),
            isForeign(smolvm, name, directories)
          ).pipe(Effect.asVoid),
          ({ message }) => message
        )
      )
      return failures.flat()
    })
  )

/** Two users of one runtime may have chosen the same name. Where the labels do not say so, the name is ours. */
const isForeign = (smolvm: Context.Tag.Service<Smolvm>, name: string, { state }: Directories): Effect.Effect<boolean> =>
  smolvm.machineStatus({ name }).pipe(
    Effect.map(({ labels }) => labels["bottle.state"] !== undefined && labels["bottle.state"] !== state),
    Effect.orElseSucceed(() => false)
  )

/** The container, then the network that it is in. */
const removeContainers = (
  subject: Subject,
  looks: number,
  options: RecoveryOptions
): Effect.Effect<Failures, never, Runtimes> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { container } = subject
      if (container === null) return []
      const runtimes = yield* Runtimes
      const found = yield* Effect.either(runtimes.docker(container.program, subject.places))
      if (Either.isLeft(found)) return elsewhere(subject, found.left)
      const docker = found.right
      const timeoutMillis = options.containerTimeoutMillis ?? CONTAINER_TIMEOUT_MILLIS
      const removeAll = (kind: "container" | "network", byHand: string) =>
        Effect.forEach(named(subject, kind), (name) =>
          attempt(
            `${kind} ${name}`,
            `Remove it by hand: ${printable(container.program)} ${byHand} ${name}`,
            timeoutMillis
          )(removeOwn(docker, kind, name, container.labels, looks), ({ message }) => message)
        )
      const failures = [
        ...(yield* removeAll("container", "rm --force --volumes")),
        ...(yield* removeAll("network", "network rm"))
      ]
      return failures.flat()
    })
  )

/** A daemon that is not known to be theirs would say that there are none. */
const elsewhere = (subject: Subject, { message: reason, suggestion }: PlacesUnknown): Failures =>
  (["container", "network"] as const).flatMap((kind) =>
    named(subject, kind).map((name) => ({ resource: `${kind} ${name}`, reason, suggestion }))
  )

const removeOwn = (
  docker: Context.Tag.Service<Docker>,
  kind: "container" | "network",
  name: string,
  labels: Readonly<Record<string, string>>,
  looks: number
): Effect.Effect<void, DockerError> => {
  const isOwn = (found: { readonly labels: Readonly<Record<string, string>> }) =>
    Object.entries(labels).every(([label, value]) => found.labels[label] === value)
  return kind === "container"
    ? DockerResource.removeUntilAbsent(
        {
          isThere: Effect.map(docker.containerInspect(name), Option.exists(isOwn)),
          remove: docker.containerRemove(name)
        },
        looks
      )
    : // The one before it has waited for this one too.
      DockerResource.removeUntilAbsent({
        isThere: Effect.map(docker.networkInspect(name), Option.exists(isOwn)),
        remove: docker.networkRemove(name)
      })
}

/**
 * Whether a path can be this bottle's: a ledger that was damaged, or written by something else, removes nothing more. What
 * bottle makes beside somebody's files is hidden and bears the bottle's id; that is the whole name of its own directory
 * only.
 */
const isOwnPath = (path: string, { directories, id }: Pick<Subject, "directories" | "id">): boolean => {
  if (!Path.isAbsolute(path) || path.split("/").includes("..") || path.includes("\0")) return false
  const name = Path.basename(path)
  if (name === id) return Path.resolve(path) === Path.resolve(directories.run, id)
  const at = name.lastIndexOf(id)
  const after = name.charAt(at + id.length)
  return at > 1 && name.startsWith(".") && /[-.]/.test(name.charAt(at - 1)) && (after === "" || after === ".")
}

const isOwnResource = ({ kind, name }: Ledger.Resource, subject: Subject): boolean =>
  kind === "directory" || kind === "file" ? isOwnPath(name, subject) : name === machineName(subject.id)

/** What is not there any more needs nobody's look. A link that leads nowhere is there. */
const mayBeThere = ({ kind, name }: Ledger.Resource): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    if (kind !== "directory" && kind !== "file") return true
    if (!Path.isAbsolute(name) || name.includes("\0")) return true
    const fs = yield* FileSystem.FileSystem
    return (yield* fs.exists(name)) || (yield* Effect.isSuccess(fs.readLink(name)))
  }).pipe(
    Effect.timeout(FILE_TIMEOUT_MILLIS),
    Effect.orElseSucceed(() => true)
  )

const notOwn = ({ kind, name }: Ledger.Resource): Ledger.Failure => ({
  resource: `${kind} ${printable(name)}`,
  reason: "its name is not one of this bottle's",
  suggestion: "Look at what it is; nothing of it was touched."
})

const removeFiles = (subject: Subject): Effect.Effect<Failures, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const remove = (kind: "directory" | "file", path: string) =>
      attempt(
        `${kind} ${path}`,
        `Remove it by hand: rm ${kind === "directory" ? "-r " : ""}${path}`,
        FILE_TIMEOUT_MILLIS
      )(fs.remove(path, { recursive: kind === "directory", force: true }), reasonOf)
    const files = named(subject, "file")
    const unfinished = yield* Effect.forEach(files, (path) => unfinishedOf(fs, path))
    const failures = yield* Effect.all(
      [
        ...files.map((path) => remove("file", path)),
        ...[...named(subject, "directory"), ...unfinished.flat()].map((path) => remove("directory", path))
      ],
      { concurrency: "unbounded" }
    )
    return failures.flat()
  })

/** Directories that a pack is put together in, beside it: `.NAME.<12 hex>`, as the local runtime makes them. */
const unfinishedOf = (fs: FileSystem.FileSystem, path: string): Effect.Effect<ReadonlyArray<string>> => {
  const directory = Path.dirname(path)
  const prefix = `.${Path.basename(path)}.`
  return fs.readDirectory(directory).pipe(
    Effect.map((names) =>
      names
        .filter((name) => name.startsWith(prefix) && /^[0-9a-f]{12}$/.test(name.slice(prefix.length)))
        .map((name) => Path.join(directory, name))
    ),
    Effect.timeout(FILE_TIMEOUT_MILLIS),
    Effect.orElseSucceed(() => [])
  )
}

/** Locks that the dead owner held. Whoever wants one next would take it over; nobody may ever want it. */
const releaseLocks = ({
  directories,
  machine,
  owner,
  runtime
}: Subject): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const locksIn = (directory: string) =>
      fs.readDirectory(directory).pipe(
        Effect.map((names) => names.filter((name) => name.endsWith(".lock")).map((name) => `${directory}/${name}`)),
        Effect.orElseSucceed(() => [])
      )
    const shared = yield* Effect.forEach([`${directories.cache}/packs`, `${directories.cache}/images`], locksIn)
    const isOwners = (path: string) =>
      Effect.map(
        FileLock.holderOf(path),
        (holder) =>
          holder._tag !== "Nobody" &&
          holder.identity !== null &&
          holder.identity.pid === owner?.pid &&
          holder.identity.startTime === owner.startTime
      )
    const own = runtime.kind === "local" ? [`${directories.state}/local/locks/${machine}`] : []
    const held = [
      ...(yield* Effect.filter(shared.flat(), isOwners)),
      ...(yield* Effect.filter(own, (path) => Effect.map(FileLock.holderOf(path), ({ _tag }) => _tag !== "Nobody")))
    ]
    yield* Effect.forEach(
      held,
      (path) => Effect.scoped(FileLock.acquire(path, { timeoutMillis: LOCK_TIMEOUT_MILLIS })),
      {
        discard: true
      }
    )
  }).pipe(Effect.timeout(FILE_TIMEOUT_MILLIS), Effect.ignore)
