import * as Identity from "@bottle/process/Identity"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type DownError, DownFailed, type Downed, OwnedByProgram } from "../../Bottles.js"
import * as Control from "../../Control.js"
import type { ControlError } from "../../ControlError.js"
import type { Directories } from "../../Directories.js"
import * as Ledger from "../../Ledger.js"
import * as Recovery from "../../Recovery.js"
import type { Runtimes } from "../../Runtimes.js"
import { addressOf, resolve } from "./resolve.js"

/** An owner that is asked for nothing else answers at once, unless it is stopped. */
const CONNECT_TIMEOUT_MILLIS = 3000

/** An owner that is told to end by a signal says in its ledger that it does, before anything else. */
const HEED_TIMEOUT_MILLIS = 5000

/** How long an owner that has begun may take; its releases have bounds of their own. */
const CLOSING_TIMEOUT_MILLIS = 240_000

/** After SIGKILL. */
const DEATH_TIMEOUT_MILLIS = 5000

/** An owner that has said that all is down has only to end; whoever looks for it then is to find nothing. */
const END_TIMEOUT_MILLIS = 3000

/** An owner that has let go of its bottle has only to say so. */
const ANSWER_TIMEOUT_MILLIS = 10_000

/** Its own words come first, as a rule. */
const LET_GO_LOOK_MILLIS = 500

/** Somebody else's recovery is bounded too: by the machine's removal, then the container's. */
const RECOVERY_TIMEOUT_MILLIS = 300_000

const LOOK_MILLIS = 50

/** Looks until the answer is yes, for so long; whether it was. */
const within = <R>(timeoutMillis: number, look: Effect.Effect<boolean, never, R>): Effect.Effect<boolean, never, R> =>
  look.pipe(
    Effect.delay(LOOK_MILLIS),
    Effect.repeat({ until: (holds) => holds }),
    Effect.timeoutOption(timeoutMillis),
    Effect.map(Option.isSome)
  )

const isDead = (owner: Identity.Identity) => Effect.negate(Identity.isAlive(owner))

const reread = (directories: Directories, { id }: Ledger.LedgerView) => Ledger.read(directories, id)

/** Whether nobody holds it any more: it is closed, or what is left of it is nobody's. */
const isLetGo = (directories: Directories, view: Ledger.LedgerView) =>
  Effect.flatMap(
    reread(directories, view),
    Option.match({
      onNone: () => Effect.succeed(true),
      onSome: (now) => Effect.map(Ledger.liveness(now), (liveness) => liveness === "dead")
    })
  )

const hasBegun = (directories: Directories, view: Ledger.LedgerView) =>
  Effect.map(
    reread(directories, view),
    Option.match({ onNone: () => true, onSome: ({ state }) => state !== "launching" && state !== "up" })
  )

const downedBy = (view: Ledger.LedgerView, how: Downed["how"], failures: Downed["failures"]): Downed => ({
  id: view.id,
  how,
  failures
})

/** Takes away what is left of a bottle that nobody holds; where somebody else is about that, waits for it. */
const takeAway = (
  directories: Directories,
  view: Ledger.LedgerView
): Effect.Effect<Downed, DownFailed, Runtimes | FileSystem.FileSystem> =>
  Recovery.recover(view, { kept: true }).pipe(
    Effect.map(({ failures }) => downedBy(view, "recovered", failures)),
    Effect.catchTags({
      LedgerGone: () => Effect.succeed(downedBy(view, "recovered", [])),
      LedgerBusy: (busy) =>
        Effect.flatMap(within(RECOVERY_TIMEOUT_MILLIS, isSettled(directories, view)), (isOver) =>
          isOver ? settled(directories, view) : Effect.fail(failure(view, busy))
        )
    }),
    Effect.mapError((error) => (error._tag === "DownFailed" ? error : failure(view, error)))
  )

const failure = (
  { id }: Ledger.LedgerView,
  { message, suggestion }: { readonly message: string; readonly suggestion: string }
): DownFailed => new DownFailed({ id, reason: message, advice: suggestion })

const isSettled = (directories: Directories, view: Ledger.LedgerView) =>
  Effect.map(reread(directories, view), Option.match({ onNone: () => true, onSome: ({ state }) => state === "left" }))

/** How whoever took it away came to an end. */
const settled = (directories: Directories, view: Ledger.LedgerView) =>
  Effect.map(
    reread(directories, view),
    Option.match({
      onNone: () => downedBy(view, "recovered", []),
      onSome: (now) => downedBy(view, "recovered", now.failures)
    })
  )

const ask = (directories: Directories, view: Ledger.LedgerView): Effect.Effect<Downed, ControlError> =>
  Effect.gen(function* () {
    const address = addressOf(directories, view)
    const control = yield* Control.connect(address, { timeoutMillis: CONNECT_TIMEOUT_MILLIS })
    return downedBy(view, "owner", yield* control.down)
  }).pipe(Effect.scoped)

