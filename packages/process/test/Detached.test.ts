import * as Detached from "@bottle/process/Detached"
import * as Exit from "@bottle/process/Exit"
import * as Identity from "@bottle/process/Identity"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import { afterAll, assert, beforeAll, describe, it, vi } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"
import * as ProcTable from "../src/internal/procTable.js"

// Each starts processes, which a busy machine takes its time for.
vi.setConfig({ testTimeout: 30_000 })

const PATH = "/usr/bin:/bin"

const base = { env: { PATH }, stdin: "null", stdout: "null" } as const

/** Starts it, and ends it with the scope, whatever the test did. */
const start = (options: Detached.DetachedOptions) =>
  Effect.acquireRelease(Detached.start(options), ({ identity, leave }) =>
    Effect.zipRight(Identity.signal(identity, "SIGKILL"), leave)
  )

const shell = (text: string, options: Partial<Detached.DetachedOptions> = {}) =>
  start({ ...base, argv: ["/bin/sh", "-c", text], ...options })

const all = (detached: Detached.Detached) => Effect.map(Stream.runCollect(detached.lines), Chunk.toReadonlyArray)

/** The program of fixtures/detaching.ts as one file that Node can run. */
const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "bottle-test-"))
const detaching = Path.join(directory, "detaching.mjs")

beforeAll(async () => {
  const bundle = await rolldown({
    input: fileURLToPath(new URL("fixtures/detaching.ts", import.meta.url)),
    platform: "node",
    resolve: { conditionNames: ["@bottle/source", "node", "import"] }
  })
  await bundle.write({ file: detaching, format: "esm", codeSplitting: false })
  await bundle.close()
}, 30_000)

afterAll(() => Fs.rmSync(directory, { recursive: true }))

const decodeIdentity = Schema.decodeUnknownSync(Schema.parseJson(Identity.Identity))

/** A process that starts another one that outlives it, and what it has printed; both end with the scope. */
const parent = (mode: "stays" | "leaves", argv: ReadonlyArray<string>, before: ReadonlyArray<string> = []) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const [program = "", ...args] = [...before, process.execPath, detaching, mode, ...argv]
      const child = ChildProcess.spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], detached: true })
      let printed = ""
      let isEnded = false
      child.stdout.on("data", (chunk: Buffer) => {
        printed += chunk.toString()
      })
      child.stdout.on("end", () => {
        isEnded = true
      })
      const find = () => {
        const found = /^detached (.*)$/m.exec(printed)?.[1]
        return found === undefined ? undefined : decodeIdentity(found)
      }
      return { child, find, isOutputEnded: () => isEnded }
    }),
    ({ child, find }) =>
      Effect.suspend(() => {
        child.kill("SIGKILL")
        const identity = find()
        return identity === undefined ? Effect.void : Identity.signal(identity, "SIGKILL")
      })
  ).pipe(
    Effect.tap(({ find }) =>
      waitUntil(
        Effect.sync(() => find() !== undefined),
        { boundMillis: 20_000, what: "the detached process" }
      )
    ),
    Effect.map((it) => ({ ...it, identity: decodeIdentity(JSON.stringify(it.find())) }))
  )

