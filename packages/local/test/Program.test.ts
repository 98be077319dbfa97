import * as Capture from "@bottle/process/Capture"
import { assert, describe } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { quoteAll } from "../src/internal/quote.js"
import { note } from "./support/missing.js"
import { everybodyByProgram, expectOk, machine, nothingLeft, type Runner } from "./support/runner.js"
import { testsFor } from "./support/suite.js"

const hasScript = Fs.existsSync("/usr/bin/script")

describe.each(everybodyByProgram)(`the program on its own streams, $name${note}`, ({ make }) => {
  const test = testsFor(make, 120_000)

  /** The program in a shell line, with a terminal for its streams. */
  const onTerminal = (runner: Runner, line: string) =>
    Effect.orDie(
      Capture.capture(
        { program: "/usr/bin/script", args: ["-qec", line, "/dev/null"], env: runner.env, cwd: "/" },
        { timeoutMillis: 60_000 }
      )
    )

  test(
    "on a terminal it says what it has to, and ends with its code",
    (runner) =>
      Effect.gen(function* () {
        const program = quoteAll(runner.words)
        const listed = yield* onTerminal(runner, `${program} machine ls`)
        assert.strictEqual(listed.exit.code, 0, Capture.stdoutText(listed))
        assert.include(Capture.stdoutText(listed), "No machines")
        assert.notInclude(Capture.stdoutText(listed), "ERR_")
        const missing = yield* onTerminal(runner, `${program} machine start --name none-such`)
        assert.strictEqual(missing.exit.code, 1)
        assert.match(Capture.stdoutText(missing), /^Error: [^\n]*none-such[^\n]*\r\n/)
        const guest = yield* machine(runner)
        const exec = `${program} machine exec --name ${guest.name} -- /bin/sh -c 'echo out; echo err >&2; exit 7'`
        const both = yield* onTerminal(runner, exec)
        assert.deepStrictEqual([both.exit.code, Capture.stdoutText(both).split("\r\n").sort()], [7, ["", "err", "out"]])
      }),
    { skip: !hasScript }
  )

  test("a reader that leaves early is no failure of ours, and ends the command", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const program = quoteAll(runner.words)
      const line = `${program} machine exec --name ${guest.name} -- /usr/bin/yes | head -n 1`
      const first = yield* Effect.orDie(
        Capture.capture(
          { program: "/bin/sh", args: ["-c", line], env: runner.env, cwd: "/" },
          { timeoutMillis: 60_000 }
        )
      )
      assert.deepStrictEqual([Capture.stdoutText(first), Capture.stderrText(first)], ["y\n", ""])
    }))

  test("a background process that keeps the streams puts off neither a timeout nor an end", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const timed = (args: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          const start = yield* Clock.currentTimeMillis
          const result = yield* runner.call(args, { timeoutMillis: 60_000 })
          return [result.code, result.stdout, (yield* Clock.currentTimeMillis) - start < 20_000]
        })
      const exec = ["machine", "exec", "--name", guest.name]
      const background = (rest: string) => ["--", "/bin/sh", "-c", `setsid sleep 307 & echo said; ${rest}`]
      assert.deepStrictEqual(yield* timed([...exec, "--timeout", "500ms", ...background("sleep 308")]), [
        124,
        "said\n",
        true
      ])
      assert.deepStrictEqual(yield* timed([...exec, ...background("exit 5")]), [5, "said\n", true])
      const flood = "setsid sh -c 'while :; do echo more; done' & sleep 308"
      const flooded = yield* timed([...exec, "--timeout", "500ms", "--", "/bin/sh", "-c", flood])
      assert.deepStrictEqual([flooded[0], flooded[2]], [124, true])
    }))

  test("a machine run is over, machine and all, when its command is", (runner) =>
    Effect.gen(function* () {
      const start = yield* Clock.currentTimeMillis
      const result = yield* runner.call(
        ["machine", "run", "--", "/bin/sh", "-c", "setsid sleep 309 & echo said; exit 6"],
        { timeoutMillis: 60_000 }
      )
      assert.deepStrictEqual([result.code, result.stdout], [6, "said\n"])
      assert.isBelow((yield* Clock.currentTimeMillis) - start, 20_000)
      expectOk(yield* runner.call(["machine", "ls"]))
      yield* nothingLeft(runner.directory)
      yield* nothingLeft("sleep 309")
    }))
})
