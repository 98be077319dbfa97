import * as Stdio from "@bottle/cli/Stdio"
import * as Trace from "@bottle/cli/Trace"
import * as TraceEvents from "@bottle/cli/TraceEvents"
import * as TraceFile from "@bottle/cli/TraceFile"
import * as TraceSpans from "@bottle/cli/TraceSpans"
import type { SpanRecord } from "@bottle/engine/SpanRecord"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"

const span = (id: number, parent: number | null, startMicros: number, durationMicros: number | null): SpanRecord => ({
  id: String(id),
  parent: parent === null ? null : String(parent),
  name: `bottle.${id}`,
  startMicros,
  durationMicros,
  ok: durationMicros === null ? null : true,
  attributes: {}
})

const render = (...spans: ReadonlyArray<SpanRecord>) =>
  TraceEvents.render([{ name: "bottle run", spans, dropped: 0 }], { nowMicros: 2000, program: "bottle 1" })

const lanesOf = (document: TraceEvents.TraceDocument): Record<string, number> =>
  Object.fromEntries(document.traceEvents.flatMap((event) => (event.ph === "X" ? [[event.name, event.tid]] : [])))

describe("TraceEvents.render", () => {
  it("puts what is inside of something on its lane, and what is beside it on another", () => {
    const document = render(
      span(1, null, 1000, 500),
      span(2, 1, 1000, 100),
      span(3, 1, 1010, 80),
      span(4, 3, 1020, 30),
      span(5, 1, 1200, 100),
      // It outlives what began it.
      span(6, 5, 1250, 400)
    )
    assert.deepStrictEqual(lanesOf(document), { 1: 1, 2: 1, 3: 2, 4: 2, 5: 1, 6: 2 })
  })

  it("counts time from the first span, ends what is open now, and says how each ended", () => {
    const failed: SpanRecord = { ...span(2, 1, 1100, 50), ok: false, attributes: { "bottle.stage": "create" } }
    const events = render(span(1, null, 1000, null), failed).traceEvents.filter((event) => event.ph === "X")
    assert.deepStrictEqual(
      events.map(({ args, dur, ts }) => ({ args, dur, ts })),
      [
        { args: { ended: "not yet" }, dur: 1000, ts: 0 },
        { args: { "bottle.stage": "create", ended: "badly" }, dur: 50, ts: 100 }
      ]
    )
  })

  it("shows each process by itself on one line of time, and no lane twice at one moment", () => {
    const spans = Array.from({ length: 200 }, (_, at) =>
      span(at + 2, at % 3 === 0 ? 1 : at, 1000 + at * 7, 5 + ((at * 37) % 90))
    )
    const document = TraceEvents.render(
      [
        { name: "bottle up", spans: [span(1, null, 1000, 900)], dropped: 1 },
        { name: "bottle-keeper", spans, dropped: 2 }
      ],
      { nowMicros: 4000, program: "bottle 1" }
    )
    assert.strictEqual(document.otherData.dropped, 3)
    const drawn = document.traceEvents.filter((event) => event.ph === "X")
    assert.deepStrictEqual([...new Set(drawn.map(({ pid }) => pid))], [1, 2])
    for (const one of drawn) {
      for (const other of drawn) {
        if (one === other || one.pid !== other.pid || one.tid !== other.tid) continue
        const [first, second] = one.ts <= other.ts ? [one, other] : [other, one]
        const isApart = first.ts + first.dur <= second.ts
        const isInside = second.ts + second.dur <= first.ts + first.dur || second.ts === first.ts
        assert.isTrue(isApart || isInside)
      }
    }
  })
})

