// The truth about commands, on every line of the fake smolvm: whose exit it was, that time is kept, and that nothing is left.
import * as FakeGuest from "@bottle/testing/FakeGuest"
import * as FakeSmolvm from "@bottle/testing/FakeSmolvm"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Exec from "../src/Exec.js"
import * as Grammar from "../src/Grammar.js"
import * as Line from "../src/Line.js"
import { Smolvm } from "../src/Smolvm.js"
import * as SmolvmLayer from "../src/Smolvm.js"

const on = (release: string, options?: FakeSmolvm.Options) =>
  Effect.provide(
    SmolvmLayer.layer({ program: "smolvm", env: { HOME: "/home/user" } }).pipe(
      Layer.provideMerge(FakeSmolvm.layer({ version: release, ...options }))
    )
  )

/** The operations of a machine that runs, made from an image or bare. */
const operations = (source: "bare" | "image") =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm
    yield* smolvm.machineCreate({ name: "box", ...(source === "image" ? { image: "alpine", net: true } : {}) })
    yield* smolvm.machineStart({ name: "box" })
    return yield* Exec.make({ name: "box", source })
  })

const sh = (script: string) => ({ command: ["sh", "-c", script] })

/** What goes on in the machine, and the files in it that are ours. */
const left = Effect.gen(function* () {
  const { machine, processes } = yield* FakeSmolvm.FakeSmolvm
  const found = yield* machine("box")
  const files = [...(found?.files.keys() ?? [])].filter((path) => path.includes("bottle"))
  return { processes: (yield* processes("box")).map(({ words }) => words.join(" ")), files }
})

const nothing = { processes: [], files: [] }

const untilRuns = (program: string) =>
  Effect.gen(function* () {
    const { processes } = yield* FakeSmolvm.FakeSmolvm
    const runs = Effect.map(processes("box"), (all) => all.some(({ words }) => words[0] === program))
    yield* waitUntil(runs, { boundMillis: 10_000, everyMillis: 1, what: program })
  })

// What an image changes for a command: its time is not kept from 1.4.1 to 1.6.13, its files may vanish from 1.7.3 on.
const lines = { bare: Grammar.lines, image: ["0.8.0", "1.5.2", "1.9.3"] } as const

