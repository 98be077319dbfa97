/**
 * The ledger of a living bottle: an append-only file that says what there is of it before it is created, and who
 * answers for it. It is there from before the first resource until everything is gone, so that whoever finds a ledger
 * whose owner is dead knows what to take down.
 *
 * A ledger is a directory `<state>/bottles/<id>` (mode 0700) with `ledger.jsonl`, `plan.json` and, while somebody
 * recovers, `lock`. A bottle that closed with nothing left has none.
 *
 * @since 0.1.0
 */
import { lazy } from "@bottle/process/Lazy"
import * as FileSystem from "@effect/platform/FileSystem"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { BottleId, slug } from "./BottleId.js"
import type { Directories } from "./Directories.js"
import * as Claiming from "./internal/ledger/claiming.js"
import * as Files from "./internal/ledger/files.js"
import * as Model from "./internal/ledger/model.js"
import * as Names from "./internal/ledger/names.js"
import * as Owners from "./internal/ledger/owner.js"
import type * as Reading from "./internal/ledger/reading.js"
import * as Recovery from "./internal/ledger/recovery.js"
import * as State from "./internal/ledger/state.js"
import * as OwnDirectory from "./internal/ownDirectory.js"
import { notify } from "./LaunchObserver.js"
import { LaunchPlan } from "./LaunchPlan.js"
import * as Places from "./Places.js"
import { LedgerFailed, LedgerGone, LedgerUnreadable, type NameTaken, type RecoveryRefused } from "./LedgerError.js"

// What the operations of a ledger fail with.
export {
  BottleKept,
  LedgerBusy,
  LedgerFailed,
  LedgerGone,
  LedgerUnreadable,
  NameTaken,
  OwnerAlive,
  OwnerUnknown,
  type RecoveryRefused
} from "./LedgerError.js"

/** Nobody guesses it, and it fits in a line of anything. */
const NONCE_BYTES = 16

/** How many ledgers are read at once. */
const READ_CONCURRENCY = 16

/**
 * The states of a bottle that has a ledger. One that is closed has none.
 *
 * - `launching`, `up`, `closing`: its owner holds it
 * - `left`: its owner, or whoever recovered it, could not remove everything
 * - `kept`: its machine was left in place on purpose
 * - `recovering`: its owner is dead, and somebody takes down what it left
 *
 * @since 0.1.0
 * @category models
 */
export const BottleState = State.BottleState

/**
 * @since 0.1.0
 * @category models
 */
export type BottleState = State.BottleState

/**
 * The process that answers for a bottle, and from where its pid can be looked up.
 *
 * @since 0.1.0
 * @category models
 */
export const Owner = Model.Owner

/**
 * @since 0.1.0
 * @category models
 */
export type Owner = Model.Owner

/**
 * What a bottle has on the host, by the name that it is removed by.
 *
 * @since 0.1.0
 * @category models
 */
export const Resource = Model.Resource

/**
 * @since 0.1.0
 * @category models
 */
export type Resource = Model.Resource

/**
 * What kind of owner a bottle has: a `bottle run`, the keeper of a detached bottle, or a program of the user's.
 *
 * @since 0.1.0
 * @category models
 */
export const OwnerKind = Model.OwnerKind

/**
 * @since 0.1.0
 * @category models
 */
export type OwnerKind = Model.OwnerKind

/**
 * The first line of a ledger: who owns the bottle, and everything that there will be of it.
 *
 * @since 0.1.0
 * @category models
 */
export const Claim = Model.Claim

/**
 * @since 0.1.0
 * @category models
 */
export type Claim = Model.Claim

/**
 * What could not be removed, and what to do about it.
 *
 * @since 0.1.0
 * @category models
 */
export type Failure = Model.Failure

/**
 * What is known of a bottle from its ledger.
 *
 * @since 0.1.0
 * @category models
 */
