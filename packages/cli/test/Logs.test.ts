import { logs } from "@bottle/cli/commands/Logs"
import type { LogsRequest } from "@bottle/cli/requests/LogsRequest"
import type { LaunchPlan } from "@bottle/engine/LaunchPlan"
import * as Ledger from "@bottle/engine/Ledger"
import * as Record from "@bottle/engine/Record"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Fs from "node:fs"
import * as Fixture from "./fixtures/bottles.js"

const request: LogsRequest = {
  bottle: "a",
  follow: false,
  sources: ["launch", "bundle", "decisions"],
  format: "text"
}

const at = (second: number): string => `2026-01-01T00:00:0${second}.000Z`

const event = (second: number, more: object) => ({
  sequence: second,
  request: 1,
  phase: "decision",
  time: at(second),
  method: "CONNECT",
  host: "a.example",
  port: 443,
  address: null,
  rule: "a.example",
  verdict: "allow",
  reason: "allowed",
  detail: "a rule allows it",
  bytesUp: 0,
  bytesDown: 0,
  durationMillis: 0,
  ...more
})

type Lines = Readonly<Partial<Record<"launch" | "bundle" | "decisions", ReadonlyArray<object | string>>>>

/** A record with these lines, as a bottle would have left it. */
const write = (home: string, plan: LaunchPlan, lines: Lines, output?: string): string => {
  const directory = `${Record.directoryOf(Fixture.directoriesOf(home))}/${plan.id}`
  Fs.mkdirSync(directory, { recursive: true })
  for (const [part, values] of Object.entries(lines)) {
    const text = values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join("\n")
    Fs.writeFileSync(`${directory}/${part}.jsonl`, `${text}\n`)
  }
  if (output !== undefined) Fs.writeFileSync(`${directory}/output.log`, output)
  return directory
}

const whole: Lines = {
  launch: [
    { time: at(1), _tag: "StageStarted", stage: "start" },
    { time: at(2), _tag: "StageEnded", stage: "start", durationMillis: 840, ok: true },
    { time: at(2), _tag: "StageEnded", stage: "proof", durationMillis: 1200, ok: false },
    { time: at(7), _tag: "ReleaseFailed", resource: "machine m", reason: "it hangs", suggestion: "kill it" },
    { time: at(8), _tag: "Kept", machine: "m" },
    { time: at(8), _tag: "Reloaded", egress: {} },
    { time: at(8), _tag: "Closing", reason: "time-to-live" },
    { time: at(8), _tag: "Closing", reason: "something new" },
    { time: at(8), _tag: "FromTheFuture", what: "x" },
    { time: at(9), _tag: "Ended", code: 3, origin: "guest", timedOut: false, error: null }
  ],
  bundle: [{ time: at(3), daemon: "egress", text: "listening\u001b[2J on\u202e :3128" }, "not json"],
  decisions: [
    event(4, {}),
    event(5, { phase: "closed", reason: "completed", bytesUp: 10, bytesDown: 2048, durationMillis: 90 }),
    event(6, { verdict: "deny", reason: "no-rule", detail: "no rule allows it", rule: null, host: "::1", port: 80 }),
    { lost: 4 }
  ]
}

const print = (home: string, more: Partial<LogsRequest> = {}, around: Fixture.Around = {}) =>
  Fixture.run(home, logs({ ...request, ...more }), around)

const line = (second: number | null, source: string, text: string): string =>
  `${second === null ? " ".repeat(24) : at(second)}  ${source.padEnd(9)}  ${text}`

const live = <A, E>(name: string, test: (home: string) => Effect.Effect<A, E>) =>
  it.live(name, () => Temp.withTempDir(test))

