import { apply, ApplyDocument } from "@bottle/cli/commands/Apply"
import { diff, DiffDocument } from "@bottle/cli/commands/Diff"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Fixture from "./fixtures/bottles.js"

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex")

/** The copy of `<home>/source` that a bottle that is down has left, as a launch writes it, and what its guest made of it. */
const copyOf = (home: string, before: Readonly<Record<string, string>>, after: Readonly<Record<string, string>>) => {
  const { directories, id } = Fixture.planOf(home, "demo")
  const place = `${directories.state}/workspaces/${id}`
  Fs.mkdirSync(`${place}/tree`, { recursive: true })
  Fs.mkdirSync(`${home}/source`)
  Fs.mkdirSync(`${directories.state}/records/${id}`, { recursive: true })
  Fs.writeFileSync(`${directories.state}/records/${id}/plan.json`, "{}")
  for (const [path, text] of Object.entries(before)) Fs.writeFileSync(`${home}/source/${path}`, text, { mode: 0o644 })
  for (const [path, text] of Object.entries(after)) Fs.writeFileSync(`${place}/tree/${path}`, text, { mode: 0o644 })
  const entries = Object.entries(before).map(([path, text]) => ({
    _tag: "File",
    path,
    mode: 0o644,
    size: text.length,
    hash: hashOf(text),
    stamp: ""
  }))
  const base = { version: 1, id, source: `${home}/source`, madeAt: 1, skipped: [], entries }
  Fs.writeFileSync(`${place}/base.json`, JSON.stringify(base))
  return { id, place, work: `${home}/source` }
}

const shown = (home: string, more: { readonly stat?: boolean; readonly format?: "text" | "json" } = {}, around = {}) =>
  Fixture.run(home, diff({ bottle: "demo", stat: false, format: "text", ...more }), around)

const taken = (home: string, more: Partial<Parameters<typeof apply>[0]> = {}) =>
  Fixture.run(home, apply({ bottle: "demo", dryRun: false, force: false, discard: false, format: "text", ...more }))

describe("bottle diff", () => {
  it.live("shows what was changed, as text, as a table and as JSON, and exits with 0", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const { id, work } = copyOf(home, { a: "1\n", b: "x\n" }, { a: "2\n", "c\u001b[1m": "n\n" })
        const text = yield* shown(home)
        assert.strictEqual(text.code, 0)
        assert.strictEqual(
          text.stdout,
          [
            "diff --git a/a b/a",
            ...["--- a/a", "+++ b/a", "@@ -1,1 +1,1 @@", "-1", "+2"],
            "diff --git a/b b/b",
            ...["deleted file mode 100644", "--- a/b", "+++ /dev/null", "@@ -1,1 +0,0 @@", "-x"],
            'diff --git "a/c\\u{1b}[1m" "b/c\\u{1b}[1m"',
            ...["new file mode 100644", "--- /dev/null", '+++ "b/c\\u{1b}[1m"', "@@ -0,0 +1,1 @@", "+n", ""]
          ].join("\n")
        )
        assert.strictEqual(text.stderr, `bottle: 3 changes, 2 lines added, 2 lines removed in the copy of ${work}\n`)
        const table = yield* shown(home, { stat: true })
        assert.strictEqual(table.stdout, 'M  +1 -1  a\nD  +0 -1  b\nA  +1 -0  "c\\u{1b}[1m"\n')
        const json = Schema.decodeSync(Schema.parseJson(DiffDocument))((yield* shown(home, { format: "json" })).stdout)
        assert.strictEqual(json.id, id)
        assert.deepStrictEqual(
          json.changes.map(({ added, kind, removed }) => [kind, added, removed]),
          [
            ["modified", 1, 1],
            ["deleted", 0, 1],
            ["added", 1, 0]
          ]
        )
      })
    )
  )

  it.live("is coloured on a terminal, and says that nothing was changed", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        copyOf(home, { a: "1\n" }, { a: "2\n" })
        const { stdout } = yield* shown(home, {}, { isInteractive: true })
        assert.include(stdout, "\u001b[31m-1\u001b[0m\n\u001b[32m+2\u001b[0m\n")
        yield* taken(home, { force: true })
        const gone = yield* shown(home, { format: "json" })
        assert.strictEqual(gone.code, 125)
        assert.include(gone.stdout, '"error":"WorkspaceMissing"')
      })
    )
  )
})

describe("bottle apply", () => {
  it.live("takes what was changed, and says what is left and that the copy is gone", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const { place, work } = copyOf(home, { a: "1\n" }, { a: "2\n", ".git": "gitdir: elsewhere" })
        assert.deepStrictEqual(yield* taken(home, { dryRun: true }), {
          code: 125,
          stdout: "left        A  .git  (it says where git looks for its directory)\nwould take  M  a\n",
          stderr: `bottle: 1 change would be taken to ${work}; 1 left in the copy, see them: bottle diff demo-abc12, drop them: bottle apply --discard demo-abc12\n`
        })
        assert.strictEqual(Fs.readFileSync(`${work}/a`, "utf8"), "1\n")
        assert.strictEqual((yield* taken(home)).code, 125)
        assert.strictEqual(Fs.readFileSync(`${work}/a`, "utf8"), "2\n")
        const forced = yield* taken(home, { force: true, format: "json" })
        assert.strictEqual(forced.code, 0)
        const document = Schema.decodeSync(Schema.parseJson(ApplyDocument))(forced.stdout)
        assert.isTrue(document.removed)
        assert.isFalse(Fs.existsSync(place))
      })
    )
  )

  it.live("takes nothing where the same file was changed here, and throws the copy away where that is asked for", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const { place, work } = copyOf(home, { a: "1\n" }, { a: "2\n" })
        Fs.writeFileSync(`${work}/a`, "mine")
        const refused = yield* taken(home)
        assert.strictEqual(refused.code, 125)
        assert.include(refused.stderr, "nothing was taken, since a was changed here too")
        assert.strictEqual(Fs.readFileSync(`${work}/a`, "utf8"), "mine")
        assert.deepStrictEqual(yield* taken(home, { discard: true }), {
          code: 0,
          stdout: "",
          stderr: `bottle: the copy of ${work} is gone\n`
        })
        assert.isFalse(Fs.existsSync(place))
      })
    )
  )
})
