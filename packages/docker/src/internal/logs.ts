import type { FollowEvent } from "@bottle/process/Follow"
import { decode } from "@bottle/process/Text"
import { LINE_BYTES_MAX, type LogLine } from "../ContainerLogs.js"

/** Cuts what two streams bring into lines; no line is held beyond its bound. */
export const makeSplitter = () => {
  const open = { stdout: makeLine("stdout"), stderr: makeLine("stderr") }
  return {
    take: (event: FollowEvent): ReadonlyArray<LogLine> => {
      switch (event._tag) {
        case "Stdout":
          return open.stdout.take(event.bytes)
        case "Stderr":
          return open.stderr.take(event.bytes)
        case "Exit":
          return [...open.stdout.end(), ...open.stderr.end()]
      }
    }
  }
}

const LINE_FEED = 0x0a

const makeLine = (stream: LogLine["stream"]) => {
  let parts: Array<Uint8Array> = []
  let length = 0
  let isCut = false
  let isOpen = false
  const add = (bytes: Uint8Array) => {
    isOpen = true
    const room = LINE_BYTES_MAX - length
    if (bytes.length > room) isCut = true
    const kept = bytes.subarray(0, room)
    if (kept.length > 0) parts.push(kept)
    length += kept.length
  }
  const close = (): LogLine => {
    const line = { stream, text: decode(Buffer.concat(parts)).replace(/\r$/, ""), isCut }
    parts = []
    length = 0
    isCut = false
    isOpen = false
    return line
  }
  return {
    take: (bytes: Uint8Array): ReadonlyArray<LogLine> => {
      const lines: Array<LogLine> = []
      let from = 0
      for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, from)) {
        add(bytes.subarray(from, at))
        lines.push(close())
        from = at + 1
      }
      if (from < bytes.length) add(bytes.subarray(from))
      return lines
    },
    /** The last line, if it was not ended. */
    end: (): ReadonlyArray<LogLine> => (isOpen ? [close()] : [])
  }
}
