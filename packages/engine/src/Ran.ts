/**
 * What was run when something failed: for whoever tells of it.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"

/**
 * What was run when something failed, the program first, and the last lines that it wrote on its stderr; null where that
 * is not known.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ran {
  readonly command: ReadonlyArray<string> | null
  readonly stderr: string | null
}

/** A longer word is a script or a document: its length says as much to a reader. */
const WORD_CHARS_MAX = 160
const WORDS_MAX = 64
const STDERR_CHARS_MAX = 4096

const wordsOf = (error: object): ReadonlyArray<string> | null => {
  const command: unknown = Reflect.get(error, "command")
  if (Array.isArray(command)) return command.filter((word) => typeof word === "string")
  const program: unknown = Reflect.get(error, "program")
  const argv: unknown = Reflect.get(error, "argv")
  if (typeof program !== "string") return null
  if (Array.isArray(argv)) return [program, ...argv.filter((word) => typeof word === "string")]
  return typeof command === "string" && command !== "" ? [program, ...command.split(" ")] : null
}

const stderrOf = (error: object): string | null => {
  for (const key of ["stderr", "output"]) {
    const text: unknown = Reflect.get(error, key)
    if (typeof text === "string") return text.trim() === "" ? null : text.slice(-STDERR_CHARS_MAX)
  }
  return null
}

const short = (word: string): string =>
  word.length <= WORD_CHARS_MAX && !word.includes("\n") ? word : `<${word.length} characters>`

/**
 * What an error of the runtime, of docker, or of the owner of a bottle tells of it. Such an error redacts its own argv and
 * output when it is made.
 *
 * @since 0.1.0
 * @category conversions
 */
export const of = (error: unknown): Ran => {
  if (typeof error !== "object" || error === null) return { command: null, stderr: null }
  const words = wordsOf(error)
  return { command: words === null ? null : words.slice(0, WORDS_MAX).map(short), stderr: stderrOf(error) }
}

/** Shorter values, and shorter lines of values, would blot out the text. */
const VALUE_CHARS_MIN = 4
const LINE_CHARS_MIN = 8

/**
 * Takes values out of a text, the longest first, since one may be the beginning of another; of one with several lines each
 * line too. The commands that were given a value take it out of what they say themselves: this is for what another one
 * says, of a guest that printed it to its console, or of a daemon that shows it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const without = (values: Iterable<Redacted.Redacted>): ((text: string) => string) => {
  const known = [...values]
    .map((value) => Redacted.value(value))
    .flatMap((value) => [value, ...value.split(/\r?\n/).filter((line) => line.length >= LINE_CHARS_MIN)])
    .filter((value) => value.length >= VALUE_CHARS_MIN)
    .toSorted((left, right) => right.length - left.length)
  return (text) => known.reduce((before, value) => before.replaceAll(value, "<redacted>"), text)
}
