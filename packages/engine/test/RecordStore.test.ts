import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as BottleId from "../src/BottleId.js"
import { Directories } from "../src/Directories.js"
import { LaunchObserver, notify } from "../src/LaunchObserver.js"
import { LaunchPlan } from "../src/LaunchPlan.js"
import { ProofRecord } from "../src/ProofRecord.js"
import * as Record from "../src/Record.js"
import * as RecordStore from "../src/RecordStore.js"
import { bare, directoriesIn, heldProof as proven, id, planOf } from "./fixtures/plans.js"

const plan = planOf(bare)

/** The files of a record; what is undefined is not there. */
interface Files {
  readonly plan?: string | undefined
  readonly proof?: string | undefined
  readonly launch?: string | undefined
  readonly bundle?: string | undefined
  readonly decisions?: string | undefined
}

const whole: Files = {
  plan: JSON.stringify(Schema.encodeSync(LaunchPlan)(plan)),
  proof: JSON.stringify(Schema.encodeSync(ProofRecord)(proven)),
  launch: `{"time":"2026-01-01T00:00:00.000Z","_tag":"StageStarted","stage":"create"}\n`
}

const ended = (code: number | null, more: object = {}): string =>
  `${JSON.stringify({
    time: "2026-01-01T00:00:05.000Z",
    _tag: "Ended",
    code,
    origin: code === null ? "unknown" : "guest",
    timedOut: false,
    error: null,
    ...more
  })}\n`

const put = (directories: Directories, files: Files, name: string = id): string => {
  const directory = `${Record.directoryOf(directories)}/${name}`
  Fs.mkdirSync(directory, { recursive: true })
  const all = { "plan.json": files.plan, "proof.json": files.proof, "launch.jsonl": files.launch }
  const lines = { "bundle.jsonl": files.bundle, "decisions.jsonl": files.decisions }
  for (const [file, text] of Object.entries({ ...all, ...lines })) {
    if (text !== undefined) Fs.writeFileSync(`${directory}/${file}`, text)
  }
  return directory
}

const inDirectories = <A, E>(use: (directories: Directories) => Effect.Effect<A, E, NodeServices>) =>
  Temp.withTempDir((directory) => use(directoriesIn(directory))).pipe(Effect.provide(NodeFileSystem.layer))

type NodeServices = Effect.Effect.Context<ReturnType<typeof RecordStore.list>>

const readOne = (directories: Directories) =>
  Effect.map(RecordStore.read(directories, id), (found) => Option.getOrThrowWith(found, () => "there is no record"))

