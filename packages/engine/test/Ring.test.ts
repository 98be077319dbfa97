import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Ring from "../src/internal/ring.js"

const collect = <A>(ring: Ring.Ring<A>) => Effect.map(Stream.runCollect(ring.stream), (chunk) => [...chunk])

describe("ring", () => {
  it.effect("gives a reader that comes late the newest that fit, in their order", () =>
    Effect.gen(function* () {
      const ring = Ring.make<number>(3)
      for (let item = 1; item <= 5; item++) ring.push(item)
      ring.end()
      assert.deepStrictEqual(yield* collect(ring), [3, 4, 5])
      assert.deepStrictEqual(yield* collect(ring), [3, 4, 5])
    })
  )

  it.effect("wakes readers that wait, each with all of it", () =>
    Effect.gen(function* () {
      const ring = Ring.make<number>(8)
      const readers = yield* Effect.forEach([1, 2], () => Effect.fork(collect(ring)))
      yield* Effect.yieldNow()
      for (let item = 1; item <= 4; item++) {
        ring.push(item)
        yield* Effect.yieldNow()
      }
      ring.end()
      ring.push(9)
      for (const reader of readers) assert.deepStrictEqual(yield* Fiber.join(reader), [1, 2, 3, 4])
    })
  )

  it.effect("drops the oldest for a reader that falls behind, and holds nobody up", () =>
    Effect.gen(function* () {
      const ring = Ring.make<number>(4)
      for (let item = 0; item < 1000; item++) ring.push(item)
      const fiber = yield* Effect.fork(collect(ring))
      yield* Effect.yieldNow()
      for (let item = 1000; item < 1002; item++) ring.push(item)
      ring.end()
      const seen = yield* Fiber.join(fiber)
      assert.deepStrictEqual(seen.slice(-2), [1000, 1001])
      assert.isAtMost(seen.length, 6)
    })
  )
})
