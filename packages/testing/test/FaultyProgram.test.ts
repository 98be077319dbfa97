import * as FaultyProgram from "@bottle/testing/FaultyProgram"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"

const make = (directory: string) =>
  FaultyProgram.make({
    path: Path.join(directory, "smolvm"),
    control: Path.join(directory, "control"),
    command: ["/bin/sh", "-c", 'echo "did $*"; exit 5', "it's real"]
  })

interface Call {
  readonly child: ChildProcess.ChildProcess
  readonly ended: () => { readonly code: number | null; readonly signal: string | null } | undefined
  readonly output: () => string
}

const call = (path: string, ...words: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync((): Call => {
      const child = ChildProcess.spawn(path, words, { stdio: ["ignore", "pipe", "pipe"] })
      let output = ""
      let ended: ReturnType<Call["ended"]>
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)))
      child.on("close", (code, signal) => (ended = { code, signal }))
      return { child, ended: () => ended, output: () => output }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

const until = (what: string, condition: () => boolean) =>
  waitUntil(Effect.sync(condition), { boundMillis: 10_000, what })

const finish = ({ ended }: Call) => until("its end", () => ended() !== undefined)

describe("FaultyProgram", () => {
  it.scopedLive("hands on what it is asked, and the answer", () =>
    Effect.gen(function* () {
      const program = make(yield* Temp.directory)
      const one = yield* call(program.path, "machine", "start", "--name", "x y")
      yield* finish(one)
      assert.deepStrictEqual(one.ended(), { code: 5, signal: null })
      assert.strictEqual(one.output(), "did machine start --name x y\n")
      assert.deepStrictEqual(program.calls(), ["machine start"])
    })
  )

  it.scopedLive("fails so often as it is told, before the work or after it, at the steps that are meant", () =>
    Effect.gen(function* () {
      const program = make(yield* Temp.directory)
      program.misbehave({ step: "machine stop", mode: "fail", times: 1 })
      program.misbehave({ step: "network*", mode: "fail-after" })
      const runs = [
        ["machine", "stop"],
        ["machine", "stop"],
        ["network", "create"],
        ["machine", "ls"]
      ]
      const outputs: Array<string> = []
      for (const words of runs) {
        const one = yield* call(program.path, ...words)
        yield* finish(one)
        outputs.push(`${one.ended()?.code} ${one.output().replace(/\n.*$/s, "")}`)
      }
      const fault = "Error: agent operation failed: machine stop: a fault of the test"
      assert.deepStrictEqual(outputs, [`1 ${fault}`, "5 did machine stop", "1 did network create", "5 did machine ls"])
    })
  )

  it.scopedLive("hangs under its own name until it recovers, and then does what it was asked", () =>
    Effect.gen(function* () {
      const program = make(yield* Temp.directory)
      program.misbehave({ step: "machine start", mode: "hang" })
      const one = yield* call(program.path, "machine", "start")
      yield* until("it to hang", () => program.calls().includes("machine start hangs"))
      const argv = Fs.readFileSync(`/proc/${one.child.pid}/cmdline`, "utf8").split("\0")
      assert.strictEqual(argv[0], program.path)
      assert.include(argv, "start")
      assert.isUndefined(one.ended())
      program.recover()
      yield* finish(one)
      assert.strictEqual(one.output(), "did machine start\n")
      const after = yield* call(program.path, "machine", "start")
      yield* finish(after)
      assert.deepStrictEqual(program.calls(), ["machine start", "machine start hangs", "machine start"])
    })
  )

  it.scopedLive("ends at SIGTERM while it hangs, unless it is deaf", () =>
    Effect.gen(function* () {
      const program = make(yield* Temp.directory)
      program.misbehave({ step: "machine start", mode: "hang", deaf: true })
      program.misbehave({ step: "machine stop", mode: "hang-after" })
      const deaf = yield* call(program.path, "machine", "start")
      const hearing = yield* call(program.path, "machine", "stop")
      const hanging = () => program.calls().filter((step) => step.endsWith(" hangs")).length
      yield* until("both to hang", () => hanging() === 2)
      deaf.child.kill("SIGTERM")
      hearing.child.kill("SIGTERM")
      yield* finish(hearing)
      assert.deepStrictEqual(hearing.ended(), { code: null, signal: "SIGTERM" })
      assert.strictEqual(hearing.output(), "did machine stop\n")
      assert.isUndefined(deaf.ended())
      deaf.child.kill("SIGKILL")
      yield* finish(deaf)
    })
  )
})
