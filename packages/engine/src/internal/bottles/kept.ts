import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { FoundBottle } from "../../Bottles.js"
import type { ControlClient } from "../../Control.js"
import { ControlUnreachable } from "../../ControlError.js"
import type { Directories } from "../../Directories.js"
import type * as Ledger from "../../Ledger.js"
import * as RecordStore from "../../RecordStore.js"
import { Runtimes } from "../../Runtimes.js"
import * as Commands from "../commands.js"
import { foundOf } from "./found.js"

/** Whoever held it is gone, and with it what only that one could do. */
const controlOf = (id: Ledger.LedgerView["id"], pid: number): ControlClient => {
  const nobody = new ControlUnreachable({ id, reason: "kept", detail: null })
  return {
    id,
    pid,
    gone: Effect.never,
    describe: nobody,
    secrets: nobody,
    session: () => nobody,
    down: nobody,
    commit: () => nobody,
    events: () => Stream.fail(nobody),
    allow: () => nobody,
    reload: () => nobody,
    attach: () => Stream.fail(nobody)
  }
}

/**
 * A bottle whose machine was kept on purpose, to be looked into: commands and copies go to the machine, and nothing else
 * does. It has no bundle any more, and so reaches nothing; one that was not proven to have no other way out is nobody's
 * to run something in. Values of secrets have gone with its owner.
 */
export const kept = (
  directories: Directories,
  view: Ledger.LedgerView,
  down: FoundBottle["down"]
): Effect.Effect<FoundBottle, ControlUnreachable, Scope.Scope | Runtimes | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { claim, id } = view
    const record = Option.getOrUndefined(yield* RecordStore.read(directories, id))
    const plan = record?.plan._tag === "Read" ? record.plan.value : undefined
    const proof = record?.proof._tag === "Read" ? record.proof.value : undefined
    if (claim === null || plan === undefined || proof?.outcome !== "proven") {
      return yield* new ControlUnreachable({ id, reason: "kept-unproven", detail: null })
    }
    const smolvm = yield* (yield* Runtimes).smolvm(plan.runtime, claim.places)
    const operations = yield* Commands.operations({
      plan,
      smolvm,
      secrets: new Map(),
      session: () => Effect.succeed({ gone: Effect.never })
    })
    const control = controlOf(id, claim.owner.identity.pid)
    return foundOf({ name: claim.name, view, plan, proof, control, operations, down })
  })
