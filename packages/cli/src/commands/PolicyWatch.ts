/**
 * `bottle policy watch`: what a bottle is refused, as it happens, and what its user allows it.
 *
 * @since 0.1.0
 */
import type { Bottles } from "@bottle/engine/Bottles"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { ExitStatus } from "../ExitStatus.js"
import type { Invocation } from "../Invocation.js"
import * as Named from "../Named.js"
import type { PolicyWatchRequest } from "../requests/PolicyWatchRequest.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"
import * as Watching from "../Watching.js"
import * as WatchLines from "../WatchLines.js"
import * as WatchScreen from "../WatchScreen.js"

/**
 * Watches the bottle until it goes down, or its user has seen enough, and gives the exit code. Nobody is asked where
 * standard input or output is no terminal.
 *
 * @since 0.1.0
 * @category constructors
 */
export const policyWatch = (
  request: PolicyWatchRequest
): Effect.Effect<number, never, Bottles | Invocation | Stdio.Stdio | FileSystem> =>
  Effect.flatMap(Stdio.Stdio, ({ isInteractive }) => {
    const isAsking = isInteractive && request.format === "text"
    return Effect.gen(function* () {
      const found = yield* Named.use(request.bottle)
      const watching = yield* Watching.make(found, request.save)
      if (isAsking) return yield* WatchScreen.watch(watching)
      yield* WatchLines.watch(watching)
      return ExitStatus.success
    }).pipe(
      Effect.scoped,
      Effect.catchAllCause((cause) => Told.failWith(cause, { format: isAsking ? "text" : "json", jsonOn: "stdout" }))
    )
  })
