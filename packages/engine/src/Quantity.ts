/**
 * Quantities as people write them: how long, how much memory, how many.
 *
 * @since 0.1.0
 */

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const

/**
 * A unit of time, by the letters that stand for it.
 *
 * @since 0.1.0
 * @category models
 */
export type TimeUnit = keyof typeof units

/** The longest that Node's timers can count, about 24 days; a longer one would fire at once. */
const MILLIS_MAX = 2 ** 31 - 1

/**
 * Milliseconds from a whole number with one of the units that are taken. Undefined for anything else, for zero, and for
 * more than `max`, which is 24 days where it is not given.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parseSpan = (
  text: string,
  taken: ReadonlyArray<TimeUnit>,
  max: number = MILLIS_MAX
): number | undefined => {
  const [, digits, written] = /^([0-9]{1,10})([a-z]{1,2})$/.exec(text) ?? []
  const unit = taken.find((candidate) => candidate === written)
  if (digits === undefined || unit === undefined) return undefined
  const value = Number(digits) * units[unit]
  return value > 0 && value <= max ? value : undefined
}

/**
 * Milliseconds from a whole number with its unit: `500ms`, `30s`, `5m`, `2h`. Undefined for anything else, for zero, and
 * for more than 24 days.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parseDuration = (text: string): number | undefined => parseSpan(text, ["ms", "s", "m", "h"])

/**
 * As `parseDuration`, with days too: `36h`, `7d`. No more than 24 days all the same.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parseLifetime = (text: string): number | undefined => parseSpan(text, ["ms", "s", "m", "h", "d"])

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
 * Milliseconds as they are written, in the largest unit that leaves nothing over: `2h`, `90s`, `1500ms`. `parseLifetime`
 * of it is the same time.
 *
 * @since 0.1.0
 * @category conversions
 */
export const formatSpan = (millis: number): string => {
  const unit = (["d", "h", "m", "s"] as const).find((candidate) => millis % units[candidate] === 0) ?? "ms"
  return `${millis / units[unit]}${unit}`
}

/**
 * MiB as they are written: `2G`, `512M`. `parseMebibytes` of it is the same amount.
 *
 * @since 0.1.0
 * @category conversions
 */
export const formatMebibytes = (mebibytes: number): string =>
  mebibytes % 1024 === 0 ? `${mebibytes / 1024}G` : `${mebibytes}M`
