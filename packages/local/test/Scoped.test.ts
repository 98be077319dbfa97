import * as Machines from "@bottle/smolvm/Machines"
import * as Smolvm from "@bottle/smolvm/Smolvm"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { note } from "./support/missing.js"
import { freshName, nothingLeft, ourselves, type Runner } from "./support/runner.js"
import { testsFor } from "./support/suite.js"

describe(`machines of a scope, by the local runtime${note}`, () => {
  const test = testsFor(ourselves.make, 120_000)

  const smolvm = ({ env, words }: Runner) => Smolvm.layer({ program: words[0] ?? "", env })

  test("run commands, and are gone when the scope closes", (runner) =>
    Effect.gen(function* () {
      const name = yield* Effect.scoped(
        Effect.gen(function* () {
          const machine = yield* Machines.acquire({ create: { name: freshName() } })
          const { exit, stdout } = yield* machine.exec.run({ command: ["sh", "-c", "echo said; exit 3"] })
          assert.deepStrictEqual([Buffer.from(stdout).toString(), exit.exitCode, exit.origin], ["said\n", 3, "guest"])
          return machine.name
        })
      )
      const { machineLs } = yield* Smolvm.Smolvm
      assert.deepStrictEqual(yield* machineLs, [])
      yield* nothingLeft(name)
    }).pipe(Effect.provide(smolvm(runner)), Effect.orDie))

  test("leave nothing when they are interrupted while they come up, or while a command runs", (runner) =>
    Effect.gen(function* () {
      const { machineLs } = yield* Smolvm.Smolvm
      for (const states of [["created", "running"], ["running"]]) {
        const name = freshName()
        const use = Effect.flatMap(Machines.acquire({ create: { name } }), ({ exec }) =>
          exec.run({ command: ["sleep", "311"] })
        )
        const fiber = yield* Effect.fork(Effect.scoped(use))
        const isThere = Effect.map(machineLs, (all) =>
          all.some((one) => one.name === name && states.includes(one.state))
        )
        yield* waitUntil(Effect.orDie(isThere), {
          boundMillis: 20_000,
          what: `the machine to be ${states.join(" or ")}`
        })
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* machineLs, [])
        yield* nothingLeft(name)
      }
      yield* nothingLeft("sleep 311")
    }).pipe(Effect.provide(smolvm(runner)), Effect.orDie))
})
