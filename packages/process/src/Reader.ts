/**
 * Reading a program's pipe to its end, and no longer than that makes sense.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/**
 * Somebody who reads a pipe to its end.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reader {
  readonly fiber: Fiber.RuntimeFiber<void>
  readonly progress: Progress
}

/**
 * How far a reader is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Progress {
  isDone: boolean
  /** Whether it waits for the process, rather than for whoever takes what it read. */
  isWaiting: boolean
  waitedMillis: number
}

/**
 * Starts to read a pipe. It reads on only when `take` is done with what came before; a `take` that is interrupted ends it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fork = (
  stream: Stream.Stream<Uint8Array, PlatformError>,
  take: (chunk: Chunk.Chunk<Uint8Array>) => Effect.Effect<void>,
  scope: Scope.Scope
): Effect.Effect<Reader> =>
  Effect.suspend(() => {
    const progress: Progress = { isDone: false, isWaiting: true, waitedMillis: 0 }
    const run = Effect.scoped(
      Effect.flatMap(Stream.toPull(stream), (pull) => {
        const next: Effect.Effect<never, Option.Option<PlatformError>> = Effect.flatMap(pull, (chunk) => {
          progress.isWaiting = false
          return Effect.flatMap(take(chunk), () => {
            progress.isWaiting = true
            return next
          })
        })
        return next
      })
    ).pipe(
      // A pipe that cannot be read has no place in what callers handle, and silence would lose output.
      Effect.catchAll(Option.match({ onNone: () => Effect.void, onSome: Effect.die })),
      Effect.ensuring(
        Effect.sync(() => {
          progress.isDone = true
        })
      )
    )
    return Effect.map(Effect.forkIn(run, scope), (fiber): Reader => ({ fiber, progress }))
  })

/**
 * Waits, after the process has ended, until its pipes are read. A background process may hold a pipe open for ever, so a
 * reader that has waited `drainMillis` for more is stopped; time in which others make it wait does not count.
 *
 * @since 0.1.0
 * @category constructors
 */
export const drain = (readers: ReadonlyArray<Reader>, drainMillis: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const live = readers.filter(({ progress }) => !progress.isDone)
    if (live.length === 0) return joinAll(readers)
    // Counted in ticks, so that a machine that stood still comes round to reading before time is up.
    const tickMillis = Math.max(1, drainMillis / drainTicks)
    return Effect.flatMap(Effect.timeoutOption(joinAll(live), tickMillis), (joined) => {
      if (Option.isSome(joined)) return joinAll(readers)
      const late = live.filter(({ progress }) => {
        if (progress.isWaiting) progress.waitedMillis += tickMillis
        return progress.waitedMillis >= drainMillis
      })
      return Effect.zipRight(
        Effect.forEach(late, ({ fiber }) => Fiber.interrupt(fiber), { discard: true }),
        drain(readers, drainMillis)
      )
    })
  })

const drainTicks = 10

const joinAll = (readers: ReadonlyArray<Reader>): Effect.Effect<void> =>
  Effect.forEach(readers, ({ fiber }) => Effect.flatMap(Fiber.await(fiber), unlessInterrupted), { discard: true })

// A reader that was stopped is done; one that broke must not pass for one.
const unlessInterrupted = (exit: Exit.Exit<void>): Effect.Effect<void> =>
  Exit.isInterrupted(exit) ? Effect.void : exit
