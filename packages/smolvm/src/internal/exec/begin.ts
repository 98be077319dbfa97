import type { Exit } from "@bottle/process/Exit"
import type * as Context from "effect/Context"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { OpenSession } from "../../Exec.js"
import { CommandExit, type CommandOptions } from "../../GuestCommand.js"
import * as Reap from "../../Reap.js"
import { Smolvm } from "../../Smolvm.js"
import * as Witness from "../../Witness.js"
import type { Guest } from "./guest.js"

/** What a command begins in. */
export interface Means<E> {
  readonly name: string
  readonly smolvm: Context.Tag.Service<typeof Smolvm>
  readonly guest: Guest
  readonly session: OpenSession<E>
  readonly quietMillis: number | undefined
}

const timedOut = () => new CommandExit({ exitCode: 124, origin: "runtime", timedOut: true })

/**
 * A command that is about to begin, in the scope of its call. Once its client has ended, `reap` leaves nothing of it in
 * the guest, unless it ended by itself. Without a place there is nothing to tell it by. `isStaged` is whether its input is brought into the guest first; that goes
 * with it, also where it has not begun.
 */
export const begin = <E>(
  { guest, name, quietMillis, session, smolvm }: Means<E>,
  options: Pick<CommandOptions, "isLast" | "onUnended" | "timeoutMillis">,
  place: string | undefined,
  isStaged = false
) =>
  Effect.gen(function* () {
    const opened = yield* session(place)
    const began = yield* Clock.currentTimeNanos
    let isGone = false
    const gone = Effect.tapErrorCause(opened.gone, () => Effect.sync(() => void (isGone = true)))
    let isOver = options.isLast === true
    const over = Effect.sync(() => {
      isOver = true
    })
    /** For a command that may not have read what was staged for it. */
    const unread = isStaged && place !== undefined ? Effect.zipRight(guest.unstage(place), over) : over
    const reap = Effect.suspend(() => {
      if (isOver || opened.isSame?.() === false) return over
      const reaping: Effect.Effect<Reap.Reaped, never, Smolvm> =
        place === undefined ? Effect.succeed("unknown") : Reap.reap({ name, place, quietMillis })
      return Effect.flatMap(Effect.zipRight(over, reaping), (reaped) =>
        // With the machine the command has gone, whatever could be seen of it.
        reaped === "gone" || isGone ? Effect.void : (options.onUnended?.(reaped) ?? Effect.void)
      )
    }).pipe(Effect.provideService(Smolvm, smolvm), Effect.uninterruptible)
    const overdue = Effect.map(reap, timedOut)

    /** Whether a code of 124 can stand for the end of its time, where no witness says anything about it. */
    const mayBeOverdue = (timeoutMillis: number): Effect.Effect<boolean> =>
      place !== undefined
        ? Effect.succeed(true)
        : Effect.map(Clock.currentTimeNanos, (now) => Number(now - began) >= timeoutMillis * 1e6)

    const ended = (exitCode: number, origin: CommandExit["origin"]) =>
      new CommandExit({ exitCode, origin, timedOut: false })

    const settle = ({ code, signal }: Exit): Effect.Effect<CommandExit> =>
      Effect.gen(function* () {
        if (code === 0) return yield* Effect.as(over, ended(0, "guest"))
        // What its client was for may go on.
        if (signal !== null) return yield* Effect.as(reap, ended(code, "runtime"))
        const answer = place === undefined ? Option.none() : yield* guest.witnessed(place)
        const word = Option.getOrUndefined(answer)
        if (word === String(code)) return yield* Effect.as(over, ended(code, "guest"))
        const { timeoutMillis } = options
        if (timeoutMillis !== undefined) {
          if (word === Witness.OVERDUE || (code === 124 && (yield* mayBeOverdue(timeoutMillis)))) return yield* overdue
        }
        yield* unread
        // The machine still answers, and the shell that would have written the code never got to it: 1 and 2 are the
        // runtime's own failures. Any other code may be a shell that was killed.
        const isRuntime = word !== undefined && (code === 1 || code === 2) && (yield* guest.keepsPlaces)
        return ended(code, isRuntime ? "runtime" : "unknown")
      })
    return { gone, over, unread, reap, settle, timedOut: overdue }
  })
