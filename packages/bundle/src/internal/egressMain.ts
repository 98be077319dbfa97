import type { Listen } from "@bottle/egress/ProxyError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { Writable } from "node:stream"
import * as BundleConfig from "../BundleConfig.js"
import { visible } from "../BundleOutput.js"
import * as EgressDaemon from "../EgressDaemon.js"

const FAILURE = 1
const USAGE = 2
const DEFECT = 70

const LAST_MILLIS = 1000

const parseListen = (text: string): Listen | undefined => {
  const [, six, four, port] = /^(?:\[([^\]]+)\]|([^:]+)):([0-9]{1,5})$/.exec(text) ?? []
  return port === undefined || Number(port) > 65535
    ? undefined
    : { _tag: "Tcp", host: six ?? four ?? "", port: Number(port) }
}

/** Writes at once, and is done when there is room for more. */
const printTo = (output: Writable): ((lines: ReadonlyArray<string>) => Effect.Effect<void>) => {
  const waiting = new Set<() => void>()
  output.on("drain", () => {
    const done = [...waiting]
    waiting.clear()
    for (const resume of done) resume()
  })
  return (lines) =>
    Effect.async((resume) => {
      const done = () => resume(Effect.void)
      if (output.write(`${lines.join("\n")}\n`)) return done()
      waiting.add(done)
      return Effect.sync(() => waiting.delete(done))
    })
}

/** Runs the egress daemon in this process. SIGHUP reads the policy again, SIGTERM and SIGINT end it with 0. */
export const run = (host: NodeJS.Process, stateDirectory: string): void => {
  const complain = (text: string, code: number): void => {
    host.stderr.write(`${visible(text)}\n`)
    host.exitCode = code
  }
  const listenWords = host.env["BOTTLE_LISTEN"] ?? EgressDaemon.defaultListen
  const listen = parseListen(listenWords)
  if (listen === undefined) return complain(`BOTTLE_LISTEN is "${listenWords}", which is not HOST:PORT`, USAGE)

  const main = Effect.gen(function* () {
    // One that waits is enough: it is read after the signal that came last.
    const reloads = yield* Queue.sliding<void>(1)
    host.on("SIGHUP", () => Queue.unsafeOffer(reloads, undefined))
    return yield* EgressDaemon.run({
      configDirectory: host.env["BOTTLE_CONFIG"] ?? BundleConfig.DIRECTORY,
      stateDirectory,
      listen,
      reloads: Stream.fromQueue(reloads),
      print: printTo(host.stdout)
    })
  })
  const fiber = Effect.runFork(Effect.catchAll(main, (error) => Effect.succeed(error)))
  for (const name of ["SIGTERM", "SIGINT"] as const) host.on(name, () => fiber.unsafeInterruptAsFork(fiber.id()))
  fiber.addObserver((exit) => {
    if (Exit.isSuccess(exit)) complain(`${exit.value.message}. ${exit.value.suggestion}`, FAILURE)
    else if (!Exit.isInterrupted(exit)) complain(Cause.pretty(exit.cause), DEFECT)
    // What was written gets out, if somebody reads it.
    setTimeout(() => host.exit(), LAST_MILLIS).unref()
    host.stdout.write("", () => host.exit())
  })
}
