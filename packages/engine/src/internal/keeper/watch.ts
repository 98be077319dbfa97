import { Smolvm } from "@bottle/smolvm/Smolvm"
import * as Effect from "effect/Effect"
import type { LaunchPlan } from "../../LaunchPlan.js"

/** Its runtime answers at once, in this process; another one is a program that has to be started. */
const EVERY_MILLIS_LOCAL = 5000
const EVERY_MILLIS = 30_000

/** A machine that one look does not find may be one that its runtime was just writing down. */
const MISSES_MAX = 2

/** What a machine that runs is never called. One that is frozen, or busy (`unreachable`), may go on. */
const ENDED: ReadonlySet<string> = new Set(["created", "stopped", "failed"])

/**
 * Whether the machine runs; `null` where its runtime did not say. A runtime that hangs says nothing of the machine: a
 * bottle whose machine may live is not taken down for it.
 */
const look = (plan: LaunchPlan): Effect.Effect<boolean | null, never, Smolvm> =>
  Effect.flatMap(Smolvm, (smolvm) => smolvm.machineStatus({ name: plan.machine })).pipe(
    Effect.map(({ state }) => !ENDED.has(state)),
    Effect.catchTag("MachineNotFound", () => Effect.succeed(false)),
    Effect.orElseSucceed(() => null)
  )

/** Ends when the machine no longer runs. Looks while `isPaused` do not count: then it is stopped on purpose. */
export const untilGone = (plan: LaunchPlan, isPaused: Effect.Effect<boolean>): Effect.Effect<void, never, Smolvm> =>
  Effect.gen(function* () {
    const everyMillis = plan.runtime.kind === "local" ? EVERY_MILLIS_LOCAL : EVERY_MILLIS
    let misses = 0
    while (misses < MISSES_MAX) {
      yield* Effect.sleep(everyMillis)
      if (yield* isPaused) {
        misses = 0
        continue
      }
      const runs = yield* look(plan)
      // Whatever was seen, it may have been stopped while we looked.
      if (yield* isPaused) misses = 0
      else if (runs !== null) misses = runs ? 0 : misses + 1
    }
  })
