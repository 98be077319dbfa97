import { listing } from "@bottle/testing/Listing"
import * as Temp from "@bottle/testing/Temp"
import * as Wait from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Archive from "../src/Archive.js"
import * as Transfer from "../src/Transfer.js"
import { type Pretended, pretend } from "./fixtures/pretending.js"

// What comes out of a guest is less open by it.
process.umask(0o022)

interface Sides extends Pretended {
  readonly directory: string
  /** Below it lies what is the host's. */
  readonly host: string
  /** Below it lies what is the guest's. */
  readonly guest: string
}

const withSides = <A, E>(
  use: (sides: Sides) => Effect.Effect<A, E>,
  options: Parameters<typeof pretend>[1] = {}
): Effect.Effect<A, E> =>
  Temp.withTempDir((directory) => {
    for (const side of ["host", "guest"]) Fs.mkdirSync(`${directory}/${side}`)
    const sides = { directory, host: `${directory}/host`, guest: `${directory}/guest`, ...pretend(directory, options) }
    return Effect.tap(use(sides), () => {
      const left = [sides.host, sides.guest, `${directory}/run`].flatMap((path) => Fs.readdirSync(path))
      assert.deepStrictEqual(
        left.filter((name) => name.startsWith(".") || name.startsWith("cp-")),
        []
      )
    })
  })

const tree = (at: string): void => {
  Fs.mkdirSync(`${at}/sub`, { recursive: true })
  Fs.writeFileSync(`${at}/run`, "#!/bin/sh\n", { mode: 0o755 })
  Fs.writeFileSync(`${at}/sub/large`, Buffer.alloc(600_000, "abc"), { mode: 0o640 })
  Fs.symlinkSync("sub/large", `${at}/link`)
  for (const path of [`${at}/run`, `${at}/sub/large`, `${at}/sub`, at])
    Fs.utimesSync(path, 1_000_000_000, 1_000_000_000)
}

const text = (path: string): string => Fs.readFileSync(path, "utf8")

const exists = (path: string): boolean => Fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined

