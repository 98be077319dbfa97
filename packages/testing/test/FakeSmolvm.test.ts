import * as Grammar from "@bottle/smolvm/Grammar"
import type { SmolvmError } from "@bottle/smolvm/SmolvmError"
import * as Smolvm from "@bottle/smolvm/Smolvm"
import * as FakeSmolvm from "@bottle/testing/FakeSmolvm"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

const env = { PATH: "/bin", HOME: "/home/user" }

const on = (options: FakeSmolvm.Options) =>
  Smolvm.layer({ program: "smolvm", env }).pipe(Layer.provideMerge(FakeSmolvm.layer(options)))

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const running = (options: Parameters<Smolvm.Smolvm["Type"]["machineCreate"]>[0]) =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm.Smolvm
    yield* smolvm.machineCreate(options)
    yield* smolvm.machineStart({ name: options.name ?? "" })
    return smolvm
  })

const refused = (call: Effect.Effect<unknown, SmolvmError>) => Effect.map(Effect.flip(call), ({ _tag }) => _tag)

describe.each(Grammar.lines)("a machine of smolvm %s", (line) => {
  it.effect("lives: created, started, used, stopped, deleted", () =>
    Effect.gen(function* () {
      const smolvm = yield* running({ name: "box", cpus: 2 })
      const fake = yield* FakeSmolvm.FakeSmolvm
      assert.strictEqual((yield* smolvm.machineStatus({ name: "box" })).state, "running")
      const said = yield* smolvm.machineExec({ name: "box", command: ["sh", "-c", "echo out; echo err >&2; exit 3"] })
      assert.deepStrictEqual([said.exitCode, text(said.stdout), text(said.stderr)], [3, "out\n", "err\n"])
      assert.strictEqual((yield* smolvm.machineLs).length, 1)
      yield* smolvm.machineStop({ name: "box" })
      assert.strictEqual((yield* smolvm.machineStatus({ name: "box" })).state, "stopped")
      yield* smolvm.machineDelete({ name: "box" })
      assert.deepStrictEqual(yield* smolvm.machineLs, [])
      assert.deepStrictEqual(yield* fake.orphans, [])
    }).pipe(Effect.provide(on({ line })))
  )

  it.effect("gives its input to a command, and the command's output as it comes", () =>
    Effect.gen(function* () {
      const smolvm = yield* running({ name: "box" })
      const events = yield* Stream.runCollect(
        smolvm.machineExecFollow({
          name: "box",
          command: ["cat"],
          stdin: Stream.map(Stream.make("a", "b"), (part) => new TextEncoder().encode(part))
        })
      )
      const written = Chunk.toReadonlyArray(events).flatMap((event) =>
        event._tag === "Stdout" ? [text(event.bytes)] : []
      )
      assert.strictEqual(written.join(""), "ab")
      assert.deepStrictEqual(Chunk.unsafeLast(events), { _tag: "Exit", exit: { code: 0, signal: null } })
    }).pipe(Effect.provide(on({ line })))
  )

  it.effect("is refused by its name when it is there, and when it is not", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm.Smolvm
      yield* smolvm.machineCreate({ name: "box" })
      assert.strictEqual(yield* refused(smolvm.machineCreate({ name: "box" })), "MachineAlreadyExists")
      assert.strictEqual(yield* refused(smolvm.machineExec({ name: "box", command: ["true"] })), "MachineNotRunning")
      assert.strictEqual(yield* refused(smolvm.machineStart({ name: "no" })), "MachineNotFound")
      assert.strictEqual(yield* refused(smolvm.machineDelete({ name: "no" })), "MachineNotFound")
      assert.strictEqual(yield* refused(smolvm.machineStatus({ name: "no" })), "MachineNotFound")
      assert.strictEqual(yield* refused(smolvm.machineExec({ name: "no", command: ["true"] })), "MachineNotFound")
    }).pipe(Effect.provide(on({ line })))
  )
})
