import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

const packages = fileURLToPath(new URL("../../", import.meta.url))

/** The modules of a package that others can import: those right in `src`. */
const modulesOf = (name: string): ReadonlyArray<string> =>
  Fs.readdirSync(Path.join(packages, name, "src"))
    .filter((module) => module.endsWith(".ts"))
    .map((module) => Path.join(name, "src", module))

const read = (module: string): string => Fs.readFileSync(Path.join(packages, module), "utf8")

/** The doc comment that ends where a declaration begins. */
const docBefore = (text: string, offset: number): string =>
  /\/\*\*(?:(?!\*\/)[^])*\*\/\s*$/.exec(text.slice(0, offset))?.[0] ?? ""

/** What a comment says beside its tags. */
const sentences = (doc: string): string => doc.replace(/\/\*\*|\s*\*\/|^\s*\*|@.*$/gm, "").trim()

const hasTags = (doc: string): boolean =>
  /@since \d+\.\d+\.\d+$/m.test(doc) && (doc.match(/@category [a-z]+$/gm) ?? []).length === 1

interface Exported {
  readonly kind: string
  readonly name: string
  readonly doc: string
}

/** The names that a module declares and exports, with their comments. */
const exported = (text: string): ReadonlyArray<Exported> =>
  [
    ...text.matchAll(/^export (?:declare |abstract |async )*(const|let|interface|type|class|function\*?|enum) (\w+)/gm)
  ].map(([, kind = "", name = ""], index, all) => ({ kind, name, doc: docBefore(text, all[index]?.index ?? 0) }))

/** What lacks a part of its description. The type of a schema of the same name need not say again what it is. */
const incomplete = (text: string): ReadonlyArray<string> => {
  const found = exported(text)
  const isTwin = ({ kind, name }: Exported) =>
    kind === "type" && found.some((other) => other.kind === "const" && other.name === name)
  return found
    .filter((each) => !hasTags(each.doc) || (sentences(each.doc) === "" && !isTwin(each)))
    .map(({ name }) => name)
}

describe.each(Fs.readdirSync(packages))("the public modules of %s", (name) => {
  const modules = modulesOf(name)

  it("say what they are", () => {
    assert.isNotEmpty(modules)
    for (const module of modules) {
      // Behind the line that names an interpreter, or the linter's exceptions.
      const [, doc = ""] = /^(?:#!.*\n)?(?:\/\* oxlint-.*\n)?(\/\*\*[^]*?\*\/)/.exec(read(module)) ?? []
      assert.isTrue(sentences(doc) !== "" && doc.includes("@since "), module)
    }
  })

  it("describe every export, since when it is there, and its one category", () => {
    for (const module of modules) assert.deepStrictEqual(incomplete(read(module)), [], module)
  })
})

describe("a description", () => {
  const doc = "/**\n * A thing.\n *\n * @since 0.1.0\n * @category models\n */\n"
  const bare = "/**\n * @since 0.1.0\n * @category models\n */\n"

  it("is complete with a sentence, a version and one category", () => {
    for (const declared of ["const a = 1", "async function a() {}", "abstract class a {}", "type a = 1"]) {
      assert.deepStrictEqual(incomplete(`${doc}export ${declared}\n`), [], declared)
      assert.deepStrictEqual(incomplete(`export ${declared}\n`), ["a"], declared)
      assert.deepStrictEqual(incomplete(`${doc}\nconst b = 1\nexport ${declared}\n`), ["a"], declared)
    }
    for (const lacking of [
      "/** A thing. */\n",
      bare,
      "/**\n * A thing.\n *\n * @since 0.1.0\n */\n",
      "/**\n * A thing.\n *\n * @category models\n */\n",
      "/**\n * A thing.\n *\n * @since 0.1.0\n * @category models\n * @category errors\n */\n"
    ]) {
      assert.deepStrictEqual(incomplete(`${lacking}export const a = 1\n`), ["a"], lacking)
    }
  })

  it("of a schema goes for its type too, but for the tags", () => {
    assert.deepStrictEqual(incomplete(`${doc}export const A = 1\n\n${bare}export type A = 1\n`), [])
    assert.deepStrictEqual(incomplete(`${doc}export const A = 1\n\nexport type A = 1\n`), ["A"])
    assert.deepStrictEqual(incomplete(`${doc}export const A = 1\n\n${bare}export type B = 1\n`), ["B"])
  })
})