describe("Transfer.copyOut", () => {
  it.live("a directory becomes what is named, with modes, times and links", () =>
    withSides(({ machine, guest, host }) =>
      Effect.gen(function* () {
        tree(`${guest}/tree`)
        const copied = yield* Transfer.copyOut(machine, { guest: `${guest}/tree`, host: `${host}/new` })
        assert.deepStrictEqual(listing(`${host}/new`, { times: true }), listing(`${guest}/tree`, { times: true }))
        assert.deepStrictEqual(copied, {
          kind: "directory",
          host: `${host}/new`,
          guest: `${guest}/tree`,
          counts: { files: 2, directories: 1, links: 1, bytes: 600_010 },
          leftOut: [],
          words: ""
        })
      })
    )
  )

  it.live("a directory goes into one that is there, under its own name, and over what it was before", () =>
    withSides(({ machine, guest, host }) =>
      Effect.gen(function* () {
        tree(`${guest}/tree`)
        Fs.mkdirSync(`${host}/out`)
        for (const end of ["", "/"]) {
          const { host: to } = yield* Transfer.copyOut(machine, {
            guest: `${guest}/tree${end}`,
            host: `${host}/out${end}`
          })
          assert.strictEqual(to, `${host}/out/tree`)
        }
        Fs.writeFileSync(`${host}/out/tree/mine`, "mine")
        Fs.writeFileSync(`${guest}/tree/run`, "changed")
        yield* Transfer.copyOut(machine, { guest: `${guest}/tree`, host: `${host}/out` })
        assert.strictEqual(text(`${host}/out/tree/run`), "changed")
        assert.strictEqual(text(`${host}/out/tree/mine`), "mine")
      })
    )
  )

  it.live("what is in a directory goes into one that is there", () =>
    withSides(({ machine, guest, host }) =>
      Effect.gen(function* () {
        tree(`${guest}/tree`)
        Fs.mkdirSync(`${host}/out`)
        yield* Transfer.copyOut(machine, { guest: `${guest}/tree/.`, host: `${host}/out` })
        assert.deepStrictEqual(Fs.readdirSync(`${host}/out`), ["link", "run", "sub"])
      })
    )
  )

  it.live("a file keeps its mode, and takes its name or the one that is given", () =>
    withSides(({ machine, guest, host }) =>
      Effect.gen(function* () {
        Fs.writeFileSync(`${guest}/-run it`, "x", { mode: 0o750 })
        yield* Transfer.copyOut(machine, { guest: `${guest}/-run it`, host: `${host}/` })
        yield* Transfer.copyOut(machine, { guest: `${guest}/-run it`, host: `${host}/named` })
        for (const name of ["-run it", "named"]) assert.strictEqual(Fs.statSync(`${host}/${name}`).mode & 0o777, 0o750)
      })
    )
  )

  it.live("a file that is reached by a link is copied, and a link in its place is replaced", () =>
    withSides(({ machine, guest, host }) =>
      Effect.gen(function* () {
        Fs.writeFileSync(`${guest}/real`, "real")
        Fs.symlinkSync("real", `${guest}/link`)
        Fs.writeFileSync(`${host}/mine`, "mine")
        for (const target of ["mine", "nothing"]) {
          Fs.rmSync(`${host}/to`, { force: true })
          Fs.symlinkSync(target, `${host}/to`)
          yield* Transfer.copyOut(machine, { guest: `${guest}/link`, host: `${host}/to` })
          assert.isTrue(Fs.lstatSync(`${host}/to`).isFile())
          assert.strictEqual(text(`${host}/to`), "real")
        }
        assert.strictEqual(text(`${host}/mine`), "mine")
      })
    )
  )

  it.live("a relative path begins in the machine's working directory", () =>
    Temp.withTempDir((work) =>
      withSides(
        ({ machine, host }) =>
          Effect.gen(function* () {
            Fs.mkdirSync(`${work}/d`)
            Fs.writeFileSync(`${work}/d/x`, "x")
            for (const path of ["d/x", "./d/x", "d/../d/x"]) {
              const { guest } = yield* Transfer.copyOut(machine, { guest: path, host: `${host}/` })
              assert.strictEqual(guest, `${work}/d/x`)
            }
          }),
        { options: { workdir: work } }
      )
    )
  )

  it.live("refuses what is not there, or is not what it is said to be", () =>
    withSides(({ machine, guest, host }) =>
      Effect.gen(function* () {
        Fs.writeFileSync(`${guest}/file`, "x")
        Fs.writeFileSync(`${host}/file`, "mine")
        Fs.mkdirSync(`${host}/full/file`, { recursive: true })
        Fs.mkdirSync(`${guest}/tree`)
        ChildProcess.execFileSync("mkfifo", [`${guest}/fifo`])
        const cases: ReadonlyArray<readonly [guest: string, host: string, tag: string, message: RegExp]> = [
          ["none", "x", "GuestPathRefused", /none in the guest does not exist/],
          ["fifo", "x", "GuestPathRefused", /no file and no directory/],
          ["file/", "x", "GuestPathRefused", /no directory/],
          ["file", "none/", "DestinationRefused", /no such directory/],
          ["file", "none/x", "DestinationRefused", /no such file or directory/],
          ["file", "file/", "DestinationRefused", /no such directory/],
          ["file", "full", "DestinationRefused", /it is a directory/],
          ["tree", "file", "DestinationRefused", /no directory/]
        ]
        for (const [from, to, tag, message] of cases) {
          const error = yield* Effect.flip(
            Transfer.copyOut(machine, { guest: `${guest}/${from}`, host: `${host}/${to}` })
          )
          assert.strictEqual(error._tag, tag, error.message)
          assert.match(error.message, message)
        }
        assert.strictEqual(text(`${host}/file`), "mine")
        assert.deepStrictEqual(Fs.readdirSync(host), ["file", "full"])
      })
    )
  )

  it.live("copies nothing when the guest cannot read all of it, and says its words", () =>
    withSides(
      ({ machine, guest, host }) =>
        Effect.gen(function* () {
          Fs.mkdirSync(`${guest}/tree`)
          const error = yield* Effect.flip(Transfer.copyOut(machine, { guest: `${guest}/tree`, host: `${host}/x` }))
          assert.strictEqual(error._tag, "TransferFailed")
          assert.match(error.message, /: tar: \.\/x: Cannot open: .*Permission denied$/)
          assert.notInclude(error.message, "\u001b")
          assert.isFalse(exists(`${host}/x`))
        }),
      { tar: `printf 'tar: ./x: Cannot open: \\033[31mPermission denied\\n' >&2; exit 2` }
    )
  )

  it.live("copies all the same when the guest's tar only tells of what changed meanwhile, and says so", () =>
    withSides(
      ({ machine, guest, host }) =>
        Effect.gen(function* () {
          tree(`${guest}/tree`)
          const { words } = yield* Transfer.copyOut(machine, { guest: `${guest}/tree`, host: `${host}/x` })
          assert.strictEqual(words, "tar: ./log: file changed as we read it")
          assert.strictEqual(text(`${host}/x/run`), "#!/bin/sh\n")
        }),
      { tar: `echo 'tar: ./log: file changed as we read it' >&2; /bin/tar "$@"; exit 1` }
    )
  )

  it.live("takes no end with 1 for harmless that says anything else", () =>
    withSides(
      ({ machine, guest, host }) =>
        Effect.gen(function* () {
          tree(`${guest}/tree`)
          yield* Effect.flip(Transfer.copyOut(machine, { guest: `${guest}/tree`, host: `${host}/x` }))
          assert.isFalse(exists(`${host}/x`))
        }),
      { tar: `echo 'tar: out of memory' >&2; /bin/tar "$@"; exit 1` }
    )
  )

  it.live("does not follow the guest's links out of a directory that the guest can write to", () =>
    Temp.withTempDir((shared) =>
      withSides(
        ({ machine, guest, host }) =>
          Effect.gen(function* () {
            Fs.writeFileSync(`${guest}/x`, "x")
            Fs.mkdirSync(`${shared}/within`)
            Fs.symlinkSync("within", `${shared}/stays`)
            Fs.symlinkSync(host, `${shared}/leaves`)
            yield* Transfer.copyOut(machine, { guest: `${guest}/x`, host: `${shared}/stays/x` })
            assert.strictEqual(text(`${shared}/within/x`), "x")
            for (const to of ["leaves", "leaves/x"]) {
              const error = yield* Effect.flip(
                Transfer.copyOut(machine, { guest: `${guest}/x`, host: `${shared}/${to}` })
              )
              assert.match(error.message, /leads out of that directory/)
            }
            Fs.writeFileSync(`${host}/secret`, "secret")
            const error = yield* Effect.flip(
              Transfer.copyIn(machine, { host: `${shared}/leaves/secret`, guest: `${guest}/y` })
            )
            assert.match(error.message, /leads out of that directory/)
            Fs.rmSync(`${host}/secret`)
            assert.deepStrictEqual(Fs.readdirSync(host), [])
          }),
        { options: { guestWritable: [shared] } }
      )
    )
  )

  it.live("takes no file of this machine for the guest's, where the runtime's own copy makes a link", () =>
    withSides(
      ({ machine, directory, guest, host }) =>
        Effect.gen(function* () {
          Fs.writeFileSync(`${directory}/secret`, "secret")
          Fs.writeFileSync(`${guest}/x`, "x")
          const linking: typeof machine = {
            ...machine,
            cpOut: ({ host: to }) => Effect.sync(() => Fs.symlinkSync(`${directory}/secret`, to))
          }
          const error = yield* Effect.flip(Transfer.copyOut(linking, { guest: `${guest}/x`, host: `${host}/x` }))
          assert.match(error.message, /it is none/)
          assert.isFalse(exists(`${host}/x`))
          yield* Transfer.copyOut(machine, { guest: `${guest}/x`, host: `${host}/x` })
          assert.strictEqual(text(`${host}/x`), "x")
        }),
      { programs: ["mkdir", "mv", "rm", "chmod"] }
    )
  )

  it.live("follows the links of a directory that the guest can only read", () =>
    Temp.withTempDir((shared) =>
      withSides(
        ({ machine, guest, host }) =>
          Effect.gen(function* () {
            Fs.writeFileSync(`${guest}/x`, "x")
            Fs.symlinkSync(host, `${shared}/leaves`)
            yield* Transfer.copyOut(machine, { guest: `${guest}/x`, host: `${shared}/leaves` })
            assert.strictEqual(text(`${host}/x`), "x")
          }),
        {}
      )
    )
  )
})

