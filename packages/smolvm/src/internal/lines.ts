import type { Exit } from "@bottle/process/Exit"
import type { FollowEvent } from "@bottle/process/Follow"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { SmolvmError } from "../SmolvmError.js"
import type { Call } from "./errors.js"
import { fromCaptured } from "./errors.js"
import * as Passing from "./passing.js"
import type { Request, Runner } from "./runner.js"

/** The most characters of a line; a longer one comes in pieces of this size. */
export const lineLengthMax = 65_536

/** What is kept of each stream for an error. */
const tailBytesMax = 65_536

/**
 * What smolvm writes to stdout, line by line as it comes, without line ends. The stream ends with a smolvm that exits 0,
 * and fails with the error of its cause otherwise. Whoever leaves it ends smolvm.
 */
export const lines = (runner: Runner, request: Request): Stream.Stream<string, SmolvmError> =>
  Stream.unwrap(
    Effect.map(runner.prepare(request), (call) =>
      Stream.suspend(() => {
        const reading = makeReading(call)
        return Stream.flatMap(Passing.followedCall(runner, call, undefined), reading.take)
      })
    )
  )

const makeReading = (call: Call) => {
  const decoder = new TextDecoder()
  let rest = ""
  let stdout: Uint8Array = new Uint8Array()
  let stderr: Uint8Array = new Uint8Array()

  const whole = (text: string): ReadonlyArray<string> => {
    const parts = (rest + text).split("\n")
    rest = parts.pop() ?? ""
    const found = parts.flatMap((part) => pieces(part.replace(/\r$/, "")))
    const long = pieces(rest)
    rest = long.pop() ?? ""
    return [...found, ...long]
  }
  const end = (exit: Exit): Stream.Stream<string, SmolvmError> => {
    const last = whole(decoder.decode())
    const left = Stream.fromIterable(rest === "" ? last : [...last, rest.replace(/\r$/, "")])
    return exit.code === 0 && exit.signal === null
      ? left
      : Stream.concat(left, Stream.fail(fromCaptured(call, { exit, stdout, stderr })))
  }
  const take = (event: FollowEvent): Stream.Stream<string, SmolvmError> => {
    switch (event._tag) {
      case "Stdout":
        stdout = tailOf(stdout, event.bytes)
        return Stream.fromIterable(whole(decoder.decode(event.bytes, { stream: true })))
      case "Stderr":
        stderr = tailOf(stderr, event.bytes)
        return Stream.empty
      case "Exit":
        return end(event.exit)
    }
  }
  return { take }
}

const pieces = (line: string): Array<string> =>
  Array.from({ length: Math.max(1, Math.ceil(line.length / lineLengthMax)) }, (_, index) =>
    line.slice(index * lineLengthMax, (index + 1) * lineLengthMax)
  )

const tailOf = (before: Uint8Array, bytes: Uint8Array): Uint8Array => {
  const joined = new Uint8Array(before.length + bytes.length)
  joined.set(before)
  joined.set(bytes, before.length)
  return joined.slice(-tailBytesMax)
}