describe("TraceSpans.make", () => {
  it.effect("remembers what is ours, and of that neither a long value nor a strange one", () =>
    Effect.gen(function* () {
      const { remembered, tracer } = TraceSpans.make()
      yield* Effect.void.pipe(
        Effect.withSpan("process", {
          attributes: {
            "process.program": `${"x".repeat(500)}\u001b[2J`,
            "process.exit_code": 3,
            "http.url": "https://user:secret@example.com",
            "bottle.values": ["secret"]
          }
        }),
        Effect.withSpan("http.client secret"),
        Effect.withSpan("bottle.launch"),
        Effect.withTracer(tracer)
      )
      const { spans } = remembered()
      assert.deepStrictEqual(
        spans.map(({ name }) => name),
        ["process", "bottle.launch"]
      )
      assert.deepStrictEqual(Object.keys(spans[0]?.attributes ?? {}), ["process.program", "process.exit_code"])
      assert.isBelow(String(spans[0]?.attributes["process.program"]).length, 200)
      assert.notInclude(JSON.stringify(spans), "secret")
    })
  )

  it.effect("counts what is one too many, and tells the others as they end", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const { remembered, tracer } = TraceSpans.make({ spansMax: 2, onSpan: ({ name }) => void told.push(name) })
      yield* Effect.forEach(["bottle.a", "bottle.b", "bottle.c"], (name) => Effect.withSpan(Effect.void, name)).pipe(
        Effect.withTracer(tracer)
      )
      assert.deepStrictEqual(told, ["bottle.a", "bottle.b"])
      assert.strictEqual(remembered().dropped, 1)
    })
  )
})

const told: Array<string> = []
const stdio = {
  isInteractive: false,
  stdout: () => Effect.void,
  stderr: (bytes: Uint8Array) => Effect.sync(() => void told.push(Buffer.from(bytes).toString())),
  stdin: Stream.empty
}

const over = (file: string, command: Effect.Effect<number>) =>
  Trace.over({ file, name: "run", manner: { format: "text", jsonOn: "stderr" } }, () => command).pipe(
    Effect.provideService(Stdio.Stdio, stdio),
    Effect.provide(NodeFileSystem.layer)
  )

const read = (file: string): ReadonlyArray<string> => {
  const { traceEvents }: TraceEvents.TraceDocument = JSON.parse(Fs.readFileSync(file, "utf8"))
  return traceEvents.flatMap((event) => (event.ph === "X" ? [`${event.name} ${event.args["ended"]}`] : []))
}

describe("Trace.over", () => {
  it.live("writes what happened, for its owner only, and gives the command's own exit code", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const file = `${directory}/trace.json`
        const work = Effect.withSpan(Effect.fail("refused"), "bottle.launch")
        assert.strictEqual(yield* over(file, Effect.as(Effect.ignore(work), 7)), 7)
        assert.deepStrictEqual(read(file), ["run well", "launch badly"])
        assert.strictEqual(Fs.statSync(file).mode & 0o777, 0o600)
        assert.deepStrictEqual(Fs.readdirSync(directory), ["trace.json"])
      })
    )
  )

  it.live("keeps no more of a keeper's spans than that is to send", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const trace = TraceFile.make(`${directory}/trace.json`, "bottle up")
        yield* Effect.forEach(
          Array.from({ length: 5001 }, (_, at) => span(at, null, at, 1)),
          trace.hear
        )
        yield* trace.write
        const { otherData }: TraceEvents.TraceDocument = JSON.parse(Fs.readFileSync(`${directory}/trace.json`, "utf8"))
        assert.strictEqual(otherData.dropped, 1)
      })
    ).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("writes after an interruption too", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const file = `${directory}/trace.json`
        const begun = yield* Deferred.make<void>()
        const work = Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)
        const fiber = yield* Effect.fork(over(file, Effect.withSpan(work, "bottle.launch")))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(fiber)
        assert.include(read(file).join(), "run badly")
      })
    )
  )

  it.live("runs nothing where the file cannot be written, and says so", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const name = randomBytes(4).toString("hex")
        let ran = 0
        const command = Effect.sync(() => (ran += 1))
        assert.strictEqual(yield* over(`${directory}/${name}/trace.json`, command), 125)
        assert.strictEqual(yield* over(directory, command), 125)
        assert.strictEqual(ran, 0)
        assert.include(
          told[0],
          `bottle: the trace ${directory}/${name}/trace.json cannot be written: there is no such directory\n`
        )
        assert.include(told[1], "it is a directory")
      })
    )
  )
})
