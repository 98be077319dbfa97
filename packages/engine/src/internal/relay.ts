import type { ExecResult } from "@bottle/smolvm/MachineExec"
import { Smolvm } from "@bottle/smolvm/Smolvm"
import * as Effect from "effect/Effect"
import * as GuestRelay from "../GuestRelay.js"
import { RelayFailed, StageFailed } from "../LaunchError.js"
import { type LaunchPlan, socketOf } from "../LaunchPlan.js"
import { tail } from "./guestText.js"
import { stage } from "./stage.js"

const reasonOf = (result: ExecResult, output: string): RelayFailed["reason"] => {
  switch (result.exitCode) {
    case GuestRelay.ExitCode.noProgram:
      return "no-program"
    case GuestRelay.ExitCode.noSocket:
      return "no-socket"
    case GuestRelay.ExitCode.portTaken:
      return "port-taken"
    case GuestRelay.ExitCode.notListening:
      return "not-listening"
    default:
      return result.exitCode === 127 || /failed to spawn|not found|no such file/i.test(output) ? "no-shell" : "unknown"
  }
}

/** Starts the relay in the guest; it listens when this returns. */
export const start = (plan: LaunchPlan): Effect.Effect<void, RelayFailed | StageFailed, Smolvm> =>
  Effect.gen(function* () {
    if (socketOf(plan) === null) return
    const smolvm = yield* Smolvm
    const result = yield* smolvm
      .machineExec({ name: plan.machine, command: GuestRelay.command })
      .pipe(Effect.mapError(StageFailed.of("relay")))
    if (result.exitCode === 0) return
    const output = tail(result.stderr)
    return yield* new RelayFailed({ reason: reasonOf(result, output), exitCode: result.exitCode, output })
  }).pipe(stage("relay"))
