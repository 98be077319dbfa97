import * as Stdio from "@bottle/cli/Stdio"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { PassThrough, Readable, Writable } from "node:stream"

const make = (streams: Partial<Stdio.NodeStreams> = {}) =>
  Stdio.make({
    stdin: () => Readable.from([]),
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    stdinIsTerminal: true,
    stdoutIsTerminal: true,
    ...streams
  })

const broken = () =>
  new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }))
  })

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe("Stdio", () => {
  it.effect("fails with a typed error when nobody reads standard output, again and again", () =>
    Effect.gen(function* () {
      const stdio = make({ stdout: broken() })
      assert.strictEqual((yield* Effect.flip(stdio.stdout(bytes("a"))))._tag, "OutputClosed")
      assert.strictEqual((yield* Effect.flip(stdio.stdout(bytes("b"))))._tag, "OutputClosed")
    })
  )

  it.effect("writes no document that steers the terminal it is read on, and none that says less", () =>
    Effect.gen(function* () {
      const said = { text: "\u009b2J\u007f\u202eabc\u2028\u001b[1m\ttab", whole: "\u00e9 \ud83d\ude00" }
      const [stdout, stderr] = [new PassThrough(), new PassThrough()]
      const written = Effect.zipRight(Stdio.outputText(JSON.stringify(said)), Stdio.errorLine(JSON.stringify(said)))
      yield* Effect.provideService(written, Stdio.Stdio, make({ stdout, stderr }))
      for (const stream of [stdout, stderr]) {
        const text = String(stream.read())
        // oxlint-disable-next-line no-control-regex -- it is what this is about
        assert.notMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u202e]/)
        assert.include(text, said.whole)
        assert.deepStrictEqual(JSON.parse(text), said)
      }
    })
  )

  it.effect("drops what nobody reads of standard error", () =>
    Effect.gen(function* () {
      const stdio = make({ stderr: broken() })
      yield* stdio.stderr(bytes("a"))
      yield* stdio.stderr(bytes("b"))
    })
  )

  it.live("waits for a reader that takes its time", () =>
    Effect.gen(function* () {
      let take = () => {}
      const slow = new Writable({
        write: (_chunk, _encoding, done) => {
          take = () => done()
        }
      })
      const fiber = yield* Effect.fork(make({ stdout: slow }).stdout(bytes("a")))
      yield* Effect.yieldNow()
      assert.isTrue((yield* Fiber.poll(fiber))._tag === "None")
      take()
      yield* Fiber.join(fiber)
    })
  )

  it.live("reads standard input to its end, and lets it go", () =>
    Effect.gen(function* () {
      const input = Readable.from([bytes("one "), bytes("two")])
      let asked = 0
      const stdio = make({
        stdin: () => {
          asked += 1
          return input
        }
      })
      assert.strictEqual(asked, 0)
      const chunks = yield* Stream.runCollect(stdio.stdin)
      assert.strictEqual(Buffer.concat([...chunks]).toString(), "one two")
      assert.strictEqual(asked, 1)
      assert.isTrue(input.destroyed)
    })
  )

  it.live("takes a broken standard input for its end", () =>
    Effect.gen(function* () {
      const input = new Readable({ read: () => input.destroy(new Error("EIO")) })
      assert.lengthOf([...(yield* Stream.runCollect(make({ stdin: () => input }).stdin))], 0)
    })
  )
})
