import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { CapturedTooMuch, type CommandExit, type ExecResult, type Output } from "../../GuestCommand.js"

/** Collects a command's output, each stream up to its cap; one more byte ends the command. */
export const collect = <E>(
  output: Stream.Stream<Output, E>,
  capBytes: number
): Effect.Effect<ExecResult, E | CapturedTooMuch> =>
  Effect.suspend(() => {
    const taken = {
      stdout: { chunks: Array<Uint8Array>(), bytes: 0 },
      stderr: { chunks: Array<Uint8Array>(), bytes: 0 }
    }
    let last: CommandExit | undefined
    const take = (event: Output): Effect.Effect<void, CapturedTooMuch> => {
      if (event._tag === "Exit") {
        last = event.exit
        return Effect.void
      }
      const name = event._tag === "Stdout" ? "stdout" : "stderr"
      const into = taken[name]
      into.bytes += event.bytes.length
      if (into.bytes > capBytes) return new CapturedTooMuch({ stream: name, capBytes })
      into.chunks.push(event.bytes)
      return Effect.void
    }
    return Effect.flatMap(Stream.runForEach(output, take), () =>
      last === undefined
        ? Effect.dieMessage("a followed command ended without an exit")
        : Effect.succeed({
            exit: last,
            stdout: Buffer.concat(taken.stdout.chunks),
            stderr: Buffer.concat(taken.stderr.chunks)
          })
    )
  })
