import * as Redact from "./redact.js"

const maxLines = 20
const maxCharacters = 4_096

/**
 * The last lines of what a program wrote, fit to be kept in an error: at most 20 lines and 4096 characters, without the
 * given secrets, terminal sequences and control characters other than line feeds.
 */
export const tail = (bytes: Uint8Array, secrets: ReadonlyArray<string> = []): string => {
  // Only the end is decoded: the output may be large, and a character is at most four bytes.
  const end = new TextDecoder().decode(bytes.subarray(Math.max(0, bytes.length - maxCharacters * 8)))
  // Secrets first: one that a cut or a cleaned character has changed would no longer be found.
  const lines = plain(Redact.secrets(end, secrets)).split("\n")
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
