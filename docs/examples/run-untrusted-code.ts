/**
 * Runs code that nobody has read: a bottle that reaches nothing, an answer that is a value, and a time after which it is
 * over.
 */
import type { BottleError } from "@bottle/engine/Bottle"
import * as Launch from "@bottle/engine/Launch"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { layer } from "./layers.js"

/** What the code printed, or why there is no answer. */
const evaluate = (code: string) =>
  Effect.gen(function* () {
    const bottle = yield* Launch.bottle({ name: "evaluate", source: { _tag: "Bare" } })
    const { exit, stderr, stdout } = yield* bottle.exec({
      command: ["sh", "-c", code],
      timeoutMillis: 10_000,
      capBytes: 64 * 1024
    })
    if (exit.timedOut) return "it took too long"
    // Whose exit code it is, is part of the answer: a code that is not the guest's says nothing about the guest.
    if (exit.origin !== "guest") return `nothing is known of its end (${exit.origin})`
    const text = new TextDecoder()
    return exit.exitCode === 0 ? text.decode(stdout).trim() : `it failed: ${text.decode(stderr).trim()}`
  }).pipe(
    // The bottle is down when this returns, whatever happened in it.
    Effect.scoped,
    Effect.catchTags({
      CapturedTooMuch: () => Effect.succeed("it printed too much"),
      EgressNotEnforced: (error) => Effect.succeed(`not run, the bottle leaked: ${error.message}`)
    })
  )

const program = Effect.gen(function* () {
  yield* Console.log(yield* evaluate("echo $((6 * 7))"))
  yield* Console.log(yield* evaluate("cat /etc/shadow >/dev/null 2>&1 && echo read it || echo could not read it"))
  yield* Console.log(yield* evaluate("while :; do echo more and more; done"))
})

/** What is left to go wrong is typed too, and says what to do next. */
const told = (error: BottleError | { readonly message: string; readonly suggestion: string }) =>
  Console.error(`${error.message}\n${error.suggestion}`)

await Effect.runPromise(program.pipe(Effect.tapError(told), Effect.provide(layer)))
