import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"

const sources = fileURLToPath(new URL("../src/", import.meta.url))

/** The doc comment that ends where a declaration begins. */
const docBefore = (text: string, offset: number): string =>
  /\/\*\*(?:(?!\*\/)[^])*\*\/\s*$/.exec(text.slice(0, offset))?.[0] ?? ""

/** What a comment says beside its tags. */
const sentences = (doc: string): string => doc.replace(/\/\*\*|\s*\*\/|^\s*\*|@.*$/gm, "").trim()

const isComplete = (doc: string): boolean =>
  sentences(doc) !== "" && doc.includes("@since ") && (doc.match(/@category [a-z]+$/gm) ?? []).length === 1

/** The names that a module declares and exports, with their comments. */
const exported = (text: string): ReadonlyArray<readonly [name: string, doc: string]> =>
  [...text.matchAll(/^export (?:const|interface|type|class|function) (\w+)/gm)].map((match) => [
    match[1] ?? "",
    docBefore(text, match.index)
  ])

describe("the public modules", () => {
  const modules = Fs.readdirSync(sources).filter((name) => name.endsWith(".ts"))

  it("say what they are", () => {
    assert.include(modules, "Smolvm.ts")
    for (const name of modules) {
      const [doc = ""] = /^\/\*\*[^]*?\*\//.exec(Fs.readFileSync(sources + name, "utf8")) ?? []
      assert.isTrue(sentences(doc) !== "" && doc.includes("@since "), name)
    }
  })

  it("describe every export, since when it is there, and its one category", () => {
    for (const module of modules) {
      for (const [name, doc] of exported(Fs.readFileSync(sources + module, "utf8"))) {
        assert.isTrue(isComplete(doc), `${module}: ${name}`)
      }
    }
  })

  it("are looked at: what lacks a part is not complete", () => {
    assert.isTrue(isComplete("/**\n * A thing.\n *\n * @since 0.1.0\n * @category models\n */"))
    for (const doc of [
      "",
      "/** A thing. */",
      "/**\n * @since 0.1.0\n * @category models\n */",
      "/**\n * A thing.\n *\n * @since 0.1.0\n */",
      "/**\n * A thing.\n *\n * @category models\n */",
      "/**\n * A thing.\n *\n * @since 0.1.0\n * @category models\n * @category errors\n */"
    ]) {
      assert.isFalse(isComplete(doc), doc)
    }
  })
})
