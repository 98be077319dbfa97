import * as FileLock from "@bottle/process/FileLock"
import * as Temp from "@bottle/testing/Temp"
import * as Wait from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Acquire from "../src/internal/workspace/acquire.js"
import * as Guarded from "../src/internal/workspace/guarded.js"
import * as Scan from "../src/internal/workspace/scan.js"
import * as Sliced from "../src/internal/workspace/sliced.js"
import * as Store from "../src/internal/workspace/store.js"
import * as Take from "../src/internal/workspace/take.js"
import * as Tree from "../src/internal/workspace/tree.js"
import * as Prune from "../src/Prune.js"
import * as Workspace from "../src/Workspace.js"
import { type Contents, copied, files, planIn, read, write } from "./fixtures/workspaces.js"
import { directoriesIn, tryPlan } from "./fixtures/plans.js"

type Copied = Effect.Effect.Success<ReturnType<typeof copied>>

/** A copy of a directory, and what is done with it. */
const withCopy = (
  contents: Contents,
  use: (copy: Copied & { readonly home: string }) => Effect.Effect<void, unknown, never>
) => Temp.withTempDir((home) => Effect.flatMap(copied(home, contents), (copy) => use({ ...copy, home })))

const run = <A, E>(effect: Effect.Effect<A, E, Effect.Effect.Context<ReturnType<typeof Workspace.apply>>>) =>
  Effect.provide(effect, files)

const changes = ({ place }: Copied) => Effect.map(run(Workspace.changes(place)), (all) => all.changes)

const apply = ({ place }: Copied, more: { readonly force?: boolean; readonly dryRun?: boolean } = {}) =>
  run(Workspace.apply({ ...place, ...more }))

const outcomes = ({ applied }: Workspace.Application) =>
  Object.fromEntries(applied.map(({ change, outcome }) => [change.path, outcome]))

const isRoot = process.getuid?.() === 0

describe("a copy", () => {
  it.live("is the directory with its modes, links and times, in a place that is closed to others", () =>
    withCopy({ "a.txt": "one", "src/run": "two", "src/l": { link: "../a.txt" }, out: { link: "/etc" } }, (copy) =>
      Effect.gen(function* () {
        Fs.chmodSync(`${copy.source}/src/run`, 0o750)
        yield* copy.release
        Fs.utimesSync(`${copy.source}/a.txt`, 1000, 2000)
        const again = yield* copied(copy.home, {})
        assert.deepStrictEqual(read(again.tree), read(copy.source))
        assert.strictEqual(Fs.statSync(`${again.tree}/a.txt`).mtimeMs, 2_000_000)
        assert.strictEqual(Fs.statSync(Path.dirname(again.tree)).mode & 0o777, 0o700)
        assert.deepStrictEqual(yield* changes(again), [])
      })
    )
  )

  it.live("goes with its bottle when nothing was changed in it, and stays when something was", () =>
    withCopy({ a: "one" }, (copy) =>
      Effect.gen(function* () {
        Fs.utimesSync(`${copy.tree}/a`, 5, 5)
        yield* copy.release
        assert.isFalse(Fs.existsSync(Path.dirname(copy.tree)))
        const again = yield* copied(copy.home, {})
        write(again.tree, { a: "two" })
        yield* again.release
        assert.strictEqual(Fs.readFileSync(`${again.tree}/a`, "utf8"), "two")
      })
    )
  )

  it.live("leaves out what is no file, names it, and follows no link out of the directory", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        write(`${home}/work`, { a: "one", "secret-link": { link: `${home}/secret` } })
        write(home, { secret: "s" })
        execFileSync("mkfifo", [`${home}/work/pipe`])
        const copy = yield* copied(home, {})
        assert.deepStrictEqual((yield* run(Workspace.read(copy.place))).skipped, [
          { path: "pipe", reason: "it is a named pipe" }
        ])
        assert.strictEqual(Fs.readlinkSync(`${copy.tree}/secret-link`), `${home}/secret`)
        assert.deepStrictEqual(yield* changes(copy), [])
      })
    )
  )

  it.live("drops bits that let a file act as its owner", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        write(`${home}/work`, { a: "one" })
        Fs.chmodSync(`${home}/work/a`, 0o4755)
        const copy = yield* copied(home, {})
        assert.strictEqual(Fs.statSync(`${copy.tree}/a`).mode & 0o7777, 0o755)
      })
    )
  )

  for (const [what, limits, contents] of [
    ["entries", { entries: 2 }, { a: "1", b: "2" }],
    ["bytes", { bytes: 4 }, { a: "four" }],
    ["depth", { depth: 1 }, { "a/b": "1" }]
  ] as const) {
    it.live(`is refused where there is more than ${what} than is copied, and nothing is left of it`, () =>
      Temp.withTempDir((home) =>
        Effect.gen(function* () {
          yield* (yield* copied(home, contents, limits)).release
          const more = { ...contents, "a2/b/c": "more" }
          const error = yield* Effect.flip(copied(home, more, limits))
          assert.strictEqual(error._tag, "WorkspaceTooLarge")
          assert.deepStrictEqual(Fs.readdirSync(`${home}/state/workspaces`), [])
        })
      )
    )
  }

  it.live("is refused where there is no directory, and nothing is left of it", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const refused = Effect.flip(copied(home, null))
        assert.include((yield* refused).message, "it is not there")
        Fs.writeFileSync(`${home}/work`, "")
        const error = yield* refused
        assert.strictEqual(error._tag, "WorkspaceUnusable")
        assert.include(error.message, "it is no directory")
        assert.deepStrictEqual(Fs.readdirSync(`${home}/state/workspaces`), [])
      })
    )
  )

  it.live("is not made where another user could put something else in its place", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        write(home, { "work/a": "one", "state/workspaces": null })
        Fs.chmodSync(`${home}/state/workspaces`, 0o777)
        assert.strictEqual((yield* Effect.flip(copied(home, null)))._tag, "HostFileFailed")
        Fs.chmodSync(`${home}/state/workspaces`, 0o755)
        yield* (yield* copied(home, null)).release
      })
    )
  )

  it.live("is refused where something bears its name already, which stays", () =>
    withCopy({ a: "one" }, (copy) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(copied(copy.home, {})))._tag, "HostFileFailed")
        assert.deepStrictEqual(read(copy.tree), read(copy.source))
      })
    )
  )

  it.live("that was never finished goes when its owner is found dead, and one with changes stays", () =>
    withCopy({ a: "one" }, ({ place, tree }) =>
      Effect.gen(function* () {
        write(tree, { a: "two" })
        yield* Acquire.settle(place)
        assert.isTrue(Fs.existsSync(tree))
        Fs.rmSync(`${Path.dirname(tree)}/base.json`)
        yield* Acquire.settle(place)
        assert.isFalse(Fs.existsSync(Path.dirname(tree)))
      })
    )
  )

  it.live("that is interrupted half-way is removed", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        write(`${home}/work`, Object.fromEntries(Array.from({ length: 400 }, (_, at) => [`f${at}`, "x"])))
        const fiber = yield* Effect.fork(copied(home, {}))
        const place = `${home}/state/workspaces`
        const isBegun = () => Fs.existsSync(place) && Fs.readdirSync(place).length > 0
        yield* Wait.waitUntil(Effect.sync(isBegun), { boundMillis: 10_000, everyMillis: 1 })
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(Fs.readdirSync(place), [])
      })
    )
  )
})

