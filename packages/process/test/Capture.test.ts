import * as Capture from "@bottle/process/Capture"
import * as Executor from "@bottle/process/Executor"
import { Overhearing } from "@bottle/process/Overhearing"
import type { SpawnRefused } from "@bottle/process/ProcessError"
import type { Program } from "@bottle/process/Program"
import * as Survivors from "@bottle/testing/Survivors"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createHash, randomBytes, randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"

const { capture, stderrText, stdoutText } = Capture

const live = <E>(name: string, test: Effect.Effect<void, E, CommandExecutor | Scope.Scope>) =>
  it.scopedLive(name, () => Effect.provide(test, Executor.layer), 30_000)

const sh = (script: string, ...args: ReadonlyArray<string>): Program => ({
  program: "/bin/sh",
  args: ["-c", script, "sh", ...args]
})

/** A shell script whose whole family can be found again, by a variable that only it has. */
const marked = (script: string) => {
  const marker = `marker-${randomUUID()}`
  const program = { ...sh(script), env: { PATH: "/usr/bin:/bin", BOTTLE_TEST_MARKER: marker } }
  const processes = Effect.map(Survivors.find(marker), (survivors) => survivors.processes)
  const count = Effect.map(processes, (found) => found.length)
  return { program, processes, count }
}

const refused = (program: Program, options?: Capture.CaptureOptions) =>
  Effect.map(Effect.flip(capture(program, options)), (error) => ({
    tag: error._tag,
    reason: error._tag === "SpawnRefused" ? error.reason : undefined
  }))

const refusal = (reason: SpawnRefused["reason"]) => ({ tag: "SpawnRefused" as const, reason })

describe("capture", () => {
  live(
    "gives the exit code and both outputs",
    Effect.gen(function* () {
      const captured = yield* capture(sh("echo out; echo err >&2; exit 7"))
      assert.deepStrictEqual(captured.exit, { code: 7, signal: null })
      assert.strictEqual(stdoutText(captured), "out\n")
      assert.strictEqual(stderrText(captured), "err\n")
    })
  )

  live(
    "gives 128+n and the name when a signal ended the program",
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* capture(sh("kill -KILL $$"))).exit, { code: 137, signal: "SIGKILL" })
      assert.deepStrictEqual((yield* capture(sh("kill -TERM $$"))).exit, { code: 143, signal: "SIGTERM" })
      assert.deepStrictEqual((yield* capture(sh("exit 137"))).exit, { code: 137, signal: null })
    })
  )

  live(
    "reads both pipes at once, however full",
    Effect.gen(function* () {
      const script = "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero"
      const captured = yield* capture(sh(script))
      assert.strictEqual(captured.stdout.length, 6_000_000)
      assert.strictEqual(captured.stderr.length, 3_000_000)
      assert.strictEqual(captured.exit.code, 0)
    })
  )

  live(
    "waits for the exit of a program that closed its outputs long before",
    Effect.gen(function* () {
      const captured = yield* capture(sh("echo out; exec >&- 2>&-; sleep 0.2; exit 5"))
      assert.strictEqual(captured.exit.code, 5)
      assert.strictEqual(stdoutText(captured), "out\n")
    })
  )

  live(
    "keeps binary output byte for byte",
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      const bytes = randomBytes(1_000_003)
      Fs.writeFileSync(Path.join(directory, "bytes"), bytes)
      const captured = yield* capture({ program: "cat", args: [Path.join(directory, "bytes")] })
      assert.strictEqual(Buffer.compare(captured.stdout, bytes), 0)
    })
  )

  live(
    "takes time linear in the size of the output",
    Effect.gen(function* () {
      const bytes = 100 * 1024 * 1024
      const program = { program: "head", args: ["-c", String(bytes), "/dev/zero"] }
      const captured = yield* capture(program, { capBytes: bytes })
      assert.strictEqual(captured.stdout.length, bytes)
      // Copying all for every chunk, it would take longer than the test may.
    })
  )

  live(
    "hands over one hundred thousand arguments",
    Effect.gen(function* () {
      const args = Array.from({ length: 100_000 }, () => "a")
      assert.strictEqual(stdoutText(yield* capture(sh('echo "$#"', ...args))), "100000\n")
    })
  )
})

