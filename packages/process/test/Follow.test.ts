import * as Executor from "@bottle/process/Executor"
import { follow, type FollowEvent } from "@bottle/process/Follow"
import * as Text from "@bottle/process/Text"
import * as Survivors from "@bottle/testing/Survivors"
import { waitUntil } from "@bottle/testing/Wait"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"

const live = <E>(name: string, test: Effect.Effect<void, E, CommandExecutor | Scope.Scope>) =>
  it.scopedLive(name, () => Effect.provide(test, Executor.layer), 30_000)

const marked = (script: string) => {
  const marker = `marker-${randomUUID()}`
  const program = {
    program: "/bin/sh",
    args: ["-c", script],
    env: { PATH: "/usr/bin:/bin", BOTTLE_TEST_MARKER: marker }
  }
  const processes = Effect.map(Survivors.find(marker), (survivors) => survivors.processes)
  return { program, processes, count: Effect.map(processes, (found) => found.length) }
}

const sh = (script: string) => ({ program: "/bin/sh", args: ["-c", script] })

const stdout = (event: FollowEvent) => (event._tag === "Stdout" ? Stream.make(event.bytes) : Stream.empty)

const bytesOf = (events: Iterable<FollowEvent>, tag: "Stdout" | "Stderr"): number =>
  [...events].reduce((sum, event) => (event._tag === tag ? sum + event.bytes.length : sum), 0)

