import { EgressEvent } from "@bottle/egress/EgressEvent"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { Directories } from "../src/Directories.js"
import * as LineFile from "../src/internal/lineFile.js"
import { type LaunchEvent, LaunchObserver, notify } from "../src/LaunchObserver.js"
import { BundleFailed, SecretMissing } from "../src/LaunchError.js"
import { LaunchPlan } from "../src/LaunchPlan.js"
import { LedgerFailed, NameTaken } from "../src/LedgerError.js"
import { EgressUnproven } from "../src/ProofError.js"
import { ProofRecord } from "../src/ProofRecord.js"
import * as Record from "../src/Record.js"
import { bare, directoriesIn, heldProof as proven, id, planOf } from "./fixtures/plans.js"

const plan = planOf(bare)

const decision = (sequence: number): EgressEvent =>
  new EgressEvent(
    {
      sequence,
      request: sequence,
      phase: "decision",
      time: DateTime.unsafeMake(0),
      method: "GET",
      host: "example.com",
      port: 80,
      address: null,
      rule: null,
      verdict: "deny",
      reason: "no-rule",
      detail: "no rule allows this host",
      bytesUp: 0,
      bytesDown: 0,
      durationMillis: 0
    },
    { disableValidation: true }
  )

const linesOf = (file: string): ReadonlyArray<Record<string, unknown>> =>
  Fs.readFileSync(file, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line))

/** A disk that takes this many bytes and no more. */
const fullAfter = (bytes: number): Layer.Layer<FileSystem.FileSystem> =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => {
      let left = bytes
      const full = new PlatformError.SystemError({
        reason: "Unknown",
        module: "FileSystem",
        method: "write",
        description: "ENOSPC: no space left on device, write"
      })
      return {
        ...fs,
        open: (path, options) =>
          Effect.map(fs.open(path, options), (file) => ({
            ...file,
            writeAll: (buffer) => {
              left -= buffer.length
              return left < 0 ? Effect.fail(full) : file.writeAll(buffer)
            }
          }))
      } satisfies FileSystem.FileSystem
    })
  ).pipe(Layer.provide(NodeFileSystem.layer))

