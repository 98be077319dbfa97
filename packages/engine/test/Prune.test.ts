import { listing } from "@bottle/testing/Listing"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as BottleId from "../src/BottleId.js"
import type { Directories } from "../src/Directories.js"
import type { LaunchOptions } from "../src/LaunchOptions.js"
import * as Ledger from "../src/Ledger.js"
import * as Prune from "../src/Prune.js"
import { as, directoriesIn, planIn, type StandIn, standIn } from "./fixtures/ledgers.js"

const DAY = 86_400_000

const one = (over: Partial<Prune.Stored>): Prune.Stored => ({
  kind: "pack",
  name: "p",
  path: "/c/p",
  bytes: 10,
  unusedMillis: 0,
  usedBy: null,
  note: null,
  ...over
})

const names = ({ prunable }: Prune.Survey) => prunable.map(({ stored }) => stored.name)

describe("what is to go", () => {
  const stored = [
    one({ name: "new", path: "/1", unusedMillis: 1 * DAY }),
    one({ name: "old", path: "/2", unusedMillis: 40 * DAY }),
    one({ name: "older", path: "/3", unusedMillis: 50 * DAY }),
    one({ name: "used", path: "/4", unusedMillis: 60 * DAY, usedBy: "the bottle x boots from it" }),
    one({ name: "begun", path: "/5", unusedMillis: 0, kind: "partial" })
  ]
  const cases: ReadonlyArray<
    readonly [what: string, bounds: Parameters<typeof Prune.decide>[1], gone: ReadonlyArray<string>]
  > = [
    ["is what was never finished, where there is no bound", {}, ["begun"]],
    ["is what is older than a bound", { olderMillis: 30 * DAY }, ["older", "old", "begun"]],
    ["is not what is as old as a bound", { olderMillis: 50 * DAY }, ["begun"]],
    ["is the oldest, where all of it is too much", { maxSizeBytes: 35 }, ["older", "begun"]],
    ["is all that nobody uses, where nothing may be left", { maxSizeBytes: 0 }, ["older", "old", "new", "begun"]],
    ["is what either bound says", { maxSizeBytes: 30, olderMillis: 45 * DAY }, ["older", "begun"]],
    ["is more where what is old is not enough", { maxSizeBytes: 25, olderMillis: 45 * DAY }, ["older", "old", "begun"]]
  ]
  for (const [what, bounds, gone] of cases) {
    it(what, () => assert.deepStrictEqual(names(Prune.decide(stored, bounds)), gone))
  }

  it("is never used, is each once, and leaves no more than is asked for but what is used", () => {
    const arbitrary = FastCheck.array(
      FastCheck.record({
        bytes: FastCheck.nat(1000),
        unusedMillis: FastCheck.nat(1000),
        isUsed: FastCheck.boolean()
      }),
      { maxLength: 12 }
    )
    FastCheck.assert(
      FastCheck.property(arbitrary, FastCheck.nat(4000), FastCheck.nat(1000), (all, maxSizeBytes, olderMillis) => {
        const stored = all.map(({ bytes, isUsed, unusedMillis }, at) =>
          one({ path: `/${at}`, bytes, unusedMillis, usedBy: isUsed ? "a bottle" : null })
        )
        const { prunable, staying } = Prune.decide(stored, { maxSizeBytes, olderMillis })
        assert.isTrue(prunable.every((found) => found.stored.usedBy === null && found.why !== ""))
        assert.strictEqual(new Set(prunable.map((found) => found.stored.path)).size + staying.length, stored.length)
        assert.isTrue(staying.every((found) => found.usedBy !== null || found.unusedMillis <= olderMillis))
        const left = staying.reduce((sum, { bytes }) => sum + bytes, 0)
        assert.isTrue(left <= maxSizeBytes || staying.every(({ bytes, usedBy }) => usedBy !== null || bytes === 0))
      })
    )
  })
})

/** A file that was last written and read so long ago. */
const file = (path: string, bytes: number, ageMillis: number): void => {
  Fs.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true })
  Fs.writeFileSync(path, Buffer.alloc(bytes))
  age(path, ageMillis)
}

