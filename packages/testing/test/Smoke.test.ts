import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Capture from "@bottle/process/Capture"
import * as CommandScript from "../src/CommandScript.js"

it.effect("runs", () =>
  Effect.gen(function* () {
    const captured = yield* Capture.capture({ program: "smolvm", args: ["machine", "ls"], env: { A: "1" } }, { stdin: "hello" })
    assert.deepStrictEqual(Capture.stdoutText(captured), "[]")
    const script = yield* CommandScript.CommandScript
    const [first] = yield* script.recorded
    assert.deepStrictEqual(yield* first!.stdin, "hello")
    assert.deepStrictEqual(first!.env, { A: "1" })
  }).pipe(Effect.provide(CommandScript.layer([{ match: ["smolvm", "machine", "ls"], stdout: "[]" }]))))
