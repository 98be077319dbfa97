/**
 * Our ends of another program's pipes, as streams and sinks.
 *
 * @since 0.1.0
 */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Readable, Writable } from "node:stream"

/**
 * The bytes of a pipe as they come; reads no further than it is asked to, and closes the pipe when it is left.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromReadable = <E>(
  readable: Readable | null,
  onError: (cause: unknown) => E
): Stream.Stream<Uint8Array, E> =>
  readable === null ? Stream.empty : Stream.fromChannel(Channel.suspend(() => readAll(readable, onError)))

/** How much may lie unread on our side of a pipe before we stop reading it. */
const unreadBytes = 512 * 1024

const readAll = <E>(
  readable: Readable,
  onError: (cause: unknown) => E
): Channel.Channel<Chunk.Chunk<Uint8Array>, unknown, E> => {
  if (!readable.readable) return Channel.void
  const latch = Effect.unsafeMakeLatch(false)
  let unread: Array<Uint8Array> = []
  let bytes = 0
  let failure: { readonly cause: unknown } | undefined
  let isEnded = false
  // At the end of the turn of the event loop, so that all that it read comes as one chunk.
  let isWaking = false
  const wake = () => {
    if (isWaking) return
    isWaking = true
    setImmediate(() => {
      isWaking = false
      latch.unsafeOpen()
    })
  }
  // Flowing and paused by us: asked for each chunk, Node stops and starts the pipe for each, at half the speed.
  const onData = (chunk: Uint8Array) => {
    unread.push(chunk)
    bytes += chunk.length
    // Every time, because Node resumes a paused pipe by itself when the process ends.
    if (bytes >= unreadBytes) readable.pause()
    wake()
  }
  const onFailure = (cause: unknown) => {
    failure = { cause }
    latch.unsafeOpen()
  }
  const onEnd = () => {
    isEnded = true
    latch.unsafeOpen()
  }
  const next: Channel.Channel<Chunk.Chunk<Uint8Array>, unknown, E> = Channel.suspend(() => {
    if (unread.length > 0) {
      const chunk = Chunk.unsafeFromArray(unread)
      unread = []
      bytes = 0
      if (readable.isPaused()) readable.resume()
      return Channel.flatMap(Channel.write(chunk), () => next)
    }
    if (failure !== undefined) return Channel.fail(onError(failure.cause))
    if (isEnded) return Channel.void
    latch.unsafeClose()
    return Channel.flatMap(latch.await, () => next)
  })
  const close = Effect.sync(() => {
    readable.off("data", onData)
    readable.off("end", onEnd)
    readable.off("close", onEnd)
    // "error" keeps its listener: one that comes after we left must not become an uncaught exception.
    readable.destroy()
  })
  return Channel.suspend(() => {
    readable.on("error", onFailure)
    readable.on("end", onEnd)
    readable.on("close", onEnd)
    readable.on("data", onData)
    return Channel.ensuring(next, close)
  })
}

/**
 * A pipe to write to, one chunk at a time, each only when the one before has left; it is closed at the end.
 *
 * @since 0.1.0
 * @category constructors
 */
export const toWritable = <E>(
  writable: Writable | null,
  onError: (cause: unknown) => E
): Sink.Sink<void, Uint8Array, never, E> => {
  if (writable === null) return Sink.drain
  const write = (bytes: Uint8Array): Effect.Effect<void, E> =>
    Effect.async((resume) => {
      writable.write(bytes, (cause) => resume(cause ? Effect.fail(onError(cause)) : Effect.void))
    })
  return Sink.forEachChunk((chunk: Chunk.Chunk<Uint8Array>) => Effect.forEach(chunk, write, { discard: true })).pipe(
    Sink.ensuring(Effect.sync(() => writable.end()))
  )
}
