import * as Columns from "@bottle/cli/Columns"
import { ListDocument, ls } from "@bottle/cli/commands/Ls"
import type { ListRequest } from "@bottle/cli/requests/ListRequest"
import { ControlUnreachable } from "@bottle/engine/Control"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Fixture from "./fixtures/bottles.js"

const request: ListRequest = { all: false, idsOnly: false, format: "text" }

const list = (home: string, more: Partial<ListRequest> = {}, around: Fixture.Around = {}) =>
  Fixture.run(home, ls({ ...request, ...more }), around)

const decode = Schema.decodeSync(Schema.parseJson(ListDocument))

const HOUR = 3_600_000

describe("bottle ls", () => {
  it.live("says nothing on standard output where there is nothing, and one hint beside it", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const hint = "bottle: no bottle is up; bottle up launches one, and bottle ls -a lists those that were\n"
        assert.deepStrictEqual(yield* list(home), { code: 0, stdout: "", stderr: hint })
        assert.deepStrictEqual(yield* list(home, { idsOnly: true }), { code: 0, stdout: "", stderr: "" })
        const json = yield* list(home, { format: "json" })
        assert.deepStrictEqual(json, { code: 0, stdout: `{"version":1,"bottles":[]}\n`, stderr: "" })
        assert.match((yield* list(home, { all: true })).stderr, /no record/)
      })
    )
  )

  it.live("shows bottles in columns, the newest first", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const api = { source: { env: "KEY" }, header: "x-api-key", upstream: "https://api.example" }
        const agent = Fixture.planOf(home, "agent", { allow: ["a.example", "b.example"], credentials: { api } })
        const build = Fixture.planOf(home, "build")
        const bottles = Fixture.bottlesOf([
          Fixture.listedOf(agent, {
            claim: { ttlMillis: 2 * HOUR, claimedAt: DateTime.unsafeMake(Date.now() - 2.5 * HOUR) },
            described: { ttlLeftMillis: HOUR, main: { command: ["sh", "-c", "a b"], interactive: false, exit: null } }
          }),
          Fixture.listedOf(build, {
            claim: { idleMillis: HOUR / 2 },
            described: { idleMillis: HOUR / 2, idleLeftMillis: 60_000 }
          })
        ])
        const runtimes = Fixture.runtimesOf({ [agent.machine]: "running" })
        assert.deepStrictEqual((yield* list(home, {}, { bottles, runtimes })).stdout.split("\n"), [
          "NAME         STATE  MACHINE  RUNTIME  EGRESS          AGE    TTL      COMMAND",
          "build-abc12  up     missing  local    nothing         5m     1m idle  -",
          "agent-abc12  up     running  local    2 rules, 1 key  2h30m  1h       sh -c 'a b'",
          ""
        ])
        assert.strictEqual((yield* list(home, { idsOnly: true }, { bottles })).stdout, "build-abc12\nagent-abc12\n")
        const { stdout } = yield* list(home, { format: "json" }, { bottles, runtimes })
        assert.lengthOf(stdout.trimEnd().split("\n"), 1)
        const [first, second] = decode(stdout).bottles
        assert.deepStrictEqual(first?.machine, { name: build.machine, state: "missing" })
        assert.strictEqual(second?.ttlLeftMillis, HOUR)
        assert.deepStrictEqual(second?.command, ["sh", "-c", "a b"])
        assert.strictEqual(second?.rules, 2)
        assert.deepStrictEqual([first?.credentials, second?.credentials], [[], ["api"]])
      })
    )
  )

  it.live("tells of a bottle that is not well what is not", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const silence = (id: string) => new ControlUnreachable({ id, reason: "silent", detail: null })
        const of = (name: string, more: Parameters<typeof Fixture.listedOf>[1]) =>
          Fixture.listedOf(Fixture.planOf(home, name), more)
        const bottles = Fixture.bottlesOf([
          of("a", { listed: { status: null, silence: silence("a") } }),
          of("b", { listed: { status: null, silence: silence("b"), owner: "dead" } }),
          of("c", { listed: { status: null, owner: "unknown" } }),
          of("d", { state: "launching", listed: { status: null, silence: silence("d") } }),
          of("e", { state: "left", listed: { status: null, owner: "dead" } }),
          of("f", { state: "kept", listed: { status: null, owner: "dead" } }),
          of("g", { described: { closing: "idle" } }),
          of("h", { described: { committing: true } }),
          of("i", { claim: null, listed: { status: null } }),
          of("j", { claim: { kind: "program" }, listed: { status: null, silence: silence("j") } }),
          of("k", { state: "recovering", listed: { status: null, owner: "alive" } })
        ])
        const { stdout } = yield* list(home, {}, { bottles, runtimes: Fixture.runtimesOf("broken") })
        const rows = stdout.trimEnd().split("\n").slice(1)
        const shown = Object.fromEntries(
          rows.map((row) => row.split(/ {2,}/)).map(([name, state, machine]) => [name?.[0], `${state} ${machine}`])
        )
        assert.deepStrictEqual(shown, {
          a: "silent ?",
          b: "dead ?",
          c: "up? ?",
          d: "launching ?",
          e: "left ?",
          f: "kept ?",
          g: "closing ?",
          h: "committing ?",
          i: "up -",
          j: "up ?",
          k: "recovering ?"
        })
      })
    )
  )

  it.live("does not wait for a runtime that never answers", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const bottles = Fixture.bottlesOf([Fixture.listedOf(Fixture.planOf(home, "agent"))])
        const { code, stdout } = yield* list(home, {}, { bottles, runtimes: Fixture.runtimesOf(null) })
        assert.strictEqual(code, 0)
        assert.match(stdout, /agent-abc12 +up +\? /)
      })
    )
  )

  it.live("shows a clock that was set back as no age, and nothing of a command that could move a cursor", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const later = DateTime.unsafeMake(Date.now() + HOUR)
        const command = ["a\u001b[2Jb", "x".repeat(500)]
        const bottles = Fixture.bottlesOf([
          Fixture.listedOf(Fixture.planOf(home, "agent"), { claim: { claimedAt: later, command } })
        ])
        const { stdout } = yield* list(home, {}, { bottles })
        assert.match(stdout, / 0s +- +ab x{30}/)
        assert.notInclude(stdout, "\u001b")
        assert.isBelow(stdout.split("\n")[1]?.length ?? 0, 200)
      })
    )
  )

  it.live("lists bottles that are down where it is asked to, each bottle once", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const up = Fixture.planOf(home, "up")
        yield* Fixture.recorded(up, home, null)
        yield* Fixture.recorded(Fixture.planOf(home, "done"), home, {
          code: 3,
          origin: "guest",
          timedOut: false,
          error: null
        })
        yield* Fixture.recorded(Fixture.planOf(home, "gone"), home, null)
        yield* Fixture.recorded(Fixture.planOf(home, "lost"), home, {
          code: null,
          origin: "unknown",
          timedOut: false,
          error: "OwnerDied"
        })
        const bottles = Fixture.bottlesOf([Fixture.listedOf(up)])
        assert.lengthOf((yield* list(home, {}, { bottles })).stdout.trimEnd().split("\n"), 2)
        const { stdout } = yield* list(home, { all: true }, { bottles })
        const rows = stdout
          .trimEnd()
          .split("\n")
          .slice(1)
          .map((row) => row.split(/ {2,}/).slice(0, 4).join(" "))
        assert.deepStrictEqual(rows.toSorted(), [
          "done-abc12 down (3) - local",
          "gone-abc12 down (?) - local",
          "lost-abc12 down (OwnerDied) - local",
          "up-abc12 up missing local"
        ])
        const json = decode((yield* list(home, { all: true, format: "json" }, { bottles })).stdout)
        const done = json.bottles.find(({ id }) => id === "done-abc12")
        assert.deepStrictEqual(done?.exit, { code: 3, origin: "guest", error: null })
      })
    )
  )

  it.live("ends as other programs do when nobody reads", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const bottles = Fixture.bottlesOf([Fixture.listedOf(Fixture.planOf(home, "agent"))])
        assert.deepStrictEqual(yield* list(home, {}, { bottles, writesMax: 0 }), { code: 141, stdout: "", stderr: "" })
      })
    )
  )
})

describe("Columns.render", () => {
  it("makes every column as wide as its widest cell, and leaves no blanks at the end", () => {
    assert.deepStrictEqual(
      Columns.render([
        ["A", "B", "C"],
        ["aaa", "b", ""],
        ["a", "", "c"]
      ]),
      ["A    B  C", "aaa  b", "a       c"]
    )
    assert.deepStrictEqual(Columns.render([]), [])
  })
})
