import * as CredentialHandover from "@bottle/bundle/CredentialHandover"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as Fs from "node:fs"
import * as Stream from "node:stream"
import { BYTES_MAX, send, socketIn } from "../src/internal/handover.js"

const line = (values: Readonly<Record<string, string>>): string =>
  Redacted.value(
    CredentialHandover.encode(new Map(Object.entries(values).map(([name, value]) => [name, Redacted.make(value)])))
  )

const sending = (directory: string, text: string) =>
  Effect.promise(() => send(directory, Stream.Readable.from([Buffer.from(text)])))

describe("CredentialHandover", () => {
  it.live("hands the values over to whoever waits, whoever is there first, and leaves no socket", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const early = yield* Effect.fork(sending(directory, line({ api: "hunter2", other: "unasked" })))
        const values = yield* CredentialHandover.receive(directory, ["api"])
        assert.deepStrictEqual(
          [...values].map(([name, value]) => [name, Redacted.value(value)]),
          [["api", "hunter2"]]
        )
        assert.isUndefined(yield* Fiber.join(early))
        assert.isFalse(Fs.existsSync(socketIn(directory)))
      })
    )
  )

  it.live("says what is wrong with values without repeating them, and goes on waiting", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const receiving = yield* Effect.fork(CredentialHandover.receive(directory, ["api", "git"]))
        assert.strictEqual(yield* sending(directory, line({ api: "hunter2" })), "the credential git has no value")
        assert.strictEqual(yield* sending(directory, `{"hunter2": `), "that is no document of credentials")
        assert.strictEqual(yield* sending(directory, "x".repeat(BYTES_MAX + 1)), "there is too much to read")
        assert.strictEqual(Fs.statSync(socketIn(directory)).mode & 0o777, 0o600)
        assert.isUndefined(yield* sending(directory, line({ api: "a", git: "b" })))
        assert.deepStrictEqual([...(yield* Fiber.join(receiving)).keys()], ["api", "git"])
      })
    )
  )

  it.live("fails where it can make no socket", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(CredentialHandover.receive("/nonexistent", ["api"]))
      assert.match(error.message, /the system says E[A-Z]+$/)
      assert.match(error.suggestion, /\/run/)
    })
  )

  it.effect("does not wait for ever", () =>
    Effect.gen(function* () {
      const directory = Fs.mkdtempSync("/tmp/bottle-handover-")
      const receiving = yield* Effect.fork(Effect.flip(CredentialHandover.receive(directory, ["api"])))
      yield* TestClock.adjust(60_000)
      assert.match((yield* Fiber.join(receiving)).message, /nobody handed the credentials over within 60 s/)
      assert.deepStrictEqual(Fs.readdirSync(directory), [])
      Fs.rmdirSync(directory)
    })
  )
})
