import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as fc from "fast-check"
import * as BottleId from "../src/BottleId.js"
import { claimOf } from "../src/internal/ledger/claiming.js"
import { type Entry, type Line, type Owner, stateOf, type Transition } from "../src/internal/ledger/model.js"
import * as Reading from "../src/internal/ledger/reading.js"
import { allowed, isAllowed, type Place } from "../src/internal/ledger/state.js"
import { planIn } from "./fixtures/ledgers.js"

const plan = planIn("/t")
const { id } = plan
const time = DateTime.unsafeMake(0)

const process = (pid: number): Owner => ({
  identity: { pid, startTime: "77", bootId: "0b5dc59e-3b4c-4b7e-9d43-0c7a5bd3c9c3" },
  pidNamespace: "pid:[4026531836]",
  host: "h"
})

const owner = process(10)
const recoverer = process(20)

const claimed: Entry = { _tag: "Claimed", claim: claimOf(plan, { owner, nonce: "n", claimedAt: time }) }
const failures = [{ resource: "machine m", reason: "no", suggestion: "rm" }]

const entries = {
  Claimed: claimed,
  Up: { _tag: "Up" },
  Closing: { _tag: "Closing" },
  Left: { _tag: "Left", failures },
  Kept: { _tag: "Kept", failures: [] },
  Recovering: { _tag: "Recovering" }
} satisfies Record<Transition["_tag"], Entry>

const lineOf = (entry: Entry, over: Partial<Line> = {}): string =>
  Reading.format({
    version: 1,
    id,
    time,
    writer: entry._tag === "Recovering" ? recoverer : owner,
    role: entry._tag === "Recovering" ? "recoverer" : "owner",
    entry,
    ...over
  })

const textOf = (...lines: ReadonlyArray<string>): string => lines.map((line) => `${line}\n`).join("")

const read = (...lines: ReadonlyArray<string>) => Reading.read(textOf(...lines), id)

/** How a ledger gets to a state, line by line. */
const ways: Record<Exclude<Place, "gone">, ReadonlyArray<Transition["_tag"]>> = {
  none: [],
  launching: ["Claimed"],
  up: ["Claimed", "Up"],
  closing: ["Claimed", "Up", "Closing"],
  left: ["Claimed", "Up", "Closing", "Left"],
  kept: ["Claimed", "Closing", "Kept"],
  recovering: ["Claimed", "Recovering"]
}

const tags = ["Claimed", "Up", "Closing", "Left", "Kept", "Recovering"] as const
const places = ["none", "launching", "up", "closing", "left", "kept", "recovering"] as const

/** The same as in the code, written by hand, so that neither is changed alone. */
const expected: Record<(typeof places)[number], ReadonlyArray<Transition["_tag"]>> = {
  none: ["Claimed"],
  launching: ["Up", "Closing", "Recovering"],
  up: ["Closing", "Recovering"],
  closing: ["Left", "Kept", "Recovering"],
  left: ["Recovering"],
  kept: ["Recovering"],
  recovering: ["Left", "Recovering"]
}

describe("the states of a bottle", () => {
  for (const place of places) {
    const way = ways[place].map((tag) => lineOf(entries[tag]))
    for (const tag of tags) {
      const follows = expected[place].includes(tag)
      it(`${place}: ${tag} ${follows ? "follows" : "does not follow"}`, () => {
        const before = read(...way)
        const after = read(...way, lineOf(entries[tag]))
        assert.strictEqual(isAllowed(place, stateOf[tag]), follows)
        assert.strictEqual(after.state, follows ? stateOf[tag] : before.state)
        assert.strictEqual(after.damaged, follows ? 0 : 1)
      })
    }
  }

  it("ends only where everything was tried, or by somebody who recovers", () => {
    assert.deepStrictEqual(
      places.filter((place) => isAllowed(place, "gone")),
      ["closing", "recovering"]
    )
    assert.deepStrictEqual(allowed.gone, [])
  })
})

describe("the holder of a bottle", () => {
  for (const place of places) {
    const holders = { recovering: recoverer, left: null, kept: null, none: null } as const
    const holder = place in holders ? holders[place as keyof typeof holders] : owner
    it(`${place}: ${holder === null ? "nobody" : holder === owner ? "its owner" : "who recovers it"}`, () => {
      assert.deepStrictEqual(read(...ways[place].map((tag) => lineOf(entries[tag]))).holder, holder)
    })
  }
})

