import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** The newest items, for any number of readers that come when they like. */
export interface Ring<A> {
  /** Adds an item in place of the oldest when the ring is full; nobody waits for a reader. */
  readonly push: (item: A) => void
  /** No more will come. */
  readonly end: () => void
  /** Each run of it begins with the oldest item that is kept, and ends when the ring has ended and all is read. */
  readonly stream: Stream.Stream<A>
}

export const make = <A>(capacity: number): Ring<A> => {
  const kept: Array<A> = []
  const waiting = new Set<() => void>()
  let next = 0
  let ended = false

  const oldest = (): number => Math.max(0, next - capacity)
  const wake = (): void => {
    const callbacks = [...waiting]
    waiting.clear()
    for (const callback of callbacks) callback()
  }
  const changed = Effect.async<void>((resume) => {
    const callback = () => resume(Effect.void)
    waiting.add(callback)
    return Effect.sync(() => waiting.delete(callback))
  })

  return {
    push: (item) => {
      if (ended) return
      kept[next % capacity] = item
      next += 1
      wake()
    },
    end: () => {
      ended = true
      wake()
    },
    stream: Stream.suspend(() => {
      let place = oldest()
      const pull: Effect.Effect<Chunk.Chunk<A>, Option.Option<never>> = Effect.suspend(() => {
        const from = Math.max(place, oldest())
        place = next
        if (from < next) {
          return Effect.succeed(Chunk.unsafeFromArray(rangeOf(kept, from, next, capacity)))
        }
        return ended ? Effect.fail(Option.none()) : Effect.zipRight(changed, pull)
      })
      return Stream.repeatEffectChunkOption(pull)
    })
  }
}

const rangeOf = <A>(kept: ReadonlyArray<A>, from: number, to: number, capacity: number): Array<A> => {
  const start = from % capacity
  const length = to - from
  return start + length <= capacity
    ? kept.slice(start, start + length)
    : [...kept.slice(start), ...kept.slice(0, start + length - capacity)]
}