describe("follow", () => {
  live(
    "gives what is written as it comes, then one exit, last",
    Effect.gen(function* () {
      const answer = yield* Deferred.make<void>()
      const input = Stream.fromEffect(Effect.as(Deferred.await(answer), new TextEncoder().encode("go\n")))
      const program = sh("echo question; read line; echo $line >&2; exit 9")
      const events = yield* follow(program, { stdin: input }).pipe(
        // The program goes on only when its first words have arrived here.
        Stream.tap((event) => (event._tag === "Stdout" ? Deferred.succeed(answer, undefined) : Effect.void)),
        Stream.runCollect
      )
      const shown = Chunk.toReadonlyArray(events).map((event) =>
        event._tag === "Exit" ? event : { _tag: event._tag, text: Text.decode(event.bytes) }
      )
      assert.deepStrictEqual(shown, [
        { _tag: "Stdout", text: "question\n" },
        { _tag: "Stderr", text: "go\n" },
        { _tag: "Exit", exit: { code: 9, signal: null } }
      ])
    })
  )

  live(
    "gives a signal as the exit",
    Effect.gen(function* () {
      const events = yield* Stream.runCollect(follow(sh("kill -KILL $$")))
      assert.deepStrictEqual(Chunk.toReadonlyArray(events), [{ _tag: "Exit", exit: { code: 137, signal: "SIGKILL" } }])
    })
  )

  live(
    "fails when the program cannot be started",
    Effect.gen(function* () {
      const missing = yield* Effect.flip(Stream.runDrain(follow({ program: "no-such-program", args: [] })))
      assert.strictEqual(missing._tag, "ProgramNotFound")
      const long = yield* Effect.flip(Stream.runDrain(follow({ program: "true", args: ["x".repeat(200_000)] })))
      assert.isTrue(long._tag === "SpawnRefused" && long.reason === "arguments-too-long")
    })
  )

  live(
    "gives characters whole that came in pieces",
    Effect.gen(function* () {
      const program = sh(
        "printf 'h\\303'; sleep 0.05; printf '\\251\\342\\202'; sleep 0.05; printf '\\254\\n\\360\\237'"
      )
      const text = yield* follow(program).pipe(Stream.flatMap(stdout), Text.decodeStream, Stream.mkString)
      assert.strictEqual(text, "hé€\n\uFFFD")
      const lines = yield* follow(sh("printf 'a\\r'; sleep 0.05; printf '\\nb\\n\\nc'")).pipe(
        Stream.flatMap(stdout),
        Text.lines,
        Stream.runCollect
      )
      assert.deepStrictEqual(Chunk.toReadonlyArray(lines), ["a", "b", "", "c"])
    })
  )

  live(
    "has no cap, and holds no more than it must of 100 MiB",
    Effect.gen(function* () {
      const bytes = 100 * 1024 * 1024
      const before = process.memoryUsage().arrayBuffers
      let most = 0
      const total = yield* Stream.runFold(
        follow({ program: "head", args: ["-c", String(bytes), "/dev/zero"] }),
        0,
        (sum, event) => {
          most = Math.max(most, process.memoryUsage().arrayBuffers - before)
          return event._tag === "Stdout" ? sum + event.bytes.length : sum
        }
      )
      assert.strictEqual(total, bytes)
      // Garbage that is not collected yet counts here too.
      assert.isBelow(most, 80 * 1024 * 1024)
    })
  )

  live(
    "makes a program wait whose events nobody takes",
    Effect.gen(function* () {
      const { processes, program } = marked("exec yes")
      const held = yield* Deferred.make<never>()
      yield* Effect.forkScoped(Stream.runForEach(follow(program), () => Deferred.await(held)))
      const written = Effect.map(processes, ([line]) => {
        const pid = Number.parseInt(line ?? "", 10)
        return Number.isNaN(pid) ? 0 : Number(/^wchar: (\d+)$/m.exec(Fs.readFileSync(`/proc/${pid}/io`, "utf8"))?.[1])
      })
      let last = -1
      yield* waitUntil(
        Effect.map(written, (now) => {
          const stands = now > 0 && now === last
          last = now
          return stands
        }),
        { boundMillis: 10_000, everyMillis: 100, what: "a program that stopped writing" }
      )
      assert.isBelow(last, 16 * 1024 * 1024)
    })
  )

  live(
    "loses nothing when events are taken more slowly than the drain allows",
    Effect.gen(function* () {
      const events = yield* follow(sh("head -c 3000000 /dev/zero; exit 3"), { drainMillis: 20 }).pipe(
        Stream.tap(() => Effect.sleep(5)),
        Stream.runCollect
      )
      assert.strictEqual(bytesOf(events, "Stdout"), 3_000_000)
      assert.deepStrictEqual(Chunk.toReadonlyArray(events).at(-1), { _tag: "Exit", exit: { code: 3, signal: null } })
    })
  )

  live(
    "ends although a background process holds a pipe",
    Effect.gen(function* () {
      const { count, processes, program } = marked("sleep 60 & echo started")
      const events = yield* Stream.runCollect(follow(program, { drainMillis: 100 }))
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(events).map((event) => event._tag),
        ["Stdout", "Exit"]
      )
      process.kill(Number.parseInt((yield* processes)[0] ?? "", 10), "SIGKILL")
      yield* waitUntil(
        Effect.map(count, (left) => left === 0),
        { boundMillis: 20_000 }
      )
    })
  )

  live(
    "takes 10 MiB of standard input",
    Effect.gen(function* () {
      const input = Stream.repeatValue(new Uint8Array(65536)).pipe(Stream.take(160))
      const events = yield* Stream.runCollect(follow({ program: "cat", args: [] }, { stdin: input }))
      assert.strictEqual(bytesOf(events, "Stdout"), 10 * 1024 * 1024)
    })
  )

  live(
    "stops asking for input when the program has ended",
    Effect.gen(function* () {
      const left = yield* Deferred.make<void>()
      const endless = Stream.repeatValue(new Uint8Array(65536)).pipe(Stream.ensuring(Deferred.succeed(left, undefined)))
      yield* Stream.runDrain(follow(sh("head -c 10 >/dev/null; exit 0"), { stdin: endless }))
      assert.isTrue(yield* Deferred.isDone(left))
    })
  )

  live(
    "fails with the defect of an input that breaks",
    Effect.gen(function* () {
      const { count, program } = marked("cat; sleep 60")
      const exit = yield* Effect.exit(Stream.runDrain(follow(program, { stdin: Stream.dieMessage("broken input") })))
      assert.include(String(exit), "broken input")
      assert.strictEqual(yield* count, 0)
    })
  )

  live(
    "ends the program and its group when it is left early",
    Effect.gen(function* () {
      const { count, program } = marked("(trap '' TERM; while :; do sleep 0.1; done) & yes")
      const events = yield* follow(program, { graceMillis: 200 }).pipe(Stream.take(1), Stream.runCollect)
      assert.strictEqual(events.length, 1)
      assert.strictEqual(yield* count, 0)
    })
  )

  live(
    "ends the program and its group when it is interrupted, though nobody takes its events",
    Effect.gen(function* () {
      const { count, program } = marked(
        // Not a word before the background process has become `sleep`: one that is still the shell's
        // child between its fork and its exec has the shell's trap for TERM, and loses the signal.
        "trap 'echo bye; exit 0' TERM; sleep 60 & until grep -q sleep /proc/$!/comm; do :; done; while :; do echo words; done"
      )
      const first = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        // With so much grace it only ends in the test's time if what it writes while it ends is read.
        Stream.runForEach(follow(program, { graceMillis: 600_000 }), () =>
          Effect.zipRight(Deferred.succeed(first, undefined), Effect.never)
        )
      )
      yield* Deferred.await(first)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* count, 0)
    })
  )
})
