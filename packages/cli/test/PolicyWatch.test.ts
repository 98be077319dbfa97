import { policyWatch } from "@bottle/cli/commands/PolicyWatch"
import { Keyboard, type KeyEvent } from "@bottle/cli/Keyboard"
import type { PolicyWatchRequest } from "@bottle/cli/requests/PolicyWatchRequest"
import type { EgressEvent } from "@bottle/egress/EgressEvent"
import * as Policy from "@bottle/egress/Policy"
import { AllowRefused, BottleGone, type ControlError, ControlRefused } from "@bottle/engine/Control"
import type { LaunchOptions } from "@bottle/engine/LaunchOptions"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Fs from "node:fs"
import * as Fixture from "./fixtures/bottles.js"
import { denied, type Fields } from "./fixtures/denied.js"

const refusal = (sequence: number, over: Fields = {}): EgressEvent =>
  denied({ sequence, request: sequence, host: "one.test", ...over })

/** A bottle that is refused what is offered, and keeps what it is allowed. It goes down when it is told to. */
const bottleOf = (home: string, options: Partial<LaunchOptions> = {}) =>
  Effect.gen(function* () {
    const plan = Fixture.planOf(home, "a", options)
    const events = yield* Queue.unbounded<EgressEvent>()
    const gone = yield* Deferred.make<never, ControlError>()
    let policy = Policy.empty
    const found = Fixture.foundOf(plan)
    const describe = Effect.sync(() => Fixture.describe(plan, { policy: Policy.toDocument(policy) }))
    const control: typeof found.control = {
      ...found.control,
      describe,
      events: () => Stream.merge(Stream.fromQueue(events), Stream.fromEffect(Deferred.await(gone))),
      allow: (entries) =>
        Effect.suspend(() => {
          const next = Policy.fromDocument(Policy.toDocument(policy), { allow: entries })
          if (Either.isLeft(next)) {
            return new AllowRefused({ entry: entries[0] ?? "", reason: "malformed", detail: next.left.detail })
          }
          policy = next.right
          return Effect.succeed(Policy.toDocument(policy))
        })
    }
    return {
      around: { bottles: Fixture.bottlesOf([], { find: () => Effect.succeed({ ...found, control }) }) },
      refuse: (...of: ReadonlyArray<EgressEvent>) => Queue.offerAll(events, of),
      allowed: () => policy.allow.map(({ text }) => text),
      /** What somebody else puts in force. */
      reload: (next: Policy.Policy) => Effect.sync(() => void (policy = next)),
      down: Deferred.fail(gone, new BottleGone({ id: plan.id, reason: "asked" })),
      id: plan.id
    }
  })

const request: PolicyWatchRequest = { bottle: "a", save: null, format: "json" }

const readLines = (text: string): ReadonlyArray<Record<string, unknown>> =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))

const turn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

/** Lets what there is to do be done until something holds; bounded by turns, and not by time. */
const until = (what: string, condition: () => boolean, each: Effect.Effect<unknown> = Effect.void) =>
  Effect.gen(function* () {
    for (let turns = 0; turns < 20_000; turns++) {
      if (condition()) return
      yield* each
      yield* turn
    }
    return yield* Effect.dieMessage(`never: ${what}`)
  })

type FakeBottle = Effect.Effect.Success<ReturnType<typeof bottleOf>>

/** What is said to one decision. */
const answered = (home: string, bottle: FakeBottle, decision: string) =>
  Effect.gen(function* () {
    let out = ""
    const fiber = yield* Fixture.run(home, policyWatch(request), {
      ...bottle.around,
      stdin: Stream.make(Buffer.from(decision)),
      onStdout: (text) => void (out = text)
    }).pipe(Effect.fork)
    yield* until("the answer", () => out.includes("\n"))
    yield* bottle.down
    return yield* Fiber.join(fiber)
  })