describe("a background process that holds a pipe", () => {
  live(
    "holds up capture for no longer than the drain",
    Effect.gen(function* () {
      const { count, processes, program } = marked("sleep 60 & echo started")
      const captured = yield* capture(program, { drainMillis: 200 })
      assert.strictEqual(stdoutText(captured), "started\n")
      assert.strictEqual(captured.exit.code, 0)
      // It was put into the background on purpose, and the program ended well.
      assert.strictEqual(yield* count, 1)
      process.kill(Number.parseInt((yield* processes)[0] ?? "", 10), "SIGKILL")
      yield* waitUntil(
        Effect.map(count, (left) => left === 0),
        { boundMillis: 20_000 }
      )
    })
  )

  live(
    "that writes for ever is cut off too",
    Effect.gen(function* () {
      const { count, program } = marked("(while :; do echo more; sleep 0.01; done) & echo started")
      const captured = yield* capture(program, { drainMillis: 200 })
      assert.isTrue(stdoutText(captured).includes("started\n"))
      // Nobody reads it any more: its next write ends it.
      yield* waitUntil(
        Effect.map(count, (left) => left === 0),
        { boundMillis: 20_000 }
      )
    })
  )

  live(
    "does not hold up capture at all when it holds no pipe",
    Effect.gen(function* () {
      const { count, processes, program } = marked("sleep 60 >/dev/null 2>&1 & echo started")
      yield* capture(program, { drainMillis: 60_000 })
      process.kill(Number.parseInt((yield* processes)[0] ?? "", 10), "SIGKILL")
      yield* waitUntil(
        Effect.map(count, (left) => left === 0),
        { boundMillis: 20_000 }
      )
    })
  )

  live(
    "is ended with its group when capture is interrupted after the leader's end",
    Effect.gen(function* () {
      const { count, program } = marked("(trap '' TERM; while :; do sleep 0.1; done) & exit 0")
      const fiber = yield* Effect.fork(capture(program, { drainMillis: 60_000, graceMillis: 100 }))
      yield* waitUntil(
        Effect.map(count, (left) => left >= 1),
        { boundMillis: 20_000 }
      )
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* count, 0)
    })
  )
})

describe("capture's end of a program", () => {
  live(
    "is SIGTERM, which it may use to clean up and to write",
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      const file = Path.join(directory, "cleaned")
      // Its words are longer than a pipe holds: somebody has to read them even now.
      const script = `trap 'head -c 2000000 /dev/zero && head -c 2000000 /dev/zero >&2 && echo yes > "${file}"; exit 3' TERM
        echo ready; while :; do sleep 0.02; done`
      const error = yield* Effect.flip(capture(sh(script), { timeoutMillis: 300 }))
      assert.strictEqual(error._tag, "ProcessTimedOut")
      assert.strictEqual(Fs.readFileSync(file, "utf8"), "yes\n")
    })
  )

  live(
    "is SIGKILL after the grace for one that ignores SIGTERM",
    Effect.gen(function* () {
      const { count, program } = marked("trap '' TERM; while :; do sleep 0.1; done")
      const error = yield* Effect.flip(capture(program, { timeoutMillis: 200, graceMillis: 300 }))
      assert.strictEqual(error._tag, "ProcessTimedOut")
      assert.strictEqual(yield* count, 0)
    })
  )

  live(
    "reaches a group that outlives its leader",
    Effect.gen(function* () {
      const { count, program } = marked(
        "(trap '' TERM; while :; do sleep 0.1; done) & trap 'exit 0' TERM; while :; do sleep 0.05; done"
      )
      const error = yield* Effect.flip(capture(program, { timeoutMillis: 300, graceMillis: 300 }))
      assert.strictEqual(error._tag, "ProcessTimedOut")
      assert.strictEqual(yield* count, 0)
    })
  )

  live(
    "leaves no process alive when it is interrupted",
    Effect.gen(function* () {
      const { count, program } = marked("sleep 60 & (trap '' TERM; while :; do sleep 0.1; done) & sleep 60")
      const fiber = yield* Effect.fork(capture(program, { graceMillis: 200 }))
      yield* waitUntil(
        Effect.map(count, (left) => left >= 4),
        { boundMillis: 20_000 }
      )
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* count, 0)
    })
  )

  live(
    "does not come for a program that ends in time",
    Effect.gen(function* () {
      assert.strictEqual((yield* capture(sh("exit 4"), { timeoutMillis: 20_000 })).exit.code, 4)
    })
  )
})

