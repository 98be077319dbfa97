import { attach } from "@bottle/process/Attach"
import { capture, stderrText, stdoutText } from "@bottle/process/Capture"
import { follow } from "@bottle/process/Follow"
import * as CommandScript from "@bottle/testing/CommandScript"
import * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"

type Needs = CommandExecutor.CommandExecutor | CommandScript.CommandScript

const run = (program: string, ...args: ReadonlyArray<string>) => capture({ program, args })

const provide =
  (replies: ReadonlyArray<CommandScript.Reply>, options?: CommandScript.Options) =>
  <A, E>(effect: Effect.Effect<A, E, Needs>) =>
    Effect.provide(effect, CommandScript.layer(replies, options))

/** What the test would say, had it been run with this script. */
const complaint = <A, E>(effect: Effect.Effect<A, E, Needs>, ...replies: ReadonlyArray<CommandScript.Reply>) =>
  Effect.map(Effect.exit(provide(replies)(effect)), (exit) => {
    assert.isTrue(Exit.isFailure(exit), "the script should have complained")
    return Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
  })

const recorded = Effect.flatMap(CommandScript.CommandScript, (script) => script.recorded)
const events = Effect.flatMap(CommandScript.CommandScript, (script) => Ref.get(script.events))

describe("CommandScript", () => {
  it.effect("answers as it is written", () =>
    Effect.gen(function* () {
      const listed = yield* run("smolvm", "machine", "ls", "--json")
      assert.deepStrictEqual(listed.exit, { code: 3, signal: null })
      assert.strictEqual(stdoutText(listed), "[]")
      assert.strictEqual(stderrText(listed), "warned")
      assert.deepStrictEqual((yield* run("killed")).exit, { code: 137, signal: "SIGKILL" })
      assert.strictEqual((yield* Effect.flip(run("missing")))._tag, "ProgramNotFound")
      assert.deepStrictEqual((yield* run("bytes")).stdout, Uint8Array.of(255, 0))
      assert.strictEqual(stdoutText(yield* run("stream")), "ab")
    }).pipe(
      provide([
        { match: ["smolvm", "machine", "ls", "--json"], exit: 3, stdout: "[]", stderr: "warned" },
        { match: ["killed"], signal: "SIGKILL" },
        { match: ["missing"], notFound: true },
        { match: ["bytes"], stdout: Uint8Array.of(255, 0) },
        { match: ["stream"], stdout: Stream.map(Stream.make("a", "b"), (text) => new TextEncoder().encode(text)) }
      ])
    )
  )

  it.effect("answers what follows a program too", () =>
    Effect.gen(function* () {
      const all = yield* Stream.runCollect(follow({ program: "logs", args: [] }))
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(all).map((event) => event._tag),
        ["Stdout", "Exit"]
      )
    }).pipe(provide([{ match: ["logs"], stdout: "words" }]))
  )

  it.effect("records argv, environment, directory and input", () =>
    Effect.gen(function* () {
      yield* capture({ program: "one", args: ["a b", ""], env: { A: "1" }, cwd: "/tmp" }, { stdin: "fed" })
      yield* capture({ program: "two", args: [] }, { stdin: Stream.make(Uint8Array.of(195), Uint8Array.of(169)) })
      yield* Command.exitCode(Command.feed(Command.make("three"), "also fed"))
      const [one, two, three] = yield* recorded
      assert.deepStrictEqual(one?.argv, ["one", "a b", ""])
      assert.deepStrictEqual(one?.env, { A: "1" })
      assert.isFalse(one?.extendEnv)
      assert.strictEqual(one?.cwd, "/tmp")
      assert.isFalse(one?.foreground)
      const inputs = yield* Effect.forEach([one, two, three], (each) => each?.stdin ?? Effect.die("not run"))
      assert.deepStrictEqual(inputs, ["fed", "é", "also fed"])
      assert.isTrue(three?.extendEnv)
      assert.deepStrictEqual(yield* events, [
        'start one "a b" ""',
        'exit one "a b" ""',
        "start two",
        "exit two",
        "start three",
        "exit three"
      ])
    }).pipe(provide([{ match: ["one", "a b", ""] }, { match: ["two"] }, { match: ["three"] }]))
  )

  it.effect("records what owns the terminal", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* attach({ program: "shell", args: [] }), { code: 42, signal: null })
      assert.deepStrictEqual(
        (yield* recorded).map((each) => each.foreground),
        [true]
      )
    }).pipe(provide([{ match: ["shell"], exit: 42 }]))
  )

  it.effect("shares its record of events with other doubles", () =>
    Effect.gen(function* () {
      const script = yield* CommandScript.CommandScript
      yield* Ref.update(script.events, (before) => [...before, "another double"])
      yield* run("one")
      assert.deepStrictEqual(yield* events, ["another double", "start one", "before", "exit one"])
    }).pipe((test) =>
      Effect.gen(function* () {
        const note = yield* Deferred.make<Effect.Effect<void>>()
        const before = Effect.flatten(Deferred.await(note))
        const known = Effect.flatMap(CommandScript.CommandScript, (script) =>
          Deferred.succeed(
            note,
            Ref.update(script.events, (all) => [...all, "before"])
          )
        )
        yield* provide([{ match: ["one"], before }])(Effect.zipRight(known, test))
      })
    )
  )
})

