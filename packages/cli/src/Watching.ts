/**
 * A bottle whose refusals are watched: its decisions, the policy in force as far as it is known here, and how something
 * is allowed in it.
 *
 * @since 0.1.0
 */
import type { EgressEvent } from "@bottle/egress/EgressEvent"
import * as Policy from "@bottle/egress/Policy"
import type { FoundBottle } from "@bottle/engine/Bottles"
import type { AllowRefused, BottleGone, ControlError, OwnerFailed } from "@bottle/engine/ControlError"
import type { ReloadFailed } from "@bottle/engine/BundleError"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as PolicyEdit from "./PolicyEdit.js"
import * as Refusal from "./Refusal.js"
import type { Saving } from "./WatchState.js"

/** Refusals that are judged once for all their repetitions: a guest that is refused often costs no more. */
const JUDGED_MAX = 1024

/** The policy is not asked for more often than that: a guest decides how often it is refused. */
const REFRESH_MILLIS = 1000

/**
 * For how long something is allowed: for the bottle that is watched, or by its policy document too.
 *
 * @since 0.1.0
 * @category models
 */
export type Lasting = "bottle" | "good"

/**
 * How allowing something fails.
 *
 * @since 0.1.0
 * @category errors
 */
export type AllowError = PolicyEdit.NotSaved | AllowRefused | ReloadFailed | OwnerFailed | ControlError

/**
 * A bottle that is watched.
 *
 * - `refusals`: what is refused and not allowed by now, those that its owner keeps first, until the bottle goes down
 * - `warnings`: what speaks by now against allowing what a refusal is about
 * - `allow`: allows an entry, and tells the file that it was written to; the guest's next try passes
 *
 * @since 0.1.0
 * @category models
 */
export interface Watching {
  readonly id: string
  readonly saving: Saving
  readonly refusals: Stream.Stream<
    { readonly event: EgressEvent; readonly refusal: Refusal.Refusal },
    ControlError | BottleGone
  >
  readonly warnings: (refusal: Refusal.Refusal) => ReadonlyArray<string>
  readonly allow: (
    entry: string,
    lasting: Lasting
  ) => Effect.Effect<{ readonly file: string | null }, AllowError, FileSystem.FileSystem>
}

const NOWHERE = "by --allow or the manifest's policy at the next launch, or watch with --save FILE"

const policyOf = (document: Policy.PolicyDocument): Policy.Policy =>
  // It was one when its owner put it in force.
  Either.getOrElse(Policy.fromDocument(document), () => Policy.empty)

/**
 * Begins to watch a bottle. What is allowed for good is written to `save`, or else to the document that the bottle was
 * launched with.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  found: Pick<FoundBottle, "id" | "plan" | "control">,
  save: string | null
): Effect.Effect<Watching, ControlError> =>
  Effect.gen(function* () {
    const { control, id, plan } = found
    const file = save ?? plan.policyFile ?? null
    const saving: Saving = file === null ? { _tag: "Nowhere", advice: NOWHERE } : { _tag: "File", path: file }
    let policy = Policy.empty
    let readAt = 0
    const judged = new Map<string, Refusal.Refusal>()
    const follow = (document: Policy.PolicyDocument): void => {
      policy = policyOf(document)
      judged.clear()
    }
    const refresh = Effect.gen(function* () {
      readAt = yield* Clock.currentTimeMillis
      follow((yield* control.describe).policy)
    })
    const judge = (event: EgressEvent): Refusal.Refusal => {
      const { address, detail, host, method, port, reason, rule } = event
      const key = JSON.stringify([reason, host, port, method, address, rule, detail])
      const known = judged.get(key)
      if (known !== undefined) return known
      const refusal = Refusal.of(event, policy)
      if (judged.size >= JUDGED_MAX) judged.clear()
      judged.set(key, refusal)
      return refusal
    }
    yield* refresh

    /** What seems to be allowed and was refused after that was learnt: somebody else may have put another policy there. */
    const isRefused = (event: EgressEvent) =>
      Effect.gen(function* () {
        if (!Refusal.isAllowedBy(policy, event)) return true
        const now = yield* Clock.currentTimeMillis
        if (DateTime.toEpochMillis(event.time) <= readAt || now - readAt < REFRESH_MILLIS) return false
        yield* refresh
        return !Refusal.isAllowedBy(policy, event)
      })

    return {
      id,
      saving,
      refusals: control.events({ verdict: "deny" }).pipe(
        Stream.filterEffect(isRefused),
        Stream.map((event) => ({ event, refusal: judge(event) }))
      ),
      warnings: (refusal) => Refusal.warnings(refusal, policy),
      allow: (entry, lasting) =>
        Effect.gen(function* () {
          if (lasting === "good" && file === null) {
            return yield* new PolicyEdit.NotSaved({
              file: "the policy",
              reason: "the bottle was launched without a policy file",
              advice: `Add "${entry}" to the allow of the manifest's policy, or launch with --allow ${entry}; or watch with --save FILE.`
            })
          }
          // First where it stays: what cannot be written is not half allowed.
          if (lasting === "good" && file !== null) yield* PolicyEdit.save(file, entry, plan.guest.mounts)
          follow(yield* control.allow([entry]))
          readAt = yield* Clock.currentTimeMillis
          return { file: lasting === "good" ? file : null }
        })
    }
  })
