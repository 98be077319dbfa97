/**
 * What the runtimes say of the machines of several bottles: each runtime is asked once, and for no longer than a moment.
 *
 * @since 0.1.0
 */
import type { Places } from "@bottle/engine/Places"
import { type RuntimeName, Runtimes } from "@bottle/engine/Runtimes"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

/** Nobody waits longer for a list, however sick one machine is. */
const DEADLINE_MILLIS = 1000

/**
 * A machine, and the runtime that has it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Asked {
  readonly machine: string
  readonly runtime: RuntimeName
  /** Where that runtime is, and keeps its machines; where the environment says so when absent. */
  readonly places?: Places | undefined
}

/**
 * The state of each machine by its name; null where its runtime does not answer in time, `missing` where it has no such
 * machine. A runtime that was too slow is ended with the scope, which may take it longer than the answer.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ask = (
  machines: ReadonlyArray<Asked>
): Effect.Effect<ReadonlyMap<string, string | null>, never, Runtimes | Scope.Scope> =>
  Effect.gen(function* () {
    const runtimes = yield* Runtimes
    const groups = new Map<string, Array<Asked>>()
    for (const one of machines) {
      const key = JSON.stringify([one.runtime.kind, one.runtime.program, one.places])
      groups.set(key, [...(groups.get(key) ?? []), one])
    }
    const askOne = (group: ReadonlyArray<Asked>) =>
      Effect.gen(function* () {
        const [first] = group
        if (first === undefined) return []
        const { machineLs } = yield* runtimes.smolvm(first.runtime, first.places)
        const found = new Map((yield* machineLs).map(({ name, state }) => [name, state]))
        return group.map(({ machine }) => [machine, found.get(machine) ?? "missing"] as const)
      }).pipe(Effect.scoped, Effect.option)
    const fibers = yield* Effect.forEach(groups.values(), (group) => Effect.forkScoped(askOne(group)))
    const answers = yield* Effect.forEach(fibers, (fiber) => Effect.timeoutOption(Fiber.join(fiber), DEADLINE_MILLIS), {
      concurrency: "unbounded"
    })
    const states = new Map<string, string | null>(machines.map(({ machine }) => [machine, null]))
    for (const answer of answers) {
      for (const [machine, state] of Option.getOrElse(Option.flatten(answer), () => [])) {
        states.set(machine, state)
      }
    }
    return states
  })
