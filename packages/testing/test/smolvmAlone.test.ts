import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as FakeExample from "./fixtures/fakeExample.js"
import * as Project from "./fixtures/packedProject.js"

class Alone extends Context.Tag("@bottle/testing/test/Alone")<Alone, Project.PackedProject>() {}

const PACKAGES = ["process", "smolvm"]

/** Compilers and processes take their time beside other tests. */
const BOUND_MILLIS = 60_000

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** A program of a guide: its module, and what it prints; a module that prints nothing is for others to import. */
interface Shown {
  readonly module: string
  readonly text: string
  readonly prints: string | undefined
}

const shownIn = (page: string): ReadonlyArray<Shown> =>
  [...page.matchAll(/^```ts\n\/\/ (\w+)\.ts\n([^]*?)^```\n(?:\n```text\n([^]*?)^```\n)?/gm)].map(
    ([, module = "", text = "", prints]) => ({ module, text, prints })
  )

/** The modules that programs may import. */
const publicModules = (directory: string): ReadonlyArray<string> =>
  Fs.readdirSync(Path.join(Project.installedAt(directory, "smolvm"), "dist"))
    .filter((name) => name.endsWith(".d.ts"))
    .map((name) => name.replace(".d.ts", ""))

describe("docs/guides/smolvm-alone.md", () => {
  it("shows how a program is tested as it is run here", () => {
    const page = Fs.readFileSync(here("../../../docs/guides/smolvm-alone.md"), "utf8")
    const fake = shownIn(page).find(({ module }) => module === "fake")
    assert.strictEqual(fake?.text, Fs.readFileSync(here("./fixtures/fakeExample.ts"), "utf8"))
  })

  it.effect("shows a test that finds what it says", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Effect.scoped(FakeExample.result), { failedWith: "CommandFailed", left: [] })
    })
  )
})

