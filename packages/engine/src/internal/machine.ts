import { Smolvm } from "@bottle/smolvm/Smolvm"
import type { SmolvmError } from "@bottle/smolvm/SmolvmError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import { NetworkNotOff, StageFailed } from "../LaunchError.js"
import { notify } from "../LaunchObserver.js"
import type { LaunchPlan } from "../LaunchPlan.js"
import * as LaunchPlan_ from "../LaunchPlan.js"
import { stage } from "./stage.js"

const RELEASE_TIMEOUT_MILLIS = 60_000

/** How often to look for a machine whose creator was cut off, and how long between: its runtime may still be at it. */
const LOOKS_AFTER_CUT = 5
const LOOK_PAUSE_MILLIS = 50

/**
 * What is known of the machine.
 *
 * - `none`: nothing was begun
 * - `making`: a create or start was begun and has not ended by itself; it may still have an effect
 * - `made`: it is there
 * - `foreign`: a machine of this name was there before us
 */
type Existence = "none" | "making" | "made" | "foreign"

/** A machine that its scope releases. */
export interface OwnedMachine {
  readonly keep: Effect.Effect<void>
  /** Runs a step that changes the machine, so that its release knows when it was cut off. */
  readonly step: <A, R>(effect: Effect.Effect<A, SmolvmError, R>) => Effect.Effect<A, SmolvmError, R>
}

/**
 * Creates the machine of a plan. Its release is registered before anything runs and the creation can be interrupted;
 * so whatever happens half-way, the release looks until nothing is there.
 */
export const acquire = (plan: LaunchPlan): Effect.Effect<OwnedMachine, StageFailed, Scope.Scope | Smolvm> =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm
    const capabilities = yield* Effect.mapError(smolvm.capabilities, StageFailed.of("create"))
    const existence = yield* Ref.make<Existence>("none")
    const kept = yield* Ref.make(false)
    yield* Effect.addFinalizer((exit) =>
      release(plan, existence, kept, exit).pipe(Effect.provideService(Smolvm, smolvm))
    )

    const step: OwnedMachine["step"] = (effect) =>
      Ref.set(existence, "making").pipe(
        Effect.zipRight(effect),
        Effect.tap(() => Ref.set(existence, "made")),
        Effect.tapErrorTag("MachineAlreadyExists", () => Ref.set(existence, "foreign"))
      )
    yield* step(smolvm.machineCreate(LaunchPlan_.createOptions(plan, capabilities))).pipe(
      Effect.mapError(StageFailed.of("create")),
      stage("create")
    )
    return { keep: Ref.set(kept, true), step }
  })

const isKept = (plan: LaunchPlan, kept: boolean, exit: Exit.Exit<unknown, unknown>): boolean =>
  kept || (plan.keepOnFailure && Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause))

const release = (
  plan: LaunchPlan,
  existence: Ref.Ref<Existence>,
  kept: Ref.Ref<boolean>,
  exit: Exit.Exit<unknown, unknown>
): Effect.Effect<void, never, Smolvm> =>
  Effect.gen(function* () {
    const state = yield* Ref.get(existence)
    if (state === "none" || state === "foreign") return
    if (isKept(plan, yield* Ref.get(kept), exit)) return yield* notify({ _tag: "Kept", machine: plan.machine })
    const removed = yield* remove(plan.machine, state === "made" ? 1 : LOOKS_AFTER_CUT).pipe(
      // Finalizers cannot be interrupted, and without this a timeout in one would wait for what it is to cut off.
      Effect.interruptible,
      Effect.timeoutOption(RELEASE_TIMEOUT_MILLIS),
      Effect.either
    )
    if (removed._tag === "Left") return yield* reportFailure(plan, removed.left.message, removed.left.suggestion)
    if (Option.isNone(removed.right)) {
      const reason = `it could not be removed within ${RELEASE_TIMEOUT_MILLIS / 1000} s`
      return yield* reportFailure(plan, reason, `Remove it by hand: ${removeByHand(plan)}`)
    }
  })

const removeByHand = (plan: LaunchPlan): string =>
  plan.steps
    .filter((step) => step.stage === "release")
    .map((step) => step.argv.join(" "))
    .join(" && ")

const reportFailure = (plan: LaunchPlan, reason: string, suggestion: string): Effect.Effect<void> =>
  notify({ _tag: "ReleaseFailed", resource: `machine ${plan.machine}`, reason, suggestion })

/** Deletes the machine; that it is not there is what was wanted, but after a cut it may come yet: so look again. */
const remove = (name: string, looks: number): Effect.Effect<void, SmolvmError, Smolvm> =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm
    const gone = yield* smolvm.machineDelete({ name }).pipe(
      Effect.as(true),
      Effect.catchTag("MachineNotFound", () => Effect.succeed(false))
    )
    if (gone || looks <= 1) return
    yield* Effect.sleep(LOOK_PAUSE_MILLIS)
    yield* remove(name, looks - 1)
  })

/**
 * Refuses a machine that has a network although none was asked for: a pack carries its own wish for one, and it wins.
 */
export const refuseNetwork = (plan: LaunchPlan): Effect.Effect<void, StageFailed | NetworkNotOff, Smolvm> =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm
    const machine = yield* smolvm.machineStatus({ name: plan.machine }).pipe(Effect.mapError(StageFailed.of("create")))
    if (machine.network !== false) return yield* new NetworkNotOff({ machine: plan.machine })
  })