describe("Transfer.copyIn", () => {
  it.live("a directory becomes what is named, or goes into what is there", () =>
    withSides(({ machine, guest, host }) =>
      Effect.gen(function* () {
        tree(`${host}/tree`)
        const before = listing(`${host}/tree`, { times: true })
        const copied = yield* Transfer.copyIn(machine, { host: `${host}/tree`, guest: `${guest}/a/new` })
        assert.deepStrictEqual(listing(`${guest}/a/new`, { times: true }), before)
        assert.deepStrictEqual(copied, {
          kind: "directory",
          host: `${host}/tree`,
          guest: `${guest}/a/new`,
          counts: { files: 2, directories: 2, links: 1, bytes: 600_010 },
          leftOut: [],
          words: ""
        })
        Fs.mkdirSync(`${guest}/there`)
        yield* Transfer.copyIn(machine, { host: `${host}/tree`, guest: `${guest}/there` })
        assert.deepStrictEqual(listing(`${guest}/there/tree`, { times: true }), before)
        Fs.writeFileSync(`${guest}/there/tree/theirs`, "theirs")
        Fs.writeFileSync(`${host}/tree/run`, "changed")
        yield* Transfer.copyIn(machine, { host: `${host}/tree/`, guest: `${guest}/there/` })
        assert.strictEqual(text(`${guest}/there/tree/run`), "changed")
        assert.strictEqual(text(`${guest}/there/tree/theirs`), "theirs")
        yield* Transfer.copyIn(machine, { host: `${host}/tree/.`, guest: `${guest}/there` })
        assert.strictEqual(text(`${guest}/there/run`), "changed")
      })
    )
  )

  it.live("a directory that may not be written to arrives as it is", () =>
    withSides(({ machine, guest, host }) =>
      Effect.gen(function* () {
        Fs.mkdirSync(`${host}/sealed`)
        Fs.writeFileSync(`${host}/sealed/x`, "x", { mode: 0o400 })
        Fs.chmodSync(`${host}/sealed`, 0o555)
        yield* Transfer.copyIn(machine, { host: `${host}/sealed`, guest })
        assert.strictEqual(Fs.statSync(`${guest}/sealed`).mode & 0o777, 0o555)
        for (const side of [host, guest]) Fs.chmodSync(`${side}/sealed`, 0o755)
      })
    )
  )

  it.live("a file keeps its mode, takes its name or the one that is given, and is followed to by a link", () =>
    withSides(({ machine, guest, host }) =>
      Effect.gen(function* () {
        Fs.writeFileSync(`${host}/-run it`, "x", { mode: 0o700 })
        Fs.symlinkSync("-run it", `${host}/link`)
        yield* Transfer.copyIn(machine, { host: `${host}/-run it`, guest })
        yield* Transfer.copyIn(machine, { host: `${host}/-run it`, guest: `${guest}/deep/er/named` })
        yield* Transfer.copyIn(machine, { host: `${host}/link`, guest: `${guest}/` })
        for (const name of ["-run it", "deep/er/named", "link"]) {
          assert.isTrue(Fs.lstatSync(`${guest}/${name}`).isFile())
          assert.strictEqual(Fs.statSync(`${guest}/${name}`).mode & 0o777, 0o700)
        }
      })
    )
  )

  it.live("refuses what is not there, or is not what it is said to be", () =>
    withSides(({ machine, guest, host }) =>
      Effect.gen(function* () {
        Fs.writeFileSync(`${host}/file`, "x")
        Fs.mkdirSync(`${host}/tree`)
        Fs.mkdirSync(`${guest}/full/file`, { recursive: true })
        Fs.writeFileSync(`${guest}/file`, "theirs")
        Fs.writeFileSync(`${guest}/full/tree`, "theirs")
        ChildProcess.execFileSync("mkfifo", [`${host}/fifo`, `${guest}/fifo`])
        const cases: ReadonlyArray<readonly [host: string, guest: string, tag: string, message: RegExp]> = [
          ["none", "x", "SourceRefused", /no such file/],
          ["fifo", "x", "SourceRefused", /no file and no directory/],
          ["file/", "x", "SourceRefused", /no directory/],
          ["file", "none/", "GuestPathRefused", /no directory/],
          ["file", "file/", "GuestPathRefused", /no directory/],
          ["file", "fifo", "GuestPathRefused", /no file and no directory/],
          ["file", "full", "GuestPathRefused", /is a directory/],
          ["tree", "file", "GuestPathRefused", /no directory/],
          ["tree", "full", "GuestPathRefused", /no directory/]
        ]
        for (const [from, to, tag, message] of cases) {
          const error = yield* Effect.flip(
            Transfer.copyIn(machine, { host: `${host}/${from}`, guest: `${guest}/${to}` })
          )
          assert.strictEqual(error._tag, tag, `${from} ${to}: ${error.message}`)
          assert.match(error.message, message)
        }
        assert.strictEqual(text(`${guest}/file`), "theirs")
      })
    )
  )

  it.live("leaves nothing in the guest when the source cannot be read to its end", () =>
    withSides(({ machine, guest, host }) =>
      Effect.gen(function* () {
        tree(`${host}/tree`)
        ChildProcess.execFileSync("mkfifo", [`${host}/tree/sub/pipe`])
        const partial: Array<string> = []
        const error = yield* Effect.flip(
          Transfer.copyIn(machine, {
            host: `${host}/tree`,
            guest: `${guest}/new`,
            onPartial: (path) => Effect.sync(() => void partial.push(path))
          })
        )
        assert.match(error.message, /sub\/pipe cannot be copied: it is a FIFO/)
        assert.deepStrictEqual(partial, [])
        assert.deepStrictEqual(Fs.readdirSync(guest), [])
      })
    )
  )

  it.live("names a directory of the guest's that was being written to when it failed", () =>
    withSides(({ machine, guest, host }) =>
      Effect.gen(function* () {
        tree(`${host}/tree`)
        Fs.mkdirSync(`${guest}/tree`)
        ChildProcess.execFileSync("mkfifo", [`${host}/tree/sub/pipe`])
        const partial: Array<string> = []
        yield* Effect.flip(
          Transfer.copyIn(machine, {
            host: `${host}/tree`,
            guest,
            onPartial: (path) => Effect.sync(() => void partial.push(path))
          })
        )
        assert.deepStrictEqual(partial, [`${guest}/tree`])
      })
    )
  )

  it.live("leaves nothing in the guest when it is interrupted half-way", () =>
    withSides(
      ({ machine, guest, host }) =>
        Effect.gen(function* () {
          tree(`${host}/tree`)
          const fiber = yield* Effect.fork(Transfer.copyIn(machine, { host: `${host}/tree`, guest: `${guest}/new` }))
          yield* Wait.waitUntil(
            Effect.sync(() => Fs.readdirSync(guest).some((name) => exists(`${guest}/${name}/begun`))),
            { boundMillis: 10_000, what: "the unpacking" }
          )
          yield* Fiber.interrupt(fiber)
          assert.deepStrictEqual(Fs.readdirSync(guest), [])
        }),
      { tar: `while [ "$1" != -C ]; do shift; done; touch "$2/begun"; sleep 1000` }
    )
  )

  it.live("says the guest's words when it cannot be written there", () =>
    withSides(
      ({ machine, guest, host }) =>
        Effect.gen(function* () {
          tree(`${host}/tree`)
          const error = yield* Effect.flip(Transfer.copyIn(machine, { host: `${host}/tree`, guest: `${guest}/new` }))
          assert.strictEqual(error._tag, "TransferFailed")
          assert.match(error.message, /could not be copied into the guest: tar: no space left$/)
        }),
      { tar: `cat >/dev/null; echo 'tar: no space left' >&2; exit 2` }
    )
  )

  it.live("goes by a file below /workspace where the runtime cannot take a large input", () =>
    withSides(
      ({ asked, directory, guest, host, machine }) =>
        Effect.gen(function* () {
          tree(`${host}/tree`)
          const sent: Array<string> = []
          const cpIn: typeof machine.cpIn = (paths) => {
            sent.push(paths.guest)
            return machine.cpIn(paths)
          }
          yield* Transfer.copyIn({ ...machine, cpIn }, { host: `${host}/tree`, guest: `${guest}/new` })
          assert.match(sent.join(" "), /^\/workspace\/\.bottle-[0-9a-f]{12}\.tar$/)
          assert.deepStrictEqual(listing(`${guest}/new`, { times: true }), listing(`${host}/tree`, { times: true }))
          assert.include(asked, "cp")
          assert.deepStrictEqual(Fs.readdirSync(`${directory}/workspace`), [])
        }),
      { version: "1.5.2" }
    )
  )
})

