/**
 * Runs the program's main effect: signals end it after its finalizers, a second signal at once, and what it printed is
 * out before it ends.
 *
 * @since 0.1.0
 */
import * as Runtime from "@effect/platform/Runtime"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Queue from "effect/Queue"
import { bySignal, type EndingSignal, ExitStatus } from "./ExitStatus.js"
import { Interruption } from "./Interruption.js"
import { ReloadRequests } from "./ReloadRequests.js"

const RELOAD_SIGNAL = "SIGUSR2"

/**
 * The part of Node's `process` that this module needs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Host {
  readonly on: (name: EndingSignal | typeof RELOAD_SIGNAL, listener: () => void) => unknown
  /** Calls the listener when something fails that no effect knows of. */
  readonly onCrash: (listener: () => void) => void
  readonly exit: (code: number) => never
  /** Ends the process with this code when nothing is left to do. */
  readonly setExitCode: (code: number) => void
  /** Runs the callback when all that was written is out. */
  readonly flushed: (callback: () => void) => void
}

/** How long handles that somebody forgot may keep a finished program alive. */
const LINGER_MILLIS = 2000

const names: ReadonlyArray<EndingSignal> = ["SIGHUP", "SIGINT", "SIGTERM"]

/**
 * Runs an effect whose success is an exit code. The first SIGHUP, SIGINT or SIGTERM interrupts it, and its finalizers
 * run; the exit code is then 129, 130 or 143. A second signal exits at once. SIGUSR2 asks for a reload and ends nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const runMain =
  (host: Host) =>
  (effect: Effect.Effect<number>): void => {
    const interruption: { signal: EndingSignal | null } = { signal: null }
    let isDone = false
    let isCrashed = false
    const reloads = Effect.runSync(Queue.sliding<void>(1))
    host.on(RELOAD_SIGNAL, () => Queue.unsafeOffer(reloads, undefined))
    const run = Runtime.makeRunMain(({ fiber }) => {
      for (const name of names) {
        host.on(name, () => {
          // The second signal, or the first one after all is done and only a slow reader keeps us.
          if (isDone || interruption.signal !== null) host.exit(bySignal[name])
          interruption.signal = name
          fiber.unsafeInterruptAsFork(FiberId.none)
        })
      }
      host.onCrash(() => {
        // What is up has to come down all the same.
        isCrashed = true
        fiber.unsafeInterruptAsFork(FiberId.none)
      })
      fiber.addObserver((exit) => {
        isDone = true
        const { signal } = interruption
        const own = exit._tag === "Success" && typeof exit.value === "number" ? exit.value : ExitStatus.defect
        const code = isCrashed ? ExitStatus.defect : signal === null ? own : bySignal[signal]
        host.setExitCode(code)
        const leave = () => setTimeout(() => host.exit(code), LINGER_MILLIS)
        // A reader may take its time for the output, but not when we were told to end.
        if (signal !== null) leave().unref()
        host.flushed(() => leave().unref())
      })
    })
    const provided = effect.pipe(
      Effect.provideService(Interruption, interruption),
      Effect.provideService(ReloadRequests, { next: Queue.take(reloads) })
    )
    run(provided, { disableErrorReporting: true })
  }