describe("a command that is not scripted", () => {
  it.effect("fails the test, saying what was expected and where it differs", () =>
    Effect.gen(function* () {
      const text = yield* complaint(
        Effect.zipRight(run("docker", "ps"), run("docker", "rm", "b", "c d")),
        { match: ["docker", "ps"] },
        { match: ["docker", "rm", "a"] }
      )
      assert.include(text, 'Not scripted:\n  docker rm b "c d"')
      assert.include(text, "Expected was:\n  docker rm a")
      assert.include(text, 'word 2: expected "a", got "b"')
      assert.include(text, "Run before:\n  docker ps")
    })
  )

  it.effect("fails the test even if the code under test swallows that", () =>
    Effect.gen(function* () {
      const swallowed = run("docker", "ps").pipe(Effect.catchAllCause(() => Effect.void))
      assert.include(yield* complaint(swallowed), "Not scripted:\n  docker ps")
      const inBackground = Effect.flatMap(Effect.forkDaemon(run("docker", "ps")), Fiber.await)
      assert.include(yield* complaint(inBackground), "Not scripted:\n  docker ps")
    })
  )

  it.effect("fails the test at once when it is out of order", () =>
    Effect.gen(function* () {
      const replies = [{ match: ["a"] }, { match: ["b"] }]
      const swapped = Effect.zipRight(run("b"), run("a"))
      assert.include(yield* complaint(swapped, ...replies), "Expected was:\n  a")
      yield* provide(replies)(Effect.zipRight(run("a"), run("b")))
      yield* provide(replies, { ordered: false })(swapped)
    })
  )

  it.effect("fails the test when its reply is used up", () =>
    Effect.gen(function* () {
      const thrice = Effect.repeatN(run("poll"), 2)
      assert.include(yield* complaint(thrice, { match: ["poll"], times: 2 }), "Not scripted:\n  poll")
      yield* provide([{ match: ["poll"], times: 3 }])(thrice)
      yield* provide([{ match: ["poll"], times: "any" }])(thrice)
    })
  )
})

describe("a reply that nobody asked for", () => {
  it.effect("fails the test", () =>
    Effect.gen(function* () {
      const text = yield* complaint(run("a"), { match: ["a"] }, { match: ["b", "c"] })
      assert.include(text, "Nobody asked for:\n  b c")
      assert.include(text, "Run were:\n  a")
      assert.include(yield* complaint(run("a"), { match: ["a"], times: 2 }), "Nobody asked for:\n  a")
    })
  )

  it.effect("is found when asked for", () =>
    Effect.gen(function* () {
      const script = yield* CommandScript.CommandScript
      assert.isTrue(Exit.isFailure(yield* Effect.exit(script.verify)))
      yield* run("a")
      yield* script.verify
    }).pipe(provide([{ match: ["a"] }]))
  )

  it.effect("may be left when it may be used any number of times", () =>
    Effect.gen(function* () {
      yield* run("b")
      yield* run("a", "1")
    }).pipe(
      provide([
        { match: ([program]) => program === "a", times: "any" },
        { match: ["b"] },
        { match: ["z"], times: "any" }
      ])
    )
  )

  it.effect("does not hide why a test failed by itself", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(provide([{ match: ["a"] }])(Effect.fail("its own reason")))
      assert.deepStrictEqual(exit, Exit.fail("its own reason"))
    })
  )
})

describe("a scripted process that hangs", () => {
  it.effect("is ended by interruption, with SIGTERM", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(run("sleep"))
      yield* Effect.yieldNow()
      yield* Effect.repeat(recorded, { until: (all) => all.length === 1 })
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(
        (yield* recorded).map((each) => each.signals),
        [["SIGTERM"]]
      )
      assert.deepStrictEqual(yield* events, ["start sleep", "signal SIGTERM sleep", "exit sleep"])
    }).pipe(provide([{ match: ["sleep"], hang: true }]))
  )

  it.effect("that ignores SIGTERM is ended by SIGKILL, after the grace", () =>
    Effect.gen(function* () {
      const options = { timeoutMillis: 1000, graceMillis: 5000 }
      const fiber = yield* Effect.fork(Effect.flip(capture({ program: "sleep", args: [] }, options)))
      yield* TestClock.adjust(999)
      assert.deepStrictEqual((yield* recorded)[0]?.signals, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual((yield* recorded)[0]?.signals, ["SIGTERM"])
      yield* TestClock.adjust(4999)
      assert.deepStrictEqual((yield* recorded)[0]?.signals, ["SIGTERM"])
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "ProcessTimedOut")
      assert.deepStrictEqual((yield* recorded)[0]?.signals, ["SIGTERM", "SIGKILL"])
    }).pipe(provide([{ match: ["sleep"], hang: true, ignoresSigterm: true }]))
  )

  it.effect("that ignores SIGTERM fails the test when it is merely left", () =>
    Effect.gen(function* () {
      const left = Effect.scoped(
        Effect.flatMap(CommandExecutor.CommandExecutor, (executor) => executor.start(Command.make("sleep")))
      )
      const text = yield* complaint(left, { match: ["sleep"], hang: true, ignoresSigterm: true })
      assert.include(text, "The scope of `sleep` closed while it ran on")
    })
  )
})

describe("a scripted process and its input", () => {
  it.effect("ends only when its input does, as cat", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(
        capture({ program: "cat", args: [] }, { stdin: Stream.never, timeoutMillis: 1000 })
      )
      yield* TestClock.adjust(1000)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
    }).pipe(provide([{ match: ["cat"] }]))
  )

  it.effect("ends at once when it does not read", () =>
    Effect.gen(function* () {
      const captured = yield* capture({ program: "true", args: [] }, { stdin: Stream.never })
      assert.strictEqual(captured.exit.code, 0)
    }).pipe(provide([{ match: ["true"], readsStdin: false }]))
  )
})
