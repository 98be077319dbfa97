import type { Refusal } from "@bottle/cli/Refusal"
import * as WatchState from "@bottle/cli/WatchState"
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "fast-check"

const SIZE = { columns: 80, rows: 24 }
const QUIET = WatchState.QUIET_MILLIS

const refusal = (host: string, over: Partial<Refusal> = {}): Refusal => ({
  key: ` ${host} 443`,
  host,
  port: 443,
  target: `${host}:443`,
  reason: "no-rule",
  why: "no rule allows it",
  entry: `${host}:443`,
  advice: null,
  warnings: [],
  ...over
})

const file: WatchState.Saving = { _tag: "File", path: "/home/me/agent.json" }

/** A watch whose view is drawn after each step, as on a terminal, unless it is told not to be. */
const watchOf = (saving: WatchState.Saving = file, size = SIZE) => {
  let state = WatchState.initial("box-abc12", saving)
  const outputs: Array<WatchState.Output> = []
  const take = (input: WatchState.Input): ReadonlyArray<WatchState.Output> => {
    const step = WatchState.step(state, input)
    state = step.state
    outputs.push(...step.outputs)
    return step.outputs
  }
  return {
    outputs,
    state: () => state,
    take,
    view: () => WatchState.view(state, size),
    draw: (at: number) => {
      const { isWhole, question } = WatchState.view(state, size)
      if (question !== null) take({ _tag: "Drawn", question, isWhole, at })
    },
    refuse: (host: string, at: number) => take({ _tag: "Refused", refusal: refusal(host), at }),
    press: (keys: string, at: number) => take({ _tag: "Keys", keys, at })
  }
}

/** What is on the screen, and since when. */
interface Shown {
  readonly question: number | null
  readonly text: string
  readonly since: number
}

const allowed = (outputs: ReadonlyArray<WatchState.Output>) =>
  outputs.flatMap((output) => (output._tag === "Allow" ? [[output.entry, output.lasting]] : []))

const textOf = (view: WatchState.View): string => view.lines.map(({ text }) => text).join("\n")

