import { assert, describe, it } from "@effect/vitest"
import * as Timeout from "../src/Timeout.js"

describe("Timeout", () => {
  it("reads what smolvm accepts", () => {
    const expected = {
      "500ms": 500,
      "30s": 30_000,
      "5m": 300_000,
      "1h 30m": 5_400_000,
      "1h30m": 5_400_000,
      "1 day": 86_400_000
    }
    for (const [text, millis] of Object.entries(expected)) assert.strictEqual(Timeout.parseMillis(text), millis, text)
  })

  it("refuses what smolvm refuses", () => {
    for (const text of ["30", "", "0s", "0h 0m", "-1s", "1.5s", "s", "5 parsecs", "1s2"]) {
      assert.isUndefined(Timeout.parseMillis(text), text)
    }
  })

  it("writes what it can read back", () => {
    assert.strictEqual(Timeout.formatMillis(30_000), "30s")
    assert.strictEqual(Timeout.formatMillis(1_500), "1500ms")
    assert.strictEqual(Timeout.formatMillis(0), "1ms")
    assert.strictEqual(Timeout.formatMillis(0.2), "1ms")
    for (const millis of [1, 999, 1_000, 1_001, 60_000]) {
      assert.strictEqual(Timeout.parseMillis(Timeout.formatMillis(millis)), millis)
    }
  })
})
