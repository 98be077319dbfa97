import { Interruption } from "@bottle/cli/Interruption"
import { Invocation } from "@bottle/cli/Invocation"
import * as LiveLines from "@bottle/cli/LiveLines"
import * as Progress from "@bottle/cli/Progress"
import * as Stdio from "@bottle/cli/Stdio"
import type { Stage } from "@bottle/engine/Stage"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Fixture from "./fixtures/bottles.js"
import { FakeScreen } from "./fixtures/screen.js"

const invocation = (environment: Readonly<Record<string, string>>): typeof Invocation.Service => ({
  argv: [],
  cwd: "/",
  environment,
  programDirectory: "/",
  keeper: null,
  superuser: false,
  arch: "x64",
  platform: "linux",
  nodeVersion: "20.0.0"
})

interface Around {
  readonly screen: FakeScreen
  readonly isTerminal?: boolean
  readonly environment?: Readonly<Record<string, string>>
}

/** Uses something of Progress's with these streams; all that is written goes to the screen. */
const inside = <A, E>(
  { environment = { TERM: "xterm" }, isTerminal = true, screen }: Around,
  use: Effect.Effect<A, E, Stdio.Stdio | Invocation | Scope.Scope>
): Effect.Effect<A, E> =>
  Effect.scoped(use).pipe(
    Effect.provideService(Stdio.Stdio, {
      isInteractive: isTerminal,
      screen: isTerminal ? screen : undefined,
      stdout: () => Effect.void,
      stderr: (bytes) => Effect.sync(() => screen.write(Buffer.from(bytes).toString())),
      stdin: Stream.empty
    }),
    Effect.provideService(Invocation, invocation(environment))
  )

const text = { quiet: false, format: "text" } as const

const started = (stage: Stage) => ({ _tag: "StageStarted", stage }) as const
const ended = (stage: Stage, ok = true) => ({ _tag: "StageEnded", stage, durationMillis: 1, ok }) as const
const slow = { _tag: "ReleaseSlow", resource: "machine bottle-x1" } as const

const line = ({ stdio }: Progress.Progress, words: string) =>
  Effect.provideService(Stdio.errorLine(words), Stdio.Stdio, stdio)

describe("LiveLines", () => {
  const entry = (label: string, how: Partial<LiveLines.Entry> = {}): LiveLines.Entry => ({
    label,
    detail: "",
    said: null,
    startedMillis: 0,
    ended: null,
    ...how
  })
  const canvas = { nowMillis: 3210, columns: 60, rows: 24, isColoured: false }

  it("says what goes on, how long, what is waited for and what was said last", () => {
    assert.deepStrictEqual(
      LiveLines.render(
        [
          entry("bundle", { ended: { atMillis: 900, ok: true }, detail: "docker run" }),
          entry("create", { detail: "smolvm machine create", said: "pulling 3 of 7" }),
          entry("start", { ended: { atMillis: 3000, ok: false } })
        ],
        canvas
      ),
      ["  bundle     0.9 s", "  create     3.2 s  smolvm machine create: pulling 3 of 7", "  start      3.0 s  failed"]
    )
  })

  it("never fills the width, however small that is", () => {
    const entries = [
      entry("create", { detail: "smolvm machine create", said: "x".repeat(300) }),
      entry("still removing machine bottle-x1")
    ]
    for (let columns = 1; columns < 120; columns++) {
      for (const one of LiveLines.render(entries, { ...canvas, columns })) assert.isBelow(one.length, columns)
    }
    assert.deepStrictEqual(LiveLines.render(entries.slice(0, 1), { ...canvas, columns: 15 }), ["create 3.2 s"])
  })

  it("leaves out what was over at once", () => {
    const entries = [true, false].map((ok) => entry("pack", { ended: { atMillis: 99, ok } }))
    assert.deepStrictEqual(LiveLines.render(entries, canvas), ["  pack       0.0 s  failed"])
  })

  it("leaves out what is over where there is no room", () => {
    const over = { ended: { atMillis: 100, ok: true } }
    const entries = [entry("pack", over), entry("network", over), entry("create"), entry("bundle")]
    assert.deepStrictEqual(
      LiveLines.render(entries, { ...canvas, rows: 4 }).map((one) => one.trim().split(" ")[0]),
      ["pack", "create", "bundle"]
    )
  })

  it("shows neither an escape sequence nor a line end of what was said", () => {
    const [one = ""] = LiveLines.render([entry("bundle", { said: "a\u001b[2Jb\nc\u202e" })], canvas)
    assert.strictEqual(one, "  bundle     3.2 s  ab c")
  })

  it("counts in the unit that fits", () => {
    assert.deepStrictEqual([0, 59_949, 60_000, 62_900, 7_500_000].map(LiveLines.elapsed), [
      "0.0 s",
      "59.9 s",
      "1m 00s",
      "1m 02s",
      "2h 05m"
    ])
  })
})

