/**
 * `bottle exec` and `bottle shell`: a command in a bottle that is up, which goes on when the command has ended.
 *
 * @since 0.1.0
 */
import type { Bottles } from "@bottle/engine/Bottles"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Denials from "../Denials.js"
import { fromCommand } from "../ExitStatus.js"
import * as GuestCommand from "../GuestCommand.js"
import type { Invocation } from "../Invocation.js"
import * as Named from "../Named.js"
import * as RecordedDenials from "../RecordedDenials.js"
import type { ExecRequest } from "../requests/ExecRequest.js"
import type * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"

/** The bottle is looked for first: what is said of it is worth more than what is said of the terminal. */
const inBottle = (request: ExecRequest) =>
  Effect.gen(function* () {
    const { command, env, format, interactive, secrets, timeoutMillis, workdir } = request
    const found = yield* Named.use(request.bottle)
    const tty = yield* GuestCommand.chooseTty(request.tty)
    const teller = yield* GuestCommand.makeTeller(tty)
    yield* Effect.addFinalizer(() => teller.release)
    if (format === "text" && found.plan.bundle._tag !== "None") {
      const news = Denials.makeFilter({ bottle: found.id })
      yield* RecordedDenials.follow(found.plan, (event) => {
        const line = news(event)
        return line === undefined ? Effect.void : teller.say(line)
      })
    }
    const exit = yield* GuestCommand.run(found, {
      command,
      env,
      secrets,
      workdir,
      timeoutMillis,
      onUnended: (what) => teller.say(GuestCommand.unended[what]),
      interactive,
      tty
    })
    return { exit, program: found.plan.runtime.program }
  }).pipe(Effect.scoped)

/**
 * Runs the request's command and gives its exit code, as `bottle run` gives it. Nothing of the command is left in the
 * guest when it was interrupted, or when its time was up.
 *
 * @since 0.1.0
 * @category constructors
 */
export const exec = (
  request: ExecRequest
): Effect.Effect<number, never, Bottles | Invocation | Stdio.Stdio | FileSystem> => {
  const { format, timeoutMillis } = request
  const manner: Told.Manner = { format, jsonOn: "stderr" }
  return inBottle(request).pipe(
    Effect.tap(({ exit, program }) => {
      const failure = GuestCommand.failureOf(exit, { timeoutMillis, program })
      return failure === null ? Effect.void : Told.tell(failure, manner)
    }),
    Effect.map(({ exit }) => fromCommand(exit)),
    Effect.catchAllCause((cause) => Told.failWith(cause, manner))
  )
}