const age = (path: string, ageMillis: number): void => {
  const then = new Date(Date.now() - ageMillis)
  Fs.utimesSync(path, then, then)
}

const ended = `${JSON.stringify({
  time: "2026-01-01T00:00:05.000Z",
  _tag: "Ended",
  code: 0,
  origin: "guest",
  timedOut: false,
  error: null
})}\n`

const record = (
  { state }: Directories,
  id: string,
  { ageMillis = 40 * DAY, launch = ended, plan = "{" }: { ageMillis?: number; launch?: string; plan?: string } = {}
): void => {
  const directory = `${state}/records/${id}`
  Fs.mkdirSync(directory, { recursive: true })
  for (const [name, text] of Object.entries({ "launch.jsonl": launch, "plan.json": plan })) {
    Fs.writeFileSync(`${directory}/${name}`, text)
    age(`${directory}/${name}`, ageMillis)
  }
}

const inDirectories = <A, E, R>(use: (directories: Directories, directory: string) => Effect.Effect<A, E, R>) =>
  Temp.withTempDir((directory) => use(directoriesIn(directory), directory)).pipe(Effect.provide(NodeFileSystem.layer))

const both = { packs: true, records: true, olderMillis: 30 * DAY }

const claim = (
  directory: string,
  suffix: string,
  options: LaunchOptions,
  owner: StandIn
): Effect.Effect<BottleId.BottleId> => {
  const plan = planIn(directory, suffix, options)
  return Effect.flatMap(Scope.make(), (scope) => Scope.extend(Ledger.claim(plan), scope)).pipe(
    as(owner),
    Effect.provide(NodeFileSystem.layer),
    Effect.as(plan.id),
    Effect.orDie
  )
}

const fromPack = (path: string): LaunchOptions => ({ source: { _tag: "Pack", path } })

const kinds = ({ prunable }: Prune.Survey): ReadonlyArray<string> =>
  prunable.map(({ stored: { kind, path } }) => `${kind} ${path.slice(path.lastIndexOf("/") + 1)}`).toSorted()

const suffixed = (suffix: string) => BottleId.fromParts("demo", suffix)

