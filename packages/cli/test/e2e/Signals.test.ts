import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import type { Home } from "./harness.js"
import { inHome, ordinary, users } from "./harness.js"

const waitFor = (what: string, condition: () => boolean | Promise<boolean>): Promise<void> =>
  Effect.runPromise(
    waitUntil(
      Effect.promise(async () => condition()),
      { boundMillis: 30_000, what }
    )
  )

const signals = [
  ["SIGHUP", 129],
  ["SIGINT", 130],
  ["SIGTERM", 143]
] as const

/** A smolvm 1.9.3 that writes down what it is asked, works, and hangs at one of its commands. */
const hangingAt = (home: Home, command: string): string => {
  const log = home.path("asked")
  home.program(
    "smolvm",
    `#!/bin/sh
step="$1\${2:+ $2}"
echo "$step" >> ${log}
[ "$step" = "${command}" ] && { trap "echo '$step ended' >> ${log}; exit 143" TERM; sleep 600 & wait; }
[ "$1" = --version ] && echo "smolvm 1.9.3"
exit 0
`
  )
  return log
}

/** The local runtime as a program, which deletes no machine before it may. */
const slowToDelete = (home: Home, hangs: string, go: string): string =>
  home.program(
    "slow-to-delete",
    `#!/bin/sh
[ "$1 $2" = "machine delete" ] && { : > ${hangs}; until [ -e ${go} ]; do sleep 0.05; done; }
exec "${home.node}" "${home.path("smolvm-local.mjs")}" "$@"
`
  )

const asked = (log: string): ReadonlyArray<string> =>
  Fs.existsSync(log) ? Fs.readFileSync(log, "utf8").trimEnd().split("\n") : []

describe.concurrent("signals", () => {
  for (const user of users) {
    for (const [signal, expected] of signals) {
      it(`takes everything down on ${signal} and exits ${expected}, as ${user.name}`, () =>
        inHome(user, async (home) => {
          const running = home.start([
            "run",
            "-q",
            "--allow",
            "a.test",
            "--report",
            "r.json",
            "--",
            "sh",
            "-c",
            "echo begun; sleep 1000"
          ])
          await running.printed("begun")
          running.child.kill(signal)
          const { code, stderr, stdout } = await running.ended
          assert.strictEqual(code, expected)
          assert.strictEqual(stdout.toString(), "begun\n")
          assert.strictEqual(stderr, "")
          const report = JSON.parse(Fs.readFileSync(home.path("work/r.json"), "utf8"))
          assert.deepStrictEqual(report.exit, { code: expected, origin: "engine", timedOut: false })
          assert.strictEqual(report.failure.error, signal)
          await home.assertNothingLeft()
        }))
    }
  }

  it("ends a guest that will not be told", () =>
    inHome(ordinary, async (home) => {
      const script =
        "trap '' HUP INT TERM; (trap '' HUP INT TERM; setsid sleep 1000 & sleep 1000) & echo begun; sleep 1000"
      const running = home.start(["run", "-q", "--", "sh", "-c", script])
      await running.printed("begun")
      running.child.kill("SIGTERM")
      assert.strictEqual((await running.ended).code, 143)
      await home.assertNothingLeft()
    }))

  it("tells programs which signal it was", () =>
    inHome(ordinary, async (home) => {
      const running = home.start(["run", "--format", "json", "--", "sh", "-c", "echo begun; sleep 1000"])
      await running.printed("begun")
      running.child.kill("SIGTERM")
      const { stderr } = await running.ended
      assert.deepStrictEqual(JSON.parse(stderr).failure, {
        kind: "interrupted",
        error: "SIGTERM",
        message: "ended by SIGTERM",
        suggestion: null,
        stage: null,
        exitCode: 143,
        command: null,
        stderr: null,
        docs: "docs/reference/errors.md#interrupted"
      })
    }))

  for (const step of ["--version", "machine create", "machine start", "machine exec"]) {
    it(`takes down what is there when it is interrupted at "${step}"`, () =>
      inHome(ordinary, async (home) => {
        const log = hangingAt(home, step)
        const running = home.start(["run", "-q", "--runtime", "smolvm", "--", "true"])
        await waitFor(`${step} to be asked for`, () => asked(log).includes(step))
        running.child.kill("SIGTERM")
        const { code, stderr } = await running.ended
        assert.strictEqual(code, 143)
        assert.strictEqual(stderr, "")
        const after = asked(log).slice(asked(log).indexOf(step) + 1)
        assert.strictEqual(after.includes("machine delete"), step.startsWith("machine"), after.join(", "))
        await home.assertNothingLeft()
      }))
  }

  it("takes down everything when the release itself is interrupted", () =>
    inHome(ordinary, async (home) => {
      const [hangs, go] = [home.path("work/hangs"), home.path("work/go")]
      const runtime = slowToDelete(home, hangs, go)
      const running = home.start(["run", "-q", "--runtime", runtime, "--", "true"])
      await waitFor("the release", () => Fs.existsSync(hangs))
      running.child.kill("SIGINT")
      Fs.writeFileSync(go, "")
      const { code, stderr } = await running.ended
      assert.strictEqual(code, 130)
      assert.strictEqual(stderr, "")
      await home.assertNothingLeft()
    }))

  it("exits at once on a second signal", () =>
    inHome(ordinary, async (home) => {
      const [hangs, go] = [home.path("work/hangs"), home.path("work/go")]
      const runtime = slowToDelete(home, hangs, go)
      const running = home.start(["run", "-q", "--runtime", runtime, "--", "true"])
      await waitFor("the release", () => Fs.existsSync(hangs))
      running.child.kill("SIGTERM")
      running.child.kill("SIGTERM")
      running.child.kill("SIGINT")
      const { code } = await running.ended
      assert.include([130, 143], code)
      // What is left of such an end goes without it.
      assert.isNotEmpty(await home.left())
      Fs.writeFileSync(go, "")
      await waitFor("the end of what was left", async () => (await home.left()).length === 0)
    }))
})
