import { lazy } from "@bottle/process/Lazy"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import { type Claim, type Entry, Envelope, type Failure, Line, type Owner, type Resource, stateOf } from "./model.js"
import { type BottleState, isAllowed, NONE, type Place } from "./state.js"

/** What a ledger says, taken together. */
export interface Reading {
  readonly state: BottleState
  /** With the resources that were added later. */
  readonly claim: Claim | null
  readonly owner: Owner | null
  /** Who answers for the bottle now; nobody does for one that was left or kept. */
  readonly holder: Owner | null
  /** Its owner has let go of it: it was left or kept. */
  readonly isLetGo: boolean
  /** Somebody has recovered it, or begun to, and so its owner was dead, or had let go. */
  readonly wasRecovered: boolean
  readonly failures: ReadonlyArray<Failure>
  readonly damaged: number
  /** The last line has no end: whoever appends begins another. */
  readonly isTorn: boolean
}

const SUM_CHARS = 16

/** A damaged digit of a pid or a start time must not make a living owner a dead one. */
const sumOf = (body: string): string => createHash("sha256").update(body).digest("hex").slice(0, SUM_CHARS)

const SUMMED = new RegExp(`^(.*),"sum":"([0-9a-f]{${SUM_CHARS}})"\\}$`)

const encodeLine = lazy(() => Schema.encodeSync(Line))
const decodeLine = lazy(() => Schema.decodeUnknownEither(Line))
const decodeEnvelope = lazy(() => Schema.decodeUnknownEither(Envelope))
const decodeJson = lazy(() => Schema.decodeUnknownEither(Schema.parseJson()))

/** The text of a JSON object with one more field at its end: the checksum of the text without it. */
export const sealed = (body: string): string => `${body.slice(0, -1)},"sum":"${sumOf(body)}"}`

/** A line of a ledger. */
export const format = (line: Line): string => sealed(JSON.stringify(encodeLine(line)))

/** What can be read of a line: all of it, or, where a later version wrote it, who wrote it. */
interface Parsed {
  readonly envelope: Envelope
  readonly entry: Entry | null
}

/** The line of a text, where it is one of this bottle and as it was written. */
const parse = (text: string, id: string): Parsed | undefined => {
  const match = SUMMED.exec(text)
  if (match === null) return undefined
  const body = `${match[1]}}`
  if (sumOf(body) !== match[2]) return undefined
  const json = Either.getOrUndefined(decodeJson(body))
  const line = Either.getOrUndefined(decodeLine(json))
  const envelope = line ?? Either.getOrUndefined(decodeEnvelope(json))
  return envelope?.id === id ? { envelope, entry: line?.entry ?? null } : undefined
}

/**
 * What the text of a ledger says. A line that cannot be read is counted, and what comes after it is believed, whatever
 * state it comes from. A torn last line is as if it had not been begun.
 */
export const read = (text: string, id: string): Reading => {
  const lines = text.split("\n")
  const last = lines.pop() ?? ""
  const isTorn = last !== ""
  let place: Place = NONE
  let state: BottleState = "launching"
  let claim: Claim | null = null
  let owner: Owner | null = null
  let recoverer: Owner | null = null
  let failures: ReadonlyArray<Failure> = []
  let damaged = 0
  let hasGap = false
  let isLetGo = false
  const added: Array<Resource> = []

  const damage = (): void => {
    damaged += 1
    hasGap = true
  }
  const take = (entry: Entry): void => {
    if (entry._tag === "Added") return void added.push(entry.resource)
    const next = stateOf[entry._tag]
    if (!hasGap && !isAllowed(place, next)) return damage()
    hasGap = false
    place = state = next
    if (entry._tag === "Claimed") claim = entry.claim
    if (entry._tag === "Left" || entry._tag === "Kept") failures = entry.failures
  }
  const see = (parsed: Parsed | undefined): void => {
    if (parsed === undefined) return damage()
    const { entry, envelope } = parsed
    if (envelope.role === "owner") owner ??= envelope.writer
    else recoverer = envelope.writer
    if (entry === null) return damage()
    if (envelope.role === "owner" && (entry._tag === "Left" || entry._tag === "Kept")) isLetGo = true
    take(entry)
  }

  for (const line of lines) if (line !== "") see(parse(line, id))
  const unended = isTorn ? parse(last, id) : undefined
  if (unended !== undefined) see(unended)

  return {
    state,
    claim: withAdded(claim, added),
    owner,
    holder: holderIn(state, owner, recoverer),
    isLetGo,
    wasRecovered: recoverer !== null,
    failures,
    damaged,
    isTorn
  }
}

const withAdded = (claim: Claim | null, added: ReadonlyArray<Resource>): Claim | null =>
  claim === null || added.length === 0 ? claim : { ...claim, resources: [...claim.resources, ...added] }

const holderIn = (state: BottleState, owner: Owner | null, recoverer: Owner | null): Owner | null => {
  if (state === "left" || state === "kept") return null
  return state === "recovering" ? recoverer : owner
}
