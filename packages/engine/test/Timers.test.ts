import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Timers from "../src/internal/keeper/timers.js"

const isOver = (fiber: Fiber.RuntimeFiber<void>) => Effect.map(Fiber.poll(fiber), Option.isSome)

const DAY_MILLIS = 24 * 60 * 60_000

describe("the times of a bottle", { timeout: 30_000 }, () => {
  it.effect("have an end, whatever goes on in it, however far away", () =>
    Effect.gen(function* () {
      const ttlMillis = 40 * DAY_MILLIS
      const timers = yield* Timers.make({ ttlMillis, idleMillis: null })
      const outlived = yield* Effect.fork(timers.outlived)
      timers.busy(3)
      yield* TestClock.adjust(ttlMillis - 1000)
      assert.deepStrictEqual(yield* timers.left, { ttlLeftMillis: 1000, idleLeftMillis: null })
      assert.isFalse(yield* isOver(outlived))
      yield* TestClock.adjust(1000)
      assert.isTrue(yield* isOver(outlived))
      assert.deepStrictEqual(yield* timers.left, { ttlLeftMillis: 0, idleLeftMillis: null })
    })
  )

  it.effect("begin again with every sign of life, and stand still while something goes on", () =>
    Effect.gen(function* () {
      const timers = yield* Timers.make({ ttlMillis: null, idleMillis: 60_000 })
      const idled = yield* Effect.fork(timers.idled)
      yield* TestClock.adjust(50_000)
      timers.touch()
      yield* TestClock.adjust(50_000)
      assert.isFalse(yield* isOver(idled))
      assert.strictEqual((yield* timers.left).idleLeftMillis, 10_000)
      timers.busy(1)
      assert.isNull((yield* timers.left).idleLeftMillis)
      yield* TestClock.adjust(60 * 60_000)
      assert.isFalse(yield* isOver(idled))
      timers.busy(0)
      yield* TestClock.adjust(59_999)
      assert.isFalse(yield* isOver(idled))
      yield* TestClock.adjust(1)
      assert.isTrue(yield* isOver(idled))
    })
  )

  it.live("do not follow a clock that somebody sets", () =>
    Effect.gen(function* () {
      const real = yield* Effect.clock
      let jumpMillis = 0
      // The time of day jumps; what counts nanoseconds does not.
      const jumping: Clock.Clock = {
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        unsafeCurrentTimeMillis: () => real.unsafeCurrentTimeMillis() + jumpMillis,
        unsafeCurrentTimeNanos: () => real.unsafeCurrentTimeNanos(),
        currentTimeMillis: Effect.sync(() => real.unsafeCurrentTimeMillis() + jumpMillis),
        currentTimeNanos: real.currentTimeNanos,
        sleep: real.sleep
      }
      yield* Effect.gen(function* () {
        const timers = yield* Timers.make({ ttlMillis: 60_000, idleMillis: 60_000 })
        const over = yield* Effect.fork(Effect.raceFirst(timers.outlived, timers.idled))
        for (const millis of [10 * DAY_MILLIS, -10 * DAY_MILLIS]) {
          jumpMillis = millis
          yield* Effect.sleep(20)
          assert.isFalse(yield* isOver(over))
          const { idleLeftMillis, ttlLeftMillis } = yield* timers.left
          assert.isAbove(Math.min(idleLeftMillis ?? 0, ttlLeftMillis ?? 0), 30_000)
        }
        yield* Fiber.interrupt(over)
      }).pipe(Effect.withClock(jumping))
    })
  )

  it.effect("never end where there are none", () =>
    Effect.gen(function* () {
      const timers = yield* Timers.make({ ttlMillis: null, idleMillis: null })
      const over = yield* Effect.fork(Effect.raceFirst(timers.outlived, timers.idled))
      yield* TestClock.adjust(1000 * DAY_MILLIS)
      assert.isFalse(yield* isOver(over))
      assert.deepStrictEqual(yield* timers.left, { ttlLeftMillis: null, idleLeftMillis: null })
    })
  )
})
