import { Bottles } from "@bottle/engine/Bottles"
import { socketOf } from "@bottle/engine/Control"
import * as Identity from "@bottle/process/Identity"
import { Smolvm } from "@bottle/smolvm/Smolvm"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { failureLines, inHome, ordinary } from "./harness.js"
import * as Keeping from "./keeping.js"

type Needs = Effect.Effect.Context<ReturnType<typeof Keeping.planned>> | Bottles | Scope.Scope

/** Runs a test with bottles in a directory of its own, in which nothing may be left afterwards. */
const keeping = <A, E>(use: (directory: string) => Effect.Effect<A, E, Needs>) =>
  Temp.withTempDir((directory) =>
    Effect.zipLeft(use(directory), Keeping.nothingLeft(directory)).pipe(
      Effect.provide(Keeping.layersIn(directory)),
      Effect.scoped
    )
  )

const upWith = (options: Parameters<Bottles["Type"]["up"]>[1] = {}, name = "kept") =>
  Effect.gen(function* () {
    const bottles = yield* Bottles
    const plan = yield* Keeping.planned({ name })
    return { bottles, plan, up: yield* bottles.up(plan, options) }
  })

/** A bound for a machine that is busy with other things. */
const TIMEOUT_MILLIS = 180_000

describe("a bottle that is kept", () => {
  it.live(
    "is ready when it is up, can be used by whoever finds it, and is gone when it is down",
    () =>
      keeping(() =>
        Effect.gen(function* () {
          const bottles = yield* Bottles
          const plan = yield* Keeping.planned({ name: "kept", secrets: ["TOKEN"] })
          const events: Array<string> = []
          const up = yield* bottles.up(plan, {
            secrets: new Map([["TOKEN", Redacted.make("s3cret")]]),
            onEvent: (event) => Effect.sync(() => void events.push(event._tag))
          })
          assert.strictEqual(up.id, plan.id)
          assert.strictEqual(up.proof.outcome, "proven")
          assert.include(events, "StageEnded")
          const found = yield* bottles.find("kept")
          const said = yield* found.exec({ command: ["sh", "-c", "echo $TOKEN; exit 5"] })
          assert.strictEqual(Keeping.text(said.stdout), "s3cret")
          assert.deepStrictEqual([said.exit.exitCode, said.exit.origin], [5, "guest"])
          const listed = yield* bottles.list
          assert.deepStrictEqual(
            listed.map(({ id, owner, status }) => [id, owner, status?.sessions]),
            [[plan.id, "alive", 0]]
          )
          assert.deepStrictEqual(yield* bottles.down(plan.id), { id: plan.id, how: "owner", failures: [] })
          assert.strictEqual((yield* Effect.flip(found.exec({ command: ["true"] })))._tag, "ControlUnreachable")
          assert.strictEqual((yield* Effect.flip(bottles.down(plan.id)))._tag, "BottleNotFound")
          assert.deepStrictEqual(yield* bottles.list, [])
        })
      ),
    TIMEOUT_MILLIS
  )

  it.live(
    "has a keeper that ends with it, whatever is still connected to it",
    () =>
      keeping(() =>
        Effect.gen(function* () {
          const { bottles, plan, up } = yield* upWith()
          const path = socketOf(plan.directory)
          const calls = ["", `{"call":"watch"}\n`, `{"call":"session","witness":null}\n`, `{"call":"down"`]
          // None of them reads: as one that is stopped, or hangs. Every other one has said its last word, too.
          const connections = [false, true].flatMap((isHalfOpen) =>
            calls.map((call) => {
              const socket = Net.connect({ path, allowHalfOpen: true }).on("error", () => {})
              socket.pause()
              if (isHalfOpen) socket.end(call)
              else socket.write(call)
              return socket
            })
          )
          yield* Effect.addFinalizer(() => Effect.sync(() => connections.forEach((socket) => socket.destroy())))
          yield* waitUntil(
            Effect.map(
              Effect.flatMap(bottles.find(plan.id), ({ describe }) => describe),
              ({ sessions }) => sessions > 0
            ),
            { boundMillis: 10_000, what: "a session" }
          )
          // Not by `down`, which would end it in the end.
          process.kill(up.keeper.pid, "SIGTERM")
          yield* waitUntil(Effect.negate(Identity.isAlive(up.keeper)), { boundMillis: 60_000, what: "its end" })
        })
      ),
    TIMEOUT_MILLIS
  )

  it.live(
    "has a keeper with nothing of ours: no terminal, no secret, no descriptor, a session of its own, few megabytes",
    () =>
      keeping(() =>
        Effect.gen(function* () {
          const bottles = yield* Bottles
          const plan = yield* Keeping.planned({ secrets: ["TOKEN"] })
          const { keeper } = yield* bottles.up(plan, { secrets: new Map([["TOKEN", Redacted.make("s3cret-value")]]) })
          const at = `/proc/${keeper.pid}`
          const read = (name: string) => Fs.readFileSync(`${at}/${name}`, "latin1")
          yield* waitUntil(
            Effect.sync(() => Fs.readlinkSync(`${at}/fd/2`) === "/dev/null"),
            { boundMillis: 20_000, what: "the keeper to be left" }
          )
          for (const name of ["cmdline", "environ"]) assert.notInclude(read(name), "s3cret-value")
          assert.strictEqual(Fs.readlinkSync(`${at}/cwd`), "/")
          for (const fd of ["0", "1", "2"]) assert.strictEqual(Fs.readlinkSync(`${at}/fd/${fd}`), "/dev/null")
          const stat = read("stat")
          const [, , , session, terminal] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
          assert.strictEqual(terminal, "0")
          assert.notStrictEqual(session, String(process.pid))
          assert.match(read("limits"), /Max core file size\s+0 /)
          const rssKib = Number(/VmRSS:\s+(\d+) kB/.exec(read("status"))?.[1])
          assert.isBelow(rssKib, 90_000)
          yield* bottles.down(plan.id)
        })
      ),
    TIMEOUT_MILLIS
  )

  it.live(
    "leaves nothing when whoever brings it up is interrupted, at whatever stage",
    () =>
      keeping(() =>
        Effect.gen(function* () {
          const bottles = yield* Bottles
          for (const stage of ["create", "start", "relay", "proof"]) {
            const plan = yield* Keeping.planned()
            let reached = false
            const fiber = yield* Effect.fork(
              bottles.up(plan, {
                onEvent: (event) =>
                  Effect.sync(() => {
                    reached ||= event._tag === "StageStarted" && event.stage === stage
                  })
              })
            )
            yield* waitUntil(
              Effect.sync(() => reached),
              { boundMillis: 20_000, what: stage }
            )
            yield* Fiber.interrupt(fiber)
            // At once, and not some time later.
            assert.deepStrictEqual(yield* bottles.list, [])
          }
        })
      ),
    TIMEOUT_MILLIS
  )

  it.live(
    "goes down when its time is over, though a command runs in it, which is told why",
    () =>
      keeping(() =>
        Effect.gen(function* () {
          const { bottles, plan } = yield* upWith({ ttlMillis: 8000, idleMillis: 60_000 })
          const found = yield* bottles.find(plan.id)
          const error = yield* Effect.flip(found.exec({ command: ["sleep", "1000"] }))
          assert.deepStrictEqual([error._tag, "reason" in error && error.reason], ["BottleGone", "time-to-live"])
          const waited = yield* Effect.either(bottles.wait(plan.id))
          if (waited._tag === "Right") assert.strictEqual(waited.right.code, 0)
        })
      ),
    TIMEOUT_MILLIS
  )

  it.live(
    "goes down when nothing is done in it, and not while something is",
    () =>
      keeping(() =>
        Effect.gen(function* () {
          const { bottles, plan } = yield* upWith({ idleMillis: 5000 })
          const found = yield* bottles.find(plan.id)
          const slept = yield* found.exec({ command: ["sleep", "7"] })
          assert.strictEqual(slept.exit.exitCode, 0)
          const waiting = yield* Effect.fork(bottles.wait(plan.id))
          assert.strictEqual((yield* Effect.flip(found.gone)).reason, "idle")
          assert.strictEqual((yield* Fiber.join(waiting)).code, 0)
        })
      ),
    TIMEOUT_MILLIS
  )

  it.live(
    "ends with its main command, whose input and output are whoever's that attaches",
    () =>
      keeping(() =>
        Effect.gen(function* () {
          const { bottles, plan } = yield* upWith({
            command: { command: ["sh", "-c", "echo asks; read answer; echo got $answer; exit 4"], interactive: true }
          })
          const waiting = yield* Effect.fork(bottles.wait("kept"))
          const { control } = yield* bottles.find("kept")
          const output = yield* Stream.runCollect(control.attach({ stdin: Stream.make(Buffer.from("yes\n")) }))
          const text = Chunk.toReadonlyArray(output)
            .map((one) =>
              one._tag === "Stdout" ? Keeping.text(one.bytes) : one._tag === "Exit" ? one.exit.exitCode : ""
            )
            .join(" ")
          assert.strictEqual(text, "asks got yes 4")
          const waited = yield* Fiber.join(waiting)
          assert.deepStrictEqual([waited.id, waited.code, waited.origin], [plan.id, 4, "guest"])
        })
      ),
    TIMEOUT_MILLIS
  )

  it.live(
    "is down once, whoever asks for it at the same time",
    () =>
      keeping(() =>
        Effect.gen(function* () {
          const { bottles, plan } = yield* upWith()
          const downs = yield* Effect.all(
            Array.from({ length: 5 }, () => Effect.either(bottles.down(plan.id))),
            { concurrency: "unbounded" }
          )
          for (const down of downs) {
            if (down._tag === "Right") assert.deepStrictEqual(down.right.failures, [])
            else assert.strictEqual(down.left._tag, "BottleNotFound")
          }
          assert.isTrue(downs.some(({ _tag }) => _tag === "Right"))
        })
      ),
    TIMEOUT_MILLIS
  )

  it.live(
    "goes down when its machine has ended",
    () =>
      keeping(() =>
        Effect.gen(function* () {
          const { bottles, plan } = yield* upWith()
          const found = yield* bottles.find(plan.id)
          const smolvm = yield* Smolvm
          yield* smolvm.machineStop({ name: plan.machine })
          assert.strictEqual((yield* Effect.flip(found.gone)).reason, "machine-gone")
          yield* waitUntil(
            Effect.map(Effect.orDie(bottles.list), (listed) => listed.length === 0),
            { boundMillis: 20_000, what: "the bottle to be down" }
          )
        })
      ),
    TIMEOUT_MILLIS
  )

  it.live(
    "goes down with its keeper, however that ends, and says that nothing is known of its command",
    () =>
      keeping(() =>
        Effect.gen(function* () {
          const { bottles, plan, up } = yield* upWith({ command: { command: ["sleep", "1000"] } })
          const found = yield* bottles.find(plan.id)
          const waiting = yield* Effect.fork(bottles.wait(plan.id))
          process.kill(up.keeper.pid, "SIGKILL")
          assert.strictEqual((yield* Effect.flip(found.gone)).reason, null)
          assert.strictEqual((yield* Fiber.join(waiting)).code, null)
        })
      ),
    TIMEOUT_MILLIS
  )

  it.live(
    "is listed without an answer when its keeper is stopped, and taken down all the same",
    () =>
      keeping(() =>
        Effect.gen(function* () {
          const { bottles, plan, up } = yield* upWith()
          yield* upWith({}, "other")
          process.kill(up.keeper.pid, "SIGSTOP")
          const listed = yield* bottles.list
          const [stopped] = listed.filter(({ id }) => id === plan.id)
          assert.deepStrictEqual(
            [stopped?.owner, stopped?.status, stopped?.silence?._tag],
            ["alive", null, "ControlUnreachable"]
          )
          assert.deepStrictEqual(listed.flatMap(({ status }) => Option.toArray(Option.fromNullable(status))).length, 1)
          const downed = yield* bottles.down(plan.id)
          assert.deepStrictEqual(downed, { id: plan.id, how: "recovered", failures: [] })
          assert.deepStrictEqual((yield* bottles.down("other")).how, "owner")
        })
      ),
    TIMEOUT_MILLIS
  )

  it.live(
    "is taken down while it is still launched, by whoever sees it",
    () =>
      keeping(() =>
        Effect.gen(function* () {
          const bottles = yield* Bottles
          const plan = yield* Keeping.planned({ name: "early" })
          const upping = yield* Effect.fork(Effect.flip(bottles.up(plan)))
          yield* waitUntil(
            Effect.map(Effect.orDie(bottles.list), (listed) => listed.length === 1),
            { boundMillis: 20_000, what: "the bottle to be listed", everyMillis: 5 }
          )
          const downed = yield* bottles.down(plan.id)
          assert.deepStrictEqual(downed.failures, [])
          assert.strictEqual((yield* Fiber.join(upping))._tag, "BottleGone")
        })
      ),
    TIMEOUT_MILLIS
  )

  it.live(
    "has a name that no other living bottle has",
    () =>
      keeping(() =>
        Effect.gen(function* () {
          const { bottles, plan } = yield* upWith({ name: "agent" }, "one")
          const second = yield* Keeping.planned({ name: "two" })
          const taken = yield* Effect.flip(bottles.up(second, { name: "agent" }))
          assert.strictEqual(taken._tag, "NameTaken")
          assert.strictEqual((yield* bottles.find("agent")).id, plan.id)
          const unknown = yield* Effect.flip(Effect.scoped(bottles.find("agnet")))
          assert.deepStrictEqual([unknown._tag, "nearest" in unknown && unknown.nearest], ["BottleNotFound", "agent"])
          yield* bottles.down("agent")
        })
      ),
    TIMEOUT_MILLIS
  )
})

describe("a bottle of a run", () => {
  it(
    "can be used from elsewhere, and taken down, which ends the run",
    () =>
      inHome(ordinary, async (home) => {
        const run = home.start(["run", "--runtime", "local", "--", "sh", "-c", "echo up; exec sleep 1000"])
        await run.printed("up")
        const id = (await home.bottle("ls", "-q")).stdout.toString().trim()
        const exec = await home.bottle("exec", id, "--no-tty", "--", "sh", "-c", "echo inside; exit 6")
        assert.deepStrictEqual([exec.code, exec.stdout.toString()], [6, "inside\n"])
        // It is the run's own to commit, and has no command that somebody else could be attached to.
        assert.strictEqual((await home.bottle("attach", id)).code, 125)
        const down = await home.bottle("down", id)
        assert.deepStrictEqual([down.code, down.stdout.toString()], [0, `${id}\n`])
        const ended = await run.ended
        assert.strictEqual(ended.code, 125)
        assert.include(failureLines(ended.stderr), `bottle: ${id} was taken down`)
      }),
    TIMEOUT_MILLIS
  )
})
