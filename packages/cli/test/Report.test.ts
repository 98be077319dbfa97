import * as Report from "@bottle/cli/Report"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"

const report = new Report.Report({
  version: 1,
  startedAt: DateTime.unsafeMake(0),
  durationMillis: 12.5,
  record: null,
  plan: null,
  proof: null,
  stages: [{ stage: "create", durationMillis: 3, ok: true }],
  exit: { code: 42, origin: "guest", timedOut: false },
  failure: null,
  denials: [],
  denialsDropped: 0,
  releaseFailures: [],
  kept: []
})

describe("Report.write", () => {
  it.scopedLive("writes a whole file that only its owner can read, in place of what was there", () =>
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      const file = `${directory}/r.json`
      Fs.writeFileSync(file, "what was there, and open to all", { mode: 0o666 })
      yield* Report.write(yield* Report.check(file), report)
      assert.strictEqual(Fs.statSync(file).mode & 0o777, 0o600)
      const read = Schema.decodeUnknownSync(Schema.parseJson(Report.Report))(Fs.readFileSync(file, "utf8"))
      assert.deepStrictEqual(read, report)
      assert.deepStrictEqual(Fs.readdirSync(directory), ["r.json"])
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scopedLive("writes to what is not a regular file, and does not replace it", () =>
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      const pipe = `${directory}/pipe`
      ChildProcess.execFileSync("mkfifo", [pipe])
      const reader = ChildProcess.spawn("cat", [pipe])
      const output = new Promise<string>((resolve) => {
        let text = ""
        reader.stdout.on("data", (chunk) => (text += String(chunk)))
        reader.on("close", () => resolve(text))
      })
      yield* Report.write(yield* Report.check(pipe), report)
      const text = yield* Effect.promise(() => output)
      assert.strictEqual(JSON.parse(text).exit.code, 42)
      assert.isTrue(Fs.statSync(pipe).isFIFO())
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scopedLive("goes on with what is open already, whatever that leads to", () =>
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      const log = Fs.openSync(`${directory}/log`, "w")
      Fs.writeSync(log, "before\n")
      yield* Report.write(yield* Report.check(`/dev/fd/${log}`), report)
      Fs.closeSync(log)
      const [first = "", ...rest] = Fs.readFileSync(`${directory}/log`, "utf8").split("\n")
      assert.strictEqual(first, "before")
      assert.strictEqual(JSON.parse(rest.join("\n")).exit.code, 42)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scopedLive("says before a launch what would be refused after it, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      for (const file of [`${directory}/no/r.json`, directory]) {
        const early = yield* Effect.flip(Report.check(file))
        assert.strictEqual(early.file, file)
      }
      const gone = yield* Report.check(`${directory}/gone.json`)
      Fs.mkdirSync(gone.file)
      yield* Effect.flip(Report.write(gone, report))
      Fs.rmdirSync(gone.file)
      assert.deepStrictEqual(Fs.readdirSync(directory), [])
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("what a guest puts where a report goes", () => {
  it.scopedLive("is replaced and not written to, be it a pipe that nobody reads or a link", () =>
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      const other = `${directory}/other.json`
      Fs.writeFileSync(other, "mine")
      for (const put of [
        (file: string) => ChildProcess.execFileSync("mkfifo", [file]),
        (file: string) => Fs.symlinkSync("/dev/full", file),
        (file: string) => Fs.symlinkSync(other, file)
      ]) {
        const place = yield* Report.check(`${directory}/r.json`)
        Fs.rmSync(place.file, { force: true })
        put(place.file)
        yield* Report.write(place, report)
        assert.isTrue(Fs.lstatSync(place.file).isFile())
      }
      assert.strictEqual(Fs.readFileSync(other, "utf8"), "mine")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scopedLive("is not followed where it is a link in the place of the directory", () =>
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      for (const name of ["out", "elsewhere"]) Fs.mkdirSync(`${directory}/${name}`)
      const place = yield* Report.check(`${directory}/out/r.json`)
      Fs.renameSync(`${directory}/out`, `${directory}/aside`)
      Fs.symlinkSync("elsewhere", `${directory}/out`)
      const refused = yield* Effect.flip(Report.write(place, report))
      assert.include(refused.reason, "not the one that it was")
      assert.deepStrictEqual(Fs.readdirSync(`${directory}/elsewhere`), [])
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("Report.record", () => {
  it("keeps what a launch says, and a bounded number of refusals", () => {
    const recorder = Report.makeRecorder()
    Report.record(recorder, { _tag: "StageStarted", stage: "create" })
    Report.record(recorder, { _tag: "StageEnded", stage: "create", durationMillis: 5, ok: false })
    Report.record(recorder, { _tag: "ReleaseFailed", resource: "r", reason: "why", suggestion: "what" })
    Report.record(recorder, { _tag: "Kept", machine: "bottle-x" })
    assert.deepStrictEqual(recorder, {
      record: null,
      plan: null,
      proof: null,
      stages: [{ stage: "create", durationMillis: 5, ok: false }],
      denials: [],
      denialsDropped: 0,
      releaseFailures: [{ resource: "r", reason: "why", suggestion: "what" }],
      kept: ["bottle-x"]
    })
  })
})