describe("Detached", () => {
  it.scopedLive("is in a session of its own, at the root, with its own environment and nothing of ours", () =>
    Effect.gen(function* () {
      const detached = yield* shell("pwd; env; cat /proc/self/stat; ls -l /proc/$$/fd", {
        env: { PATH, ONLY: "this" },
        stdout: "pipe"
      })
      const lines = yield* all(detached)
      assert.deepStrictEqual(yield* detached.exit, Exit.fromCode(0))
      assert.strictEqual(lines[0], "/")
      assert.includeMembers([...lines], ["ONLY=this"])
      assert.isFalse(lines.some((line) => line.startsWith("HOME=")))
      const row = lines.map(ProcTable.parseRow).find((found) => found !== undefined && found.parent > 0)
      assert.strictEqual(row?.session, detached.identity.pid)
      const descriptors = lines.filter((line) => line.includes(" -> "))
      const links = descriptors.map((line) => line.replace(/^.* (\d+ -> )/, "$1").replace(/\[\d+\]/, "[N]"))
      assert.deepStrictEqual(links.slice(0, 3), ["0 -> /dev/null", "1 -> socket:[N]", "2 -> /dev/null"])
      // In the place of what these tests were given.
      assert.isTrue(links.slice(3).every((link) => link.endsWith(" -> /dev/null")))
    })
  )

  it.scopedLive("reads what it is given, and tells what it prints by lines", () =>
    Effect.gen(function* () {
      const detached = yield* start({ ...base, argv: ["cat"], stdin: "pipe", stdout: "pipe" })
      yield* detached.write("one\ntw")
      yield* detached.write("o\nthree")
      yield* detached.end
      assert.deepStrictEqual(yield* all(detached), ["one", "two", "three"])
      assert.deepStrictEqual(yield* detached.exit, Exit.fromCode(0))
    })
  )

  it.scopedLive("says when nobody reads what is written", () =>
    Effect.gen(function* () {
      const detached = yield* shell("exec <&-; echo closed; exec sleep 600", { stdin: "pipe", stdout: "pipe" })
      yield* Stream.runHead(detached.lines)
      const error = yield* Effect.flip(detached.write("one\n"))
      assert.strictEqual(error._tag, "InputClosed")
      assert.include(error.message, "/bin/sh")
      assert.isNotEmpty(error.suggestion)
      assert.isTrue(yield* Identity.isAlive(detached.identity))
      const without = yield* shell("exec sleep 600")
      assert.strictEqual((yield* Effect.flip(without.write("one\n")))._tag, "InputClosed")
    })
  )

  it.scopedLive("meets the end of its input when we leave it, and goes on", () =>
    Effect.gen(function* () {
      const file = Path.join(yield* Temp.directory, "ended")
      const detached = yield* shell('cat; echo ended > "$FILE"; exec sleep 600', {
        env: { PATH, FILE: file },
        stdin: "pipe",
        stdout: "pipe"
      })
      yield* detached.leave
      yield* waitUntil(
        Effect.sync(() => Fs.existsSync(file)),
        { boundMillis: 10_000 }
      )
      assert.isTrue(yield* Identity.isAlive(detached.identity))
    })
  )

  it.scopedLive("tells its exit code, or the signal that ended it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* (yield* shell("exit 7")).exit, Exit.fromCode(7))
      assert.deepStrictEqual(yield* (yield* shell("kill -9 $$")).exit, Exit.fromSignal("SIGKILL"))
    })
  )

  it.scopedLive("says why it could not be started", () =>
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      const plain = Path.join(directory, "plain")
      Fs.writeFileSync(plain, "", { mode: 0o600 })
      const refusal = (options: Partial<Detached.DetachedOptions>) =>
        Effect.flip(Detached.start({ ...base, argv: ["true"], ...options }))
      assert.strictEqual((yield* refusal({ argv: ["bottle-no-such-program"] }))._tag, "ProgramNotFound")
      const reason = (options: Partial<Detached.DetachedOptions>) =>
        Effect.map(refusal(options), (error) => (error._tag === "SpawnRefused" ? error.reason : error._tag))
      assert.strictEqual(yield* reason({ cwd: Path.join(directory, "missing") }), "working-directory-missing")
      assert.strictEqual(yield* reason({ cwd: plain }), "not-a-directory")
      assert.strictEqual(yield* reason({ argv: [plain] }), "permission")
      assert.strictEqual(yield* reason({ argv: ["true", "a\0b"] }), "nul-in-argument")
      assert.strictEqual(yield* reason({ argv: ["true", "a".repeat(300_000)] }), "arguments-too-long")
    })
  )

  it.scopedLive("outlives a parent that is killed with all its group, and holds nothing of it open", () =>
    Effect.gen(function* () {
      const { child, identity, isOutputEnded } = yield* parent("stays", ["/bin/sh", "-c", "read word; exec sleep 600"])
      process.kill(-(child.pid ?? 0), "SIGKILL")
      yield* waitUntil(Effect.sync(isOutputEnded), { boundMillis: 10_000, what: "the end of the parent's output" })
      // It has met the end of its input, and goes on.
      yield* waitUntil(
        Effect.sync(() => Fs.readFileSync(`/proc/${identity.pid}/cmdline`, "latin1").startsWith("sleep\0")),
        { boundMillis: 10_000 }
      )
      assert.isTrue(yield* Identity.isAlive(identity))
    })
  )

  it.scopedLive("does not keep its parent from ending", () =>
    Effect.gen(function* () {
      const { child, identity, isOutputEnded } = yield* parent("leaves", ["sleep", "600"])
      yield* waitUntil(Effect.sync(isOutputEnded), { boundMillis: 10_000, what: "the end of the parent" })
      assert.strictEqual(child.signalCode, null)
      assert.isTrue(yield* Identity.isAlive(identity))
    })
  )

  const bash = ["/usr/bin/bash", "/bin/bash"].find((path) => Fs.existsSync(path))

  it.scopedLive.skipIf(bash === undefined)(
    `has none of the descriptors that its parent was given${bash === undefined ? " (skipped: no bash)" : ""}`,
    () =>
      Effect.gen(function* () {
        const file = Path.join(yield* Temp.directory, "given")
        const open = [bash ?? "", "-c", 'exec 5>"$1" 17>"$1" 63>"$1"; shift; exec "$@"', "open", file]
        const { child, identity } = yield* parent("stays", ["sleep", "600"], open)
        const links = (pid: number) =>
          Fs.readdirSync(`/proc/${pid}/fd`).map((name) => [name, Fs.readlinkSync(`/proc/${pid}/fd/${name}`)] as const)
        assert.deepStrictEqual(
          links(child.pid ?? 0)
            .flatMap(([name, to]) => (to === file ? [Number(name)] : []))
            .toSorted((left, right) => left - right),
          [5, 17, 63]
        )
        assert.isFalse(links(identity.pid).some(([, to]) => to === file))
      })
  )
})
