/**
 * Durations as smolvm writes them: a number with a mandatory unit.
 *
 * @since 0.1.0
 */

const unitMillis: ReadonlyMap<string, number> = new Map(
  (
    [
      [1e-6, ["nanos", "nsec", "ns"]],
      [1e-3, ["usec", "us", "µs"]],
      [1, ["millis", "msec", "ms"]],
      [1_000, ["seconds", "second", "secs", "sec", "s"]],
      [60_000, ["minutes", "minute", "mins", "min", "m"]],
      [3_600_000, ["hours", "hour", "hrs", "hr", "h"]],
      [86_400_000, ["days", "day", "d"]],
      [604_800_000, ["weeks", "week", "wks", "wk", "w"]],
      [2_630_016_000, ["months", "month", "M"]],
      [31_557_600_000, ["years", "year", "yrs", "yr", "y"]]
    ] as const
  ).flatMap(([millis, units]) => units.map((unit) => [unit, millis] as const))
)

/**
 * The milliseconds that a duration such as `500ms`, `30s` or `1h 30m` means, or `undefined` where smolvm refuses the
 * text: no unit (`30`), an unknown unit, a sign, or a duration of zero.
 *
 * smolvm: a value needs a unit, and zero is refused (`parse_duration`, every release line).
 *
 * @since 0.1.0
 * @category conversions
 */
export const parseMillis = (text: string): number | undefined => {
  if (!/^\s*(?:\d+\s*[A-Za-zµ]+\s*)+$/.test(text)) return undefined
  let total = 0
  for (const [, count, unit] of text.matchAll(/(\d+)\s*([A-Za-zµ]+)/g)) {
    const millis = unitMillis.get(unit ?? "")
    if (millis === undefined) return undefined
    total += Number(count) * millis
  }
  return total > 0 && Number.isFinite(total) ? total : undefined
}

/**
 * The shortest text for a duration in milliseconds: whole seconds as `30s`, else `1500ms`. Fractions of a millisecond
 * are rounded up, and the least that is written is `1ms`, since smolvm refuses zero.
 *
 * @since 0.1.0
 * @category conversions
 */
export const formatMillis = (millis: number): string => {
  const whole = Math.max(1, Math.ceil(millis))
  return whole % 1_000 === 0 ? `${whole / 1_000}s` : `${whole}ms`
}
