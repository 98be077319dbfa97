import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Schema from "effect/Schema"
import * as MachineName from "@bottle/smolvm/MachineName"
import * as BottleId from "../src/BottleId.js"

describe("BottleId", () => {
  it("makes a slug of any text", () => {
    assert.strictEqual(BottleId.slug("My Project!"), "my-project")
    assert.strictEqual(BottleId.slug("--"), "box")
    assert.strictEqual(BottleId.slug(`${"a".repeat(39)} b`), "a".repeat(39))
  })

  it("is a machine's name that smolvm takes, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const id = BottleId.fromParts(text, "zz9az")
        assert.isTrue(Schema.is(BottleId.BottleId)(id))
        assert.isUndefined(MachineName.problem(BottleId.machineName(id)))
      })
    )
  })

  it.effect("differs from one to the next", () =>
    Effect.gen(function* () {
      const ids = yield* Effect.replicateEffect(BottleId.make("x"), 50)
      assert.strictEqual(new Set(ids).size, 50)
    })
  )
})
