import * as Release from "@bottle/process/Release"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"

describe("Release.within", () => {
  for (const interrupts of [0, 1, 2]) {
    it.live(`does its work to the end, interrupted ${interrupts} times while it is at it`, () =>
      Effect.gen(function* () {
        const begun = yield* Deferred.make<void>()
        const go = yield* Deferred.make<void>()
        let isDone = false
        const work = Effect.gen(function* () {
          yield* Deferred.succeed(begun, undefined)
          yield* Deferred.await(go)
          isDone = true
        })
        const fiber = yield* Effect.fork(
          Effect.scoped(Effect.addFinalizer(() => Effect.asVoid(Release.within(60_000)(work))))
        )
        yield* Deferred.await(begun)
        for (let time = 0; time < interrupts; time++) yield* Fiber.interruptFork(fiber)
        yield* Effect.yieldNow()
        assert.isFalse(isDone)
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.await(fiber)
        assert.isTrue(isDone)
      })
    )
  }

  it.live("cuts off what takes longer, and says so, where nothing else could", () =>
    Effect.gen(function* () {
      let isCut = false
      const endless = Effect.onInterrupt(Effect.never, () =>
        Effect.sync(() => {
          isCut = true
        })
      )
      const ended = yield* Effect.uninterruptible(Release.within(20)(endless))
      assert.isTrue(Option.isNone(ended))
      assert.isTrue(isCut)
      assert.deepStrictEqual(
        Option.getOrThrow(yield* Effect.uninterruptible(Release.within(60_000)(Effect.succeed(7)))),
        7
      )
    })
  )
})
