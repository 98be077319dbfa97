import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Cache from "../src/CapabilitiesCache.js"

const ELF = Buffer.from("7f454c460201010000000000", "hex")

const entry: Cache.Entry = {
  versionText: "smolvm 2.0.0",
  asked: ["machine create", "machine fork"],
  options: { "machine create": ["--name", "--egress-proxy"] }
}

/** A program file, a directory that does not exist yet, and the cache of that program in it. */
const place = Effect.map(Temp.directory, (root) => {
  const program = Path.join(root, "bin/smolvm")
  const directory = Path.join(root, "cache/capabilities")
  Fs.mkdirSync(Path.dirname(program))
  Fs.writeFileSync(program, ELF, { mode: 0o755 })
  return { root, program, directory, cache: Cache.make({ directory, program, searchPath: undefined }) }
})

const present = <A>(self: Effect.Effect<Option.Option<A>>): Effect.Effect<A> => Effect.map(self, Option.getOrThrow)

/** A place with an entry for its program. */
const kept = Effect.gen(function* () {
  const at = yield* place
  const found = yield* present(at.cache.find)
  yield* at.cache.write(found, entry)
  const [name = "", ...others] = Fs.readdirSync(at.directory)
  assert.deepStrictEqual(others, [])
  return { ...at, found, file: Path.join(at.directory, name) }
})

type Kept = Effect.Effect.Success<typeof kept>

