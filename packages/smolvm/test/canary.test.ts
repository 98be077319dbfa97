import * as Capture from "@bottle/process/Capture"
import * as Executor from "@bottle/process/Executor"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Capabilities from "../src/Capabilities.js"
import * as Grammar from "../src/Grammar.js"
import * as Line from "../src/Line.js"
import * as Drift from "./canary/drift.js"

/** What a smolvm of a line says, with some of it replaced; `undefined` is a refusal. */
const said = (line: Line.Line, changed: Readonly<Record<string, string | undefined>> = {}): Drift.Said["help"] =>
  Object.fromEntries(
    Object.entries({
      ...Object.fromEntries([...Drift.groups, ...Capabilities.subcommands].map((at) => [at, Grammar.help(line, at)])),
      ...changed
    }).flatMap(([at, text]) => (text === undefined ? [] : [[at, text]]))
  )

const ofNewer = (changed: Readonly<Record<string, string | undefined>>): Drift.Drift =>
  Drift.of({ version: "1.22.2", help: said("1.9.3", changed) })

const help = (command: string): string => Grammar.help("1.9.3", command) ?? ""
const none = { tag: "v1.22.2", added: [], removed: [], changed: [] }

describe("the canary", () => {
  for (const line of Line.lines) {
    it(`finds nothing in the help of ${line}`, () => {
      const drift = Drift.of({ version: line, help: said(line) })
      assert.deepStrictEqual(drift, { version: line, line, delta: { ...none, tag: `v${line}` }, commands: {} })
      assert.isTrue(Drift.isNone(drift))
    })
  }

  it("finds between the lines what the deltas say", () => {
    const dns = "      --dns <IP>\n      --max-image-size <SIZE>\n"
    const run = `${Grammar.help("1.1.0", "machine run")}${dns}      --no-init-cache\n      --rebuild-init-cache\n`
    const help = said("1.1.0", {
      "machine create": `${Grammar.help("1.1.0", "machine create")}${dns}`,
      "machine run": `${run}      --unprivileged\n`,
      "pack create": `${Grammar.help("1.1.0", "pack create")}      --staging-dir <DIR>\n`
    })
    assert.deepStrictEqual(Drift.of({ version: "1.2.5", help }).delta, { ...none, tag: "v1.2.5" })
    // Before 1.2.5 there was no `--dns`, and after it there is.
    assert.deepStrictEqual(Drift.of({ version: "1.2.4", help }).delta.added, [
      "machine run --dns",
      "machine create --dns"
    ])
    assert.deepStrictEqual(Drift.of({ version: "1.3.0", help }).delta.removed, ["machine exec --detach"])
  })

  it("finds an option that is new, with all that its help tells", () => {
    const text = `${help("machine create")}      --egress-proxy <URL>  Where to
      --mode <MODE>  How [default: fast] [possible values: fast, slow]
  -q, --quiet...  Less
`
    const drift = ofNewer({ "machine create": text })
    assert.deepStrictEqual(drift.delta, {
      ...none,
      added: ["machine create --egress-proxy", "machine create --mode", "machine create --quiet"]
    })
    assert.deepStrictEqual(drift.commands, {
      "machine create": {
        options: [
          { long: "--egress-proxy", value: "URL", type: "string" },
          { long: "--mode", value: "MODE", type: "enum:fast|slow", default: "fast" },
          { long: "--quiet", short: "-q", type: "flag", repeatable: true }
        ]
      }
    })
  })

  it("finds an option that is gone, but for one under another name", () => {
    const gone = help("machine create").replace(/.*--mount-socket.*\n/, "")
    assert.deepStrictEqual(ofNewer({ "machine create": gone }).delta, {
      ...none,
      removed: ["machine create --mount-socket"]
    })
    const renamed = `${gone}      --socket <HOST:GUEST>  One [aliases: --mount-socket]\n`
    assert.deepStrictEqual(ofNewer({ "machine create": renamed }).delta, {
      ...none,
      added: ["machine create --socket"]
    })
  })

  const name = { long: "--name", short: "-n", value: "NAME", type: "string" }
  const { short: _short, ...nameless } = name
  for (const [what, entry, option] of [
    ["another short form", "  -N, --name <NAME>", { ...name, short: "-N" }],
    ["no short form", "      --name <NAME>", nameless],
    ["another value", "  -n, --name <ID>", { ...name, value: "ID" }],
    ["no value", "  -n, --name", { long: "--name", short: "-n", type: "flag" }],
    ["a default", "  -n, --name <NAME>  It [default: x, or what the pack says]", { ...name, default: "x" }],
    ["a list of values", "  -n, --name <NAME>  It [possible values: a, b]", { ...name, type: "enum:a|b" }],
    ["repetition", "  -n, --name <NAME>...", { ...name, repeatable: true }]
  ] as const) {
    it(`finds ${what} of an option`, () => {
      const text = help("machine create")
      assert.include(text, "  -n, --name <NAME>\n")
      const drift = ofNewer({ "machine create": text.replace("  -n, --name <NAME>", entry) })
      assert.deepStrictEqual(drift.delta, { ...none, changed: ["machine create --name"] })
      assert.deepStrictEqual(drift.commands, { "machine create": { options: [option] } })
    })
  }

  it("finds nothing in what a help tells of the same option in more words", () => {
    const text = help("machine create")
    const [cpus = ""] = /.*--cpus.*/.exec(text) ?? []
    const drift = ofNewer({
      "machine create": text.replace(cpus, `${cpus}\n          How many [default: 4, or the pack's]`)
    })
    assert.include(cpus, "--cpus <N>")
    assert.deepStrictEqual(drift.delta, none)
  })

  it("finds an option that is hidden no longer", () => {
    const drift = ofNewer({ "pack create": `${help("pack create")}      --stub <PATH>\n` })
    assert.deepStrictEqual(drift.delta, { ...none, changed: ["pack create --stub"] })
    assert.deepStrictEqual(drift.commands["pack create"]?.options, [{ long: "--stub", value: "PATH", type: "path" }])
  })

  it("finds positionals that are new, gone or others", () => {
    const text = help("machine cp")
    assert.include(text, "  <SRC>\n  <DST>\n")
    const drift = ofNewer({ "machine cp": text.replace("  <SRC>\n  <DST>\n", "  [SRC]\n  <TO>...\n") })
    assert.deepStrictEqual(drift.delta, {
      ...none,
      added: ["machine cp <TO>"],
      removed: ["machine cp <DST>"],
      changed: ["machine cp <SRC>"]
    })
    assert.deepStrictEqual(drift.commands["machine cp"]?.positionals, [
      { name: "SRC", required: false, variadic: false, trailing: false, requiresDoubleDash: false },
      { name: "TO", required: true, variadic: true, trailing: true, requiresDoubleDash: false }
    ])
  })

  it("finds a subcommand that is new, one that is gone, and one that is an alias now", () => {
    const fork = help("machine fork")
    const branch = fork.replaceAll("machine fork", "machine branch")
    const changed = {
      machine: help("machine").replace(/^ {2}fork$/m, "  branch  Copies it [aliases: fork]"),
      "machine fork": branch,
      "machine branch": branch,
      "pack push": undefined
    }
    const drift = ofNewer(changed)
    assert.deepStrictEqual(drift.delta.removed, ["cmd pack push"])
    assert.deepStrictEqual(drift.delta.changed, ["cmd machine fork"])
    assert.include(drift.delta.added, "cmd machine branch")
    assert.include(drift.delta.added, "machine branch --golden")
    assert.deepStrictEqual(Object.keys(drift.commands), ["machine branch"])
    assert.deepStrictEqual(drift.commands["machine branch"]?.aliases, ["fork"])
    assert.include(Drift.asked(said("1.9.3", changed)), "machine branch")
  })
})