describe("bottle policy watch, in lines", () => {
  it.live("tells each host once and then by its doublings, and puts in force what is decided", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const bottle = yield* bottleOf(home)
        const stdin = yield* Queue.unbounded<Uint8Array>()
        const decide = (line: string) => Queue.offer(stdin, Buffer.from(`${line}\n`))
        let out = ""
        const fiber = yield* Fixture.run(home, policyWatch(request), {
          ...bottle.around,
          stdin: Stream.fromQueue(stdin),
          onStdout: (text) => void (out = text)
        }).pipe(Effect.fork)
        yield* bottle.refuse(...[1, 2, 3, 4, 5].map((sequence) => refusal(sequence)))
        yield* bottle.refuse(refusal(6, { host: "two.test", reason: "sni-mismatch" }))
        yield* until("the refusals", () => out.includes("two.test"))
        yield* decide(`{"allow": "one.test:443", "for": "bottle"}`)
        yield* until("what was allowed", () => out.includes("allowed"))
        // What is allowed by now was refused before that.
        yield* bottle.refuse(refusal(7), refusal(8, { host: "three.test" }))
        yield* until("the next host", () => out.includes("three.test"))
        yield* decide("nonsense")
        yield* decide(`{"allow": "three.test:443", "for": "bottle", "unless": "denied"}`)
        yield* decide(`{"allow": "three.test:443", "for": "bottle"${" ".repeat(4096)}}`)
        yield* decide(`{"allow": "no host:1", "for": "bottle"}`)
        yield* decide(`{"allow": "three.test:443", "for": "good"}`)
        yield* until("the answers", () => out.split("notAllowed").length > 5)
        yield* bottle.down
        const { code, stdout } = yield* Fiber.join(fiber)
        assert.strictEqual(code, 0)
        const told = readLines(stdout)
        const refusals = told.flatMap((line) => ("refusal" in line ? [Object(line["refusal"])] : []))
        assert.deepStrictEqual(
          refusals.map(({ allow, count, host }) => [host, count, allow]),
          [
            ["one.test", 1, "one.test:443"],
            ["one.test", 2, "one.test:443"],
            ["one.test", 4, "one.test:443"],
            ["two.test", 1, null],
            ["three.test", 1, "three.test:443"]
          ]
        )
        assert.deepInclude(told, {
          version: 1,
          allowed: { allow: "one.test:443", for: "bottle", file: null }
        })
        assert.deepStrictEqual(
          told.flatMap((line) => ("notAllowed" in line ? [Object(line["notAllowed"]).error] : [])),
          ["DecisionUnreadable", "DecisionUnreadable", "DecisionUnreadable", "AllowRefused", "NotSaved"]
        )
        assert.deepStrictEqual(bottle.allowed(), ["one.test:443"])
        assert.deepStrictEqual(told.at(-1), {
          version: 1,
          ended: { id: bottle.id, reason: "asked", message: `${bottle.id} was taken down`, untold: 0 }
        })
      })
    )
  )

  it.live("writes what is allowed for good into the document that the bottle was launched with", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const file = `${home}/policy.json`
        Fs.writeFileSync(file, `{"allow": ["kept.test"]}`)
        const bottle = yield* bottleOf(home, { policyFile: file })
        const { stdout } = yield* answered(home, bottle, `{"allow": "one.test:443", "for": "good"}`)
        assert.deepStrictEqual(readLines(stdout)[0]?.["allowed"], { allow: "one.test:443", for: "good", file })
        assert.strictEqual(Fs.readFileSync(file, "utf8"), `{"allow": ["kept.test", "one.test:443"]}`)
        assert.deepStrictEqual(bottle.allowed(), ["one.test:443"])
      })
    )
  )

  it.live("allows nothing for good in a document that the guest could change", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const host = `${home}/work`
        const policyFile = `${host}/policy.json`
        Fs.mkdirSync(host)
        Fs.writeFileSync(policyFile, "{}")
        const bottle = yield* bottleOf(home, { policyFile, mounts: [{ host, guest: "/work", readonly: false }] })
        const { stdout } = yield* answered(home, bottle, `{"allow": "one.test:443", "for": "good"}`)
        assert.match(stdout, /"notAllowed":.*the guest can change it/)
        assert.strictEqual(Fs.readFileSync(policyFile, "utf8"), "{}")
        assert.deepStrictEqual(bottle.allowed(), [])
      })
    )
  )

  it.effect("asks for the policy again, tells no more hosts than it keeps, and reads no terminal", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const bottle = yield* bottleOf(home)
        yield* bottle.reload(Either.getOrThrow(Policy.make({ allow: ["one.test"] })))
        let lines = 0
        const fiber = yield* Fixture.run(home, policyWatch(request), {
          ...bottle.around,
          stdin: Stream.make(Buffer.from(`{"allow": "h1.test:443", "for": "bottle"}\n`)),
          onStdout: () => void (lines += 1)
        }).pipe(
          Effect.provideService(Keyboard, {
            open: Queue.unbounded<KeyEvent>(),
            size: () => ({ columns: 80, rows: 24 }),
            isTerminal: true
          }),
          Effect.fork
        )
        yield* bottle.refuse(refusal(1), ...Array.from({ length: 999 }, (_, at) => refusal(2, { host: `h${at}.test` })))
        yield* until("as many as are told before it is", () => lines >= 999)
        // Somebody else puts another policy in force, and it is refused after that.
        yield* bottle.reload(Policy.empty)
        yield* TestClock.adjust("2 seconds")
        yield* bottle.refuse(refusal(3, { time: DateTime.unsafeMake(1500) }), refusal(4, { host: "beyond.test" }))
        yield* until("what is not allowed any more", () => lines >= 1000)
        yield* bottle.refuse(refusal(5, { host: "h0.test" }))
        yield* until("one that is known", () => lines >= 1001)
        yield* bottle.down
        const { stdout } = yield* Fiber.join(fiber)
        assert.include(stdout, `"host":"one.test"`)
        assert.notInclude(stdout, "beyond.test")
        assert.match(stdout, /"untold":1\}\}\n$/)
        assert.notInclude(stdout, `"allowed"`)
      })
    )
  )

  it.live("says of an owner that does not know the question that it is of another version", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const plan = Fixture.planOf(home, "a")
        const found = Fixture.foundOf(plan)
        const unknown = new ControlRefused({ id: plan.id, reason: "unknown-call", detail: null })
        const control = { ...found.control, events: () => Stream.fail(unknown) }
        const { code, stdout } = yield* Fixture.run(home, policyWatch(request), {
          bottles: Fixture.bottlesOf([], { find: () => Effect.succeed({ ...found, control }) })
        })
        assert.strictEqual(code, 125)
        assert.match(stdout, /launched by another version of bottle/)
      })
    )
  )
})

