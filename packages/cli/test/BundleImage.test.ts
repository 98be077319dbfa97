import * as BundleImage from "@bottle/cli/BundleImage"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"

const program = "docker"

const withFiles = <A, E, R>(use: (directory: string) => Effect.Effect<A, E, R>) =>
  Temp.withTempDir((directory) => {
    Fs.mkdirSync(`${directory}/bundle`)
    Fs.writeFileSync(`${directory}/bundle/Dockerfile`, "FROM x")
    Fs.writeFileSync(`${directory}/bundle/bottle-bundle.mjs`, "1")
    return use(directory)
  })

describe("BundleImage.settings", () => {
  it.live("builds an image whose name says what it is made of", () =>
    withFiles((directory) =>
      Effect.gen(function* () {
        const nothing = { program, image: null, base: null }
        const first = yield* BundleImage.settings(nothing, directory)
        assert.match(first?.image ?? "", /^bottle-bundle:[0-9a-f]{12}$/)
        assert.strictEqual(first?.build?.dockerfile, `${directory}/bundle/Dockerfile`)
        assert.strictEqual(first?.build?.program, `${directory}/bundle/bottle-bundle.mjs`)
        assert.deepStrictEqual(yield* BundleImage.settings(nothing, directory), first)

        const based = yield* BundleImage.settings({ ...nothing, base: "mine" }, directory)
        assert.strictEqual(based?.build?.base, "mine")
        Fs.writeFileSync(`${directory}/bundle/bottle-bundle.mjs`, "2")
        const changed = yield* BundleImage.settings(nothing, directory)
        assert.lengthOf(new Set([first?.image, based?.image, changed?.image]), 3)
      })
    ).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("takes a named image as it is, and builds one of that name on a named base", () =>
    withFiles((directory) =>
      Effect.gen(function* () {
        const named = { program, image: "me/bundle:1", base: null }
        assert.deepStrictEqual(yield* BundleImage.settings(named, directory), {
          program,
          image: "me/bundle:1",
          build: null
        })
        const built = yield* BundleImage.settings({ ...named, base: "node:20" }, directory)
        assert.strictEqual(built?.image, "me/bundle:1")
        assert.strictEqual(built?.build?.base, "node:20")
      })
    ).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("is nothing where neither a name nor the files are there", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        assert.isNull(yield* BundleImage.settings({ program, image: null, base: null }, directory))
        assert.isNotNull(yield* BundleImage.settings({ program, image: "x", base: null }, directory))
      })
    ).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
