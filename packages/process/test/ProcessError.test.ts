import { capture } from "@bottle/process/Capture"
import * as Exit from "@bottle/process/Exit"
import * as ProcessError from "@bottle/process/ProcessError"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import { BadArgument, SystemError } from "@effect/platform/Error"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as EffectExit from "effect/Exit"
import * as Fiber from "effect/Fiber"

const { OutputTooLarge, ProcessTimedOut, ProgramNotFound, SpawnRefused, SpawnRefusedReason } = ProcessError

describe("ProcessError", () => {
  it("says in one line what happened, and what to do", () => {
    const program = "evil\n\x1b[2Jname"
    const errors = [
      new ProgramNotFound({ program }),
      ...SpawnRefusedReason.literals.map((reason) => new SpawnRefused({ program, reason, code: "EX\n" })),
      new OutputTooLarge({ program, stream: "stdout", capBytes: 1024 }),
      new ProcessTimedOut({ program, timeoutMillis: 50 })
    ]
    for (const error of errors) {
      assert.match(error.message, /^evil\\x0a\\x1b\[2Jname: [\x20-\x7e]+$/)
      assert.match(error.suggestion, /^[A-Z][\x20-\x7e]+\.$/)
    }
    assert.strictEqual(new Set(errors.map((error) => error.message)).size, errors.length)
    assert.strictEqual(
      new OutputTooLarge({ program: "yes", stream: "stderr", capBytes: 9 }).message.includes("9 bytes"),
      true
    )
    assert.strictEqual(new ProcessTimedOut({ program: "yes", timeoutMillis: 50 }).message.includes("50 ms"), true)
  })
})

describe("Exit", () => {
  it("counts signals as shells do", () => {
    assert.deepStrictEqual(Exit.fromSignal("SIGKILL"), { code: 137, signal: "SIGKILL" })
    assert.deepStrictEqual(Exit.fromSignal("SIGTERM"), { code: 143, signal: "SIGTERM" })
    assert.deepStrictEqual(Exit.fromSignal("SIGUNHEARDOF"), { code: 128, signal: "SIGUNHEARDOF" })
    assert.isTrue(Exit.isSuccess(Exit.fromCode(0)))
    assert.isFalse(Exit.isSuccess(Exit.fromCode(1)))
    assert.isFalse(Exit.isSuccess(Exit.fromSignal("SIGUNHEARDOF")))
  })
})

const over = (start: CommandExecutor.CommandExecutor["start"]) =>
  Effect.provideService(
    capture({ program: "program", args: ["argument"] }),
    CommandExecutor.CommandExecutor,
    CommandExecutor.makeExecutor(start)
  )

describe("a start that fails in another way", () => {
  it.effect("is refused, with the system's name for the cause", () =>
    Effect.gen(function* () {
      const fields = { module: "Command", method: "spawn", reason: "Unknown" } as const
      const causes = [
        over(() => Effect.fail(new SystemError({ ...fields, cause: { code: "EMFILE" } }))),
        over(() => Effect.fail(new SystemError({ ...fields, description: "EMFILE" }))),
        over(() => Effect.die(Object.assign(new Error("spawn EMFILE argument"), { code: "EMFILE" })))
      ]
      for (const cause of causes) {
        assert.deepStrictEqual(
          yield* Effect.flip(cause),
          new SpawnRefused({ program: "program", reason: "other", code: "EMFILE" })
        )
      }
      const unknown = over(() => Effect.fail(new BadArgument({ module: "Command", method: "start", description: "x" })))
      assert.deepStrictEqual(yield* Effect.flip(unknown), new SpawnRefused({ program: "program", reason: "other" }))
    })
  )

  it.effect("stays a defect when it is one", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(over(() => Effect.die(new TypeError("a bug"))))
      assert.isTrue(EffectExit.isFailure(exit) && Cause.isDie(exit.cause))
    })
  )

  it.effect("can be interrupted while it takes long", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(over(() => Effect.never))
      yield* Effect.yieldNow()
      assert.isTrue(EffectExit.isInterrupted(yield* Fiber.interrupt(fiber)))
    })
  )
})
