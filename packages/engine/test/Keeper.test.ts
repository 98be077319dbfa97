import type * as CommandScript from "@bottle/testing/CommandScript"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Fs from "node:fs"
import * as Control from "../src/Control.js"
import * as Wire from "../src/internal/keeper/wire.js"
import * as Keeper from "../src/Keeper.js"
import type { LaunchPlan } from "../src/LaunchPlan.js"
import { execOf, indexOfStage, onStage, repliesFor, type Stage, type StageOptions } from "./fixtures/launching.js"

/** A keeper that is kept in this process: who started it, and what it said. */
interface Kept {
  readonly stage: Stage
  readonly fiber: Fiber.RuntimeFiber<void>
  readonly words: ReadonlyArray<Wire.Word>
  /** What it says first of these. */
  readonly said: (kind: "ready" | "failed" | "stopped") => Effect.Effect<Wire.Word>
  readonly take: Effect.Effect<void>
  readonly parentDies: Effect.Effect<void>
  readonly signal: Effect.Effect<void>
  readonly hasLeft: () => boolean
  readonly address: Control.ControlAddress
}

const document = (plan: LaunchPlan, over: Partial<Wire.Document> = {}): Wire.Document => ({
  version: 1,
  plan,
  secrets: {},
  credentials: {},
  name: null,
  ttlMillis: null,
  idleMillis: null,
  main: null,
  ...over
})

const main = (over: Partial<NonNullable<Wire.Document["main"]>> = {}): Wire.Document["main"] => ({
  command: ["agent"],
  env: [],
  secrets: {},
  workdir: null,
  timeoutMillis: null,
  interactive: false,
  ...over
})

const isAgent = (argv: ReadonlyArray<string>): boolean => argv[2] === "exec" && argv.at(-1) === "agent"

/** The launch and the release of a plan, and whatever else is asked for. */
const keeping =
  (...others: ReadonlyArray<CommandScript.Reply>) =>
  (plan: LaunchPlan) => [...repliesFor(plan), ...others]

const running = (state: string, times: "any" | number): CommandScript.Reply => ({
  match: (argv) => argv[2] === "status",
  stdout: JSON.stringify({ name: "bottle-demo-abc12", state, network: false }),
  times
})

const kept = <A, E>(
  stageOptions: StageOptions,
  over: Partial<Wire.Document>,
  use: (keeper: Kept) => Effect.Effect<A, E>,
  parent: Partial<Keeper.Parent> = {}
) =>
  Temp.withTempDir((directory) =>
    onStage(directory, { ordered: false, ...stageOptions }, (stage) =>
      Effect.gen(function* () {
        const heard = yield* Queue.unbounded<Option.Option<string>>()
        const told = yield* Deferred.make<void>()
        const words: Array<Wire.Word> = []
        let left = false
        const fiber = yield* Keeper.keep(document(stage.plan, over), {
          say: (line) =>
            Effect.sync(() => {
              const word = Wire.readWord(line)
              if (word !== undefined) words.push(word)
            }),
          next: Queue.take(heard),
          leave: Effect.sync(() => {
            left = true
          }),
          told: Deferred.await(told),
          ...parent
        }).pipe(Effect.fork)
        const said: Kept["said"] = (kind) =>
          Effect.gen(function* () {
            yield* waitUntil(
              Effect.sync(() => words.some((word) => kind in word)),
              { boundMillis: 10_000, what: `${kind}, not ${JSON.stringify(words.at(-1))}` }
            )
            return words.find((word) => kind in word) ?? { stopped: true }
          })
        const result = yield* use({
          stage,
          fiber,
          words,
          said,
          take: Queue.offer(heard, Option.some(Wire.TAKEN)),
          parentDies: Queue.offer(heard, Option.none()),
          signal: Deferred.succeed(told, undefined),
          hasLeft: () => left,
          address: { id: stage.plan.id, directory: stage.plan.directory }
        })
        yield* Fiber.join(fiber)
        return { result, record: recordOf(directory, stage.plan) }
      })
    )
  )

/** What the record says of the end. */
const recordOf = (directory: string, plan: LaunchPlan) => {
  const lines = Fs.readFileSync(`${directory}/state/records/${plan.id}/launch.jsonl`, "utf8").trim().split("\n")
  const { code, error, origin } = JSON.parse(lines.findLast((line) => line.includes(`"Ended"`)) ?? "{}")
  return { code, error, origin }
}

const upAndTaken = ({ hasLeft, said, take }: Kept) =>
  Effect.gen(function* () {
    yield* said("ready")
    yield* take
    yield* waitUntil(Effect.sync(hasLeft), { boundMillis: 20_000, what: "the parent to be left" })
  })

