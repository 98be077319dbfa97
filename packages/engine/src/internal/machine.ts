import * as Release from "@bottle/process/Release"
import type { DroppedOption } from "@bottle/smolvm/MachineCreate"
import { Smolvm } from "@bottle/smolvm/Smolvm"
import type { SmolvmError } from "@bottle/smolvm/SmolvmError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { NetworkMissing, NetworkNotOff, PolicyDropped, StageFailed } from "../LaunchError.js"
import { notify } from "../LaunchObserver.js"
import type { LaunchPlan } from "../LaunchPlan.js"
import * as LaunchPlan_ from "../LaunchPlan.js"
import { tellingSlow } from "./patience.js"
import { stage } from "./stage.js"

/** Longer than a delete may take by itself (smolvm's own deadline here is two minutes), so that it is not cut short. */
const RELEASE_TIMEOUT_MILLIS = 180_000

/**
 * After its creator was cut off a machine may still come: its runtime goes on without the client. It is gone when so
 * many looks in a row find nothing, with pauses that double from the first; two seconds in all.
 */
export const LOOKS_IN_A_ROW = 6

/** The local runtime ends what it does with its client; one more look is for a client that was killed. */
export const LOOKS_IN_A_ROW_LOCAL = 2
const LOOK_PAUSE_MILLIS_FIRST = 30

/** A delete that fails may succeed a moment later, when what was busy has ended. */
const DELETE_RETRIES = 2

/**
 * What is known of the machine.
 *
 * - `none`: nothing was begun
 * - `making`: a create or start was begun and has not ended by itself; it may still have an effect
 * - `tried`: a create or start ended by itself with a failure; what it left does not grow
 * - `made`: it is there
 * - `foreign`: a machine of this name was there before us
 */
type Existence = "none" | "making" | "tried" | "made" | "foreign"

/** Whether the machine outlives its scope. */
type Keeping = "as-planned" | "kept" | "condemned"

/** A machine that its scope releases. */
export interface OwnedMachine {
  readonly keep: Effect.Effect<void>
  /** Whatever the plan says of failures, the machine is not kept: it is known to be open, or not known to be closed. */
  readonly condemn: Effect.Effect<void>
  /** Runs a step that changes the machine, so that its release knows when it was cut off. */
  readonly step: <A, R>(effect: Effect.Effect<A, SmolvmError, R>) => Effect.Effect<A, SmolvmError, R>
}

/**
 * Creates the machine of a plan. Its release is registered before anything runs and the creation can be interrupted;
 * so whatever happens half-way, the release looks until nothing is there.
 */
export const acquire = (
  plan: LaunchPlan
): Effect.Effect<OwnedMachine, StageFailed | PolicyDropped, Scope.Scope | Smolvm> =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm
    const capabilities = yield* Effect.mapError(smolvm.capabilities, StageFailed.of("create"))
    const existence = yield* Ref.make<Existence>("none")
    // What could not even be created has nothing to look into.
    const keeping = yield* Ref.make<Keeping>("condemned")
    yield* Effect.addFinalizer((exit) =>
      release(plan, existence, keeping, exit).pipe(Effect.provideService(Smolvm, smolvm))
    )

    const step: OwnedMachine["step"] = (effect) =>
      Ref.set(existence, "making").pipe(
        Effect.zipRight(effect),
        Effect.tap(() => Ref.set(existence, "made")),
        Effect.tapError((error) => Ref.update(existence, (now) => afterFailure(error, now)))
      )
    yield* step(smolvm.machineCreate(LaunchPlan_.createOptions(plan, capabilities))).pipe(
      Effect.mapError(StageFailed.of("create")),
      Effect.flatMap(({ dropped }) => refuseDroppedPolicy(plan, dropped)),
      stage("create")
    )
    yield* Ref.set(keeping, "as-planned")
    return { keep: Ref.set(keeping, "kept"), condemn: Ref.set(keeping, "condemned"), step }
  })

/**
 * A policy that the release drops is the plan's to know: it then says so as its doubt, and the proof alone decides. Where
 * it does not know, the machine was made by another release than the plan was made for.
 */