/** Waits until an owner has let go of its bottle, and then for as long as it may take to say so. */
const untilSilent = (directories: Directories, view: Ledger.LedgerView) =>
  isLetGo(directories, view).pipe(
    Effect.delay(LET_GO_LOOK_MILLIS),
    Effect.repeat({ until: (holds) => holds }),
    Effect.zipRight(Effect.sleep(ANSWER_TIMEOUT_MILLIS))
  )

/**
 * Sees an owner off that has let go of its bottle. A keeper has nothing else to do in the world; a run may still have
 * output that somebody reads, and a program is the user's.
 */
const seeOff = ({ claim }: Ledger.LedgerView, owner: Identity.Identity): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (claim === null || claim.kind === "program") return
    if ((yield* within(END_TIMEOUT_MILLIS, isDead(owner))) || claim.kind !== "keeper") return
    yield* Identity.signal(owner, "SIGTERM")
    if (yield* within(HEED_TIMEOUT_MILLIS, isDead(owner))) return
    yield* Identity.signal(owner, "SIGKILL")
    yield* within(DEATH_TIMEOUT_MILLIS, isDead(owner))
  })

/** Ends an owner that cannot be asked, first as one that listens to a signal, then as one that does not. */
const end = (
  directories: Directories,
  view: Ledger.LedgerView,
  owner: Identity.Identity
): Effect.Effect<Downed, DownFailed, Runtimes | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    yield* Identity.signal(owner, "SIGTERM")
    const heeded = yield* within(HEED_TIMEOUT_MILLIS, hasBegun(directories, view))
    if (heeded && (yield* within(CLOSING_TIMEOUT_MILLIS, isLetGo(directories, view)))) {
      return yield* closed(directories, view)
    }
    yield* Identity.signal(owner, "SIGKILL")
    if (!(yield* within(DEATH_TIMEOUT_MILLIS, isLetGo(directories, view)))) {
      return yield* new DownFailed({
        id: view.id,
        reason: `its owner, process ${owner.pid}, cannot be ended`,
        advice: "It may be another user's, or hang in the kernel."
      })
    }
    return yield* takeAway(directories, view)
  })

/** An owner has let go of its bottle: it is closed, or was left, or its owner died over it. */
const closed = (directories: Directories, view: Ledger.LedgerView) =>
  Effect.flatMap(
    reread(directories, view),
    Option.match({
      onNone: () => Effect.succeed(downedBy(view, "owner", [])),
      onSome: (now) =>
        now.state === "left" ? Effect.succeed(downedBy(view, "owner", now.failures)) : takeAway(directories, now)
    })
  )

/** Takes down the bottle that this ledger is of, whatever state its owner is in. */
export const downView = (
  directories: Directories,
  view: Ledger.LedgerView
): Effect.Effect<Downed, DownError, Runtimes | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const liveness = yield* Ledger.liveness(view)
    if (liveness === "dead") return yield* takeAway(directories, view)
    const owner = view.holder?.identity ?? null
    if (liveness === "unknown" || owner === null) {
      return yield* new DownFailed({
        id: view.id,
        reason: "whether its owner runs cannot be seen from here",
        advice: "Take it down where it was brought up; `bottle cleanup --all` removes what is left of it."
      })
    }
    // Whoever recovers it is not asked, and not ended.
    if (view.state === "recovering") return yield* takeAway(directories, view)
    return yield* ask(directories, view).pipe(
      Effect.disconnect,
      Effect.raceFirst(Effect.flatMap(untilSilent(directories, view), () => closed(directories, view))),
      Effect.catchTags({
        BottleGone: () => goneMeanwhile(directories, view, owner),
        ControlRefused: () => unanswered(directories, view, owner),
        ControlUnreachable: () => unanswered(directories, view, owner)
      }),
      Effect.zipLeft(seeOff(view, owner))
    )
  })

/** Its owner lives and does not serve: a program of the user's is not ours to end. */
const unanswered = (
  directories: Directories,
  view: Ledger.LedgerView,
  owner: Identity.Identity
): Effect.Effect<Downed, DownError, Runtimes | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    if (yield* isLetGo(directories, view)) return yield* closed(directories, view)
    if (view.claim === null || view.claim.kind === "program") {
      return yield* new OwnedByProgram({ id: view.id, pid: owner.pid })
    }
    return yield* end(directories, view, owner)
  })

/** Its owner was about to take it down, or died, while it was asked. */
const goneMeanwhile = (
  directories: Directories,
  view: Ledger.LedgerView,
  owner: Identity.Identity
): Effect.Effect<Downed, DownError, Runtimes | FileSystem.FileSystem> =>
  Effect.flatMap(within(HEED_TIMEOUT_MILLIS, isLetGo(directories, view)), (isOver) =>
    isOver ? closed(directories, view) : unanswered(directories, view, owner)
  )

export const down = (
  directories: Directories,
  word: string
): Effect.Effect<Downed, DownError, Runtimes | FileSystem.FileSystem> =>
  Effect.flatMap(resolve(directories, word), (view) => downView(directories, view))
