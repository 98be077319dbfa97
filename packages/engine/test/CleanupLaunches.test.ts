import { Smolvm } from "@bottle/smolvm/Smolvm"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Cleanup from "../src/Cleanup.js"
import { Prover } from "../src/EgressProof.js"
import { Engine } from "../src/Engine.js"
import * as Launch from "../src/Launch.js"
import * as Ledger from "../src/Ledger.js"
import { Runtimes } from "../src/Runtimes.js"
import { proveAsPlanned } from "./fixtures/launching.js"
import { as, standIn } from "./fixtures/ledgers.js"
import { shell, withMachines } from "./fixtures/machines.js"
import * as Missing from "./fixtures/proving.js"

const LAUNCHES = 50

/** Who clean up at one time, again and again. */
const CLEANERS = 3

/** Bottles whose owners are dead, that there is something to remove all the time. */
const ABANDONED = 10

const runtime = { kind: "local", program: "smolvm-local", version: "", line: "", isPrivate: true } as const

const runtimes = Layer.effect(
  Runtimes,
  Effect.map(Smolvm, (smolvm) => ({
    smolvm: () => Effect.succeed(smolvm),
    docker: () => Effect.dieMessage("there is no docker here")
  }))
)

const cleanUp = Effect.gen(function* () {
  const { directories } = yield* Engine
  const { leftovers, unanswered } = yield* Cleanup.survey({
    directories,
    docker: null,
    runtimes: [runtime],
    all: true
  }).pipe(Effect.provide(runtimes))
  assert.deepStrictEqual(unanswered, [])
  return yield* Cleanup.remove(leftovers)
})

/** A machine, and a ledger that says that it is somebody's who is dead. */
const abandon = Effect.gen(function* () {
  const smolvm = yield* Smolvm
  const owner = yield* standIn
  const plan = yield* Launch.plan({ source: { _tag: "Bare" }, bundle: "none", name: "abandoned" })
  yield* Scope.extend(Ledger.claim(plan), yield* Scope.make()).pipe(as(owner))
  yield* smolvm.machineCreate({ name: plan.machine })
  yield* owner.kill
  return plan
})

describe("fifty launches and cleanups at once", () => {
  it.scopedLive.skipIf(Missing.missing().length > 0)(
    `touch nothing of what lives, and leave nothing of what is dead${Missing.note(Missing.missing())}`,
    () =>
      withMachines(() =>
        Effect.gen(function* () {
          const removed: Array<Cleanup.Removal> = []
          const cleaners = yield* Effect.forEach(Array.from({ length: CLEANERS }), () =>
            Effect.fork(Effect.forever(Effect.map(cleanUp, (removals) => void removed.push(...removals))))
          )
          const living = yield* Effect.fork(
            Effect.forEach(
              Array.from({ length: LAUNCHES }, (_, at) => at),
              () => Launch.bottle({ source: { _tag: "Bare" }, bundle: "none", name: "living" }),
              { concurrency: "unbounded" }
            ).pipe(Effect.provideService(Prover, { prove: proveAsPlanned }))
          )
          const plans = yield* Effect.replicateEffect(abandon, ABANDONED)
          const bottles = yield* Fiber.join(living)
          assert.lengthOf(bottles, LAUNCHES)
          yield* Fiber.interruptAll(cleaners)
          removed.push(...(yield* cleanUp))

          assert.deepStrictEqual(
            removed.flatMap(({ failure }) => (failure === null ? [] : [failure.message])),
            []
          )
          const ids = new Set<string>(removed.map(({ leftover }) => leftover.bottle ?? ""))
          for (const { plan } of bottles) assert.isFalse(ids.has(plan.id), plan.id)
          for (const { id } of plans) assert.isTrue(ids.has(id), id)
          const said = yield* Effect.forEach(bottles, (bottle) => shell(bottle, "echo alive"), { concurrency: 4 })
          assert.deepStrictEqual([...new Set(said)], ["alive"])
          const { machineLs } = yield* Smolvm
          const machines = (yield* machineLs).map(({ name }) => name).toSorted()
          assert.deepStrictEqual(machines, bottles.map(({ plan }) => plan.machine).toSorted())
        })
      ),
    120_000
  )
})
