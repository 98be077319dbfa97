/** What holds for every archive, whoever made it: each property is tried on the same few hundred of them every time. */
import { listing } from "@bottle/testing/Listing"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Archive from "../src/Archive.js"
import * as Tar from "./fixtures/tar.js"

const seed = 4

const SECRET = "nobody's business"

// Few names, so that members meet, and links lead to each other.
const parts = fc.constantFrom("a", "b", "c", "ok", "..", ".", "", "away", "A", "x\u001b", "canary", "secret", "etc")
const paths = fc.oneof(
  fc.array(parts, { minLength: 1, maxLength: 4 }).map((names) => names.join("/")),
  fc.constantFrom("./", "/", "./a", "a/", "/etc/passwd", "../../canary/secret", "a/../../../canary/secret")
)
const types = fc.constantFrom("0", "0", "0", "1", "2", "2", "5", "5", "3", "6", "S", "\0", "7", "g", "L", "K", "Z")
const records = fc.dictionary(
  fc.constantFrom("path", "linkpath", "size", "mtime", "GNU.sparse.major", "SCHILY.xattr.user.a"),
  fc.oneof(paths, fc.constantFrom("0", "3", "-1", "1.5", "99999999999999999999", "a\0b")),
  { maxKeys: 2 }
)

const hostile: fc.Arbitrary<Tar.Entry> = fc.record(
  {
    name: paths,
    type: types,
    target: paths,
    content: fc.oneof(fc.constant(""), fc.constant(""), fc.string({ maxLength: 600 })),
    mode: fc.constantFrom(0o644, 0o755, 0, 0o4755, 0o7777),
    magic: fc.constantFrom("posix" as const, "gnu" as const, "none" as const),
    pax: records
  },
  { requiredKeys: ["name"] }
)

/** What is refused by nobody, in a directory of its own. */
const allowed: fc.Arbitrary<ReadonlyArray<readonly [name: string, content: Buffer]>> = fc.uniqueArray(
  fc.tuple(
    fc.constantFrom("p", "q", "r", "s").map((name) => `fine/${name}`),
    fc.uint8Array({ maxLength: 1200 }).map((bytes) => Buffer.from(bytes))
  ),
  { minLength: 1, maxLength: 3, selector: ([name]) => name }
)

/** Takes the name that a hostile header before it may have meant for the next. */
const separator: Tar.Entry = { name: "separator" }

const pieces = fc.constantFrom(100, 512, 513, 65_536)

/** A directory to write in, with what must not be touched above, beside and within it. */
const stage = (directory: string): { readonly out: string; readonly check: () => void } => {
  const canary = `${directory}/canary`
  const to = `${directory}/to`
  Fs.mkdirSync(canary)
  Fs.mkdirSync(to)
  Fs.writeFileSync(`${canary}/secret`, SECRET, { mode: 0o600 })
  const before = listing(directory, { times: true }).filter((line) => line.startsWith("./canary"))
  const links = Fs.statSync(`${canary}/secret`).nlink
  return {
    out: `${to}/out`,
    check: () => {
      const after = listing(directory, { times: true })
      assert.deepStrictEqual(
        after.filter((line) => line.startsWith("./canary")),
        before
      )
      assert.strictEqual(Fs.statSync(`${canary}/secret`).nlink, links)
      assert.deepStrictEqual(Fs.readdirSync(directory), ["canary", "to"])
      assert.isEmpty(Fs.readdirSync(to).filter((name) => name !== "out"))
    }
  }
}

/** Everything below, without following anything. */
const walk = (path: string): ReadonlyArray<string> =>
  Fs.lstatSync(path).isDirectory()
    ? [path, ...Fs.readdirSync(path).flatMap((name) => walk(Path.join(path, name)))]
    : [path]

/** That what was written is files, directories, and links that stay; root reads directories of any mode. */
const checkContained = (out: string, mine: ReadonlySet<string>): void => {
  for (const path of walk(out)) {
    if (mine.has(path)) continue
    const stat = Fs.lstatSync(path)
    assert.isTrue(stat.isFile() || stat.isDirectory() || stat.isSymbolicLink(), path)
    assert.strictEqual(stat.mode & 0o7000, 0, path)
    if (stat.isFile() && (stat.mode & 0o400) !== 0) assert.notInclude(Fs.readFileSync(path, "utf8"), SECRET)
    if (!stat.isSymbolicLink()) continue
    const target = Fs.readlinkSync(path)
    assert.isFalse(Path.isAbsolute(target), target)
    const real = realPath(path)
    assert.isTrue(real === undefined || real === out || real.startsWith(`${out}/`), `${path} -> ${target}`)
  }
}