export interface LedgerView {
  readonly id: BottleId
  /** The ledger's own directory. */
  readonly directory: string
  readonly state: BottleState
  /** `null` where its line cannot be read. */
  readonly claim: Claim | null
  /** Its owner, or who recovers it; `null` where nobody does, or no line says who. */
  readonly holder: Owner | null
  readonly failures: ReadonlyArray<Failure>
  /** How many lines cannot be read. */
  readonly damaged: number
}

/**
 * Whether whoever holds a bottle runs. Nobody holds one that was left or kept, and so its holder is `dead`; `unknown` is
 * the holder that cannot be seen from here (another machine, or another pid namespace), or that no line names, and
 * whatever was left or kept there.
 *
 * @since 0.1.0
 * @category models
 */
export type Liveness = Owners.Liveness

/**
 * What a launch tells its ledger beside its plan. `kind` is "program" when absent.
 *
 * @since 0.1.0
 * @category models
 */
export interface About {
  /** Reserved for this bottle until it is gone, as `BottleId.slug` writes it. */
  readonly name?: string | undefined
  readonly kind?: OwnerKind | undefined
  readonly ttlMillis?: number | undefined
  readonly idleMillis?: number | undefined
  readonly command?: ReadonlyArray<string> | undefined
  /** As `makeNonce` makes it; one is made where there is none. */
  readonly nonce?: string | undefined
}

/**
 * The ledger of a bottle of ours. What it is told is best effort: a disk that is full by then holds nothing up.
 *
 * @since 0.1.0
 * @category models
 */
export interface OwnLedger {
  readonly directory: string
  /** Known to this bottle's owner and handle only. */
  readonly nonce: string
  /** The plan that is executed, where it is no longer the one that was claimed. */
  readonly planned: (plan: LaunchPlan) => Effect.Effect<void, LedgerFailed>
  readonly up: Effect.Effect<void>
  readonly closing: Effect.Effect<void>
  /** Notes a resource that the plan does not name; before it is created. */
  readonly add: (resource: Resource) => Effect.Effect<void, LedgerFailed>
  /** Something could not be removed: the ledger stays, and says so. */
  readonly failed: (failure: Failure) => Effect.Effect<void>
  /** The machine is left in place on purpose: the ledger stays, and says so. */
  readonly kept: Effect.Effect<void>
}

/**
 * A bottle whose owner is dead, held by whoever takes it down. Where the scope closes before it has been said how that
 * ended, the bottle is `left`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recovering {
  /** As it was read under the lock. */
  readonly view: LedgerView
  /** Everything is gone: removes the ledger, and frees the bottle's name. */
  readonly closed: Effect.Effect<void, LedgerFailed>
  /** Something could not be removed: the ledger stays, and says so. */
  readonly left: (failures: ReadonlyArray<Failure>) => Effect.Effect<void, LedgerFailed>
}

/**
 * What a recovery takes that it leaves alone otherwise: a bottle that was `kept`, and one whose owner is not known
 * (`unknown`) to be dead. One whose owner lives is never taken.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecoveringOptions {
  readonly kept?: boolean | undefined
  readonly unknown?: boolean | undefined
}

/**
 * The directory that holds every ledger.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bottlesOf = ({ state }: Pick<Directories, "state">): string => `${state}/bottles`

/**
 * The directory of a bottle's ledger.
 *
 * @since 0.1.0
 * @category constructors
 */
export const directoryOf = (directories: Pick<Directories, "state">, id: BottleId): string =>
  `${bottlesOf(directories)}/${id}`

/**
 * A word that only the owner of a bottle and those that it tells know.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeNonce: Effect.Effect<string> = Effect.sync(() => randomBytes(NONCE_BYTES).toString("hex"))

/**
 * What a launch will have on the host: every name that it gives follows from its plan.
 *
 * @since 0.1.0
 * @category conversions
 */
export const resourcesOf: (plan: LaunchPlan) => ReadonlyArray<Resource> = Claiming.resourcesOf

const decodePlan = lazy(() => Schema.decodeUnknown(Schema.parseJson(LaunchPlan)))

