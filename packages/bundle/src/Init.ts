/**
 * The first process of a bundle's container: starts the chosen daemons, puts their names before their lines, passes
 * signals on, and keeps the others up when one dies.
 *
 * Node collects only the children that it has started. The daemons start none that outlive them; for those that do, the
 * container can be run with docker's `--init`, which becomes the first process and collects every orphan.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Writable } from "node:stream"
import * as BundleOutput from "./BundleOutput.js"
import type { Daemon } from "./Daemon.js"
import * as Health from "./Health.js"
import * as Child from "./internal/child.js"
import * as Output from "./internal/output.js"

/**
 * A signal that init takes.
 *
 * @since 0.1.0
 * @category models
 */
export type Signal = "SIGHUP" | "SIGINT" | "SIGTERM"

/**
 * How an init is set up.
 *
 * @since 0.1.0
 * @category models
 */
export interface InitOptions {
  /** The daemons to start, as `Daemon.select` gives them. */
  readonly daemons: ReadonlyArray<Daemon>
  /** Where every line goes. */
  readonly output: Writable
  /** Where the state is left for `Health.read`; a directory that may be written. */
  readonly stateDirectory: string
  /** How long the daemons may take to end after SIGTERM or SIGINT before they are killed. */
  readonly graceMillis?: number | undefined
}

/**
 * An init that has started its daemons.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunningInit {
  /**
   * Passes a signal on to every daemon that runs. After SIGINT or SIGTERM all that have not ended when the grace is over
   * are killed. SIGHUP reaches a daemon once it listens: until then it would be its death.
   */
  readonly signal: (name: Signal) => void
  /**
   * The exit code, when there is nothing left to keep up and every line is out: 1 when the daemons ended by themselves,
   * 130 or 143 after a signal. Without daemons only a signal ends it.
   */
  readonly ended: Effect.Effect<number>
}

/**
 * The grace of an init that is not told otherwise: docker's own is 10 s.
 *
 * @since 0.1.0
 * @category models
 */
export const defaultGraceMillis = 8000

/** How long a daemon may take to be gone after SIGKILL, and then the last lines to be written. */
const lastMillis = 500

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const

interface Entry {
  readonly name: string
  readonly child: Child.Child
  state: "starting" | "listening" | "ended"
  isHangupHeld: boolean
}

const stateText = (entries: ReadonlyArray<Entry>, isStopping: boolean): string => {
  if (isStopping) return "unhealthy: it is being stopped"
  const named = (state: Entry["state"]): string =>
    entries.flatMap((entry) => (entry.state === state ? [entry.name] : [])).join(", ")
  if (named("ended") !== "") return `unhealthy: ended: ${named("ended")}`
  return named("starting") === "" ? Health.HEALTHY : `unhealthy: not listening yet: ${named("starting")}`
}

/**
 * Starts the daemons. It lives until all of them have ended, whatever becomes of the fiber that started it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (options: InitOptions): Effect.Effect<RunningInit> =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<number>()
    const output = Output.make(options.output)
    const say = (line: BundleOutput.Line): void => output.write([BundleOutput.format(line)])
    const tell = (text: string): void => say({ _tag: "Said", name: BundleOutput.INIT, text })
    const entries: Array<Entry> = []
    let stoppedBy: keyof typeof exitCodes | undefined
    let isReady = false
    let isStateRefused = false
    let running = options.daemons.length

    const leaveState = (): void => {
      const refusal = Health.write(options.stateDirectory, stateText(entries, stoppedBy !== undefined))
      if (refusal === undefined || isStateRefused) return
      isStateRefused = true
      tell(`its state cannot be written to ${options.stateDirectory} (${refusal}), so it will not seem healthy`)
    }
    // With no daemon, nothing else would keep node from ending.
    const idle = setInterval(() => {}, 60_000)
    const finish = (): void => {
      clearInterval(idle)
      const code = stoppedBy === undefined ? 1 : exitCodes[stoppedBy]
      const done = (): void => Deferred.unsafeDone(ended, Effect.succeed(code))
      const timer = setTimeout(done, lastMillis)
      output.flush(() => {
        clearTimeout(timer)
        done()
      })
    }
    const onListening = (entry: Entry): void => {
      if (entry.state !== "starting") return
      entry.state = "listening"
      if (entry.isHangupHeld) entry.child.signal("SIGHUP")
      lookAgain()
    }
    const lookAgain = (): void => {
      leaveState()
      if (isReady || stoppedBy !== undefined || entries.some(({ state }) => state !== "listening")) return
      isReady = true
      say({ _tag: "Ready", daemons: entries.map(({ name }) => name) })
    }
    const onClose = (name: string, { code, refusal, signal }: Child.End): void => {
      if (refusal !== null) tell(`${name} cannot be started: ${refusal}`)
      say({ _tag: "DaemonEnded", name, code, signal })
      running -= 1
      if (running > 0) return
      if (stoppedBy === undefined) tell("every daemon has ended")
      finish()
    }
    const stop = (name: keyof typeof exitCodes): void => {
      stoppedBy = name
      leaveState()
      if (running === 0) return finish()
      const graceMillis = options.graceMillis ?? defaultGraceMillis
      setTimeout(() => {
        for (const { child, name, state } of entries) {
          if (state === "ended") continue
          tell(`${name} is killed: it has not ended within ${graceMillis} ms`)
          child.kill()
        }
        setTimeout(finish, 2 * lastMillis).unref()
      }, graceMillis).unref()
    }

    for (const daemon of options.daemons) {
      const entry: Entry = {
        name: daemon.name,
        state: "starting",
        isHangupHeld: false,
        child: Child.start(daemon, output, {
          onListening: () => onListening(entry),
          onExit: () => {
            entry.state = "ended"
            leaveState()
          },
          onClose: (end) => onClose(daemon.name, end)
        })
      }
      entries.push(entry)
    }
    if (entries.length === 0) tell("no daemons selected")
    lookAgain()

    return {
      ended: Deferred.await(ended),
      signal: (name) => {
        for (const entry of entries) {
          if (name === "SIGHUP" && entry.state === "starting") entry.isHangupHeld = true
          else entry.child.signal(name)
        }
        if (name !== "SIGHUP" && stoppedBy === undefined) stop(name)
      }
    }
  })
