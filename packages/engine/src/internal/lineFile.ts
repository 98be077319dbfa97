import type * as PlatformError from "@effect/platform/Error"
import * as Release from "@bottle/process/Release"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

const FILE_MODE = 0o600

/** What may wait in memory for a disk that is slower than the guest. */
const WAITING_CHARS_MAX = 8 * 1024 * 1024

/** A disk that does not take the rest within this will not later. */
const FLUSH_TIMEOUT_MILLIS = 2000

/** A file of lines that somebody who must not wait writes to. */
export interface LineFile {
  /** Takes a line, and returns at once. */
  readonly append: (line: string) => void
}

export interface LineFileOptions {
  /** No file grows beyond this; the line that would is replaced by one that says so, the last. */
  readonly capBytes: number
  /** Is told once why nothing more can be written. */
  readonly onBroken: (error: PlatformError.PlatformError) => Effect.Effect<void>
}

/** Makes the file, which must not be there, and writes to it until the scope closes; what waits then is still written. */
export const make = (
  path: string,
  { capBytes, onBroken }: LineFileOptions
): Effect.Effect<LineFile, PlatformError.PlatformError, Scope.Scope | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const cut = `${JSON.stringify({ cut: true, capBytes })}\n`
    // Exclusive, so that it is neither somebody else's file nor behind a link.
    const file = yield* fs.open(path, { flag: "ax", mode: FILE_MODE })
    const wake = yield* Queue.sliding<void>(1)
    let waiting: Array<string> = []
    let waitingChars = 0
    let takenBytes = 0
    let lost = 0
    let isClosed = false

    const push = (text: string): void => {
      waiting.push(text)
      waitingChars += text.length
      takenBytes += Buffer.byteLength(text)
      Queue.unsafeOffer(wake, undefined)
    }
    const pushWithinCap = (text: string): void => {
      if (takenBytes + Buffer.byteLength(text) <= capBytes - cut.length) return push(text)
      isClosed = true
      push(cut)
    }
    const append = (line: string): void => {
      if (isClosed) return
      if (waitingChars > WAITING_CHARS_MAX) {
        lost += 1
        return
      }
      if (lost > 0) {
        pushWithinCap(`${JSON.stringify({ lost })}\n`)
        lost = 0
      }
      if (!isClosed) pushWithinCap(`${line}\n`)
    }

    const flush = Effect.suspend(() => {
      if (waiting.length === 0) return Effect.void
      const text = waiting.join("")
      waiting = []
      waitingChars = 0
      return file.writeAll(Buffer.from(text))
    }).pipe(
      Effect.catchAll((error) => {
        isClosed = true
        waiting = []
        return onBroken(error)
      })
    )
    const writer = yield* Effect.zipRight(Queue.take(wake), Effect.uninterruptible(flush)).pipe(
      Effect.forever,
      Effect.interruptible,
      Effect.forkDaemon
    )
    yield* Effect.addFinalizer(() =>
      Fiber.interrupt(writer).pipe(Effect.zipRight(flush), Release.within(FLUSH_TIMEOUT_MILLIS))
    )
    return { append }
  })
