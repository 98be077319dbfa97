import * as Capture from "@bottle/process/Capture"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { quoteAll } from "../src/internal/quote.js"
import { note } from "./support/missing.js"
import { everybodyByProgram } from "./support/runner.js"
import { testsFor } from "./support/suite.js"

const script = fileURLToPath(new URL("../../smolvm/scripts/canary.mjs", import.meta.url))

describe.each(everybodyByProgram.slice(0, 1))(`the canary on this program, $name${note}`, ({ make }) => {
  const test = testsFor(make, 120_000)

  test("finds the help of the release line whose command line it speaks", (runner) =>
    Effect.gen(function* () {
      const program = Path.join(runner.directory, "smolvm-local")
      Fs.writeFileSync(program, `#!/bin/sh\nexec ${quoteAll(runner.words)} "$@"\n`, { mode: 0o755 })
      const { exit, stderr, stdout } = yield* Effect.orDie(
        Capture.capture(
          { program: process.execPath, args: [script, "--program", program], env: runner.env },
          { timeoutMillis: 100_000 }
        )
      )
      assert.deepStrictEqual(
        [exit.code, Buffer.from(stdout).toString(), Buffer.from(stderr).toString()],
        [0, "", "smolvm 1.9.3: its help says what the data say\n"]
      )
    }))
})
