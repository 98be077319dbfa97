import * as Quantity from "@bottle/engine/Quantity"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"

describe("Quantity", () => {
  it("writes what it reads", () => {
    assert.deepStrictEqual([7_200_000, 90_000, 1500, 604_800_000, 60_000].map(Quantity.formatSpan), [
      "2h",
      "90s",
      "1500ms",
      "7d",
      "1m"
    ])
    assert.deepStrictEqual([512, 2048, 1500].map(Quantity.formatMebibytes), ["512M", "2G", "1500M"])
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.integer({ min: 1, max: 999_999_999 }), (millis, mem) => {
        assert.strictEqual(Quantity.parseLifetime(Quantity.formatSpan(millis)), millis)
        assert.strictEqual(Quantity.parseMebibytes(Quantity.formatMebibytes(mem)), mem)
      }),
      { seed: 1, numRuns: 200 }
    )
  })

  it("reads no more than a timer can count", () => {
    assert.strictEqual(Quantity.parseLifetime("24d"), 24 * 86_400_000)
    assert.strictEqual(Quantity.parseLifetime("25d"), undefined)
    assert.strictEqual(Quantity.parseDuration("1d"), undefined)
  })
})
