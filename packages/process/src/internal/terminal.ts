import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
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

const leaveSignals = Effect.acquireRelease(Effect.sync(take), () => Effect.sync(giveBack))

const stty = (args: ReadonlyArray<string>) =>
  ChildProcess.spawnSync("stty", args, {
    stdio: ["inherit", "pipe", "ignore"],
    encoding: "latin1",
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
    // From the background the terminal cannot be set: it would stop, and we would wait for it.
    timeout: sttyMillis,
    killSignal: "SIGKILL"
  })

const sttyMillis = 1000

/** A child that was killed could not put back what it had changed: no echo, no line at a time. */
const keepModes = Effect.acquireRelease(
  Effect.sync(() => stty(["-g"])),
  ({ status, stdout }) =>
    Effect.sync(() => {
      if (status === 0) stty([stdout.trim()])
    })
)

/**
 * Lends our terminal to a child. Ctrl-C and Ctrl-\ are the child's: it gets them from the terminal, as we do, and
 * decides. Afterwards the terminal's modes are as they were. Without a terminal there is nothing to lend: SIGINT then
 * comes from somebody who means us, and stays ours.
 */
export const lend: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() =>
  Tty.isatty(0) ? Effect.zipRight(keepModes, leaveSignals) : Effect.void
)
