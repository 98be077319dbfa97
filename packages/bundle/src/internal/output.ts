import type { Readable, Writable } from "node:stream"

/** The one way out for the lines of all daemons, which holds them up while nobody takes what is written. */
export interface Output {
  /** Writes whole lines. */
  readonly write: (lines: ReadonlyArray<string>) => void
  /** Reads this only while there is room. */
  readonly hold: (source: Readable) => void
  /** Calls back when all is written, or cannot be. */
  readonly flush: (done: () => void) => void
}

export const make = (target: Writable): Output => {
  const sources = new Set<Readable>()
  let isBroken = false
  let isFull = false
  const resume = (): void => {
    isFull = false
    for (const source of sources) source.resume()
  }
  // Nobody reads any more. The daemons stay up all the same, and must not wait for ever.
  target.on("error", () => {
    isBroken = true
    resume()
  })
  target.on("drain", resume)
  return {
    write: (lines) => {
      if (isBroken || lines.length === 0) return
      isFull = !target.write(lines.join("\n") + "\n")
      if (isFull) for (const source of sources) source.pause()
    },
    hold: (source) => {
      sources.add(source)
      source.once("close", () => sources.delete(source))
      if (isFull) source.pause()
    },
    flush: (done) => {
      if (isBroken) done()
      else target.write("", () => done())
    }
  }
}