describe("RecordStore", () => {
  it.live("reads what a record holds", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        const failure = { resource: "network n", reason: "in use", suggestion: "Remove it by hand." }
        const launch = [
          whole.launch,
          `${JSON.stringify({ _tag: "ReleaseFailed", ...failure })}\n`,
          `{"_tag":"Kept","machine":"bottle-demo-abc12"}\n`,
          ended(7)
        ]
        const directory = put(directories, { ...whole, launch: launch.join("") })
        const record = yield* readOne(directories)
        assert.strictEqual(record.directory, directory)
        assert.strictEqual(DateTime.formatIso(record.madeAt), "2026-01-01T00:00:00.000Z")
        assert.deepStrictEqual(record.plan, { _tag: "Read", value: plan })
        assert.deepStrictEqual(record.proof, { _tag: "Read", value: proven })
        assert.deepInclude(Option.getOrNull(record.end), { code: 7, origin: "guest", timedOut: false })
        assert.deepEqual(
          record.failures.map((found) => ({ ...found })),
          [failure]
        )
        assert.deepStrictEqual(record.kept, ["bottle-demo-abc12"])
        assert.isFalse(record.recovered)
        assert.strictEqual(record.damaged, 0)
      })
    )
  )

  it.live("knows no end of a bottle that lives, and none that was not told", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        put(directories, whole)
        assert.isTrue(Option.isNone((yield* readOne(directories)).end))
      })
    )
  )

  it.live("takes the owner's word on the end before that of a recovery", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        const recovered = `{"_tag":"Recovered"}\n`
        const guess = ended(null, { error: "OwnerDied" })
        put(directories, { ...whole, launch: `${whole.launch}${ended(3)}${recovered}${guess}` })
        const both = yield* readOne(directories)
        assert.deepInclude(Option.getOrNull(both.end), { code: 3 })
        assert.isTrue(both.recovered)

        put(directories, { ...whole, launch: `${whole.launch}${recovered}${guess}` })
        const end = Option.getOrNull((yield* readOne(directories)).end)
        assert.deepInclude(end, { code: null, origin: "unknown", error: "OwnerDied" })
      })
    )
  )

  const encoded = Schema.encodeSync(LaunchPlan)(plan)
  const aside: ReadonlyArray<readonly [what: string, text: string, reason: RegExp]> = [
    ["of a later version", JSON.stringify({ ...encoded, version: 2 }), /is of version 2, and this program reads/],
    ["of another form", JSON.stringify({ ...encoded, runtime: "smolvm" }), /another release/],
    ["cut off", JSON.stringify(encoded).slice(0, 40), /not JSON/],
    ["a list", "[]", /no object/],
    ["empty", "", /not JSON/],
    ["huge", " ".repeat(9 * 1024 * 1024), /larger than/]
  ]
  for (const [what, text, reason] of aside) {
    it.live(`sets a plan aside that is ${what}, and reads the rest`, () =>
      inDirectories((directories) =>
        Effect.gen(function* () {
          put(directories, { ...whole, plan: text, launch: `${whole.launch}${ended(0)}` })
          const record = yield* readOne(directories)
          assert.strictEqual(record.plan._tag, "SetAside")
          if (record.plan._tag === "SetAside") assert.match(record.plan.reason, reason)
          assert.strictEqual(record.proof._tag, "Read")
          assert.deepInclude(Option.getOrNull(record.end), { code: 0 })
          assert.lengthOf(yield* RecordStore.list(directories), 1)
        })
      )
    )
  }

  it.live("reads the plan of a release that knew no ledgers, and of one that knows more than this one", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        const { directories: _, ledger: __, ...older } = encoded
        put(directories, { ...whole, plan: JSON.stringify(older) })
        assert.strictEqual((yield* readOne(directories)).plan._tag, "Read")
        put(directories, { ...whole, plan: JSON.stringify({ ...encoded, later: { version: 3 } }) })
        assert.strictEqual((yield* readOne(directories)).plan._tag, "Read")
      })
    )
  )

  it.live("waits for no pipe, and follows none", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        const directory = put(directories, { launch: whole.launch })
        execFileSync("mkfifo", [`${directory}/plan.json`, `${directory}/bundle.jsonl`, `${directory}/output.log`])
        const record = yield* readOne(directories)
        assert.deepStrictEqual(record.plan, { _tag: "SetAside", reason: "it is not a file" })
        assert.deepStrictEqual(record.proof, { _tag: "Missing" })
        assert.strictEqual(yield* Stream.runCount(RecordStore.entries(directory)), 1)
        assert.strictEqual(yield* Stream.runCount(RecordStore.output(directory)), 0)
      })
    )
  )

  it.live("counts lines that cannot be read", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        put(directories, { ...whole, launch: `${whole.launch}\u0000\u0000{\n${ended(1)}{"_tag":"Ende` })
        const record = yield* readOne(directories)
        assert.strictEqual(record.damaged, 2)
        assert.deepInclude(Option.getOrNull(record.end), { code: 1 })
      })
    )
  )

  it.live("reads the beginning of lines that are more than a record's can be", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        put(directories, { launch: `${whole.launch}${ended(4)}${" ".repeat(3 * 1024 * 1024)}` })
        const record = yield* readOne(directories)
        assert.deepInclude(Option.getOrNull(record.end), { code: 4 })
        assert.strictEqual(DateTime.formatIso(record.madeAt), "2026-01-01T00:00:00.000Z")
      })
    )
  )

  it.live("lists the newest first, and nothing that is no record", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* RecordStore.list(directories), [])
        const at = (day: number) => ({ launch: `{"time":"2026-01-0${day}T00:00:00.000Z"}\n` })
        const [older, newer] = [BottleId.fromParts("a", "aaaa1"), BottleId.fromParts("b", "aaaa1")]
        put(directories, at(1), older)
        put(directories, at(2), newer)
        put(directories, at(3), "notes of mine")
        Fs.writeFileSync(`${Record.directoryOf(directories)}/a-file-aaaa1`, "")
        const found = yield* RecordStore.list(directories)
        assert.deepStrictEqual(
          found.map((record) => record.id),
          [newer, older]
        )
      })
    )
  )

  it.live("knows no record of a name that leads elsewhere, and the one beside it", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        put(directories, whole)
        for (const name of ["../records", `../records/${id}`, "", "."]) {
          assert.isTrue(Option.isNone(yield* RecordStore.read(directories, name)), name)
        }
        assert.isTrue(Option.isSome(yield* RecordStore.read(directories, id)))
      })
    )
  )
})