/** A program that answers from files: `--version`, `machine create --help`. */
const program = (root: string, answers: Readonly<Record<string, string>>): string => {
  const files = Path.join(root, "answers")
  Fs.mkdirSync(files)
  for (const [words, text] of Object.entries(answers)) Fs.writeFileSync(Path.join(files, words), text)
  const path = Path.join(root, "smolvm")
  const lines = [
    "#!/bin/sh",
    `test -e '${files}'/"$*" && exec cat '${files}'/"$*"`,
    `echo "error: unrecognized subcommand" >&2`,
    "exit 2"
  ]
  Fs.writeFileSync(path, `${lines.join("\n")}\n`, { mode: 0o755 })
  return path
}

const answersOf = (version: string, help: Drift.Said["help"]): Record<string, string> => ({
  "--version": `smolvm ${version}\n`,
  ...Object.fromEntries(Object.entries(help).map(([at, text]) => [`${at} --help`, text]))
})

const script = fileURLToPath(new URL("../scripts/canary.mjs", import.meta.url))

const canary = (...args: ReadonlyArray<string>) =>
  Effect.map(
    Capture.capture({ program: process.execPath, args: [script, ...args] }, { timeoutMillis: 100_000 }),
    (captured) => ({
      code: captured.exit.code,
      stdout: Capture.stdoutText(captured),
      stderr: Capture.stderrText(captured)
    })
  ).pipe(Effect.provide(Executor.layer))

