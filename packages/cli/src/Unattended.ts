/**
 * What a program that nobody watches runs: on nobody's terminal, for nobody to interrupt, and with an end.
 *
 * @since 0.1.0
 */
import type { Runtimes } from "@bottle/engine/Runtimes"
import * as Environment from "@bottle/process/Environment"
import * as Executor from "@bottle/process/Executor"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RuntimesLayer from "./RuntimesLayer.js"

/** Longer than any recovery of one bottle: what hangs here then is given up, and whoever looks next finds what is left. */
const TIMEOUT_MILLIS = 2 * 60 * 60_000

/**
 * Runs the work on the bottles of a state directory, and ends the process. No signal but SIGKILL ends it before: each
 * part of the work is bounded, and what is cut off half-way has to be done by somebody later.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (state: string, work: Effect.Effect<void, never, Runtimes | FileSystem>): void => {
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) process.on(signal, () => {})
  const runtimes = Layer.unwrapEffect(
    Effect.map(Environment.host, (environment) => RuntimesLayer.layer({ environment, state }))
  )
  const layer = Layer.merge(NodeFileSystem.layer, Layer.provide(runtimes, Executor.layer))
  const main = work.pipe(Effect.timeout(TIMEOUT_MILLIS), Effect.provide(layer))
  Effect.runFork(main).addObserver((exit) => process.exit(exit._tag === "Success" ? 0 : 1))
}

/**
 * Ends the process of a command line that is none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const refuse = (): void => {
  process.stderr.write("bottle-keeper: is started by bottle, and takes no other commands\n")
  process.exitCode = 2
}
