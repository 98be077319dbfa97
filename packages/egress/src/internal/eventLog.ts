import type { EgressEvent } from "../EgressEvent.js"

/** An event before it is numbered; the time is in milliseconds of the epoch, so that nothing is built for no reader. */
export interface Entry extends Omit<EgressEvent, "sequence" | "time"> {
  readonly timeMillis: number
}

export interface Numbered extends Entry {
  readonly sequence: number
}

/** One reader's place in the log. */
export interface Reader {
  /** What is new since the last call; what was overwritten in between is counted as lost. */
  readonly take: () => ReadonlyArray<Numbered>
}

/** A ring of the newest events, shared by all readers; a writer never waits and memory does not grow with readers. */
export interface EventLog {
  readonly push: (entry: Entry) => void
  readonly reader: () => Reader
  /** Calls back once, at the next event or at the end; gives the way to take it back. */
  readonly onChange: (callback: () => void) => () => void
  readonly end: () => void
  readonly isEnded: () => boolean
  readonly dropped: () => number
}

export const make = (capacity: number): EventLog => {
  const ring: Array<Numbered> = []
  const waiting = new Set<() => void>()
  let next = 1
  let ended = false
  let dropped = 0

  const oldest = (): number => Math.max(1, next - capacity)
  const wake = (): void => {
    const callbacks = [...waiting]
    waiting.clear()
    for (const callback of callbacks) callback()
  }

  return {
    push: (entry) => {
      if (ended) return
      ring[next % capacity] = { ...entry, sequence: next }
      next += 1
      wake()
    },
    reader: () => {
      let place = oldest()
      return {
        take: () => {
          const from = Math.max(place, oldest())
          dropped += from - place
          const batch: Array<Numbered> = []
          for (let sequence = from; sequence < next; sequence++) {
            const entry = ring[sequence % capacity]
            if (entry !== undefined) batch.push(entry)
          }
          place = next
          return batch
        }
      }
    },
    onChange: (callback) => {
      waiting.add(callback)
      return () => waiting.delete(callback)
    },
    end: () => {
      ended = true
      wake()
    },
    isEnded: () => ended,
    dropped: () => dropped
  }
}