describe("the package, packed and installed alone", () => {
  layer(Layer.scoped(Alone, Project.make({ packs: PACKAGES, installs: PACKAGES })), {
    timeout: 3 * BOUND_MILLIS,
    excludeTestServices: true
  })((it) => {
    it.effect("has its code, its declarations, its sources, a README and a license, and nothing else", () =>
      Effect.gen(function* () {
        const { packed } = yield* Alone
        for (const { files } of Object.values(packed)) {
          for (const file of ["LICENSE", "README.md", "package.json"]) assert.include(files, file)
          for (const file of files) {
            assert.match(file, /^(LICENSE|README\.md|package\.json|dist\/.*\.(js|d\.ts)(\.map)?|src\/.*\.(ts|json))$/)
          }
        }
      })
    )

    it.effect("bears the license of the repository, and runs on Node 20", () =>
      Effect.gen(function* () {
        const { directory } = yield* Alone
        for (const name of ["process", "smolvm"]) {
          const read = (file: string): string =>
            Fs.readFileSync(Path.join(Project.installedAt(directory, name), file), "utf8")
          assert.strictEqual(read("LICENSE"), Fs.readFileSync(here("../../../LICENSE"), "utf8"))
          const manifest: Record<string, unknown> = JSON.parse(read("package.json"))
          assert.strictEqual(manifest["license"], "MIT")
          assert.deepStrictEqual(manifest["engines"], { node: ">=20" })
        }
      })
    )

    it.effect("has a declaration, and a source for its maps, of each module", () =>
      Effect.gen(function* () {
        const { files = [] } = (yield* Alone).packed["smolvm"] ?? {}
        const modules = files.filter((file) => file.endsWith(".js"))
        assert.include(modules, "dist/Smolvm.js")
        for (const module of modules) {
          assert.include(files, module.replace(/\.js$/, ".d.ts"))
          assert.include(files, module.replace(/^dist/, "src").replace(/\.js$/, ".ts"))
        }
      })
    )

    it.effect("stays small", () =>
      Effect.gen(function* () {
        const { process, smolvm } = (yield* Alone).packed
        assert.isBelow(process?.size ?? Infinity, 150 * 1024)
        assert.isBelow(smolvm?.size ?? Infinity, 400 * 1024)
      })
    )

    it.effect("imports what it lists, and nothing else", () =>
      Effect.gen(function* () {
        const { directory } = yield* Alone
        for (const name of PACKAGES) {
          const listed = Project.listedBy(directory, name)
          for (const range of Object.values(listed)) assert.match(range, /^\^?\d+\.\d+\.\d+$/)
          assert.deepStrictEqual(Project.importedBy(directory, name), Object.keys(listed).sort())
        }
      })
    )

    it.effect(
      "type-checks, each public module of it, without the types of Node",
      () =>
        Effect.gen(function* () {
          const { compile, directory } = yield* Alone
          const modules = publicModules(directory)
          assert.include(modules, "Smolvm")
          const imports = modules.map((name) => `export * as ${name} from "@bottle/smolvm/${name}"\n`).join("")
          assert.strictEqual(yield* compile({ "everything.ts": imports }, { checksDeclarations: true }), "")
          const { code, stderr } = yield* (yield* Alone).run("node", "everything.js")
          assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
        }),
      BOUND_MILLIS
    )

    it.effect(
      "refuses a wrong call while it is compiled, and takes a right one",
      () =>
        Effect.gen(function* () {
          const { compile } = yield* Alone
          const call = (options: string): string =>
            `import * as Smolvm from "@bottle/smolvm/Smolvm"\nimport * as Effect from "effect/Effect"\n` +
            `export const call = Effect.flatMap(Smolvm.Smolvm, (it) => it.machineStart(${options}))\n`
          const said = yield* compile({ "right.ts": call(`{ name: "box" }`), "wrong.ts": call(`{ nom: "box" }`) })
          assert.deepStrictEqual(
            said.split("\n").flatMap((line) => /^(\S+)\(\d+,\d+\): error/.exec(line)?.[1] ?? []),
            ["wrong.ts"]
          )
        }),
      BOUND_MILLIS
    )

    it.effect(
      "lets nobody import what is internal",
      () =>
        Effect.gen(function* () {
          const { run } = yield* Alone
          const load = (module: string) =>
            run("node", "--input-type=module", "-e", `await import("@bottle/smolvm/${module}")`)
          assert.strictEqual((yield* load("Smolvm")).code, 0)
          const refused = yield* load("internal/runner")
          assert.strictEqual(refused.code, 1)
          assert.include(refused.stderr, "ERR_PACKAGE_PATH_NOT_EXPORTED")
        }),
      BOUND_MILLIS
    )

    it.effect(
      "drives a smolvm that is on PATH",
      () =>
        Effect.gen(function* () {
          const { compile, run } = yield* Alone
          assert.strictEqual(
            yield* compile({ "program.ts": Fs.readFileSync(here("fixtures/alone/program.ts"), "utf8") }),
            ""
          )
          const { code, stderr, stdout } = yield* run("node", "program.js")
          assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
          assert.deepStrictEqual(JSON.parse(stdout), {
            version: "1.9.3",
            machines: ["box running"],
            stdout: "out\n",
            exitCode: 7,
            secret: "s3cret\n",
            missing: "MachineNotFound",
            left: 0
          })
        }),
      BOUND_MILLIS
    )

    it.effect(
      "is used as README.md shows it, and docs/guides/smolvm-alone.md",
      () =>
        Effect.gen(function* () {
          const { compile, run } = yield* Alone
          const pages = ["../../smolvm/README.md", "../../../docs/guides/smolvm-alone.md"]
          const page = pages.map((path) => Fs.readFileSync(here(path), "utf8")).join("")
          const all = shownIn(page)
          assert.strictEqual(all.length, page.split("```ts\n").length - 1, "each block begins with its file's name")
          const shown = all.filter(({ module }) => module !== "fake")
          assert.strictEqual(
            yield* compile(Object.fromEntries(shown.map(({ module, text }) => [`${module}.ts`, text]))),
            ""
          )
          // One after the other in one process: most of what each takes alone is to load Effect.
          const imports = shown.map(({ module }) => `console.log("= ${module}"); await import("./${module}.js")`)
          const ran = yield* run("node", "--input-type=module", "-e", imports.join("\n"))
          const printed = shown.map(({ module, prints }) => `= ${module}\n${prints ?? ""}`).join("")
          assert.deepStrictEqual(ran, { code: 0, stdout: printed, stderr: "" })
        }),
      BOUND_MILLIS
    )
  })
})
