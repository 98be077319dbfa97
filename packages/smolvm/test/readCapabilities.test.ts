import * as CommandScript from "@bottle/testing/CommandScript"
import * as Temp from "@bottle/testing/Temp"
import * as Wait from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Capabilities from "../src/Capabilities.js"
import * as Grammar from "../src/Grammar.js"
import { Smolvm } from "../src/Smolvm.js"
import * as SmolvmLayer from "../src/Smolvm.js"

const BINARY = Buffer.from("7f454c460201010000000000", "hex")
const SCRIPT = Buffer.from('#!/bin/sh\nexec "$(dirname "$0")/smolvm-bin" "$@"\n')

/** A program file of some kind, never run, and a directory for the cache. */
const place = (content: Buffer) =>
  Effect.map(Temp.directory, (root) => {
    const program = Path.join(root, "smolvm")
    Fs.writeFileSync(program, content, { mode: 0o755 })
    return { program, cacheDirectory: Path.join(root, "cache") }
  })

interface Release {
  /** What `--version` prints after the program's name. */
  readonly version: string
  /** What a subcommand answers instead of its help at 1.9.3. */
  readonly answers?: Readonly<Record<string, Partial<CommandScript.Reply>>> | undefined
}

/** The capabilities as a new process reads them, and the arguments of what ran for it, sorted. */
const readBy = (options: SmolvmLayer.SmolvmOptions, { answers, version }: Release) => {
  const replies = [
    { match: [options.program, "--version"], stdout: `smolvm ${version}\n`, times: "any" as const },
    ...Capabilities.subcommands.map((command) => ({
      match: [options.program, ...command.split(" "), "--help"],
      times: "any" as const,
      stdout: Grammar.help("1.9.3", command),
      ...answers?.[command]
    }))
  ]
  const smolvm = SmolvmLayer.layer({ env: { PATH: "/bin" }, ...options })
  return Effect.gen(function* () {
    const { capabilities } = yield* Smolvm
    const read = yield* Effect.either(capabilities)
    const { recorded } = yield* CommandScript.CommandScript
    const ran = (yield* recorded).map(({ argv }) => argv.slice(1).join(" "))
    return { read, ran: ran.toSorted() }
  }).pipe(Effect.provide(smolvm.pipe(Layer.provideMerge(CommandScript.layer(replies)))))
}

const helps = Capabilities.subcommands.map((command) => `${command} --help`)
const everything = ["--version", ...helps].toSorted()
const refused: Partial<CommandScript.Reply> = {
  stdout: "",
  exit: 2,
  stderr: "error: unrecognized subcommand 'fork'\n\nUsage: smolvm machine <COMMAND>\n"
}

describe("capabilities of a binary", () => {
  it.scopedLive("are asked for once, over all processes", () =>
    Effect.gen(function* () {
      const at = yield* place(BINARY)
      const first = yield* readBy(at, { version: "1.8.2 (build 7)" })
      const second = yield* readBy(at, { version: "1.8.2 (build 7)" })
      assert.deepStrictEqual(first.ran, ["--version"])
      assert.deepStrictEqual(second.ran, [])
      assert.deepStrictEqual(second.read, first.read)
      assert.strictEqual(first.read._tag === "Right" ? first.read.right.versionText : "", "smolvm 1.8.2 (build 7)")
    })
  )

  it.scopedLive("newer than the data are asked for once too, with every help", () =>
    Effect.gen(function* () {
      const at = yield* place(BINARY)
      const create = `${Grammar.help("1.9.3", "machine create")}      --egress-proxy <URL>\n`
      const release = { version: "1.22.2", answers: { "machine create": { stdout: create } } }
      const first = yield* readBy(at, release)
      const second = yield* readBy(at, release)
      assert.deepStrictEqual(first.ran, everything)
      assert.deepStrictEqual(second.ran, [])
      assert.deepStrictEqual(second.read, first.read)
      assert.isTrue(second.read._tag === "Right" && second.read.right.egressProxy)
    })
  )

  it.scopedLive("are asked for again when it is another file", () =>
    Effect.gen(function* () {
      const at = yield* place(BINARY)
      yield* readBy(at, { version: "1.8.2" })
      Fs.appendFileSync(at.program, "more")
      const { ran, read } = yield* readBy(at, { version: "1.9.3" })
      assert.deepStrictEqual(ran, ["--version"])
      assert.strictEqual(read._tag === "Right" ? read.right.version : "", "1.9.3")
    })
  )

  it.scopedLive("are asked for each time where no directory is given", () =>
    Effect.gen(function* () {
      const at = yield* place(BINARY)
      yield* readBy(at, { version: "1.8.2" })
      const { ran, read } = yield* readBy({ program: at.program }, { version: "1.9.3" })
      assert.deepStrictEqual(ran, ["--version"])
      assert.strictEqual(read._tag === "Right" ? read.right.version : "", "1.9.3")
    })
  )

  it.scopedLive("are asked for again where the entry is from fewer subcommands, or makes no sense", () =>
    Effect.gen(function* () {
      const at = yield* place(BINARY)
      yield* readBy(at, { version: "1.22.2" })
      const [name = ""] = Fs.readdirSync(at.cacheDirectory)
      const file = Path.join(at.cacheDirectory, name)
      const text = Fs.readFileSync(file, "utf8")
      Fs.writeFileSync(file, text.replace('"machine fork",', ""))
      assert.deepStrictEqual((yield* readBy(at, { version: "1.22.2" })).ran, helps.toSorted())
      assert.strictEqual(Fs.readFileSync(file, "utf8"), text)
      for (const versionText of ["other 1.22.2", "smolvm 0.1.0"]) {
        Fs.writeFileSync(file, text.replace("smolvm 1.22.2", versionText))
        assert.deepStrictEqual((yield* readBy(at, { version: "1.22.2" })).ran, everything, versionText)
      }
    })
  )
})

