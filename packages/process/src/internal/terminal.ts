import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Tty from "node:tty"

// What the terminal itself sends to everyone in the foreground, us included.
const names = ["SIGINT", "SIGQUIT"] as const
type Name = (typeof names)[number]

const ignore = () => {}
const setAside = new Map<Name, ReturnType<typeof process.rawListeners>>()
let children = 0

const take = () => {
  children += 1
  if (children > 1) return
  for (const name of names) {
    // Listening comes first: without any listener the signal would end us.
    const listeners = process.rawListeners(name)
    process.on(name, ignore)
    for (const listener of listeners) Reflect.apply(process.off, process, [name, listener])
    setAside.set(name, listeners)
  }
}

const giveBack = () => {
  children -= 1
  if (children > 0) return
  for (const name of names) {
    for (const listener of setAside.get(name) ?? []) Reflect.apply(process.on, process, [name, listener])
    process.off(name, ignore)
  }
  setAside.clear()
}

/**
 * Leaves Ctrl-C and Ctrl-\ to a child that owns the terminal: it gets them from the terminal, as we do, and decides.
 * Without a terminal they come from somebody who means us, and stay ours.
 */
export const leaveToChild: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() =>
  Tty.isatty(0) ? Effect.acquireRelease(Effect.sync(take), () => Effect.sync(giveBack)) : Effect.void
)
