import { endedBy } from "@bottle/process/Race"
import * as Reap from "@bottle/smolvm/Reap"
import type { Smolvm } from "@bottle/smolvm/Smolvm"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { type Held, type HoldOptions, serve } from "../../Control.js"
import { BottleGone, type ControlFailed, DownReason } from "../../ControlError.js"
import * as Schema from "effect/Schema"
import { ofCommand } from "../ofCommand.js"

const isDownReason = Schema.is(DownReason)

/** Why a bottle goes down whose scope closes so. */
const reasonOf = (exit: Exit.Exit<unknown, unknown>): DownReason => {
  if (Exit.isSuccess(exit)) return "ended"
  const failure = Option.getOrNull(Cause.failureOption(exit.cause))
  if (failure === null) return Cause.isInterrupted(exit.cause) ? "signal" : "ended"
  const read = (key: string): unknown => (typeof failure === "object" ? Reflect.get(failure, key) : undefined)
  switch (read("_tag")) {
    case "BottleGone": {
      const reason = read("reason")
      return isDownReason(reason) ? reason : "ended"
    }
    case "BundleDied":
      return "bundle-died"
    case "MachineLost":
      return "machine-gone"
    default:
      return "ended"
  }
}

/** Serves the control of a bottle that is used by the fiber that launched it. */
export const hold = (options: HoldOptions): Effect.Effect<Held, ControlFailed, Scope.Scope | Smolvm> =>
  Effect.gen(function* () {
    const { bottle, failures, outer } = options
    const asked = yield* Deferred.make<never, BottleGone>()
    const context = yield* Effect.context<Smolvm>()
    const serving = yield* serve({
      ...options,
      down: Effect.asVoid(Deferred.fail(asked, new BottleGone({ id: bottle.id, reason: "asked" }))),
      reap: (witness) => Effect.asVoid(Effect.provide(Reap.reap(ofCommand(bottle.plan, witness)), context))
    }).pipe(Scope.extend(outer))
    yield* Scope.addFinalizer(outer, Effect.flatMap(failures, serving.closed))
    // Registered last, so that it is the first to run.
    yield* Effect.addFinalizer((exit) => serving.closing(reasonOf(exit)))
    return { during: endedBy(Deferred.await(asked)) }
  }).pipe(Effect.uninterruptible)
