import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Smolvm } from "../../Smolvm.js"
import type { SmolvmError } from "../../SmolvmError.js"
import * as Witness from "../../Witness.js"

type Service = Pick<Context.Tag.Service<typeof Smolvm>, "machineExec">

const WITNESS_TIMEOUT_MILLIS = 10_000

/** More than an answer, since smolvm may write notes of its own beside it (1.7.0 does with every command). */
const ANSWER_BYTES_MAX = 65_536

/** What smolvm gets beyond a witness's own time to end it, before we end smolvm. */
const MARGIN_MILLIS = 10_000

/** What is asked of the guest about its commands. */
export interface Guest {
  /** Whether the guest has a shell to run a witness. */
  readonly hasShell: Effect.Effect<boolean, SmolvmError>
  /** What a witness wrote; none where the machine did not answer. */
  readonly witnessed: (place: string) => Effect.Effect<Option.Option<string>>
  /** Whether what a witness writes is there for the exec after it: it may be no more when the guest's disk is full. */
  readonly keepsPlaces: Effect.Effect<boolean>
  /** Removes what was staged for a command that has not read it, as far as the machine answers. */
  readonly unstage: (place: string) => Effect.Effect<void>
}

/** Asks once whether there is a shell, unless it is known already (`hasShell`). */
export const makeGuest = (smolvm: Service, name: string, hasShell: boolean | undefined): Guest => {
  const witnessed = (place: string): Effect.Effect<Option.Option<string>> =>
    smolvm
      .machineExec({
        name,
        command: Witness.read(place),
        timeoutMillis: WITNESS_TIMEOUT_MILLIS,
        capBytes: ANSWER_BYTES_MAX
      })
      .pipe(
        Effect.map((result) => new TextDecoder().decode(result.stdout)),
        Effect.timeoutOption(WITNESS_TIMEOUT_MILLIS + MARGIN_MILLIS),
        Effect.orElseSucceed(() => Option.none())
      )
  let known = hasShell
  return {
    // Not Effect.cached, which would keep a failure, or the interruption of the first who asks.
    hasShell: Effect.suspend(() =>
      known !== undefined
        ? Effect.succeed(known)
        : Effect.map(
            smolvm.machineExec({ name, command: ["sh", "-c", ":"], timeoutMillis: WITNESS_TIMEOUT_MILLIS }),
            ({ exitCode }) => {
              // A shell that was killed, or is too slow, says nothing about the next.
              known = exitCode > 128 || exitCode === 124 ? undefined : exitCode === 0
              return known ?? false
            }
          )
    ),
    witnessed,
    keepsPlaces: Effect.suspend(() => {
      const place = Witness.place()
      return smolvm.machineExec({ name, command: Witness.probe(place), timeoutMillis: WITNESS_TIMEOUT_MILLIS }).pipe(
        Effect.zipRight(witnessed(place)),
        Effect.map(Option.exists((answer) => answer === "1")),
        Effect.timeout(2 * (WITNESS_TIMEOUT_MILLIS + MARGIN_MILLIS)),
        Effect.orElseSucceed(() => false)
      )
    }),
    unstage: (place) =>
      smolvm
        .machineExec({ name, command: Witness.unstage(place), timeoutMillis: WITNESS_TIMEOUT_MILLIS })
        .pipe(Effect.timeout(WITNESS_TIMEOUT_MILLIS + MARGIN_MILLIS), Effect.ignore)
  }
}
