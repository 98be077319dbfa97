import * as Colors from "@bottle/cli/Colors"
import * as Failure from "@bottle/cli/Failure"
import { Invocation } from "@bottle/cli/Invocation"
import * as Stdio from "@bottle/cli/Stdio"
import * as Told from "@bottle/cli/Told"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const failure = Failure.fromDefect(new Error("x"))

/** What is told on standard error, in this environment, on a terminal or not. */
const told = (environment: Readonly<Record<string, string>>, isTerminal: boolean): Effect.Effect<string> => {
  let text = ""
  return Effect.gen(function* () {
    yield* Told.tell(failure, { format: "text", jsonOn: "stderr" })
    yield* Told.releaseFailure({ resource: "machine\u001b[2J m", reason: "r", suggestion: "s" }, "text")
    return text
  }).pipe(
    Effect.provideService(Invocation, {
      argv: [],
      cwd: "/",
      environment,
      programDirectory: "/",
      keeper: null,
      superuser: false,
      arch: "x64",
      platform: "linux",
      nodeVersion: "20.0.0"
    }),
    Effect.provideService(Stdio.Stdio, {
      isInteractive: isTerminal,
      screen: isTerminal ? { columns: () => 80, rows: () => 24 } : undefined,
      stdout: () => Effect.void,
      stderr: (bytes) => Effect.sync(() => void (text += Buffer.from(bytes).toString())),
      stdin: Stream.empty
    })
  )
}

describe("colours", () => {
  it("are wanted unless somebody says otherwise, or the terminal has none", () => {
    assert.isTrue(Colors.areWanted({ TERM: "xterm" }))
    assert.isTrue(Colors.areWanted({ NO_COLOR: "" }))
    for (const environment of [{ NO_COLOR: "1" }, { NO_COLOR: "0" }, { FORCE_COLOR: "0" }, { TERM: "dumb" }]) {
      assert.isFalse(Colors.areWanted(environment), JSON.stringify(environment))
    }
  })

  it.effect("are on a terminal only, and the text is the same without them", () =>
    Effect.gen(function* () {
      const colored = yield* told({ TERM: "xterm" }, true)
      const plain = yield* told({ TERM: "xterm" }, false)
      assert.include(colored, "\u001b[1;31mbottle:\u001b[0m a fault in bottle itself")
      assert.include(colored, "\u001b[1;31mbottle:\u001b[0m machine m may be left behind: r\n")
      assert.notInclude(plain, "\u001b")
      // oxlint-disable-next-line no-control-regex
      assert.strictEqual(colored.replace(/\u001b\[[0-9;]*m/g, ""), plain)
      assert.strictEqual(yield* told({ TERM: "xterm", NO_COLOR: "1" }, true), plain)
    })
  )
})