const failedAt = (path: string) => (reason: string) => new LedgerFailed({ path, reason })

const viewOf = (id: BottleId, directory: string, reading: Reading.Reading): LedgerView => ({
  id,
  directory,
  state: reading.state,
  claim: reading.claim,
  holder: reading.holder,
  failures: reading.failures,
  damaged: reading.damaged
})

/**
 * Writes a bottle down before anything of it is there; the disk has it when this returns. When the scope closes the
 * ledger goes, unless something was left or kept; so it is claimed in a scope outside of everything it tells of.
 *
 * Nothing is there when it fails: the disk cannot take it, or another living bottle has the name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const claim = (
  plan: LaunchPlan,
  about: About = {}
): Effect.Effect<OwnLedger, LedgerFailed | NameTaken, Scope.Scope | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { id, ledger: directory } = plan
    const bottles = Files.parentOf(directory)
    const failed = failedAt(directory)
    const self = yield* selfOr(failed)
    const nonce = about.nonce ?? (yield* makeNonce)
    const claimedAt = yield* DateTime.now
    const line = Claiming.claimOf(plan, { ...about, nonce, owner: self, claimedAt, places: yield* Places.here(plan) })
    const { name } = line

    if (yield* Effect.mapError(Files.bounded(fs.exists(directory)), failed)) {
      return yield* failed("the bottle of this plan has one already")
    }
    yield* Effect.mapError(Files.bounded(Claiming.makeBottles(fs, bottles)), failedAt(bottles))
    const doubt = OwnDirectory.doubtOf(bottles)
    if (doubt !== null) return yield* failedAt(bottles)(doubt)
    if (name !== null) {
      yield* Effect.acquireRelease(Names.take(fs, bottles, name, { id, writer: self }), () =>
        Effect.catchAll(Names.free(fs, bottles, name, id), tellLeft)
      )
    }
    const writer = yield* Effect.mapError(Files.bounded(Claiming.write(fs, directory, plan, line)), failed)
    const move = (entry: Model.Transition) => Effect.mapError(Files.bounded(writer.move(entry)), failed)
    const failures: Array<Failure> = []
    let isKept = false
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        if (!isKept && failures.length === 0) {
          return yield* Effect.mapError(Files.bounded(Files.remove(fs, directory, id, self)), failed)
        }
        const end = Effect.zipRight(move({ _tag: "Closing" }), move({ _tag: isKept ? "Kept" : "Left", failures }))
        // Without that line somebody would take down what was kept: where the disk is full, the plan makes room.
        yield* Effect.catchAll(end, () =>
          Effect.zipRight(Effect.ignore(Files.bounded(Files.removePlan(fs, directory))), end)
        )
      }).pipe(Effect.catchAll(tellLeft))
    )
    return {
      directory,
      nonce,
      planned: (next: LaunchPlan) => Effect.mapError(Files.bounded(Claiming.putPlan(fs, directory, next)), failed),
      up: Effect.ignore(move({ _tag: "Up" })),
      closing: Effect.ignore(move({ _tag: "Closing" })),
      add: (resource: Resource) => Effect.mapError(Files.bounded(writer.append({ _tag: "Added", resource })), failed),
      failed: (failure: Failure) => Effect.sync(() => void failures.push(failure)),
      kept: Effect.sync(() => {
        isKept = true
      })
    }
  }).pipe(Effect.uninterruptible)

const selfOr = (failed: (reason: string) => LedgerFailed): Effect.Effect<Owner, LedgerFailed> =>
  Effect.flatMap(
    Owners.self,
    Option.match({
      onNone: () => failed("there is no /proc that tells this process from a later one of the same number"),
      onSome: Effect.succeed
    })
  )

const tellLeft = ({ path, reason }: LedgerFailed): Effect.Effect<void> =>
  notify({
    _tag: "ReleaseFailed",
    resource: `ledger ${path}`,
    reason,
    suggestion: "`bottle cleanup` removes it."
  })

/**
 * Every ledger there is. One that cannot be read is among them, and says nothing; it fails only where it cannot be known
 * which ledgers there are.
 *
 * @since 0.1.0
 * @category constructors
 */
