import * as Wait from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Reap from "../src/Reap.js"
import * as Witness from "../src/Witness.js"
import { environment, running, seconds, type Shell, shells, words } from "./fixtures/shells.js"

/** Starts a command below its witness, marked as an exec marks it. */
const start = (shell: Shell, place: string, command: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const [program = "", ...args] = words(shell, Witness.wrap(place, command))
      return ChildProcess.spawn(program, args, {
        stdio: "ignore",
        env: environment(place)
      })
    }),
    (child) =>
      Effect.sync(() => {
        child.kill("SIGKILL")
        // What it started goes on without it, where nobody reaps that.
        const time = /[0-9]{4}\.[0-9]+/.exec(command.join(" "))?.[0]
        ChildProcess.spawnSync("kill", ["-KILL", ...(time === undefined ? [] : running(time))], { stdio: "ignore" })
      })
  )

const reap = (shell: Shell, place: string, ...more: ReadonlyArray<string>) =>
  Effect.sync(() => {
    const [program = "", ...args] = words(shell, Reap.command({ place, quietMillis: 0 }))
    const ended = ChildProcess.spawnSync(program, [...args, ...more], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: "/usr/bin:/bin" }
    })
    return { code: ended.status, stdout: ended.stdout, stderr: ended.stderr }
  })

const until = (text: string, many: number) =>
  Wait.waitUntil(
    Effect.sync(() => running(text).length >= many),
    { boundMillis: 10_000, what: `${many} of ${text}` }
  )

const gone = { code: 0, stdout: "gone", stderr: "" }

describe("the guest's reap", () => {
  for (const shell of shells) {
    const cases: ReadonlyArray<
      readonly [what: string, many: number, command: (time: string) => ReadonlyArray<string>]
    > = [
      ["a command", 2, (time) => ["sleep", time]],
      ["what it started in the background", 4, (time) => ["sh", "-c", `sleep ${time} & sleep ${time}; :`]],
      ["what ignores SIGTERM", 3, (time) => ["sh", "-c", `trap '' TERM; sleep ${time}; :`]],
      ["a daemon in a session of its own", 1, (time) => ["sh", "-c", `setsid sh -c 'sleep ${time} & exit' & wait`]],
      ["a child without its environment", 3, (time) => ["env", "-i", "/bin/sh", "-c", `sleep ${time}; :`]],
      [
        "an orphan without its environment, in a session that one with it shares",
        2,
        (time) => ["sh", "-c", `setsid sh -c 'env -i sleep ${time} & sleep ${time} & exit' & wait`]
      ],
      [
        "a name made to look like another process",
        2,
        (time) => ["bash", "-c", `printf 'x) S 1 1 1\\n2 (y' >/proc/$$/comm; exec -a ") R 1 1" sleep ${time}`]
      ]
    ]
    for (const [what, many, command] of cases) {
      it.scopedLive(`ends ${what} (${shell.name}), and nothing beside it`, () =>
        Effect.gen(function* () {
          const place = Witness.place()
          const [ours, other] = [seconds(), seconds()]
          yield* start(shell, place, command(ours))
          yield* start(shell, Witness.place(), ["sleep", other])
          yield* until(ours, many)
          yield* until(other, 2)
          assert.deepStrictEqual(yield* reap(shell, place), gone)
          assert.deepStrictEqual(running(ours), [])
          assert.strictEqual(running(other).length, 2)
          assert.isFalse(Fs.existsSync(place))
        })
      )
    }

    it.scopedLive(`removes what a witness wrote (${shell.name}), of a command that has ended`, () =>
      Effect.gen(function* () {
        const place = Witness.place()
        yield* Effect.addFinalizer(() => Effect.sync(() => Fs.rmSync(place, { force: true })))
        yield* start(shell, place, ["sh", "-c", "exit 3"])
        yield* Wait.waitUntil(
          Effect.sync(() => Fs.existsSync(place)),
          { boundMillis: 10_000 }
        )
        assert.deepStrictEqual(yield* reap(shell, place), gone)
        assert.isFalse(Fs.existsSync(place))
      })
    )

    it.scopedLive(`ends what starts others faster than it is looked for (${shell.name})`, () =>
      Effect.gen(function* () {
        const place = Witness.place()
        const time = seconds()
        const loop = `trap '' TERM; n=0; while [ $n -lt 2000 ]; do setsid sleep ${time} & n=$((n+1)); sleep 0.005; done; wait`
        yield* start(shell, place, ["sh", "-c", loop])
        yield* until(time, 20)
        assert.deepStrictEqual(yield* reap(shell, place), gone)
        assert.deepStrictEqual(running(time), [])
      })
    )
  }
})
