/**
 * The release lines of smolvm whose grammar this package holds, and how a version is matched to one.
 *
 * @since 0.1.0
 */
import { contract } from "./internal/contract.js"

/**
 * A release line: the version at which its grammar was read from smolvm's own argument definitions.
 *
 * @since 0.1.0
 * @category models
 */
export type Line = "0.8.0" | "0.8.2" | "0.9.0" | "1.0.4" | "1.1.0" | "1.5.2" | "1.9.3"

/**
 * Every release line, oldest first.
 *
 * @since 0.1.0
 * @category constants
 */
export const lines: ReadonlyArray<Line> = ["0.8.0", "0.8.2", "0.9.0", "1.0.4", "1.1.0", "1.5.2", "1.9.3"]

/**
 * The newest release line whose grammar is known. What is newer is asked for its flags instead of looked up.
 *
 * @since 0.1.0
 * @category constants
 */
export const newest: Line = "1.9.3"

/**
 * Compares two versions `X.Y.Z` by their numbers: negative, zero or positive. What follows the numbers (a pre-release
 * tag) is not compared, and a missing or unreadable number counts as 0.
 *
 * @since 0.1.0
 * @category comparisons
 */
export const compare = (left: string, right: string): number => {
  const a = numbers(left)
  const b = numbers(right)
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
}

/**
 * The line whose grammar a version has: the one whose range of identical grammar holds it, else the nearest that is not
 * newer, else the oldest.
 *
 * 1.0.2 and 1.0.3 are on line 1.0.4, since names became flags at 1.0.2; 1.0.0 and 1.0.1 are on 0.9.0.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofVersion = (version: string): Line => {
  const notNewer = lines.filter((line) => compare(line, version) <= 0).at(-1)
  const sameGrammar = lines.find((line) => {
    const [first, last] = contract.dialects[line].sameGrammarRange
    return first !== undefined && last !== undefined && compare(first, version) <= 0 && compare(version, last) <= 0
  })
  if (notNewer === undefined) return sameGrammar ?? "0.8.0"
  return sameGrammar !== undefined && compare(sameGrammar, notNewer) > 0 ? sameGrammar : notNewer
}

const numbers = (version: string): readonly [number, number, number] => {
  const match = /^v?(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?/.exec(version.trim())
  return match === null ? [0, 0, 0] : [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)]
}