describe("capture's cap", () => {
  live(
    "lets exactly that much through",
    Effect.gen(function* () {
      const captured = yield* capture(sh("head -c 1000 /dev/zero; head -c 1000 /dev/zero >&2"), { capBytes: 1000 })
      assert.strictEqual(captured.stdout.length, 1000)
      assert.strictEqual(captured.stderr.length, 1000)
    })
  )

  live(
    "ends a program that writes more",
    Effect.gen(function* () {
      for (const [stream, redirection] of [
        ["stdout", ""],
        ["stderr", ">&2"]
      ]) {
        const { count, program } = marked(`yes ${redirection}`)
        const error = yield* Effect.flip(capture(program, { capBytes: 100_000 }))
        assert.isTrue(error._tag === "OutputTooLarge" && error.stream === stream && error.capBytes === 100_000)
        assert.strictEqual(yield* count, 0)
      }
    })
  )

  live(
    "holds for a program that has already ended",
    Effect.gen(function* () {
      const error = yield* Effect.flip(capture(sh("head -c 1001 /dev/zero"), { capBytes: 1000 }))
      assert.strictEqual(error._tag, "OutputTooLarge")
    })
  )
})

describe("what cannot be started", () => {
  live(
    "is not found",
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      const script = Path.join(directory, "script")
      Fs.writeFileSync(script, "#!/no/such/interpreter\n", { mode: 0o755 })
      assert.strictEqual((yield* refused({ program: "no-such-program", args: [] })).tag, "ProgramNotFound")
      assert.strictEqual((yield* refused({ program: Path.join(directory, "none"), args: [] })).tag, "ProgramNotFound")
      assert.strictEqual((yield* refused({ program: script, args: [] })).tag, "ProgramNotFound")
      // The PATH that counts is the child's own.
      assert.strictEqual(
        (yield* refused({ program: "true", args: [], env: { PATH: directory } })).tag,
        "ProgramNotFound"
      )
      Fs.writeFileSync(Path.join(directory, "mine"), "#!/bin/sh\necho mine\n", { mode: 0o755 })
      assert.strictEqual(stdoutText(yield* capture({ program: "mine", args: [], env: { PATH: directory } })), "mine\n")
    })
  )

  live(
    "is not executable",
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      const script = Path.join(directory, "script")
      Fs.writeFileSync(script, "#!/bin/sh\necho ran\n", { mode: 0o644 })
      assert.deepStrictEqual(yield* refused({ program: script, args: [] }), refusal("permission"))
      assert.deepStrictEqual(yield* refused({ program: directory, args: [] }), refusal("permission"))
      Fs.chmodSync(script, 0o755)
      assert.strictEqual(stdoutText(yield* capture({ program: script, args: [] })), "ran\n")
    })
  )

  live(
    "has arguments longer than the system takes",
    Effect.gen(function* () {
      const expected = refusal("arguments-too-long")
      assert.deepStrictEqual(yield* refused(sh("true", "x".repeat(200_000))), expected)
      assert.deepStrictEqual(yield* refused({ ...sh("true"), env: { BIG: "x".repeat(200_000) } }), expected)
      const many = Array.from({ length: 800_000 }, () => "x")
      assert.deepStrictEqual(yield* refused({ program: "true", args: many }), expected)
      assert.strictEqual((yield* capture(sh("true", "x".repeat(100_000)))).exit.code, 0)
    })
  )

  live(
    "holds a NUL byte",
    Effect.gen(function* () {
      const expected = refusal("nul-in-argument")
      assert.deepStrictEqual(yield* refused(sh("true", "a\0b")), expected)
      assert.deepStrictEqual(yield* refused({ program: "tr\0ue", args: [] }), expected)
      assert.deepStrictEqual(yield* refused({ ...sh("true"), env: { A: "a\0b" } }), expected)
      assert.deepStrictEqual(yield* refused({ ...sh("true"), env: { "A\0": "a" } }), expected)
      assert.deepStrictEqual(yield* refused({ ...sh("true"), cwd: "/\0" }), expected)
      assert.strictEqual(stdoutText(yield* capture(sh('printf %s "$1"', "a\x01b"))), "a\x01b")
    })
  )

  live(
    "has no working directory to start in",
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      const file = Path.join(directory, "file")
      Fs.writeFileSync(file, "")
      const program = { program: "pwd", args: [] }
      assert.deepStrictEqual(
        yield* refused({ ...program, cwd: Path.join(directory, "none") }),
        refusal("working-directory-missing")
      )
      assert.deepStrictEqual(yield* refused({ ...program, cwd: file }), refusal("not-a-directory"))
      assert.deepStrictEqual(yield* refused({ program: Path.join(file, "x"), args: [] }), refusal("not-a-directory"))
      assert.strictEqual(stdoutText(yield* capture({ ...program, cwd: directory })), `${directory}\n`)
    })
  )

  live(
    "fails without a word of its arguments or variables",
    Effect.gen(function* () {
      const secret = "hunter2-secret"
      const env = { PATH: "/usr/bin:/bin", SECRET: secret }
      const failures = [
        capture({ program: "no-such-program", args: [secret], env }),
        capture({ program: "/etc/passwd", args: [secret], env }),
        capture({ program: "true", args: [secret, "x".repeat(200_000)], env }),
        capture({ program: "true", args: [`${secret}\0`], env }),
        capture({ program: "true", args: [secret], env, cwd: "/no/such/directory" }),
        capture({ program: "yes", args: [secret], env }, { capBytes: 1000 }),
        capture({ ...sh("sleep 60", secret), env }, { timeoutMillis: 50 })
      ]
      for (const failure of failures) {
        const cause = yield* Effect.flip(Effect.sandbox(failure))
        const error = Option.getOrThrow(Cause.failureOption(cause))
        assert.notInclude(Cause.pretty(cause), secret)
        assert.notInclude(JSON.stringify(error), secret)
        assert.notInclude(error.message, "\n")
        assert.isAbove(error.suggestion.length, 10)
      }
    })
  )
})