describe("CapabilitiesCache", () => {
  it.scopedLive("gives back what was kept of the same file, under each of its names", () =>
    Effect.gen(function* () {
      const { directory, found, program, root } = yield* kept
      const link = Path.join(root, "link/smolvm")
      Fs.mkdirSync(Path.dirname(link))
      Fs.symlinkSync(program, link)
      for (const searched of [
        { program, searchPath: undefined },
        { program: link, searchPath: undefined },
        { program: "smolvm", searchPath: `${root}:${Path.dirname(program)}` }
      ]) {
        const cache = Cache.make({ directory, ...searched })
        assert.deepStrictEqual(Option.getOrThrow(yield* cache.find), found)
        assert.deepStrictEqual(Option.getOrThrow(yield* cache.read(found)), entry)
      }
    })
  )

  it.scopedLive("takes a file that a link of another name leads to for one that may run any program", () =>
    Effect.gen(function* () {
      const { directory, found, program, root } = yield* kept
      const manager = Path.join(root, "manager")
      Fs.copyFileSync(program, manager)
      const shim = Path.join(root, "smolvm")
      Fs.symlinkSync(manager, shim)
      assert.strictEqual(found.kind, "binary")
      for (const [called, kind] of [
        [shim, "script"],
        [manager, "binary"]
      ] as const) {
        const it = Cache.make({ directory, program: called, searchPath: undefined })
        assert.strictEqual((yield* present(it.find)).kind, kind)
      }
    })
  )

  it.scopedLive("tells a file by all that an update changes", () =>
    Effect.gen(function* () {
      const { found, program } = yield* kept
      const { ctimeNs, dev, ino, mtimeNs, size } = Fs.statSync(program, { bigint: true })
      assert.deepStrictEqual(found.stamp, {
        path: Fs.realpathSync(program),
        device: String(dev),
        inode: String(ino),
        size: String(size),
        modifiedNanos: String(mtimeNs),
        changedNanos: String(ctimeNs)
      })
    })
  )

  it.scopedLive("keeps its files to their owner", () =>
    Effect.gen(function* () {
      const { directory, file } = yield* kept
      assert.strictEqual(Fs.statSync(directory).mode & 0o777, 0o700)
      assert.strictEqual(Fs.statSync(file).mode & 0o777, 0o600)
    })
  )

  for (const [what, change] of [
    ["another content", (program) => Fs.appendFileSync(program, "more")],
    ["another time", (program) => Fs.utimesSync(program, 1, 1)],
    ["the same content in another file", (program) => replace(program, Fs.readFileSync(program))],
    ["another mode", (program) => Fs.chmodSync(program, 0o700)]
  ] as ReadonlyArray<readonly [string, (program: string) => void]>) {
    it.scopedLive(`gives nothing back for a program with ${what}, and replaces what was kept`, () =>
      Effect.gen(function* () {
        const { cache, directory, found, program } = yield* kept
        change(program)
        const now = yield* present(cache.find)
        assert.isTrue(Option.isNone(yield* cache.read(now)))
        yield* cache.write(found, entry)
        assert.isTrue(Option.isNone(yield* cache.read(now)))
        yield* cache.write(now, entry)
        assert.deepStrictEqual(Option.getOrThrow(yield* cache.read(now)), entry)
        // Whoever asked the file that was there before comes too late.
        yield* cache.write(found, { ...entry, versionText: "smolvm 1.9.9" })
        assert.deepStrictEqual(Option.getOrThrow(yield* cache.read(now)), entry)
        assert.lengthOf(Fs.readdirSync(directory), 1)
      })
    )
  }

  describe("does not believe", () => {
    for (const [what, spoil] of [
      ["a file that others can write to", ({ file }) => Fs.chmodSync(file, 0o620)],
      ["a directory that others can write to", ({ directory }) => Fs.chmodSync(directory, 0o702)],
      ["a link to a file", ({ file, root }) => viaLink(file, Path.join(root, "elsewhere"))],
      ["a link to a directory", ({ directory, root }) => viaLink(directory, Path.join(root, "elsewhere"))],
      ["half a file", ({ file }) => Fs.truncateSync(file, 40)],
      ["an empty file", ({ file }) => Fs.truncateSync(file, 0)],
      ["a file that is too large", ({ file }) => Fs.appendFileSync(file, " ".repeat(200_000))],
      ["another format", ({ file }) => edit(file, '"format":1', '"format":2')],
      ["a wrong entry", ({ file }) => edit(file, '"asked":[', '"asked":[1,')],
      ["the entry of another file", ({ file }) => edit(file, '"inode":"', '"inode":"1')],
      [
        "a pipe",
        ({ file }) => {
          Fs.rmSync(file)
          execFileSync("mkfifo", ["-m", "600", file])
        }
      ]
    ] as ReadonlyArray<readonly [string, (at: Kept) => void]>) {
      it.scopedLive(what, () =>
        Effect.gen(function* () {
          const at = yield* kept
          assert.deepStrictEqual(Option.getOrThrow(yield* at.cache.read(at.found)), entry)
          spoil(at)
          assert.isTrue(Option.isNone(yield* at.cache.read(at.found)))
        })
      )
    }

    it.scopedLive.skipIf(process.getuid?.() !== 0)("what is another user's (as root)", () =>
      Effect.gen(function* () {
        const { cache, directory, file, found } = yield* kept
        Fs.chownSync(file, 65_533, 65_533)
        assert.isTrue(Option.isNone(yield* cache.read(found)))
        Fs.chownSync(file, 0, 0)
        assert.deepStrictEqual(Option.getOrThrow(yield* cache.read(found)), entry)
        Fs.chownSync(directory, 65_533, 65_533)
        assert.isTrue(Option.isNone(yield* cache.read(found)))
      })
    )
  })

  it.scopedLive("keeps nothing where others could write, and nothing outside", () =>
    Effect.gen(function* () {
      const { cache, directory, root } = yield* place
      const found = yield* present(cache.find)
      Fs.mkdirSync(directory, { recursive: true })
      Fs.chmodSync(directory, 0o777)
      yield* cache.write(found, entry)
      assert.deepStrictEqual(Fs.readdirSync(directory), [])
      Fs.rmdirSync(directory)
      const elsewhere = Path.join(root, "elsewhere")
      Fs.mkdirSync(elsewhere)
      Fs.symlinkSync(elsewhere, directory)
      yield* cache.write(found, entry)
      assert.deepStrictEqual(Fs.readdirSync(elsewhere), [])
    })
  )

  it.scopedLive("does without what cannot be written", () =>
    Effect.gen(function* () {
      const { cache, program, root } = yield* place
      const found = yield* present(cache.find)
      const below = Cache.make({ directory: Path.join(program, "capabilities"), program, searchPath: undefined })
      yield* below.write(found, entry)
      assert.isTrue(Option.isNone(yield* below.read(found)))
      // The place of the file is taken by a directory: nothing unfinished is left beside it.
      yield* cache.write(found, entry)
      const directory = Path.join(root, "cache/capabilities")
      const [name = ""] = Fs.readdirSync(directory)
      Fs.rmSync(Path.join(directory, name))
      Fs.mkdirSync(Path.join(directory, name, "x"), { recursive: true })
      yield* cache.write(found, entry)
      assert.deepStrictEqual(Fs.readdirSync(directory), [name])
    })
  )

  it.scopedLive("is none in a directory that is not absolute", () =>
    Effect.gen(function* () {
      const { program } = yield* place
      const cache = Cache.make({ directory: "capabilities", program, searchPath: undefined })
      assert.isTrue(Option.isNone(yield* cache.find))
    })
  )

  it.scopedLive("is bounded: the oldest go, and what a writer has left long ago", () =>
    Effect.gen(function* () {
      const { directory, root } = yield* kept
      const [first = ""] = Fs.readdirSync(directory)
      Fs.utimesSync(Path.join(directory, first), 1, 1)
      const leftover = (letter: string) => Path.join(directory, `.${letter.repeat(32)}.json.${letter.repeat(16)}`)
      Fs.writeFileSync(leftover("a"), "")
      Fs.utimesSync(leftover("a"), 1, 1)
      Fs.writeFileSync(leftover("b"), "")
      Fs.writeFileSync(Path.join(directory, "notes"), "mine")
      const caches: Array<Cache.CapabilitiesCache> = []
      for (let index = 0; index < 16; index++) {
        const program = Path.join(root, `smolvm${index}`)
        Fs.writeFileSync(program, ELF, { mode: 0o755 })
        const cache = Cache.make({ directory, program, searchPath: undefined })
        yield* cache.write(yield* present(cache.find), entry)
        caches.push(cache)
      }
      const names = Fs.readdirSync(directory)
      assert.notInclude(names, first)
      assert.include(names, "notes")
      assert.lengthOf(
        names.filter((name) => name.endsWith(".json")),
        16
      )
      assert.isFalse(Fs.existsSync(leftover("a")))
      assert.isTrue(Fs.existsSync(leftover("b")))
      for (const cache of caches) {
        assert.deepStrictEqual(Option.getOrThrow(yield* cache.read(yield* present(cache.find))), entry)
      }
    })
  )
})