describe("a guest without", () => {
  for (const [what, options] of [
    ["tar", { programs: ["mkdir", "mv", "rm", "chmod"] }],
    ["a shell", { shell: false, programs: [] }]
  ] as const) {
    it.live(`${what}: copies files by the runtime, both ways`, () =>
      withSides(
        ({ asked, machine, guest, host }) =>
          Effect.gen(function* () {
            Fs.writeFileSync(`${host}/in`, "in")
            Fs.writeFileSync(`${guest}/out`, "out")
            const { counts } = yield* Transfer.copyIn(machine, { host: `${host}/in`, guest: `${guest}/arrived` })
            assert.deepStrictEqual(counts, { files: 1, directories: 0, links: 0, bytes: 2 })
            yield* Transfer.copyOut(machine, { guest: `${guest}/out`, host: `${host}/` })
            assert.strictEqual(text(`${guest}/arrived`), "in")
            assert.strictEqual(text(`${host}/out`), "out")
            assert.strictEqual(asked.filter((word) => word === "cp").length, 2)
          }),
        options
      )
    )

    it.live(`${what}: refuses directories`, () =>
      withSides(
        ({ machine, guest, host }) =>
          Effect.gen(function* () {
            Fs.mkdirSync(`${host}/tree`)
            Fs.mkdirSync(`${guest}/tree`)
            const into = yield* Effect.flip(Transfer.copyIn(machine, { host: `${host}/tree`, guest: `${guest}/x` }))
            assert.match(into.message, /no tar/)
            const out = yield* Effect.flip(Transfer.copyOut(machine, { guest: `${guest}/tree`, host: `${host}/x` }))
            assert.match(out.message, what === "tar" ? /no tar/ : /EISDIR|illegal operation|EINVAL|not supported/i)
            assert.isFalse(exists(`${host}/x`))
          }),
        options
      )
    )
  }
})

