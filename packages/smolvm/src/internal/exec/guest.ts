import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Smolvm } from "../../Smolvm.js"
import type { SmolvmError } from "../../SmolvmError.js"
import * as Witness from "../../Witness.js"

type Service = Pick<Context.Tag.Service<typeof Smolvm>, "machineExec">

const WITNESS_TIMEOUT_MILLIS = 10_000

/** What smolvm gets beyond a witness's own time to end it, before we end smolvm. */
const MARGIN_MILLIS = 10_000

/** What is asked of the guest about its commands. */
export interface Guest {
  /** Whether the guest has a shell to run a witness. */
  readonly hasShell: Effect.Effect<boolean, SmolvmError>
  /** What a witness wrote; none where the machine did not answer. */
  readonly witnessed: (place: string) => Effect.Effect<Option.Option<string>>
  /** Whether what a witness writes is still there for the exec after it. */
  readonly keepsPlaces: Effect.Effect<boolean>
}

/** Asks once for what does not change; `hasShell` where it is known already. */
export const makeGuest = (smolvm: Service, name: string, hasShell: boolean | undefined): Guest => {
  const witnessed = (place: string): Effect.Effect<Option.Option<string>> =>
    smolvm.machineExec({ name, command: Witness.read(place), timeoutMillis: WITNESS_TIMEOUT_MILLIS }).pipe(
      Effect.map((result) => new TextDecoder().decode(result.stdout)),
      Effect.timeoutOption(WITNESS_TIMEOUT_MILLIS + MARGIN_MILLIS),
      Effect.orElseSucceed(() => Option.none())
    )
  // Not Effect.cached, which would keep a failure, or the interruption of the first who asks.
  const once = <E>(known: boolean | undefined, ask: Effect.Effect<Option.Option<boolean>, E>) =>
    Effect.suspend(() =>
      known !== undefined
        ? Effect.succeed(known)
        : Effect.map(ask, (answer) => {
            known = Option.getOrUndefined(answer)
            return known ?? false
          })
    )
  return {
    hasShell: once(
      hasShell,
      // A shell that was killed says nothing about the next.
      Effect.map(smolvm.machineExec({ name, command: ["sh", "-c", ":"] }), ({ exitCode }) =>
        exitCode > 128 ? Option.none() : Option.some(exitCode === 0)
      )
    ),
    witnessed,
    keepsPlaces: once(
      undefined,
      Effect.suspend(() => {
        const place = Witness.place()
        return smolvm.machineExec({ name, command: Witness.probe(place), timeoutMillis: WITNESS_TIMEOUT_MILLIS }).pipe(
          Effect.zipRight(witnessed(place)),
          Effect.map(Option.map((answer) => answer === "1")),
          Effect.timeout(2 * (WITNESS_TIMEOUT_MILLIS + MARGIN_MILLIS)),
          Effect.orElseSucceed(() => Option.none())
        )
      })
    )
  }
}