describe("standard input", () => {
  live(
    "is empty unless something is given",
    Effect.gen(function* () {
      const captured = yield* capture({ program: "cat", args: [] }, { timeoutMillis: 10_000 })
      assert.deepStrictEqual(captured.exit, { code: 0, signal: null })
    })
  )

  live(
    "is text, bytes or a stream",
    Effect.gen(function* () {
      const cat = { program: "cat", args: [] }
      const bytes = Uint8Array.from([0, 255, 10, 195])
      assert.strictEqual(stdoutText(yield* capture(cat, { stdin: "héllo" })), "héllo")
      assert.strictEqual(stdoutText(yield* capture(cat, { stdin: "" })), "")
      assert.deepStrictEqual((yield* capture(cat, { stdin: bytes })).stdout, bytes)
      const stream = Stream.rechunk(Stream.make(bytes, new Uint8Array(0), bytes), 2)
      assert.deepStrictEqual((yield* capture(cat, { stdin: stream })).stdout, Uint8Array.from([...bytes, ...bytes]))
      assert.deepStrictEqual((yield* capture(cat, { stdin: Stream.empty })).stdout, new Uint8Array(0))
    })
  )

  live(
    "takes 10 MiB in one piece and in many",
    Effect.gen(function* () {
      const whole = randomBytes(10 * 1024 * 1024)
      const expected = createHash("sha256").update(whole).digest("hex")
      const program = { program: "sha256sum", args: [] }
      const pieces = Stream.fromIterable(
        Array.from({ length: 1024 }, (_, at) => whole.subarray(at * 10240, (at + 1) * 10240))
      )
      assert.include(stdoutText(yield* capture(program, { stdin: whole })), expected)
      assert.include(stdoutText(yield* capture(program, { stdin: pieces })), expected)
    })
  )

  live(
    "is no longer asked for when the program stops reading or ends",
    Effect.gen(function* () {
      for (const script of ["head -c 10 >/dev/null", "exit 0", "exec <&-; sleep 0.1", "sleep 0.1"]) {
        const left = yield* Deferred.make<void>()
        const endless = Stream.repeatValue(new Uint8Array(65536)).pipe(
          Stream.ensuring(Deferred.succeed(left, undefined))
        )
        const captured = yield* capture(sh(script), { stdin: endless, timeoutMillis: 20_000 })
        assert.strictEqual(captured.exit.code, 0, script)
        assert.isTrue(yield* Deferred.isDone(left), script)
      }
    })
  )

  live(
    "is asked for no faster than the program reads",
    Effect.gen(function* () {
      let asked = 0
      const endless = Stream.repeatEffect(
        Effect.sync(() => {
          asked += 65536
          return new Uint8Array(65536)
        })
      )
      yield* capture(sh("sleep 0.3"), { stdin: endless })
      assert.isBelow(asked, 2_000_000)
    })
  )

  live(
    "that never comes does not hold up the end",
    Effect.gen(function* () {
      const captured = yield* capture(sh("exit 6"), { stdin: Stream.never, timeoutMillis: 20_000 })
      assert.strictEqual(captured.exit.code, 6)
    })
  )

  live(
    "that breaks ends the program, and the defect is not lost",
    Effect.gen(function* () {
      const { count, program } = marked("cat; sleep 60")
      const exit = yield* Effect.exit(capture(program, { stdin: Stream.dieMessage("broken input") }))
      assert.include(String(exit), "broken input")
      assert.strictEqual(yield* count, 0)
    })
  )
})

