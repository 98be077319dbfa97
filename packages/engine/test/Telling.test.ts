import { Overhearing } from "@bottle/process/Overhearing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { tellingWords } from "../src/internal/telling.js"
import { type LaunchEvent, LaunchObserver } from "../src/LaunchObserver.js"

const write = (text: string) => Effect.map(Overhearing, ({ hear }) => hear?.(Buffer.from(text)))

describe("the words of a stage", () => {
  it.effect("are the last line of what was printed, twice a second at most, and nothing that steers", () =>
    Effect.gen(function* () {
      const told: Array<LaunchEvent> = []
      const work = Effect.gen(function* () {
        yield* write("pulling 1 of 3\npulling 2 of 3\n\n")
        assert.deepStrictEqual(told, [])
        yield* TestClock.adjust("500 millis")
        yield* TestClock.adjust("5 seconds")
        for (let at = 0; at < 50; at++) yield* write(`\u001b[2Junpacking \u202e${at}\r`)
        yield* TestClock.adjust("1 second")
        yield* write("x".repeat(100_000))
        yield* TestClock.adjust("1 second")
        return 7
      })
      const result = yield* work.pipe(
        tellingWords("pack"),
        Effect.provideService(LaunchObserver, { notify: (event) => Effect.sync(() => void told.push(event)) })
      )
      assert.strictEqual(result, 7)
      assert.deepStrictEqual(told, [
        { _tag: "StageSaid", stage: "pack", text: "pulling 2 of 3" },
        { _tag: "StageSaid", stage: "pack", text: "?[2Junpacking ?49" },
        { _tag: "StageSaid", stage: "pack", text: "x".repeat(200) }
      ])
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(told.length, 3)
    })
  )
})
