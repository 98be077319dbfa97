/**
 * The proof: before a bottle is handed over, its guest tries every way out that it must not have, and the one that it
 * must. What reaches a decoy of the launch's is a leak, whatever the guest says.
 *
 * @since 0.1.0
 */
import type { EgressEvent } from "@bottle/egress/EgressEvent"
import type { Smolvm } from "@bottle/smolvm/Smolvm"
import type { SmolvmError } from "@bottle/smolvm/SmolvmError"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import * as Guest from "./internal/proof/guest.js"
import * as Run from "./internal/proof/run.js"
import type { LaunchPlan } from "./LaunchPlan.js"
import type { EgressNotEnforced, EgressUnproven } from "./ProofError.js"
import type { ProofRecord } from "./ProofRecord.js"

/**
 * What a proof needs to know.
 *
 * - `plan`: the plan that was executed, with the network that was taken
 * - `proof`: the nonce that the bundle answers through its proxy (`Proxy.serve`); not used without a bundle
 * - `bundle`: the running bundle, whose events must show the refusals
 *
 * @since 0.1.0
 * @category models
 */
export interface ProveOptions {
  readonly plan: LaunchPlan
  readonly proof: string
  readonly bundle: { readonly events: Stream.Stream<EgressEvent> }
}

/**
 * The guest's command that probes: the words after `--` of one exec, which is interactive, since the targets come on its
 * standard input. They are the same in every launch.
 *
 * @since 0.1.0
 * @category argv
 */
export const command: ReadonlyArray<string> = Guest.command

/**
 * Probes the machine of a plan, which runs, from inside and from outside.
 *
 * Fails with `EgressNotEnforced` when anything was reached that must not be, whatever the plan demands. Fails with
 * `EgressUnproven` when nothing of that kind was seen but not enough could be tried; where the plan demands an attempt
 * only (`plan.proof.demand`), the record says so instead.
 *
 * @since 0.1.0
 * @category constructors
 */
export const prove: (
  options: ProveOptions
) => Effect.Effect<ProofRecord, EgressNotEnforced | EgressUnproven | SmolvmError, Smolvm> = Run.prove

/**
 * Who proves a launch. A test of something else can put a proof in its place that has nothing to probe.
 *
 * @since 0.1.0
 * @category services
 */
export class Prover extends Context.Reference<Prover>()("@bottle/engine/Prover", {
  defaultValue: () => ({ prove })
}) {}