describe("the environment of a child", () => {
  live(
    "is exactly what is given",
    Effect.gen(function* () {
      const captured = yield* capture({ program: "/usr/bin/env", args: [], env: { A: "1", B: "two words" } })
      assert.deepStrictEqual(stdoutText(captured).split("\n").toSorted(), ["", "A=1", "B=two words"])
    })
  )

  live(
    "is the host's without what changes network and trust when none is given",
    Effect.gen(function* () {
      const set = { HTTPS_PROXY: "http://proxy", NODE_OPTIONS: "--no-warnings", BOTTLE_TEST_PLAIN: "kept" }
      yield* Effect.acquireRelease(
        Effect.sync(() => Object.entries(set).map(([name, value]) => swap(name, value))),
        (before) => Effect.sync(() => before.forEach(([name, value]) => swap(name, value)))
      )
      const text = stdoutText(yield* capture({ program: "/usr/bin/env", args: [] }))
      assert.include(text, "BOTTLE_TEST_PLAIN=kept")
      assert.notInclude(text, "HTTPS_PROXY")
      assert.notInclude(text, "NODE_OPTIONS")
    })
  )
})

const swap = (name: string, value: string | undefined): readonly [string, string | undefined] => {
  const before = process.env[name]
  if (value === undefined) delete process.env[name]
  else process.env[name] = value
  return [name, before]
}

describe("Overhearing", () => {
  live(
    "tells what a program writes while it runs, and takes none of it away",
    Effect.gen(function* () {
      let heard = ""
      const spoken = yield* Deferred.make<void>()
      const hear = (bytes: Uint8Array) => {
        heard += Buffer.from(bytes).toString()
        if (heard.includes("first") && heard.includes("second")) Deferred.unsafeDone(spoken, Effect.void)
      }
      const running = yield* Effect.fork(
        capture(sh("echo first; echo second >&2; read -r line"), {
          stdin: Stream.fromEffect(Effect.as(Deferred.await(spoken), Buffer.from("\n")))
        }).pipe(Effect.provideService(Overhearing, { hear }))
      )
      const captured = yield* Fiber.join(running)
      assert.deepStrictEqual([stdoutText(captured), stderrText(captured)], ["first\n", "second\n"])
    })
  )
})