describe("what a guest leaves in its copy", () => {
  it.live("is never opened where it became a pipe or a link, nor waited for", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        write(home, { file: "text", link: { link: "file" } })
        execFileSync("mkfifo", [`${home}/pipe`])
        const root = Tree.openRoot(home)
        const reading = (name: string) =>
          Effect.either(Sliced.run(() => Tree.withFile(root, name, (fd) => Tree.digest(fd, 100))))
        const [pipe, link, file] = yield* Effect.all([reading("pipe"), reading("link"), reading("file")])
        Tree.close(root)
        assert.instanceOf(pipe._tag === "Left" ? pipe.left : null, Tree.NotAFile)
        assert.strictEqual(link._tag === "Left" ? Tree.codeOf(link.left) : null, "ELOOP")
        assert.isTrue(Either.isRight(file))
      })
    )
  )

  it.live("is refused where it is a pipe, a socket, or a link that leads out; what is beside it is taken", () =>
    withCopy({ keep: { link: "/etc/hosts" }, turned: { link: "inside" } }, (copy) =>
      Effect.gen(function* () {
        const { source, tree } = copy
        execFileSync("mkfifo", [`${tree}/pipe`])
        write(tree, {
          absolute: { link: "/etc/passwd" },
          up: { link: "../../outside" },
          "d/over": { link: "../../outside" },
          "d/inside": { link: "../plain" },
          plain: "text"
        })
        Fs.rmSync(`${tree}/turned`)
        Fs.symlinkSync("/root", `${tree}/turned`)
        const application = yield* apply(copy, { force: true })
        assert.deepStrictEqual(outcomes(application), {
          absolute: "left",
          d: "taken",
          "d/inside": "taken",
          "d/over": "left",
          pipe: "left",
          plain: "taken",
          turned: "left",
          up: "left"
        })
        assert.deepStrictEqual(Object.keys(read(source)), ["d", "d/inside", "keep", "plain", "turned"])
        assert.strictEqual(Fs.readlinkSync(`${source}/turned`), "inside")
        assert.isFalse(application.removed)
      })
    )
  )

  it.live("is refused where it is a link that leads out by way of another one, whichever is taken first", () =>
    withCopy({ "x/y/z": "one", out: { link: "/etc" }, keep: { link: "x/../x" } }, (copy) =>
      Effect.gen(function* () {
        write(copy.tree, {
          "x/y/up": { link: "../.." },
          "x/y/fine": { link: "../../x/y/z" },
          "x/y/loop": { link: "loop" },
          "by-up": { link: "x/y/up/../secret" },
          "by-out": { link: "x/y/by-out" },
          "x/y/by-out": { link: "../../out/passwd" },
          "later-up": { link: "later/../secret" }
        })
        const left = Object.entries(outcomes(yield* apply(copy, { force: true }))).filter(
          ([, became]) => became === "left"
        )
        assert.deepStrictEqual(
          left.map(([path]) => path),
          ["by-out", "by-up", "later-up", "x/y/by-out"]
        )
        assert.strictEqual(Fs.readFileSync(`${copy.source}/x/y/fine`, "utf8"), "one")
      })
    )
  )

  it.live("gives others no leave to write, but where they had it", () =>
    withCopy({ shared: "one", own: "one" }, (copy) =>
      Effect.gen(function* () {
        Fs.chmodSync(`${copy.source}/shared`, 0o666)
        yield* copy.release
        const again = yield* copied(copy.home, {})
        write(again.tree, { shared: "two", new: "new", "d/e": "new" })
        for (const path of ["shared", "own", "new", "d", "d/e"]) Fs.chmodSync(`${again.tree}/${path}`, 0o777)
        assert.isTrue((yield* apply(again)).removed)
        assert.deepStrictEqual(read(copy.source), {
          d: "directory 755",
          "d/e": "file 755 new",
          new: "file 755 new",
          own: "file 755 one",
          shared: "file 777 two"
        })
      })
    )
  )

  it.live("is refused where all of it is more than is read back, though each file is not", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        write(home, { a: "four", b: "four" })
        const limits = { ...Workspace.limits, bytes: 7 }
        const found = yield* Sliced.run(() => Scan.changes(home, { base: [], limits, source: home }))
        assert.deepStrictEqual(
          found.map(({ path, refused }) => [path, refused]),
          [
            ["a", null],
            ["b", "it is larger than what is read back"]
          ]
        )
      })
    )
  )

  it.live("never follows a link in place of a directory that is read", () =>
    withCopy({ "d/a": "one", "e/a": "one" }, (copy) =>
      Effect.gen(function* () {
        write(copy.home, { "outside/a": "secret" })
        Fs.rmSync(`${copy.tree}/d`, { recursive: true })
        Fs.symlinkSync("../../../../outside", `${copy.tree}/d`)
        write(copy.tree, { "e/a": "two" })
        const found = yield* changes(copy)
        assert.deepStrictEqual(
          found.map(({ kind, path }) => [path, kind]),
          [
            ["d", "modified"],
            ["d/a", "deleted"],
            ["e/a", "modified"]
          ]
        )
        const all = { source: copy.source, tree: copy.tree }
        assert.isTrue(Option.isNone(yield* Workspace.contents(all, "d/a", "after")))
        assert.isTrue(Option.isSome(yield* Workspace.contents(all, "e/a", "after")))
      })
    )
  )

  it.live("is a copy of its own where it has other names, and acts as nobody", () =>
    withCopy({ a: "one" }, (copy) =>
      Effect.gen(function* () {
        Fs.linkSync(`${copy.tree}/a`, `${copy.tree}/b`)
        Fs.writeFileSync(`${copy.tree}/s`, "", { mode: 0o755 })
        Fs.chmodSync(`${copy.tree}/s`, 0o6755)
        assert.isTrue((yield* apply(copy)).removed)
        assert.strictEqual(Fs.statSync(`${copy.source}/b`).nlink, 1)
        assert.strictEqual(Fs.statSync(`${copy.source}/s`).mode & 0o7777, 0o755)
      })
    )
  )

  it.live("is refused by name where it is not UTF-8, too deep or too large; the rest is taken", () =>
    withCopy({ a: "one" }, (copy) =>
      Effect.gen(function* () {
        Fs.writeFileSync(Buffer.concat([Buffer.from(`${copy.tree}/`), Buffer.from([0xff, 0xfe])]), "x")
        Fs.mkdirSync(`${copy.tree}/${"d/".repeat(140)}`, { recursive: true })
        Fs.truncateSync(`${copy.tree}/a`, 9 * 1024 ** 3)
        write(copy.tree, { "new\u001b[2J": "x" })
        const { applied } = yield* apply(copy)
        const left = applied.filter(({ outcome }) => outcome === "left").map(({ reason }) => reason)
        assert.deepStrictEqual(left, [
          "1 names that are not UTF-8",
          "it is larger than what is read back",
          "it is too deep"
        ])
        assert.isTrue(Fs.existsSync(`${copy.source}/new\u001b[2J`))
        assert.strictEqual(Fs.readFileSync(`${copy.source}/a`, "utf8"), "one")
        yield* run(Workspace.discard(copy.place))
      })
    )
  )

  it.live("is removed whatever it is: deeper than a path is long, and closed to its owner", () =>
    withCopy({ a: "one" }, (copy) =>
      Effect.gen(function* () {
        const deep = `for (let i = 0; i < 80; i++) { require("fs").mkdirSync("d".repeat(80)); process.chdir("d".repeat(80)) }`
        execFileSync(process.execPath, ["-e", deep], { cwd: copy.tree })
        Fs.mkdirSync(`${copy.tree}/closed/in`, { recursive: true })
        Fs.chmodSync(`${copy.tree}/closed`, 0)
        Fs.chmodSync(copy.tree, 0)
        assert.strictEqual((yield* changes(copy))[0]?.path, "closed")
        yield* run(Workspace.discard(copy.place))
        assert.isFalse(Fs.existsSync(Path.dirname(copy.tree)))
      })
    )
  )

  it.live("is taken only where that is asked for where git would run it by itself; all else of git is taken", () =>
    withCopy(
      { ".git/HEAD": "ref", ".git/config": "[core]\n\thooksPath = tools/hooks\n", ".git/objects": null, a: "1" },
      (copy) =>
        Effect.gen(function* () {
          write(copy.tree, {
            ".git/config": "[core]\n\tfsmonitor = evil\n",
            ".git/hooks/post-checkout": "evil",
            ".git/objects/aa/bb": "blob",
            ".git/HEAD": "other",
            ".GIT/config": "evil",
            "sub/.git": "gitdir: ../evil",
            ".hg/hgrc": "evil",
            "bare/HEAD": "ref",
            "bare/objects": null,
            "bare/config": "evil",
            "tools/hooks/pre-commit": "evil",
            "tools/other": "fine",
            "src/config": "fine",
            "src/hooks/use.ts": "fine",
            ".envrc": "mind"
          })
          const before = outcomes(yield* apply(copy))
          const left = Object.entries(before).flatMap(([path, outcome]) => (outcome === "left" ? [path] : []))
          assert.deepStrictEqual(left, [
            ".GIT/config",
            ".git/config",
            ".git/hooks/post-checkout",
            ".hg/hgrc",
            "bare/HEAD",
            "bare/config",
            "sub/.git",
            "tools/hooks/pre-commit"
          ])
          assert.include(Fs.readFileSync(`${copy.source}/.git/config`, "utf8"), "tools/hooks")
          assert.strictEqual(Fs.readFileSync(`${copy.source}/.git/HEAD`, "utf8"), "other")
          const forced = yield* apply(copy, { force: true })
          assert.isTrue(forced.removed)
          assert.include(Fs.readFileSync(`${copy.source}/.git/config`, "utf8"), "evil")
        })
    )
  )
})