describe("capabilities of a script", () => {
  it.scopedLive("are its version's as it is now, and nothing of a known one is kept", () =>
    Effect.gen(function* () {
      const at = yield* place(SCRIPT)
      assert.deepStrictEqual((yield* readBy(at, { version: "1.8.2" })).ran, ["--version"])
      const { ran, read } = yield* readBy(at, { version: "1.9.3" })
      assert.deepStrictEqual(ran, ["--version"])
      assert.strictEqual(read._tag === "Right" ? read.right.version : "", "1.9.3")
      assert.isFalse(Fs.existsSync(at.cacheDirectory))
    })
  )

  it.scopedLive("newer than the data are taken from the cache for the version that it tells", () =>
    Effect.gen(function* () {
      const at = yield* place(SCRIPT)
      const first = yield* readBy(at, { version: "1.22.2" })
      assert.deepStrictEqual(first.ran, everything)
      const second = yield* readBy(at, { version: "1.22.2" })
      assert.deepStrictEqual(second.ran, ["--version"])
      assert.deepStrictEqual(second.read, first.read)
      assert.deepStrictEqual((yield* readBy(at, { version: "1.22.3" })).ran, everything)
      assert.deepStrictEqual((yield* readBy(at, { version: "1.22.3" })).ran, ["--version"])
    })
  )
})

describe("a help", () => {
  it.scopedLive("that is refused is that of a missing subcommand, for good", () =>
    Effect.gen(function* () {
      const at = yield* place(BINARY)
      const release = { version: "1.22.2", answers: { "machine fork": refused } }
      const first = yield* readBy(at, release)
      assert.isTrue(first.read._tag === "Right" && !Capabilities.has(first.read.right, "machine fork"))
      assert.isTrue(first.read._tag === "Right" && Capabilities.has(first.read.right, "machine exec", "--env"))
      assert.deepStrictEqual((yield* readBy(at, release)).ran, [])
    })
  )

  for (const [what, answer] of [
    ["fails", { exit: 1, stdout: "", stderr: "Error: io operation failed: x\n" }],
    ["dies", { signal: "SIGKILL" }],
    ["is no help", { stdout: "busy\n" }],
    ["does not come to its end", { stdout: `Usage: smolvm pack push\n${"  x\n".repeat(100_000)}` }]
  ] as ReadonlyArray<readonly [string, Partial<CommandScript.Reply>]>) {
    it.scopedLive(`that ${what} is that of a missing subcommand, this time`, () =>
      Effect.gen(function* () {
        const at = yield* place(BINARY)
        const first = yield* readBy(at, { version: "1.22.2", answers: { "pack push": answer } })
        assert.isTrue(first.read._tag === "Right" && !Capabilities.has(first.read.right, "pack push"))
        assert.isTrue(first.read._tag === "Right" && Capabilities.has(first.read.right, "pack pull"))
        const second = yield* readBy(at, { version: "1.22.2" })
        assert.deepStrictEqual(second.ran, everything)
        assert.isTrue(second.read._tag === "Right" && Capabilities.has(second.read.right, "pack push"))
      })
    )
  }

  it.effect("that never ends is that of a missing subcommand, after its deadline", () =>
    Effect.gen(function* () {
      const release = { version: "1.22.2", answers: { "pack push": { hang: true } } }
      const options = { program: "/smolvm", deadlines: { version: 50 } }
      const reading = yield* Effect.fork(readBy(options, release))
      for (let step = 0; step < 100; step++) yield* TestClock.adjust("1 second")
      const { ran, read } = yield* Fiber.join(reading)
      assert.deepStrictEqual(ran, everything)
      assert.isTrue(read._tag === "Right" && !Capabilities.has(read.right, "pack push"))
      assert.isTrue(read._tag === "Right" && Capabilities.has(read.right, "pack pull"))
    })
  )

  it.scopedLive("that none gives fails the reading, and is asked for again", () =>
    Effect.gen(function* () {
      const at = yield* place(BINARY)
      const answers = Object.fromEntries(Capabilities.subcommands.map((command) => [command, refused]))
      const first = yield* readBy(at, { version: "1.22.2", answers })
      assert.strictEqual(first.read._tag === "Left" ? first.read.left._tag : "", "SmolvmUsageRefused")
      const second = yield* readBy(at, { version: "1.22.2" })
      assert.deepStrictEqual(second.ran, everything)
      assert.strictEqual(second.read._tag, "Right")
    })
  )

  it.scopedLive("is one of at most four at a time, and none is left by an interruption", () =>
    Effect.gen(function* () {
      const at = yield* place(BINARY)
      const go = yield* Deferred.make<void>()
      const seen = { running: 0, most: 0 }
      const before = Effect.sync(() => {
        seen.running++
        seen.most = Math.max(seen.most, seen.running)
      }).pipe(Effect.zipRight(Deferred.await(go)), Effect.ensuring(Effect.sync(() => seen.running--)))
      const answers = Object.fromEntries(Capabilities.subcommands.map((command) => [command, { before }]))
      const reading = yield* Effect.fork(readBy(at, { version: "1.22.2", answers }))
      yield* Wait.waitUntil(
        Effect.sync(() => seen.running === 4),
        { boundMillis: 20_000, what: "four helps" }
      )
      // A start is not interruptible: what is begun ends, and nothing more begins.
      yield* Fiber.interruptAsFork(reading, FiberId.none)
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.await(reading)
      assert.deepStrictEqual(seen, { running: 0, most: 4 })
      assert.isFalse(Fs.existsSync(at.cacheDirectory))
    })
  )
})
