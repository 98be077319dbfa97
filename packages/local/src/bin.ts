#!/usr/bin/env node
/**
 * `smolvm-local`: the local runtime as a program with smolvm's command line.
 *
 * @since 0.1.0
 */
import * as Executor from "@bottle/process/Executor"
import * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Os from "node:os"
import * as LocalExecutor from "./LocalExecutor.js"

const signals = ["SIGHUP", "SIGINT", "SIGTERM"] as const

const signalNumber = (name: string): number =>
  name in Os.constants.signals ? Os.constants.signals[name as NodeJS.Signals] : 0

const main = Effect.scoped(
  Effect.gen(function* () {
    const executor = LocalExecutor.make(Executor.make)
    const command = Command.make(LocalExecutor.defaultProgram, ...process.argv.slice(2)).pipe(
      Command.stdin("inherit"),
      Command.stdout("inherit"),
      Command.stderr("inherit")
    )
    const running = yield* executor.start(command)
    return yield* running.exitCode.pipe(
      Effect.map((code): number => code),
      Effect.catchAll((error) => {
        const signal = /receipt of signal: (SIG[A-Z0-9]+)/.exec(error.message)?.[1]
        return signal === undefined ? Effect.fail(error) : Effect.succeed(128 + signalNumber(signal))
      })
    )
  })
).pipe(Effect.provideService(CommandExecutor.CommandExecutor, Executor.make))

// What we make must be ours to use; what the caller keeps from others stays kept.
process.umask(process.umask(0o077) & 0o077)

let received: NodeJS.Signals | undefined

const fiber = Effect.runFork(main)
for (const signal of signals) {
  process.on(signal, () => {
    // The second one means it.
    if (received !== undefined) process.exit(128 + signalNumber(received))
    received = signal
    fiber.unsafeInterruptAsFork(fiber.id())
  })
}
fiber.addObserver((exit) => {
  if (received !== undefined) process.exit(128 + signalNumber(received))
  if (Exit.isFailure(exit)) process.stderr.write(`Error: ${Cause.pretty(exit.cause)}\n`)
  const code = Exit.isSuccess(exit) ? exit.value : 1
  // Standard input may still be open, and what was written must all get out first.
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)))
})
