/**
 * A watch on a terminal: `WatchState` drawn below the lines that it tells, one key for an answer.
 *
 * @since 0.1.0
 */
import type { ControlError } from "@bottle/engine/ControlError"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Colors from "./Colors.js"
import { bySignal, ExitStatus } from "./ExitStatus.js"
import * as Failure from "./Failure.js"
import { Invocation } from "./Invocation.js"
import { Keyboard, type KeyEvent } from "./Keyboard.js"
import type * as Refusal from "./Refusal.js"
import * as Stdio from "./Stdio.js"
import type { Lasting, Watching } from "./Watching.js"
import * as WatchState from "./WatchState.js"

/** What happened and was not looked at yet: a guest that is refused faster than that waits in its owner, or is lost. */
const EVENTS_MAX = 64

type Happened =
  | { readonly _tag: "Refused"; readonly refusal: Refusal.Refusal }
  | { readonly _tag: "Key"; readonly event: KeyEvent; readonly at: number }
  | { readonly _tag: "Decided"; readonly question: number; readonly isInForce: boolean; readonly line: string }
  | { readonly _tag: "Gone"; readonly error: ControlError }

const now: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/** A turn of the event loop, in which what was typed by now is read. */
const turn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

const codes = { plain: "", rule: "\u001b[1m", warning: "\u001b[33m", dim: "\u001b[2m" } as const

/** What there is on the screen, and how more gets there. */
interface Screen {
  /** Writes the lines above the view, and the view anew; returns when that is written. */
  readonly draw: (lines: ReadonlyArray<string>, view: WatchState.View | null) => Effect.Effect<void, Stdio.OutputClosed>
  /** The view is no longer where it was drawn. */
  readonly forget: () => void
}

const makeScreen = (
  environment: Readonly<Record<string, string>>,
  stdio: Stdio.Stdio["Type"],
  columns: () => number
): Screen => {
  const isColoured = Colors.areWanted(environment)
  const canMove = environment["TERM"] !== "dumb"
  const styled = ({ text, tone }: WatchState.ViewLine): string =>
    isColoured && codes[tone] !== "" ? `${codes[tone]}${text}\u001b[0m` : text
  let rows = 0
  let isBegun = false
  const rowsOf = (view: WatchState.View): number =>
    view.lines.reduce((sum, { text }) => sum + Math.max(1, Math.ceil(text.length / Math.max(1, columns()))), 0)
  return {
    forget: () => {
      rows = 0
    },
    draw: (lines, view) =>
      Effect.suspend(() => {
        const up = rows > 1 ? `\u001b[${rows - 1}A` : ""
        const erased = !isBegun ? "" : rows > 0 && canMove ? `\r${up}\u001b[J` : "\r\n"
        const above = lines.map((line) => `bottle: ${line.replace(/[^\x20-\x7e]/g, "?")}\r\n`).join("")
        const below = view === null ? "" : view.lines.map(styled).join("\r\n")
        rows = view === null ? 0 : rowsOf(view)
        isBegun = view !== null
        return stdio.stdout(Buffer.from(`${erased}${above}${below}`))
      })
  }
}

const decide = (
  watching: Watching,
  { entry, lasting, question }: { readonly entry: string; readonly lasting: Lasting; readonly question: number }
): Effect.Effect<Happened, never, FileSystem> =>
  watching.allow(entry, lasting).pipe(
    Effect.map(({ file }): Happened => {
      const line = file === null ? `allowed for this bottle: ${entry}` : `allowed for good, in ${file}: ${entry}`
      return { _tag: "Decided", question, isInForce: true, line }
    }),
    Effect.catchAll((error) => {
      const { message, suggestion } = Failure.fromError(error)
      const line = `not allowed: ${message}${suggestion === null ? "" : ` (${suggestion})`}`
      return Effect.succeed<Happened>({ _tag: "Decided", question, isInForce: false, line })
    })
  )

