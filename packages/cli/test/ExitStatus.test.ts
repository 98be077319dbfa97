import { fromCommand } from "@bottle/cli/ExitStatus"
import { CommandExit } from "@bottle/engine/Bottle"
import { assert, describe, it } from "@effect/vitest"

describe("ExitStatus.fromCommand", () => {
  const cases: ReadonlyArray<
    readonly [exitCode: number, origin: CommandExit["origin"], timedOut: boolean, code: number]
  > = [
    [0, "guest", false, 0],
    [42, "guest", false, 42],
    [125, "guest", false, 125],
    [137, "unknown", false, 137],
    [1, "runtime", false, 125],
    [0, "runtime", false, 125],
    [124, "runtime", true, 124],
    [143, "unknown", true, 124]
  ]
  for (const [exitCode, origin, timedOut, code] of cases) {
    it(`gives ${code} for ${exitCode} of ${origin}${timedOut ? ", timed out" : ""}`, () =>
      assert.strictEqual(fromCommand(new CommandExit({ exitCode, origin, timedOut })), code))
  }
})
