/**
 * Text out of bytes: UTF-8 that may be split anywhere, and text that is safe to print on one line.
 *
 * @since 0.1.0
 */
import * as Stream from "effect/Stream"

/**
 * The text of the whole bytes as UTF-8; what is not UTF-8 becomes U+FFFD, a byte order mark is kept.
 *
 * @since 0.1.0
 * @category conversions
 */
export const decode = (bytes: Uint8Array): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)

/**
 * The text of a stream of bytes; a character split over two chunks arrives whole, an unfinished one at the end becomes
 * U+FFFD.
 *
 * @since 0.1.0
 * @category conversions
 */
export const decodeStream = <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<string, E, R> =>
  Stream.suspend(() => {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
    const body = Stream.map(self, (bytes) => decoder.decode(bytes, { stream: true }))
    const rest = Stream.suspend(() => Stream.make(decoder.decode()))
    return Stream.filter(Stream.concat(body, rest), (text) => text !== "")
  })

/**
 * The lines of a stream of bytes, without their `\n` or `\r\n`; the last one need not be ended.
 *
 * @since 0.1.0
 * @category conversions
 */
export const lines = <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<string, E, R> =>
  Stream.splitLines(decodeStream(self))

// Control characters, line separators and the direction marks that make text look like something else.
// oxlint-disable-next-line no-control-regex
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/**
 * The text on one line and without control characters, each written as `\xNN` or `\uNNNN`: safe in a message.
 *
 * @since 0.1.0
 * @category conversions
 */
export const printable = (text: string): string =>
  text.replace(unprintable, (character) => {
    const code = character.charCodeAt(0)
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`
  })