const inputOf = (happened: Happened, at: number): WatchState.Input | null => {
  switch (happened._tag) {
    case "Refused":
      return { _tag: "Refused", refusal: happened.refusal, at }
    case "Key":
      return happened.event._tag === "Keys"
        ? { _tag: "Keys", keys: happened.event.keys, at: happened.at }
        : { _tag: "Hidden" }
    case "Decided":
      return happened
    case "Gone":
      return null
  }
}

/**
 * Shows refusals and asks about them, until the bottle goes down or the user quits. The terminal is as it was when this
 * returns, however it does.
 *
 * @since 0.1.0
 * @category constructors
 */
export const watch = (
  watching: Watching
): Effect.Effect<number, ControlError | Stdio.OutputClosed, Stdio.Stdio | Invocation | FileSystem> =>
  Effect.gen(function* () {
    const keyboard = yield* Keyboard
    const screen = makeScreen((yield* Invocation).environment, yield* Stdio.Stdio, () => keyboard.size().columns)
    const happened = yield* Queue.bounded<Happened>(EVENTS_MAX)
    // A view that is left where it is would be written over by whatever comes after us.
    yield* Effect.addFinalizer(() => Effect.ignore(screen.draw([], null)))
    const keys = yield* keyboard.open
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.flatMap(Queue.take(keys), (event) =>
          Effect.flatMap(now, (at) => Queue.offer(happened, { _tag: "Key", event, at }))
        )
      )
    )
    yield* Effect.forkScoped(
      Stream.runForEach(watching.refusals, ({ refusal }) => Queue.offer(happened, { _tag: "Refused", refusal })).pipe(
        Effect.catchAll((error) => Queue.offer(happened, { _tag: "Gone", error }))
      )
    )

    let state = WatchState.initial(watching.id, watching.saving)
    let told: Array<string> = [`watching ${watching.id}: what it is refused is shown here`]
    let shown = ""
    for (;;) {
      const size = keyboard.size()
      state = judged(watching, state)
      const view = WatchState.view(state, size)
      const drawing = JSON.stringify([view.lines, size])
      if (told.length > 0 || drawing !== shown) {
        yield* screen.draw(told, view)
        told = []
        shown = drawing
        yield* Effect.zipRight(turn, turn)
      }
      if (view.question !== null) {
        const drawn = { _tag: "Drawn", question: view.question, isWhole: view.isWhole, at: yield* now } as const
        state = WatchState.step(state, drawn).state
      }
      for (const one of Chunk.toReadonlyArray(yield* Queue.takeBetween(happened, 1, EVENTS_MAX))) {
        if (one._tag === "Gone") return yield* left(screen, told, one.error)
        if (one._tag === "Key" && one.event._tag === "HungUp") return bySignal.SIGHUP
        if (one._tag === "Key" && one.event._tag === "Resized") screen.forget()
        const input = inputOf(one, yield* now)
        if (input === null) continue
        const step = WatchState.step(state, input)
        state = step.state
        for (const output of step.outputs) {
          if (output._tag === "Line") told.push(output.text)
          else if (output._tag === "Quit") {
            yield* screen.draw(told, null)
            return output.by === "q" ? ExitStatus.success : bySignal.SIGINT
          } else
            yield* Effect.forkScoped(Effect.flatMap(decide(watching, output), (said) => Queue.offer(happened, said)))
        }
      }
    }
  }).pipe(Effect.scoped)

/** What waited for its turn was judged by the policy of then. */
const judged = (watching: Watching, state: WatchState.State): WatchState.State => {
  const { drawnAt, front } = state
  if (front === null || drawnAt !== null) return state
  const { number: question, refusal } = front
  return WatchState.step(state, { _tag: "Judged", question, warnings: watching.warnings(refusal) }).state
}

/** The bottle goes down as bottles do, or nobody knows of it any more. */
const left = (screen: Screen, told: ReadonlyArray<string>, error: ControlError) =>
  error._tag === "BottleGone" && error.reason !== null
    ? Effect.as(screen.draw([...told, error.message], null), ExitStatus.success)
    : Effect.zipRight(screen.draw(told, null), Effect.fail(error))
