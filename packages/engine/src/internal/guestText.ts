const CHARS_MAX = 300

/** The end of what a guest printed, for an error of ours: one line of visible ASCII. */
export const tail = (bytes: Uint8Array): string =>
  new TextDecoder()
    .decode(bytes)
    .replace(/[^\x20-\x7e]+/g, " ")
    .trim()
    .slice(-CHARS_MAX)
