/**
 * The keys of the user's terminal, one by one as they are pressed, and the size of its window.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Readable, Writable } from "node:stream"

/** What was typed and not taken yet: nobody types so much. */
const TYPED_MAX = 64

/**
 * What a terminal says: keys as they were read at once, another size of its window, or that it is gone.
 *
 * @since 0.1.0
 * @category models
 */
export type KeyEvent =
  | { readonly _tag: "Keys"; readonly keys: string }
  | { readonly _tag: "Resized" }
  | { readonly _tag: "HungUp" }

/**
 * The terminal, as somebody uses it who asks by single keys.
 *
 * @since 0.1.0
 * @category services
 */
export class Keyboard extends Context.Reference<Keyboard>()("@bottle/cli/Keyboard", {
  defaultValue: (): {
    /** Takes keys as they are pressed, unseen, until the scope closes; then the terminal is as it was. */
    readonly open: Effect.Effect<Queue.Dequeue<KeyEvent>, never, Scope.Scope>
    readonly size: () => { readonly columns: number; readonly rows: number }
    /** Whether standard input is one. */
    readonly isTerminal: boolean
  } => ({
    open: Queue.unbounded<KeyEvent>(),
    size: () => ({ columns: 80, rows: 24 }),
    isTerminal: false
  })
}) {}

/**
 * What a `Keyboard` is made of; the program's own streams fit where they are a terminal.
 *
 * @since 0.1.0
 * @category models
 */
export interface TerminalStreams {
  /** Taken only when keys are: touching it is enough to keep the process alive. */
  readonly stdin: () => Readable & { readonly setRawMode: (isRaw: boolean) => unknown }
  readonly stdout: Writable & { readonly columns?: number | undefined; readonly rows?: number | undefined }
  readonly isTerminal: boolean
}

/**
 * The keyboard over Node's streams. Node itself puts the terminal back when the process exits in whatever way it sees.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (streams: TerminalStreams): Context.Tag.Service<Keyboard> => ({
  isTerminal: streams.isTerminal,
  size: () => ({ columns: streams.stdout.columns || 80, rows: streams.stdout.rows || 24 }),
  open: Effect.gen(function* () {
    const events = yield* Queue.unbounded<KeyEvent>()
    const say = (event: KeyEvent): void => void Queue.unsafeOffer(events, event)
    const onData = (bytes: Buffer): void => {
      const typed = Option.getOrElse(events.unsafeSize(), () => 0)
      if (typed < TYPED_MAX) say({ _tag: "Keys", keys: bytes.toString("latin1") })
    }
    const onEnd = (): void => say({ _tag: "HungUp" })
    const onResize = (): void => say({ _tag: "Resized" })
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const stdin = streams.stdin()
        stdin.on("data", onData).on("end", onEnd).on("error", onEnd)
        streams.stdout.on("resize", onResize)
        setRaw(stdin, true)
        stdin.resume()
        return stdin
      }),
      (stdin) =>
        Effect.sync(() => {
          setRaw(stdin, false)
          stdin.off("data", onData).off("end", onEnd)
          streams.stdout.off("resize", onResize)
          stdin.destroy()
        })
    )
    return events
  })
})

/** A terminal that has gone is in no mode any more. */
const setRaw = (stdin: ReturnType<TerminalStreams["stdin"]>, isRaw: boolean): void => {
  try {
    stdin.setRawMode(isRaw)
  } catch {
    // It is gone: what reads it is told of that.
  }
}