describe("a ledger", () => {
  it("says what is in its claim, and what was added", () => {
    const resource = { kind: "file", name: "/tmp/x" } as const
    const reading = read(lineOf(claimed), lineOf({ _tag: "Added", resource }), lineOf(entries.Up))
    assert.strictEqual(reading.state, "up")
    assert.deepStrictEqual(reading.claim?.resources, [
      { kind: "machine", name: plan.machine },
      { kind: "directory", name: plan.directory },
      resource
    ])
  })

  it("says what could not be removed, and is recovered again", () => {
    const reading = read(...ways.left.map((tag) => lineOf(entries[tag])), lineOf(entries.Recovering))
    assert.strictEqual(reading.state, "recovering")
    assert.deepStrictEqual(reading.failures, failures)
    assert.isTrue(reading.wasRecovered)
    assert.isTrue(reading.isLetGo)
    assert.isFalse(read(...ways.left.map((tag) => lineOf(entries[tag]))).wasRecovered)
  })

  const whole = ways.left.map((tag) => lineOf(entries[tag]))

  for (const [at, line] of whole.entries()) {
    const others = whole.filter((_, index) => index !== at)
    for (const [how, damagedLine] of [
      ["is cut short", line.slice(0, -20)],
      ["has another pid", line.replace('"pid":10', '"pid":11')],
      ["has another state", line.replace(/"_tag":"[A-Z]/, '"_tag":"X')],
      ["is no JSON", "\u0000\u0000\u0000"],
      ["has a checksum and is no JSON", Reading.sealed("{not so}")],
      ["is of another bottle", lineOf(entries.Up, { id: BottleId.fromParts("other", "abc12") })],
      ["is joined with the next one", `${line}${line}`]
    ] as const) {
      it(`counts line ${at} when it ${how}, and believes the others`, () => {
        assert.notStrictEqual(damagedLine, line)
        const reading = read(...whole.slice(0, at), damagedLine, ...whole.slice(at + 1))
        assert.strictEqual(reading.damaged, 1)
        assert.strictEqual(reading.state, at === whole.length - 1 ? "closing" : "left")
        assert.deepStrictEqual(reading.owner, owner)
        assert.strictEqual(reading.claim === null, at === 0)
      })
    }
    it(`knows the owner from line ${at} alone`, () => {
      const reading = read(...others.map(() => "?"), line)
      assert.deepStrictEqual(reading.owner, owner)
      assert.strictEqual(reading.damaged, others.length)
    })
    it(`is torn in line ${at}`, () => {
      for (let length = 1; length < line.length; length++) {
        const reading = Reading.read(`${textOf(...whole.slice(0, at))}${line.slice(0, length)}`, id)
        assert.isTrue(reading.isTorn)
        assert.strictEqual(reading.damaged, 0)
        assert.strictEqual(reading.state, at === 0 ? "launching" : stateOf[ways.left[at - 1] ?? "Claimed"])
      }
    })
  }

  it("takes a last line that has everything but its end", () => {
    const reading = Reading.read(textOf(...whole).trimEnd(), id)
    assert.strictEqual(reading.state, "left")
    assert.isTrue(reading.isTorn)
  })

  it("knows who wrote a line that a later version wrote", () => {
    const body = JSON.stringify({
      version: 2,
      id,
      time: "1970-01-01T00:00:00.000Z",
      writer: owner,
      role: "owner",
      entry: { _tag: "Paused" }
    })
    const reading = read(Reading.sealed(body))
    assert.deepStrictEqual(reading.holder, owner)
    assert.isNull(reading.claim)
    assert.strictEqual(reading.damaged, 1)
  })

  it("survives any damage to any of its bytes", () => {
    const bytes = Buffer.from(textOf(...whole))
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const hurt = Buffer.from(bytes)
        hurt[at] = (bytes[at] ?? 0) ^ flip
        const reading = Reading.read(hurt.toString("utf8"), id)
        // One line, two where it was the end of the first; without its own end the last one is torn.
        assert.isAtMost(reading.damaged, 2)
        assert.deepStrictEqual(reading.owner, owner)
        if (reading.damaged === 0) assert.strictEqual(reading.state, reading.isTorn ? "closing" : "left")
      }),
      { seed: 1, numRuns: 2000 }
    )
  })

  it("survives any text", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.json(), fc.constantFrom(...whole))), (lines) => {
        const reading = Reading.read(lines.join("\n"), id)
        assert.isAtLeast(reading.damaged, 0)
        assert.include(["launching", "up", "closing", "left"], reading.state)
      }),
      { seed: 1, numRuns: 500 }
    )
  })
})
