import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as BottleId from "../src/BottleId.js"
import { resolve } from "../src/internal/bottles/resolve.js"
import * as Ledger from "../src/Ledger.js"
import { LaunchPlan } from "../src/LaunchPlan.js"
import { settingsIn } from "./fixtures/launching.js"
import * as Plans from "./fixtures/plans.js"

/** What each word means where these bottles have a ledger: an id, or the tag of the error and what it names. */
const meant = (
  bottles: ReadonlyArray<readonly [base: string, suffix: string, name?: string]>,
  words: ReadonlyArray<string>
) =>
  Temp.withTempDir((directory) =>
    Effect.gen(function* () {
      const { directories } = settingsIn(directory)
      for (const [base, suffix, name] of bottles) {
        const id = BottleId.fromParts(base, suffix)
        const ledger = Ledger.directoryOf(directories, id)
        const plan = new LaunchPlan({ ...Plans.planOf({ source: { _tag: "Bare" } }), id, directories, ledger })
        yield* Ledger.claim(plan, { name })
      }
      return yield* Effect.forEach(words, (word) =>
        Effect.match(resolve(directories, word), {
          onSuccess: ({ id }): unknown => id,
          onFailure: (error) => {
            if (error._tag === "NameAmbiguous") return [...error.ids].sort()
            return error._tag === "BottleNotFound" ? { nearest: error.nearest } : error._tag
          }
        })
      )
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )

describe("the bottle that a word means", { timeout: 30_000 }, () => {
  it.live("is the one with that id, then that name, then that slug, then the only one that begins so", () =>
    Effect.gen(function* () {
      const found = yield* meant(
        [
          ["agent", "aaaaa", "box"],
          ["box", "bbbbb"],
          ["boxer", "ccccc"],
          ["tool", "ddddd", "agent-aaaaa"]
        ],
        ["agent-aaaaa", "box", "boxer", "boxe", "too"]
      )
      assert.deepStrictEqual(found, ["agent-aaaaa", "agent-aaaaa", "boxer-ccccc", "boxer-ccccc", "tool-ddddd"])
    })
  )

  it.live("is nobody's guess where several are meant, or none is", () =>
    Effect.gen(function* () {
      const found = yield* meant(
        [
          ["box", "aaaaa"],
          ["box", "bbbbb"],
          ["tool", "ccccc", "hammer"]
        ],
        ["box", "b", "hamer", "zzz", "", "../box"]
      )
      const both = ["box-aaaaa", "box-bbbbb"]
      assert.deepStrictEqual(found.slice(0, 3), [both, both, { nearest: "hammer" }])
      for (const nothing of found.slice(3)) assert.notTypeOf(nothing, "string")
      assert.deepStrictEqual(yield* meant([], ["box"]), [{ nearest: null }])
    })
  )
})
