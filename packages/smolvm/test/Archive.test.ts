import { listing } from "@bottle/testing/Listing"
import * as Temp from "@bottle/testing/Temp"
import * as Wait from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Archive from "../src/Archive.js"
import type { ArchiveError } from "../src/ArchiveError.js"
import * as Tar from "./fixtures/tar.js"

// What comes out of an archive is less open by it.
process.umask(0o022)

/** A directory to extract in, and beside it one that nothing may touch. */
interface Place {
  readonly directory: string
  readonly out: string
  readonly canary: string
}

const SECRET = "nobody's business\n"

const inPlace = <A, E>(use: (place: Place) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Temp.withTempDir((directory) => {
    const place = { directory, out: `${directory}/to/out`, canary: `${directory}/canary` }
    Fs.mkdirSync(`${directory}/to`)
    Fs.mkdirSync(place.canary)
    Fs.writeFileSync(`${place.canary}/secret`, SECRET, { mode: 0o600 })
    const before = listing(place.canary, { times: true })
    return Effect.tap(use(place), () => {
      assert.deepStrictEqual(listing(place.canary, { times: true }), before)
      // Nothing of ours stays beside the destination either.
      assert.deepStrictEqual(
        Fs.readdirSync(`${directory}/to`).filter((name) => name.startsWith(".")),
        []
      )
    })
  })

const extract = (
  path: string,
  bytes: Buffer,
  options: Partial<Archive.ExtractOptions> & { readonly piece?: number } = {}
): Effect.Effect<Archive.Extracted, ArchiveError> =>
  Archive.extract({ path, kind: "directory", ...options })(Tar.inPieces(bytes, options.piece ?? 64 * 1024))

const refused = (path: string, bytes: Buffer, options: Partial<Archive.ExtractOptions> = {}) =>
  Effect.tap(Effect.flip(extract(path, bytes, options)), () => assert.isFalse(Fs.existsSync(path)))

const good: Tar.Entry = { name: "./good", content: "good\n" }

describe("Archive.extract", () => {
  it.live("writes files, directories and links with their modes and times, whatever the pieces they come in", () =>
    Effect.forEach(
      [1, 7, 511, 512, 513, 65_536],
      (piece) =>
        inPlace(({ out }) =>
          Effect.gen(function* () {
            const bytes = Tar.archive(
              { name: "./", type: "5", mode: 0o750, mtime: 1_000_000_000 },
              { name: "./a/", type: "5", mode: 0o755, mtime: 1_000_000_001 },
              { name: "./a/run", content: "#!/bin/sh\n", mode: 0o755, mtime: 1_000_000_002 },
              { name: "./a/empty", mode: 0o640, mtime: 1_000_000_003 },
              { name: "./big", content: Buffer.alloc(1500, "x"), mode: 0o600, mtime: 1_000_000_004 },
              { name: "./a/up", type: "2", target: "../big" },
              { name: "./a/twin", type: "1", target: "./big" },
              { name: "./deep/er/file", content: "implied" }
            )
            const { counts, leftOut } = yield* extract(out, bytes, { piece })
            assert.deepStrictEqual(counts, { files: 5, directories: 3, links: 1, bytes: 1517 })
            assert.deepStrictEqual(leftOut, [])
            const big = Buffer.alloc(1500, "x").toString("base64")
            assert.deepStrictEqual(
              listing(out, { times: true }).filter((line) => !line.includes("deep")),
              [
                "./ 750 1000000000",
                "./a/ 755 1000000001",
                "./a/empty 640 1000000003 ",
                `./a/run 755 1000000002 ${Buffer.from("#!/bin/sh\n").toString("base64")}`,
                `./a/twin 600 1000000004 ${big}`,
                "./a/up -> ../big",
                `./big 600 1000000004 ${big}`
              ]
            )
            assert.strictEqual(Fs.statSync(`${out}/a/twin`).ino, Fs.statSync(`${out}/big`).ino)
            assert.strictEqual(Fs.readFileSync(`${out}/deep/er/file`, "utf8"), "implied")
            assert.strictEqual(Fs.lstatSync(`${out}/a/up`).mtimeMs, 1_700_000_000_000)
          })
        ),
      { discard: true }
    )
  )

  describe("refuses a member, and with it the whole archive", () => {
    const long = "n".repeat(256)
    const cases: ReadonlyArray<readonly [what: string, entries: ReadonlyArray<Tar.Entry>, reason: RegExp]> = [
      ["with an absolute name", [{ name: "/etc/x" }], /its name is absolute/],
      ["with .. at the beginning of its name", [{ name: "../x" }], /"\.\."/],
      ["with .. in the midst of its name", [{ name: "a/../../x" }], /"\.\."/],
      ["with .. at the end of its name", [{ name: "a/..", type: "5" }], /"\.\."/],
      ["with an empty part in its name", [{ name: "a//b" }], /empty part/],
      ["with . in its name", [{ name: "a/./b" }], /"\."/],
      ["without a name", [{ name: "" }], /empty/],
      ["with a name of an absolute pax path", [{ name: "x", pax: { path: "/etc/x" } }], /absolute/],
      ["with a name of an empty pax path", [{ name: "x", pax: { path: "" } }], /empty/],
      ["with a NUL in its pax path", [{ name: "x", pax: { path: "a\0b" } }], /control character/],
      ["with a prefix that leads up", [{ name: "x", prefix: ".." }], /"\.\."/],
      ["with a part that no file system takes", [{ name: "x", pax: { path: long } }], /255/],
      ["with a path that no kernel takes", [{ name: "x", pax: { path: "a/".repeat(2100) + "b" } }], /4095/],
      ["with a line end in its name", [{ name: "a\nb" }], /control character/],
      ["with an escape in its name", [{ name: "a\u001b[2Jb" }], /control character/],
      ["with a C1 control in its name", [{ name: "x", pax: { path: "a\u009b2Jb" } }], /control character/],
      ["that is a character device", [{ name: "x", type: "3" }], /device/],
      ["that is a block device", [{ name: "x", type: "4" }], /device/],
      ["that is a FIFO", [{ name: "x", type: "6" }], /FIFO/],
      ["that is sparse in GNU's way", [{ name: "x", type: "S" }], /sparse/],
      ["that is sparse in pax's way", [{ name: "x", pax: { "GNU.sparse.major": "1" } }], /sparse/],
      ["of a type that nobody knows", [{ name: "x", type: "Z" }], /unknown type/],
      ["of another volume", [{ name: "x", type: "M" }], /another archive/],
      ["that comes twice", [{ name: "x" }, { name: "x" }], /twice/],
      ["that comes as a file where a directory was", [{ name: "x/y" }, { name: "x" }], /twice/],
      ["that comes as a link where a file was", [{ name: "x" }, { name: "x", type: "2", target: "y" }], /twice/],
      ["that goes through a file", [{ name: "x" }, { name: "x/y" }], /which is a file/],
      [
        "that goes through a link",
        [
          { name: "x", type: "2", target: "../../canary" },
          { name: "x/secret", content: "theirs" }
        ],
        /which is a symbolic link/
      ],
      [
        "that makes a directory of a link",
        [
          { name: "x", type: "2", target: "." },
          { name: "x/", type: "5" }
        ],
        /which is a symbolic link/
      ],
      ["that is another name of what is not there", [{ name: "x", type: "1", target: "y" }], /another name/],
      ["that is another name of a path out", [{ name: "x", type: "1", target: "../canary/secret" }], /"\.\."/],
      ["that is another name of an absolute path", [{ name: "x", type: "1", target: "/etc/shadow" }], /absolute/],
      [
        "that is another name of a directory",
        [
          { name: "d/", type: "5" },
          { name: "x", type: "1", target: "d" }
        ],
        /another name/
      ],
      [
        "that is another name of a file through a link",
        [
          { name: "l", type: "2", target: "../canary" },
          { name: "x", type: "1", target: "l/secret" }
        ],
        /another name/
      ],
      ["that is no file and has content", [{ name: "x", type: "2", target: "y", content: "z" }], /has content/],
      ["that is a link to nowhere", [{ name: "x", type: "2" }], /nowhere/],
      ["that is a link with a control character", [{ name: "x", type: "2", target: "a\u001bb" }], /control character/],
      ["in the place of the whole archive", [{ name: "./", type: "2", target: "/" }], /whole archive/],
      [
        "with two names",
        [{ name: "x", pax: { path: "y" } }].flatMap((entry) => [{ name: "@", type: "L", content: "z\0" }, entry]),
        /two names/
      ]
    ]
    for (const [what, entries, reason] of cases) {
      it.live(what, () =>
        inPlace(({ out }) =>
          Effect.map(refused(out, Tar.archive(good, ...entries)), (error) => {
            assert.strictEqual(error._tag, "ArchiveRefused", error.message)
            assert.match(error.message, reason)
            assert.notMatch(error.message, /[^\x20-\x7e]/)
          })
        )
      )
    }
  })

  it.live("takes what looks like it, and is none of that", () =>
    inPlace(({ out }) =>
      Effect.gen(function* () {
        const name = "n".repeat(255)
        yield* extract(
          out,
          Tar.archive(
            { name: "..x" },
            { name: "x.." },
            { name: "a/...", content: "dots" },
            { name: ".git/", type: "5" },
            { name: "x", pax: { path: name } },
            {
              name: "y",
              pax: { path: "a/".repeat(100) + "deep", mtime: "1.5", "SCHILY.xattr.user.a": "b", comment: "c" }
            },
            { name: "@", type: "L", content: "by its long name\0" },
            { name: "z" },
            { name: "p", prefix: "pre/fix", content: "prefixed" },
            { name: "old/", magic: "none", type: "\0" },
            { name: "old/file", magic: "none", type: "\0", content: "v7" },
            { name: "next", magic: "gnu", type: "7", content: "contiguous" },
            { name: "caf\u00e9 \u202e", content: "latin1" },
            { name: "g", type: "g", content: Tar.paxRecords({ comment: "a commit" }) },
            { name: "last" }
          )
        )
        const names = Fs.readdirSync(out).sort()
        for (const wanted of ["..x", "x..", ".git", name, "by its long name", "last"]) assert.include(names, wanted)
        assert.strictEqual(Fs.readFileSync(`${out}/a/...`, "utf8"), "dots")
        assert.strictEqual(Fs.statSync(`${out}/${"a/".repeat(100)}deep`).mtimeMs, 1500)
        assert.strictEqual(Fs.readFileSync(`${out}/pre/fix/p`, "utf8"), "prefixed")
        assert.strictEqual(Fs.readFileSync(`${out}/old/file`, "utf8"), "v7")
        assert.strictEqual(Fs.readFileSync(`${out}/next`, "utf8"), "contiguous")
      })
    )
  )

  it.live("keeps names byte for byte, whatever their encoding", () =>
    inPlace(({ out }) =>
      Effect.gen(function* () {
        const raw = "\u00ff\u00fe-latin1"
        yield* extract(out, Tar.archive({ name: raw, content: "raw" }, { name: "u", pax: { path: "ünïcödé 🙂" } }))
        const names = Fs.readdirSync(Buffer.from(out), { encoding: "buffer" }).map((name) => name.toString("latin1"))
        assert.include(names, raw)
        assert.isTrue(Fs.existsSync(`${out}/ünïcödé 🙂`))
      })
    )
  )

  const unmasked = (mode: number): string => (mode & ~process.umask()).toString(8)

  it.live(
    "takes over no special bits, nothing that the umask keeps from others, no owner, and no time that is none",
    () =>
      inPlace(({ out }) =>
        Effect.gen(function* () {
          yield* extract(
            out,
            Tar.archive(
              { name: "./", type: "5", mode: 0o7755 },
              { name: "setuid", mode: 0o4755 },
              { name: "setgid", mode: 0o2755 },
              { name: "open", mode: 0o666 },
              { name: "d/", type: "5", mode: 0o3777 },
              { name: "old", pax: { mtime: "-62135596800" } },
              { name: "late", pax: { mtime: "99999999999999" } }
            )
          )
          assert.deepStrictEqual(
            listing(out).map((line) => line.trim()),
            ["./ 755", `./d/ ${unmasked(0o777)}`, "./late 644", "./old 644", `./open ${unmasked(0o666)}`]
              .concat(["./setgid 755", "./setuid 755"])
              .toSorted()
          )
          assert.strictEqual(Fs.statSync(`${out}/setuid`).uid, process.getuid?.())
          assert.strictEqual(Fs.statSync(`${out}/old`).mtimeMs, 0)
          assert.strictEqual(Fs.statSync(`${out}/late`).mtimeMs, (2 ** 32 - 1) * 1000)
        })
      )
  )

  describe("leaves out a symbolic link that leads out", () => {
    const link = (name: string, target: string): Tar.Entry => ({ name, type: "2", target })
    const cases: ReadonlyArray<
      readonly [what: string, entries: ReadonlyArray<Tar.Entry>, left: ReadonlyArray<string>]
    > = [
      ["by an absolute path", [link("x", "/etc/passwd")], ["x"]],
      ["by ..", [link("x", "../../canary/secret")], ["x"]],
      ["out and in again", [link("x", "../out/good")], ["x"]],
      ["by .. behind what is not there", [link("x", "none/../../..")], ["x"]],
      ["from a directory", [link("d/x", "../..")], ["d/x"]],
      [
        "through another link",
        [link("a", "d"), { name: "d/e/", type: "5" }, link("d/e/up", "../../.."), link("x", "a/e/up/canary")],
        ["d/e/up", "x"]
      ],
      [
        "through a link that goes up further than its name",
        [{ name: "a/b/c/", type: "5" }, link("j", "a/b/c"), link("x", "j/../../../../..")],
        ["x"]
      ],
      ["in a circle", [link("x", "y"), link("y", "x")], ["x", "y"]],
      ["through an absolute link", [link("x", "y/z"), link("y", "/etc")], ["x", "y"]]
    ]
    for (const [what, entries, left] of cases) {
      it.live(what, () =>
        inPlace(({ out }) =>
          Effect.gen(function* () {
            const { leftOut } = yield* extract(out, Tar.archive(good, ...entries, link("stays", "good")))
            assert.deepStrictEqual(leftOut.map(({ path }) => path).sort(), left.toSorted())
            for (const path of left) assert.throws(() => Fs.lstatSync(`${out}/${path}`))
            assert.strictEqual(Fs.readFileSync(`${out}/stays`, "utf8"), "good\n")
          })
        )
      )
    }

    it.live("and makes one that stays, by whatever way", () =>
      inPlace(({ out }) =>
        Effect.gen(function* () {
          const { counts, leftOut } = yield* extract(
            out,
            Tar.archive(
              good,
              { name: "a/b/c/", type: "5" },
              link("a/b/c/up", "../../../good"),
              link("j", "a/b/c"),
              link("k", "j/../../../good"),
              link("dangling", "not/there/../yet"),
              link("here", "."),
              link("later", "z/y"),
              { name: "z/y", content: "last" },
              { name: "twin", type: "1", target: "k" }
            )
          )
          assert.deepStrictEqual(leftOut, [])
          assert.strictEqual(counts.links, 7)
          assert.strictEqual(Fs.readFileSync(`${out}/k`, "utf8"), "good\n")
          assert.strictEqual(Fs.readFileSync(`${out}/later`, "utf8"), "last")
          assert.strictEqual(Fs.readlinkSync(`${out}/twin`), "j/../../../good")
        })
      )
    )
  })

  describe("refuses what is no whole archive", () => {
    const whole = Tar.archive(good, { name: "x", content: Buffer.alloc(1000) })
    const header = Tar.member(good)
    const cases: ReadonlyArray<readonly [what: string, bytes: Buffer, reason: RegExp]> = [
      ["nothing", Buffer.alloc(0), /too early/],
      ["without its end", whole.subarray(0, -1024), /too early/],
      ["with half of its end", whole.subarray(0, -512), /too early/],
      ["cut in a file", whole.subarray(0, 2000), /too early/],
      ["cut in a header", whole.subarray(0, 300), /too early/],
      ["with another one after it", Buffer.concat([whole, whole]), /after its end/],
      ["with a word after it", Buffer.concat([whole, Buffer.from("more")]), /after its end/],
      ["with more zeros than any tar writes", Buffer.concat([whole, Buffer.alloc(2 * 1024 * 1024)]), /after its end/],
      ["with zeros between its members", Buffer.concat([header, Buffer.alloc(512), whole]), /zeros between/],
      ["with a wrong checksum", Tar.archive({ ...good, checksum: 1 }), /checksum/],
      ["of an unknown format", Tar.archive({ ...good, magic: "odd" }), /unknown format/],
      ["with a size that is none", Tar.archive({ ...good, size: "9x" }), /size/],
      ["with a negative size", Tar.archive({ ...good, size: "\u00ff".repeat(12) }), /size/],
      ["with a size beyond all numbers", Tar.archive({ ...good, size: `\u0080${"\u00ff".repeat(11)}` }), /size/],
      ["with a pax record that is none", Tar.archive({ name: "x", type: "x", content: "99 path=x\n" }, good), /record/],
      ["with a pax record of no length", Tar.archive({ name: "x", type: "x", content: "0 path=x\n" }, good), /record/],
      [
        "with a pax record of a negative length",
        Tar.archive({ name: "x", type: "x", content: "-5 path=x\n" }, good),
        /record/
      ],
      [
        "with a pax record without a keyword",
        Tar.archive({ name: "x", type: "x", content: "6 =abc\n" }, good),
        /record/
      ],
      [
        "with a pax header that says one thing twice",
        Tar.archive({ name: "x", type: "x", content: "10 path=a\n10 path=b\n" }, good),
        /twice/
      ],
      ["with a pax size that is none", Tar.archive({ name: "x", pax: { size: "1e3" } }), /size/],
      ["with a pax time that is none", Tar.archive({ name: "x", pax: { mtime: "now" } }), /time/],
      [
        "with two pax headers for one member",
        Tar.archive({ name: "x", type: "x", content: "10 path=a\n" }, { name: "y", pax: { path: "b" } }),
        /two extended/
      ],
      [
        "with two long names for one member",
        Tar.archive({ name: "@", type: "L", content: "a\0" }, { name: "@", type: "L", content: "b\0" }, good),
        /two extended/
      ],
      ["with a long name that is none", Tar.archive({ name: "@", type: "L", content: "\0\0" }, good), /long name/],
      ["with something behind a long name", Tar.archive({ name: "@", type: "L", content: "a\0b" }, good), /long name/],
      ["with a long name for no member", Tar.archive(good, { name: "@", type: "L", content: "a\0" }), /no member/],
      [
        "with a long name for one member before a header for all",
        Tar.archive(
          { name: "@", type: "L", content: "a\0" },
          { name: "g", type: "g", content: Tar.paxRecords({ comment: "c" }) },
          good
        ),
        /no member/
      ],
      [
        "with a name for all members",
        Tar.archive({ name: "g", type: "g", content: Tar.paxRecords({ path: "a" }) }, good),
        /all members/
      ],
      [
        "with a size for all members",
        Tar.archive({ name: "g", type: "g", content: Tar.paxRecords({ size: "1" }) }, good),
        /all members/
      ]
    ]
    for (const [what, bytes, reason] of cases) {
      it.live(what, () =>
        inPlace(({ out }) =>
          Effect.map(refused(out, bytes), (error) => {
            assert.strictEqual(error._tag, "ArchiveDamaged", error.message)
            assert.match(error.message, reason)
          })
        )
      )
    }

    it.live("but takes one that fills up its last record, and one without members", () =>
      inPlace(({ out }) =>
        Effect.gen(function* () {
          yield* extract(out, Buffer.concat([whole, Buffer.alloc(10_240)]))
          assert.strictEqual(Fs.readFileSync(`${out}/good`, "utf8"), "good\n")
          yield* extract(`${out}/empty`, Tar.end)
          assert.deepStrictEqual(Fs.readdirSync(`${out}/empty`), [])
        })
      )
    )

    it.live("a size in an extended header does not reach the header between it and its member", () =>
      inPlace(({ out }) =>
        Effect.gen(function* () {
          // In some readers the size was taken for that of the long name, and so what follows for something else.
          const bytes = Buffer.concat([
            Tar.member({ name: "h", type: "x", content: Tar.paxRecords({ size: "4" }) }),
            Tar.member({ name: "@", type: "L", content: "named\0" }),
            Tar.member({ name: "x", content: "four", size: 0 }),
            Tar.archive(good)
          ])
          yield* extract(out, bytes)
          assert.deepStrictEqual(Fs.readdirSync(out).sort(), ["good", "named"])
          assert.strictEqual(Fs.readFileSync(`${out}/named`, "utf8"), "four")
        })
      )
    )
  })

  describe("keeps to its limits", () => {
    const limits = { bytes: 1000, entries: 4, depth: 3, nameBytes: 40 }
    const cases: ReadonlyArray<readonly [string, ReadonlyArray<Tar.Entry>, ReadonlyArray<Tar.Entry>]> = [
      [
        "bytes",
        [{ name: "a", content: "x".repeat(1000) }],
        [
          { name: "a", content: "x".repeat(999) },
          { name: "b", content: "xx" }
        ]
      ],
      ["entries", ["a", "b", "c", "d"].map((name) => ({ name })), ["a", "b", "c", "d", "e"].map((name) => ({ name }))],
      ["depth", [{ name: "a/b/c" }], [{ name: "a/b/c/d" }]],
      [
        "nameBytes",
        [{ name: "n".repeat(40) }],
        [{ name: "n".repeat(20) }, { name: "m", type: "2", target: "t".repeat(20) }]
      ]
    ]
    for (const [limit, within, beyond] of cases) {
      it.live(limit, () =>
        inPlace(({ directory, out }) =>
          Effect.gen(function* () {
            yield* extract(`${directory}/to/within`, Tar.archive(...within), { limits })
            const error = yield* refused(out, Tar.archive(...beyond), { limits })
            assert.strictEqual(error._tag === "ArchiveTooLarge" ? error.limit : error._tag, limit)
          })
        )
      )
    }

    it.live("of what is said before a member, too", () =>
      inPlace(({ out }) =>
        Effect.gen(function* () {
          const error = yield* refused(out, Tar.member({ name: "x", type: "x", size: 2 ** 31 }))
          assert.strictEqual(error._tag === "ArchiveTooLarge" ? error.limit : error._tag, "headerBytes")
        })
      )
    )

    it.live("before the first byte of a file that is too large", () =>
      inPlace(({ out }) =>
        Effect.gen(function* () {
          const endless = Stream.concat(
            Stream.make(Tar.member({ name: "x", size: "77777777777" })),
            Stream.forever(Stream.make(Buffer.alloc(65_536)))
          )
          const error = yield* Effect.flip(
            Archive.extract({ path: out, kind: "directory", limits: { ...limits, nameBytes: 1000 } })(endless)
          )
          assert.strictEqual(error._tag, "ArchiveTooLarge")
        })
      )
    )
  })

  describe("over a directory that is there", () => {
    const laid = ({ canary, out }: Place): void => {
      Fs.mkdirSync(`${out}/kept`, { recursive: true })
      Fs.writeFileSync(`${out}/kept/mine`, "mine")
      Fs.writeFileSync(`${out}/both`, "before", { mode: 0o600 })
      Fs.symlinkSync(canary, `${out}/away`)
      Fs.symlinkSync("kept", `${out}/within`)
    }

    it.live("replaces the files it has, and keeps the others", () =>
      inPlace((place) =>
        Effect.gen(function* () {
          laid(place)
          const before = Fs.statSync(`${place.out}/both`).ino
          yield* extract(
            place.out,
            Tar.archive(
              { name: "./", type: "5", mode: 0o700 },
              { name: "both", content: "after" },
              { name: "kept/theirs", content: "theirs" },
              { name: "sealed/", type: "5", mode: 0o555, mtime: 1_000_000_000 },
              { name: "sealed/x", content: "sealed" },
              { name: "within", content: "a file now" },
              { name: "to both", type: "2", target: "both" }
            )
          )
          assert.strictEqual(Fs.readFileSync(`${place.out}/both`, "utf8"), "after")
          assert.notStrictEqual(Fs.statSync(`${place.out}/both`).ino, before)
          assert.deepStrictEqual(Fs.readdirSync(`${place.out}/kept`).sort(), ["mine", "theirs"])
          assert.strictEqual(Fs.statSync(`${place.out}/sealed`).mode & 0o777, 0o555)
          assert.strictEqual(Fs.statSync(`${place.out}/sealed`).mtimeMs, 1_000_000_000_000)
          assert.isTrue(Fs.lstatSync(`${place.out}/within`).isFile())
          assert.strictEqual(Fs.readFileSync(`${place.out}/to both`, "utf8"), "after")
          Fs.chmodSync(`${place.out}/sealed`, 0o755)
        })
      )
    )

    const conflicts: ReadonlyArray<readonly [what: string, entries: ReadonlyArray<Tar.Entry>, reason: RegExp]> = [
      [
        "a directory in the place of a link that leads away",
        [{ name: "away/secret", content: "theirs" }],
        /symbolic link/
      ],
      ["a directory in the place of a link that stays", [{ name: "within/mine", content: "theirs" }], /symbolic link/],
      ["a directory in the place of a file", [{ name: "both/x" }], /a file is in its place/],
      ["a file in the place of a directory", [{ name: "kept" }], /a directory is in its place/],
      [
        "a link in the place of a directory",
        [{ name: "kept", type: "2", target: "both" }],
        /a directory is in its place/
      ]
    ]
    for (const [what, entries, reason] of conflicts) {
      it.live(`refuses ${what}, and changes nothing`, () =>
        inPlace((place) =>
          Effect.gen(function* () {
            laid(place)
            const before = listing(place.out, { times: true })
            const error = yield* Effect.flip(extract(place.out, Tar.archive(good, { name: "a/b" }, ...entries)))
            assert.match(error.message, reason)
            assert.deepStrictEqual(listing(place.out, { times: true }), before)
          })
        )
      )
    }

    it.live("leaves out a link that would go through one that was there", () =>
      inPlace((place) =>
        Effect.gen(function* () {
          laid(place)
          const { leftOut } = yield* extract(
            place.out,
            Tar.archive(
              good,
              { name: "x", type: "2", target: "away/secret" },
              { name: "y", type: "2", target: "kept/mine" },
              { name: "kept/z", type: "2", target: "../within" }
            )
          )
          assert.deepStrictEqual(leftOut.map(({ path }) => path).sort(), ["kept/z", "x"])
          assert.strictEqual(Fs.readFileSync(`${place.out}/y`, "utf8"), "mine")
        })
      )
    )

    it.live("refuses one in whose place a file is", () =>
      inPlace(({ out }) =>
        Effect.gen(function* () {
          Fs.writeFileSync(out, "mine")
          const error = yield* Effect.flip(extract(out, Tar.archive(good)))
          assert.strictEqual(error._tag, "DestinationRefused")
          assert.strictEqual(Fs.readFileSync(out, "utf8"), "mine")
        })
      )
    )
  })

  describe("of one file", () => {
    it.live("gives it the name that was asked for, in the place of what was there", () =>
      inPlace(({ canary, out }) =>
        Effect.gen(function* () {
          const bytes = Tar.archive({ name: "./whatever", content: "new", mode: 0o755 })
          Fs.symlinkSync(`${canary}/secret`, out)
          yield* extract(out, bytes, { kind: "file" })
          assert.isTrue(Fs.lstatSync(out).isFile())
          assert.strictEqual(Fs.readFileSync(out, "utf8"), "new")
          assert.strictEqual(Fs.statSync(out).mode & 0o777, 0o755)
        })
      )
    )

    const cases: ReadonlyArray<readonly [string, ReadonlyArray<Tar.Entry>]> = [
      ["two files", [{ name: "a" }, { name: "b" }]],
      ["a directory", [{ name: "a/", type: "5" }]],
      ["a link", [{ name: "a", type: "2", target: "/etc/passwd" }]],
      ["nothing", []]
    ]
    for (const [what, entries] of cases) {
      it.live(`refuses ${what}`, () =>
        inPlace(({ out }) =>
          Effect.map(refused(out, Tar.archive(...entries), { kind: "file" }), (error) =>
            assert.strictEqual(error._tag, "ArchiveRefused")
          )
        )
      )
    }

    it.live("refuses a directory in its place", () =>
      inPlace(({ out }) =>
        Effect.gen(function* () {
          Fs.mkdirSync(out)
          const error = yield* Effect.flip(extract(out, Tar.archive({ name: "a" }), { kind: "file" }))
          assert.strictEqual(error._tag, "DestinationRefused")
          assert.deepStrictEqual(Fs.readdirSync(out), [])
        })
      )
    )
  })

  it.live("fails where the directory of its destination is a link, or is not there", () =>
    inPlace(({ canary, directory }) =>
      Effect.gen(function* () {
        Fs.symlinkSync(canary, `${directory}/to/link`)
        for (const above of ["link", "none"]) {
          const error = yield* Effect.flip(extract(`${directory}/to/${above}/out`, Tar.archive(good)))
          assert.strictEqual(error._tag, "HostFileFailed")
        }
      })
    )
  )

  it.live("leaves nothing when it is interrupted half-way, whatever modes it was given", () =>
    inPlace(({ directory, out }) =>
      Effect.gen(function* () {
        const begun = Tar.archive({ name: "sealed/", type: "5", mode: 0 }, { name: "sealed/x", content: "x" }).subarray(
          0,
          -1024
        )
        let bytes = 0
        const fiber = yield* Effect.fork(
          Archive.extract({ path: out, kind: "directory", onProgress: (counts) => (bytes = counts.bytes) })(
            Stream.concat(Stream.make(begun), Stream.never)
          )
        )
        yield* Wait.waitUntil(
          Effect.sync(() => bytes === 1),
          { boundMillis: 10_000, what: "the first file" }
        )
        assert.strictEqual(Fs.readdirSync(`${directory}/to`).length, 1)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(Fs.readdirSync(`${directory}/to`), [])
      })
    )
  )

  it.live("leaves nothing when the archive's source fails", () =>
    inPlace(({ directory, out }) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(
          Archive.extract({ path: out, kind: "directory" })(
            Stream.concat(Stream.make(Tar.member(good)), Stream.fail("gone" as const))
          )
        )
        assert.deepStrictEqual(exit, Exit.fail("gone" as const))
        assert.deepStrictEqual(Fs.readdirSync(`${directory}/to`), [])
      })
    )
  )
})

