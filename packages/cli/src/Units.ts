/**
 * Quantities as they are written on a command line.
 *
 * @since 0.1.0
 */

import { parseSpan } from "@bottle/engine/Quantity"

// What a manifest says in the same words.
export { parseDuration, parseLifetime, parseMebibytes } from "@bottle/engine/Quantity"

const units = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** More than a hundred years. */
const AGE_MILLIS_MAX = 2 ** 42

/**
 * Milliseconds from an age: `90m`, `12h`, `30d`, `8w`. Undefined for anything else and for zero.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parseAge = (text: string): number | undefined => parseSpan(text, ["m", "h", "d", "w"], AGE_MILLIS_MAX)

const factors = { K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 } as const

/**
 * Bytes from a whole number with its unit: `500M`, `5G`. Undefined for anything else and for more than can be counted;
 * zero is an amount.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parseBytes = (text: string): number | undefined => {
  const [, digits, unit] = /^([0-9]{1,12})([KMGT])(?:iB)?$/.exec(text) ?? []
  if (unit !== "K" && unit !== "M" && unit !== "G" && unit !== "T") return undefined
  const value = Number(digits) * factors[unit]
  return Number.isSafeInteger(value) ? value : undefined
}

/**
 * Bytes as people read them: `512 B`, `1.5 MiB`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const formatBytes = (bytes: number): string => {
  if (bytes < 1024) return `${bytes} B`
  const unit = bytes < factors.M ? "K" : bytes < factors.G ? "M" : bytes < factors.T ? "G" : "T"
  return `${(bytes / factors[unit]).toFixed(1)} ${unit}iB`
}

/**
 * An age, or a time that is left, as people read it: `0s`, `42s`, `5m`, `3h20m`, `12h`, `12d`. Never rounded up.
 *
 * @since 0.1.0
 * @category conversions
 */
export const formatAge = (age: number): string => {
  const rounded = Math.max(0, age)
  if (rounded < units.m) return `${Math.floor(rounded / units.s)}s`
  if (rounded < units.h) return `${Math.floor(rounded / units.m)}m`
  if (rounded < 10 * units.h) {
    const minutes = Math.floor((rounded % units.h) / units.m)
    return `${Math.floor(rounded / units.h)}h${minutes === 0 ? "" : `${minutes}m`}`
  }
  if (rounded < 2 * units.d) return `${Math.floor(rounded / units.h)}h`
  return `${Math.floor(rounded / units.d)}d`
}

/**
 * A count of at least one. Undefined for anything else.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parseCount = (text: string): number | undefined =>
  /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : undefined

/**
 * Milliseconds as people read them: `840 ms`, `2.3 s`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const formatMillis = (value: number): string =>
  value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`
