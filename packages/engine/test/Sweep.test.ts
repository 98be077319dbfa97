import { waitUntil } from "@bottle/testing/Wait"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Files from "../src/internal/ledger/files.js"
import * as Sweep from "../src/Sweep.js"
import { standIn } from "./fixtures/ledgers.js"
import { abandoned, isGone, type Scene } from "./fixtures/recovering.js"

vi.setConfig({ testTimeout: 30_000 })

const HOUR_SECONDS = 3600

/** Six bottles of one state directory, each in another state. */
const crowd = Effect.gen(function* () {
  const up = yield* abandoned({ suffix: "aaaaa" })
  const beside = { beside: up }
  const launching = yield* abandoned({ ...beside, suffix: "bbbbb", then: () => Effect.void })
  const alive = yield* abandoned({ ...beside, suffix: "ccccc", isAlive: true })
  const kept = yield* abandoned({
    ...beside,
    suffix: "ddddd",
    then: ({ kept, up }) => Effect.zipRight(up, kept),
    isClosed: true
  })
  const left = yield* abandoned({
    ...beside,
    suffix: "eeeee",
    then: ({ failed, up }) => Effect.zipRight(up, failed({ resource: "machine x", reason: "r", suggestion: "s" })),
    isClosed: true
  })
  const unreadable = yield* abandoned({ ...beside, suffix: "fffff", isAlive: true })
  Fs.writeFileSync(`${unreadable.plan.ledger}/ledger.jsonl`, "")
  return { up, launching, alive, kept, left, unreadable }
})

const dead = ({ plan }: Scene) =>
  Effect.map(Sweep.dead(plan.directories).pipe(Effect.provide(NodeFileSystem.layer)), (views) =>
    views.map(({ id }) => id).toSorted()
  )

const age = ({ plan }: Scene, seconds: number) => {
  const at = Date.now() / 1000 - seconds
  Fs.utimesSync(`${plan.ledger}/ledger.jsonl`, at, at)
}

const run = ({ layer, plan }: Scene) =>
  Sweep.run(plan.directories).pipe(Effect.provide(layer), Effect.provide(NodeFileSystem.layer))

const sweep = ({ plan }: Scene, command: readonly [string, ...Array<string>], told: string) =>
  Effect.flatMap(Sweep.Sweeper, (sweeper) => sweeper.sweep(plan.directories, ["TOKEN"])).pipe(
    Effect.provide(Sweep.layer({ command, env: { PATH: "/usr/bin:/bin", TOLD: told, TOKEN: "t", OTHER: "o" } })),
    Effect.provide(NodeFileSystem.layer)
  )

