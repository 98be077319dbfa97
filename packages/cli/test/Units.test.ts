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

  const lifetimes: ReadonlyArray<readonly [string, number | undefined]> = [
    ["500ms", 500],
    ["2h", 7_200_000],
    ["7d", 604_800_000],
    ["24d", 2_073_600_000],
    ["25d", undefined],
    ["1w", undefined],
    ["0d", undefined]
  ]
  for (const [text, expected] of lifetimes) {
    it(`reads the lifetime "${text}"`, () => assert.strictEqual(Units.parseLifetime(text), expected))
  }

  const ages: ReadonlyArray<readonly [string, number | undefined]> = [
    ["90m", 5_400_000],
    ["30d", 2_592_000_000],
    ["8w", 4_838_400_000],
    ["9999999999w", undefined],
    ["1s", undefined],
    ["0d", undefined],
    ["d", undefined],
    ["30", undefined]
  ]
  for (const [text, expected] of ages) {
    it(`reads the age "${text}"`, () => assert.strictEqual(Units.parseAge(text), expected))
  }

  const sizes: ReadonlyArray<readonly [string, number | undefined]> = [
    ["0M", 0],
    ["1K", 1024],
    ["500MiB", 524_288_000],
    ["5G", 5_368_709_120],
    ["2T", 2_199_023_255_552],
    ["999999999999T", undefined],
    ["5", undefined],
    ["5GB", undefined],
    ["-1G", undefined],
    ["1.5G", undefined]
  ]
  for (const [text, expected] of sizes) {
    it(`reads the size "${text}"`, () => assert.strictEqual(Units.parseBytes(text), expected))
  }

  it("writes bytes and ages as people read them", () => {
    assert.deepStrictEqual([0, 1023, 1536, 5_368_709_120, 3 * 1024 ** 4].map(Units.formatBytes), [
      "0 B",
      "1023 B",
      "1.5 KiB",
      "5.0 GiB",
      "3.0 TiB"
    ])
    assert.deepStrictEqual(
      [-5, 0, 59_999, 60_000, 3_599_999, 3_600_000, 7_199_999, 36_000_000, 172_799_999, 172_800_000].map(
        Units.formatAge
      ),
      ["0s", "0s", "59s", "1m", "59m", "1h", "1h59m", "10h", "47h", "2d"]
    )
  })

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
