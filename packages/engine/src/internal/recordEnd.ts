import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import type { Failure } from "../Ledger.js"

/** A record that is larger already says enough; each recovery adds lines to it. */
const LAUNCH_BYTES_MAX = 2 * 1024 * 1024

/**
 * Writes in a bottle's record that it was recovered, and how it ended where its owner could not say so. A bottle without
 * a record has none afterwards, and one that cannot be written stays as it is.
 */
export const recovered = (state: string, id: string, failures: ReadonlyArray<Failure>): Effect.Effect<void> =>
  Effect.flatMap(DateTime.now, (now) =>
    Effect.ignore(
      Effect.try(() => {
        const time = DateTime.formatIso(now)
        // Made by nobody but the record itself, and behind no link.
        const flags = Fs.constants.O_RDWR | Fs.constants.O_APPEND | Fs.constants.O_NOFOLLOW
        const file = Fs.openSync(`${state}/records/${id}/launch.jsonl`, flags)
        try {
          const info = Fs.fstatSync(file)
          if (!info.isFile() || info.size > LAUNCH_BYTES_MAX) return
          const before = Fs.readFileSync(file, "utf8")
          const lines = [
            ...failures.map((failure) => ({ _tag: "ReleaseFailed", ...failure })),
            { _tag: "Recovered", failures: failures.length },
            ...(hasEnd(before)
              ? []
              : [{ _tag: "Ended", code: null, origin: "unknown", timedOut: false, error: "OwnerDied" }])
          ]
          const text = lines.map((line) => `${JSON.stringify({ time, ...line })}\n`).join("")
          // The owner may have died in the midst of a line.
          Fs.writeSync(file, `${before === "" || before.endsWith("\n") ? "" : "\n"}${text}`)
        } finally {
          Fs.closeSync(file)
        }
      })
    )
  )

const hasEnd = (text: string): boolean =>
  text.split("\n").some((line) => {
    try {
      return JSON.parse(line)._tag === "Ended"
    } catch {
      return false
    }
  })