describe("bottle logs", () => {
  live("tells launch, bundle and decisions in the order of their times", (home) =>
    Effect.gen(function* () {
      write(home, Fixture.planOf(home, "a"), whole, "not asked for\n")
      const { code, stderr, stdout } = yield* print(home)
      // What is not shown without being asked for is not kept from anybody either.
      assert.deepStrictEqual([code, stderr], [0, "bottle: what its command wrote: bottle logs a-abc12 --only output\n"])
      assert.deepStrictEqual(stdout.trimEnd().split("\n"), [
        line(1, "launch", "start ..."),
        line(2, "launch", "start took 840 ms"),
        line(2, "launch", "proof failed after 1.2 s"),
        line(3, "bundle", "egress: listening on :3128"),
        line(null, "bundle", "a line that cannot be read"),
        line(4, "decisions", "allowed CONNECT a.example:443 by a.example"),
        line(5, "decisions", "closed CONNECT a.example:443: completed, 10 B up, 2.0 KiB down, 90 ms"),
        line(6, "decisions", "refused CONNECT [::1]:80: no-rule, no rule allows it"),
        line(null, "decisions", "4 lines were lost: they came faster than the disk took them"),
        line(7, "launch", "machine m may be left behind: it hangs; try: kill it"),
        line(8, "launch", "kept m, without any network"),
        line(8, "launch", "the policy was reloaded"),
        line(8, "launch", "goes down: its --ttl is over"),
        line(8, "launch", "goes down: something new"),
        line(8, "launch", `{"_tag":"FromTheFuture","what":"x"}`),
        line(9, "launch", "ended: exit code 3 of the guest")
      ])
    })
  )

  live("tells only what is asked for, and output without anything that could move a cursor", (home) =>
    Effect.gen(function* () {
      write(home, Fixture.planOf(home, "a"), whole, "one\u001b[2J\ntwo\u0007\r\nend")
      const { stderr, stdout } = yield* print(home, { sources: ["output"] })
      assert.strictEqual(stderr, "")
      const output = [line(null, "output", "one"), line(null, "output", "two"), line(null, "output", "end")]
      assert.deepStrictEqual(stdout.split("\n"), [...output, ""])
      const both = yield* print(home, { sources: ["bundle", "output"] })
      assert.lengthOf(both.stdout.trimEnd().split("\n"), 5)
      const one = yield* print(home, { sources: ["decisions"] })
      assert.lengthOf(one.stdout.trimEnd().split("\n"), 4)
    })
  )

  live("writes one line of JSON for each", (home) =>
    Effect.gen(function* () {
      write(home, Fixture.planOf(home, "a"), whole, "one\n")
      const { stdout } = yield* print(home, { format: "json", sources: ["launch", "bundle", "decisions", "output"] })
      const values = stdout
        .trimEnd()
        .split("\n")
        .map((text) => JSON.parse(text))
      assert.lengthOf(values, 17)
      assert.deepStrictEqual(values[0], { source: "launch", time: at(1), _tag: "StageStarted", stage: "start" })
      assert.deepStrictEqual(values[4], { source: "bundle", unreadable: true })
      assert.deepStrictEqual(values.at(-1), { source: "output", time: null, text: "one" })
    })
  )

  live("finds the newest record of a name, and says that there are others", (home) =>
    Effect.gen(function* () {
      const old = Fixture.planOf(home, "a")
      write(home, old, { launch: [{ time: at(1), _tag: "StageStarted", stage: "create" }] })
      write(home, Fixture.planOf(home, "a", {}, "zzzzz"), {
        launch: [{ time: at(5), _tag: "StageStarted", stage: "start" }]
      })
      const { stderr, stdout } = yield* print(home)
      assert.strictEqual(stdout, `${line(5, "launch", "start ...")}\n`)
      assert.strictEqual(stderr, "bottle: a-zzzzz, the newest of 2 of that name; bottle ls -a lists them\n")
      const exact = yield* print(home, { bottle: old.id })
      assert.deepStrictEqual([exact.stdout, exact.stderr], [`${line(1, "launch", "create ...")}\n`, ""])
      const begun = yield* print(home, { bottle: "a-z" })
      assert.include(begun.stdout, "start ...")
    })
  )

  live("refuses a name that nothing has, and one that may mean several", (home) =>
    Effect.gen(function* () {
      write(home, Fixture.planOf(home, "agent"), whole)
      write(home, Fixture.planOf(home, "agenda"), whole)
      const none = yield* print(home, { bottle: "agnet" })
      assert.strictEqual(none.code, 125)
      assert.match(none.stderr, /^bottle: there is no bottle agnet\ntry: Did you mean agen/)
      const several = yield* print(home, { bottle: "agen" })
      assert.strictEqual(several.code, 125)
      assert.match(several.stderr, /^bottle: agen may be agen(t|da)-abc12, agen/)
      const json = yield* print(home, { bottle: "x", format: "json" })
      assert.strictEqual(JSON.parse(json.stdout).failure.error, "BottleNotFound")
    })
  )

  live("ends as other programs do when nobody reads", (home) =>
    Effect.gen(function* () {
      write(home, Fixture.planOf(home, "a"), whole)
      assert.strictEqual((yield* print(home, {}, { writesMax: 0 })).code, 141)
    })
  )

  live("follows a bottle that lives until it is down", (home) =>
    Effect.gen(function* () {
      const plan = Fixture.planOf(home, "a")
      const directory = write(home, plan, { launch: [{ time: at(1), _tag: "StageStarted", stage: "start" }] })
      const isUp = yield* Deferred.make<void>()
      const isOver = yield* Deferred.make<void>()
      const owner = yield* Effect.scoped(
        Effect.gen(function* () {
          const ledger = yield* Ledger.claim(plan)
          yield* ledger.up
          yield* Deferred.succeed(isUp, undefined)
          yield* Deferred.await(isOver)
        })
      ).pipe(Effect.provide(NodeFileSystem.layer), Effect.fork)
      yield* Deferred.await(isUp)
      let stdout = ""
      const reader = yield* Effect.fork(
        print(
          home,
          { follow: true },
          {
            onStdout: (text) => {
              stdout = text
            }
          }
        )
      )
      const shows = (text: string) =>
        waitUntil(
          Effect.sync(() => stdout.includes(text)),
          { boundMillis: 10_000, what: text }
        )
      yield* shows("start ...")
      Fs.appendFileSync(`${directory}/launch.jsonl`, `${JSON.stringify({ time: at(2), _tag: "Kept", machine: "m" })}\n`)
      yield* shows("kept m")
      Fs.writeFileSync(`${directory}/decisions.jsonl`, `${JSON.stringify(event(3, {}))}\n`)
      yield* shows("allowed CONNECT")
      Fs.appendFileSync(
        `${directory}/launch.jsonl`,
        `${JSON.stringify({ time: at(4), _tag: "Ended", code: 0, origin: "engine", timedOut: false, error: null })}\n`
      )
      yield* Deferred.succeed(isOver, undefined)
      yield* Fiber.join(owner)
      const told = yield* Fiber.join(reader)
      assert.strictEqual(told.code, 0)
      assert.include(told.stdout, "ended: exit code 0 of the engine")
    })
  )

  live("does not follow what is down", (home) =>
    Effect.gen(function* () {
      write(home, Fixture.planOf(home, "a"), whole)
      const { code, stdout } = yield* print(home, { follow: true })
      assert.strictEqual(code, 0)
      assert.lengthOf(stdout.trimEnd().split("\n"), 16)
    })
  )
})