const collect = (options: Archive.CreateOptions) =>
  Effect.map(Stream.runCollect(Archive.create(options)), (chunks) => Buffer.concat([...chunks]))

const tar = (args: ReadonlyArray<string>, input?: Buffer): Buffer =>
  ChildProcess.execFileSync("tar", args, { input, maxBuffer: 2 ** 28, stdio: ["pipe", "pipe", "pipe"] })

/** A tree with everything that is copied. */
const sample = (directory: string): string => {
  const root = `${directory}/tree`
  Fs.mkdirSync(`${root}/a/b`, { recursive: true })
  Fs.mkdirSync(`${root}/${"long".repeat(60)}`)
  Fs.writeFileSync(`${root}/a/run`, "#!/bin/sh\n", { mode: 0o755 })
  Fs.writeFileSync(`${root}/a/big`, Buffer.alloc(700_001, "0123456789"))
  Fs.writeFileSync(`${root}/a/b/empty`, "")
  Fs.writeFileSync(`${root}/${"long".repeat(60)}/${"name".repeat(60)}`, "long", { mode: 0o400 })
  Fs.writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0x20, 0xfe])]), "bytes")
  Fs.symlinkSync("../a/run", `${root}/a/link`)
  Fs.symlinkSync(`${"x/".repeat(100)}y`, `${root}/a/b/long link`)
  Fs.chmodSync(`${root}/a/b`, 0o2500)
  for (const path of [`${root}/a/run`, `${root}/a/b`, `${root}/a`, root])
    Fs.utimesSync(path, 1_000_000_000, 1_000_000_000)
  return root
}

