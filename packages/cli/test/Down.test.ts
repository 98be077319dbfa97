import { down, DownDocument } from "@bottle/cli/commands/Down"
import { BottleNotFound, Bottles, type Downed, OwnedByProgram } from "@bottle/engine/Bottles"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Fixture from "./fixtures/bottles.js"

const decode = Schema.decodeSync(Schema.parseJson(DownDocument))

const left = { resource: "machine bottle-b", reason: "it hangs\u001b[2J", suggestion: "smolvm machine delete" }

/** Three bottles: one that goes cleanly, one that leaves something, one of a program's; no other is there. */
const downOf = (home: string): Context.Tag.Service<Bottles>["down"] => {
  const [a, b, c] = ["a", "b", "c"].map((name) => Fixture.planOf(home, name))
  return (word): Effect.Effect<Downed, BottleNotFound | OwnedByProgram> => {
    if (a !== undefined && (word === "a" || word === a.id)) return Effect.succeed(Fixture.downed(a.id))
    if (b !== undefined && (word === "b" || word === b.id)) return Effect.succeed(Fixture.downed(b.id, [left]))
    if (c !== undefined && (word === "c" || word === c.id)) return new OwnedByProgram({ id: c.id, pid: 99 })
    return new BottleNotFound({ name: word, nearest: "a" })
  }
}

const take = (home: string, words: ReadonlyArray<string>, around: Fixture.Around & { readonly format?: "json" } = {}) =>
  Fixture.run(home, down({ bottles: words, all: false, format: around.format ?? "text" }), {
    bottles: Fixture.bottlesOf([], { down: downOf(home) }),
    ...around
  })

describe("bottle down", () => {
  it.live("takes bottles down and prints the id of each", () =>
    Temp.withTempDir((home) =>
      Effect.map(take(home, ["a"]), (told) =>
        assert.deepStrictEqual(told, { code: 0, stdout: "a-abc12\n", stderr: "" })
      )
    )
  )

  it.live("goes on with the others where one fails, and reports each by name", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* take(home, ["x", "b", "c", "a"])
        assert.strictEqual(code, 125)
        assert.deepStrictEqual(stdout.trimEnd().split("\n").toSorted(), ["a-abc12", "b-abc12"])
        assert.include(stderr, "bottle: there is no bottle x\ntry: Did you mean a?")
        assert.include(stderr, "bottle: machine bottle-b may be left behind: it hangs\ntry: smolvm machine delete\n")
        assert.include(
          stderr,
          "bottle: c-abc12 is held by a program of yours, process 99\ntry: End that program: kill 99"
        )
      })
    )
  )

  it.live("says of a bottle that is down already that it is, and how its command ended", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const guest = { code: 7, origin: "guest", timedOut: false, error: null }
        yield* Fixture.recorded(Fixture.planOf(home, "old"), home, guest)
        const idle = { code: 0, origin: "engine", timedOut: false, error: null }
        yield* Fixture.recorded(Fixture.planOf(home, "idle"), home, idle)
        const { code, stderr, stdout } = yield* take(home, ["old", "idle", "a"])
        assert.strictEqual(code, 125)
        assert.strictEqual(stdout, "a-abc12\n")
        assert.include(
          stderr,
          "bottle: old-abc12 is down already: its command ended with exit code 7\ntry: bottle logs old-abc12 --only output prints"
        )
        assert.include(stderr, "bottle: idle-abc12 is down already\ntry: bottle logs idle-abc12 tells what it did")
      })
    )
  )

  it.live("says that it goes on where it takes its time, and how many are not down yet", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const told = yield* Deferred.make<void>()
        const patient = (word: string) => {
          const id = Fixture.planOf(home, word).id
          return word === "b" ? Effect.as(Deferred.await(told), Fixture.downed(id)) : Effect.succeed(Fixture.downed(id))
        }
        const { code, stderr } = yield* Fixture.run(home, down({ all: false, bottles: ["a", "b"], format: "text" }), {
          bottles: Fixture.bottlesOf([], { down: patient }),
          onStderr: () => Effect.runSync(Deferred.succeed(told, undefined))
        })
        assert.deepStrictEqual([code, stderr], [0, "bottle: still taking one bottle down ...\n"])
      })
    )
  )

  it.live("says something may be left by its exit code", () =>
    Temp.withTempDir((home) => Effect.map(take(home, ["a", "b"]), ({ code }) => assert.strictEqual(code, 125)))
  )

  it.live("writes one document of all of them", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* take(home, ["a", "b", "x"], { format: "json" })
        assert.strictEqual(code, 125)
        assert.strictEqual(stderr, "")
        assert.lengthOf(stdout.trimEnd().split("\n"), 1)
        const [a, b, x] = decode(stdout).bottles
        assert.deepStrictEqual(a, { bottle: "a", id: "a-abc12", down: true, how: "owner", failures: [], failure: null })
        assert.deepStrictEqual(b?.failures, [left])
        assert.strictEqual(x?.failure?.error, "BottleNotFound")
        assert.isNull(x?.id)
      })
    )
  )

  it.live("takes every bottle down where all are asked for, and says where there is none", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const all = { bottles: [], all: true, format: "text" } as const
        const listed = ["a", "b"].map((name) => Fixture.listedOf(Fixture.planOf(home, name)))
        const bottles = Fixture.bottlesOf(listed, { down: downOf(home) })
        const { code, stdout } = yield* Fixture.run(home, down(all), { bottles })
        assert.strictEqual(code, 125)
        assert.deepStrictEqual(stdout.trimEnd().split("\n").toSorted(), ["a-abc12", "b-abc12"])
        const none = { code: 0, stdout: "", stderr: "bottle: no bottle is up\n" }
        assert.deepStrictEqual(yield* Fixture.run(home, down(all)), none)
      })
    )
  )

  it.live("takes them down at once, and not one after the other", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const [a, b] = [Fixture.planOf(home, "a"), Fixture.planOf(home, "b")]
        const [first, second] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const meet = (own: Deferred.Deferred<void>, other: Deferred.Deferred<void>, id: Downed["id"]) =>
          Deferred.succeed(own, undefined).pipe(Effect.zipRight(Deferred.await(other)), Effect.as(Fixture.downed(id)))
        const bottles = Fixture.bottlesOf([], {
          down: (word) => (word === "a" ? meet(first, second, a.id) : meet(second, first, b.id))
        })
        assert.strictEqual((yield* take(home, ["a", "b"], { bottles })).code, 0)
      })
    )
  )

  it.live("keeps no bottle up since nobody reads what became of another", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const taken: Array<string> = []
        const bottles = Fixture.bottlesOf([], {
          down: (word) =>
            Effect.zipRight(
              Effect.sync(() => void taken.push(word)),
              downOf(home)("a")
            )
        })
        const { code } = yield* take(home, ["a", "d", "e"], { bottles, writesMax: 0 })
        assert.strictEqual(code, 141)
        assert.deepStrictEqual(taken.toSorted(), ["a", "d", "e"])
      })
    )
  )

  it.live("ends when it is interrupted, whatever it waits for", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const begun = yield* Deferred.make<void>()
        const bottles = Fixture.bottlesOf([], {
          down: () => Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)
        })
        const fiber = yield* Effect.fork(take(home, ["a"], { bottles }))
        yield* Deferred.await(begun)
        assert.isTrue((yield* Fiber.interrupt(fiber))._tag === "Failure")
      })
    )
  )
})
