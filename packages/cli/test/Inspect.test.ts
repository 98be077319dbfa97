import { inspect, InspectDocument } from "@bottle/cli/commands/Inspect"
import { ControlUnreachable } from "@bottle/engine/Control"
import * as Ledger from "@bottle/engine/Ledger"
import * as Record from "@bottle/engine/Record"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Fixture from "./fixtures/bottles.js"

const decode = Schema.decodeSync(Schema.parseJson(InspectDocument))

const look = (home: string, bottle: string, around: Fixture.Around = {}, format: "text" | "json" = "text") =>
  Fixture.run(home, inspect({ bottle, format }), around)

const HOUR = 3_600_000

const live = <A, E>(name: string, test: (home: string) => Effect.Effect<A, E>) =>
  it.live(name, () => Temp.withTempDir(test))

/** A bottle with a ledger of its own, while the effect lasts. */
const claimed = <A, E>(home: string, use: Effect.Effect<A, E>): Effect.Effect<A, unknown> =>
  Effect.scoped(Effect.zipRight(Ledger.claim(Fixture.planOf(home, "agent")), use)).pipe(
    Effect.provide(NodeFileSystem.layer)
  )

describe("bottle inspect", () => {
  live("tells all that is known of a bottle that is up", (home) =>
    Effect.gen(function* () {
      const plan = Fixture.planOf(home, "agent", {
        allow: ["a.example"],
        mounts: [{ host: "/w", guest: "/work", readonly: true }]
      })
      const listed = Fixture.listedOf(plan, {
        claim: { name: "agent", ttlMillis: 2 * HOUR, idleMillis: HOUR },
        described: {
          ttlLeftMillis: HOUR,
          idleLeftMillis: 60_000,
          sessions: 2,
          main: { command: ["sleep", "9"], interactive: true, exit: null }
        }
      })
      const around = {
        bottles: Fixture.bottlesOf([listed]),
        runtimes: Fixture.runtimesOf({ [plan.machine]: "running" })
      }
      const { code, stderr, stdout } = yield* claimed(home, look(home, "agent", around))
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(stdout.split("\n").slice(0, 14), [
        "bottle agent-abc12, called agent",
        "state: up",
        "held by: its keeper, process 4711, which answers",
        "age: 5m",
        "time to live: 2h, 1h left",
        "idle: goes down after 1h of nothing, 1m left",
        "commands in it now: 2",
        "command: sleep 9 (runs, takes input)",
        "machine: bottle-agent-abc12, running",
        "proof:",
        "  proven",
        "  2 probes: 1 held, 1 could not be tried, tried with perl",
        "plan:",
        "  runtime: local 1.9.3 (namespaces, shared kernel), smolvm-local"
      ])
      assert.include(stdout, "    a.example (ports 80, 443)")
      assert.include(stdout, "    /w at /work, read-only")
      assert.notInclude(stdout, "commands:")
      const json = decode((yield* claimed(home, look(home, "agent-abc", around, "json"))).stdout).bottle
      assert.strictEqual(json.plan?.id, plan.id)
      assert.strictEqual(json.proof?.outcome, "proven")
      assert.deepStrictEqual(json.main, { command: ["sleep", "9"], interactive: true, exitCode: null })
      assert.strictEqual(json.ledger, plan.ledger)
      assert.isNull(json.record)
    })
  )

  live("says of one whose owner is silent what its files know", (home) =>
    Effect.gen(function* () {
      const plan = Fixture.planOf(home, "agent")
      const silence = new ControlUnreachable({ id: plan.id, reason: "silent", detail: null })
      const listed = Fixture.listedOf(plan, { listed: { status: null, silence } })
      const failed = {
        ...listed,
        view: {
          ...listed.view,
          failures: [{ resource: "network n", reason: "r\u001b[2J", suggestion: "s" }],
          damaged: 1
        }
      }
      const { stdout } = yield* claimed(
        home,
        look(home, plan.id, { bottles: Fixture.bottlesOf([failed]), runtimes: Fixture.runtimesOf("broken") })
      )
      const lines = stdout.split("\n")
      assert.include(lines, "state: silent")
      assert.include(lines, "held by: its keeper, process 4711, which does not answer")
      assert.include(lines, "its silence: agent-abc12: its owner does not answer")
      assert.include(lines, "machine: bottle-agent-abc12, its runtime does not answer")
      assert.include(lines, "  network n: r; try: s")
      assert.include(lines, "  1 line of ledger and record")
      assert.isTrue(lines.some((line) => line.startsWith("  runtime: local")))
    })
  )

  live("tells of a bottle that is down what its record says, whatever its version", (home) =>
    Effect.gen(function* () {
      const plan = Fixture.planOf(home, "agent")
      yield* Fixture.recorded(plan, home, { code: 3, origin: "guest", timedOut: false, error: null })
      const { stdout } = yield* look(home, "agent")
      assert.deepStrictEqual(stdout.split("\n").slice(0, 3), [
        "bottle agent-abc12",
        "state: down (3)",
        "ended: exit code 3 of the guest"
      ])
      const directory = `${Record.directoryOf(Fixture.directoriesOf(home))}/${plan.id}`
      assert.include(stdout, `record: ${directory}\n`)
      Fs.writeFileSync(`${directory}/plan.json`, `{"version":99}`)
      const later = yield* look(home, "agent")
      assert.strictEqual(later.code, 0)
      assert.match(later.stdout, /cannot be read:\n {2}plan\.json: /)
      const json = decode((yield* look(home, "agent", {}, "json")).stdout).bottle
      assert.isNull(json.plan)
      assert.deepStrictEqual(
        json.unreadable.map(({ document }) => document),
        ["plan.json"]
      )
      assert.deepStrictEqual(json.exit, { code: 3, origin: "guest", error: null })
    })
  )

  live("refuses what is no bottle", (home) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* look(home, "agent")
      assert.deepStrictEqual([code, stdout], [125, ""])
      assert.match(stderr, /^bottle: there is no bottle agent\ntry: /)
      const gone = yield* claimed(home, look(home, "agent"))
      assert.strictEqual(gone.code, 125)
      assert.match(gone.stderr, /^bottle: the bottle agent-abc12 is gone\n/)
    })
  )
})
