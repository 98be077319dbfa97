import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Lines from "../src/internal/lines.js"

const cut = (chunks: ReadonlyArray<Buffer>, maxLength: number): ReadonlyArray<string> => {
  const lines = Lines.make(maxLength)
  return [...chunks.flatMap((chunk) => lines.push(chunk)), ...lines.end()]
}

describe("lines", () => {
  it("are the same wherever the bytes are split", () => {
    const text = FastCheck.array(FastCheck.constantFrom("a", "bc", "\n", "\r\n", "\r", "\xff"), { maxLength: 40 })
    FastCheck.assert(
      FastCheck.property(text, FastCheck.array(FastCheck.nat(60)), (parts, places) => {
        const bytes = Buffer.from(parts.join(""), "latin1")
        const at = [0, ...places, bytes.length].map((place) => Math.min(place, bytes.length)).sort((a, b) => a - b)
        const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end))
        assert.deepStrictEqual(cut(chunks, 5), cut([bytes], 5))
      })
    )
  })

  it("keep one character more than is shown, and begin anew behind the newline", () => {
    assert.deepStrictEqual(cut([Buffer.from("12345\n1234567890"), Buffer.from("1234\nab")], 5), [
      "12345",
      "123456",
      "ab"
    ])
  })
})