describe("what a repository names within it", () => {
  const repository = (configuration: string): Contents => ({
    ".git/HEAD": "ref",
    ".git/objects": null,
    ".git/config": configuration
  })

  it.live("is guarded as what git runs or reads: hooks and configuration, also behind links", () =>
    withCopy(
      {
        ...repository("[core] hooksPath = ./tools/../links ; ours\n[include]\n\tpath = ../.gitconfig\n"),
        ".git/hooks/pre-commit": { link: "../../scripts/run" },
        "scripts/run": { link: "deep/run" },
        "scripts/deep/run": "fine",
        links: { link: "tools/hooks" },
        "tools/hooks/pre-push": "fine",
        ".gitconfig": "fine"
      },
      (copy) =>
        Effect.gen(function* () {
          Fs.rmSync(`${copy.tree}/links`)
          write(copy.tree, {
            ".gitconfig": "evil",
            "links/pre-push": "evil",
            "scripts/deep/run": "evil",
            "scripts/other": "taken",
            "tools/hooks/pre-push": "evil",
            "tools/other": "taken"
          })
          assert.deepStrictEqual(outcomes(yield* apply(copy)), {
            ".gitconfig": "left",
            links: "taken",
            "links/pre-push": "left",
            "scripts/deep/run": "left",
            "scripts/other": "taken",
            "tools/hooks/pre-push": "left",
            "tools/other": "taken"
          })
        })
    )
  )

  it("is guarded under whatever name a file system takes for its own", () => {
    const guarded = (path: string) =>
      Guarded.guardedFor(path, { has: () => false, had: () => false, named: [] }) !== null
    for (const path of [
      ".g\u200cit/config",
      ".\uff27IT/Hooks/x",
      ".git/config.worktree",
      "a.git/commondir",
      ".HG/hgrc"
    ]) {
      assert.isTrue(guarded(path), path)
    }
    for (const path of [".gitx/config", ".git/HEAD", "config.worktree", ".jj/config", "hg/hgrc"]) {
      assert.isFalse(guarded(path), path)
    }
  })

  it("is read of its configuration as git reads it", () => {
    const named = (text: string) => Guarded.namedBy(text, "/home/me/work")
    assert.deepStrictEqual(named('[core]\n\thooksPath = "a b/hooks"\n[includeIf "x"]\n\tPATH=inside'), [
      "a b/hooks",
      ".git/inside"
    ])
    assert.deepStrictEqual(named("[core]\n\thooksPath = /home/me/work/.husky/_\n"), [".husky"])
    assert.deepStrictEqual(named("[core]\n\thooksPath = ~/hooks\n\thookspath = /usr/hooks\n\thookspath=../x\n"), [])
  })

  it.live("is no repository that is made of parts, taken one after the other", () =>
    withCopy({ "a/HEAD": "ref", "b/config": "text", "b/objects": null, "c/commondir": "../b", "d/src": "x" }, (copy) =>
      Effect.gen(function* () {
        write(copy.tree, {
          "a/config": "evil",
          "a/Hooks/run": "evil",
          "b/head": "ref",
          "c/HEAD": "ref",
          "d/HEAD": "no repository",
          "e/hooks/run": "evil",
          "e/HEAD": "ref"
        })
        const left = Object.entries(outcomes(yield* apply(copy))).filter(([, became]) => became === "left")
        assert.deepStrictEqual(
          left.map(([path]) => path),
          ["a/Hooks/run", "a/config", "b/head", "c/HEAD", "e/HEAD", "e/hooks/run"]
        )
      })
    )
  )
})