describe("Progress on a terminal", () => {
  it.effect("writes nothing for a launch that is done within a second", () => {
    const screen = new FakeScreen()
    return inside(
      { screen },
      Effect.gen(function* () {
        const progress = yield* Progress.make(text)
        for (const stage of ["create", "start", "proof"] as const) {
          yield* progress.notify(started(stage))
          yield* TestClock.adjust("300 millis")
          yield* progress.notify(ended(stage))
        }
        yield* progress.handOver
        assert.deepStrictEqual(screen.writes, [])
      })
    )
  })

  it.effect("shows each stage of a slow one with its time, ten times a second at most, and leaves nothing", () => {
    const screen = new FakeScreen()
    return inside(
      { screen },
      Effect.gen(function* () {
        const progress = yield* Progress.make(text)
        yield* progress.notify(started("create"))
        yield* progress.notify(started("bundle"))
        yield* progress.notify({ _tag: "BundleSaid", daemon: null, text: "not yet" })
        yield* progress.notify({ _tag: "StageSaid", stage: "bundle", text: "warming up" })
        yield* TestClock.adjust("1 second")
        yield* progress.notify(ended("create"))
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(screen.seen, ["  create     1.0 s", "  bundle     3.0 s  warming up"])
        assert.isAtMost(screen.writes.length, 21)
        yield* line(progress, "bottle: a message")
        assert.deepStrictEqual(screen.seen, [
          "bottle: a message",
          "  create     1.0 s",
          "  bundle     3.0 s  warming up"
        ])
        yield* progress.notify(ended("bundle"))
        yield* progress.handOver
        assert.deepStrictEqual(screen.seen, ["bottle: a message"])
        const count = screen.writes.length
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(screen.writes.length, count)
      })
    )
  })

  it.effect("says what a slow stage waits for: its program and subcommand, and no name or value", () => {
    const screen = new FakeScreen()
    return inside(
      { screen },
      Effect.gen(function* () {
        const progress = yield* Progress.make(text)
        yield* progress.planned(Fixture.planOf("/home/me", "words", { env: [["WORD", "words"]] }))
        yield* progress.notify(started("create"))
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(screen.seen, ["  create     2.0 s  smolvm-local machine create"])
      })
    )
  })

  it.effect("leaves the stage that failed, and not those that were cut off by it", () => {
    const screen = new FakeScreen()
    return inside(
      { screen, environment: { TERM: "xterm", NO_COLOR: "1" } },
      Effect.gen(function* () {
        const progress = yield* Progress.make(text)
        yield* progress.notify(started("create"))
        yield* progress.notify(started("bundle"))
        yield* TestClock.adjust("1500 millis")
        yield* progress.notify(ended("bundle", false))
        yield* progress.notify(ended("create", false))
        yield* TestClock.adjust("1 second")
        yield* progress.end("failed")
        assert.deepStrictEqual(screen.seen, ["  bundle     1.5 s  failed"])
        assert.notInclude(screen.writes.join(""), "\u001b[3")
      })
    )
  })

  it.effect("tells what is still being removed, and nothing of the stages after a Ctrl-C", () => {
    const screen = new FakeScreen()
    const interruption: { signal: "SIGINT" | null } = { signal: null }
    return inside(
      { screen },
      Effect.gen(function* () {
        const progress = yield* Progress.make(text)
        yield* progress.notify(started("create"))
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(screen.seen.length, 1)
        interruption.signal = "SIGINT"
        yield* progress.notify(ended("create", false))
        yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual(screen.seen, [])
        yield* progress.notify(slow)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(screen.seen, ["  still removing machine bottle-x1   4.0 s"])
        yield* progress.end("failed")
        assert.deepStrictEqual(screen.seen, [])
      })
    ).pipe(Effect.provideService(Interruption, interruption))
  })

  it.effect("goes when its scope ends in the middle of a stage", () => {
    const screen = new FakeScreen()
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(
        inside(
          { screen },
          Effect.gen(function* () {
            const progress = yield* Progress.make(text)
            yield* progress.notify(started("create"))
            yield* Effect.never
          })
        )
      )
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(screen.seen.length, 1)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(screen.seen, [])
    })
  })

  it.effect("finds its lines again when the terminal was made narrower", () => {
    const screen = new FakeScreen(80)
    return inside(
      { screen },
      Effect.gen(function* () {
        const progress = yield* Progress.make(text)
        yield* line(progress, "bottle: before")
        yield* progress.notify(started("bundle"))
        yield* progress.notify({ _tag: "BundleSaid", daemon: null, text: "a line of words that is rather long" })
        yield* TestClock.adjust("2 seconds")
        screen.resize(24)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(screen.seen, ["bottle: before", "  bundle     3.0 s  ..."])
        yield* progress.handOver
        assert.deepStrictEqual(screen.seen, ["bottle: before"])
      })
    )
  })

  it.effect("draws below what a command has left, whether that ended its line or not", () => {
    const screen = new FakeScreen()
    return inside(
      { screen },
      Effect.gen(function* () {
        const progress = yield* Progress.make(text)
        screen.write("a line\nno line")
        yield* progress.notify(slow)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(screen.seen, ["a line", "no line", "  still removing machine bottle-x1   4.0 s"])
        yield* progress.end("well")
        assert.deepStrictEqual(screen.seen, ["a line", "no line"])
        yield* progress.notify(slow)
        yield* TestClock.adjust("1 second")
        yield* progress.end("well")
        assert.deepStrictEqual(screen.seen, ["a line", "no line"])
        assert.deepStrictEqual([screen.row, screen.column], [2, 0])
      })
    )
  })

  it.effect("draws nothing into a line that somebody has begun", () => {
    const screen = new FakeScreen()
    return inside(
      { screen },
      Effect.gen(function* () {
        const progress = yield* Progress.make(text)
        yield* progress.notify(started("create"))
        yield* TestClock.adjust("2 seconds")
        yield* progress.stdio.stderr(Buffer.from("half"))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(screen.seen, ["half"])
        yield* progress.stdio.stderr(Buffer.from(" and half\n"))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(screen.seen, ["half and half", "  create     4.0 s"])
      })
    )
  })

  it.effect("says that something else takes long, and takes that away", () => {
    const screen = new FakeScreen()
    return inside(
      { screen },
      Effect.gen(function* () {
        const fiber = yield* Effect.fork(
          Effect.delay(Effect.succeed(7), "3 seconds").pipe(Progress.during("pruning", text))
        )
        yield* TestClock.adjust("900 millis")
        assert.deepStrictEqual(screen.writes, [])
        yield* TestClock.adjust("1100 millis")
        assert.deepStrictEqual(screen.seen, ["  pruning    2.0 s"])
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(fiber), 7)
        assert.deepStrictEqual(screen.seen, [])
      })
    )
  })
})