describe("Sweep", () => {
  it.scopedLive("finds the bottles of dead owners, and after a while those of which something was left", () =>
    Effect.gen(function* () {
      const { launching, left, up } = yield* crowd
      assert.deepStrictEqual(yield* dead(up), [up.plan.id, launching.plan.id])
      for (const seconds of [HOUR_SECONDS, -HOUR_SECONDS]) {
        age(left, seconds)
        assert.deepStrictEqual(yield* dead(up), [up.plan.id, launching.plan.id, left.plan.id])
      }
    })
  )

  it.scopedLive("does not take for dead what went with its owner while it looked", () =>
    Effect.gen(function* () {
      const { launching, up } = yield* crowd
      const fs = yield* FileSystem.FileSystem
      const going: FileSystem.FileSystem = {
        ...fs,
        exists: (path) =>
          path === up.plan.ledger
            ? Effect.zipRight(Effect.ignore(fs.remove(path, { recursive: true })), fs.exists(path))
            : fs.exists(path)
      }
      const found = yield* Effect.provideService(Sweep.dead(up.plan.directories), FileSystem.FileSystem, going)
      assert.deepStrictEqual(
        found.map(({ id }) => id),
        [launching.plan.id]
      )
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scopedLive("takes down those, and what is left of ledgers that were being made", () =>
    Effect.gen(function* () {
      const { alive, kept, launching, left, unreadable, up } = yield* crowd
      age(left, HOUR_SECONDS)
      const bottles = Path.dirname(up.plan.ledger)
      const { owner } = up.owner
      const aside = `${bottles}/${Files.aside("new", "demo-zzzzz", owner)}`
      const making = `${bottles}/${Files.aside("new", "demo-yyyyy", alive.owner.owner)}`
      // Of these, it cannot be seen from here whether somebody makes them.
      const elsewhere = [{ pidNamespace: "pid:[1]" }, { host: "elsewhere" }].map(
        (place, index) => `${bottles}/${Files.aside("new", `demo-xxxx${index}`, { ...owner, ...place })}`
      )
      for (const path of [aside, making, ...elsewhere]) Fs.mkdirSync(path)
      yield* run(up)
      for (const { plan } of [up, launching, left]) assert.isFalse(Fs.existsSync(plan.ledger), plan.id)
      for (const { plan } of [alive, kept, unreadable]) {
        assert.isTrue(Fs.existsSync(plan.ledger), plan.id)
        assert.isTrue(Fs.existsSync(plan.directory), plan.id)
        assert.isTrue(up.world.machines.has(plan.machine), plan.id)
      }
      assert.isFalse(Fs.existsSync(aside))
      for (const path of [making, ...elsewhere]) assert.isTrue(Fs.existsSync(path), path)
      assert.isFalse(Fs.existsSync(`${bottles}/.sweep`))
    })
  )

  it.scopedLive("is done by one of two at a time, and taken up after one that was killed", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned()
      const { world } = scene
      const reached = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      world.onCall = () => Effect.zipRight(Deferred.succeed(reached, undefined), Deferred.await(go))
      const first = yield* Effect.fork(run(scene))
      yield* Deferred.await(reached)
      yield* run(scene)
      assert.deepStrictEqual(world.removed, [])
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(first)
      assert.isTrue(isGone(scene))

      const again = yield* abandoned()
      const killed = yield* standIn
      Fs.writeFileSync(`${Path.dirname(again.plan.ledger)}/.sweep`, JSON.stringify(killed.owner.identity))
      yield* killed.kill
      yield* run(again)
      assert.isTrue(isGone(again))
    })
  )

  it.scopedLive("goes on with the others where one cannot be taken down", () =>
    Effect.gen(function* () {
      const first = yield* abandoned({ suffix: "aaaaa" })
      const second = yield* abandoned({ beside: first, suffix: "bbbbb" })
      Fs.rmSync(`${first.plan.ledger}/plan.json`)
      Fs.writeFileSync(`${first.plan.directory}/file`, "")
      Fs.rmSync(first.plan.ledger, { recursive: true })
      Fs.symlinkSync("/nowhere", first.plan.ledger)
      yield* run(second)
      assert.isFalse(Fs.existsSync(second.plan.ledger))
    })
  )

  it.scopedLive("starts a process of its own where there is a dead bottle, and none otherwise", () =>
    Effect.gen(function* () {
      const alive = yield* abandoned({ isAlive: true })
      const told = Path.join(alive.directory, "told")
      const program = Path.join(alive.directory, "program")
      Fs.writeFileSync(program, `#!/bin/sh\necho "$@" "$TOKEN" "$OTHER" > "$TOLD.new"\nmv "$TOLD.new" "$TOLD"\n`, {
        mode: 0o755
      })
      yield* sweep(alive, [program, "sweep"], told)
      // Were one started for it, it would be there before the one that is started for the next.
      const bottle = yield* abandoned({ beside: alive, suffix: "bbbbb" })
      const second = Path.join(alive.directory, "second")
      yield* sweep(bottle, [program, "sweep"], second)
      yield* waitUntil(
        Effect.sync(() => Fs.existsSync(second)),
        { boundMillis: 10_000 }
      )
      assert.strictEqual(Fs.readFileSync(second, "utf8"), `sweep ${bottle.plan.directories.state}  o\n`)
      assert.isFalse(Fs.existsSync(told))
      // It never fails.
      yield* sweep(bottle, ["/no/such/program"], told)
      yield* sweep({ ...bottle, plan: { ...bottle.plan, directories: missing } } as Scene, [program], told)
    })
  )

  it.scopedLive("does nothing by default", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned()
      const sweeper = yield* Sweep.Sweeper
      yield* Effect.provide(sweeper.sweep(scene.plan.directories), NodeFileSystem.layer)
      assert.isTrue(Fs.existsSync(scene.plan.ledger))
    })
  )
})

const missing = { cache: "/no/cache", state: "/no/state", run: "/no/run" }