describe("taking changes back", () => {
  it.live("refuses as a whole where a file was changed here too, and replaces it where that is asked for", () =>
    withCopy({ a: "one", b: "one", c: "one" }, (copy) =>
      Effect.gen(function* () {
        write(copy.tree, { a: "guest", b: "guest" })
        write(copy.source, { b: "mine", c: "mine" })
        const before = read(copy.source)
        const error = yield* Effect.flip(apply(copy))
        assert.strictEqual(error._tag, "WorkspaceConflict")
        assert.deepStrictEqual(error._tag === "WorkspaceConflict" ? error.paths : [], ["b"])
        assert.deepStrictEqual(read(copy.source), before)
        assert.isTrue((yield* apply(copy, { force: true })).removed)
        assert.deepStrictEqual(
          Object.values(read(copy.source)).map((text) => text.slice(9)),
          ["guest", "guest", "mine"]
        )
      })
    )
  )

  it.live("finds no conflict where both made the same of it, or where only its time is another", () =>
    withCopy({ a: "one", b: "one" }, (copy) =>
      Effect.gen(function* () {
        write(copy.tree, { a: "two", b: "two", new: "same" })
        write(copy.source, { a: "two", new: "same" })
        Fs.utimesSync(`${copy.source}/b`, 1, 1)
        assert.deepStrictEqual(outcomes(yield* apply(copy)), { a: "already", b: "taken", new: "already" })
      })
    )
  )

  it.live("writes nothing through a link that stands in the way here, also where it is forced", () =>
    withCopy({ "d/a": "one", "e/a": "one" }, (copy) =>
      Effect.gen(function* () {
        write(copy.home, { "outside/a": "one" })
        write(copy.tree, { "d/a": "guest", "e/a": "guest" })
        Fs.rmSync(`${copy.source}/d`, { recursive: true })
        Fs.symlinkSync("../outside", `${copy.source}/d`)
        assert.deepStrictEqual(outcomes(yield* apply(copy, { force: true })), { "d/a": "left", "e/a": "taken" })
        assert.strictEqual(Fs.readFileSync(`${copy.home}/outside/a`, "utf8"), "one")
      })
    )
  )

  it.live("replaces a link here by a file, and never writes where it leads", () =>
    withCopy({ l: { link: "../outside" } }, (copy) =>
      Effect.gen(function* () {
        write(copy.home, { outside: "mine" })
        Fs.rmSync(`${copy.tree}/l`)
        write(copy.tree, { l: "guest" })
        assert.isTrue((yield* apply(copy)).removed)
        assert.isTrue(Fs.lstatSync(`${copy.source}/l`).isFile())
        assert.strictEqual(Fs.readFileSync(`${copy.home}/outside`, "utf8"), "mine")
      })
    )
  )

  it.live("keeps what was put here into a directory that the guest removed, or made something else", () =>
    withCopy({ "d/a": "one", "e/a": "one" }, (copy) =>
      Effect.gen(function* () {
        Fs.rmSync(`${copy.tree}/d`, { recursive: true })
        Fs.rmSync(`${copy.tree}/e`, { recursive: true })
        write(copy.tree, { e: "a file" })
        write(copy.source, { "d/mine": "mine", "e/mine": "mine" })
        assert.deepStrictEqual(outcomes(yield* apply(copy, { force: true })), {
          d: "taken",
          "d/a": "taken",
          e: "left",
          "e/a": "taken"
        })
        assert.deepStrictEqual(Object.keys(read(copy.source)), ["d", "d/mine", "e", "e/mine"])
      })
    )
  )

  it.live("changes nothing in a dry run", () =>
    withCopy({ a: "one" }, (copy) =>
      Effect.gen(function* () {
        write(copy.tree, { a: "two" })
        const application = yield* apply(copy, { dryRun: true })
        assert.deepStrictEqual(outcomes(application), { a: "taken" })
        assert.strictEqual(Fs.readFileSync(`${copy.source}/a`, "utf8"), "one")
        assert.isTrue((yield* apply(copy)).removed)
      })
    )
  )

  it.live("that is interrupted leaves no half of a file, and is run again", () =>
    withCopy(Object.fromEntries(Array.from({ length: 80 }, (_, at) => [`f${at}`, "one"])), (copy) =>
      Effect.gen(function* () {
        for (const name of Fs.readdirSync(copy.tree)) Fs.writeFileSync(`${copy.tree}/${name}`, "guest")
        const isBegun = () => Fs.readFileSync(`${copy.source}/f0`, "utf8") === "guest"
        const fiber = yield* Effect.fork(apply(copy))
        yield* Wait.waitUntil(Effect.sync(isBegun), { boundMillis: 10_000, everyMillis: 1 })
        yield* Fiber.interrupt(fiber)
        const half = Object.values(read(copy.source)).map((text) => text.slice(9))
        assert.deepStrictEqual([...new Set([...half, "one", "guest"])].toSorted(), ["guest", "one"])
        // It may have come to its end before.
        const again = yield* Effect.either(apply(copy))
        assert.isTrue(again._tag === "Left" ? again.left._tag === "WorkspaceMissing" : again.right.removed)
        assert.isTrue(Object.values(read(copy.source)).every((text) => text.endsWith("guest")))
      })
    )
  )

  it.live(
    "makes a directory with what is in it of a file or a link, and the other way around, and follows no link",
    () =>
      withCopy({ file: "one", link: { link: "aside" }, "aside/x": "mine", "folder/in/x": "one" }, (copy) =>
        Effect.gen(function* () {
          const { source, tree } = copy
          for (const path of ["file", "link", "folder"]) Fs.rmSync(`${tree}/${path}`, { recursive: true })
          write(tree, { "file/in/x": "new", "link/x": "new", folder: "new" })
          // One that is no directory, for a reason of its user's, stays in the way.
          write(tree, { "aside/new/x": "new" })
          write(source, { "aside/new": "mine" })
          assert.strictEqual((yield* Effect.flip(apply(copy)))._tag, "WorkspaceConflict")
          Fs.unlinkSync(`${source}/aside/new`)
          assert.isTrue((yield* apply(copy)).removed)
          assert.deepStrictEqual(read(source), {
            aside: "directory 755",
            "aside/new": "directory 755",
            "aside/new/x": "file 644 new",
            "aside/x": "file 644 mine",
            file: "directory 755",
            "file/in": "directory 755",
            "file/in/x": "file 644 new",
            folder: "file 644 new",
            link: "directory 755",
            "link/x": "file 644 new"
          })
        })
      )
  )

  it.live("goes on where a thing was to become another kind of thing, whenever that was interrupted", () =>
    withCopy({ turned: "one", "folder/in/x": "one", other: "one", kept: "one" }, (copy) =>
      Effect.gen(function* () {
        const { source, tree } = copy
        for (const root of [tree, source]) {
          Fs.rmSync(`${root}/turned`)
          Fs.rmSync(`${root}/folder`, { recursive: true })
          Fs.rmSync(`${root}/other`)
        }
        // In the directory one is removed and not made again, and one is made.
        write(tree, { "turned/x": "new", folder: "new", "other/x": "new" })
        write(source, { folder: "new", other: "saved since" })
        assert.strictEqual((yield* Effect.flip(apply(copy)))._tag, "WorkspaceConflict")
        Fs.rmSync(`${source}/other`)
        const { removed } = yield* apply(copy)
        assert.isTrue(removed)
        assert.deepStrictEqual(Object.keys(read(source)), ["folder", "kept", "other", "other/x", "turned", "turned/x"])
      })
    )
  )

  it.live("replaces and removes nothing that its user saved after it was looked at", () =>
    withCopy({ a: "one", b: "one", c: "one", d: { link: "a" }, e: "one" }, ({ place, source, tree }) =>
      Effect.gen(function* () {
        Fs.rmSync(`${tree}/c`)
        Fs.rmSync(`${tree}/d`)
        write(tree, { a: "guest's", b: "guest's", d: { link: "b" }, new: "guest's" })
        const { entries } = yield* Store.readBase(Path.dirname(tree), place.id)
        const found = yield* Sliced.run(() => Scan.changes(tree, { base: entries, limits: Workspace.limits, source }))
        const weighed = yield* Sliced.run(() => Take.weigh(source, found, 1000))
        const marks = new Map(weighed.map(({ change, mark }) => [change.path, mark]))
        const saved = { b: "saved", c: "saved", d: "saved", new: "saved" }
        Fs.rmSync(`${source}/d`)
        write(source, saved)
        for (const change of found) {
          const took = Sliced.run(() => Take.take({ tree, source, marks }, [change], { taken: 0, path: "" }))
          if (change.path === "a") yield* took
          else assert.instanceOf(yield* Effect.flip(took), Take.NotTaken)
        }
        for (const [path, text] of Object.entries({ ...saved, a: "guest's" })) {
          assert.strictEqual(Fs.readFileSync(`${source}/${path}`, "utf8"), text)
        }
        assert.deepStrictEqual(Fs.readdirSync(source).toSorted(), ["a", "b", "c", "d", "e", "new"])
      })
    )
  )

  it.live.skipIf(!isRoot)("is whoever's the directory is, or the file was (only root makes what is another's)", () =>
    withCopy({ a: "one", b: "one" }, (copy) =>
      Effect.gen(function* () {
        const { source } = copy
        Fs.chownSync(source, 34_567, 34_568)
        Fs.chownSync(`${source}/a`, 34_569, 34_570)
        yield* copy.release
        const again = yield* copied(copy.home, {})
        for (const path of [again.tree, `${again.tree}/a`, `${again.tree}/b`]) {
          assert.strictEqual(Fs.statSync(path).uid, 34_567)
        }
        write(again.tree, { a: "two", b: "two", "new/x": "new", "new/l": { link: "x" } })
        assert.isTrue((yield* apply(again)).removed)
        const owners = ["a", "b", "new", "new/x", "new/l"].map((path) => {
          const { gid, uid } = Fs.lstatSync(`${source}/${path}`)
          return [path, uid, gid]
        })
        assert.deepStrictEqual(owners, [
          ["a", 34_569, 34_570],
          ["b", 0, 0],
          ["new", 34_567, 34_568],
          ["new/x", 34_567, 34_568],
          ["new/l", 34_567, 34_568]
        ])
      })
    )
  )

  it.live("is done to the directory that was copied, and to none that a link has come to lead to", () =>
    Temp.withTempDir((temporary) =>
      Effect.gen(function* () {
        const home = Fs.realpathSync(temporary)
        write(home, { "own/here": null, link: { link: "own" }, "other/work": null })
        const { place, source, tree } = yield* copied(`${home}/link`, { a: "one" })
        assert.strictEqual((yield* run(Workspace.read(place))).source, `${home}/own/work`)
        write(tree, { a: "two" })
        Fs.renameSync(`${home}/own/work`, `${home}/own/moved`)
        Fs.symlinkSync(`${home}/other/work`, `${home}/own/work`)
        assert.strictEqual((yield* Effect.flip(run(Workspace.apply(place))))._tag, "HostFileFailed")
        Fs.unlinkSync(`${home}/own/work`)
        Fs.renameSync(`${home}/own/moved`, `${home}/own/work`)
        // Also where it is a directory above it.
        const above = { tree, source: `${home}/link/work` }
        const error = yield* Effect.flip(Sliced.run(() => Take.take(above, [], { taken: 0, path: "" })))
        assert.instanceOf(error, Tree.NotAFile)
        assert.isTrue(Option.isNone(yield* Workspace.contents(above, "a", "here")))
        assert.isTrue((yield* run(Workspace.apply(place))).removed)
        assert.strictEqual(Fs.readFileSync(`${source}/a`, "utf8"), "two")
      })
    )
  )

  it.live("takes part while the bottle is up, and then what was changed since", () =>
    withCopy({ a: "one" }, (copy) =>
      Effect.gen(function* () {
        Fs.mkdirSync(`${copy.home}/state/bottles/${copy.place.id}`, { recursive: true, mode: 0o700 })
        write(copy.tree, { a: "two" })
        assert.isFalse((yield* apply(copy)).removed)
        assert.deepStrictEqual(yield* changes(copy), [])
        write(copy.tree, { a: "three" })
        assert.deepStrictEqual(outcomes(yield* apply(copy)), { a: "taken" })
        assert.strictEqual((yield* Effect.flip(run(Workspace.discard(copy.place))))._tag, "WorkspaceInUse")
        Fs.rmdirSync(`${copy.home}/state/bottles/${copy.place.id}`)
        yield* run(Workspace.discard(copy.place))
        assert.strictEqual((yield* Effect.flip(apply(copy)))._tag, "WorkspaceMissing")
      })
    )
  )

  it.live("takes no file that became another one after it was looked at, and leaves nothing of it", () =>
    withCopy({ a: "one", b: "one" }, ({ place, source, tree }) =>
      Effect.gen(function* () {
        write(tree, { a: "seen", b: "seen" })
        const { entries } = yield* Store.readBase(Path.dirname(tree), place.id)
        const found = yield* Sliced.run(() => Scan.changes(tree, { base: entries, limits: Workspace.limits, source }))
        write(tree, { b: "else" })
        const taking = { taken: 0, path: source }
        const error = yield* Effect.flip(Sliced.run(() => Take.take({ tree, source }, found, taking)))
        assert.instanceOf(error, Take.NotTaken)
        assert.deepStrictEqual(taking, { taken: 1, path: "b" })
        assert.deepStrictEqual(
          Object.entries(read(source)).map(([path, text]) => [path, text.slice(9)]),
          [
            ["a", "seen"],
            ["b", "one"]
          ]
        )
      })
    )
  )

  it.live("waits for another command on the same copy, and not for ever", () =>
    withCopy({ a: "one" }, (copy) =>
      Effect.gen(function* () {
        write(copy.tree, { a: "two" })
        const error = yield* Effect.scoped(
          Effect.zipRight(FileLock.acquire(`${Path.dirname(copy.tree)}/lock`), Effect.flip(apply(copy)))
        )
        assert.strictEqual(error._tag === "WorkspaceInUse" ? error.user : error._tag, "command")
        assert.isTrue((yield* apply(copy)).removed)
      })
    )
  )

  it.live("says of a copy that nobody can read that it is so", () =>
    withCopy({ a: "one" }, (copy) =>
      Effect.gen(function* () {
        Fs.writeFileSync(`${Path.dirname(copy.tree)}/base.json`, "{}")
        assert.strictEqual((yield* Effect.flip(apply(copy)))._tag, "WorkspaceUnread")
        yield* copy.release
        assert.isTrue(Fs.existsSync(copy.tree))
      })
    )
  )
})

