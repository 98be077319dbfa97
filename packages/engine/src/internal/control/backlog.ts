import * as Effect from "effect/Effect"
import type { CommandExit } from "../../Bottle.js"

/** What whoever comes now is given of what was said before. */
const SHOWN_BYTES = 64 * 1024

/** How far behind a reader may fall before it loses something. */
const KEPT_BYTES = 256 * 1024

/** Small enough that what is kept is close to what may be kept. */
const PIECE_BYTES_MAX = 32 * 1024

/** What is less is put together with what comes after it: a guest that writes single bytes costs no more than others. */
const BLOCK_BYTES = 4096

/** Bytes that change their stream each time cannot be put together. */
const PIECES_MAX = 2048

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

/** Bytes of one stream: `filled` of a block that may have room for more. */
interface Held {
  readonly from: Piece["from"]
  readonly place: number
  readonly block: Uint8Array
  filled: number
}

export const make = (): Backlog => {
  // Places are counted in bytes of both streams.
  let kept: Array<Held> = []
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
    // Half of them at once, since to drop one costs as much as to drop many.
    let dropped = kept.length > PIECES_MAX ? kept.length - PIECES_MAX / 2 : 0
    for (const { filled } of kept.slice(0, dropped)) keptBytes -= filled
    while (keptBytes > KEPT_BYTES) keptBytes -= kept[dropped++]?.filled ?? 0
    if (dropped > 0) kept = kept.slice(dropped)
  }
  /** A copy: what a pipe gave may be a small part of something large. */
  const add = (from: Piece["from"], bytes: Uint8Array): void => {
    const last = kept.at(-1)
    if (last?.from === from && last.block.length - last.filled >= bytes.length) {
      last.block.set(bytes, last.filled)
      last.filled += bytes.length
    } else {
      const block = new Uint8Array(Math.max(bytes.length, BLOCK_BYTES))
      block.set(bytes)
      kept.push({ from, place: total, block, filled: bytes.length })
    }
    keptBytes += bytes.length
    total += bytes.length
  }

  return {
    push: ({ bytes, from }) => {
      for (let at = 0; at < bytes.length; at += PIECE_BYTES_MAX) add(from, bytes.subarray(at, at + PIECE_BYTES_MAX))
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
      const pieces = kept
        .filter((held) => held.place + held.filled > place)
        .map(({ block, filled, from, place: begin }) => ({
          from,
          // What is written is written for good; what comes after it is another part of the block.
          bytes: block.subarray(Math.max(0, place - begin), filled)
        }))
      const oldest = Math.max(place, kept[0]?.place ?? total)
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
