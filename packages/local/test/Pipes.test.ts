import * as Follow from "@bottle/process/Follow"
import { waitUntil } from "@bottle/testing/Wait"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import { note, skip } from "./support/missing.js"
import { everybody, layer, machine, ourselves, type Runner } from "./support/runner.js"

type Body = (runner: Runner) => Effect.Effect<void, never, Scope.Scope | CommandExecutor.CommandExecutor>

const hasPerl = Fs.existsSync("/usr/bin/perl")

const tests = (make: (typeof ourselves)["make"]) => (name: string, body: Body) =>
  it.scopedLive.skipIf(skip || !hasPerl)(name, () => Effect.flatMap(make, body).pipe(Effect.provide(layer)), 120_000)

/** What this process has open, as the kernel names it. */
const openEnds = (): ReadonlyArray<string> =>
  Fs.readdirSync("/proc/self/fd").flatMap((descriptor) => {
    try {
      const target = Fs.readlinkSync(`/proc/self/fd/${descriptor}`)
      return /^(pipe|socket):/.test(target) ? [target] : []
    } catch {
      return []
    }
  })

describe.each(everybody)(`pipes, $name${note}`, ({ make }) => {
  const test = tests(make)

  test("all three streams can be opened by their names", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const script = [
        "cat /dev/stdin",
        "echo out >/dev/stdout",
        "echo err >/dev/stderr",
        "echo tee | tee /dev/stderr",
        "echo fd >/proc/self/fd/1",
        "exit 4"
      ].join("; ")
      const named = yield* guest.exec(["/bin/sh", "-c", script], { flags: ["-i"], stdin: "fed\n" })
      assert.deepStrictEqual([named.code, named.stdout, named.stderr], [4, "fed\nout\ntee\nfd\n", "err\ntee\n"])
      const unfed = yield* guest.exec(["/bin/sh", "-c", "cat /dev/stdin; echo out >/dev/stdout"], { stdin: "not seen" })
      assert.deepStrictEqual([unfed.code, unfed.stdout, unfed.stderr], [0, "out\n", ""])
    }))

  test("a death by signal is 128 and its number, that of a signal without a name too, and 0 is nobody's death", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const codes = yield* Effect.forEach(
        ["kill -TERM $$", "kill -KILL $$", "kill -34 $$", "kill -64 $$", "exit 0", "exit 255"],
        (script) => Effect.map(guest.sh(script), (result) => result.code)
      )
      assert.deepStrictEqual(codes, [143, 137, 162, 192, 0, 255])
    }))

  test("a command has pipes of its own, which block as pipes do, and nothing else", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const look =
        "for n in 0 1 2; do readlink /proc/$$/fd/$n; sed -n 's/^flags:/flags/p' /proc/$$/fdinfo/$n; done; " +
        "ls /proc/$$/fd; sleep 0.2"
      const seen = yield* Effect.forEach(
        [1, 2, 3, 4],
        () => guest.exec(["/bin/bash", "-c", look], { flags: ["-i"], stdin: "" }),
        { concurrency: "unbounded" }
      )
      const ends = seen.flatMap((result) => {
        const lines = result.stdout.split("\n")
        assert.deepStrictEqual(
          lines.filter((line) => /^[0-9]+$/.test(line)),
          ["0", "1", "2"],
          result.stdout + result.stderr
        )
        const flags = lines.filter((line) => line.startsWith("flags")).map((line) => Number.parseInt(line.slice(5), 8))
        assert.deepStrictEqual(
          flags.map((flag) => flag & 0o4000),
          [0, 0, 0]
        )
        return lines.filter((line) => line.startsWith("pipe:"))
      })
      assert.strictEqual(ends.length, 12)
      assert.strictEqual(new Set(ends).size, 12)
    }))

  test("a command whose output is not read waits, and all of it comes in the end", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const [program = "", ...first] = runner.words
      const script = "head -c 67108864 /dev/zero; echo x >/workspace/done"
      const args = [...first, "machine", "exec", "--name", guest.name, "--", "/bin/sh", "-c", script]
      const gate = yield* Deferred.make<void>()
      const began = yield* Deferred.make<void>()
      let bytes = 0
      const reading = yield* Effect.fork(
        Follow.follow({ program, args, env: runner.env, cwd: "/" }).pipe(
          Stream.runForEach((event) => {
            if (event._tag === "Stdout") bytes += event.bytes.length
            return Effect.zipRight(Deferred.succeed(began, undefined), Deferred.await(gate))
          }),
          Effect.orDie
        )
      )
      yield* Deferred.await(began)
      // Another command takes its time, in which the first could have been through.
      const wait = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.05; done; [ ! -e /workspace/done ]"
      assert.strictEqual((yield* guest.sh(wait)).code, 0)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(reading)
      assert.strictEqual(bytes, 67_108_864)
      assert.strictEqual((yield* guest.sh("[ -e /workspace/done ]")).code, 0)
    }))

  test("a background process that keeps the pipes does not keep us", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const start = yield* Clock.currentTimeMillis
      const result = yield* guest.sh("setsid sleep 311 & exec 3<>/dev/stdout; echo said; exit 3")
      assert.deepStrictEqual([result.code, result.stdout], [3, "said\n"])
      assert.isBelow((yield* Clock.currentTimeMillis) - start, 20_000)
    }))
})

describe(`our ends of the pipes${note}`, () => {
  const test = tests(ourselves.make)

  test("are closed after each command, however it ended, and none is left in the file system", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const before = openEnds().length
      const files = Fs.readdirSync(`${runner.state}/bottle/local`).sort()
      const exec = ["machine", "exec", "--name", guest.name]
      for (let round = 0; round < 3; round++) {
        assert.strictEqual((yield* guest.exec(["/bin/cat"], { flags: ["-i"], stdin: "x" })).stdout, "x")
        assert.strictEqual((yield* guest.exec(["/no/such/program"])).code, 1)
        assert.strictEqual((yield* guest.sh("kill -9 $$")).code, 137)
      }
      for (const millis of [1, 2, 4, 6, 8, 10, 12, 15, 20]) {
        const timed = yield* runner.call([...exec, "--timeout", `${millis}ms`, "--", "/bin/sleep", "312"])
        assert.deepStrictEqual([timed.code, timed.stdout, timed.stderr], [124, "", ""], `after ${millis} ms`)
        const fiber = yield* Effect.fork(guest.exec(["/bin/sleep", "312"], { flags: ["-i"], stdin: Stream.never }))
        yield* Effect.sleep(millis)
        yield* Fiber.interrupt(fiber)
      }
      yield* Follow.follow({ program: "smolvm-local", args: [...exec, "--", "/usr/bin/yes"], env: runner.env }).pipe(
        Stream.take(1),
        Stream.runDrain,
        Effect.orDie
      )
      yield* waitUntil(
        Effect.sync(() => openEnds().length <= before),
        { boundMillis: 10_000, what: "our ends to be closed" }
      )
      assert.deepStrictEqual(Fs.readdirSync(`${runner.state}/bottle/local`).sort(), files)
      const left = yield* guest.sh('cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -c "[s]leep 312"')
      assert.strictEqual(left.stdout, "0\n")
    }))
})
