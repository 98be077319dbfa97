import { assert, describe, it } from "@effect/vitest"
import * as Random from "./random.js"

const draw = (seed: number) => {
  const random = Random.make(seed)
  return Array.from({ length: 1000 }, random.next)
}

describe("chance", () => {
  it("repeats itself from the same seed, and not from another", () => {
    assert.deepStrictEqual(draw(7), draw(7))
    assert.notDeepEqual(draw(7), draw(8))
  })

  it("spreads over its whole range", () => {
    const drawn = draw(1)
    assert.isTrue(drawn.every((value) => value >= 0 && value < 1))
    const tenths = new Set(drawn.map((value) => Math.floor(value * 10)))
    assert.strictEqual(tenths.size, 10)
  })

  it("picks each of what it is given", () => {
    const random = Random.make(3)
    const picked = new Set(Array.from({ length: 100 }, () => random.pick(["a", "b", "c"])))
    assert.deepStrictEqual([...picked].toSorted(), ["a", "b", "c"])
    assert.isTrue(Array.from({ length: 100 }, () => random.below(3)).every((value) => value < 3))
  })
})