describe("a guest without tar, made from an image, before 1.7.3", () => {
  it.live("gets files where its commands see them, and gives those that they see", () =>
    withSides(
      ({ asked, directory, guest, host, machine }) =>
        Effect.gen(function* () {
          Fs.writeFileSync(`${host}/in`, "in")
          const { guest: to } = yield* Transfer.copyIn(machine, { host: `${host}/in`, guest })
          assert.strictEqual(to, `${guest}/in`)
          assert.strictEqual(text(to), "in")
          yield* Transfer.copyOut(machine, { guest: to, host: `${host}/out` })
          assert.strictEqual(text(`${host}/out`), "in")
          assert.include(asked, "cat")
          assert.deepStrictEqual(Fs.readdirSync(`${directory}/beneath`), [])
        }),
      { version: "1.7.2", programs: ["mkdir", "mv", "rm", "chmod", "cat"] }
    )
  )

  it.live("refuses to put a file where they would not, and takes one below /workspace", () =>
    withSides(
      ({ directory, guest, host, machine }) =>
        Effect.gen(function* () {
          Fs.writeFileSync(`${host}/in`, "in")
          const error = yield* Effect.flip(Transfer.copyIn(machine, { host: `${host}/in`, guest: `${guest}/x` }))
          assert.strictEqual(error._tag, "GuestPathRefused")
          assert.strictEqual(
            "suggestion" in error ? error.suggestion : "",
            "Name a file below /workspace, or use smolvm 1.7.3 or later."
          )
          yield* Transfer.copyIn(machine, { host: `${host}/in`, guest: "/workspace/x" })
          assert.strictEqual(text(`${directory}/workspace/x`), "in")
        }),
      { version: "1.7.2", shell: false, programs: [] }
    )
  )
})