describe("Record", () => {
  it.live("is not kept of a launch that was refused before its bottle was claimed, and is of any other", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const directories = directoriesIn(directory)
        const stage = notify({ _tag: "StageStarted", stage: "create" })
        const ledgerFailed = new LedgerFailed({ path: "/l", reason: "the disk is full" })
        const failing = (error: NameTaken | SecretMissing | LedgerFailed | BundleFailed, before: Effect.Effect<void>) =>
          Effect.scoped(
            Effect.gen(function* () {
              const record = yield* Record.make({ plan, directories })
              const failed = yield* Effect.flip(record.launching(Effect.zipRight(before, Effect.fail(error))))
              yield* record.ended({ code: null, origin: "engine", timedOut: false, error: failed._tag })
            })
          ).pipe(
            Effect.map(() => Fs.existsSync(`${directories.state}/records/${id}`)),
            Effect.tap(() =>
              Effect.sync(() => Fs.rmSync(`${directories.state}/records/${id}`, { recursive: true, force: true }))
            )
          )
        assert.isFalse(yield* failing(new NameTaken({ name: "demo", id }), Effect.void))
        assert.isFalse(yield* failing(new SecretMissing({ name: "TOKEN" }), Effect.void))
        assert.isFalse(yield* failing(ledgerFailed, Effect.void))
        assert.isTrue(yield* failing(ledgerFailed, stage))
        assert.isTrue(yield* failing(new BundleFailed({ reason: "no", advice: "try" }), Effect.void))
        // What somebody else has there stays.
        Fs.mkdirSync(`${directories.state}/records/${id}`)
        assert.isTrue(yield* failing(new NameTaken({ name: "demo", id }), Effect.void))
      }).pipe(Effect.provide(NodeFileSystem.layer))
    )
  )

  it.live("holds the plan, each decision, the stages and the end, for its owner only", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const directories = directoriesIn(directory)
        const executed = new LaunchPlan({ ...plan, readyTimeoutMillis: 1 })
        const at = yield* Effect.scoped(
          Effect.gen(function* () {
            const record = yield* Record.make({ plan, directories })
            const bottle = { plan: executed, proof: proven, events: Stream.range(1, 3).pipe(Stream.map(decision)) }
            const launch = Effect.as(
              notify({ _tag: "StageEnded", stage: "create", durationMillis: 5, ok: true }),
              bottle
            )
            assert.strictEqual(yield* record.launching(launch), bottle)
            yield* record.ended({ code: 7, origin: "guest", timedOut: false, error: null })
            return record.directory
          })
        )
        assert.strictEqual(at, `${directories.state}/records/${id}`)
        assert.strictEqual(Fs.statSync(at).mode & 0o777, 0o700)
        const names = Fs.readdirSync(at).toSorted()
        assert.deepStrictEqual(names, ["decisions.jsonl", "launch.jsonl", "plan.json", "proof.json"])
        for (const name of names) assert.strictEqual(Fs.statSync(`${at}/${name}`).mode & 0o777, 0o600)

        const written = Schema.decodeUnknownSync(Schema.parseJson(LaunchPlan))(
          Fs.readFileSync(`${at}/plan.json`, "utf8")
        )
        assert.deepStrictEqual(written, executed)
        const shown = Schema.decodeUnknownSync(Schema.parseJson(ProofRecord))(
          Fs.readFileSync(`${at}/proof.json`, "utf8")
        )
        assert.deepStrictEqual(shown, proven)
        const decisions = linesOf(`${at}/decisions.jsonl`).map((line) => Schema.decodeUnknownSync(EgressEvent)(line))
        assert.deepStrictEqual(decisions, [decision(1), decision(2), decision(3)])
        const launch = linesOf(`${at}/launch.jsonl`)
        assert.deepInclude(launch[0], { _tag: "StageEnded", stage: "create", durationMillis: 5, ok: true })
        assert.deepInclude(launch[1], { _tag: "Ended", code: 7, origin: "guest" })
        assert.match(String(launch[0]?.["time"]), /^\d{4}-\d\d-\d\dT/)
      })
    ).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("holds the proof that kept a launch from becoming a bottle, and tells others what happens", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const noticed: Array<LaunchEvent> = []
        const proof = new ProofRecord({ ...proven, outcome: "unproven", reason: "no-tool", tool: null })
        const refused = new EgressUnproven({ machine: "m", reason: "no-tool", detail: "", record: proof })
        const started: LaunchEvent = { _tag: "StageStarted", stage: "proof" }
        const at = yield* Effect.scoped(
          Effect.gen(function* () {
            const record = yield* Record.make({ plan, directories: directoriesIn(directory) })
            const launch = Effect.zipRight(notify(started), Effect.fail(refused))
            assert.strictEqual(yield* Effect.flip(record.launching(launch)), refused)
            return record.directory
          })
        ).pipe(
          Effect.provideService(LaunchObserver, { notify: (event) => Effect.sync(() => void noticed.push(event)) })
        )
        assert.deepStrictEqual(noticed, [started])
        assert.deepInclude(linesOf(`${at}/launch.jsonl`)[0], started)
        const text = Fs.readFileSync(`${at}/proof.json`, "utf8")
        assert.deepStrictEqual(Schema.decodeUnknownSync(Schema.parseJson(ProofRecord))(text), proof)
        assert.isFalse(Fs.existsSync(`${at}/decisions.jsonl`))
      })
    ).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("shows a decision while the bottle lives", () =>
    Temp.withTempDir((directory) =>
      Effect.scoped(
        Effect.gen(function* () {
          const record = yield* Record.make({ plan, directories: directoriesIn(directory) })
          const endless = Stream.concat(Stream.make(decision(1)), Stream.never)
          yield* record.launching(Effect.succeed({ plan, proof: proven, events: endless }))
          const file = `${record.directory}/decisions.jsonl`
          yield* waitUntil(
            Effect.sync(() => Fs.readFileSync(file, "utf8").endsWith("\n")),
            { boundMillis: 10_000, what: "a decision in the record" }
          )
          assert.lengthOf(linesOf(file), 1)
        })
      )
    ).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("tells once that it is not complete, and holds nothing up, when the disk is full", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const told: Array<Record.RecordFailed> = []
        const at = yield* Effect.scoped(
          Effect.gen(function* () {
            const record = yield* Record.make({
              plan,
              directories: directoriesIn(directory),
              onBroken: (error) => Effect.sync(() => void told.push(error))
            })
            const events = Stream.range(1, 5).pipe(
              Stream.map(decision),
              Stream.tap((event) =>
                event.sequence === 3
                  ? waitUntil(
                      Effect.sync(() => linesOf(`${record.directory}/decisions.jsonl`).length === 2),
                      { boundMillis: 10_000 }
                    )
                  : Effect.void
              ),
              Stream.rechunk(1)
            )
            yield* record.launching(Effect.succeed({ plan, proof: proven, events }))
            return record.directory
          })
        )
        assert.lengthOf(told, 1)
        assert.strictEqual(told[0]?.message, `the record ${at} is not complete: ENOSPC: no space left on device`)
        assert.lengthOf(linesOf(`${at}/decisions.jsonl`), 2)
      })
    ).pipe(Effect.provide(fullAfter(2 * JSON.stringify(Schema.encodeSync(EgressEvent)(decision(1))).length + 2)))
  )

  const inTheWay: ReadonlyArray<readonly [what: string, put: (state: string) => void, reason: RegExp]> = [
    ["is there already", (state) => Fs.mkdirSync(`${state}/records/${id}`, { recursive: true }), /EEXIST/],
    ["is a link", (state) => linkTo(`${state}/records/${id}`), /EEXIST/],
    ["is below a link", (state) => linkTo(`${state}/records`), /records is a link/],
    ["is below a file", (state) => Fs.writeFileSync(`${state}/records`, "x"), /EEXIST|ENOTDIR/]
  ]
  const linkTo = (path: string): void => {
    const above = Path.dirname(path)
    Fs.mkdirSync(`${above}/elsewhere`, { recursive: true })
    Fs.symlinkSync("elsewhere", path)
  }
  for (const [what, put, reason] of inTheWay) {
    it.live(`writes nothing where its directory ${what}, and beside it where not`, () =>
      Temp.withTempDir((directory) =>
        Effect.gen(function* () {
          const told: Array<string> = []
          const attempt = (directories: Directories) =>
            Effect.scoped(
              Effect.gen(function* () {
                const record = yield* Record.make({
                  plan,
                  directories,
                  onBroken: (error) => Effect.sync(() => void told.push(error.message))
                })
                yield* record.launching(Effect.succeed({ plan, proof: proven, events: Stream.make(decision(1)) }))
              })
            )
          const directories = directoriesIn(directory)
          Fs.mkdirSync(directories.state)
          put(directories.state)
          yield* attempt(directories)
          assert.lengthOf(told, 1)
          assert.match(told[0] ?? "", reason)
          const files = Fs.readdirSync(directory, { recursive: true, encoding: "utf8" })
          assert.deepStrictEqual(
            files.filter((name) => /jsonl?$/.test(name)),
            []
          )
          const other = directoriesIn(`${directory}/other`)
          yield* attempt(other)
          assert.lengthOf(told, 1)
          assert.isTrue(Fs.existsSync(`${other.state}/records/${id}/decisions.jsonl`))
        })
      ).pipe(Effect.provide(NodeFileSystem.layer))
    )
  }

  it.live("keeps the newest 200, what lives, and what is no record", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const directories = directoriesIn(directory)
        const parent = Record.directoryOf(directories)
        const name = (index: number) => `old-${String(index).padStart(5, "0")}`
        for (let index = 0; index < 203; index++) {
          Fs.mkdirSync(`${parent}/${name(index)}`, { recursive: true })
          Fs.writeFileSync(`${parent}/${name(index)}/plan.json`, "{}")
          Fs.utimesSync(`${parent}/${name(index)}`, index, index)
        }
        Fs.mkdirSync(`${parent}/notes of mine`)
        Fs.utimesSync(`${parent}/notes of mine`, 0, 0)
        Fs.mkdirSync(`${directories.run}/${name(1)}`, { recursive: true })
        yield* Effect.scoped(
          Effect.zipRight(
            Record.make({ plan, directories }),
            waitUntil(
              Effect.sync(() => Fs.readdirSync(parent).length === 202),
              { boundMillis: 10_000, what: "the oldest records to go" }
            )
          )
        )
        // 203 old and one new: four too many, of which one lives.
        for (const [index, isThere] of [
          [0, false],
          [1, true],
          [2, false],
          [3, false],
          [4, true],
          [202, true]
        ] as const) {
          assert.strictEqual(Fs.existsSync(`${parent}/${name(index)}`), isThere, name(index))
        }
        assert.isTrue(Fs.existsSync(`${parent}/notes of mine`))
        assert.isTrue(Fs.existsSync(`${parent}/${id}`))
      })
    ).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("the lines of a record", () => {
  it.live("end with one that says so where they would grow too long", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const file = `${directory}/lines`
        yield* Effect.scoped(
          Effect.map(LineFile.make(file, { capBytes: 100, onBroken: () => Effect.void }), ({ append }) => {
            for (let index = 0; index < 1000; index++) append(`{"line":${index},"text":"ä"}`)
          })
        )
        const lines = linesOf(file)
        assert.deepStrictEqual(lines.at(-1), { cut: true, capBytes: 100 })
        assert.deepStrictEqual(lines[0], { line: 0, text: "ä" })
        assert.isAtMost(Fs.statSync(file).size, 100)
      })
    ).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
