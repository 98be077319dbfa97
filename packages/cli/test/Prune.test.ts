import { prune, PruneDocument } from "@bottle/cli/commands/Prune"
import type { PruneRequest } from "@bottle/cli/requests/PruneRequest"
import * as BottleId from "@bottle/engine/BottleId"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Fixture from "./fixtures/bottles.js"

const DAY = 86_400_000

const request: PruneRequest = {
  olderMillis: null,
  maxSizeBytes: null,
  packs: true,
  records: true,
  workspaces: true,
  dryRun: false,
  format: "text"
}

const pruned = (home: string, more: Partial<PruneRequest> = {}) => Fixture.run(home, prune({ ...request, ...more }))

const decode = Schema.decodeSync(Schema.parseJson(PruneDocument))

/** A pack of so many KiB that was last used so long ago. */
const pack = (home: string, name: string, { days, kib }: { readonly days: number; readonly kib: number }): string => {
  const directory = `${Fixture.directoriesOf(home).cache}/packs`
  const path = `${directory}/${name}.smolmachine`
  Fs.mkdirSync(directory, { recursive: true })
  Fs.writeFileSync(path, Buffer.alloc(kib * 1024))
  const then = new Date(Date.now() - days * DAY)
  Fs.utimesSync(path, then, then)
  return path
}

const record = (home: string, plan: string): string => {
  const id = BottleId.fromParts("demo", "abc12")
  const directory = `${Fixture.directoriesOf(home).state}/records/${id}`
  Fs.mkdirSync(directory, { recursive: true })
  Fs.writeFileSync(`${directory}/plan.json`, plan)
  Fs.utimesSync(`${directory}/plan.json`, new Date(Date.now() - 40 * DAY), new Date(Date.now() - 40 * DAY))
  return directory
}

describe("bottle prune", () => {
  it.live("says that there is nothing to remove", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        pack(home, "new", { days: 1, kib: 2 })
        assert.deepStrictEqual(yield* pruned(home), {
          code: 0,
          stdout: "",
          stderr: "bottle: there is nothing to remove; 2.0 KiB stay\n"
        })
        assert.deepStrictEqual(yield* pruned(home, { format: "json" }), {
          code: 0,
          stdout: `{"version":1,"dryRun":false,"items":[],"freedBytes":0,"stayingBytes":2048}\n`,
          stderr: ""
        })
      })
    )
  )

  it.live("takes a month for old where nobody says what is, shows it with sizes, and then removes it", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const [old, young] = [pack(home, "old", { days: 31, kib: 3 }), pack(home, "young", { days: 29, kib: 1 })]
        const line = `pack  3.0 KiB  31d  ${old}  it was not used for longer than is asked for\n`
        assert.deepStrictEqual(yield* pruned(home, { dryRun: true }), {
          code: 0,
          stdout: `would remove  ${line}`,
          stderr: "bottle: nothing was changed; bottle prune frees 3.0 KiB, and 1.0 KiB stay\n"
        })
        assert.isTrue(Fs.existsSync(old))
        assert.deepStrictEqual(yield* pruned(home), {
          code: 0,
          stdout: `removed  ${line}`,
          stderr: "bottle: 3.0 KiB are free now, and 1.0 KiB stay\n"
        })
        assert.isFalse(Fs.existsSync(old))
        assert.isTrue(Fs.existsSync(young))
      })
    )
  )

  it.live(
    "removes what is older than is asked for, or the oldest of what is too much, and of the kind that is meant",
    () =>
      Temp.withTempDir((home) =>
        Effect.gen(function* () {
          const packs = [pack(home, "a", { days: 40, kib: 1 }), pack(home, "b", { days: 5, kib: 1 })]
          const directory = record(home, "{}")
          const names = (more: Partial<PruneRequest>) =>
            Effect.map(pruned(home, { dryRun: true, format: "json", ...more }), ({ stdout }) =>
              decode(stdout).items.map(({ path }) => path)
            )
          assert.deepStrictEqual(yield* names({ olderMillis: 4 * DAY, records: false }), packs)
          assert.deepStrictEqual(yield* names({ maxSizeBytes: 1024, records: false }), packs.slice(0, 1))
          assert.deepStrictEqual(yield* names({ maxSizeBytes: 1_000_000 }), [])
          assert.deepStrictEqual(yield* names({ packs: false }), [directory])
        })
      )
  )

  it.live("tells programs of each thing, with what there is to say of a record that is not read", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const directory = record(home, `{"version":2}`)
        const { code, stdout } = yield* pruned(home, { format: "json" })
        assert.strictEqual(code, 0)
        assert.lengthOf(stdout.trimEnd().split("\n"), 1)
        const { freedBytes, items } = decode(stdout)
        assert.strictEqual(freedBytes, 13)
        assert.deepInclude(items[0], { kind: "record", path: directory, bytes: 13, outcome: "removed", reason: null })
        assert.match(items[0]?.note ?? "", /version 2/)
        assert.isFalse(Fs.existsSync(directory))
      })
    )
  )

  it.live("exits with 125 where it is not known what is in use, and says so", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const { state } = Fixture.directoriesOf(home)
        const old = pack(home, "old", { days: 40, kib: 1 })
        Fs.mkdirSync(state, { recursive: true })
        Fs.writeFileSync(`${state}/bottles`, "")
        const text = yield* pruned(home)
        assert.strictEqual(text.code, 125)
        assert.match(text.stderr, /^bottle: nothing is removed, since it is not known what is in use: /)
        const json = yield* pruned(home, { format: "json" })
        assert.strictEqual(json.code, 125)
        assert.strictEqual(JSON.parse(json.stdout).failure.error, "PruneRefused")
        assert.isTrue(Fs.existsSync(old))
      })
    )
  )

  it.live("says by name what it could not remove, and exits with 125", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const old = pack(home, "old", { days: 40, kib: 1 })
        // Nobody can take the lock of it.
        Fs.mkdirSync(`${old}.lock`)
        const { code, stderr, stdout } = yield* pruned(home)
        assert.strictEqual(code, 125)
        assert.match(stdout, /^failed {2}pack/)
        assert.include(stderr, `bottle: pack ${old} could not be removed: `)
        Fs.rmdirSync(`${old}.lock`)
        assert.strictEqual((yield* pruned(home)).code, 0)
      })
    )
  )
})
