/**
 * What a mistyped word most likely means.
 *
 * @since 0.1.0
 */

/** How many letters are wrong, missing, too many, or two beside each other in each other's place. */
const distance = (left: string, right: string): number => {
  let before: ReadonlyArray<number> = []
  let row: ReadonlyArray<number> = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let i = 1; i <= left.length; i++) {
    const next = [i]
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1] ? 0 : 1
      const isTurned = i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]
      next.push(
        Math.min(
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          (row[j - 1] ?? 0) + same,
          isTurned ? (before[j - 2] ?? 0) + 1 : Infinity
        )
      )
    }
    before = row
    row = next
  }
  return row[right.length] ?? 0
}

/** Nobody mistypes so much; what is longer is not worth comparing. */
const LENGTH_MAX = 64

/**
 * The candidate that a mistyped word most likely means; undefined when none is near. Candidates are in lower case, or
 * whatever case the word is to be compared in.
 *
 * @since 0.1.0
 * @category conversions
 */
export const nearest = (text: string, candidates: ReadonlyArray<string>): string | undefined => {
  if (text.length > LENGTH_MAX) return undefined
  const prefixed = candidates.filter((candidate) => text.length >= 2 && candidate.startsWith(text))
  if (prefixed.length === 1) return prefixed[0]
  const ranked = candidates
    .map((candidate) => ({ candidate, far: distance(text, candidate) }))
    .filter(({ candidate, far }) => far <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((left, right) => left.far - right.far)
  return ranked[0]?.candidate
}
