import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { result } from "./fixtures/readmeExample.js"

const here = (path: string): string => Fs.readFileSync(new URL(path, import.meta.url), "utf8")

describe("the README's example", () => {
  it("is the one that is type-checked and run here", () => {
    const block = /<!-- readme-example -->\n```ts\n([^]*?)```/.exec(here("../../../README.md"))?.[1]
    assert.strictEqual(block, here("./fixtures/readmeExample.ts"))
  })

  it.live(
    "runs a command in a bottle",
    () =>
      Effect.gen(function* () {
        const { exitCode, name } = yield* result
        assert.strictEqual(exitCode, 0)
        assert.match(name, /^bottle-box-[a-z0-9]{5}$/)
      }),
    60_000
  )
})
