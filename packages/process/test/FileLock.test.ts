import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as FileLock from "../src/FileLock.js"
import * as Identity from "../src/Identity.js"

const lockPath = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "bottle-lock-"))),
  (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
).pipe(Effect.map((directory) => Path.join(directory, "a.lock")))

const leftovers = (path: string) => Fs.readdirSync(Path.dirname(path))

const deadIdentity = () => {
  const stat = execFileSync("/bin/sh", ["-c", 'read -r line </proc/self/stat; printf %s "$line"'], { encoding: "utf8" })
  const bootId = Fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
  const startTime = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "0"
  return JSON.stringify({ pid: Number.parseInt(stat, 10), startTime, bootId })
}

describe("FileLock", () => {
  it.scopedLive("is held until its scope closes, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const path = yield* lockPath
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* FileLock.acquire(path)
          assert.deepStrictEqual(leftovers(path), ["a.lock"])
        })
      )
      assert.deepStrictEqual(leftovers(path), [])
    })
  )

  it.scopedLive("is a link to its holder where the disk is full, which keeps others out as long as that lives", () =>
    Effect.gen(function* () {
      const path = yield* lockPath
      const linkTo = (identity: string) => {
        const { bootId, pid, startTime } = JSON.parse(identity)
        Fs.rmSync(path, { force: true })
        Fs.symlinkSync(`${pid}.${startTime}.${bootId}`, path)
      }
      linkTo(yield* Effect.flatMap(Identity.fromPid(process.pid), Effect.map(JSON.stringify)))
      const refused = yield* Effect.flip(Effect.scoped(FileLock.acquire(path, { timeoutMillis: 50 })))
      assert.strictEqual(refused._tag, "LockTimedOut")
      assert.strictEqual(refused._tag === "LockTimedOut" ? refused.holder : null, process.pid)
      for (const takeable of [() => linkTo(deadIdentity()), () => (Fs.rmSync(path), Fs.symlinkSync("nobody", path))]) {
        takeable()
        yield* Effect.scoped(FileLock.acquire(path))
        assert.deepStrictEqual(leftovers(path), [])
        Fs.writeFileSync(path, "")
      }
    })
  )

  it.scopedLive("says who holds it, as a file and as a link", () =>
    Effect.gen(function* () {
      const path = yield* lockPath
      const tag = Effect.map(FileLock.holderOf(path), ({ _tag }) => _tag)
      assert.strictEqual(yield* tag, "Nobody")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* FileLock.acquire(path)
          const holder = yield* FileLock.holderOf(path)
          assert.strictEqual(holder._tag === "Alive" ? holder.identity.pid : null, process.pid)
        })
      )
      const { bootId, pid, startTime } = JSON.parse(deadIdentity())
      for (const text of [deadIdentity(), "not a holder"]) {
        Fs.writeFileSync(path, text)
        assert.strictEqual(yield* tag, "Dead")
      }
      Fs.rmSync(path)
      Fs.symlinkSync(`${pid}.${startTime}.${bootId}`, path)
      assert.deepStrictEqual(yield* FileLock.holderOf(path), { _tag: "Dead", identity: { pid, startTime, bootId } })
      Fs.rmSync(path)
      Fs.mkdirSync(path)
      assert.strictEqual(yield* tag, "Nobody")
    })
  )

  it.scopedLive("lets one in at a time", () =>
    Effect.gen(function* () {
      const path = yield* lockPath
      const inside = yield* Ref.make(0)
      const most = yield* Ref.make(0)
      const enter = Effect.scoped(
        Effect.gen(function* () {
          yield* FileLock.acquire(path)
          const now = yield* Ref.updateAndGet(inside, (count) => count + 1)
          yield* Ref.update(most, (count) => Math.max(count, now))
          yield* Effect.yieldNow()
          yield* Ref.update(inside, (count) => count - 1)
        })
      )
      yield* Effect.all(
        Array.from({ length: 20 }, () => enter),
        { concurrency: "unbounded", discard: true }
      )
      assert.strictEqual(yield* Ref.get(most), 1)
      assert.deepStrictEqual(leftovers(path), [])
    })
  )

  it.scopedLive("says who holds it when the wait is over", () =>
    Effect.gen(function* () {
      const path = yield* lockPath
      yield* FileLock.acquire(path)
      const second = yield* Effect.either(Effect.scoped(FileLock.acquire(path, { timeoutMillis: 20 })))
      assert.isTrue(Either.isLeft(second))
      if (Either.isLeft(second)) {
        assert.strictEqual(second.left._tag, "LockTimedOut")
        assert.include(second.left.message, String(process.pid))
      }
      assert.deepStrictEqual(leftovers(path), ["a.lock"])
    })
  )

  for (const [what, content] of [
    ["of a process that has ended", deadIdentity()],
    ["that cannot be read as one", "garbage"],
    ["of another boot", JSON.stringify({ pid: process.pid, startTime: "1", bootId: "another" })]
  ] as const) {
    it.scopedLive(`takes over a lock ${what}, and only one of many waiters does`, () =>
      Effect.gen(function* () {
        const path = yield* lockPath
        Fs.writeFileSync(path, content)
        const inside = yield* Ref.make(0)
        const most = yield* Ref.make(0)
        const enter = Effect.scoped(
          Effect.gen(function* () {
            yield* FileLock.acquire(path)
            const now = yield* Ref.updateAndGet(inside, (count) => count + 1)
            yield* Ref.update(most, (count) => Math.max(count, now))
            yield* Effect.yieldNow()
            yield* Ref.update(inside, (count) => count - 1)
          })
        )
        yield* Effect.all([enter, enter, enter, enter], { concurrency: "unbounded", discard: true })
        assert.strictEqual(yield* Ref.get(most), 1)
        assert.deepStrictEqual(leftovers(path), [])
      })
    )
  }

  it.scopedLive("can be interrupted while it waits, and the holder keeps it", () =>
    Effect.gen(function* () {
      const path = yield* lockPath
      const waiting = yield* Deferred.make<void>()
      yield* FileLock.acquire(path)
      const waiter = yield* Effect.fork(
        Effect.scoped(Effect.zipRight(Deferred.succeed(waiting, undefined), FileLock.acquire(path)))
      )
      yield* Deferred.await(waiting)
      yield* Fiber.interrupt(waiter)
      assert.deepStrictEqual(leftovers(path), ["a.lock"])
    })
  )

  it.scopedLive("fails with the system's reason where no lock can be made", () =>
    Effect.gen(function* () {
      const path = yield* lockPath
      const result = yield* Effect.either(Effect.scoped(FileLock.acquire(Path.join(path, "missing", "b.lock"))))
      assert.isTrue(Either.isLeft(result))
      if (Either.isLeft(result) && result.left._tag === "LockFailed") assert.strictEqual(result.left.code, "ENOENT")
      else assert.fail("expected LockFailed")
    })
  )
})
