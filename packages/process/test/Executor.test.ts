import { capture, stdoutText } from "@bottle/process/Capture"
import * as Executor from "@bottle/process/Executor"
import * as Survivors from "@bottle/testing/Survivors"
import { waitUntil } from "@bottle/testing/Wait"
import * as NodeCommandExecutor from "@effect/platform-node/NodeCommandExecutor"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"

const live = <E>(name: string, test: Effect.Effect<void, E, CommandExecutor.CommandExecutor>) =>
  it.live(name, () => Effect.provide(test, Executor.layer), 30_000)

const sh = (script: string) => Command.make("/bin/sh", "-c", script)

describe("Executor", () => {
  live(
    "runs the platform's own commands",
    Effect.gen(function* () {
      assert.strictEqual(yield* Command.string(sh("echo out")), "out\n")
      assert.deepStrictEqual(yield* Command.lines(sh("echo a; echo b")), ["a", "b"])
      assert.strictEqual(yield* Command.exitCode(sh("exit 7")), 7)
      assert.strictEqual(yield* Command.string(Command.feed(Command.make("cat"), "fed")), "fed")
      assert.strictEqual(yield* Command.string(sh("echo $A").pipe(Command.env({ A: "1" }))), "1\n")
      assert.strictEqual(yield* Command.string(Command.make("pwd").pipe(Command.workingDirectory("/"))), "/\n")
    })
  )

  live(
    "refuses pipelines",
    Effect.gen(function* () {
      const error = yield* Effect.flip(Command.string(Command.pipeTo(sh("echo a"), Command.make("cat"))))
      assert.strictEqual(error._tag, "BadArgument")
    })
  )

  live(
    "fails, and does not die, when arguments are too long; without a word of them",
    Effect.gen(function* () {
      const error = yield* Effect.flip(Command.exitCode(Command.make("true", "hunter2".repeat(50_000))))
      assert.isTrue(error._tag === "SystemError" && error.description === "E2BIG")
      assert.notInclude(error.message, "hunter2")
      const missing = yield* Effect.flip(Command.exitCode(Command.make("no-such-program", "hunter2")))
      assert.isTrue(missing._tag === "SystemError" && missing.reason === "NotFound")
      assert.notInclude(JSON.stringify(missing), "hunter2")
    })
  )

  live(
    "says which signal ended a program, as the platform's executor says it",
    Effect.gen(function* () {
      const error = yield* Effect.flip(Command.exitCode(sh("kill -KILL $$")))
      assert.include(error.message, "receipt of signal: SIGKILL")
    })
  )

  live(
    "sends a signal to the whole group, then waits for the end",
    Effect.gen(function* () {
      const marker = `marker-${randomUUID()}`
      const count = Effect.map(Survivors.find(marker), Survivors.count)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const executor = yield* CommandExecutor.CommandExecutor
          const command = sh("sleep 60 & sleep 60 & wait").pipe(Command.env({ BOTTLE_TEST_MARKER: marker }))
          const running = yield* executor.start(command)
          yield* waitUntil(
            Effect.map(count, (found) => found === 3),
            { boundMillis: 20_000 }
          )
          assert.isTrue(yield* running.isRunning)
          yield* running.kill("SIGTERM")
          assert.isFalse(yield* running.isRunning)
          yield* waitUntil(
            Effect.map(count, (found) => found === 0),
            { boundMillis: 20_000 }
          )
        })
      )
    })
  )

  live(
    "ends what runs when its scope is closed",
    Effect.gen(function* () {
      const marker = `marker-${randomUUID()}`
      const count = Effect.map(Survivors.find(marker), Survivors.count)
      const command = sh("sleep 60 & sleep 60").pipe(Command.env({ BOTTLE_TEST_MARKER: marker }))
      yield* Effect.scoped(Effect.flatMap(CommandExecutor.CommandExecutor, (executor) => executor.start(command)))
      yield* waitUntil(
        Effect.map(count, (found) => found === 0),
        { boundMillis: 20_000 }
      )
    })
  )

  live(
    "survives a child that closes its input while it is no longer fed",
    Effect.scoped(
      Effect.gen(function* () {
        const executor = yield* CommandExecutor.CommandExecutor
        const running = yield* executor.start(sh("sleep 0.2; exec <&-; sleep 0.2; exit 5"))
        const feeding = yield* Effect.fork(Stream.run(Stream.make(new Uint8Array(8_000_000)), running.stdin))
        // In the midst of a write: the platform's own executor lets the EPIPE that follows end the whole process.
        yield* Effect.sleep(50)
        yield* Fiber.interrupt(feeding)
        assert.strictEqual(yield* running.exitCode, 5)
      })
    )
  )
})

describe("capture over the platform's own executor", () => {
  const layer = Layer.provide(NodeCommandExecutor.layer, NodeFileSystem.layer)
  const other = <E>(name: string, test: Effect.Effect<void, E, CommandExecutor.CommandExecutor>) =>
    it.live(name, () => Effect.provide(test, layer), 30_000)

  other(
    "means the same",
    Effect.gen(function* () {
      const captured = yield* capture({ program: "/bin/sh", args: ["-c", "cat; exit 7"] }, { stdin: "fed" })
      assert.strictEqual(stdoutText(captured), "fed")
      assert.deepStrictEqual(captured.exit, { code: 7, signal: null })
      const killed = yield* capture({ program: "/bin/sh", args: ["-c", "kill -KILL $$"] })
      assert.deepStrictEqual(killed.exit, { code: 137, signal: "SIGKILL" })
      const late = yield* Effect.flip(capture({ program: "sleep", args: ["60"] }, { timeoutMillis: 50 }))
      assert.strictEqual(late._tag, "ProcessTimedOut")
    })
  )

  other(
    "fails for the same reasons",
    Effect.gen(function* () {
      const reason = (program: string, args: ReadonlyArray<string>, cwd?: string) =>
        Effect.map(Effect.flip(capture({ program, args, cwd })), (error) =>
          error._tag === "SpawnRefused" ? error.reason : error._tag
        )
      assert.strictEqual(yield* reason("no-such-program", []), "ProgramNotFound")
      assert.strictEqual(yield* reason("/etc/passwd", []), "permission")
      assert.strictEqual(yield* reason("true", ["x".repeat(200_000)]), "arguments-too-long")
      assert.strictEqual(yield* reason("true", ["\0"]), "nul-in-argument")
      assert.strictEqual(yield* reason("true", [], "/no/such/directory"), "working-directory-missing")
      assert.strictEqual(yield* reason("true", [], "/etc/passwd"), "not-a-directory")
    })
  )
})
