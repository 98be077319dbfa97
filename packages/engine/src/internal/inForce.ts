import * as Policy from "@bottle/egress/Policy"
import { limits } from "@bottle/egress/PolicyDocument"
import * as Rule from "@bottle/egress/Rule"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import { AllowRefused } from "../ControlError.js"

/** Entries that are added to one bottle by hand: far above what a person decides. */
export const ADDED_MAX = 256

/** The policy that a bundle follows: what it was launched or reloaded with, and the entries that were added since. */
export interface InForce<E> {
  readonly policy: Effect.Effect<Policy.Policy>
  readonly reload: (
    policy: Policy.Policy,
    options?: { readonly keepAllowed?: boolean | undefined }
  ) => Effect.Effect<void, E>
  readonly allow: (entries: ReadonlyArray<string>) => Effect.Effect<Policy.Policy, E | AllowRefused>
}

interface State {
  readonly base: Policy.Policy
  /** By what makes it the rule that it is. */
  readonly added: ReadonlyMap<string, string>
  readonly policy: Policy.Policy
}

const united = (base: Policy.Policy, added: State["added"]): Either.Either<State, Policy.PolicyError> =>
  added.size === 0
    ? Either.right({ base, added, policy: base })
    : Either.map(Policy.fromDocument(Policy.toDocument(base), { allow: [...added.values()] }), (policy): State => ({
        base,
        added,
        policy
      }))

const refused = (entry: string, reason: AllowRefused["reason"], detail: string) =>
  Either.left(new AllowRefused({ entry, reason, detail }))

/** What is in force with these entries too; the same state where they are in it already. */
const withEntries = (state: State, entries: ReadonlyArray<string>): Either.Either<State, AllowRefused> =>
  Either.gen(function* () {
    const known = new Set(state.policy.allow.map(Rule.identity))
    const added = new Map(state.added)
    for (const entry of entries) {
      const rule = yield* Either.orElse(Rule.parseAllow(entry), (error) =>
        refused(error.entry, "malformed", error.detail)
      )
      const identity = Rule.identity(rule)
      if (!known.has(identity)) added.set(identity, entry)
    }
    if (added.size === state.added.size) return state
    const [first = ""] = entries
    if (added.size > ADDED_MAX) return yield* refused(first, "too-many", `${ADDED_MAX} entries were added already`)
    if (state.base.allow.length + added.size > limits.rules) {
      return yield* refused(first, "too-many", `a policy has at most ${limits.rules} entries`)
    }
    return yield* Either.orElse(united(state.base, added), (error) => refused(error.entry, "malformed", error.detail))
  })

/**
 * Changes come one after the other, each made of what the one before left: of two at once none is lost. A change that
 * was begun is ended, also when nobody waits for it any more: what is in force would not be known.
 */
export const make = <E>(
  initial: Policy.Policy,
  put: (policy: Policy.Policy) => Effect.Effect<void, E>
): Effect.Effect<InForce<E>> =>
  Effect.map(Effect.makeSemaphore(1), (lock) => {
    let state: State = { base: initial, added: new Map(), policy: initial }
    const change = <E2>(next: (before: State) => Either.Either<State, E2>): Effect.Effect<Policy.Policy, E | E2> =>
      Effect.suspend(() => next(state)).pipe(
        Effect.tap((after) => (after === state ? Effect.void : put(after.policy))),
        Effect.map((after) => (state = after).policy),
        lock.withPermits(1),
        Effect.interruptible,
        Effect.forkDaemon,
        Effect.flatMap(Fiber.join)
      )
    return {
      policy: Effect.sync(() => state.policy),
      reload: (base, { keepAllowed = false } = {}) =>
        Effect.asVoid(
          change((before) =>
            // Each part was a policy already, and entries that allow have no quarrel with others.
            Either.orElse(united(base, keepAllowed ? before.added : new Map<string, string>()), () =>
              Either.right<State>({ base, added: new Map(), policy: base })
            )
          )
        ),
      allow: (entries) => change((before) => withEntries(before, entries))
    }
  })
