/**
 * What a launch says while it happens: for progress, records and tests. The default listens to nothing.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Stage } from "./Stage.js"

/**
 * How long something may take to remove before that is told; a removal that is well takes a second at most.
 *
 * @since 0.1.0
 * @category constants
 */
export const RELEASE_SLOW_MILLIS = 3000

/**
 * One thing that happened to a bottle.
 *
 * - `StageEnded.durationMillis` is wall-clock time
 * - `ReleaseSlow`: something takes longer than `RELEASE_SLOW_MILLIS` to remove; how that ends is yet to come
 * - `ReleaseFailed`: something may be left behind; the text says what and how to remove it
 * - `StageSaid`: the last line that the programs of a long stage printed, told now and then; visible ASCII, bounded
 * - `Kept`: the machine was left in place on purpose
 * - `BundleSaid`: a bundle in a container said something that has no other meaning; one line of visible ASCII, bounded.
 *   `daemon` is which of its programs did, `null` where that is not known
 *
 * @since 0.1.0
 * @category models
 */
export type LaunchEvent =
  | { readonly _tag: "StageStarted"; readonly stage: Stage }
  | { readonly _tag: "StageEnded"; readonly stage: Stage; readonly durationMillis: number; readonly ok: boolean }
  | { readonly _tag: "StageSaid"; readonly stage: Stage; readonly text: string }
  | { readonly _tag: "ReleaseSlow"; readonly resource: string }
  | {
      readonly _tag: "ReleaseFailed"
      readonly resource: string
      readonly reason: string
      readonly suggestion: string
    }
  | { readonly _tag: "Kept"; readonly machine: string }
  | { readonly _tag: "BundleSaid"; readonly daemon: string | null; readonly text: string }

/**
 * Who is told of what happens to a bottle.
 *
 * @since 0.1.0
 * @category services
 */
export class LaunchObserver extends Context.Reference<LaunchObserver>()("@bottle/engine/LaunchObserver", {
  defaultValue: (): { readonly notify: (event: LaunchEvent) => Effect.Effect<void> } => ({
    notify: () => Effect.void
  })
}) {}

/**
 * Tells the observer of the current fiber.
 *
 * @since 0.1.0
 * @category constructors
 */
export const notify = (event: LaunchEvent): Effect.Effect<void> =>
  Effect.flatMap(LaunchObserver, (observer) => observer.notify(event))
