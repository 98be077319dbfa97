import * as Effect from "effect/Effect"
import { LimitInvalid } from "../ProxyError.js"
import { isPositiveInteger } from "./text.js"

/** The limits that hold: what is given, and else the defaults. */
export const check = <Limits extends Record<keyof Limits, number>>(
  defaults: Limits,
  given: Partial<Limits> = {}
): Effect.Effect<Limits, LimitInvalid> => {
  const limits = { ...defaults, ...given }
  for (const [limit, value] of Object.entries<number>(limits)) {
    if (!isPositiveInteger(value)) return Effect.fail(new LimitInvalid({ limit, value }))
  }
  return Effect.succeed(limits)
}
