import * as Progress from "@bottle/cli/Progress"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"

describe("Progress.make", () => {
  it.effect("tells of a stage that takes long, once, and of no other", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const notify = Progress.make((line) => Effect.sync(() => void said.push(line)))
      const ended = { durationMillis: 1, ok: true }

      yield* notify({ _tag: "StageStarted", stage: "image" })
      yield* TestClock.adjust("1 second")
      yield* notify({ _tag: "StageEnded", stage: "image", ...ended })
      yield* notify({ _tag: "StageStarted", stage: "ready" })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(said, [])

      yield* notify({ _tag: "StageStarted", stage: "image" })
      yield* TestClock.adjust("10 seconds")
      yield* notify({ _tag: "StageEnded", stage: "image", ...ended })
      assert.deepStrictEqual(said, ["bottle: building the bundle's image, once ..."])
    })
  )

  it.effect("tells what is still being removed", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const notify = Progress.make((line) => Effect.sync(() => void said.push(line)))
      yield* notify({ _tag: "ReleaseSlow", resource: "network bottle-x1" })
      assert.deepStrictEqual(said, ["bottle: still removing network bottle-x1 ..."])
    })
  )
})
