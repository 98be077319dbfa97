import * as Release from "@bottle/process/Release"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Net from "node:net"

const NEWLINE = 10

/** A peer that does not read may leave so much in our memory before it is cut off. */
const UNREAD_BYTES_MAX = 4 * 1024 * 1024

/** How long what was said last may take to leave. */
const LEAVE_TIMEOUT_MILLIS = 2000

/** Why no more lines come. */
export type LineEnd =
  | { readonly _tag: "Ended" }
  /** The peer began a line that is longer than it may be. */
  | { readonly _tag: "TooLong" }
  /** The system broke the connection; its name for the cause. */
  | { readonly _tag: "Broken"; readonly code: string }

/** One line that was read, without its end, or why there is none. */
export type LineRead = { readonly _tag: "Line"; readonly text: string } | LineEnd

/** A connection that is spoken on by lines. */
export interface LineSocket {
  /** The next line. One at a time asks; the peer is not read further than it is asked to, but for one read's worth. */
  readonly next: Effect.Effect<LineRead>
  /** Says a line, and returns at once; a peer that does not read is cut off. */
  readonly say: (line: string) => void
  /** Waits until what was said has left, for as long as it takes. */
  readonly drained: Effect.Effect<void>
  /** Says no more: what was said still leaves, in its time. */
  readonly leave: Effect.Effect<void>
  /** Cuts the connection off. */
  readonly cut: () => void
}

const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : "UNKNOWN"

/**
 * Lines of at most so many bytes over a socket, which is cut off when the scope closes. All that is kept of the peer's
 * is one unfinished line and what came with it in one read.
 */
export const make = (socket: Net.Socket, maxBytes: number): Effect.Effect<LineSocket, never, Scope.Scope> =>
  Effect.as(
    Effect.addFinalizer(() => Effect.sync(() => socket.destroy())),
    over(socket, maxBytes)
  )

const over = (socket: Net.Socket, maxBytes: number): LineSocket => {
  const held = holding(maxBytes)
  let end: LineEnd | undefined
  let wake: (() => void) | undefined

  const changed = (): void => {
    const waiting = wake
    wake = undefined
    waiting?.()
  }
  const endWith = (why: LineEnd): void => {
    end ??= why
    changed()
  }
  socket.pause()
  socket.on("data", (chunk: Buffer) => {
    socket.pause()
    held.add(chunk)
    changed()
  })
  socket.on("end", () => endWith({ _tag: "Ended" }))
  socket.on("close", () => endWith({ _tag: "Ended" }))
  socket.on("error", (error) => endWith({ _tag: "Broken", code: codeOf(error) }))

  const next: Effect.Effect<LineRead> = Effect.async((resume) => {
    const look = (): void => {
      const found = held.take() ?? end
      if (found !== undefined) return resume(Effect.succeed(found))
      wake = look
      socket.resume()
    }
    look()
    return Effect.sync(() => {
      wake = undefined
      socket.pause()
    })
  })

  return {
    next,
    say: (line) => {
      if (socket.destroyed || socket.writableEnded) return
      socket.write(`${line}\n`)
      if (socket.writableLength > UNREAD_BYTES_MAX) socket.destroy()
    },
    drained: Effect.async((resume) => {
      const done = (): void => {
        socket.off("drain", done)
        socket.off("close", done)
        resume(Effect.void)
      }
      if (!socket.writableNeedDrain || socket.destroyed) return done()
      socket.on("drain", done)
      socket.on("close", done)
      return Effect.sync(() => {
        socket.off("drain", done)
        socket.off("close", done)
      })
    }),
    leave: Effect.async<void>((resume) => {
      if (socket.destroyed) return resume(Effect.void)
      socket.end(() => resume(Effect.void))
      socket.once("close", () => resume(Effect.void))
    }).pipe(Release.within(LEAVE_TIMEOUT_MILLIS), Effect.asVoid),
    cut: () => void socket.destroy()
  }
}

/** What was read and not asked for yet, in one buffer that doubles: a peer that sends single bytes costs no more. */
const holding = (maxBytes: number) => {
  let buffer = Buffer.alloc(0)
  let begin = 0
  let filled = 0
  let searched = 0

  const add = (chunk: Buffer): void => {
    const wanted = filled - begin + chunk.length
    if (filled + chunk.length > buffer.length) {
      const larger = wanted > buffer.length ? Buffer.alloc(Math.max(wanted, 2 * buffer.length)) : buffer
      buffer.copy(larger, 0, begin, filled)
      buffer = larger
      searched -= begin
      filled -= begin
      begin = 0
    }
    chunk.copy(buffer, filled)
    filled += chunk.length
  }
  const reset = (): void => {
    buffer = Buffer.alloc(0)
    begin = filled = searched = 0
  }
  const take = (): LineRead | undefined => {
    const at = buffer.subarray(0, filled).indexOf(NEWLINE, searched)
    const length = (at < 0 ? filled : at) - begin
    if (length > maxBytes) {
      reset()
      return { _tag: "TooLong" }
    }
    searched = at < 0 ? filled : at + 1
    if (at < 0) return undefined
    const text = buffer.toString("utf8", begin, at)
    begin = at + 1
    if (begin === filled) reset()
    return { _tag: "Line", text }
  }
  return { add, take }
}