export const list = (
  directories: Pick<Directories, "state">
): Effect.Effect<ReadonlyArray<LedgerView>, LedgerUnreadable, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const bottles = bottlesOf(directories)
    const names = yield* namesIn(fs, bottles)
    const ids = names.filter(isId)
    // Who can put a ledger there says what is removed, and by which program.
    const doubt = ids.length === 0 ? null : OwnDirectory.doubtOf(bottles)
    if (doubt !== null) return yield* new LedgerUnreadable({ path: bottles, reason: doubt })
    // A disk that does not answer for one of them does not for the others either, so one deadline is for all.
    const views = yield* Effect.forEach(ids, (id) => readOne(fs, directories, id), {
      concurrency: READ_CONCURRENCY
    }).pipe(
      Files.bounded,
      Effect.mapError((reason) => new LedgerUnreadable({ path: bottles, reason }))
    )
    return views.flatMap(Option.toArray)
  })

const isId = Schema.is(BottleId)

const namesIn = (
  fs: FileSystem.FileSystem,
  directory: string
): Effect.Effect<ReadonlyArray<string>, LedgerUnreadable> =>
  fs.readDirectory(directory).pipe(
    Effect.catchIf(
      (error) => error._tag === "SystemError" && error.reason === "NotFound",
      () => Effect.succeed<ReadonlyArray<string>>([])
    ),
    Files.bounded,
    Effect.mapError((reason) => new LedgerUnreadable({ path: directory, reason }))
  )

/**
 * The ledger of a bottle; none where it has none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (
  directories: Pick<Directories, "state">,
  id: BottleId
): Effect.Effect<Option.Option<LedgerView>, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Files.bounded(readOne(fs, directories, id)).pipe(
      Effect.orElseSucceed(() => Option.some(viewOf(id, directoryOf(directories, id), Files.unreadable)))
    )
  )

const readOne = (
  fs: FileSystem.FileSystem,
  directories: Pick<Directories, "state">,
  id: BottleId
): Effect.Effect<Option.Option<LedgerView>> => {
  const directory = directoryOf(directories, id)
  return Files.read(fs, directory, id).pipe(
    Effect.orElseSucceed(() => Option.some(Files.unreadable)),
    Effect.map(Option.map((reading) => viewOf(id, directory, reading)))
  )
}

/**
 * The bottle that has a reserved name; it may be dead by now.
 *
 * @since 0.1.0
 * @category constructors
 */
export const named = (
  directories: Pick<Directories, "state">,
  name: string
): Effect.Effect<Option.Option<BottleId>, never, FileSystem.FileSystem> =>
  slug(name) === name
    ? Effect.flatMap(FileSystem.FileSystem, (fs) => Names.find(fs, bottlesOf(directories), name))
    : Effect.succeedNone

/**
 * What is beside the ledgers though whoever made it was killed while it did: paths that can be removed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const asides = (
  directories: Pick<Directories, "state">
): Effect.Effect<ReadonlyArray<string>, LedgerUnreadable, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const bottles = bottlesOf(directories)
    const stale = yield* Effect.filter(yield* namesIn(fs, bottles), Files.isStaleAside)
    return stale.map((name) => `${bottles}/${name}`)
  })

/**
 * The plan that a bottle was launched from.
 *
 * @since 0.1.0
 * @category constructors
 */
export const plan = (view: LedgerView): Effect.Effect<LaunchPlan, LedgerUnreadable, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = `${view.directory}/${Files.PLAN}`
    const unreadable = (reason: string) => new LedgerUnreadable({ path, reason })
    const text = yield* Effect.mapError(Files.bounded(fs.readFileString(path)), unreadable)
    return yield* Effect.mapError(decodePlan(text), () => unreadable("it is not a plan of this version"))
  })

