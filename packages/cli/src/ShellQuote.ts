/**
 * Words as a POSIX shell reads them back.
 *
 * @since 0.1.0
 */

const plain = /^[A-Za-z0-9_@%+=:,./-]+$/

const needsEscapes = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u
const escaped = new RegExp(needsEscapes.source, "gu")

const escape = (character: string): string => {
  if (character === "\n") return "\\n"
  if (character === "\t") return "\\t"
  const code = character.codePointAt(0) ?? 0
  const hex = code.toString(16)
  if (code < 0x80) return `\\x${hex.padStart(2, "0")}`
  return code > 0xffff ? `\\U${hex.padStart(8, "0")}` : `\\u${hex.padStart(4, "0")}`
}

/**
 * One word, quoted where it needs to be. Control and bidirectional characters are written as escapes in `$'...'`, which
 * bash, zsh and ksh read, so that what is printed is always one visible line.
 *
 * @since 0.1.0
 * @category conversions
 */
export const word = (text: string): string => {
  if (plain.test(text)) return text
  if (needsEscapes.test(text)) return `$'${text.replace(/[\\']/g, "\\$&").replace(escaped, escape)}'`
  return `'${text.replaceAll("'", "'\\''")}'`
}

/**
 * Words on one line, quoted so that a shell gives back the same words.
 *
 * @since 0.1.0
 * @category conversions
 */
export const words = (argv: ReadonlyArray<string>): string => argv.map(word).join(" ")
