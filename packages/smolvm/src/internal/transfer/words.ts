/* What a program of the guest's says on standard error, as much as is worth keeping. */

const BYTES_MAX = 64 * 1024

const SHOWN_CHARS_MAX = 300

export interface Words {
  readonly add: (more: Uint8Array) => void
  /** Whether all of it was kept. */
  readonly isWhole: () => boolean
  readonly lines: () => ReadonlyArray<string>
  /** The end of it, on one line of visible ASCII. */
  readonly shown: () => string
}

export const make = (): Words => {
  let bytes: Uint8Array = new Uint8Array(0)
  const text = () => new TextDecoder().decode(bytes)
  return {
    add: (more) => {
      const room = BYTES_MAX - bytes.length
      if (room > 0) bytes = Buffer.concat([bytes, more.subarray(0, room)])
    },
    isWhole: () => bytes.length < BYTES_MAX,
    lines: () => text().trimEnd().split("\n"),
    shown: () =>
      text()
        .replace(/[^\x20-\x7e]+/g, " ")
        .trim()
        .slice(-SHOWN_CHARS_MAX)
  }
}