const realPath = (path: string): string | undefined => {
  try {
    return Fs.realpathSync(path)
  } catch {
    return undefined
  }
}

/** Lets an ordinary user look into and remove what has any mode. */
const opened = (path: string): void => {
  const stat = Fs.lstatSync(path)
  if (stat.isSymbolicLink()) return
  Fs.chmodSync(path, stat.mode | (stat.isDirectory() ? 0o700 : 0o600))
  if (stat.isDirectory()) for (const name of Fs.readdirSync(path)) opened(Path.join(path, name))
}

const extract = (out: string, bytes: Buffer, piece: number) =>
  Effect.either(Archive.extract({ path: out, kind: "directory" })(Tar.inPieces(bytes, piece)))

const property = <A>(
  arbitrary: fc.Arbitrary<A>,
  holds: (value: A, directory: string) => Effect.Effect<void>,
  numRuns: number
) =>
  Effect.promise(() =>
    fc.assert(
      fc.asyncProperty(arbitrary, (value) =>
        Effect.runPromise(
          Temp.withTempDir((directory) =>
            Effect.ensuring(
              holds(value, directory),
              Effect.sync(() => opened(directory))
            )
          )
        )
      ),
      { seed, numRuns }
    )
  )

describe("for every archive", () => {
  it.live(
    "nothing outside of its destination is made, changed or read, and what is allowed arrives byte for byte",
    () =>
      Effect.gen(function* () {
        let taken = 0
        let refused = 0
        yield* property(
          fc.record({
            before: fc.array(hostile, { maxLength: 5 }),
            allowed,
            after: fc.array(hostile, { maxLength: 2 }),
            pieces
          }),
          ({ after, allowed, before, pieces }, directory) =>
            Effect.gen(function* () {
              const { check, out } = stage(directory)
              const fine = allowed.map(([name, content]) => ({ name, content }))
              const result = yield* extract(out, Tar.archive(...before, separator, ...fine, ...after), pieces)
              if (Either.isLeft(result)) {
                refused += 1
                assert.isFalse(Fs.existsSync(out), result.left.message)
                assert.notMatch(result.left.message, /[^\x20-\x7e]/)
                return check()
              }
              taken += 1
              opened(out)
              checkContained(out, new Set())
              for (const [name, content] of allowed) assert.isTrue(Fs.readFileSync(`${out}/${name}`).equals(content))
              check()
            }),
          300
        )
        // It would hold for a program that refuses all of them, or none.
        assert.isAbove(taken, 15)
        assert.isAbove(refused, 50)
      }),
    120_000
  )

  it.live(
    "the same over a directory that is there, with links of its own that lead out",
    () =>
      Effect.gen(function* () {
        let taken = 0
        yield* property(
          fc.record({ entries: fc.array(hostile, { maxLength: 3 }), allowed, pieces }),
          ({ allowed, entries, pieces }, directory) =>
            Effect.gen(function* () {
              const { check, out } = stage(directory)
              Fs.mkdirSync(`${out}/a/b`, { recursive: true })
              Fs.writeFileSync(`${out}/a/b/mine`, "mine")
              Fs.symlinkSync("../../canary", `${out}/away`)
              Fs.symlinkSync("../../../canary/secret", `${out}/a/c`)
              const before = listing(out, { times: true })
              const fine = allowed.map(([name, content]) => ({ name, content }))
              const result = yield* extract(out, Tar.archive(...entries, separator, ...fine), pieces)
              if (Either.isLeft(result)) assert.deepStrictEqual(listing(out, { times: true }), before)
              else {
                taken += 1
                opened(`${out}/fine`)
                const mine = ["away", "a/c"].map((name) => `${out}/${name}`)
                // A link of ours may have been replaced, but then by what is looked at as everything else.
                const still = mine.filter((path) => Fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink())
                checkContained(out, new Set(still.filter((path) => Fs.readlinkSync(path).includes("canary"))))
                assert.strictEqual(Fs.readFileSync(`${out}/a/b/mine`, "utf8"), "mine")
                for (const [name, content] of allowed) assert.isTrue(Fs.readFileSync(`${out}/${name}`).equals(content))
              }
              check()
            }),
          150
        )
        assert.isAbove(taken, 10)
      }),
    120_000
  )

  it.live(
    "a byte that is changed, or an end that comes early, is refused, or changes what it says and no more",
    () =>
      property(
        fc.record({
          entries: fc.array(hostile, { maxLength: 2 }),
          allowed,
          changes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
          cut: fc.option(fc.nat()),
          pieces
        }),
        ({ allowed, changes, cut, entries, pieces }, directory) =>
          Effect.gen(function* () {
            const { check, out } = stage(directory)
            const whole = Tar.archive(...allowed.map(([name, content]) => ({ name, content })), ...entries)
            for (const [at, value] of changes) whole[at % whole.length] = value
            const bytes = cut === null ? whole : whole.subarray(0, cut % whole.length)
            const result = yield* extract(out, bytes, pieces)
            if (Either.isLeft(result)) assert.isFalse(Fs.existsSync(out))
            else {
              opened(out)
              checkContained(out, new Set())
            }
            check()
          }),
        200
      ),
    120_000
  )
})