/**
 * Whether whoever holds the bottle runs, as far as can be seen from here.
 *
 * @since 0.1.0
 * @category predicates
 */
export const liveness = (view: LedgerView): Effect.Effect<Liveness> => {
  if (view.state !== "left" && view.state !== "kept") return Owners.liveness(view.holder)
  // Nobody holds it; but what there is of it is where it was made, and cannot be seen from anywhere else.
  return view.claim === null
    ? Effect.succeed("dead")
    : Effect.map(Owners.doubtOf(view.claim.owner), (doubt) => (doubt === null ? "dead" : "unknown"))
}

/**
 * Takes a bottle that nobody holds any more, until the scope closes: under the ledger's lock, after a second look at what
 * the ledger says and at its owner. Only one process at a time has it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const recovering = (
  view: Pick<LedgerView, "id" | "directory">,
  options: RecoveringOptions = {}
): Effect.Effect<Recovering, RecoveryRefused, Scope.Scope | FileSystem.FileSystem> =>
  Effect.uninterruptible(
    Effect.gen(function* () {
      // Who is refused does not keep others from it until his own scope closes.
      const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
      return yield* take(view, options).pipe(
        Scope.extend(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
    })
  )

const take = (
  view: Pick<LedgerView, "id" | "directory">,
  options: RecoveringOptions
): Effect.Effect<Recovering, RecoveryRefused, Scope.Scope | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { directory, id } = view
    const failed = failedAt(directory)
    const self = yield* selfOr(failed)
    const unsafe = (yield* Effect.orElseSucceed(fs.exists(directory), () => true))
      ? OwnDirectory.doubtOf(Files.parentOf(directory))
      : null
    if (unsafe !== null) return yield* failedAt(Files.parentOf(directory))(unsafe)
    yield* Recovery.lock(fs, view)
    const found = yield* Effect.mapError(Files.bounded(Files.read(fs, directory, id)), failed)
    if (Option.isNone(found)) return yield* new LedgerGone({ id })
    const reading = found.value
    yield* Recovery.checkFree(id, reading, options)

    // The lock says who has the bottle to everybody who could take it, also where nothing can be written.
    const writer = yield* Files.open(fs, {
      path: `${directory}/${Files.LEDGER}`,
      flag: "a",
      id,
      writer: self,
      role: "recoverer",
      from: reading.state,
      isTorn: reading.isTorn
    }).pipe(Files.bounded, Effect.mapError(failed), Effect.either)
    const move = (entry: Model.Transition) =>
      Effect.flatMap(writer, ({ move }) => Effect.mapError(Files.bounded(move(entry)), failed))
    let isBegun = false
    const begin = Effect.suspend(() =>
      isBegun ? Effect.void : Effect.tap(move({ _tag: "Recovering" }), () => Effect.sync(() => void (isBegun = true)))
    )
    let isEnded = false
    const end = (work: Effect.Effect<void, LedgerFailed>) =>
      Effect.uninterruptible(Effect.tap(work, () => Effect.sync(() => void (isEnded = true))))
    const left = (failures: ReadonlyArray<Failure>) => end(Effect.zipRight(begin, move({ _tag: "Left", failures })))
    // Whoever waits for it must not take it for done.
    const cutOff: Failure = {
      resource: `bottle ${id}`,
      reason: "its recovery was cut off",
      suggestion: "`bottle cleanup` takes it up again."
    }
    yield* Effect.addFinalizer(() => (isEnded ? Effect.void : Effect.ignore(left([cutOff]))))
    yield* Effect.ignore(begin)
    const name = reading.claim?.name ?? null
    const recoveringView: LedgerView = { ...viewOf(id, directory, reading), state: "recovering", holder: self }
    return {
      view: recoveringView,
      closed: end(
        Effect.gen(function* () {
          yield* Effect.mapError(Files.bounded(Files.remove(fs, directory, id, self)), failed)
          if (name !== null) yield* Names.free(fs, Files.parentOf(directory), name, id)
        })
      ),
      left
    }
  })
