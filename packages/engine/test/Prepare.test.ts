import * as CommandScript from "@bottle/testing/CommandScript"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { LaunchOptions } from "../src/LaunchOptions.js"
import type { LaunchPlan } from "../src/LaunchPlan.js"
import * as Prepare from "../src/Prepare.js"
import { onStage } from "./fixtures/launching.js"

const image: LaunchOptions = { source: { _tag: "Image", reference: "alpine:3.20" } }
const refreshed: LaunchOptions = { ...image, refreshPack: true }

const sourceOf = (plan: LaunchPlan) => {
  if (plan.source._tag !== "Pack" || plan.source.madeFrom === null)
    throw new Error("expected a pack made from an image")
  return { path: plan.source.path, partial: plan.source.madeFrom.partial }
}

/** Answers `pack create` as smolvm does: it writes the stub and the pack. */
const creates = (plan: LaunchPlan, over: Partial<CommandScript.Reply> = {}): CommandScript.Reply => ({
  match: plan.steps[0]?.argv ?? [],
  before: Effect.sync(() => {
    const { partial } = sourceOf(plan)
    Fs.writeFileSync(partial, "stub")
    Fs.writeFileSync(`${partial}.smolmachine`, "pack")
  }),
  ...over
})

const packsIn = (plan: LaunchPlan): ReadonlyArray<string> => Fs.readdirSync(Path.dirname(sourceOf(plan).path))

describe("Prepare", () => {
  it.live("makes the pack of an image once, and keeps only the pack", () =>
    Temp.withTempDir((directory) =>
      onStage(directory, { options: image, replies: (plan) => [creates(plan)] }, (stage) =>
        Effect.gen(function* () {
          yield* Prepare.pack(stage.plan)
          yield* Prepare.pack(stage.plan)
          assert.deepStrictEqual(packsIn(stage.plan), [Path.basename(sourceOf(stage.plan).path)])
          assert.strictEqual(Fs.readFileSync(sourceOf(stage.plan).path, "utf8"), "pack")
        })
      )
    )
  )

  it.live("makes it once when two launches ask at the same time", () =>
    Temp.withTempDir((directory) =>
      onStage(directory, { options: image, replies: (plan) => [creates(plan)] }, (stage) =>
        Effect.gen(function* () {
          yield* Effect.all([Prepare.pack(stage.plan), Prepare.pack(stage.plan), Prepare.pack(stage.plan)], {
            concurrency: "unbounded"
          })
          assert.strictEqual((yield* stage.executed).length, 1)
        })
      )
    )
  )

  it.live("makes it anew when asked to", () =>
    Temp.withTempDir((directory) =>
      onStage(directory, { options: refreshed, replies: (plan) => [creates(plan), creates(plan)] }, (stage) =>
        Effect.zipRight(Prepare.pack(stage.plan), Prepare.pack(stage.plan))
      )
    )
  )

  it.live("leaves nothing of a pack that failed, and makes it the next time", () =>
    Temp.withTempDir((directory) =>
      onStage(
        directory,
        {
          options: image,
          replies: (plan) => [
            creates(plan, { exit: 1, stderr: "Error: agent operation failed: pull image: no such image\n" }),
            creates(plan)
          ]
        },
        (stage) =>
          Effect.gen(function* () {
            const error = yield* Effect.flip(Prepare.pack(stage.plan))
            assert.match(error.message, /^pack: .*no such image/)
            assert.deepStrictEqual(packsIn(stage.plan), [])
            yield* Prepare.pack(stage.plan)
            assert.strictEqual(packsIn(stage.plan).length, 1)
          })
      )
    )
  )

  it.live("leaves nothing of a pack that was interrupted half-way", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const reached = yield* Deferred.make<void>()
        yield* onStage(
          directory,
          {
            options: image,
            replies: (plan) => {
              const reply = creates(plan)
              const before = Effect.zipRight(reply.before ?? Effect.void, Deferred.succeed(reached, undefined))
              return [{ ...reply, hang: true, before: Effect.asVoid(before) }]
            }
          },
          (stage) =>
            Effect.gen(function* () {
              const fiber = yield* Effect.fork(Prepare.pack(stage.plan))
              yield* Effect.timeout(Deferred.await(reached), "10 seconds")
              yield* Fiber.interrupt(fiber)
              assert.deepStrictEqual(packsIn(stage.plan), [])
            })
        )
      })
    )
  )

  it.live("does nothing where no pack is needed", () =>
    Temp.withTempDir((directory) => onStage(directory, { replies: () => [] }, (stage) => Prepare.pack(stage.plan)))
  )
})
