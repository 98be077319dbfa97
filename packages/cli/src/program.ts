/**
 * The program behind the bin: the one place, with it, that knows Node's `process`.
 *
 * @since 0.1.0
 */
import * as Environment from "@bottle/process/Environment"
import * as Executor from "@bottle/process/Executor"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Tty from "node:tty"
import { fileURLToPath } from "node:url"
import { Invocation } from "./Invocation.js"
import * as Keyboard from "./Keyboard.js"
import * as Main from "./Main.js"
import { runMain } from "./RunMain.js"
import * as Stdio from "./Stdio.js"

const stdio = Layer.sync(Stdio.Stdio, () =>
  Stdio.make({
    stdin: () => process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    // Touching process.stdin would change how a child of ours finds it.
    stdinIsTerminal: Tty.isatty(0),
    stdoutIsTerminal: Tty.isatty(1),
    screen: Tty.isatty(2) ? { columns: () => process.stderr.columns, rows: () => process.stderr.rows } : undefined
  })
)

const keyboard = Layer.sync(Keyboard.Keyboard, () =>
  Keyboard.make({ stdin: () => process.stdin, stdout: process.stdout, isTerminal: Tty.isatty(0) })
)

const keeper = fileURLToPath(new URL("bottle-keeper.mjs", import.meta.url))

const invocation = Layer.effect(
  Invocation,
  Effect.map(Environment.host, (environment) => ({
    argv: process.argv.slice(2),
    cwd: process.cwd(),
    environment,
    programDirectory: fileURLToPath(new URL(".", import.meta.url)),
    keeper: Fs.existsSync(keeper) ? ([process.execPath, keeper] as const) : null,
    superuser: process.getuid?.() === 0,
    arch: process.arch,
    platform: process.platform,
    nodeVersion: process.versions.node
  }))
)

/** Both streams have passed on what was written to them, or nobody reads them any more. */
const flushed = (callback: () => void): void => {
  let left = 2
  const one = () => {
    left -= 1
    if (left === 0) callback()
  }
  process.stdout.write("", one)
  process.stderr.write("", one)
}

/**
 * Runs the program on this process's own command line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (): void => {
  const live = Layer.mergeAll(stdio, keyboard, invocation, Executor.layer, NodeFileSystem.layer)
  const host = {
    on: (name: NodeJS.Signals, listener: () => void) => process.on(name, listener),
    onCrash: (listener: () => void) => {
      process.on("uncaughtException", listener)
      process.on("unhandledRejection", listener)
    },
    exit: (code: number): never => process.exit(code),
    setExitCode: (code: number) => {
      process.exitCode = code
    },
    flushed
  }
  runMain(host)(Effect.provide(Main.main, live))
}
