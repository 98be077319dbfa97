/**
 * `bottle attach`: the output of the command that a bottle lives for, and its input.
 *
 * @since 0.1.0
 */
import type { Bottles } from "@bottle/engine/Bottles"
import type { CommandExit } from "@bottle/engine/Bottle"
import type { AttachOutput } from "@bottle/engine/Control"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { fromCommand } from "../ExitStatus.js"
import { RuntimeFailed } from "../GuestCommand.js"
import { Interruption } from "../Interruption.js"
import type { Invocation } from "../Invocation.js"
import * as Named from "../Named.js"
import type { AttachRequest } from "../requests/BottleRequest.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"
import { formatBytes } from "../Units.js"

const take =
  (stdio: Stdio.Stdio["Type"], ended: (exit: CommandExit) => void) =>
  (output: AttachOutput): Effect.Effect<void, Stdio.OutputClosed> => {
    switch (output._tag) {
      case "Stdout":
        return stdio.stdout(output.bytes)
      case "Stderr":
        return stdio.stderr(output.bytes)
      case "Lost":
        return stdio.stderr(
          Buffer.from(`bottle: ${formatBytes(output.bytes)} came too fast for this reader; the record has them\n`)
        )
      case "Exit":
        return Effect.sync(() => ended(output.exit))
    }
  }

const follow = ({ bottle, interactive }: AttachRequest) =>
  Effect.gen(function* () {
    const stdio = yield* Stdio.Stdio
    const found = yield* Named.use(bottle)
    const { main } = yield* found.describe
    // Where it was not asked for, it is given what it can take.
    const takesInput = interactive || (stdio.isInteractive && main?.interactive === true)
    let last: CommandExit | undefined
    yield* Stream.runForEach(
      found.control.attach(takesInput ? { stdin: stdio.stdin } : {}),
      take(stdio, (exit) => {
        last = exit
      })
    ).pipe(
      Effect.onInterrupt(() =>
        Effect.flatMap(Interruption, ({ signal }) =>
          signal === "SIGINT" ? Stdio.errorLine(`bottle: let go of ${found.id}, which goes on`) : Effect.void
        )
      )
    )
    if (last === undefined) return yield* found.gone
    if (last.origin === "runtime") {
      return yield* new RuntimeFailed({ program: found.plan.runtime.program, exitCode: last.exitCode })
    }
    return fromCommand(last)
  })

/**
 * Follows the bottle's command and gives its exit code when it ends. Interruption lets go of it, and leaves it as it is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const attach = (
  request: AttachRequest
): Effect.Effect<number, never, Bottles | Invocation | Stdio.Stdio | FileSystem> =>
  Effect.scoped(follow(request)).pipe(
    Effect.catchAllCause((cause) => Told.failWith(cause, { format: request.format, jsonOn: "stderr" }))
  )
