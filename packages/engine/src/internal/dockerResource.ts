import type { DockerError } from "@bottle/docker/DockerError"
import * as Release from "@bottle/process/Release"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { notify } from "../LaunchObserver.js"
import { tellingSlow } from "./patience.js"

/** Longer than docker's own ten seconds for a container's end, and all the looks after it. */
const RELEASE_TIMEOUT_MILLIS = 60_000

/**
 * A creation that is interrupted goes on to its end, where that comes soon. Where it does not, or its client was killed,
 * the daemon may still make what it was asked for: it will not any more when so many looks in a row find nothing, with
 * pauses that double from the first; half a second in all.
 */
export const LOOKS_IN_A_ROW = 4
const LOOK_PAUSE_MILLIS_FIRST = 30

/** A removal that fails may succeed a moment later, when what held on to it has ended. */
const REMOVE_RETRIES = 3
const REMOVE_PAUSE_MILLIS_FIRST = 100

/** Exit codes above this one are a signal's. */
const SIGNALLED = 128

/** Something of the docker daemon's that a bottle makes and removes, by its name. */
export interface Resource {
  /** "network bottle-demo-abc12" */
  readonly what: string
  /** The command that removes it by hand. */
  readonly byHand: string
  /** Whether a failed creation says that somebody else's is there already. */
  readonly isForeign: (error: DockerError) => boolean
  /** Removes it; succeeds when nothing is there. */
  readonly remove: Effect.Effect<void, DockerError>
  /** Whether one that is this bottle's is there. */
  readonly isThere: Effect.Effect<boolean, DockerError>
}

/**
 * What is known of it.
 *
 * - `none`: nothing was begun, or somebody else's was there before us
 * - `making`: a creation was begun and did not end by itself; it may still have an effect
 * - `tried`: a creation ended by itself with a failure; what it left does not grow
 * - `made`: it is there
 */
type Existence = "none" | "making" | "tried" | "made"

/** Runs a creation, so that the release knows when it was cut off. */
export type Creation = <A, R>(effect: Effect.Effect<A, DockerError, R>) => Effect.Effect<A, DockerError, R>

/**
 * Registers the release of something that is not there yet. Its creation can be interrupted: whatever happens half-way,
 * the release removes it by name, and looks until nothing is there.
 */
export const own = (resource: Resource): Effect.Effect<Creation, never, Scope.Scope> =>
  Effect.gen(function* () {
    const existence = yield* Ref.make<Existence>("none")
    yield* Effect.addFinalizer(() => release(resource, existence))
    return (effect) =>
      Ref.set(existence, "making").pipe(
        Effect.zipRight(effect),
        Effect.tap(() => Ref.set(existence, "made")),
        Effect.tapError((error) => Ref.set(existence, afterFailure(resource, error)))
      )
  })

const afterFailure = (resource: Resource, error: DockerError): Existence => {
  if (resource.isForeign(error)) return "none"
  // A client that a signal ended says so by its exit code; the daemon goes on without it.
  const isCutOff = error._tag === "DockerCommandFailed" && error.exitCode > SIGNALLED
  return isCutOff || error._tag === "DockerTimedOut" ? "making" : "tried"
}

const release = (resource: Resource, existence: Ref.Ref<Existence>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const state = yield* Ref.get(existence)
    if (state === "none") return
    const removed = yield* remove(resource, state).pipe(
      Release.within(RELEASE_TIMEOUT_MILLIS),
      tellingSlow(resource.what),
      Effect.either
    )
    if (removed._tag === "Left") return yield* reportFailure(resource, removed.left.message)
    if (Option.isNone(removed.right)) {
      return yield* reportFailure(resource, `it could not be removed within ${RELEASE_TIMEOUT_MILLIS / 1000} s`)
    }
  })

const reportFailure = (resource: Resource, reason: string): Effect.Effect<void> =>
  notify({
    _tag: "ReleaseFailed",
    resource: resource.what,
    reason,
    suggestion: `Remove it by hand: ${resource.byHand}`
  })

const remove = (resource: Resource, state: Exclude<Existence, "none">): Effect.Effect<void, DockerError> => {
  switch (state) {
    case "making":
      return removeUntilAbsent(resource)
    case "tried":
      return Effect.asVoid(Effect.whenEffect(removeOnce(resource), resource.isThere))
    case "made":
      return removeOnce(resource)
  }
}

const removeOnce = (resource: Pick<Resource, "remove">): Effect.Effect<void, DockerError> =>
  Effect.retry(resource.remove, {
    times: REMOVE_RETRIES,
    schedule: Schedule.exponential(REMOVE_PAUSE_MILLIS_FIRST)
  })

/** Looks until nothing was there so many times in a row; at most twice as often in all. */
export const removeUntilAbsent = (
  resource: Pick<Resource, "remove" | "isThere">,
  looks: number = LOOKS_IN_A_ROW
): Effect.Effect<void, DockerError> =>
  Effect.gen(function* () {
    let absent = 0
    for (let look = 0; look < looks * 2 && absent < looks; look++) {
      if (yield* resource.isThere) {
        yield* removeOnce(resource)
        absent = 0
      } else absent += 1
      if (absent < looks) yield* Effect.sleep(LOOK_PAUSE_MILLIS_FIRST * 2 ** absent)
    }
  })