const mode = (path: string): string => (Fs.statSync(path).mode & 0o7777).toString(8)

describe("Transfer.fileIn", () => {
  for (const [version, options, asks] of [
    ["1.9.0", {}, ["cp --mode 640"]],
    ["1.8.3", {}, ["cp", "chmod"]],
    ["1.7.3", {}, ["cp", "chmod"]],
    ["1.7.2", { isBare: true }, ["cp", "chmod"]],
    // The shell is asked for, the file goes by /workspace, and is taken away there.
    ["1.7.2", {}, ["sh", "cp", "sh", "sh", "chmod"]],
    ["0.8.0", {}, ["sh", "cp", "sh", "sh", "chmod"]]
  ] as const) {
    it.live(`${version}, ${"isBare" in options ? "bare" : "an image"}: arrives with the mode that is asked for`, () =>
      withSides(
        ({ asked, directory, guest, host, machine }) =>
          Effect.gen(function* () {
            const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7) % 256))
            Fs.writeFileSync(`${host}/in: it`, bytes, { mode: 0o755 })
            const copied = yield* Transfer.fileIn(machine, {
              host: `${host}/in: it`,
              guest: `${guest}/-to it`,
              mode: 0o640
            })
            assert.deepStrictEqual(copied.counts, { files: 1, directories: 0, links: 0, bytes: bytes.length })
            assert.isTrue(Fs.readFileSync(`${guest}/-to it`).equals(bytes))
            assert.strictEqual(mode(`${guest}/-to it`), "640")
            assert.deepStrictEqual(asked, [...asks])
            for (const place of ["workspace", "beneath"]) {
              assert.deepStrictEqual(Fs.readdirSync(`${directory}/${place}`), [])
            }
          }),
        { version, options }
      )
    )
  }

  it.live("below /workspace it goes by the runtime alone, and without a mode that is asked for nothing sets one", () =>
    withSides(
      ({ asked, directory, host, machine }) =>
        Effect.gen(function* () {
          Fs.writeFileSync(`${host}/in`, "in", { mode: 0o755 })
          yield* Transfer.fileIn(machine, { host: `${host}/in`, guest: "/workspace/x" })
          assert.strictEqual(text(`${directory}/workspace/x`), "in")
          assert.deepStrictEqual(asked, ["cp"])
        }),
      { version: "1.5.2", shell: false, programs: [] }
    )
  )

  it.live("is refused where commands would not see it, and no shell can put it there", () =>
    withSides(
      ({ asked, guest, host, machine }) =>
        Effect.gen(function* () {
          Fs.writeFileSync(`${host}/in`, "in")
          const error = yield* Effect.flip(Transfer.fileIn(machine, { host: `${host}/in`, guest: `${guest}/x` }))
          assert.strictEqual(error._tag, "GuestPathRefused")
          assert.match(error.message, /is not where smolvm 1\.5\.2 would write it/)
          assert.deepStrictEqual(asked, ["sh"])
          const bare = { ...machine, isBare: true }
          yield* Transfer.fileIn(bare, { host: `${host}/in`, guest: `${guest}/x` })
        }),
      { version: "1.5.2", shell: false, programs: [] }
    )
  )

  it.live("says so when the guest cannot take it, or cannot set its mode, and leaves nothing below /workspace", () =>
    withSides(
      ({ directory, guest, host, machine }) =>
        Effect.gen(function* () {
          Fs.writeFileSync(`${host}/in`, "in")
          Fs.mkdirSync(`${guest}/there`)
          const taken = yield* Effect.flip(Transfer.fileIn(machine, { host: `${host}/in`, guest: `${guest}/there` }))
          assert.match(taken.message, /there could not be copied into the guest: it is a directory$/)
          const unset = yield* Effect.flip(
            Transfer.fileIn(machine, { host: `${host}/in`, guest: `${guest}/x`, mode: 0o600 })
          )
          assert.strictEqual(unset._tag, "TransferFailed")
          assert.strictEqual(text(`${guest}/x`), "in")
          assert.deepStrictEqual(Fs.readdirSync(`${directory}/workspace`), [])
        }),
      { version: "1.5.2", programs: ["mkdir", "mv", "rm", "cat"] }
    )
  )

  it.live("refuses what is no file, no name of a file, and no mode", () =>
    withSides(({ asked, guest, host, machine }) =>
      Effect.gen(function* () {
        Fs.writeFileSync(`${host}/file`, "x")
        Fs.mkdirSync(`${host}/tree`)
        const cases: ReadonlyArray<readonly [host: string, guest: string, mode: number, tag: string, message: RegExp]> =
          [
            ["tree", "x", 0o644, "SourceRefused", /it is a directory/],
            ["none", "x", 0o644, "SourceRefused", /no such file/],
            ["file", "x/", 0o644, "GuestPathRefused", /names a directory/],
            ["file", "x", 0o1777, "SourceRefused", /nine bits/],
            ["file", "x", 1.5, "SourceRefused", /nine bits/],
            ["file", "x", -1, "SourceRefused", /nine bits/]
          ]
        for (const [from, to, bits, tag, message] of cases) {
          const options = { host: `${host}/${from}`, guest: `${guest}/${to}`, mode: bits }
          const error = yield* Effect.flip(Transfer.fileIn(machine, options))
          assert.strictEqual(error._tag, tag, error.message)
          assert.match(error.message, message)
        }
        assert.deepStrictEqual(asked, [])
        yield* Transfer.fileIn(machine, { host: `${host}/file`, guest: `${guest}/x`, mode: 0o777 })
        assert.strictEqual(mode(`${guest}/x`), "777")
      })
    )
  )
})