for (const source of ["bare", "image"] as const) {
  describe.each(lines[source])(`a command in a machine (${source}) of smolvm %s`, (line) => {
    it.effect("has its own exit code, whatever smolvm uses it for", () =>
      Effect.gen(function* () {
        const { run } = yield* operations(source)
        for (const exitCode of [0, 1, 2, 3, 101, 124, 137, 255]) {
          const { exit } = yield* run(sh(`echo 'Error: vm not found: box' >&2; exit ${exitCode}`))
          assert.deepInclude(exit, { exitCode, origin: "guest", timedOut: false })
        }
        assert.deepInclude((yield* run({ command: ["no-such-program"] })).exit, { exitCode: 127, origin: "guest" })
        assert.deepInclude((yield* run(sh("kill -9 $$"))).exit, { exitCode: 137, origin: "guest" })
        assert.deepStrictEqual(yield* left, nothing)
      }).pipe(on(line))
    )

    it.effect("is not what failed where smolvm did", () =>
      Effect.gen(function* () {
        const { run } = yield* operations(source)
        const { misbehave } = yield* FakeSmolvm.FakeSmolvm
        yield* run({ command: ["true"] })
        for (const [how, exitCode, origin] of [
          [{ how: "fail" }, 1, "runtime"],
          [{ how: "fail", exitCode: 2, stderr: "error: no\n" }, 2, "runtime"],
          [{ how: "panic" }, 101, "unknown"],
          [{ how: "die" }, 137, "runtime"]
        ] as const) {
          yield* misbehave({ when: (args) => args.includes("echo"), ...how })
          const { exit, stdout } = yield* run({ command: ["echo", "ran"] })
          assert.deepInclude(exit, { exitCode, origin, timedOut: false })
          assert.strictEqual(stdout.length, 0)
        }
        assert.deepStrictEqual(yield* left, nothing)
      }).pipe(on(line))
    )

    it.effect("has run, and its code is known, where smolvm fails after it", () =>
      Effect.gen(function* () {
        const { run } = yield* operations(source)
        const { misbehave } = yield* FakeSmolvm.FakeSmolvm
        yield* run({ command: ["true"] })
        yield* misbehave({ when: (args) => args.includes("false"), how: "fail", at: "half-way", exitCode: 1 })
        // The same code from both: what the guest wrote down is true.
        assert.deepInclude((yield* run({ command: ["false"] })).exit, { exitCode: 1, origin: "guest" })
        yield* misbehave({ when: (args) => args.includes("false"), how: "panic", at: "half-way" })
        assert.deepInclude((yield* run({ command: ["false"] })).exit, { exitCode: 101, origin: "unknown" })
        assert.deepStrictEqual(yield* left, nothing)
      }).pipe(on(line))
    )

    it.effect("ends when its time is over, in the guest too", () =>
      Effect.gen(function* () {
        const { run } = yield* operations(source)
        const late = yield* Effect.fork(run({ command: ["sleep", "60"], timeoutMillis: 1500 }))
        yield* untilRuns("sleep")
        yield* TestClock.adjust("2 seconds")
        assert.deepInclude((yield* Fiber.join(late)).exit, { exitCode: 124, origin: "runtime", timedOut: true })
        assert.deepStrictEqual(yield* left, nothing)
        const quick = yield* run({ ...sh("exit 4"), timeoutMillis: 1500 })
        assert.deepInclude(quick.exit, { exitCode: 4, origin: "guest", timedOut: false })
        assert.deepStrictEqual(yield* left, nothing)
      }).pipe(on(line))
    )

    it.effect("ends when smolvm hangs beyond that time", () =>
      Effect.gen(function* () {
        const { run } = yield* operations(source)
        const { misbehave } = yield* FakeSmolvm.FakeSmolvm
        yield* run({ command: ["true"] })
        yield* misbehave({ when: (args) => args.includes("echo"), how: "hang", at: "half-way" })
        const late = yield* Effect.fork(run({ command: ["echo", "ran"], timeoutMillis: 1500 }))
        yield* TestClock.adjust("20 seconds")
        assert.deepInclude((yield* Fiber.join(late)).exit, { exitCode: 124, timedOut: true })
        assert.deepStrictEqual(yield* left, nothing)
      }).pipe(on(line))
    )

    it.effect("leaves nothing when it is interrupted, or its output left", () =>
      Effect.gen(function* () {
        const { run, stream } = yield* operations(source)
        const going = yield* Effect.fork(run({ command: ["sleep", "infinity"] }))
        yield* untilRuns("sleep")
        yield* Fiber.interrupt(going)
        assert.deepStrictEqual(yield* left, nothing)
        const first = yield* Stream.runHead(stream(sh("echo first; sleep infinity")))
        assert.strictEqual(first._tag, "Some")
        assert.deepStrictEqual(yield* left, nothing)
      }).pipe(on(line))
    )

    it.effect("reads all that it is given, however much that is", () =>
      Effect.gen(function* () {
        const { run } = yield* operations(source)
        const stdin = new Uint8Array(700_000).map((_, index) => index * 7)
        const { exit, stdout } = yield* run({ command: ["cat"], stdin })
        assert.strictEqual(exit.exitCode, 0)
        assert.strictEqual(Buffer.compare(stdout, stdin), 0)
        const parts = Stream.make(stdin.subarray(0, 300_000), stdin.subarray(300_000))
        const streamed = yield* Effect.either(run({ command: ["cat"], stdin: parts }))
        if (Line.compare(line, "1.8.1") >= 0) assert.strictEqual(streamed._tag, "Right")
        else assert.deepInclude(streamed._tag === "Left" ? streamed.left : {}, { _tag: "StdinTooLarge" })
        const staged = yield* run({ command: ["cat"], stdin: parts, stageStdin: true })
        assert.strictEqual(Buffer.compare(staged.stdout, stdin), 0)
        assert.deepStrictEqual(yield* left, nothing)
      }).pipe(on(line))
    )

    it.effect("has secrets from 1.0.0, and none of them on a command line", () =>
      Effect.gen(function* () {
        const { run } = yield* operations(source)
        const { recorded } = yield* FakeSmolvm.FakeSmolvm
        const secrets = new Map([["KEY", Redacted.make("s3cret")]])
        const printed = run({ command: ["printenv", "KEY"], secrets })
        if (Line.compare(line, "1.0.0") < 0) {
          assert.strictEqual((yield* Effect.flip(printed))._tag, "UnsupportedOption")
        } else assert.strictEqual(new TextDecoder().decode((yield* printed).stdout), "s3cret\n")
        assert.isFalse((yield* recorded).some(({ argv }) => argv.join(" ").includes("s3cret")))
      }).pipe(on(line))
    )

    it.effect("that is started and left goes on until it is ended, from 1.3.0", () =>
      Effect.gen(function* () {
        const { spawn } = yield* operations(source)
        const spawned = spawn({ command: ["sleep", "infinity"] })
        if (Line.compare(line, "1.3.0") < 0) {
          assert.strictEqual((yield* Effect.flip(spawned))._tag, "UnsupportedOption")
          return
        }
        const { end } = yield* spawned
        assert.deepStrictEqual(yield* left, { processes: ["sleep infinity"], files: [] })
        assert.strictEqual(yield* end, "gone")
        assert.deepStrictEqual(yield* left, nothing)
      }).pipe(on(line))
    )
  })
}

describe("input that is staged", () => {
  const piece = new Uint8Array(192 * 1024)

  it.effect("is gone with a command that is interrupted before it begins", () =>
    Effect.gen(function* () {
      const { run } = yield* operations("image")
      const stdin = Stream.concat(Stream.make(piece), Stream.never)
      const fiber = yield* Effect.fork(run({ command: ["cat"], stdin, stageStdin: true }))
      yield* waitUntil(
        Effect.map(left, ({ files }) => files.length === 1),
        { boundMillis: 10_000, everyMillis: 1, what: "the first piece" }
      )
      const ending = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(ending)
      assert.deepStrictEqual(yield* left, nothing)
    }).pipe(on("1.5.2"))
  )
})

describe.each(Grammar.lines)("a command in a guest of smolvm %s without a shell", (line) => {
  const bare = FakeGuest.programs({
    sh: () => Effect.succeed("not found"),
    fail: ({ words }) => Effect.succeed({ code: Number(words[1]) })
  })

  it.effect("has a code that is known where it is 0, and else is nobody's", () =>
    Effect.gen(function* () {
      const { run } = yield* operations("bare")
      assert.deepInclude((yield* run({ command: ["true"] })).exit, { exitCode: 0, origin: "guest" })
      for (const exitCode of [1, 2, 3, 124]) {
        const { exit } = yield* run({ command: ["fail", `${exitCode}`] })
        assert.deepInclude(exit, { exitCode, origin: "unknown" })
      }
    }).pipe(on(line, { guest: bare }))
  )
})