describe("the lines of a record", () => {
  const line = (second: number, more: object = {}): string =>
    `${JSON.stringify({ time: `2026-01-01T00:00:0${second}.000Z`, second, ...more })}\n`
  const files: Files = {
    launch: line(1) + line(5),
    bundle: line(2) + `{"without":"time"}\n` + line(3),
    decisions: line(4) + line(6)
  }
  const shown = (entries: Iterable<RecordStore.Entry>) =>
    [...entries].map(({ part, value }) => `${part} ${value?.["second"] ?? (value === null ? "unreadable" : "-")}`)

  it.live("come in the order of their times", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        const all = yield* Stream.runCollect(RecordStore.entries(put(directories, files)))
        assert.deepStrictEqual(shown(all), [
          "launch 1",
          "bundle 2",
          "bundle -",
          "bundle 3",
          "decisions 4",
          "launch 5",
          "decisions 6"
        ])
      })
    )
  )

  it.live("are those of the parts that are asked for", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        const directory = put(directories, files)
        const some = yield* Stream.runCollect(RecordStore.entries(directory, { parts: ["decisions", "launch"] }))
        assert.deepStrictEqual(shown(some), ["launch 1", "decisions 4", "launch 5", "decisions 6"])
        assert.lengthOf(yield* Stream.runCollect(RecordStore.entries(directory, { parts: [] })), 0)
      })
    )
  )

  it.live("are told though one is torn, too long, or no JSON", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        const long = `{"text":"${"x".repeat(1_200_000)}"}\n`
        const launch = `${line(1)}${long}not JSON\n${line(2)}{"torn`
        const all = yield* Stream.runCollect(RecordStore.entries(put(directories, { launch })))
        assert.deepStrictEqual(shown(all), [
          "launch 1",
          "launch unreadable",
          "launch unreadable",
          "launch 2",
          "launch unreadable"
        ])
      })
    )
  )

  it.live("are followed until there is no more to come, from files that are yet to be made", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        const directory = put(directories, { launch: line(1) })
        const seen: Array<RecordStore.Entry> = []
        const over = yield* Deferred.make<void>()
        const reader = yield* RecordStore.entries(directory, { follow: { until: Deferred.await(over) } }).pipe(
          Stream.runForEach((entry) => Effect.sync(() => void seen.push(entry))),
          Effect.fork
        )
        const until = (count: number) =>
          waitUntil(
            Effect.sync(() => seen.length === count),
            { boundMillis: 10_000, what: `${count} lines` }
          )
        yield* until(1)
        const [begun, rest] = [line(3).slice(0, 10), line(3).slice(10)]
        Fs.writeFileSync(`${directory}/decisions.jsonl`, `${line(2)}${begun}`)
        yield* until(2)
        Fs.appendFileSync(`${directory}/decisions.jsonl`, rest)
        yield* until(3)
        // Written before it is over, and so not missed.
        Fs.appendFileSync(`${directory}/launch.jsonl`, line(4).trim())
        yield* Deferred.succeed(over, undefined)
        yield* Fiber.join(reader)
        assert.deepStrictEqual(shown(seen), ["launch 1", "decisions 2", "decisions 3", "launch 4"])
      })
    )
  )

  it.live("hold what a container bundle says, apart from the stages", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        const heard: Array<string> = []
        yield* Effect.scoped(
          Effect.flatMap(Record.make({ plan, directories }), ({ launching }) =>
            launching(
              Effect.as(notify({ _tag: "BundleSaid", daemon: "egress", text: "hello" }), {
                plan,
                proof: proven,
                events: Stream.empty
              })
            )
          )
        ).pipe(
          Effect.provideService(LaunchObserver, { notify: ({ _tag }) => Effect.sync(() => void heard.push(_tag)) })
        )
        assert.deepStrictEqual(heard, ["BundleSaid"])
        const { directory } = yield* readOne(directories)
        const [said, ...others] = [...(yield* Stream.runCollect(RecordStore.entries(directory)))]
        assert.deepInclude(said?.value, { daemon: "egress", text: "hello" })
        assert.deepStrictEqual(others, [])
      })
    )
  )
})

describe("the output of a main command", () => {
  const text = (chunks: Iterable<Uint8Array>) => Buffer.concat([...chunks]).toString("latin1")

  it.live("is kept as it came, and is for its owner only", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        yield* Effect.scoped(
          Effect.flatMap(Record.make({ plan, directories }), ({ output }) =>
            Effect.zipRight(output(Buffer.from("a\u0000b\n", "latin1")), output(Buffer.from([0xff, 0xfe])))
          )
        )
        const { directory } = yield* readOne(directories)
        assert.strictEqual(Fs.statSync(`${directory}/output.log`).mode & 0o777, 0o600)
        assert.strictEqual(text(yield* Stream.runCollect(RecordStore.output(directory))), "a\u0000b\n\u00ff\u00fe")
        const end = yield* Stream.runCollect(RecordStore.output(directory, { tailBytes: 3 }))
        assert.strictEqual(text(end), "\n\u00ff\u00fe")
      })
    )
  )

  it.live("is followed until there is no more to come", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        const directory = put(directories, {})
        let seen = ""
        const over = yield* Deferred.make<void>()
        const reader = yield* RecordStore.output(directory, { follow: { until: Deferred.await(over) } }).pipe(
          Stream.runForEach((bytes) => Effect.sync(() => void (seen += text([bytes])))),
          Effect.fork
        )
        Fs.writeFileSync(`${directory}/output.log`, "first")
        yield* waitUntil(
          Effect.sync(() => seen === "first"),
          { boundMillis: 10_000, what: "the first bytes" }
        )
        Fs.appendFileSync(`${directory}/output.log`, " second")
        yield* Deferred.succeed(over, undefined)
        yield* Fiber.join(reader)
        assert.strictEqual(seen, "first second")
      })
    )
  )
})