describe("Transfer.fileOut", () => {
  for (const [version, asks] of [
    ["1.9.3", ["cp"]],
    ["1.7.3", ["cp"]],
    ["1.7.2", ["cat"]]
  ] as const) {
    it.live(`${version}: comes byte for byte, with the mode that is asked for`, () =>
      withSides(
        ({ asked, guest, host, machine }) =>
          Effect.gen(function* () {
            const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 11) % 256))
            Fs.writeFileSync(`${guest}/out`, bytes)
            const copied = yield* Transfer.fileOut(machine, {
              guest: `${guest}/out`,
              host: `${host}/here`,
              mode: 0o700
            })
            assert.deepStrictEqual(copied.counts, { files: 1, directories: 0, links: 0, bytes: bytes.length })
            assert.isTrue(Fs.readFileSync(`${host}/here`).equals(bytes))
            assert.strictEqual(mode(`${host}/here`), "700")
            assert.deepStrictEqual(asked, [...asks])
            yield* Transfer.fileOut(machine, { guest: `${guest}/out`, host: `${host}/plain` })
            assert.strictEqual(mode(`${host}/plain`), "644")
          }),
        { version }
      )
    )
  }

  it.live("takes no more than the limit, and nothing of what breaks off", () =>
    withSides(
      ({ guest, host, machine }) =>
        Effect.gen(function* () {
          Fs.writeFileSync(`${guest}/out`, Buffer.alloc(1000))
          const limits = (bytes: number) => ({ ...Archive.defaultLimits, bytes })
          const options = { guest: `${guest}/out`, host: `${host}/here` }
          const error = yield* Effect.flip(Transfer.fileOut(machine, { ...options, limits: limits(999) }))
          assert.strictEqual(error._tag, "ArchiveTooLarge")
          const none = yield* Effect.flip(Transfer.fileOut(machine, { ...options, guest: `${guest}/none` }))
          assert.match(none.message, /could not be copied out of the guest: .*cat: .*No such file/)
          assert.isFalse(exists(`${host}/here`))
          yield* Transfer.fileOut(machine, { ...options, limits: limits(1000) })
          assert.isTrue(exists(`${host}/here`))
        }),
      { version: "1.5.2" }
    )
  )

  it.live("refuses a directory in its place, a name of one, and no mode", () =>
    withSides(({ guest, host, machine }) =>
      Effect.gen(function* () {
        Fs.writeFileSync(`${guest}/out`, "out")
        Fs.mkdirSync(`${host}/there`)
        for (const [from, to, bits, tag] of [
          ["out", "there", 0o644, "DestinationRefused"],
          ["out", "x/", 0o644, "DestinationRefused"],
          ["out", "x", 0o4755, "DestinationRefused"],
          ["out/", "x", 0o644, "GuestPathRefused"]
        ] as const) {
          const options = { guest: `${guest}/${from}`, host: `${host}/${to}`, mode: bits }
          assert.strictEqual((yield* Effect.flip(Transfer.fileOut(machine, options)))._tag, tag)
        }
        assert.deepStrictEqual(Fs.readdirSync(`${host}/there`), [])
      })
    )
  )
})

