import * as Text from "@bottle/process/Text"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"

describe("Text", () => {
  it.effect("decodes a text however its bytes are split", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(fc.string({ unit: "binary" }), fc.integer({ min: 1, max: 5 }), async (text, size) => {
          const bytes = new TextEncoder().encode(text)
          const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
            bytes.subarray(at * size, (at + 1) * size)
          )
          const decoded = await Effect.runPromise(Stream.fromIterable(pieces).pipe(Text.decodeStream, Stream.mkString))
          assert.strictEqual(decoded, text)
          assert.strictEqual(Text.decode(bytes), text)
        })
      )
    )
  )

  it("marks what is not UTF-8", () => {
    assert.strictEqual(Text.decode(Uint8Array.from([104, 255, 195])), "h\uFFFD\uFFFD")
  })

  it("writes control characters so that they do nothing", () => {
    assert.strictEqual(Text.printable("a\nb\x1b[31mc\u202ed\u2028"), "a\\x0ab\\x1b[31mc\\u202ed\\u2028")
    assert.strictEqual(Text.printable("plain é €"), "plain é €")
  })
})