const refuseDroppedPolicy = (
  plan: LaunchPlan,
  dropped: ReadonlyArray<DroppedOption>
): Effect.Effect<void, PolicyDropped> => {
  const lost = dropped.find(({ isPolicy }) => isPolicy)
  if (lost === undefined || plan.proof.doubt !== null) return Effect.void
  const { neededVersion, option, reason } = lost
  return new PolicyDropped({ machine: plan.machine, option, reason, neededVersion })
}

/** What a failed create or start leaves. One whose client was ended, by us or by a signal, may still have an effect. */
const afterFailure = (error: SmolvmError, now: Existence): Existence => {
  switch (error._tag) {
    case "MachineAlreadyExists":
      return "foreign"
    case "SmolvmTimedOut":
    case "SmolvmKilled":
      return now
    default:
      return "tried"
  }
}

const looksFor = (plan: LaunchPlan, state: Existence): number => {
  if (state !== "making") return 1
  return plan.runtime.kind === "local" ? LOOKS_IN_A_ROW_LOCAL : LOOKS_IN_A_ROW
}

const isKept = (plan: LaunchPlan, keeping: Keeping, exit: Exit.Exit<unknown, unknown>): boolean =>
  keeping === "as-planned"
    ? plan.keepOnFailure && Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause)
    : keeping === "kept"

const release = (
  plan: LaunchPlan,
  existence: Ref.Ref<Existence>,
  keeping: Ref.Ref<Keeping>,
  exit: Exit.Exit<unknown, unknown>
): Effect.Effect<void, never, Smolvm> =>
  Effect.gen(function* () {
    const state = yield* Ref.get(existence)
    if (state === "none" || state === "foreign") return
    if (isKept(plan, yield* Ref.get(keeping), exit)) return yield* notify({ _tag: "Kept", machine: plan.machine })
    const removed = yield* remove(plan.machine, looksFor(plan, state)).pipe(
      Release.within(RELEASE_TIMEOUT_MILLIS),
      tellingSlow(`machine ${plan.machine}`),
      Effect.either
    )
    if (removed._tag === "Left") return yield* reportFailure(plan, removed.left.message)
    if (Option.isNone(removed.right)) {
      return yield* reportFailure(plan, `it could not be removed within ${RELEASE_TIMEOUT_MILLIS / 1000} s`)
    }
  })

const removeByHand = (plan: LaunchPlan): string =>
  plan.steps
    .filter((step) => step.stage === "release" && step.argv[0] === plan.runtime.program)
    .map((step) => step.argv.join(" "))
    .join(" && ")

const reportFailure = (plan: LaunchPlan, reason: string): Effect.Effect<void> =>
  notify({
    _tag: "ReleaseFailed",
    resource: `machine ${plan.machine}`,
    reason,
    suggestion: `Remove it by hand: ${removeByHand(plan)}`
  })

/** Deletes the machine, and looks until nothing was there so many times in a row; at most twice as often in all. */
export const remove = (name: string, looks: number): Effect.Effect<void, SmolvmError, Smolvm> =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm
    const deleteOnce = smolvm.machineDelete({ name }).pipe(
      Effect.as("deleted" as const),
      Effect.catchTag("MachineNotFound", () => Effect.succeed("absent" as const)),
      Effect.retry({
        times: DELETE_RETRIES,
        schedule: Schedule.exponential(LOOK_PAUSE_MILLIS_FIRST)
      })
    )
    let absent = 0
    // A runtime whose delete succeeds though nothing is there must not keep us looking for ever.
    for (let look = 0; look < looks * 2; look++) {
      absent = (yield* deleteOnce) === "absent" ? absent + 1 : 0
      if (looks === 1 || absent >= looks) return
      yield* Effect.sleep(LOOK_PAUSE_MILLIS_FIRST * 2 ** absent)
    }
  })

/**
 * Refuses a machine whose network is not as the plan has it: a pack carries its own wish for one, and it wins.
 */
export const checkNetwork = (
  plan: LaunchPlan
): Effect.Effect<void, StageFailed | NetworkNotOff | NetworkMissing, Smolvm> =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm
    const { network } = yield* smolvm
      .machineStatus({ name: plan.machine })
      .pipe(Effect.mapError(StageFailed.of("create")))
    const isWanted = plan.bundle._tag === "Container" && plan.bundle.topology === "address"
    if (!isWanted && network !== false) return yield* new NetworkNotOff({ machine: plan.machine })
    if (isWanted && network !== true) return yield* new NetworkMissing({ machine: plan.machine })
  })
