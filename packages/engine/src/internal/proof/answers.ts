import { Tool } from "../../ProofRecord.js"
import * as Schema from "effect/Schema"

/** What the guest says of one probe. */
export interface Answer {
  /** The address that it put for `@gateway` or `@resolver`. */
  readonly place: string | null
  readonly millis: number
  readonly word: "no" | "open" | "data" | "sent" | "device" | "none" | "cannot"
  /** Visible ASCII. */
  readonly rest: string
}

export interface Answers {
  readonly tool: Tool | null
  /** By the probe's id; of a place that is answered twice the last word counts. */
  readonly byId: ReadonlyMap<string, ReadonlyArray<Answer>>
  /** Whether the guest said what it probes with, and that it was done. */
  readonly complete: boolean
}

// A hostile guest can say what it likes: so much of it is looked at.
const LINES_MAX = 2000
const LINE_CHARS_MAX = 1400
const PLACES_MAX = 6

const LINE = /^(\d{1,3})(?:\/([0-9A-Za-z.:%]{1,64}))? (\d{1,6}) (no|open|data|sent|device|none|cannot)(?: (.*))?$/

const isTool = Schema.is(Tool)

const isWord = Schema.is(Schema.Literal("no", "open", "data", "sent", "device", "none", "cannot"))

/** Reads what the guest wrote. What is not an answer to one of these probes is passed over. */
export const parse = (stdout: Uint8Array, ids: ReadonlySet<string>): Answers => {
  const byId = new Map<string, ReadonlyArray<Answer>>()
  let tool: Tool | null = null
  let complete = false
  for (const raw of Buffer.from(stdout).toString("latin1").split("\n", LINES_MAX)) {
    const line = raw.slice(0, LINE_CHARS_MAX).replace(/[^\x20-\x7e]/g, "?")
    const named = line.startsWith("tool ") ? line.slice(5) : null
    if (named !== null && isTool(named)) tool = named
    if (line === "end") complete = true
    const [, id = "", place = null, millis = "0", word = "", rest = ""] = LINE.exec(line) ?? []
    if (!ids.has(id) || !isWord(word)) continue
    const others = (byId.get(id) ?? []).filter((answer) => answer.place !== place)
    if (others.length >= PLACES_MAX) continue
    byId.set(id, [...others, { place, millis: Number(millis), word, rest }])
  }
  return { tool, byId, complete: complete && tool !== null }
}