describe("a prune", () => {
  const options = (home: string) => ({
    directories: directoriesIn(home),
    packs: false,
    records: false,
    workspaces: true,
    olderMillis: 0
  })

  it.live("removes copies that nobody took and those that were never finished, and none whose bottle lives", () =>
    withCopy({ a: "one" }, (copy) =>
      Effect.gen(function* () {
        const { home, place, tree } = copy
        write(tree, { a: "guest" })
        write(`${home}/state/workspaces/other-abc12`, { "tree/a": "one" })
        write(`${home}/state/bottles`, { [place.id]: null })
        Fs.chmodSync(`${home}/state/bottles/${place.id}`, 0o700)
        const { prunable, staying } = yield* run(Prune.survey(options(home)))
        assert.deepStrictEqual(
          prunable.map(({ stored: { kind, name } }) => [kind, name]),
          [["partial", `${home}/state/workspaces/other-abc12`]]
        )
        assert.strictEqual(staying[0]?.usedBy, `the bottle ${place.id} has its ledger`)
        Fs.rmdirSync(`${home}/state/bottles/${place.id}`)
        const again = yield* run(Prune.survey(options(home)))
        const pruned = yield* run(Prune.remove(options(home).directories, again.prunable))
        assert.deepStrictEqual(
          pruned.map(({ failure, prunable: { stored } }) => [stored.kind, failure]),
          [
            ["workspace", null],
            ["partial", null]
          ]
        )
        assert.deepStrictEqual(Fs.readdirSync(`${home}/state/workspaces`), [])
      })
    )
  )

  it("takes copies last where all takes too much room", () => {
    const one = (kind: Prune.Kind, unusedMillis: number): Prune.Stored => ({
      kind,
      name: kind,
      path: `/${kind}`,
      bytes: 10,
      unusedMillis,
      usedBy: null,
      note: null
    })
    const { prunable } = Prune.decide([one("workspace", 900), one("pack", 1), one("record", 2)], { maxSizeBytes: 10 })
    assert.deepStrictEqual(prunable.map(({ stored }) => stored.kind).toSorted(), ["pack", "record"])
  })
})

