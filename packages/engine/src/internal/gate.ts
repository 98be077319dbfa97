import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Whatever uses a machine goes through its gate, so that nothing does while the machine is stopped and started again. */
export interface Gate {
  /**
   * Waits while the gate is shut, then counts until the scope closes. Gives whether the machine has run all the time
   * since.
   */
  readonly enter: Effect.Effect<() => boolean, never, Scope.Scope>
  /** How many are inside. */
  readonly inside: Effect.Effect<number>
  /** Shuts the gate until the scope closes, unless it is shut, or somebody is inside and that is not to be overridden. */
  readonly shut: (options: {
    readonly force: boolean
  }) => Effect.Effect<"shut" | "busy" | "shut-before", never, Scope.Scope>
  /** The machine is about to be stopped: what began before is not in its next run. */
  readonly turn: Effect.Effect<void>
  /** Waits until nobody is inside. */
  readonly empty: Effect.Effect<void>
}

export const make: Effect.Effect<Gate> = Effect.gen(function* () {
  const open = yield* Effect.makeLatch(true)
  const empty = yield* Effect.makeLatch(true)
  let isShut = false
  let inside = 0
  let run = 0

  const leave = Effect.sync(() => {
    inside -= 1
    if (inside === 0) empty.unsafeOpen()
  })

  const enter: Gate["enter"] = Effect.uninterruptibleMask((restore) => {
    // Looked at and entered in one go; somebody may have shut it again before our turn came.
    const attempt: Effect.Effect<() => boolean, never, Scope.Scope> = Effect.suspend(() => {
      if (isShut) return Effect.zipRight(restore(open.await), attempt)
      inside += 1
      empty.unsafeClose()
      const begun = run
      return Effect.as(
        Effect.addFinalizer(() => leave),
        () => run === begun
      )
    })
    return attempt
  })

  const shut: Gate["shut"] = ({ force }) =>
    Effect.uninterruptible(
      Effect.suspend(() => {
        if (isShut) return Effect.succeed("shut-before" as const)
        if (inside > 0 && !force) return Effect.succeed("busy" as const)
        isShut = true
        return Effect.as(
          Effect.acquireRelease(open.close, () =>
            Effect.suspend(() => {
              isShut = false
              return open.open
            })
          ),
          "shut" as const
        )
      })
    )

  return {
    enter,
    inside: Effect.sync(() => inside),
    shut,
    turn: Effect.sync(() => {
      run += 1
    }),
    empty: empty.await
  }
})