describe("a copy as a stream", () => {
  it.live("tells how it goes on, and at the end what it has become", () =>
    withSides(({ guest, host, machine }) =>
      Effect.gen(function* () {
        tree(`${host}/tree`)
        const called: Array<number> = []
        const onProgress = ({ bytes }: Archive.Counts) => void called.push(bytes)
        for (const copy of [
          Transfer.copyInStream(machine, { host: `${host}/tree`, guest: `${guest}/new`, onProgress }),
          Transfer.copyOutStream(machine, { guest: `${guest}/new`, host: `${host}/back`, onProgress })
        ]) {
          called.length = 0
          const events = Array.from(yield* Stream.runCollect(copy))
          const last = events.pop()
          assert.strictEqual(last?._tag === "Copied" ? last.copied.counts.bytes : -1, 600_010)
          const bytes = events.map((event) => (event._tag === "Progress" ? event.counts.bytes : -1))
          assert.isAbove(bytes.length, 0)
          // Each as it was then, and not as it is now; the last of `onProgress` is the whole.
          assert.deepStrictEqual(
            bytes.filter((count) => !called.includes(count)),
            []
          )
          assert.deepStrictEqual(
            bytes,
            bytes.toSorted((a, b) => a - b)
          )
          assert.strictEqual(called.at(-1), 600_010)
        }
        assert.deepStrictEqual(listing(`${host}/back`, { times: true }), listing(`${host}/tree`, { times: true }))
      })
    )
  )

  it.live("fails as the copy does", () =>
    withSides(({ guest, host, machine }) =>
      Effect.gen(function* () {
        const copy = Transfer.copyOutStream(machine, { guest: `${guest}/none`, host: `${host}/x` })
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(copy)))._tag, "GuestPathRefused")
      })
    )
  )

  it.live("is interrupted where it is left, and leaves nothing", () =>
    withSides(({ guest, host, machine }) =>
      Effect.gen(function* () {
        Fs.mkdirSync(`${guest}/tree`)
        Fs.writeFileSync(`${guest}/tree/large`, Buffer.alloc(3_000_000))
        const copy = Transfer.copyOutStream(machine, { guest: `${guest}/tree`, host: `${host}/x` })
        const first = yield* Stream.runCollect(Stream.take(copy, 1))
        assert.strictEqual(Array.from(first)[0]?._tag, "Progress")
        assert.deepStrictEqual(Fs.readdirSync(host), [])
      })
    )
  )
})
