/**
 * Quantities as they are written on a command line.
 *
 * @since 0.1.0
 */

const millis = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/** The longest that Node's timers can count, about 24 days; a longer one would fire at once. */
const MILLIS_MAX = 2 ** 31 - 1

/**
 * Milliseconds from a whole number with its unit: `500ms`, `30s`, `5m`, `2h`. Undefined for anything else, for zero, and
 * for more than 24 days.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parseDuration = (text: string): number | undefined => {
  const match = /^([0-9]{1,10})(ms|s|m|h)$/.exec(text)
  if (match === null) return undefined
  const [, digits, unit] = match
  const value =
    Number(digits) * (unit === "ms" ? millis.ms : unit === "s" ? millis.s : unit === "m" ? millis.m : millis.h)
  return value > 0 && value <= MILLIS_MAX ? value : undefined
}

/**
 * MiB from a whole number of MiB, or of the unit that follows it: `512`, `512M`, `2G`. Undefined for anything else and
 * for zero.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parseMebibytes = (text: string): number | undefined => {
  const match = /^([0-9]{1,9})(?:([MG])(?:iB)?)?$/.exec(text)
  if (match === null) return undefined
  const [, digits, unit] = match
  const value = Number(digits) * (unit === "G" ? 1024 : 1)
  return value > 0 ? value : undefined
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
