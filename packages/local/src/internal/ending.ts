/* How a command in a machine is sent a signal: so that its own parent is there to collect it. */

import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Release from "@bottle/process/Release"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Processes from "./processes.js"

type Started = Pick<CommandExecutor.Process, "pid" | "exitCode" | "isRunning" | "kill">

const pollMillis = 10

/** How long the killed may take to vanish one by one, before their whole group is killed. */
const killedMillis = 1000

/** As long as everywhere (`@bottle/process`), for whoever only closes the scope. */
const graceMillis = 5000

const send = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended by itself.
  }
}

/**
 * Sends a signal to what the command has in the machine, and waits for the end of all. Our own programs around it, which
 * wait for it, end with it. They must not end before it: the kernel would then give it to the host's first process to
 * collect, which may take seconds for that or never do it, and until then the machine's first process cannot end.
 */
export const kill =
  (started: Started): CommandExecutor.Process["kill"] =>
  (signal = "SIGTERM") =>
    Effect.gen(function* () {
      const told = yield* tellInner(started, signal).pipe(
        signal === "SIGKILL" ? Effect.timeoutOption(killedMillis) : Effect.asSome
      )
      // Nobody is in the machine yet, or any longer; or the killed fork faster than we look.
      const isEnded = Option.getOrElse(told, () => false)
      if (!isEnded) yield* started.kill(signal)
    })

/** Whether there was anybody to tell; then the command has ended. */
const tellInner = (started: Started, signal: NodeJS.Signals): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const told = new Set<string>()
    const ended = Effect.exit(started.exitCode)
    // Again and again: what was forked while we looked has not been told.
    for (;;) {
      for (const { pid, startTime } of Processes.innerOfGroup(started.pid)) {
        const key = `${pid} ${startTime}`
        if (!told.has(key)) send(pid, signal)
        told.add(key)
      }
      if (told.size === 0) return false
      if (Option.isSome(yield* Effect.timeoutOption(ended, pollMillis))) return true
    }
  })

/** For a scope that closes while the command runs: what the executor below would do, to the right processes. */
export const release = (started: Started): Effect.Effect<void> =>
  Effect.gen(function* () {
    const end = (signal: "SIGTERM" | "SIGKILL", atMostMillis: number) =>
      Effect.whenEffect(Effect.ignore(kill(started)(signal)), isRunning(started)).pipe(Release.within(atMostMillis))
    yield* end("SIGTERM", graceMillis)
    yield* end("SIGKILL", killedMillis * 2)
  })

const isRunning = (started: Started): Effect.Effect<boolean> => Effect.orElseSucceed(started.isRunning, () => false)
