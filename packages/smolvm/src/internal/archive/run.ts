/* Runs the synchronous work on files as an effect: in slices, with room for others between them, and with typed errors. */

import * as Effect from "effect/Effect"
import {
  ArchiveDamaged,
  type ArchiveError,
  ArchiveRefused,
  ArchiveTooLarge,
  DestinationRefused,
  HostFileFailed,
  SourceRefused
} from "../../ArchiveError.js"
import { codeOf } from "./extraction.js"

const SLICE_STEPS = 256

const isOurs = (cause: unknown): cause is ArchiveError =>
  cause instanceof ArchiveRefused ||
  cause instanceof ArchiveDamaged ||
  cause instanceof ArchiveTooLarge ||
  cause instanceof DestinationRefused ||
  cause instanceof SourceRefused

/** Calls what throws typed errors and the system's; `path` is what the latter were about. */
export const attempt = <A>(path: string, call: () => A): Effect.Effect<A, ArchiveError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(call())
    } catch (cause) {
      if (isOurs(cause)) return Effect.fail(cause)
      const code = codeOf(cause)
      if (code === undefined || !(cause instanceof Error)) return Effect.die(cause)
      return new HostFileFailed({ path, reason: cause.message.split(",")[0] ?? code })
    }
  })

const breathe: Effect.Effect<void> = Effect.async((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/** Runs a generator to its end, a slice at a time. */
export const inSlices = <A>(path: string, make: () => Generator<void, A>): Effect.Effect<A, ArchiveError> =>
  Effect.suspend(() => {
    const generator = make()
    const slice: Effect.Effect<A, ArchiveError> = Effect.flatMap(
      attempt(path, () => {
        for (let steps = 0; steps < SLICE_STEPS; steps++) {
          const result = generator.next()
          if (result.done === true) return { value: result.value }
        }
        return undefined
      }),
      (result) => (result === undefined ? Effect.zipRight(breathe, slice) : Effect.succeed(result.value))
    )
    // Whatever it holds open is closed when it is not run to its end.
    return Effect.onExit(slice, () => Effect.sync(() => void generator.return(undefined as never)))
  })
