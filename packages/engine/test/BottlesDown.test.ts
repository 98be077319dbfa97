import * as Identity from "@bottle/process/Identity"
import type { Smolvm } from "@bottle/smolvm/Smolvm"
import { waitUntil } from "@bottle/testing/Wait"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Bottles from "../src/Bottles.js"
import * as Control from "../src/Control.js"
import type { LaunchPlan } from "../src/LaunchPlan.js"
import * as Ledger from "../src/Ledger.js"
import { Runtimes } from "../src/Runtimes.js"
import { unchanging } from "./fixtures/egressing.js"
import { as, planIn, standIn } from "./fixtures/ledgers.js"
import { proven } from "./fixtures/launching.js"

const noRuntimes: (typeof Runtimes)["Service"] = {
  // Nothing of it is used.
  smolvm: () => Effect.succeed({} as Context.Tag.Service<Smolvm>),
  docker: () => Effect.dieMessage("no docker is asked")
}

/**
 * A bottle whose owner is a stand-in, which hears nothing. Its control is served in its place, and takes the bottle down
 * when it is asked to, or when `letGo` says so; what else it says is for `saying` to do.
 */
const held = (kind: Ledger.OwnerKind, saying: (serving: Control.Serving) => Effect.Effect<void> = () => Effect.void) =>
  Effect.gen(function* () {
    const directory = yield* Temp.directory
    const plan = planIn(directory)
    const owner = yield* standIn
    const claimed = yield* Scope.make()
    const ledger = yield* Ledger.claim(plan, { kind }).pipe(Scope.extend(claimed), as(owner), Effect.orDie)
    yield* as(owner)(ledger.up)
    Fs.mkdirSync(plan.directory, { recursive: true, mode: 0o700 })
    const letGo = Scope.close(claimed, Exit.void)
    const serving: Control.Serving = yield* Effect.orDie(
      Control.serve({
        bottle: { id: plan.id, plan, proof: proven(0), ...unchanging },
        about: { name: null, kind, ttlMillis: null, idleMillis: null },
        secrets: new Map(),
        down: Effect.suspend(() => Effect.zipRight(letGo, saying(serving)))
      })
    )
    const bottles = yield* Bottles.make({
      directories: plan.directories,
      keeper: { command: ["/bin/false"], env: {} }
    })
    return { bottles, plan, owner: owner.owner.identity, letGo }
  })

const withFiles = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(Effect.provideService(Runtimes, noRuntimes), Effect.provide(NodeFileSystem.layer))

/** How many are connected to the control of a bottle: each has the socket's name, as the one that listens has. */
const connectionsOf = ({ directory }: LaunchPlan): number =>
  Fs.readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .filter((line) => line.endsWith(Control.socketOf(directory))).length - 1

const sayDown = (serving: Control.Serving) =>
  Effect.zipRight(serving.closing("asked"), Effect.asVoid(Effect.forkDaemon(serving.closed([]))))

describe.concurrent("Bottles.down", { timeout: 60_000 }, () => {
  it.scopedLive("ends a keeper that has let go of its bottle and does not say so, even one that is stopped", () =>
    Effect.gen(function* () {
      const { bottles, owner, plan } = yield* held("keeper")
      process.kill(owner.pid, "SIGSTOP")
      assert.deepStrictEqual(yield* bottles.down(plan.id), { id: plan.id, how: "owner", failures: [] })
      assert.isFalse(yield* Identity.isAlive(owner))
    }).pipe(withFiles)
  )

  it.scopedLive("ends a keeper that has said that all is down and does not end", () =>
    Effect.gen(function* () {
      const { bottles, owner, plan } = yield* held("keeper", sayDown)
      assert.deepStrictEqual(yield* bottles.down(plan.id), { id: plan.id, how: "owner", failures: [] })
      assert.isFalse(yield* Identity.isAlive(owner))
    }).pipe(withFiles)
  )

  for (const kind of ["run", "program"] as const) {
    it.scopedLive(`waits for no word of a ${kind} that has let go of its bottle, and leaves it alone`, () =>
      Effect.gen(function* () {
        const { bottles, owner, plan } = yield* held(kind)
        assert.deepStrictEqual(yield* bottles.down(plan.id), { id: plan.id, how: "owner", failures: [] })
        assert.isTrue(yield* Identity.isAlive(owner))
      }).pipe(withFiles)
    )
  }
})

describe("Bottles.wait", { timeout: 60_000 }, () => {
  it.scopedLive("waits for the bottle, and not for its owner to say so", () =>
    Effect.gen(function* () {
      const { bottles, letGo, owner, plan } = yield* held("keeper")
      const fiber = yield* Effect.fork(bottles.wait(plan.id))
      yield* waitUntil(
        Effect.sync(() => connectionsOf(plan) > 0),
        { boundMillis: 10_000, what: "the wait to be connected" }
      )
      yield* letGo
      assert.strictEqual((yield* Fiber.join(fiber)).id, plan.id)
      assert.isTrue(yield* Identity.isAlive(owner))
    }).pipe(withFiles)
  )
})

describe("Bottles.find", { timeout: 60_000 }, () => {
  it.scopedLive("is connected as long as the scope of who looks for it, whatever scope the service is of", () =>
    Effect.gen(function* () {
      const { bottles, plan } = yield* held("keeper")
      const released: Array<string> = []
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* bottles.find(plan.id)
          assert.isAbove(connectionsOf(plan), 0)
          yield* Effect.addFinalizer(() => Effect.sync(() => void released.push("after it")))
          assert.deepStrictEqual(released, [])
        })
      )
      assert.deepStrictEqual(released, ["after it"])
      yield* waitUntil(
        Effect.sync(() => connectionsOf(plan) === 0),
        { boundMillis: 10_000, what: "the end of its connections" }
      )
    }).pipe(withFiles)
  )
})
