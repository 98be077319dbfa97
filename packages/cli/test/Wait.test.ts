import { wait, WaitDocument } from "@bottle/cli/commands/Wait"
import type { WaitRequest } from "@bottle/cli/requests/BottleRequest"
import type { WaitedBottle } from "@bottle/engine/Bottles"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Fixture from "./fixtures/bottles.js"

const decode = Schema.decodeSync(Schema.parseJson(WaitDocument))

const request: WaitRequest = { bottle: "a", format: "text", timeoutMillis: undefined }

const waitFor = (home: string, ended: Partial<WaitedBottle>, more: Partial<WaitRequest> = {}) => {
  const { id } = Fixture.planOf(home, "a")
  const whole: WaitedBottle = { id, code: 0, origin: "guest", error: null, failures: [], ...ended }
  return Fixture.run(home, wait({ ...request, ...more }), {
    bottles: Fixture.bottlesOf([], { wait: () => Effect.succeed(whole) })
  })
}

const left = { resource: "network n", reason: "r", suggestion: "s" }

describe("bottle wait", () => {
  it.live("exits as the bottle's command did", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        for (const code of [0, 3, 137]) {
          assert.deepStrictEqual(yield* waitFor(home, { code }), { code, stdout: "", stderr: "" })
        }
      })
    )
  )

  it.live("invents no code where none is known", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const told = yield* waitFor(home, { code: null, origin: "unknown", error: "OwnerDied" })
        assert.deepStrictEqual(told, { code: 125, stdout: "", stderr: "bottle: how a-abc12 ended is not known\n" })
      })
    )
  )

  it.live("takes no code of the runtime's for the command's, but that of a time that was up", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* waitFor(home, { code: 1, origin: "runtime" })).code, 125)
        const json = yield* waitFor(home, { code: 1, origin: "runtime" }, { format: "json" })
        assert.isNull(decode(json.stdout).bottle.code)
        assert.strictEqual(json.code, 125)
        const late = { code: 124, origin: "runtime", error: "CommandTimedOut" }
        assert.strictEqual((yield* waitFor(home, late)).code, 124)
        assert.strictEqual((yield* waitFor(home, { code: 1, origin: "guest" })).code, 1)
      })
    )
  )

  it.live("tells what may be left, and writes one document of it all", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const text = yield* waitFor(home, { failures: [left] })
        assert.strictEqual(text.stderr, "bottle: network n may be left behind: r\ntry: s\n")
        const json = yield* waitFor(home, { code: 3, failures: [left] }, { format: "json" })
        assert.strictEqual(json.code, 3)
        const expected = { id: "a-abc12", code: 3, origin: "guest", error: null, failures: [left] }
        assert.deepStrictEqual<unknown>(decode(json.stdout).bottle, expected)
      })
    )
  )

  it.live("finds how a bottle ended that is down already", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        yield* Fixture.recorded(Fixture.planOf(home, "a"), home, {
          code: 7,
          origin: "guest",
          timedOut: false,
          error: null
        })
        yield* Fixture.recorded(Fixture.planOf(home, "b"), home, null)
        assert.strictEqual((yield* Fixture.run(home, wait(request))).code, 7)
        assert.strictEqual((yield* Fixture.run(home, wait({ ...request, bottle: "b" }))).code, 125)
        const { code, stderr } = yield* Fixture.run(home, wait({ ...request, bottle: "c" }))
        assert.strictEqual(code, 125)
        assert.match(stderr, /^bottle: there is no bottle c\ntry: /)
      })
    )
  )

  it.live("means by a name the newest bottle that had it, and no launch that was refused it", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const end = { origin: "guest", timedOut: false, error: null }
        const refused = { ...end, code: null, origin: "engine", error: "NameTaken" }
        const made = (suffix: string, ending: typeof refused | (typeof end & { code: number }), second: number) =>
          Fixture.recorded(Fixture.planOf(home, "a", {}, suffix), home, ending, `2026-01-01T00:00:0${second}.000Z`)
        yield* made("00001", { ...end, code: 1 }, 1)
        yield* made("00000", { ...end, code: 2 }, 2)
        yield* made("00002", refused, 3)
        const told = yield* Fixture.run(home, wait(request))
        const stderr = "bottle: a-00000, the newest of 2 of that name; bottle ls -a lists them\n"
        assert.deepStrictEqual(told, { code: 2, stdout: "", stderr })
        assert.strictEqual((yield* Fixture.run(home, wait({ ...request, bottle: "a-00001" }))).code, 1)
      })
    )
  )

  it.live("gives up when its time is up", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const bottles = Fixture.bottlesOf([], { wait: () => Effect.never })
        const { code, stderr } = yield* Fixture.run(home, wait({ ...request, timeoutMillis: 5 }), { bottles })
        assert.strictEqual(code, 124)
        assert.strictEqual(
          stderr,
          "bottle: a was not down within 5 ms\ntry: a longer --timeout, or none; or bottle down a\n" +
            "more: docs/reference/errors.md#waittimedout\n"
        )
      })
    )
  )
})
