import * as Effect from "effect/Effect"
import type { CommandExit } from "../../Bottle.js"

/** What whoever comes now is given of what was said before. */
const SHOWN_BYTES = 64 * 1024

/** How far behind a reader may fall before it loses something. */
const KEPT_BYTES = 256 * 1024

/** Small enough that what is kept is close to what may be kept. */
const PIECE_BYTES_MAX = 32 * 1024

/** A piece of one of the two streams. */
export interface Piece {
  readonly from: "out" | "err"
  readonly bytes: Uint8Array
}

/** What there is beyond a place, and the place after it. */
export interface Batch {
  readonly pieces: ReadonlyArray<Piece>
  /** Bytes beyond the place that are no longer kept. */
  readonly lostBytes: number
  readonly next: number
}

/** The newest output of a command, for any number of readers, none of which holds the command up. */
export interface Backlog {
  readonly push: (piece: Piece) => void
  readonly end: (exit: CommandExit) => void
  /** How it ended; `null` while it goes on. */
  readonly exit: () => CommandExit | null
  /** Where a new reader begins. */
  readonly start: () => number
  readonly read: (place: number) => Batch
  /** Waits until there is something beyond the place, or the end. */
  readonly changed: (place: number) => Effect.Effect<void>
}

export const make = (): Backlog => {
  // Places are counted in bytes of both streams.
  let kept: Array<Piece & { readonly place: number }> = []
  let keptBytes = 0
  let total = 0
  let ended: CommandExit | null = null
  const waiting = new Set<() => void>()

  const wake = (): void => {
    const callbacks = [...waiting]
    waiting.clear()
    for (const callback of callbacks) callback()
  }
  const forget = (): void => {
    let dropped = 0
    while (keptBytes > KEPT_BYTES) keptBytes -= kept[dropped++]?.bytes.length ?? 0
    if (dropped > 0) kept = kept.slice(dropped)
  }

  return {
    push: ({ bytes, from }) => {
      for (let at = 0; at < bytes.length; at += PIECE_BYTES_MAX) {
        // A copy: what a pipe gave may be a small part of something large.
        const piece = Uint8Array.from(bytes.subarray(at, at + PIECE_BYTES_MAX))
        kept.push({ from, bytes: piece, place: total })
        keptBytes += piece.length
        total += piece.length
      }
      forget()
      wake()
    },
    end: (exit) => {
      ended = exit
      wake()
    },
    exit: () => ended,
    start: () => kept.find(({ place }) => total - place <= SHOWN_BYTES)?.place ?? total,
    read: (place) => {
      const pieces = kept.filter((piece) => piece.place >= place)
      const oldest = pieces[0]?.place ?? total
      return { pieces, lostBytes: oldest - place, next: total }
    },
    changed: (place) =>
      Effect.async((resume) => {
        const callback = () => resume(Effect.void)
        if (total > place || ended !== null) return callback()
        waiting.add(callback)
        return Effect.sync(() => waiting.delete(callback))
      })
  }
}
