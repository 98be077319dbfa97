import { reap } from "@bottle/smolvm/Reap"
import { Smolvm } from "@bottle/smolvm/Smolvm"
import * as Witness from "@bottle/smolvm/Witness"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Bottle } from "../src/Bottle.js"
import * as Commands from "../src/internal/commands.js"
import * as Launch from "../src/Launch.js"
import * as Machines from "./fixtures/machines.js"
import { missing, note } from "./fixtures/proving.js"

const lacks = missing()

const inMachine = <A, E, R>(use: (bottle: Bottle) => Effect.Effect<A, E, R>) =>
  Machines.withMachines(() => Effect.flatMap(Launch.bottle({ source: { _tag: "Bare" } }), use))

/** What a command leaves that does not want to go: a child, an orphan with its own session, one that ignores SIGTERM. */
const TREE = `sleep 7771 & setsid sh -c 'sleep 7772 & exit'; (trap '' TERM HUP INT; exec sleep 7773) & trap '' TERM; sleep 7774; :`

const MANY = 5

// Longer than the grace that a command has which ignores SIGTERM.
describe.skipIf(lacks.length > 0)(`an interrupted command, seen from inside${note(lacks)}`, { timeout: 30_000 }, () => {
  const calls = {
    exec: (bottle: Bottle) => bottle.exec({ command: ["sh", "-c", TREE] }),
    stream: (bottle: Bottle) => Stream.runDrain(bottle.stream({ command: ["sh", "-c", TREE] }))
  }
  for (const [name, call] of Object.entries(calls)) {
    it.live(`is gone with all that it started when the interruption returns: ${name}`, () =>
      inMachine((bottle) =>
        Effect.gen(function* () {
          const other = yield* Effect.fork(bottle.exec({ command: ["sleep", "7781"] }))
          const fiber = yield* Effect.fork(call(bottle))
          yield* Machines.appears(bottle, "sleep 777", MANY)
          yield* Machines.appears(bottle, "sleep 7781", 1)
          yield* Fiber.interrupt(fiber)
          assert.strictEqual(yield* Machines.seen(bottle, "sleep 777"), 0)
          assert.isAbove(yield* Machines.seen(bottle, "sleep 7781"), 0)
          assert.strictEqual(yield* Machines.shell(bottle, "ls -A /tmp"), "")
          yield* Fiber.interrupt(other)
        })
      )
    )
  }

  it.live("is gone when whoever reads its output leaves", () =>
    inMachine((bottle) =>
      Effect.gen(function* () {
        const output = bottle.stream({ command: ["sh", "-c", `echo ready; ${TREE}`] })
        yield* Stream.runDrain(Stream.take(output, 1))
        assert.strictEqual(yield* Machines.seen(bottle, "sleep 777"), 0)
      })
    )
  )

  it.live("is gone when its time was up, and a command that ended by itself leaves what it started", () =>
    inMachine((bottle) =>
      Effect.gen(function* () {
        const { exit } = yield* bottle.exec({ command: ["sh", "-c", TREE], timeoutMillis: 500 })
        assert.deepInclude(exit, { exitCode: 124, timedOut: true })
        assert.strictEqual(yield* Machines.seen(bottle, "sleep 777"), 0)
        const kept = yield* bottle.exec({ command: ["sh", "-c", "sleep 7779 >/dev/null 2>&1 & exit 124"] })
        assert.deepInclude(kept.exit, { exitCode: 124, origin: "guest", timedOut: false })
        assert.strictEqual(yield* Machines.seen(bottle, "sleep 7779"), 1)
      })
    )
  )

  it.live("is said to be unknown where the guest does not answer, unless the bottle has gone down", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const options = {
        command: ["sh", "-c", TREE],
        timeoutMillis: 500,
        onUnended: (what: string) => Effect.sync(() => void told.push(what))
      }
      yield* inMachine((bottle) => bottle.exec(options))
      assert.deepStrictEqual(told, [])
      const silent = (smolvm: Machines.Runtime): Machines.Runtime => ({
        ...smolvm,
        machineExec: (given) => (given.command.includes("bottle-reap") ? Effect.never : smolvm.machineExec(given))
      })
      yield* Machines.withMachines(
        () =>
          Effect.gen(function* () {
            const bottle = yield* Launch.bottle({ source: { _tag: "Bare" } })
            assert.isTrue((yield* bottle.exec(options)).exit.timedOut)
            assert.deepStrictEqual(told, ["unknown"])
            const smolvm = yield* Smolvm
            const gone = yield* Deferred.make<never, "gone">()
            const session = () => Effect.succeed({ gone: Deferred.await(gone) })
            const elsewhere = yield* Commands.operations({ plan: bottle.plan, smolvm, secrets: new Map(), session })
            const running = yield* Effect.fork(
              Effect.flip(elsewhere.exec({ ...options, timeoutMillis: undefined, command: ["sleep", "7782"] }))
            )
            yield* Machines.appears(bottle, "sleep 7782", 1)
            yield* Deferred.fail(gone, "gone")
            assert.strictEqual(yield* Fiber.join(running), "gone")
            assert.deepStrictEqual(told, ["unknown"])
          }),
        silent
      )
    })
  )

  it.live("is ended by whoever knows its witness's place alone", () =>
    inMachine((bottle) =>
      Effect.gen(function* () {
        const smolvm = yield* Smolvm
        const name = bottle.plan.machine
        const place = Witness.place()
        // A client that nobody ends: as when its process was killed.
        yield* Effect.forkScoped(
          smolvm.machineExec({
            name,
            command: Witness.wrap(place, ["sh", "-c", TREE]),
            env: [[Witness.MARK, Witness.markOf(place)]]
          })
        )
        yield* Machines.appears(bottle, "sleep 777", MANY)
        assert.strictEqual(yield* reap({ name, place: Witness.place() }), "gone")
        assert.isAtLeast(yield* Machines.seen(bottle, "sleep 777"), MANY)
        assert.strictEqual(yield* reap({ name, place }), "gone")
        assert.strictEqual(yield* Machines.seen(bottle, "sleep 777"), 0)
      })
    )
  )

  it.live("is not known of a machine that is gone, and that is said soon", () =>
    inMachine((bottle) =>
      Effect.gen(function* () {
        const smolvm = yield* Smolvm
        const name = bottle.plan.machine
        yield* smolvm.machineStop({ name })
        assert.strictEqual(yield* reap({ name, place: Witness.place() }), "unknown")
        assert.strictEqual(yield* reap({ name, place: "/tmp/.bottle-exit-$(reboot)" }), "unknown")
      })
    )
  )
})
