import * as Deferred from "effect/Deferred"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Capabilities } from "../../Capabilities.js"
import { type InputOptions, StdinNotStaged, StdinTooLarge } from "../../GuestCommand.js"
import type { Smolvm } from "../../Smolvm.js"
import type { SmolvmError } from "../../SmolvmError.js"
import * as Witness from "../../Witness.js"

/** The most that is passed to one exec where more can deadlock, below the 256 KiB or so at which it was seen to. */
export const INPUT_MAX_BYTES = 192 * 1024

/** Each piece is small, and written at once by a guest that answers. */
const STAGE_TIMEOUT_MILLIS = 60_000

/** How a command gets what it reads. `refused` fails when there is too much of it. */
export interface Input {
  readonly live: Stream.Stream<Uint8Array> | undefined
  readonly staged: Stream.Stream<Uint8Array> | undefined
  readonly refused: Effect.Effect<never, StdinTooLarge>
}

const live = (stream: Stream.Stream<Uint8Array> | undefined): Input => ({
  live: stream,
  staged: undefined,
  refused: Effect.never
})

export const noInput: Input = live(undefined)

/** Decides how a command gets its input. Without a place there is no shell that could stage it. */
export const inputOf = (
  { stageStdin, stdin }: InputOptions,
  capabilities: Pick<Capabilities, "stdinLargeSafe" | "version">,
  place: string | undefined
): Effect.Effect<Input, StdinTooLarge> => {
  if (stdin === undefined) return Effect.succeed(noInput)
  const bytes = typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin
  const stream = bytes instanceof Uint8Array ? Stream.make(bytes) : bytes
  if (capabilities.stdinLargeSafe) return Effect.succeed(live(stream))
  const isLarge = bytes instanceof Uint8Array && bytes.length > INPUT_MAX_BYTES
  const tooLarge = new StdinTooLarge({
    version: capabilities.version,
    neededVersion: "1.8.1",
    maxBytes: INPUT_MAX_BYTES,
    isStageable: place !== undefined
  })
  if (place !== undefined && (isLarge || (stageStdin === true && !(bytes instanceof Uint8Array)))) {
    return Effect.succeed({ live: undefined, staged: stream, refused: Effect.never })
  }
  return isLarge ? tooLarge : guarded(stream, tooLarge)
}

const guarded = (stream: Stream.Stream<Uint8Array>, tooLarge: StdinTooLarge): Effect.Effect<Input> =>
  Effect.map(Deferred.make<never, StdinTooLarge>(), (refusal) => ({
    live: Stream.suspend(() => {
      let taken = 0
      return Stream.mapEffect(stream, (bytes) => {
        taken += bytes.length
        // Nothing more is passed on, and the client is ended.
        return taken <= INPUT_MAX_BYTES
          ? Effect.succeed(bytes)
          : Effect.zipRight(Deferred.fail(refusal, tooLarge), Effect.never)
      })
    }),
    staged: undefined,
    refused: Deferred.await(refusal)
  }))

/** Brings a command's input into the guest, piece by piece. */
export const stage = (
  smolvm: Pick<Context.Tag.Service<typeof Smolvm>, "machineExec">,
  name: string,
  place: string,
  stream: Stream.Stream<Uint8Array>
): Effect.Effect<void, SmolvmError | StdinNotStaged> =>
  Effect.suspend(() => {
    let held: Array<Uint8Array> = []
    let bytes = 0
    let isThere = false
    const send = Effect.suspend(() => {
      const stdin = Buffer.concat(held)
      const isFirst = !isThere
      held = []
      bytes = 0
      isThere = true
      return Effect.flatMap(
        smolvm.machineExec({
          name,
          command: Witness.stage(place, { isFirst }),
          env: [[Witness.MARK, Witness.markOf(place)]],
          stdin,
          timeoutMillis: STAGE_TIMEOUT_MILLIS
        }),
        ({ exitCode }) => (exitCode === 0 ? Effect.void : new StdinNotStaged({ name, exitCode }))
      )
    })
    const take = (piece: Uint8Array): Effect.Effect<void, SmolvmError | StdinNotStaged> => {
      const room = INPUT_MAX_BYTES - bytes
      held.push(piece.subarray(0, room))
      bytes += Math.min(piece.length, room)
      return bytes < INPUT_MAX_BYTES ? Effect.void : Effect.flatMap(send, () => take(piece.subarray(room)))
    }
    // Also where there is nothing at all, the file must be there.
    const rest = Effect.suspend(() => (isThere && bytes === 0 ? Effect.void : send))
    return Effect.zipRight(Stream.runForEach(stream, take), rest)
  })
