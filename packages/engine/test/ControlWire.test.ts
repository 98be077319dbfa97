import { assert, describe, it } from "@effect/vitest"
import { CommandExit } from "../src/Bottle.js"
import { ControlRefused } from "../src/ControlError.js"
import * as Wire from "../src/internal/control/wire.js"

const answers: ReadonlyArray<Wire.Answer> = [
  { ok: null },
  { ok: { a: [1] } },
  { error: new ControlRefused({ id: "a-1a2b3", reason: "no-main", detail: null }) },
  { alive: true },
  { started: true },
  { closing: "idle" },
  { out: Uint8Array.from([0, 255]) },
  { err: Uint8Array.from([10]) },
  { lost: 3 },
  { exit: new CommandExit({ exitCode: 7, origin: "guest", timedOut: false }) }
]

describe("what an owner answers", () => {
  for (const answer of answers) {
    it(`arrives as it was said: ${Object.keys(answer).join()}`, () =>
      assert.deepStrictEqual(Wire.readAnswer(Wire.writeAnswer(answer)), answer))
  }

  it("is nothing where it is nothing that an owner says", () => {
    for (const text of ["{}", "{", "[]", `{"fine":1}`, `{"out":1}`, `{"lost":"x"}`]) {
      assert.isUndefined(Wire.readAnswer(text))
    }
  })
})
