import * as Effect from "effect/Effect"
import { type How, type Moment, strayNote } from "../../Misbehaviour.js"
import type { Call, Stop } from "./call.js"

/** What goes wrong before anything else does. */
export const begin = (faults: ReadonlyArray<How>, write: Call["write"]): Effect.Effect<void> =>
  Effect.forEach(
    faults,
    (fault) => {
      if (fault.how === "noise") return write("stderr", fault.stderr ?? strayNote)
      return fault.how === "flood" ? flood(fault.stream, fault.bytes, write) : Effect.void
    },
    { discard: true }
  )

/** What goes wrong at each moment. */
export const moments =
  (faults: ReadonlyArray<How>): Call["moment"] =>
  (moment) =>
    Effect.forEach(faults, (fault) => (momentOf(fault) === moment ? happen(fault) : Effect.void), { discard: true })

/** What is printed in place of that. */
export const garbled = (faults: ReadonlyArray<How>, stdout: string): string =>
  faults.reduce((text, fault) => {
    if (fault.how !== "garble") return text
    if (typeof fault.as === "function") return fault.as(text)
    switch (fault.as) {
      case "cut":
        return text.slice(0, Math.floor(text.length / 2))
      case "banner":
        return `A newer release of smolvm is available.\n${text}`
      case "wrong-types":
        return otherTypes(text)
    }
  }, stdout)

const momentOf = (fault: How): Moment | undefined => ("at" in fault ? fault.at : undefined) ?? "before"

const happen = (fault: How): Effect.Effect<void, Stop> => {
  switch (fault.how) {
    case "wait":
      return Effect.asVoid(fault.until)
    case "hang":
      return Effect.never
    case "fail":
      return Effect.fail({
        code: fault.exitCode ?? 1,
        stderr: fault.stderr ?? "Error: agent operation failed: told to misbehave: it failed\n"
      })
    case "die":
      return Effect.fail({ signal: fault.signal ?? "SIGKILL" })
    case "panic":
      return Effect.fail({
        code: 101,
        stderr: "thread 'main' panicked at 'failed printing to stdout: Broken pipe (os error 32)'\n"
      })
    default:
      return Effect.void
  }
}

const CHUNK_BYTES = 64 * 1024

const flood = (stream: "stdout" | "stderr", bytes: number, write: Call["write"]): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let left = bytes; left > 0; left -= CHUNK_BYTES) {
      yield* write(stream, new Uint8Array(Math.min(left, CHUNK_BYTES)).fill(120))
      // Whoever reads gets to say that it is enough.
      yield* Effect.yieldNow()
    }
  })

/** The same JSON with every leaf of another type. */
const otherTypes = (text: string): string => {
  const change = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(change)
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, change(item)]))
    }
    return typeof value === "string" ? { text: value } : String(value)
  }
  const parsed: unknown = JSON.parse(text)
  return `${JSON.stringify(change(parsed))}\n`
}
