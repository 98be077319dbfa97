/**
 * Waiting for something that happens elsewhere, with an end.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"

/**
 * How long to wait, and how often to look.
 *
 * @since 0.1.0
 * @category models
 */
export interface WaitOptions {
  /** After this the wait dies. */
  readonly boundMillis: number
  /** Between two looks; 10 by default. */
  readonly everyMillis?: number | undefined
  /** What is waited for, in the message. */
  readonly what?: string | undefined
}

/**
 * Waits until the condition holds; dies, saying what it waited for, when that takes longer than the bound. It waits in
 * real time, on a `TestClock` too.
 *
 * @since 0.1.0
 * @category combinators
 */
export const waitUntil = <E, R>(
  condition: Effect.Effect<boolean, E, R>,
  options: WaitOptions
): Effect.Effect<void, E, R> =>
  Effect.suspend(() => {
    const end = performance.now() + options.boundMillis
    const look: Effect.Effect<void, E, R> = Effect.flatMap(condition, (holds) => {
      if (holds) return Effect.void
      return performance.now() >= end
        ? Effect.dieMessage(`Waited ${options.boundMillis} ms in vain for ${options.what ?? "a condition"}`)
        : Effect.zipRight(realSleep(options.everyMillis ?? 10), look)
    })
    return look
  })

const realSleep = (millis: number): Effect.Effect<void> =>
  Effect.async((resume) => {
    const timer = setTimeout(() => resume(Effect.void), millis)
    return Effect.sync(() => clearTimeout(timer))
  })
