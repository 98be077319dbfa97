import { spawn } from "node:child_process"
import type { Readable } from "node:stream"
import * as BundleOutput from "../BundleOutput.js"
import type { Daemon } from "../Daemon.js"
import * as Lines from "./lines.js"
import type { Output } from "./output.js"

/** How long a pipe may stay open after the daemon that wrote to it has ended. */
const drainMillis = 500

/** How a daemon ended; `refusal` is the system's name for why it could not even be started. */
export interface End {
  readonly code: number | null
  readonly signal: string | null
  readonly refusal: string | null
}

/** A daemon that runs. */
export interface Child {
  /** Sends a signal to the daemon alone: what it started is its own business. */
  readonly signal: (name: NodeJS.Signals) => void
  /** Ends the daemon and all of its group. */
  readonly kill: () => void
}

/** What a daemon does; `onClose` comes once, and last. */
export interface Listeners {
  readonly onListening: () => void
  readonly onExit: () => void
  readonly onClose: (end: End) => void
}

/** Starts a daemon in a process group of its own and puts its name before each line that it says. */
export const start = (daemon: Daemon, output: Output, listeners: Listeners): Child => {
  const child = spawn(daemon.program, [...daemon.args], { stdio: ["ignore", "pipe", "pipe"], detached: true })
  let isRunning = child.pid !== undefined
  let isClosed = false
  let drain: NodeJS.Timeout | undefined

  const send = (pid: number, name: NodeJS.Signals): void => {
    try {
      process.kill(pid, name)
    } catch {
      // It has just ended.
    }
  }
  const signal = (name: NodeJS.Signals): void => {
    if (isRunning && child.pid !== undefined) send(child.pid, name)
  }
  const killGroup = (): void => {
    if (child.pid !== undefined) send(-child.pid, "SIGKILL")
  }
  const kill = (): void => {
    if (isRunning) killGroup()
  }
  const close = (end: End): void => {
    if (isClosed) return
    isClosed = true
    clearTimeout(drain)
    listeners.onClose(end)
  }

  const follow = (pipe: Readable, isWords: boolean): void => {
    const lines = Lines.make(BundleOutput.maxLineLength)
    const say = (texts: ReadonlyArray<string>): void => {
      output.write(texts.map((text) => BundleOutput.prefix(daemon.name, text, isWords)))
      if (!isWords && texts.some(BundleOutput.isListening)) listeners.onListening()
    }
    output.hold(pipe)
    pipe.on("data", (bytes: Buffer) => say(lines.push(bytes)))
    pipe.on("end", () => say(lines.end()))
    pipe.on("error", () => {})
  }
  follow(child.stdout, false)
  follow(child.stderr, true)

  child.on("error", (error: NodeJS.ErrnoException) => {
    if (child.pid !== undefined) return
    listeners.onExit()
    close({ code: 127, signal: null, refusal: error.code ?? "UNKNOWN" })
  })
  child.on("exit", (code, signal) => {
    isRunning = false
    // What it has left behind holds its pipes, and nobody would ever end it.
    killGroup()
    listeners.onExit()
    drain = setTimeout(() => close({ code, signal, refusal: null }), drainMillis)
  })
  child.on("close", (code, signal) => {
    if (child.pid !== undefined) close({ code, signal, refusal: null })
  })

  return { signal, kill }
}