describe("bottle policy watch, on a terminal", () => {
  const onTerminal = (home: string, bottle: FakeBottle) =>
    Effect.gen(function* () {
      const keys = yield* Queue.unbounded<KeyEvent>()
      let isOpen = false
      let out = ""
      const open = Effect.acquireRelease(
        Effect.sync(() => {
          isOpen = true
          return keys
        }),
        () => Effect.sync(() => void (isOpen = false))
      )
      const fiber = yield* Fixture.run(home, policyWatch({ ...request, format: "text" }), {
        ...bottle.around,
        isInteractive: true,
        onStdout: (text) => void (out = text)
      }).pipe(
        Effect.provideService(Keyboard, { open, size: () => ({ columns: 80, rows: 24 }), isTerminal: true }),
        Effect.fork
      )
      const press = (key: string) => Queue.offer(keys, { _tag: "Keys", keys: key } as const)
      return {
        fiber,
        press,
        keys,
        out: () => out,
        isOpen: () => isOpen,
        /** Presses a key when it has been quiet, and once more only where that came too early to answer anything. */
        answer: (key: string, what: string, condition: () => boolean) => {
          let turns = 0
          const pressed = Effect.zipRight(TestClock.adjust("600 millis"), press(key))
          return until(
            what,
            condition,
            Effect.suspend(() => (turns++ % 100 === 0 ? pressed : Effect.void))
          )
        }
      }
    })

  it.effect("asks about one host after the other, and allows what is on the screen", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const bottle = yield* bottleOf(home)
        const terminal = yield* onTerminal(home, bottle)
        // Typed before there is any question: it answers none.
        yield* until("the terminal", terminal.isOpen)
        yield* terminal.press("b")
        yield* bottle.refuse(
          refusal(1),
          refusal(2, { host: "two.test\u001b]0;x\u0007" }),
          refusal(3, { host: "0ne.test" })
        )
        yield* until("the question", () => terminal.out().includes("    one.test:443"))
        assert.deepStrictEqual(bottle.allowed(), [])
        yield* terminal.answer("b", "what was allowed", () =>
          terminal.out().includes("allowed for this bottle: one.test:443")
        )
        yield* terminal.answer("x", "what was dismissed", () => terminal.out().includes("by this watch: 0ne.test:443"))
        // When it was refused, nothing was allowed that it looks like.
        assert.include(terminal.out(), "it looks like one.test, which is allowed, and is not that")
        assert.deepStrictEqual(bottle.allowed(), ["one.test:443"])
        assert.isTrue(terminal.isOpen())
        yield* bottle.down
        const { code, stdout } = yield* Fiber.join(terminal.fiber)
        assert.strictEqual(code, 0)
        assert.isFalse(terminal.isOpen())
        assert.match(stdout, new RegExp(`bottle: ${bottle.id} was taken down\\r\\n$`))
        // oxlint-disable-next-line no-control-regex -- nothing steers the terminal but what we send ourselves
        assert.notMatch(stdout.replace(/\u001b\[(?:[0-9]*A|J|[0-9]+m)/g, ""), /[^\x20-\x7e\r\n]/)
      })
    )
  )

  it.effect("gives the terminal back on q, Ctrl-C, a hang-up and an interruption", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const endings: ReadonlyArray<readonly [KeyEvent, number]> = [
          [{ _tag: "Keys", keys: "q" }, 0],
          [{ _tag: "Keys", keys: "\u0003" }, 130],
          [{ _tag: "HungUp" }, 129]
        ]
        for (const [event, expected] of endings) {
          const terminal = yield* onTerminal(home, yield* bottleOf(home))
          yield* until("the terminal", terminal.isOpen)
          yield* Queue.offer(terminal.keys, event)
          assert.strictEqual((yield* Fiber.join(terminal.fiber)).code, expected)
          assert.isFalse(terminal.isOpen())
        }
        const terminal = yield* onTerminal(home, yield* bottleOf(home))
        yield* until("the terminal", terminal.isOpen)
        yield* Fiber.interrupt(terminal.fiber)
        assert.isFalse(terminal.isOpen())
      })
    )
  )
})
