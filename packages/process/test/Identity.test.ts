import * as Executor from "@bottle/process/Executor"
import * as Identity from "@bottle/process/Identity"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ProcTable from "../src/internal/procTable.js"

const identify = (pid: number) => Effect.map(Identity.fromPid(pid), Option.getOrThrow)

describe("Identity", () => {
  it.scopedLive("means one process, until it ends", () =>
    Effect.gen(function* () {
      const executor = yield* CommandExecutor.CommandExecutor
      const running = yield* executor.start(Command.make("sleep", "60"))
      const identity = yield* identify(running.pid)
      assert.deepStrictEqual(
        yield* Schema.decodeUnknown(Identity.Identity)(JSON.parse(JSON.stringify(identity))),
        identity
      )
      assert.isTrue(yield* Identity.isAlive(identity))
      assert.isTrue(yield* Identity.signal(identity, "SIGTERM"))
      yield* Effect.exit(running.exitCode)
      assert.isFalse(yield* Identity.isAlive(identity))
      assert.isFalse(yield* Identity.signal(identity, "SIGTERM"))
      assert.isTrue(Option.isNone(yield* Identity.fromPid(running.pid)))
    }).pipe(Effect.provide(Executor.layer))
  )

  it.scopedLive("does not mean another process with the same number", () =>
    Effect.gen(function* () {
      const executor = yield* CommandExecutor.CommandExecutor
      const running = yield* executor.start(Command.make("sleep", "60"))
      const identity = yield* identify(running.pid)
      for (const other of [
        { ...identity, startTime: String(Number(identity.startTime) - 1) },
        { ...identity, bootId: "another boot" }
      ]) {
        assert.isFalse(yield* Identity.isAlive(other))
        assert.isFalse(yield* Identity.signal(other, "SIGKILL"))
      }
      assert.isTrue(yield* running.isRunning)
    }).pipe(Effect.provide(Executor.layer))
  )

  it.scopedLive("reads the start time of a program with a misleading name", () =>
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      const program = Path.join(directory, ") S 1 (a b")
      Fs.copyFileSync("/bin/sleep", program)
      const executor = yield* CommandExecutor.CommandExecutor
      const misleading = yield* executor.start(Command.make(program, "60"))
      const plain = yield* executor.start(Command.make("sleep", "60"))
      const both = [yield* identify(misleading.pid), yield* identify(plain.pid)].map(({ startTime }) =>
        Number(startTime)
      )
      // Both were started just now: within a second of 100 clock ticks.
      assert.isBelow(Math.abs((both[0] ?? 0) - (both[1] ?? 0)), 100)
      assert.strictEqual(ProcTable.readRow(misleading.pid)?.parent, process.pid)
    }).pipe(Effect.provide(Executor.layer))
  )

  it.scopedLive("takes a zombie for ended", () =>
    Effect.gen(function* () {
      const executor = yield* CommandExecutor.CommandExecutor
      // The shell becomes a sleep that never asks after its child.
      const parent = yield* executor.start(Command.make("/bin/sh", "-c", "true & exec sleep 60"))
      const child = () => ProcTable.readAll()?.find((row) => row.parent === parent.pid)
      yield* waitUntil(
        Effect.sync(() => child()?.state === "Z"),
        { boundMillis: 20_000 }
      )
      assert.isTrue(Option.isNone(yield* Identity.fromPid(child()?.pid ?? 0)))
    }).pipe(Effect.provide(Executor.layer))
  )

  it.effect("names nobody for a number that nobody has", () =>
    Effect.gen(function* () {
      for (const pid of [0, -1, 4_999_999, Number.NaN]) {
        assert.isTrue(Option.isNone(yield* Identity.fromPid(pid)))
      }
    })
  )

  it.effect("knows the first process, and never signals it", () =>
    Effect.gen(function* () {
      const first = yield* identify(1)
      assert.isTrue(yield* Identity.isAlive(first))
      // SIGCONT does nothing to a process that runs.
      assert.isFalse(yield* Identity.signal(first, "SIGCONT"))
      assert.isTrue(yield* Identity.signal(yield* identify(process.pid), "SIGCONT"))
    })
  )
})