describe("a prune", () => {
  it.scopedLive("shows what is old with its size, changes nothing, and then removes it", () =>
    inDirectories((directories, directory) =>
      Effect.gen(function* () {
        const { cache, state } = directories
        file(`${cache}/packs/old.smolmachine`, 1000, 40 * DAY)
        file(`${cache}/packs/new.smolmachine`, 10, DAY)
        file(`${cache}/packs/.partial-${suffixed("aaaa1")}`, 5, 0)
        file(`${cache}/packs/notes of mine`, 5, 400 * DAY)
        record(directories, suffixed("aaaa2"))
        record(directories, suffixed("aaaa3"), { ageMillis: DAY })
        file(`${state}/records/notes of mine/x`, 5, 400 * DAY)
        const before = listing(directory)
        age(`${cache}/packs/old.smolmachine`, 40 * DAY)
        const survey = yield* Prune.survey({ directories, ...both })
        assert.deepStrictEqual(listing(directory), before)
        assert.deepStrictEqual(kinds(survey), [
          `pack old.smolmachine`,
          `partial .partial-${suffixed("aaaa1")}`,
          `record ${suffixed("aaaa2")}`
        ])
        const sizes = new Map(survey.prunable.map(({ stored }) => [stored.kind, stored.bytes]))
        assert.strictEqual(sizes.get("pack"), 1000)
        assert.strictEqual(sizes.get("record"), ended.length + 1)

        const removed = yield* Prune.remove(directories, survey.prunable)
        assert.isTrue(removed.every(({ failure }) => failure === null))
        assert.deepStrictEqual(Fs.readdirSync(`${cache}/packs`).toSorted(), ["new.smolmachine", "notes of mine"])
        assert.deepStrictEqual(Fs.readdirSync(`${state}/records`).toSorted(), [suffixed("aaaa3"), "notes of mine"])
        assert.deepStrictEqual(names(yield* Prune.survey({ directories, ...both })), [])
      })
    )
  )

  it.live("looks at packs, or records, where only those are meant", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        file(`${directories.cache}/packs/old.smolmachine`, 1, 40 * DAY)
        record(directories, suffixed("aaaa1"))
        const of = (over: Partial<Prune.PruneOptions>) =>
          Effect.map(Prune.survey({ directories, ...both, ...over }), kinds)
        assert.deepStrictEqual(yield* of({ records: false }), ["pack old.smolmachine"])
        assert.deepStrictEqual(yield* of({ packs: false }), [`record ${suffixed("aaaa1")}`])
        assert.deepStrictEqual(yield* of({ packs: false, records: false }), [])
      })
    )
  )

  it.live("finds nothing where there is nothing", () =>
    inDirectories((directories, directory) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* Prune.survey({ directories, ...both, maxSizeBytes: 0 }), {
          prunable: [],
          staying: []
        })
        assert.deepStrictEqual(Fs.readdirSync(directory), [])
      })
    )
  )

  it.scopedLive("leaves what a bottle that has its ledger needs, by whatever path it names it", () =>
    inDirectories((directories, directory) =>
      Effect.gen(function* () {
        const owner = yield* standIn
        const packs = `${directories.cache}/packs`
        for (const name of ["used", "linked", "unused"]) file(`${packs}/${name}.smolmachine`, 1, 40 * DAY)
        Fs.symlinkSync(packs, `${directory}/link`)
        yield* claim(directory, "aaaa1", fromPack(`${packs}/used.smolmachine`), owner)
        yield* claim(directory, "aaaa2", fromPack(`${directory}/link/linked.smolmachine`), owner)
        record(directories, suffixed("aaaa1"))
        record(directories, suffixed("aaaa3"))
        const survey = yield* Prune.survey({ directories, ...both, maxSizeBytes: 0 })
        assert.deepStrictEqual(kinds(survey), ["pack unused.smolmachine", `record ${suffixed("aaaa3")}`])
        assert.deepStrictEqual(survey.staying.map(({ usedBy }) => usedBy).toSorted(), [
          "the bottle demo-aaaa1 boots from it",
          "the bottle demo-aaaa1 has its ledger",
          "the bottle demo-aaaa2 boots from it"
        ])
      })
    )
  )

  it.scopedLive("leaves alone what is taken into use between the look and the removal", () =>
    inDirectories((directories, directory) =>
      Effect.gen(function* () {
        const owner = yield* standIn
        const pack = `${directories.cache}/packs/old.smolmachine`
        file(pack, 1, 40 * DAY)
        record(directories, suffixed("aaaa1"))
        const { prunable } = yield* Prune.survey({ directories, ...both })
        assert.lengthOf(prunable, 2)
        yield* claim(directory, "aaaa1", fromPack(pack), owner)
        const removed = yield* Prune.remove(directories, prunable)
        for (const { failure } of removed) assert.match(failure?.message ?? "", /boots from it|has a ledger now/)
        assert.isTrue(Fs.existsSync(pack))
        assert.isTrue(Fs.existsSync(`${directories.state}/records/${suffixed("aaaa1")}`))
        assert.isFalse(Fs.existsSync(`${pack}.lock`))
      })
    )
  )

  it.scopedLive("leaves every pack where the plan of a bottle cannot be read, and removes records all the same", () =>
    inDirectories((directories, directory) =>
      Effect.gen(function* () {
        const owner = yield* standIn
        file(`${directories.cache}/packs/old.smolmachine`, 1, 40 * DAY)
        const id = yield* claim(directory, "aaaa1", { source: { _tag: "Bare" } }, owner)
        record(directories, suffixed("aaaa2"))
        Fs.writeFileSync(`${directories.state}/bottles/${id}/plan.json`, "{")
        const survey = yield* Prune.survey({ directories, ...both })
        assert.deepStrictEqual(kinds(survey), [`record ${suffixed("aaaa2")}`])
        assert.match(survey.staying[0]?.usedBy ?? "", /cannot be read/)
      })
    )
  )

  it.scopedLive("leaves a pack that somebody makes, and takes the lock of who was killed for none", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        const owner = yield* standIn
        const pack = `${directories.cache}/packs/old.smolmachine`
        file(pack, 1, 40 * DAY)
        const lock = () => Fs.writeFileSync(`${pack}.lock`, JSON.stringify(owner.owner.identity))
        const { prunable } = yield* Prune.survey({ directories, ...both })
        lock()
        assert.deepStrictEqual(kinds(yield* Prune.survey({ directories, ...both })), [])
        const [held] = yield* Prune.remove(directories, prunable)
        assert.match(held?.failure?.message ?? "", /is locked by process/)
        yield* owner.kill
        const [gone] = yield* Prune.remove(directories, prunable)
        assert.isNull(gone?.failure)
        assert.deepStrictEqual(Fs.readdirSync(`${directories.cache}/packs`), [])
      })
    )
  )

  it.live("refuses to say anything where the ledgers cannot be read", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        Fs.mkdirSync(directories.state, { recursive: true })
        Fs.writeFileSync(`${directories.state}/bottles`, "")
        file(`${directories.cache}/packs/old.smolmachine`, 1, 40 * DAY)
        const refused = yield* Effect.flip(Prune.survey({ directories, ...both }))
        assert.strictEqual(refused._tag, "PruneRefused")
        Fs.rmSync(`${directories.state}/bottles`)
        assert.lengthOf((yield* Prune.survey({ directories, ...both })).prunable, 1)
      })
    )
  )

  it.live("says of a record of another version that it is not read, and removes it by its age", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        record(directories, suffixed("aaaa1"), { plan: `{"version":2}` })
        const { prunable } = yield* Prune.survey({ directories, ...both })
        assert.match(prunable[0]?.stored.note ?? "", /is of version 2/)
        assert.isNull((yield* Prune.remove(directories, prunable))[0]?.failure)
      })
    )
  )

  it.live("leaves a record that does not say that its bottle has ended while it is young", () =>
    inDirectories((directories) =>
      Effect.gen(function* () {
        record(directories, suffixed("aaaa1"), { launch: "", ageMillis: 60_000 })
        record(directories, suffixed("aaaa2"), { launch: ended, ageMillis: 60_000 })
        record(directories, suffixed("aaaa3"), { launch: "", ageMillis: DAY })
        const survey = yield* Prune.survey({ directories, packs: false, records: true, maxSizeBytes: 0 })
        assert.deepStrictEqual(kinds(survey), [`record ${suffixed("aaaa2")}`, `record ${suffixed("aaaa3")}`])
      })
    )
  )

  it.live("follows no link, neither to count nor to remove", () =>
    inDirectories((directories, directory) =>
      Effect.gen(function* () {
        const precious = `${directory}/precious`
        file(`${precious}/file`, 100_000, 0)
        record(directories, suffixed("aaaa1"))
        const at = `${directories.state}/records/${suffixed("aaaa1")}`
        Fs.symlinkSync(precious, `${at}/directory`)
        Fs.symlinkSync(`${precious}/file`, `${at}/decisions.jsonl`)
        Fs.symlinkSync(precious, `${directories.state}/records/${suffixed("aaaa2")}`)
        file(`${directories.cache}/packs/old.smolmachine`, 1, 40 * DAY)
        Fs.symlinkSync(`${precious}/file`, `${directories.cache}/packs/link.smolmachine`)
        const survey = yield* Prune.survey({ directories, ...both, maxSizeBytes: 0 })
        const bytes = new Map(survey.prunable.map(({ stored }) => [stored.path, stored.bytes]))
        assert.strictEqual(bytes.get(at), ended.length + 1)
        for (const { failure } of yield* Prune.remove(directories, survey.prunable)) assert.isNull(failure)
        assert.strictEqual(Fs.statSync(`${precious}/file`).size, 100_000)
        assert.isFalse(Fs.existsSync(at))
        assert.isTrue(Fs.lstatSync(`${directories.state}/records/${suffixed("aaaa2")}`).isSymbolicLink())
        assert.deepStrictEqual(Fs.readdirSync(`${directories.cache}/packs`), ["link.smolmachine"])
      })
    )
  )
})
