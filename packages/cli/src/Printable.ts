/* oxlint-disable no-control-regex -- they are what this module is about */
/**
 * Text of a guest or its peers, made safe to print: it can neither move the cursor, nor colour the screen, nor forge a
 * line of ours, nor look like another text.
 *
 * @since 0.1.0
 */

const LENGTH_MAX = 512

// Whole sequences first, so that their parameters do not stay behind as text: CSI, then OSC, DCS and their kind up to
// their terminator, then the two-character ones.
const sequences =
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|(?:\u001b[\]P^_X]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c\n]*(?:\u0007|\u001b\\|\u009c)?|\u001b[ -/]*[0-~]?/g

// Line ends of every kind become a space: what comes after them is still part of the text.
const lineEnds = /[\n\r\v\f\u0085\u2028\u2029\t]+/g

// Controls, format characters (direction marks, zero widths, tags), halves of surrogate pairs, and letters without ink.
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\u115f\u1160\u3164\uffa0]|\u034f|\u17b4|\u17b5/gu

/**
 * The text on one line, without escape sequences, control, bidirectional and invisible characters, and no longer than
 * `lengthMax` (512) UTF-16 units; what was cut is said by `...`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const line = (text: string, lengthMax: number = LENGTH_MAX): string => {
  // Cut twice: before, so that a huge text costs nothing; after, because that is the length that counts.
  const whole = text.length <= lengthMax * 4 ? text : text.slice(0, lengthMax * 4)
  const clean = whole.replace(sequences, "").replace(lineEnds, " ").replace(unsafe, "").trim()
  if (clean.length <= lengthMax && whole.length === text.length) return clean
  return `${clean.slice(0, lengthMax).replace(/[\ud800-\udbff]$/, "")}...`
}
