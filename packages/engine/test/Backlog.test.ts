import { assert, describe, it } from "@effect/vitest"
import * as Backlog from "../src/internal/control/backlog.js"

const KEPT_BYTES = 256 * 1024

const text = (batch: Backlog.Batch): string =>
  batch.pieces.map(({ bytes, from }) => `${from}:${Buffer.from(bytes).toString()}`).join(" ")

const bytes = (content: string): Uint8Array => Buffer.from(content)

describe("what a command wrote last", () => {
  it("is read from any place, also within what was put together", () => {
    const output = Backlog.make()
    for (const letter of "abc") output.push({ from: "out", bytes: bytes(letter) })
    const first = output.read(output.start())
    assert.strictEqual(text(first), "out:abc")
    output.push({ from: "out", bytes: bytes("de") })
    output.push({ from: "err", bytes: bytes("f") })
    output.push({ from: "out", bytes: bytes("g") })
    assert.strictEqual(text(output.read(first.next)), "out:de err:f out:g")
    assert.strictEqual(text(output.read(4)), "out:e err:f out:g")
    // What was given stays as it was.
    assert.strictEqual(text(first), "out:abc")
    assert.deepStrictEqual(output.read(7), { pieces: [], lostBytes: 0, next: 7 })
  })

  it("is as little where it comes in single bytes as where it comes at once", () => {
    const single = Backlog.make()
    const whole = Backlog.make()
    const length = 2 * KEPT_BYTES
    for (let at = 0; at < length; at++) single.push({ from: "out", bytes: bytes("x") })
    whole.push({ from: "out", bytes: Buffer.alloc(length, "x") })
    for (const output of [single, whole]) {
      const { lostBytes, next, pieces } = output.read(0)
      assert.isAtMost(pieces.length, 2048)
      const kept = pieces.reduce((sum, piece) => sum + piece.bytes.length, 0)
      assert.isAtMost(kept, KEPT_BYTES)
      assert.isAtLeast(kept, KEPT_BYTES / 2)
      assert.strictEqual(kept + lostBytes, length)
      assert.strictEqual(next, length)
    }
  })

  it("has a bound also where each byte is of the other stream", () => {
    const output = Backlog.make()
    const length = 20_000
    for (let at = 0; at < length; at++) output.push({ from: at % 2 === 0 ? "out" : "err", bytes: bytes("x") })
    const { lostBytes, pieces } = output.read(0)
    assert.isAtMost(pieces.length, 2048)
    assert.isAtLeast(pieces.length, 1024)
    assert.strictEqual(pieces.length + lostBytes, length)
  })
})
