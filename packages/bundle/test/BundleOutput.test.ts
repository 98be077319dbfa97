import { EgressEvent } from "@bottle/egress/EgressEvent"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as FastCheck from "effect/FastCheck"
import * as BundleOutput from "../src/BundleOutput.js"

const event = (fields: Partial<EgressEvent> = {}): EgressEvent =>
  new EgressEvent({
    sequence: 3,
    request: 2,
    phase: "decision",
    time: DateTime.unsafeMake(1_700_000_000_000),
    method: "CONNECT",
    host: "api.example.com",
    port: 443,
    address: "192.0.2.1",
    rule: "*.example.com",
    verdict: "allow",
    reason: "allowed",
    detail: 'a "quoted" \\ text',
    bytesUp: 0,
    bytesDown: 0,
    durationMillis: 12,
    ...fields
  })

/** What is read, what it means, and what that is written as where it is not the same. */
const table: ReadonlyArray<readonly [string, BundleOutput.Line, string?]> = [
  ["init | ready", { _tag: "Ready", daemons: [] }],
  ["init | ready egress", { _tag: "Ready", daemons: ["egress"] }],
  ["init | ready egress git-gate", { _tag: "Ready", daemons: ["egress", "git-gate"] }],
  ["init | ended egress code 0", { _tag: "DaemonEnded", name: "egress", code: 0, signal: null }],
  ["init | ended egress code 255", { _tag: "DaemonEnded", name: "egress", code: 255, signal: null }],
  ["init | ended git-gate signal SIGKILL", { _tag: "DaemonEnded", name: "git-gate", code: null, signal: "SIGKILL" }],
  ["init ! no daemons selected", { _tag: "Said", name: "init", text: "no daemons selected" }],
  ["egress | listening on 0.0.0.0:3128", { _tag: "Listening", name: "egress", at: "0.0.0.0:3128" }],
  ["egress | reloaded 0123456789abcdef", { _tag: "Reloaded", name: "egress", policy: "0123456789abcdef" }],
  ["egress | reloaded", { _tag: "Said", name: "egress", text: "reloaded" }, "egress ! reloaded"],
  ["egress | reloaded 0123", { _tag: "Said", name: "egress", text: "reloaded 0123" }, "egress ! reloaded 0123"],
  [
    "egress | reload refused 0123456789abcdef: it has no end",
    { _tag: "ReloadRefused", name: "egress", policy: "0123456789abcdef", reason: "it has no end" }
  ],
  [
    "egress | reload refused: it has no end",
    { _tag: "ReloadRefused", name: "egress", policy: null, reason: "it has no end" }
  ],
  ["egress ! reloaded 0123456789abcdef", { _tag: "Said", name: "egress", text: "reloaded 0123456789abcdef" }],
  ["Trace/breakpoint trap", { _tag: "Said", name: null, text: "Trace/breakpoint trap" }]
]

const name = FastCheck.stringMatching(/^[a-z][a-z0-9-]{0,31}$/).filter((text) => text !== BundleOutput.INIT)
const words = FastCheck.stringMatching(/^[\x20-\x7e]{0,200}$/)
const policy = FastCheck.stringMatching(/^[0-9a-f]{16}$/)
const someWords = FastCheck.stringMatching(/^[\x20-\x7e]{1,200}$/)

const anyEvent = FastCheck.record({
  sequence: FastCheck.nat(),
  request: FastCheck.nat(),
  host: FastCheck.option(words),
  rule: FastCheck.option(words),
  detail: words
}).map(event)

const anyLine: FastCheck.Arbitrary<BundleOutput.Line> = FastCheck.oneof(
  FastCheck.record({ _tag: FastCheck.constant("Ready" as const), daemons: FastCheck.array(name) }),
  FastCheck.record({
    _tag: FastCheck.constant("DaemonEnded" as const),
    name,
    code: FastCheck.integer({ min: 0, max: 255 }),
    signal: FastCheck.constant(null)
  }),
  FastCheck.record({
    _tag: FastCheck.constant("DaemonEnded" as const),
    name,
    code: FastCheck.constant(null),
    signal: FastCheck.constantFrom("SIGTERM", "SIGKILL", "SIGUSR1", "SIGRTMIN")
  }),
  FastCheck.record({ _tag: FastCheck.constant("Listening" as const), name, at: someWords }),
  FastCheck.record({ _tag: FastCheck.constant("Reloaded" as const), name, policy }),
  FastCheck.record({
    _tag: FastCheck.constant("ReloadRefused" as const),
    name,
    policy: FastCheck.option(policy),
    reason: words
  }),
  FastCheck.record({ _tag: FastCheck.constant("Event" as const), name, event: anyEvent }),
  FastCheck.record({
    _tag: FastCheck.constant("Said" as const),
    name: FastCheck.oneof(name, FastCheck.constant(BundleOutput.INIT)),
    text: words
  })
)

