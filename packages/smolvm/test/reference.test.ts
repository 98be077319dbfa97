import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"
import { allSubcommands } from "../src/internal/releases.js"

interface Made {
  readonly pages: ReadonlyMap<string, string>
  readonly problems: ReadonlyArray<string>
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const docs = here("../../../docs/reference/smolvm/")

const generator: { pagesOf: (sources: string, load: (module: string) => Promise<unknown>) => Promise<Made> } =
  await import(here("../scripts/reference/index.mjs"))
const made = await generator.pagesOf(here("../src/"), (module) => import(here(`../src/${module}.ts`)))

describe("docs/reference/smolvm", () => {
  it("has a page for every subcommand that some release has", () => {
    const names = allSubcommands.map((command) => `${command.replaceAll(" ", "-")}.md`)
    assert.strictEqual(names.length, 24)
    assert.deepStrictEqual([...made.pages.keys()].sort(), ["README.md", ...names].sort())
  })

  it("lacks nothing: each option is described, each error and each field of a result too, and each example is built on the newest line", () => {
    assert.deepStrictEqual(made.problems, [])
  })

  it("is what packages/smolvm/scripts/reference.mjs writes", () => {
    assert.deepStrictEqual(Fs.readdirSync(docs).sort(), [...made.pages.keys()].sort())
    for (const [name, page] of made.pages) assert.strictEqual(Fs.readFileSync(`${docs}${name}`, "utf8"), page, name)
  })

  it("links to what is there, and keeps its lines short but in tables", () => {
    for (const [name, page] of made.pages) {
      for (const [, target = ""] of page.matchAll(/\]\(([^)#]+)/g)) {
        const isThere = made.pages.has(target) || Fs.existsSync(`${docs}${target}`)
        assert.isTrue(isThere, `${name} links to ${target}`)
      }
      for (const line of page.split("\n")) if (!line.startsWith("|")) assert.isAtMost(line.length, 100, name)
    }
  })
})
