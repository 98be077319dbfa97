import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as BundleOutput from "../BundleOutput.js"
import type { Daemon } from "../Daemon.js"
import { select } from "../Daemon.js"
import type { Signal } from "../Init.js"
import * as Init from "../Init.js"

const signals: ReadonlyArray<Signal> = ["SIGHUP", "SIGINT", "SIGTERM"]

const USAGE = 2
const DEFECT = 70

/** Runs init in this process until it has nothing left to keep up; sets no exit code before. */
export const run = (
  host: NodeJS.Process,
  known: ReadonlyArray<Daemon>,
  options: { readonly stateDirectory: string; readonly graceMillis?: number | undefined }
): void => {
  const selected = select(known, host.env["BOTTLE_DAEMONS"])
  if (Either.isLeft(selected)) {
    const { message, suggestion } = selected.left
    const text = `${message}. ${suggestion}`
    host.stderr.write(`${BundleOutput.format({ _tag: "Said", name: BundleOutput.INIT, text })}\n`)
    host.exitCode = USAGE
    return
  }
  const main = Effect.gen(function* () {
    const init = yield* Init.start({ ...options, daemons: selected.right, output: host.stdout })
    for (const name of signals) host.on(name, () => init.signal(name))
    return yield* init.ended
  })
  Effect.runCallback(main, {
    onExit: (exit) => host.exit(Exit.isSuccess(exit) ? exit.value : DEFECT)
  })
}
