import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Seen } from "../src/internal/clientHello.js"
import { Reader } from "../src/internal/clientHello.js"
import * as Hello from "./fixtures/hello.js"

const bytesMax = 64 * 1024

/** What a reader says of pieces: its first word that is not "Incomplete", and how many bytes it took for that. */
const read = (...pieces: ReadonlyArray<Buffer>): { readonly seen: Seen; readonly bytes: number } => {
  const reader = new Reader()
  for (const piece of pieces) {
    const seen = reader.push(piece, bytesMax)
    if (seen._tag !== "Incomplete") return { seen, bytes: reader.bytes.length }
  }
  return { seen: { _tag: "Incomplete" }, bytes: reader.bytes.length }
}

const cutAt = (bytes: Buffer, at: ReadonlyArray<number>): ReadonlyArray<Buffer> => {
  const places = [0, ...at.map((place) => place % bytes.length).sort((left, right) => left - right), bytes.length]
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end))
}

const tag = (bytes: Buffer): string => read(bytes).seen._tag

describe("the first bytes of a client", () => {
  it("are a hello with the name it gives, or without one", () => {
    const good: Seen = { _tag: "Hello", serverName: "good.test" }
    const nameless: Seen = { _tag: "Hello", serverName: null }
    assert.deepStrictEqual(read(Hello.hello("good.test")).seen, good)
    assert.deepStrictEqual(read(Hello.hello()).seen, nameless)
    assert.deepStrictEqual(read(Hello.record(Hello.message())).seen, nameless)
    assert.deepStrictEqual(read(Hello.record(Hello.message([]))).seen, nameless)
  })

  it("are the same however they are cut into pieces and records, and nothing is judged before it is whole", () => {
    const message = Hello.message([Hello.serverName("good.test")])
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: message.length }),
        fc.array(fc.nat(), { maxLength: 20 }),
        fc.uint8Array({ maxLength: 20 }),
        (size, at, more) => {
          const hello = Hello.records(message, size)
          const { bytes, seen } = read(...cutAt(Buffer.concat([hello, more]), at))
          assert.deepStrictEqual(seen, { _tag: "Hello", serverName: "good.test" })
          assert.isAtLeast(bytes, hello.length)
          assert.strictEqual(read(...cutAt(hello.subarray(0, -1), at)).seen._tag, "Incomplete")
        }
      )
    )
  })

  it("are nothing else than what a strict reader takes", () => {
    const { message, record } = Hello
    const name = Hello.serverName("good.test")
    const whole = message([name])
    const malformed: ReadonlyArray<readonly [string, Buffer]> = [
      ["two names", record(message([Hello.serverNames(Hello.nameEntry("good.test"), Hello.nameEntry("evil.test"))]))],
      ["a name of another kind", record(message([Hello.serverNames(Hello.nameEntry("good.test", 1))]))],
      ["an empty name", record(message([Hello.serverName("")]))],
      ["an empty list", record(message([Hello.serverNames()]))],
      ["an empty extension", record(message([Hello.extension(0, Buffer.alloc(0))]))],
      ["two extensions of names", record(message([name, name]))],
      ["a NUL in its name", record(message([Hello.serverName("good.test\0.evil.test")]))],
      ["a space in its name", record(message([Hello.serverName("good.test ")]))],
      ["a name that is not ASCII", record(message([Hello.serverName("g\u00f6od.test")]))],
      ["a list longer than its extension", record(message([Hello.extension(0, Buffer.from([0, 9, 0, 0, 1, 65]))]))],
      ["a list shorter than its extension", record(message([Hello.extension(0, Buffer.from([0, 4, 0, 0, 1, 65, 0]))]))],
      ["extensions cut short", record(message([name.subarray(0, -1)]))],
      [
        "a record of another type between",
        Buffer.concat([record(whole.subarray(0, 9)), record(whole.subarray(9), 0x14)])
      ],
      ["a second message in its record", record(Buffer.concat([whole, whole]))],
      ["another message first", record(Buffer.concat([Buffer.from([2]), whole.subarray(1)]))],
      ["an empty record first", Buffer.concat([record(Buffer.alloc(0)), record(whole)])],
      ["an empty record of another type first", Buffer.concat([record(Buffer.alloc(0), 0x17), record(whole)])],
      ["a warning first", Buffer.concat([record(Buffer.from([1, 0]), 0x15), record(whole)])],
      ["a change of cipher first", Buffer.concat([record(Buffer.from([1]), 0x14), record(whole)])],
      ["a record with a version of its own", record(whole, 0x16, 0x0501)],
      ["a record that is too long", Buffer.concat([Buffer.from([0x16, 3, 1, 0x40, 1]), Buffer.alloc(0x4001, 1)])]
    ]
    for (const [what, bytes] of malformed) assert.strictEqual(tag(bytes), "Malformed", what)
    assert.strictEqual(tag(record(whole)), "Hello")
  })

  it("are bounded", () => {
    const endless = Hello.records(Buffer.concat([Buffer.from([1, 0xff, 0xff, 0xff]), Buffer.alloc(70_000)]), 16384)
    assert.strictEqual(tag(endless.subarray(0, bytesMax - 1)), "Incomplete")
    assert.strictEqual(tag(endless.subarray(0, bytesMax)), "Malformed")
    // A byte at a time costs no more than at once.
    assert.strictEqual(
      read(...Array.from(endless.subarray(0, bytesMax), (byte) => Buffer.from([byte]))).bytes,
      bytesMax
    )
  })

  it("pass as no TLS at once when they are something else", () => {
    const others: ReadonlyArray<Buffer> = [
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      Buffer.from("SSH-2.0-x\r\n"),
      Buffer.from([0]),
      Buffer.from([0x80, 0x2e, 1, 3, 1]),
      Buffer.from([0x16, 0x10]),
      // Databases begin with a length, the lowest byte first.
      Buffer.from([0x16, 1, 0, 0, 1, 0, 0, 0]),
      Buffer.from([0x15, 1, 0, 0, 2, 0, 0, 0]),
      Buffer.from([0x14, 0, 0, 0, 1, 1, 0, 0]),
      Buffer.from([0x16, 1, 0, 1, 0x85, 0xa6, 0xff, 1])
    ]
    for (const bytes of others) assert.strictEqual(tag(bytes), "NotTls", bytes.toString("hex"))
  })

  it("never break the reader, whatever they are", () => {
    const hello = Hello.hello("good.test")
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(), (changes, length) => {
        const bytes = Buffer.from(hello)
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        const { seen } = read(bytes.subarray(0, 1 + (length % bytes.length)))
        if (seen._tag === "Hello" && seen.serverName !== null) assert.match(seen.serverName, /^[\x21-\x7e]+$/)
      }),
      { numRuns: 2000 }
    )
  })
})
