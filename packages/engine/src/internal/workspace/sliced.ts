import * as Effect from "effect/Effect"

/** How long other fibers wait for us at most, but for one entry, or one chunk of a file, that takes longer. */
const SLICE_MILLIS = 8

/** Work on files that is done in small steps: between two of them it can be ended, and then what it holds is let go. */
export type Steps<A> = Generator<void, A, void>

/**
 * Does synchronous work in slices: the calls are several times faster than their asynchronous kind for a tree of small
 * files, and so others still run, and an interruption is heard. What is thrown is given as it is.
 */
export const run = <A>(begin: () => Steps<A>): Effect.Effect<A, unknown> =>
  Effect.async<A, unknown>((resume) => {
    const steps = begin()
    let isEnded = false
    const slice = () => {
      if (isEnded) return
      try {
        const end = performance.now() + SLICE_MILLIS
        for (;;) {
          const step = steps.next()
          if (step.done === true) return resume(Effect.succeed(step.value))
          if (performance.now() >= end) break
        }
      } catch (cause) {
        return resume(Effect.fail(cause))
      }
      setImmediate(slice)
    }
    slice()
    return Effect.ignore(
      Effect.try(() => {
        isEnded = true
        // Runs what is in `finally`, so that descriptors and temporary files go.
        steps.throw(new Error("interrupted"))
      })
    )
  })