describe("a keeper", { timeout: 30_000 }, () => {
  it.live("tells how the launch goes, leaves its parent when it is ready, and takes all down when it is asked", () =>
    Effect.gen(function* () {
      const { record } = yield* kept({ replies: keeping() }, { name: "demo", ttlMillis: 60_000 }, (keeper) =>
        Effect.gen(function* () {
          const ready = yield* keeper.said("ready")
          assert.include(JSON.stringify(keeper.words), `"StageStarted","stage":"create"`)
          assert.strictEqual("ready" in ready && String(ready.ready.plan.id), "demo-abc12")
          assert.isFalse(keeper.hasLeft())
          yield* upAndTaken(keeper)
          // Its parent may end now.
          yield* keeper.parentDies
          const client = yield* Control.connect(keeper.address)
          const told = yield* client.describe
          assert.deepStrictEqual([told.kind, told.name, told.ttlMillis], ["keeper", "demo", 60_000])
          assert.deepStrictEqual(yield* client.down, [])
          assert.strictEqual((yield* Effect.flip(client.gone)).reason, "asked")
        }).pipe(Effect.scoped)
      )
      assert.deepStrictEqual(record, { code: 0, error: null, origin: "engine" })
    })
  )

  it.live("gives the values of credentials to its bundle, and to nobody who speaks to it", () =>
    Effect.gen(function* () {
      const credentials = { api: { source: { env: "K" }, header: "x-api-key", upstream: "https://api.example.com" } }
      const options: StageOptions["options"] = { source: { _tag: "Bare" }, credentials, secrets: ["TOKEN"] }
      const values = { secrets: { TOKEN: "t0ken" }, credentials: { api: "hunter2", other: "hunter2" } }
      const { record } = yield* kept({ replies: keeping(), options }, values, (keeper) =>
        Effect.gen(function* () {
          yield* keeper.said("ready")
          const client = yield* Control.connect(keeper.address)
          assert.deepStrictEqual([...(yield* client.secrets).keys()], ["TOKEN"])
          assert.notInclude(JSON.stringify([yield* client.describe, keeper.words]), "hunter2")
          yield* keeper.signal
        }).pipe(Effect.scoped)
      )
      assert.strictEqual(record.code, 0)
    })
  )

  it.live("takes all down when its parent dies before it has taken over, or a signal comes", () =>
    Effect.gen(function* () {
      for (const end of ["parentDies", "signal"] as const) {
        const { record } = yield* kept({ replies: keeping() }, {}, (keeper) =>
          Effect.zipRight(keeper.said("ready"), keeper[end])
        )
        assert.strictEqual(record.code, 0)
      }
    })
  )

  it.live("gives up a launch whose parent has died, and says so when nothing is left of it", () =>
    Effect.gen(function* () {
      const { record } = yield* kept(
        {
          replies: (plan) =>
            repliesFor(plan, { [indexOfStage(plan, "start")]: { hang: true } })
              .slice(0, indexOfStage(plan, "start") + 1)
              .concat([
                { match: (argv) => argv[2] === "delete", times: 1 },
                {
                  match: (argv) => argv[2] === "delete",
                  exit: 1,
                  stderr: `Error: vm not found: ${plan.machine}\n`,
                  times: "any"
                }
              ])
        },
        {},
        (keeper) =>
          Effect.gen(function* () {
            yield* waitUntil(
              Effect.sync(() => JSON.stringify(keeper.words).includes(`"StageStarted","stage":"start"`)),
              { boundMillis: 20_000, what: "the start" }
            )
            yield* keeper.parentDies
            yield* keeper.said("stopped")
            assert.isFalse(Fs.existsSync(keeper.stage.plan.directory))
          })
      )
      assert.deepStrictEqual(record, { code: null, error: "Interrupted", origin: "engine" })
    })
  )

  it.live("tells a failed launch as it is, when nothing is left of it", () =>
    Effect.gen(function* () {
      const { record } = yield* kept(
        {
          bundle: "fails",
          replies: () => [
            { match: (argv) => argv[2] === "create", times: "any" },
            { match: (argv) => argv[2] === "delete", times: "any" }
          ]
        },
        {},
        (keeper) =>
          Effect.map(keeper.said("failed"), (word) => {
            assert.strictEqual("failed" in word && word.failed._tag, "BundleFailed")
            assert.isFalse(Fs.existsSync(keeper.stage.plan.directory))
          })
      )
      assert.deepStrictEqual(record, { code: null, error: "BundleFailed", origin: "engine" })
    })
  )

  it.live("goes down when its bundle ends, and says that nothing is known", () =>
    Effect.gen(function* () {
      const { record } = yield* kept({ replies: keeping() }, {}, (keeper) =>
        Effect.gen(function* () {
          yield* upAndTaken(keeper)
          const client = yield* Control.connect(keeper.address)
          yield* keeper.stage.killBundle
          assert.strictEqual((yield* Effect.flip(client.gone)).reason, "bundle-died")
        }).pipe(Effect.scoped)
      )
      assert.deepStrictEqual(record, { code: null, error: "BundleDied", origin: "engine" })
    })
  )
})

