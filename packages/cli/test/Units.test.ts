import * as Units from "@bottle/cli/Units"
import { assert, describe, it } from "@effect/vitest"

describe("Units", () => {
  const durations: ReadonlyArray<readonly [string, number | undefined]> = [
    ["1ms", 1],
    ["30s", 30_000],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["596h", 2_145_600_000],
    ["597h", undefined],
    ["30", undefined],
    ["0s", undefined],
    ["1.5s", undefined],
    ["-1s", undefined],
    ["30 s", undefined],
    ["30S", undefined],
    ["1d", undefined],
    ["", undefined]
  ]
  for (const [text, expected] of durations) {
    it(`reads the duration "${text}"`, () => assert.strictEqual(Units.parseDuration(text), expected))
  }

  const amounts: ReadonlyArray<readonly [string, number | undefined]> = [
    ["512", 512],
    ["512M", 512],
    ["512MiB", 512],
    ["2G", 2048],
    ["2GiB", 2048],
    ["0", undefined],
    ["1K", undefined],
    ["2GB", undefined],
    ["1.5G", undefined],
    ["-1", undefined]
  ]
  for (const [text, expected] of amounts) {
    it(`reads the amount "${text}"`, () => assert.strictEqual(Units.parseMebibytes(text), expected))
  }

  it("reads counts of one and more", () => {
    assert.deepStrictEqual(["1", "16", "0", "01", "1.0", "x"].map(Units.parseCount), [
      1,
      16,
      undefined,
      undefined,
      undefined,
      undefined
    ])
  })

  it("writes milliseconds as people read them", () => {
    assert.deepStrictEqual([0, 840.4, 1000, 65_250].map(Units.formatMillis), ["0 ms", "840 ms", "1.0 s", "65.3 s"])
  })
})