describe("a program", () => {
  const find = (program: string, searchPath?: string): Effect.Effect<Option.Option<Cache.Found>> =>
    Cache.make({ directory: "/nowhere", program, searchPath }).find

  for (const [kind, content] of [
    ["binary", ELF],
    ["binary", Buffer.from("cffaedfe07000001", "hex")],
    ["script", Buffer.from("#!/bin/sh\nexit 0\n")],
    ["script", Buffer.from("exit 0\n")],
    ["script", Buffer.from("")]
  ] as const) {
    it.scopedLive(`that begins with ${JSON.stringify(content.toString("latin1").slice(0, 6))} is a ${kind}`, () =>
      Effect.gen(function* () {
        const { program } = yield* place
        Fs.writeFileSync(program, content)
        assert.strictEqual((yield* present(find(program))).kind, kind)
      })
    )
  }

  it.scopedLive("is the first on the search path that can be started", () =>
    Effect.gen(function* () {
      const { program, root } = yield* place
      const at = (name: string) => Path.join(root, name)
      Fs.mkdirSync(at("directory/smolvm"), { recursive: true })
      Fs.mkdirSync(at("data"))
      Fs.writeFileSync(at("data/smolvm"), ELF, { mode: 0o644 })
      const searchPath = [at("missing"), at("directory"), at("data"), at("bin"), at("later")].join(":")
      const found = yield* find("smolvm", searchPath)
      assert.strictEqual(Option.getOrThrow(found).stamp.path, program)
      Fs.mkdirSync(at("later"))
      Fs.writeFileSync(at("later/smolvm"), ELF, { mode: 0o755 })
      assert.deepStrictEqual(yield* find("smolvm", searchPath), found)
    })
  )

  it.scopedLive("that is not there, or cannot be told, is none", () =>
    Effect.gen(function* () {
      const { root } = yield* place
      assert.isTrue(Option.isNone(yield* find(Path.join(root, "none"))))
      assert.isTrue(Option.isNone(yield* find("smolvm", root)))
      assert.isTrue(Option.isNone(yield* find("smolvm", undefined)))
    })
  )
})

const replace = (file: string, content: Buffer): void => {
  Fs.writeFileSync(`${file}.new`, content, { mode: 0o755 })
  Fs.renameSync(`${file}.new`, file)
}

const viaLink = (path: string, elsewhere: string): void => {
  Fs.renameSync(path, elsewhere)
  Fs.symlinkSync(elsewhere, path)
}

const edit = (file: string, from: string, to: string): void => {
  const text = Fs.readFileSync(file, "utf8")
  assert.include(text, from)
  Fs.writeFileSync(file, text.replace(from, to))
}