describe("the end of a keeper", { timeout: 60_000 }, () => {
  it.live("comes when its bottle is down, though something that it held does not end", () =>
    Effect.gen(function* () {
      const stuck = { next: Effect.uninterruptible(Effect.never) }
      const { record } = yield* kept(
        { replies: keeping() },
        {},
        (keeper) => Effect.zipRight(keeper.said("ready"), keeper.signal),
        stuck
      )
      assert.deepStrictEqual(record, { code: 0, error: null, origin: "engine" })
    })
  )
})

describe("the main command of a keeper", { timeout: 30_000 }, () => {
  const ends: CommandScript.Reply = { match: isAgent, stdout: "hello", exit: 7 }
  const witnessed: CommandScript.Reply = {
    match: (argv) => execOf("sh", "-c")(argv) && argv.some((word) => word.startsWith("head -c")),
    stdout: "7",
    times: "any"
  }

  it.live("ends the bottle with it, and its code and output are in the record", () =>
    Temp.withTempDir(() =>
      Effect.gen(function* () {
        const { record, result } = yield* kept({ replies: keeping(ends, witnessed) }, { main: main() }, (keeper) =>
          Effect.gen(function* () {
            yield* keeper.said("ready")
            yield* keeper.take
            yield* Fiber.join(keeper.fiber)
            const { directories, id } = keeper.stage.plan
            return Fs.readFileSync(`${directories.state}/records/${id}/output.log`, "utf8")
          })
        )
        assert.deepStrictEqual(record, { code: 7, error: null, origin: "guest" })
        assert.strictEqual(result, "hello")
      })
    )
  )

  it.live("has no code when the bottle is taken down before it has ended", () =>
    Effect.gen(function* () {
      const goesOn: CommandScript.Reply = { match: isAgent, stdout: "at work", hang: true }
      const { record } = yield* kept({ replies: keeping(goesOn) }, { main: main() }, (keeper) =>
        Effect.gen(function* () {
          yield* upAndTaken(keeper)
          const client = yield* Control.connect(keeper.address)
          const [first] = yield* Stream.runCollect(Stream.take(client.attach(), 1))
          assert.strictEqual(first?._tag === "Stdout" && Buffer.from(first.bytes).toString(), "at work")
          yield* client.down
        }).pipe(Effect.scoped)
      )
      assert.deepStrictEqual(record, { code: null, error: "TakenDown", origin: "engine" })
    })
  )
})

describe("the time of a keeper", { timeout: 30_000 }, () => {
  const afterTime = (over: Partial<Wire.Document>, replies: StageOptions["replies"], millis: number) =>
    kept({ replies }, over, (keeper) =>
      Effect.gen(function* () {
        yield* keeper.said("ready")
        const before = yield* Fiber.poll(keeper.fiber)
        assert.isTrue(Option.isNone(before))
        // The watch and the times take their places, each in its turn.
        yield* waitUntil(
          Effect.zipRight(TestClock.adjust(millis), Effect.map(Fiber.poll(keeper.fiber), Option.isSome)),
          { boundMillis: 10_000, what: "the end" }
        )
      })
    )

  it.effect("ends the bottle though it is well", () =>
    Effect.gen(function* () {
      const { record } = yield* afterTime({ ttlMillis: 3000 }, keeping(running("running", "any")), 1000)
      assert.deepStrictEqual(record, { code: 0, error: null, origin: "engine" })
      const idle = yield* afterTime({ idleMillis: 3000 }, keeping(running("running", "any")), 1000)
      assert.deepStrictEqual(idle.record, { code: 0, error: null, origin: "engine" })
    })
  )

  it.effect("shows a machine that no longer runs, twice", () =>
    Effect.gen(function* () {
      const { record } = yield* afterTime({}, keeping(running("running", 1), running("stopped", "any")), 10_000)
      assert.deepStrictEqual(record, { code: null, error: "MachineGone", origin: "engine" })
    })
  )
})