/* oxlint-disable no-control-regex -- names without them are what is wanted */
const names = fc
  .string({ minLength: 1, maxLength: 40, unit: "grapheme" })
  .filter(
    (name) =>
      !/[\u0000-\u001f\u007f-\u009f/]/.test(name) && name !== "." && name !== ".." && Buffer.byteLength(name) <= 255
  )

type Tree =
  | { readonly _tag: "File"; readonly content: Uint8Array; readonly mode: number }
  | { readonly _tag: "Link"; readonly target: string }
  | { readonly _tag: "Directory"; readonly mode: number; readonly entries: ReadonlyArray<readonly [string, Tree]> }

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.record({
      _tag: fc.constant("File" as const),
      content: fc.uint8Array({ maxLength: 2000 }),
      mode: fc.constantFrom(0o644, 0o755, 0o400, 0o666)
    }),
    fc.record({ _tag: fc.constant("Link" as const), target: fc.constantFrom("x", "./y/z", "a/../b", ".") }),
    fc.record({
      _tag: fc.constant("Directory" as const),
      mode: fc.constantFrom(0o755, 0o700, 0o777),
      entries: fc.uniqueArray(fc.tuple(names, tie("tree")), { maxLength: 5, selector: ([name]) => name })
    })
  )
}))

const plant = (path: string, node: Tree): void => {
  if (node._tag === "Link") return Fs.symlinkSync(node.target, path)
  if (node._tag === "File") Fs.writeFileSync(path, node.content)
  else {
    Fs.mkdirSync(path)
    for (const [name, entry] of node.entries) plant(`${path}/${name}`, entry)
  }
  Fs.chmodSync(path, node.mode & ~process.umask())
  Fs.utimesSync(path, 1_234_567_890, 1_234_567_890)
}

const grown = tree.map((node): Tree => ({ _tag: "Directory", mode: 0o755, entries: [["top", node]] }))

describe("for every tree", () => {
  it.live(
    "what GNU tar makes of it comes out as it was, in every format",
    () =>
      property(
        fc.tuple(grown, fc.constantFrom("gnu", "pax", "oldgnu")),
        ([node, format], directory) =>
          Effect.gen(function* () {
            plant(`${directory}/tree`, node)
            const args = [`--format=${format}`, "-cf", "-", "-C", `${directory}/tree`, "."]
            const bytes = ChildProcess.execFileSync("tar", args, { maxBuffer: 2 ** 26 })
            yield* Effect.orDie(
              Archive.extract({ path: `${directory}/out`, kind: "directory" })(Tar.inPieces(bytes, 1000))
            )
            const was = listing(`${directory}/tree`, { times: true })
            assert.deepStrictEqual(listing(`${directory}/out`, { times: true }), was)
          }),
        50
      ),
    120_000
  )
})
