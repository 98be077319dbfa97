import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { endedBy } from "../src/Race.js"

/** Work that never ends by itself; what it does when it is ended takes until `mayEnd`. */
const work = Effect.gen(function* () {
  const begun = yield* Deferred.make<void>()
  const mayEnd = yield* Deferred.make<void>()
  const said: Array<string> = []
  const say = (word: string) => Effect.sync(() => void said.push(word))
  const endless = Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never).pipe(
    Effect.onInterrupt(() => Effect.zipRight(Deferred.await(mayEnd), say("ended")))
  )
  return { begun, mayEnd, said, say, endless }
})

describe("endedBy", () => {
  it.effect("gives what the work gives, or fails with its failure", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* endedBy(Effect.never)(Effect.succeed(1)), 1)
      assert.strictEqual(yield* Effect.flip(endedBy(Effect.never)(Effect.fail("own"))), "own")
    })
  )

  it.effect("fails with the other's failure once the work has ended", () =>
    Effect.gen(function* () {
      const { begun, endless, mayEnd, said, say } = yield* work
      const end = yield* Deferred.make<never, "end">()
      const fiber = yield* Effect.fork(
        Effect.tapError(endedBy(Deferred.await(end))(endless), (error) => say(`failed: ${error}`))
      )
      yield* Deferred.await(begun)
      yield* Deferred.fail(end, "end")
      yield* Effect.yieldNow()
      assert.deepStrictEqual(said, [])
      yield* Deferred.succeed(mayEnd, undefined)
      assert.deepStrictEqual(yield* Fiber.await(fiber), Exit.fail("end"))
      assert.deepStrictEqual(said, ["ended", "failed: end"])
    })
  )

  it.effect("holds whoever interrupts it until the work has ended", () =>
    Effect.gen(function* () {
      const { begun, endless, mayEnd, said, say } = yield* work
      const fiber = yield* Effect.fork(endedBy(Effect.never)(endless))
      yield* Deferred.await(begun)
      const interrupting = yield* Effect.fork(Effect.zipRight(Fiber.interrupt(fiber), say("interrupted")))
      yield* Effect.yieldNow()
      assert.deepStrictEqual(said, [])
      yield* Deferred.succeed(mayEnd, undefined)
      yield* Fiber.join(interrupting)
      assert.deepStrictEqual(said, ["ended", "interrupted"])
    })
  )
})
