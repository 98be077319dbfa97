import * as Failure from "@bottle/cli/Failure"
import { afterAll, assert, beforeAll, describe, expect, it } from "@effect/vitest"
import { fileURLToPath } from "node:url"
import { collect, type Entry, render } from "./errors/reference.js"

const page = fileURLToPath(new URL("../../../docs/reference/errors.md", import.meta.url))

describe("the reference of errors", () => {
  let entries: ReadonlyArray<Entry> = []
  beforeAll(async () => {
    entries = await collect()
  })
  afterAll(() => {
    entries = []
  })

  it("is what the code says: `npx vitest run packages/cli/test/ErrorsReference.test.ts -u` makes it again", async () => {
    assert.isAbove(entries.length, 100)
    await expect(render(entries)).toMatchFileSnapshot(page)
  })

  it("has the place that every failure names", () => {
    const headings = new Set(
      [...render(entries).matchAll(/^### (.*)$/gm)].map(([, text = ""]) => text.toLowerCase().replaceAll(" ", "-"))
    )
    const named = [
      ...entries.map(({ failure }) => failure),
      Failure.fromDefect(new Error("x")),
      Failure.fromCause({ _tag: "Empty" } as never, "SIGTERM")
    ]
    for (const { docs, error } of named) {
      const [file, anchor] = docs.split("#")
      assert.strictEqual(file, "docs/reference/errors.md")
      assert.isTrue(headings.has(anchor ?? ""), `${error}: ${docs}`)
    }
    assert.isFalse(headings.has("nosucherror"))
  })

  it("names what to do for every error, in one printable line", () => {
    for (const { failure, tag } of entries) assert.isNotNull(failure.suggestion, tag)
  })
})