describe("Archive.create", () => {
  it.live("makes what GNU tar reads, and what is read here again", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const root = sample(directory)
        Fs.chmodSync(`${root}/a/b`, 0o500)
        Fs.utimesSync(`${root}/a`, 1_000_000_000, 1_000_000_000)
        const bytes = yield* collect({ path: root, name: "copy" })
        Fs.mkdirSync(`${directory}/by-tar`)
        tar(["-xpf", "-", "-C", `${directory}/by-tar`], bytes)
        assert.deepStrictEqual(listing(`${directory}/by-tar/copy`, { times: true }), listing(root, { times: true }))
        yield* extract(`${directory}/by-us`, bytes)
        assert.deepStrictEqual(listing(`${directory}/by-us/copy`, { times: true }), listing(root, { times: true }))
        for (const path of [root, `${directory}/by-tar/copy`, `${directory}/by-us/copy`])
          Fs.chmodSync(`${path}/a/b`, 0o700)
      })
    )
  )

  it.live("tells neither owners nor special bits", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        Fs.writeFileSync(`${directory}/x`, "x")
        Fs.chmodSync(`${directory}/x`, 0o6755)
        const bytes = yield* collect({ path: `${directory}/x`, name: "x" })
        assert.match(tar(["-tvf", "-"], bytes).toString(), /^-rwxr-xr-x 0\/0 +1 /)
      })
    )
  )

  it.live("leaves the directory itself out where that is asked for", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        Fs.mkdirSync(`${directory}/d`)
        Fs.writeFileSync(`${directory}/d/x`, "x")
        const bytes = yield* collect({ path: `${directory}/d`, name: "d", withRoot: false })
        assert.strictEqual(tar(["-tf", "-"], bytes).toString(), "d/x\n")
      })
    )
  )

  it.live("refuses a FIFO and a socket by their names, and a name that steers a terminal is made printable", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        Fs.mkdirSync(`${directory}/d`)
        ChildProcess.execFileSync("mkfifo", [`${directory}/d/a\u001b[2Jpipe`])
        const error = yield* Effect.flip(collect({ path: `${directory}/d`, name: "d" }))
        assert.strictEqual(error.message, `${directory}/d/a\\u{1b}[2Jpipe cannot be copied: it is a FIFO`)
      })
    )
  )

  it.live("does not follow a link, neither below nor in its own place", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        Fs.mkdirSync(`${directory}/d`)
        Fs.writeFileSync(`${directory}/secret`, SECRET)
        Fs.symlinkSync("../secret", `${directory}/d/link`)
        const bytes = yield* collect({ path: `${directory}/d`, name: "d" })
        assert.notInclude(bytes.toString(), SECRET.trim())
        assert.match(tar(["-tvf", "-"], bytes).toString(), /d\/link -> \.\.\/secret/)
        Fs.symlinkSync("d", `${directory}/e`)
        const linked = yield* collect({ path: `${directory}/e`, name: "e" })
        assert.match(tar(["-tvf", "-"], linked).toString(), /^l.* e -> d\n$/)
      })
    )
  )

  it.live("fails where a file becomes shorter meanwhile", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const path = `${directory}/x`
        Fs.writeFileSync(path, Buffer.alloc(2 * 1024 * 1024))
        const error = yield* Archive.create({
          path,
          name: "x",
          onProgress: () => Fs.truncateSync(path, 1024)
        }).pipe(Stream.runDrain, Effect.flip)
        assert.match(error.message, /became shorter/)
      })
    )
  )

  it.live("keeps to its limits", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        Fs.mkdirSync(`${directory}/d/e`, { recursive: true })
        Fs.writeFileSync(`${directory}/d/e/x`, "four")
        const within = { bytes: 4, entries: 3, depth: 2, nameBytes: 100 }
        const make = (limits: Archive.Limits) => collect({ path: `${directory}/d`, name: "d", limits })
        yield* make(within)
        for (const less of [{ bytes: 3 }, { entries: 2 }, { depth: 1 }, { nameBytes: 5 }]) {
          const error = yield* Effect.flip(make({ ...within, ...less }))
          assert.strictEqual(error._tag === "ArchiveTooLarge" ? error.limit : error._tag, Object.keys(less)[0])
        }
      })
    )
  )
})
