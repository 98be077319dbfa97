import { Bottles } from "@bottle/engine/Bottles"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Keeping from "./keeping.js"

describe("a bottle that is kept", () => {
  it.live(
    "is ready when it is up, can be used by whoever finds it, and is gone when it is down",
    () =>
      Temp.withTempDir((directory) =>
        Effect.gen(function* () {
          const bottles = yield* Bottles
          const plan = yield* Keeping.planned({ name: "kept", secrets: ["TOKEN"] })
          const events: Array<string> = []
          const up = yield* bottles.up(plan, {
            secrets: new Map([["TOKEN", Redacted.make("s3cret")]]),
            onEvent: (event) => Effect.sync(() => void events.push(event._tag))
          })
          assert.strictEqual(up.id, plan.id)
          assert.include(events, "StageEnded")
          const found = yield* bottles.find("kept")
          const said = yield* found.exec({ command: ["sh", "-c", "echo $TOKEN"] })
          assert.strictEqual(Keeping.text(said.stdout), "s3cret")
          const listed = yield* bottles.list
          assert.deepStrictEqual(
            listed.map(({ description, id }) => [id, description?.sessions]),
            [[plan.id, 0]]
          )
          const downed = yield* bottles.down(plan.id)
          assert.deepStrictEqual(downed, { id: plan.id, how: "owner", failures: [] })
          assert.deepStrictEqual(yield* bottles.list, [])
          yield* Keeping.nothingLeft(directory)
        }).pipe(Effect.provide(Keeping.layersIn(directory)), Effect.scoped)
      ),
    60_000
  )
})