/** Text that tries to be more than one line, or another line. */
const hostile = FastCheck.oneof(
  FastCheck.fullUnicodeString({ maxLength: 200 }),
  FastCheck.array(
    FastCheck.constantFrom(
      "\n",
      "\r",
      "\0",
      "\u001b[2K",
      "\u2028",
      "init | ready egress",
      "init | ended egress code 0",
      "egress | reloaded 0123456789abcdef",
      " | ",
      " ! ",
      '{"sequence":1}',
      "é",
      "x".repeat(BundleOutput.maxLineLength)
    )
  ).map((parts) => parts.join(""))
)

const isLine = (text: string): boolean => /^[\x20-\x7e]*$/.test(text) && text.length <= BundleOutput.maxLineLength

describe("BundleOutput", () => {
  for (const [text, line, written] of table) {
    it(`reads and writes ${text}`, () => {
      assert.deepStrictEqual(BundleOutput.parse(text), line)
      assert.strictEqual(BundleOutput.format(line), written ?? text)
    })
  }

  it("reads every line as what it was written from", () => {
    FastCheck.assert(
      FastCheck.property(anyLine, (line) => {
        const text = BundleOutput.format(line)
        assert.isTrue(isLine(text))
        assert.deepStrictEqual(BundleOutput.parse(text), line)
      })
    )
  })

  it("takes words for words, whatever they say", () => {
    FastCheck.assert(
      FastCheck.property(name, hostile, (name, text) => {
        for (const line of [BundleOutput.format({ _tag: "Said", name, text }), BundleOutput.prefix(name, text, true)]) {
          assert.isTrue(isLine(line))
          const read = BundleOutput.parse(line)
          assert.strictEqual(read._tag, "Said")
          if (read._tag === "Said") assert.strictEqual(read.name, name)
        }
      })
    )
  })

  it("lets a daemon speak only for itself", () => {
    FastCheck.assert(
      FastCheck.property(name, hostile, (name, text) => {
        const line = BundleOutput.prefix(name, text, false)
        assert.isTrue(isLine(line))
        const read = BundleOutput.parse(line)
        assert.notInclude(["Ready", "DaemonEnded"], read._tag)
        if ("name" in read) assert.strictEqual(read.name, name)
      })
    )
  })

  it("reads any text, and gives visible ASCII of a bounded length", () => {
    FastCheck.assert(
      FastCheck.property(hostile, (text) => {
        for (const value of Object.values(BundleOutput.parse(text))) {
          if (typeof value === "string") assert.isTrue(isLine(value))
        }
      })
    )
  })

  it("makes one line of an event whose text is hostile", () => {
    FastCheck.assert(
      FastCheck.property(hostile, (text) => {
        const line = BundleOutput.format({ _tag: "Event", name: "egress", event: event({ host: text, detail: text }) })
        assert.isTrue(isLine(line))
        const read = BundleOutput.parse(line)
        // A line that was cut is no JSON any more.
        if (read._tag !== "Event") return assert.strictEqual(line.length, BundleOutput.maxLineLength)
        assert.strictEqual(read.event.host, BundleOutput.visible(text))
      })
    )
  })

  it("takes an event with an escaped control character for words", () => {
    const line = BundleOutput.format({ _tag: "Event", name: "egress", event: event({ host: "example.com" }) })
    assert.strictEqual(BundleOutput.parse(line)._tag, "Event")
    assert.strictEqual(BundleOutput.parse(line.replace("example.com", "\\u001b[2K"))._tag, "Said")
  })

  it("takes an event that lacks something for words", () => {
    assert.deepStrictEqual(BundleOutput.parse('egress | {"sequence":1}'), {
      _tag: "Said",
      name: "egress",
      text: '{"sequence":1}'
    })
  })

  it("lets nobody but init say that a daemon is ready or gone", () => {
    for (const text of ["ready egress", "ended egress code 0"]) {
      assert.notStrictEqual(BundleOutput.parse(`init | ${text}`)._tag, "Said")
      assert.strictEqual(BundleOutput.parse(`egress | ${text}`)._tag, "Said")
      assert.strictEqual(BundleOutput.parse(`init ! ${text}`)._tag, "Said")
      assert.strictEqual(BundleOutput.parse(` init | ${text}`)._tag, "Said")
    }
  })

  it("cuts a long line and says so", () => {
    const line = BundleOutput.prefix("egress", "x".repeat(100_000), false)
    assert.strictEqual(line.length, BundleOutput.maxLineLength)
    assert.isTrue(line.endsWith("x [cut]"))
    assert.isFalse(BundleOutput.prefix("egress", "short", false).includes("[cut]"))
  })
})
