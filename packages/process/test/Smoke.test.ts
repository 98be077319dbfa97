import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Capture from "../src/Capture.js"
import * as Executor from "../src/Executor.js"
import * as Follow from "../src/Follow.js"

it.live("runs", () =>
  Effect.gen(function* () {
    const captured = yield* Capture.capture({ program: "sh", args: ["-c", "cat; echo err >&2; exit 7"] }, { stdin: "hello" })
    assert.deepStrictEqual(Capture.stdoutText(captured), "hello")
    assert.deepStrictEqual(Capture.stderrText(captured), "err\n")
    assert.deepStrictEqual(captured.exit, { code: 7, signal: null })
    const events = yield* Stream.runCollect(Follow.follow({ program: "sh", args: ["-c", "echo a; kill -9 $$"] }))
    assert.deepStrictEqual([...events].map((e) => e._tag), ["Stdout", "Exit"])
    const none = yield* Effect.flip(Capture.capture({ program: "no-such-program", args: [] }))
    assert.strictEqual(none._tag, "ProgramNotFound")
  }).pipe(Effect.provide(Executor.layer)))