describe("Progress elsewhere", () => {
  const launchSlowly = (manner: Progress.Manner) =>
    Effect.gen(function* () {
      const progress = yield* Progress.make(manner)
      yield* progress.notify(started("image"))
      yield* TestClock.adjust("1 second")
      yield* progress.notify(ended("image"))
      yield* progress.notify(started("image"))
      yield* TestClock.adjust("5 seconds")
      yield* progress.notify(ended("image"))
      yield* progress.notify(started("ready"))
      yield* TestClock.adjust("9 seconds")
      yield* progress.notify(ended("ready"))
      yield* progress.notify(started("start"))
      yield* TestClock.adjust("15 seconds")
      yield* progress.notify(slow)
      yield* progress.planned(Fixture.planOf("/home/me", "words"))
      yield* progress.notify(started("create"))
      yield* TestClock.adjust("15 seconds")
      // What is the command's begins here.
      yield* progress.notify(started("proof"))
      yield* progress.handOver
      yield* TestClock.adjust("15 seconds")
      const other = Effect.delay(Effect.void, "15 seconds").pipe(Progress.during("pruning", manner))
      const fiber = yield* Effect.fork(other)
      yield* TestClock.adjust("15 seconds")
      yield* Fiber.join(fiber)
    })

  for (const [what, around] of [
    ["a pipe", { isTerminal: false }],
    ["a terminal that is dumb", { environment: { TERM: "dumb" } }],
    ["a terminal that nobody names", { environment: {} }]
  ] satisfies ReadonlyArray<readonly [string, Partial<Around>]>) {
    it.effect(`is a line for each slow stage on ${what}`, () => {
      const screen = new FakeScreen()
      return Effect.map(inside({ screen, ...around }, launchSlowly(text)), () =>
        assert.deepStrictEqual(screen.writes, [
          "bottle: building the bundle's image, once ...\n",
          "bottle: still waiting for start ...\n",
          "bottle: still removing machine bottle-x1 ...\n",
          "bottle: still waiting for create (smolvm-local machine create) ...\n",
          "bottle: pruning ...\n"
        ])
      )
    })
  }

  for (const manner of [
    { ...text, quiet: true },
    { ...text, format: "json" }
  ] satisfies ReadonlyArray<Progress.Manner>) {
    for (const isTerminal of [true, false]) {
      it.effect(`is nothing with ${JSON.stringify(manner)}${isTerminal ? " on a terminal" : ""}`, () => {
        const screen = new FakeScreen()
        return Effect.map(inside({ screen, isTerminal }, launchSlowly(manner)), () =>
          assert.deepStrictEqual(screen.writes, [])
        )
      })
    }
  }
})