describe("pnpm canary", { timeout: 120_000 }, () => {
  it.scopedLive("exits 0 where the help says what the data say", () =>
    Effect.gen(function* () {
      const path = program(yield* Temp.directory, answersOf("1.5.2", said("1.5.2")))
      assert.deepStrictEqual(yield* canary("--program", path), {
        code: 0,
        stdout: "",
        stderr: "smolvm 1.5.2: its help says what the data say\n"
      })
    })
  )

  it.scopedLive("exits 1 where it does not, and prints what to paste into the data", () =>
    Effect.gen(function* () {
      const create = `${help("machine create")}      --egress-proxy <URL>\n`
      const changed = { "machine create": create, "machine monitor": undefined }
      const path = program(yield* Temp.directory, answersOf("1.22.2", said("1.9.3", changed)))
      const { code, stderr, stdout } = yield* canary("--program", path)
      assert.strictEqual(code, 1, stderr)
      assert.deepStrictEqual(yield* Schema.decode(Schema.parseJson())(stdout), {
        version: "1.22.2",
        line: "1.9.3",
        delta: { ...none, added: ["machine create --egress-proxy"], removed: ["cmd machine monitor"] },
        commands: { "machine create": { options: [{ long: "--egress-proxy", value: "URL", type: "string" }] } }
      })
      assert.include(stderr, "its help is not what the data say")
    })
  )

  for (const [what, answers, message] of [
    ["is not smolvm", { "--version": "other 1.9.3\n" }, "does not say smolvm and a version"],
    ["is too old", { "--version": "smolvm 0.7.2\n" }, "is version 0.7.2: the data begin with 0.8.0"],
    ["has no groups", { "--version": "smolvm 1.9.3\n" }, "has no help of its own for machine, pack"]
  ] as ReadonlyArray<readonly [string, Record<string, string>, string]>) {
    it.scopedLive(`exits 2 for a program that ${what}`, () =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* canary("--program", program(yield* Temp.directory, answers))
        assert.deepStrictEqual([code, stdout], [2, ""])
        assert.include(stderr, message)
      })
    )
  }

  it.scopedLive("exits 2 for a program that is not there, one that fails, and words it does not know", () =>
    Effect.gen(function* () {
      const root = yield* Temp.directory
      const missing = yield* canary("--program", Path.join(root, "none"))
      assert.deepStrictEqual([missing.code, missing.stdout], [2, ""])
      assert.include(missing.stderr, "program not found")
      const path = program(root, answersOf("1.9.3", said("1.9.3")))
      Fs.writeFileSync(
        path,
        Fs.readFileSync(path, "utf8").replace("#!/bin/sh", '#!/bin/sh\ntest "$2" = push && exit 1')
      )
      const failing = yield* canary("--program", path)
      assert.deepStrictEqual([failing.code, failing.stdout], [2, ""])
      assert.include(failing.stderr, "pack push --help failed: exit code 1")
      const wrong = yield* canary("--programme", path)
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.stderr, "usage: pnpm canary [--program PATH]")
      const asked = yield* canary("--help")
      assert.strictEqual(asked.code, 0)
      assert.include(asked.stdout, "usage: pnpm canary [--program PATH]")
    })
  )
})
