import * as FakeSmolvm from "@bottle/testing/FakeSmolvm"
import type { Misbehaviour } from "@bottle/testing/Misbehaviour"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Grammar from "../src/Grammar.js"
import * as Machines from "../src/Machines.js"
import * as SmolvmLayer from "../src/Smolvm.js"
import { Smolvm } from "../src/Smolvm.js"

const on = (line: Grammar.Line) =>
  SmolvmLayer.layer({ program: "smolvm", env: { PATH: "/bin" } }).pipe(Layer.provideMerge(FakeSmolvm.layer({ line })))

/** No machine, and nothing that runs without a record. */
const nothingLeft = Effect.gen(function* () {
  const fake = yield* FakeSmolvm.FakeSmolvm
  assert.deepStrictEqual(
    (yield* fake.machines).map(({ name }) => name),
    []
  )
  assert.deepStrictEqual(yield* fake.orphans, [])
})

const box = { create: { name: "box" } }

const telling = () => {
  const told: Array<string> = []
  return {
    told,
    onReleaseFailure: ({ message }: Machines.MachineNotReleased) => Effect.sync(() => void told.push(message))
  }
}

describe.concurrent.each(Grammar.lines)("machines of a scope on %s", (line) => {
  const test = (name: string, body: Effect.Effect<void, unknown, Smolvm | FakeSmolvm.FakeSmolvm>) =>
    it.live(name, () => Effect.provide(body, on(line)))

  test(
    "run commands, and are gone with it, running or not",
    Effect.gen(function* () {
      const { machines } = yield* FakeSmolvm.FakeSmolvm
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { exec } = yield* Machines.acquire({ ...box, exec: { env: [["WORD", "said"]] } })
          yield* Machines.create({})
          assert.strictEqual((yield* machines).length, 2)
          const { exit, stdout } = yield* exec.run({ command: ["sh", "-c", "echo $WORD; exit 3"] })
          assert.deepStrictEqual([new TextDecoder().decode(stdout), exit.exitCode, exit.origin], ["said\n", 3, "guest"])
        })
      )
      yield* nothingLeft
    })
  )

  test(
    "are gone although somebody has deleted them before",
    Effect.gen(function* () {
      const { onReleaseFailure, told } = telling()
      const smolvm = yield* Smolvm
      yield* Effect.scoped(
        Effect.zipRight(Machines.acquire({ ...box, onReleaseFailure }), smolvm.machineDelete({ name: "box" }))
      )
      assert.deepStrictEqual(told, [])
      yield* nothingLeft
    })
  )

  test(
    "leave a machine alone that had the name",
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const { machines } = yield* FakeSmolvm.FakeSmolvm
      yield* smolvm.machineCreate({ name: "box" })
      const error = yield* Effect.flip(Effect.scoped(Machines.acquire(box)))
      assert.strictEqual(error._tag, "MachineAlreadyExists")
      assert.strictEqual((yield* machines).length, 1)
    })
  )

  test(
    "are gone although their delete fails at first, and are told of where it goes on failing",
    Effect.gen(function* () {
      const { misbehave, machines } = yield* FakeSmolvm.FakeSmolvm
      const { onReleaseFailure, told } = telling()
      yield* misbehave({ when: "machine delete", how: "fail" })
      yield* Effect.scoped(Machines.acquire({ ...box, onReleaseFailure }))
      assert.deepStrictEqual(told, [])
      yield* nothingLeft
      yield* misbehave({ when: "machine delete", how: "fail", times: "any" })
      yield* Effect.scoped(Machines.acquire({ ...box, onReleaseFailure }))
      assert.strictEqual(told.length, 1)
      assert.match(told[0] ?? "", /^machine 'box' could not be deleted: /)
      assert.strictEqual((yield* machines).length, 1)
    })
  )

  test(
    "that were there before are stopped again, and stay",
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.machineCreate({ name: "box" })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { exec } = yield* Machines.started({ name: "box" })
          assert.strictEqual((yield* exec.run({ command: ["true"] })).exit.exitCode, 0)
          assert.strictEqual((yield* smolvm.machineStatus({ name: "box" })).state, "running")
        })
      )
      assert.strictEqual((yield* smolvm.machineStatus({ name: "box" })).state, "stopped")
      yield* smolvm.machineStart({ name: "box" })
      yield* Effect.scoped(Machines.started({ name: "box" }))
      assert.strictEqual((yield* smolvm.machineStatus({ name: "box" })).state, "running")
    })
  )
})

describe.concurrent("machines of a scope leave nothing on any line when they are interrupted", () => {
  const points: ReadonlyArray<readonly [what: string, when: Misbehaviour]> = [
    ["create has done nothing", { when: "machine create", how: "hang", at: "before" }],
    ["create is half-way", { when: "machine create", how: "hang", at: "half-way" }],
    ["create has made the machine", { when: "machine create", how: "hang", at: "after" }],
    ["create does not heed a signal", { when: "machine create", how: "hang", at: "after", ignoresSigterm: true }],
    ["start is half-way", { when: "machine start", how: "hang", at: "half-way" }],
    ["start has booted the machine", { when: "machine start", how: "hang", at: "after" }],
    ["the first command is awaited", { when: "machine exec", how: "hang", at: "before" }]
  ]

  const interrupted = (point: Misbehaviour) =>
    Effect.gen(function* () {
      const { misbehave, recorded } = yield* FakeSmolvm.FakeSmolvm
      yield* misbehave(point)
      const fiber = yield* Effect.fork(Effect.scoped(Machines.acquire(box)))
      const runs = Effect.map(recorded, (all) => all.some(({ argv }) => `${argv[1]} ${argv[2]}` === point.when))
      yield* waitUntil(runs, { boundMillis: 10_000, what: `${String(point.when)} to run` })
      yield* Fiber.interrupt(fiber)
      yield* nothingLeft
    })

  it.live.each(points)("while %s", ([, point]) =>
    Effect.forEach(Grammar.lines, (line) => Effect.provide(interrupted(point), on(line)), {
      concurrency: "unbounded",
      discard: true
    })
  )
})

describe("clones of a scope", () => {
  it.live("are gone with it, and their golden stays", () =>
    Effect.gen(function* () {
      const { machines } = yield* FakeSmolvm.FakeSmolvm
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Machines.acquire({ create: { name: "golden" }, start: { forkable: true } })
          const names = Effect.map(machines, (all) => all.map(({ name }) => name))
          yield* Effect.scoped(
            Effect.gen(function* () {
              const { exec, name } = yield* Machines.forked({ fork: { golden: "golden" } })
              const { stdout } = yield* exec.run({ command: ["echo", "said"] })
              assert.strictEqual(new TextDecoder().decode(stdout), "said\n")
              assert.deepStrictEqual(yield* names, ["golden", name])
            })
          )
          assert.deepStrictEqual(yield* names, ["golden"])
        })
      )
      yield* nothingLeft
    }).pipe(Effect.provide(on("1.9.3")))
  )
})
