import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import type { Deadlines } from "../Deadlines.js"
import type { DockerError } from "../DockerError.js"
import type * as Failure from "../Failure.js"
import type { Ended, Explain, Request, Runner } from "./runner.js"
import { decoded, failed, notUnderstood } from "./runner.js"
import { linesOf } from "./wire.js"

/** Looks for one thing by name. */
export const inspected = <A>(
  runner: Runner,
  deadlines: Deadlines,
  of: {
    readonly inspect: Request
    readonly isNotFound: (outcome: Failure.Outcome) => boolean
    readonly decode: Decode<A>
  }
): Effect.Effect<Option.Option<A>, DockerError> =>
  Effect.gen(function* () {
    const ended = yield* runner.run(of.inspect, deadlines.read)
    if (of.isNotFound(ended.outcome)) return Option.none()
    if (ended.outcome.exitCode !== 0) return yield* failed(ended)
    const [found] = yield* decoded(of.decode)(ended)
    return found === undefined ? yield* Effect.fail(notUnderstood(ended.call)) : Option.some(found)
  })

/** Lists identifiers, and inspects them; what goes away in between is left out. */
export const listed = <A>(
  runner: Runner,
  deadlines: Deadlines,
  of: {
    readonly ls: Request
    readonly inspect: (ids: ReadonlyArray<string>) => Request
    readonly isNotFound: (outcome: Failure.Outcome) => boolean
    readonly decode: Decode<A>
  }
): Effect.Effect<ReadonlyArray<A>, DockerError> =>
  Effect.gen(function* () {
    const ids = linesOf((yield* runner.succeed(of.ls, deadlines.read)).stdout)
    if (ids.length === 0) return []
    const ended = yield* runner.run(of.inspect(ids), deadlines.read)
    if (ended.outcome.exitCode !== 0 && !of.isNotFound(ended.outcome)) return yield* failed(ended)
    return yield* decoded(of.decode)(ended)
  })

/** Removes something; what is not there is removed already. */
export const removed = (
  runner: Runner,
  deadlines: Deadlines,
  of: {
    readonly remove: Request
    readonly isGone: (outcome: Failure.Outcome) => boolean
    readonly explain?: Explain | undefined
  }
): Effect.Effect<void, DockerError> =>
  Effect.flatMap(runner.run(of.remove, deadlines.remove), (ended) =>
    ended.outcome.exitCode === 0 || of.isGone(ended.outcome) ? Effect.void : failed(ended, of.explain)
  )

/** The identifier that a call printed. */
export const identifier = ({ call, stdout }: Ended): Effect.Effect<string, DockerError> => {
  const id = linesOf(stdout).at(-1) ?? ""
  return /^(?:sha256:)?[0-9a-f]{64}$/.test(id) ? Effect.succeed(id) : Effect.fail(notUnderstood(call))
}

type Decode<A> = (stdout: string) => Effect.Effect<ReadonlyArray<A>, ParseResult.ParseError>
