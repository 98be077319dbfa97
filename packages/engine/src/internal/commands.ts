import * as Policy from "@bottle/egress/Policy"
import * as Exec from "@bottle/smolvm/Exec"
import { Smolvm } from "@bottle/smolvm/Smolvm"
import type { SmolvmError } from "@bottle/smolvm/SmolvmError"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { Bottle, BottleError, BottleOutput, CommandExit, ExecResult } from "../Bottle.js"
import type { RunningBundle } from "../Bundle.js"
import type { MachineLost } from "../CommitError.js"
import { type LaunchPlan, socketOf } from "../LaunchPlan.js"
import type { ProofRecord } from "../ProofRecord.js"
import type { BundleDied } from "../LaunchError.js"
import type { Fence } from "./fence.js"
import type { Gate } from "./gate.js"
import * as InForce from "./inForce.js"
import { quietMillis } from "./ofCommand.js"

/** What commands are run with. */
export interface Means<E> {
  readonly plan: LaunchPlan
  readonly smolvm: Context.Tag.Service<typeof Smolvm>
  readonly secrets: ReadonlyMap<string, Redacted.Redacted>
  readonly session: Exec.OpenSession<E>
}

/** The operations of a bottle that need its machine, of whichever process the bottle is. */
export interface Operations<E> {
  readonly exec: (options: Parameters<Bottle["exec"]>[0]) => Effect.Effect<ExecResult, BottleError | E>
  readonly stream: (options: Parameters<Bottle["stream"]>[0]) => Stream.Stream<BottleOutput, BottleError | E>
  readonly attach: (options: Parameters<Bottle["attach"]>[0]) => Effect.Effect<CommandExit, BottleError | E>
  readonly cpIn: (options: Parameters<Bottle["cpIn"]>[0]) => Effect.Effect<void, BottleError | E>
  readonly cpOut: (options: Parameters<Bottle["cpOut"]>[0]) => Effect.Effect<void, BottleError | E>
}

/** What each command of this machine has, and what is known of it. */
const execOptions = <E>({ plan, secrets, session }: Omit<Means<E>, "smolvm">): Exec.ExecOptions<E> => ({
  name: plan.machine,
  env: plan.guest.env,
  secrets,
  workdir: plan.guest.workdir ?? undefined,
  source: plan.source._tag === "Bare" ? "bare" : "image",
  // The relay needed a shell already; without a relay nobody has asked yet.
  hasShell: socketOf(plan) === null ? undefined : true,
  quietMillis: quietMillis(plan),
  session
})

export const operations = <E>(means: Means<E>): Effect.Effect<Operations<E>> =>
  Effect.gen(function* () {
    const { plan, session, smolvm } = means
    const { attach, run, stream } = yield* Effect.provideService(Exec.make(execOptions(means)), Smolvm, smolvm)
    const copy = (src: string, dst: string): Effect.Effect<void, SmolvmError | E> =>
      Effect.scoped(Effect.zipRight(session(undefined), smolvm.machineCp({ src, dst })))
    return {
      exec: run,
      stream,
      attach,
      cpIn: ({ guest, host }) => copy(host, `${plan.machine}:${guest}`),
      cpOut: ({ guest, host }) => copy(`${plan.machine}:${guest}`, host)
    }
  })

/** A ready machine, as the launch hands it to its bottle. */
export interface Ready {
  readonly plan: LaunchPlan
  readonly smolvm: Context.Tag.Service<typeof Smolvm>
  readonly bundle: RunningBundle
  readonly proof: ProofRecord
  readonly secrets: ReadonlyMap<string, Redacted.Redacted>
  readonly gate: Gate
  readonly fence: Fence
  /** Failed when the bundle has ended, or the machine is gone. */
  readonly ended: Deferred.Deferred<never, BundleDied | MachineLost>
  readonly keep: Bottle["keep"]
  readonly commit: Bottle["commit"]
}

export const make = (ready: Ready): Effect.Effect<Bottle> =>
  Effect.gen(function* () {
    const { bundle, commit, ended, fence, gate, keep, plan, proof } = ready
    const died = Deferred.await(ended)
    // A gate that is shut opens also when the machine did not come up again.
    const session: Exec.OpenSession<BundleDied | MachineLost> = () =>
      Effect.flatMap(gate.enter, (isSame) =>
        Effect.flatMap(Deferred.poll(ended), (end) =>
          Option.getOrElse(end, () => Effect.succeed({ gone: died, isSame }))
        )
      )
    const machine = yield* operations({ ...ready, session })
    const { events } = fence
    const inForce = yield* InForce.make(
      // It was read when the bundle started; a bottle without a bundle reaches nothing, whatever it says.
      Either.getOrElse(Policy.fromDocument(plan.egress), () => Policy.empty),
      // A step behind, so that a bundle that has died says so first.
      (policy) => Effect.raceFirst(bundle.died, Effect.zipRight(Effect.yieldNow(), bundle.reload(policy)))
    )
    return {
      id: plan.id,
      plan,
      proof,
      ...machine,
      commit,
      died,
      events,
      denials: Stream.filter(events, (event) => event.verdict === "deny"),
      ...inForce,
      keep
    }
  })
