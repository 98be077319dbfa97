import * as Schema from "effect/Schema"

export const BottleState = Schema.Literal("launching", "up", "closing", "left", "kept", "recovering")
export type BottleState = typeof BottleState.Type

/** The end of each way, where the ledger is no more. */
export const GONE = "gone"

/** Before the first line. */
export const NONE = "none"

export type Place = BottleState | typeof GONE | typeof NONE

/**
 * Which state may follow which. Whoever recovers has the ledger's lock, and the owner is dead or has let go of the
 * bottle; a recovery that was cut off is taken up by the next one.
 */
export const allowed: Readonly<Record<Place, ReadonlyArray<Place>>> = {
  none: ["launching"],
  launching: ["up", "closing", "recovering"],
  up: ["closing", "recovering"],
  closing: ["gone", "left", "kept", "recovering"],
  left: ["recovering"],
  kept: ["recovering"],
  recovering: ["gone", "left", "recovering"],
  gone: []
}

export const isAllowed = (from: Place, to: Place): boolean => allowed[from].includes(to)
