/**
 * Testing a program of your own without a machine: the same program, on a smolvm in memory that answers as a real one
 * does, and that fails where it is told to.
 */
import * as Bundle from "@bottle/engine/Bundle"
import { Directories } from "@bottle/engine/Directories"
import { Prover } from "@bottle/engine/EgressProof"
import * as Engine from "@bottle/engine/Engine"
import * as Launch from "@bottle/engine/Launch"
import { ProofRecord } from "@bottle/engine/ProofRecord"
import * as Smolvm from "@bottle/smolvm/Smolvm"
import * as FakeSmolvm from "@bottle/testing/FakeSmolvm"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as assert from "node:assert/strict"
import { test } from "node:test"

/** The program that is tested. It asks for what it needs by type; the tests below answer from memory. */
const greeting = Effect.gen(function* () {
  const bottle = yield* Launch.bottle({ name: "greeting", source: { _tag: "Bare" }, bundle: "none" })
  const { exit, stdout } = yield* bottle.exec({ command: ["echo", "hello"] })
  return { code: exit.exitCode, text: new TextDecoder().decode(stdout).trim() }
}).pipe(Effect.scoped)

/** A machine in memory has no network that a proof could try: what is put in its place has nothing to probe. */
const unprobed = Layer.succeed(Prover, {
  prove: () =>
    Effect.succeed(
      new ProofRecord({
        version: 1,
        outcome: "unproven",
        reason: "a machine in memory has no network",
        tool: null,
        durationMillis: 0,
        probes: [],
        lastEvent: 0
      })
    )
})

const layerIn = (directory: string) =>
  Layer.mergeAll(
    Smolvm.layer({ program: "smolvm" }).pipe(Layer.provideMerge(FakeSmolvm.layer({ version: "1.9.3" }))),
    Engine.layer({
      directories: new Directories({
        cache: `${directory}/cache`,
        state: `${directory}/state`,
        run: `${directory}/run`
      }),
      runtime: "smolvm",
      arch: "x64",
      superuser: false
    }),
    Bundle.layerProcess,
    NodeFileSystem.layer,
    unprobed
  )

type Services = Layer.Layer.Success<ReturnType<typeof layerIn>>

const run = <A, E>(program: Effect.Effect<A, E, Services>): Promise<A> =>
  Effect.runPromise(Temp.withTempDir((directory) => Effect.provide(program, layerIn(directory))))

test("it greets, and leaves no machine", () =>
  run(
    Effect.gen(function* () {
      const fake = yield* FakeSmolvm.FakeSmolvm
      assert.deepEqual(yield* greeting, { code: 0, text: "hello" })
      assert.deepEqual(yield* fake.machines, [])
      const subcommands = (yield* fake.recorded).map(({ argv }) => argv.slice(1, 3).join(" "))
      assert.ok(subcommands.includes("machine create"))
    })
  ))

test("a machine that does not start is an error, and nothing is left of it", () =>
  run(
    Effect.gen(function* () {
      const fake = yield* FakeSmolvm.FakeSmolvm
      yield* fake.misbehave({ when: "machine start", how: "fail", at: "half-way" })
      assert.equal((yield* Effect.flip(greeting))._tag, "StageFailed")
      assert.deepEqual(yield* fake.machines, [])
    })
  ))
