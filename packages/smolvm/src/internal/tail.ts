import * as Redact from "./redact.js"

const maxLines = 20
const maxCharacters = 4_096
/** What is looked at; what is taken out of it is not shown. */
const endLength = maxCharacters * 2

/**
 * The last lines of what a program wrote, fit to be kept in an error: at most 20 lines and 4096 characters, without the
 * given secrets, terminal sequences and control characters other than line feeds.
 */
export const tail = (bytes: Uint8Array, secrets: ReadonlyArray<string> = []): string => {
  // Only the end is decoded, since the output may be large: a character is at most four bytes. Not where there are secrets,
  // since the rest of one that begins before the end would no longer be found.
  const start = secrets.length > 0 ? 0 : Math.max(0, bytes.length - endLength * 4)
  const text = Redact.secrets(new TextDecoder().decode(bytes.subarray(start)), secrets).slice(-endLength)
  const lines = plain(text).split("\n")
  return lines.slice(-maxLines).join("\n").slice(-maxCharacters).trim()
}

/** Text without terminal sequences and control characters; line ends become line feeds, tabs spaces. */
export const plain = (text: string): string =>
  text.replace(sequences, "").replace(/\r\n?/g, "\n").replace(/\t/g, " ").replace(controls, "")

// CSI and OSC sequences, and escapes of two characters.
// oxlint-disable-next-line no-control-regex
const sequences = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -~])/g

// Every control character but the line feed, line separators, and the marks that change the direction of text.
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
