import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fs from "node:fs"
import * as Path from "node:path"

describe("Temp", () => {
  it.effect("makes a directory of one's own and removes it with all it holds", () =>
    Effect.gen(function* () {
      const path = yield* Temp.withTempDir((directory) =>
        Effect.sync(() => {
          assert.strictEqual(Fs.statSync(directory).mode & 0o777, 0o700)
          Fs.mkdirSync(Path.join(directory, "a/b"), { recursive: true })
          Fs.writeFileSync(Path.join(directory, "a/b/c"), "")
          return directory
        })
      )
      assert.isFalse(Fs.existsSync(path))
    })
  )
})

describe("waitUntil", () => {
  it.effect("waits in real time, also where the clock is a test's", () =>
    Effect.gen(function* () {
      const end = performance.now() + 30
      yield* waitUntil(
        Effect.sync(() => performance.now() >= end),
        { boundMillis: 20_000 }
      )
      assert.isAtLeast(performance.now(), end)
    })
  )

  it.effect("dies at its bound, saying what it waited for", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(waitUntil(Effect.succeed(false), { boundMillis: 20, what: "a miracle" }))
      assert.isTrue(Exit.isFailure(exit) && Cause.pretty(exit.cause).includes("Waited 20 ms in vain for a miracle"))
    })
  )
})