describe("WatchState", () => {
  it("asks about one host at a time, and counts who is refused again", () => {
    const watch = watchOf()
    for (const host of ["a.test", "b.test", "a.test"]) watch.refuse(host, 0)
    assert.include(textOf(watch.view()), "a.test:443 was refused: no rule allows it, 2 times")
    assert.include(textOf(watch.view()), "1 more to decide on")
    watch.draw(0)
    assert.deepStrictEqual(allowed(watch.press("b", QUIET)), [["a.test:443", "bottle"]])
    // Until it is known what came of it, no key answers anything.
    assert.deepStrictEqual(watch.press("b", 5 * QUIET), [])
    watch.take({ _tag: "Decided", question: 1, isInForce: true, line: "allowed" })
    assert.include(textOf(watch.view()), "b.test:443 was refused")
    watch.draw(5 * QUIET)
    assert.deepStrictEqual(allowed(watch.press("g", 7 * QUIET)), [["b.test:443", "good"]])
    watch.take({ _tag: "Decided", question: 2, isInForce: false, line: "not allowed: no room" })
    // It stays, and has to be read again.
    assert.include(textOf(watch.view()), "b.test:443 was refused")
    watch.draw(8 * QUIET)
    assert.deepStrictEqual(watch.press("b", 8 * QUIET + 1), [])
  })

  it("says of the next question what speaks against it by then, and changes none on the screen", () => {
    const watch = watchOf()
    watch.refuse("a.test", 0)
    const judge = (text: string) => watch.take({ _tag: "Judged", question: 1, warnings: [text] })
    judge("before")
    watch.draw(0)
    judge("after")
    assert.include(textOf(watch.view()), "! before")
    // In the usual window no key is torn from what it does.
    assert.include(textOf(watch.view()), "[x] ask no more   [q] quit")
  })

  it("takes no key that was pressed before its question was there to be read, nor what is pasted", () => {
    const watch = watchOf()
    watch.press("b", 0)
    watch.refuse("a.test", 1)
    assert.deepStrictEqual(watch.press("b", 10 * QUIET), [])
    watch.draw(10 * QUIET)
    assert.deepStrictEqual(watch.press("b", 11 * QUIET - 1), [])
    // The key before was no answer: it has to be quiet again.
    assert.deepStrictEqual(watch.press("b", 11 * QUIET), [])
    assert.deepStrictEqual(watch.press("bb", 13 * QUIET), [])
    assert.deepStrictEqual(watch.press("qb", 13 * QUIET), [])
    assert.deepStrictEqual(watch.press("\u001b[A", 15 * QUIET), [])
    assert.deepStrictEqual(allowed(watch.press("b", 16 * QUIET)), [["a.test:443", "bottle"]])
    // One that comes up after another has to be there itself, and for as long, to be put away.
    watch.refuse("b.test", 16 * QUIET)
    watch.take({ _tag: "Decided", question: 1, isInForce: true, line: "allowed" })
    watch.take({ _tag: "Drawn", question: 1, isWhole: true, at: 17 * QUIET })
    assert.deepStrictEqual(watch.press("x", 20 * QUIET), [])
    watch.draw(20 * QUIET)
    assert.deepStrictEqual(watch.press("n", 21 * QUIET - 1), [])
    assert.strictEqual(watch.state().front?.refusal.host, "b.test")
    assert.lengthOf(watch.press("n", 22 * QUIET), 1)
  })

  it("asks again after a while about what is not now, and never about what is dismissed", () => {
    const watch = watchOf()
    watch.refuse("a.test", 0)
    watch.draw(0)
    watch.press("n", QUIET)
    watch.refuse("a.test", QUIET + 1)
    assert.isNull(watch.state().front)
    watch.refuse("a.test", QUIET + WatchState.SNOOZE_MILLIS)
    assert.strictEqual(watch.state().front?.refusal.host, "a.test")
    watch.draw(40_000)
    watch.press("x", 50_000)
    watch.refuse("a.test", 9_000_000)
    assert.isNull(watch.state().front)
    watch.refuse("b.test", 9_000_000)
    assert.strictEqual(watch.state().front?.refusal.host, "b.test")
  })

  it("tells once of what nothing can be decided on, and quits by q, Ctrl-D and Ctrl-C at any time", () => {
    const watch = watchOf()
    const denied = refusal("bad.test", { entry: null, why: "a rule denies it", advice: "take it away" })
    for (let time = 0; time < 3; time++) watch.take({ _tag: "Refused", refusal: denied, at: time })
    assert.deepStrictEqual(watch.outputs, [
      { _tag: "Line", text: "refused bad.test:443 (a rule denies it); take it away" }
    ])
    assert.deepStrictEqual(watch.press("q", 3), [{ _tag: "Quit", by: "q" }])
    assert.deepStrictEqual(watch.press("\u0004", 3), [{ _tag: "Quit", by: "q" }])
    assert.deepStrictEqual(watch.press("b\u0003", 3), [{ _tag: "Quit", by: "interrupt" }])
  })

  it("allows nothing for good where nothing is known to write to, and says what to do", () => {
    const watch = watchOf({ _tag: "Nowhere", advice: "watch with --save FILE" })
    watch.refuse("a.test", 0)
    watch.draw(0)
    assert.include(textOf(watch.view()), "watch with --save FILE")
    assert.notInclude(textOf(watch.view()), "[g]")
    assert.deepStrictEqual(watch.press("g", QUIET), [])
    assert.deepStrictEqual(allowed(watch.press("b", 2 * QUIET)), [["a.test:443", "bottle"]])
  })

  it("breaks text at spaces, and shows nothing that steers a terminal", () => {
    const broken = ["  one", "  two?[2J", "  threefo", "  ur"]
    assert.deepStrictEqual(WatchState.wrap("one two\u001b[2J threefour", 9, "  "), broken)
  })

  it("allows nothing whose rule has no room to be shown whole, until it has", () => {
    const host = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.test`
    const small = watchOf(file, { columns: 40, rows: 8 })
    small.refuse(host, 0)
    small.draw(0)
    assert.include(textOf(small.view()), "too small")
    assert.deepStrictEqual(small.press("b", QUIET), [])
    const { isWhole, lines, question } = WatchState.view(small.state(), SIZE)
    assert.include(lines.map(({ text }) => text.trim()).join(""), `${host}:443`)
    small.take({ _tag: "Drawn", question: question ?? 0, isWhole, at: 2 * QUIET })
    // It is read from when it is there to be read.
    assert.deepStrictEqual(small.press("b", 3 * QUIET - 1), [])
    assert.deepStrictEqual(allowed(small.press("b", 4 * QUIET)), [[`${host}:443`, "bottle"]])
  })

  it("allows only what was on the screen, whole and for a while, whatever the guest does meanwhile", () => {
    const host = FastCheck.oneof(
      FastCheck.constantFrom("a.test", "b.test", "xn--a-ecp.test", `${"l".repeat(60)}.${"o".repeat(60)}.test`),
      FastCheck.nat(100).map((at) => `h${at}.test`)
    )
    const happening = FastCheck.oneof(
      { weight: 6, arbitrary: FastCheck.record({ kind: FastCheck.constant("refuse" as const), host }) },
      {
        weight: 4,
        arbitrary: FastCheck.record({
          kind: FastCheck.constant("press" as const),
          keys: FastCheck.constantFrom("b", "b", "g", "g", "n", "x", "z", "bb", "\r", "\u001b[B", "y")
        })
      },
      { weight: 4, arbitrary: FastCheck.record({ kind: FastCheck.constant("draw" as const) }) },
      { weight: 1, arbitrary: FastCheck.record({ kind: FastCheck.constant("resize" as const) }) },
      {
        weight: 2,
        arbitrary: FastCheck.record({ kind: FastCheck.constant("decided" as const), ok: FastCheck.boolean() })
      }
    )
    const run = FastCheck.record({
      size: FastCheck.record({
        columns: FastCheck.integer({ min: 10, max: 120 }),
        rows: FastCheck.integer({ min: 3, max: 30 })
      }),
      steps: FastCheck.array(FastCheck.tuple(happening, FastCheck.integer({ min: 0, max: 4 * QUIET })), {
        minLength: 20,
        maxLength: 80
      })
    })
    let answered = 0
    FastCheck.assert(
      FastCheck.property(run, ({ size, steps }) => {
        const watch = watchOf(file, size)
        let at = 0
        let screen: Shown | null = null
        const onScreen = (): Shown | null => screen
        let lastKey = -Infinity
        for (const [one, later] of steps) {
          at += later
          if (one.kind === "refuse") watch.refuse(one.host, at)
          else if (one.kind === "draw") {
            const view = watch.view()
            const text = view.lines.map(({ text }) => text.trim()).join("")
            const before = onScreen()
            screen = { question: view.question, text, since: before?.question === view.question ? before.since : at }
            watch.draw(at)
          } else if (one.kind === "resize") {
            watch.take({ _tag: "Hidden" })
            screen = null
          } else if (one.kind === "decided") {
            const question = watch.state().front?.number
            if (watch.state().isDeciding && question !== undefined) {
              watch.take({ _tag: "Decided", question, isInForce: one.ok, line: "decided" })
              screen = null
            }
          } else {
            const outputs = watch.press(one.keys, at)
            for (const output of outputs) {
              if (output._tag !== "Allow") continue
              answered += 1
              assert.strictEqual(output.question, onScreen()?.question)
              assert.include(onScreen()?.text ?? "", output.entry)
              assert.isAtLeast(at - (onScreen()?.since ?? at), QUIET)
              assert.isAtLeast(at - lastKey, QUIET)
            }
            if (outputs.length === 0) lastKey = at
          }
          assert.isAtMost(watch.state().waiting.length, WatchState.WAITING_MAX)
          for (const { text } of watch.view().lines) {
            assert.match(text, /^[\x20-\x7e]*$/)
            assert.isAtMost(text.length, Math.max(20, size.columns) - 1)
          }
        }
      }),
      { numRuns: 100, seed: 6 }
    )
    assert.isAbove(answered, 20)
  })

  it("keeps as many questions as can be answered, and counts the rest", () => {
    const watch = watchOf()
    for (let at = 0; at < 10_000; at++) watch.refuse(`h${at}.test`, at)
    assert.strictEqual(watch.state().front?.refusal.host, "h0.test")
    assert.strictEqual(watch.state().waiting[0]?.refusal.host, "h1.test")
    assert.strictEqual(watch.state().waiting.length, WatchState.WAITING_MAX)
    assert.include(textOf(watch.view()), `${10_000 - WatchState.WAITING_MAX - 1} refusals of more hosts`)
    for (let at = 0; at < 1000; at++) {
      watch.take({ _tag: "Refused", refusal: refusal(`d${at}.test`, { entry: null, key: `d${at}` }), at })
    }
    assert.strictEqual(watch.outputs.length, WatchState.TOLD_MAX)
  })
})
