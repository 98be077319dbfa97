import { assert, describe, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Project from "./fixtures/packedProject.js"

class Packed extends Context.Tag("@bottle/testing/test/Packed")<Packed, Project.PackedProject>() {}

/** Compilers and processes take their time beside other tests. */
const BOUND_MILLIS = 60_000

const root = fileURLToPath(new URL("../../../", import.meta.url))
const examples = Path.join(root, "docs/examples")

const libraries = ["process", "smolvm", "docker", "egress", "bundle", "engine", "local", "testing"]
const packages = [...libraries, "cli"]

const modules = Object.fromEntries(
  Fs.readdirSync(examples)
    .filter((name) => name.endsWith(".ts"))
    .map((name) => [name, Fs.readFileSync(Path.join(examples, name), "utf8")])
)

/** What the page says that a program prints. */
const printed = (name: string): string | undefined =>
  new RegExp(`^## \\[[^\\]]*\\]\\(${name}\\)\n[^#]*?^\`\`\`text\n([^]*?)^\`\`\`$`, "m").exec(
    Fs.readFileSync(Path.join(examples, "README.md"), "utf8")
  )?.[1]

describe("the packages, packed and installed outside the workspace", () => {
  const project = Layer.scoped(Packed, Project.make({ packs: packages, installs: libraries }))
  layer(project, { timeout: 3 * BOUND_MILLIS, excludeTestServices: true })((it) => {
    it.effect("hold their license, a README and what they are built of, and no more", () =>
      Effect.gen(function* () {
        const { packed } = yield* Packed
        assert.sameMembers(Object.keys(packed), packages)
        for (const [name, { files }] of Object.entries(packed)) {
          for (const file of ["LICENSE", "README.md", "package.json"]) assert.include(files, file, name)
          const meant =
            name === "cli"
              ? /^(LICENSE|README\.md|package\.json|dist\/(bottle|bottle-keeper)\.mjs|dist\/bundle\/(Dockerfile|bottle-bundle\.mjs)|dist\/docs\/reference\/errors\.md)$/
              : /^(LICENSE|README\.md|package\.json|Dockerfile|dist\/.*\.(js|d\.ts)(\.map)?|dist\/[a-z-]+\.mjs|src\/.*\.(ts|json))$/
          for (const file of files) assert.match(file, meant, name)
        }
      })
    )

    it.effect("import what they list, and nothing else", () =>
      Effect.gen(function* () {
        const { directory } = yield* Packed
        for (const name of libraries) {
          const listed = Project.listedBy(directory, name)
          for (const range of Object.values(listed)) assert.match(range, /^\^?\d+\.\d+\.\d+$/, name)
          assert.deepStrictEqual(Project.importedBy(directory, name), Object.keys(listed).sort(), name)
        }
      })
    )

    it.effect(
      "can be loaded, each public module of them",
      () =>
        Effect.gen(function* () {
          const { directory, run } = yield* Packed
          const specifiers = libraries.flatMap((name) =>
            Fs.readdirSync(Path.join(Project.installedAt(directory, name), "dist"))
              // A program runs when it is loaded.
              .filter((file) => file.endsWith(".js") && !/^bin\.js$/.test(file))
              .map((file) => `@bottle/${name}/${file.replace(".js", "")}`)
          )
          assert.include(specifiers, "@bottle/engine/Launch")
          const imports = specifiers.map((specifier) => `await import(${JSON.stringify(specifier)})`).join("\n")
          const { code, stderr } = yield* run("node", "--input-type=module", "-e", imports)
          assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
          const inner = `await import("@bottle/engine/internal/files")`
          assert.include(
            (yield* run("node", "--input-type=module", "-e", inner)).stderr,
            "ERR_PACKAGE_PATH_NOT_EXPORTED"
          )
        }),
      BOUND_MILLIS
    )

    it.effect(
      "compile the examples, and refuse a wrong one",
      () =>
        Effect.gen(function* () {
          const { compile } = yield* Packed
          const wrong = `import * as Launch from "@bottle/engine/Launch"\nexport const it = Launch.bottle({ allow: 1 })\n`
          const said = yield* compile({ ...modules, "wrong.ts": wrong }, { hasNode: true })
          const files = said.split("\n").flatMap((line) => /^(\S+)\(\d+,\d+\): error/.exec(line)?.[1] ?? [])
          assert.deepStrictEqual([...new Set(files)], ["wrong.ts"], said)
          assert.strictEqual(yield* compile(modules, { hasNode: true }), "")
        }),
      BOUND_MILLIS
    )

    for (const name of Object.keys(modules).filter((module) => module !== "layers.ts")) {
      it.effect(
        `run docs/examples/${name}`,
        () =>
          Effect.gen(function* () {
            const { run } = yield* Packed
            const { code, stderr, stdout } = yield* run("node", name.replace(".ts", ".js"))
            assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" }, stdout)
            const meant = printed(name)
            if (meant !== undefined) assert.strictEqual(stdout, meant)
            else assert.match(stdout, /^# pass [1-9]\d*$/m)
          }),
        BOUND_MILLIS
      )
    }

    it.effect(
      "are a command by npx alone, and take a bottle down again",
      () =>
        Effect.gen(function* () {
          const { packed, run } = yield* Packed
          const bottle = (...words: ReadonlyArray<string>) =>
            run("npx", "--yes", "--offline", "--package", packed["cli"]?.tarball ?? "", "bottle", ...words)
          const { code, stdout } = yield* bottle(
            "run",
            "-q",
            "--runtime",
            "local",
            "--",
            "sh",
            "-c",
            "echo from inside; exit 3"
          )
          assert.deepStrictEqual({ code, stdout }, { code: 3, stdout: "from inside\n" })
          const up = yield* bottle("up", "-q", "--runtime", "local")
          assert.strictEqual(up.code, 0, up.stderr)
          assert.strictEqual((yield* bottle("down", up.stdout.trim())).code, 0)
          assert.strictEqual((yield* bottle("ls", "-q")).stdout, "")
        }),
      BOUND_MILLIS
    )
  })
})
