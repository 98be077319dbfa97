import * as RuntimeChoice from "@bottle/cli/RuntimeChoice"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"

const choose = (flag: string | null, environment: Record<string, string>) =>
  Effect.provide(RuntimeChoice.choose(flag, { cwd: "/project", environment }), NodeFileSystem.layer)

describe("RuntimeChoice.choose", () => {
  it.effect("takes the flag before everything else", () =>
    Effect.gen(function* () {
      const environment = { BOTTLE_RUNTIME: "smolvm", PATH: "/nowhere" }
      assert.deepStrictEqual(yield* choose("local", environment), {
        _tag: "Local",
        program: "smolvm-local",
        isFallback: false
      })
      assert.deepStrictEqual(yield* choose("bin/smolvm", environment), {
        _tag: "Program",
        program: "/project/bin/smolvm"
      })
      assert.deepStrictEqual(yield* choose("smolvm-1.8", environment), { _tag: "Program", program: "smolvm-1.8" })
    })
  )

  it.effect("takes the variable before what is on PATH", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* choose(null, { BOTTLE_RUNTIME: "smolvm" }), { _tag: "Smolvm", program: "smolvm" })
      assert.deepStrictEqual(yield* choose(null, { BOTTLE_RUNTIME: "/opt/x" }), { _tag: "Program", program: "/opt/x" })
    })
  )

  it.scopedLive("takes smolvm where it is on PATH, and only what can be run", () =>
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      const fallback = { _tag: "Local", program: "smolvm-local", isFallback: true } as const
      assert.deepStrictEqual(yield* choose(null, { PATH: directory }), fallback)
      Fs.mkdirSync(`${directory}/smolvm`)
      assert.deepStrictEqual(yield* choose(null, { PATH: directory }), fallback)
      Fs.rmdirSync(`${directory}/smolvm`)
      Fs.writeFileSync(`${directory}/smolvm`, "", { mode: 0o644 })
      assert.deepStrictEqual(yield* choose(null, { PATH: directory }), fallback)
      Fs.chmodSync(`${directory}/smolvm`, 0o755)
      assert.deepStrictEqual(yield* choose(null, { PATH: `/nowhere:${directory}` }), {
        _tag: "Smolvm",
        program: "smolvm"
      })
    })
  )

  it.effect("falls back to the local runtime, and says honestly what it is", () =>
    Effect.gen(function* () {
      const choice = yield* choose(null, {})
      assert.deepStrictEqual(choice, { _tag: "Local", program: "smolvm-local", isFallback: true })
      assert.include(RuntimeChoice.fallbackNotice, "namespaces, shared kernel")
    })
  )
})
