import { NetworkInUse } from "@bottle/docker/DockerError"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as DockerResource from "../src/internal/dockerResource.js"
import { type LaunchEvent, LaunchObserver } from "../src/LaunchObserver.js"

/** What is told while a network is made and removed, whose removal does this. */
const released = (remove: Effect.Effect<void, NetworkInUse>) => {
  const told: Array<LaunchEvent> = []
  const use = Effect.scoped(
    Effect.flatMap(
      DockerResource.own({
        what: "network n1",
        byHand: "docker network rm n1",
        isForeign: () => false,
        remove,
        isThere: Effect.succeed(true)
      }),
      (creation) => creation(Effect.void)
    )
  ).pipe(Effect.provideService(LaunchObserver, { notify: (event) => Effect.sync(() => void told.push(event)) }))
  return { told, use }
}

describe("what a bottle has of docker", () => {
  it.effect("is said to be removed still where that takes long, and what came of it", () =>
    Effect.gen(function* () {
      const { told, use } = released(Effect.never)
      const fiber = yield* Effect.fork(use)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(told, [{ _tag: "ReleaseSlow", resource: "network n1" }])
      yield* TestClock.adjust("60 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        told.map(({ _tag }) => _tag),
        ["ReleaseSlow", "ReleaseFailed"]
      )
    })
  )

  it.effect("is not spoken of where it goes at once, then or later", () =>
    Effect.gen(function* () {
      const { told, use } = released(Effect.void)
      yield* use
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(told, [])
    })
  )

  it.effect("is removed though an interruption comes meanwhile", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const begun = yield* Deferred.make<void>()
      let isGone = false
      const remove = Deferred.succeed(begun, undefined).pipe(
        Effect.zipRight(Deferred.await(gate)),
        Effect.zipRight(Effect.sync(() => void (isGone = true)))
      )
      const { told, use } = released(remove)
      const fiber = yield* Effect.fork(use)
      yield* Deferred.await(begun)
      const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(interrupting)
      assert.isTrue(isGone)
      assert.deepStrictEqual(told, [])
    })
  )
})