describe("LaunchPlan.make", () => {
  it("mounts a copy, or the directory itself, at /workspace, where commands begin", () => {
    const copy = planIn("/h")
    assert.deepStrictEqual(copy.workspace, {
      source: "/h/work",
      mode: "copy",
      copy: "/h/state/workspaces/demo-abc12/tree"
    })
    assert.deepStrictEqual(copy.guest.mounts, [
      { host: "/h/state/workspaces/demo-abc12/tree", guest: "/workspace", readonly: false }
    ])
    assert.strictEqual(copy.guest.workdir, "/workspace")
    assert.deepStrictEqual(planIn("/h", "ro").guest.mounts, [{ host: "/h/work", guest: "/workspace", readonly: true }])
    assert.deepStrictEqual(planIn("/h", "rw").guest.mounts, [{ host: "/h/work", guest: "/workspace", readonly: false }])
  })

  it("refuses a copy of what holds bottle's own files, or lies in them, and a second thing in its place", () => {
    const directories = directoriesIn("/h")
    const reason = (source: string, guest = "/elsewhere") => {
      const mounts = [{ host: "/m", guest, readonly: true }]
      const made = tryPlan({ source: { _tag: "Bare" }, mounts, workspace: { source, mode: "copy" } }, "1.9.3", {
        directories
      })
      return made._tag === "Left" ? made.left.message : null
    }
    assert.isNull(reason("/h/work"))
    assert.include(reason("/h") ?? "", "bottle's own files")
    assert.include(reason("/h/state/workspaces/x") ?? "", "bottle's own files")
    assert.include(reason("work") ?? "", "not absolute")
    assert.include(reason("/h/work", "/workspace/") ?? "", "a mount is at /workspace")
  })
})
