import type * as CommandScript from "@bottle/testing/CommandScript"
import * as Temp from "@bottle/testing/Temp"
import * as Wait from "@bottle/testing/Wait"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Launch from "../src/Launch.js"
import type { LaunchPlan } from "../src/LaunchPlan.js"
import * as Ledger from "../src/Ledger.js"
import { indexOfStage, ledgersIn, onStage, repliesFor, type Stage } from "./fixtures/launching.js"
import { as, directoriesIn, filesBelow, planIn, refused, standIn, tagsOf, withFiles } from "./fixtures/ledgers.js"

const deleted = (plan: LaunchPlan): CommandScript.Reply => ({ match: plan.steps.at(-1)?.argv ?? [], times: "any" })

/** Every reply of a plan's, with something done before each. */
const repliesWith = (plan: LaunchPlan, before: (index: number) => void): ReadonlyArray<CommandScript.Reply> =>
  repliesFor(
    plan,
    Object.fromEntries(plan.steps.map((_, index) => [index, { before: Effect.sync(() => before(index)) }]))
  )

const viewOf = ({ plan }: Stage) => Effect.map(Ledger.read(plan.directories, plan.id), Option.getOrThrow)

describe("a launch's ledger", () => {
  it.live("is there before anything is run, and says how far it is", () =>
    Temp.withTempDir((directory) => {
      const seen: Array<ReadonlyArray<string>> = []
      return onStage(directory, { replies: (plan) => repliesWith(plan, () => seen.push(tagsOf(plan))) }, (stage) =>
        Effect.gen(function* () {
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* Launch.launch(stage.plan, { ledger: { kind: "run" } })
              const view = yield* viewOf(stage)
              assert.strictEqual(view.state, "up")
              assert.strictEqual(view.claim?.kind, "run")
              assert.strictEqual(view.holder?.identity.pid, process.pid)
              assert.deepStrictEqual(yield* Ledger.plan(view), stage.plan)
            })
          )
          const release = indexOfStage(stage.plan, "release")
          assert.isAbove(release, 3)
          for (const tags of seen.slice(0, release)) assert.deepStrictEqual(tags, ["Claimed"])
          for (const tags of seen.slice(release)) assert.deepStrictEqual(tags, ["Claimed", "Up", "Closing"])
          assert.lengthOf(seen, stage.plan.steps.length)
          assert.deepStrictEqual(ledgersIn(directory), [])
        })
      )
    })
  )

  it.live("is not even begun where others can put a directory in place of the bottle's", () =>
    Temp.withTempDir((directory) =>
      onStage(directory, { replies: (plan) => repliesFor(plan), ordered: false }, ({ executed, plan }) =>
        Effect.gen(function* () {
          const run = Path.dirname(plan.directory)
          Fs.mkdirSync(run, { recursive: true })
          Fs.chmodSync(run, 0o777)
          const error = yield* refused(Effect.scoped(Launch.launch(plan)))
          assert.strictEqual(error._tag, "HostFileFailed")
          assert.include(error.message, "everybody can write to it")
          assert.deepStrictEqual(yield* executed, [])
          assert.deepStrictEqual([Fs.readdirSync(run), ledgersIn(directory)], [[], []])
          Fs.chmodSync(run, 0o700)
          yield* Effect.scoped(Launch.launch(plan))
        })
      )
    )
  )

  it.live("is a program's where nothing else is said", () =>
    Temp.withTempDir((directory) =>
      onStage(directory, { replies: (plan) => repliesFor(plan) }, (stage) =>
        Effect.scoped(
          Effect.gen(function* () {
            yield* Launch.launch(stage.plan)
            assert.strictEqual((yield* viewOf(stage)).claim?.kind, "program")
          })
        )
      )
    )
  )

  for (const stageName of ["create", "start", "ready", "relay", "proof"] as const) {
    // How a proof fails is its own matter: EgressProof.test.ts.
    for (const how of stageName === "proof" ? (["interrupted"] as const) : (["failed", "interrupted"] as const)) {
      it.live(`says that it closes, and goes, when ${stageName} is ${how}`, () =>
        Temp.withTempDir((directory) => {
          const closing: Array<ReadonlyArray<string>> = []
          return onStage(
            directory,
            {
              options: { source: { _tag: "Bare" }, readyTimeoutMillis: 1 },
              ordered: false,
              replies: (plan) => {
                const index = indexOfStage(plan, stageName)
                const end = how === "failed" ? { exit: 1, times: "any" as const } : { hang: true }
                return [
                  ...repliesFor(plan, { [index]: end }).slice(0, index + 1),
                  { ...deleted(plan), before: Effect.sync(() => closing.push(tagsOf(plan))) }
                ]
              }
            },
            (stage) =>
              Effect.gen(function* () {
                const fiber = yield* Effect.fork(Effect.scoped(Launch.launch(stage.plan)))
                if (how === "interrupted") {
                  const argv = stage.plan.steps[indexOfStage(stage.plan, stageName)]?.argv
                  yield* Wait.waitUntil(
                    Effect.map(stage.executed, (all) => all.at(-1)?.join(" ") === argv?.join(" ")),
                    { boundMillis: 10_000, what: stageName }
                  )
                  yield* Fiber.interrupt(fiber)
                }
                assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
                assert.isNotEmpty(closing)
                for (const tags of closing) assert.deepStrictEqual(tags, ["Claimed", "Closing"])
                assert.deepStrictEqual(ledgersIn(directory), [])
              })
          )
        })
      )
    }
  }

  it.live("stays with what could not be removed, and says what that is", () =>
    Temp.withTempDir((directory) =>
      onStage(
        directory,
        {
          replies: (plan) => [
            ...repliesFor(plan).slice(0, -1),
            { ...deleted(plan), exit: 1, stderr: "Error: the disk is busy\n" }
          ]
        },
        (stage) =>
          Effect.gen(function* () {
            yield* Effect.scoped(Launch.launch(stage.plan, { ledger: { name: "box" } }))
            const view = yield* viewOf(stage)
            assert.strictEqual(view.state, "left")
            assert.isNull(view.holder)
            assert.deepStrictEqual(
              view.failures.map(({ resource }) => resource),
              [`machine ${stage.plan.machine}`]
            )
            assert.include(view.failures[0]?.reason, "the disk is busy")
            assert.include(view.failures[0]?.suggestion, "machine delete")
            assert.isTrue(Option.isNone(yield* Ledger.named(stage.plan.directories, "box")))
            // Whoever observes the launch is told as before.
            assert.lengthOf(
              (yield* stage.noticed).filter(({ _tag }) => _tag === "ReleaseFailed"),
              1
            )
          })
      )
    )
  )

  it.live("stays with what was kept", () =>
    Temp.withTempDir((directory) =>
      onStage(directory, { replies: (plan) => repliesFor(plan).slice(0, -1) }, (stage) =>
        Effect.gen(function* () {
          yield* Effect.scoped(Effect.flatMap(Launch.launch(stage.plan), (bottle) => bottle.keep))
          assert.deepInclude(yield* viewOf(stage), { state: "kept", failures: [] })
        })
      )
    )
  )

  it.live("that cannot be written is the end of it: nothing is created", () =>
    Temp.withTempDir((directory) =>
      onStage(directory, { replies: () => [] }, (stage) =>
        Effect.gen(function* () {
          Fs.writeFileSync(stage.plan.directories.state, "")
          const error = yield* refused(Effect.scoped(Launch.launch(stage.plan)))
          assert.strictEqual(error._tag, "LedgerFailed")
          assert.deepStrictEqual(yield* stage.happened, [])
          assert.deepStrictEqual(Fs.readdirSync(directory), ["state"])
          Fs.rmSync(stage.plan.directories.state)
        })
      )
    )
  )

  it.live("has a name of its own: nothing is created for a second one", () =>
    Temp.withTempDir((directory) =>
      onStage(directory, { replies: () => [] }, (stage) =>
        Effect.gen(function* () {
          const other = planIn(directory, "aaaa1")
          const error = yield* Effect.scoped(
            Effect.gen(function* () {
              const owner = yield* standIn
              yield* as(owner)(Ledger.claim(other, { name: "box" }))
              return yield* refused(Effect.scoped(Launch.launch(stage.plan, { ledger: { name: "Box" } })))
            })
          )
          assert.strictEqual(error._tag, "NameTaken")
          if (error._tag === "NameTaken") assert.strictEqual(error.id, other.id)
          assert.deepStrictEqual(yield* stage.happened, [])
          assert.isFalse(Fs.existsSync(stage.plan.directory))
        })
      )
    )
  )

  it.live("is gone, and nothing was created, when its launch is interrupted while it is written", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        let halts = 0
        for (let at = 0; ; at++) {
          const reached = yield* Deferred.make<void>()
          const goOn = yield* Deferred.make<void>()
          let operations = 0
          /** The operation that the launch is interrupted in. */
          const halting = <A, E, R>(work: Effect.Effect<A, E, R>) =>
            Effect.suspend(() =>
              operations++ === at
                ? Deferred.succeed(reached, undefined).pipe(
                    Effect.zipRight(Deferred.await(goOn)),
                    Effect.zipRight(work)
                  )
                : work
            )
          const slow = FileSystem.FileSystem.of({
            ...fs,
            open: (...args) => halting(fs.open(...args)),
            makeDirectory: (...args) => halting(fs.makeDirectory(...args)),
            writeFileString: (...args) => halting(fs.writeFileString(...args)),
            rename: (...args) => halting(fs.rename(...args))
          })
          const own = `${directory}/${at}`
          const plan = planIn(own)
          const claiming = yield* Effect.scoped(
            Effect.zipRight(Ledger.claim(plan, { name: "box" }), Deferred.succeed(reached, undefined))
          ).pipe(Effect.provideService(FileSystem.FileSystem, slow), Effect.fork)
          yield* Deferred.await(reached)
          if (operations <= at) {
            // It is claimed, and what comes now is its end.
            yield* Deferred.succeed(goOn, undefined)
            yield* Fiber.join(claiming)
            break
          }
          const interrupting = yield* Effect.fork(Fiber.interrupt(claiming))
          yield* Deferred.succeed(goOn, undefined)
          assert.isTrue(Exit.isFailure(yield* Fiber.join(interrupting)))
          halts += 1
          assert.deepStrictEqual(filesBelow(`${directoriesIn(own).state}/bottles`), [])
        }
        assert.isAtLeast(halts, 7)
      }).pipe(withFiles)
    )
  )
})
