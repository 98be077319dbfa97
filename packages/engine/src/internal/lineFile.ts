import type * as PlatformError from "@effect/platform/Error"
import * as Release from "@bottle/process/Release"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

const FILE_MODE = 0o600

/** What may wait in memory for a disk that is slower than the guest. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024

/** A disk that does not take the rest within this will not later. */
const FLUSH_TIMEOUT_MILLIS = 2000

/** A file of lines that somebody who must not wait writes to. */
export interface LineFile {
  /** Takes a line, and returns at once. */
  readonly append: (line: string) => void
}

/** As `LineFile`, of bytes as they come. */
export interface ByteFile {
  /** Takes the bytes, and returns at once. */
  readonly append: (bytes: Uint8Array) => void
}

export interface LineFileOptions {
  /** No file grows beyond this; what would is replaced by a line that says so, the last. */
  readonly capBytes: number
  /** Is told once why nothing more can be written. */
  readonly onBroken: (error: PlatformError.PlatformError) => Effect.Effect<void>
}

/** What stands for what was not written. */
interface Marks {
  /** Everything that came after the cap. */
  readonly cut: string
  /** So many appends, which came faster than the disk could take them. */
  readonly lost: (count: number) => string
}

type Made<A> = Effect.Effect<A, PlatformError.PlatformError, Scope.Scope | FileSystem.FileSystem>

/** Makes the file, which must not be there, and writes to it until the scope closes; what waits then is still written. */
export const make = (path: string, options: LineFileOptions): Made<LineFile> =>
  Effect.map(
    open(path, options, {
      cut: `${JSON.stringify({ cut: true, capBytes: options.capBytes })}\n`,
      lost: (lost) => `${JSON.stringify({ lost })}\n`
    }),
    (append) => ({ append: (line) => append(Buffer.from(`${line}\n`)) })
  )

/** As `make`, for bytes as they come. */
export const makeBytes = (path: string, options: LineFileOptions): Made<ByteFile> =>
  Effect.map(
    open(path, options, {
      cut: `\n[bottle: what came after ${options.capBytes} bytes was not kept]\n`,
      lost: (count) => `\n[bottle: ${count} pieces were lost here]\n`
    }),
    (append) => ({ append })
  )

const open = (path: string, { capBytes, onBroken }: LineFileOptions, marks: Marks): Made<(bytes: Uint8Array) => void> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const cut = Buffer.from(marks.cut)
    // Exclusive, so that it is neither somebody else's file nor behind a link.
    const file = yield* fs.open(path, { flag: "ax", mode: FILE_MODE })
    const wake = yield* Queue.sliding<void>(1)
    let waiting: Array<Uint8Array> = []
    let waitingBytes = 0
    let takenBytes = 0
    let lost = 0
    let isClosed = false

    const push = (bytes: Uint8Array): void => {
      waiting.push(bytes)
      waitingBytes += bytes.length
      takenBytes += bytes.length
      Queue.unsafeOffer(wake, undefined)
    }
    const pushWithinCap = (bytes: Uint8Array): void => {
      if (takenBytes + bytes.length <= capBytes - cut.length) return push(bytes)
      isClosed = true
      push(cut)
    }
    const append = (bytes: Uint8Array): void => {
      if (isClosed) return
      if (waitingBytes > WAITING_BYTES_MAX) {
        lost += 1
        return
      }
      if (lost > 0) {
        pushWithinCap(Buffer.from(marks.lost(lost)))
        lost = 0
      }
      if (!isClosed) pushWithinCap(bytes)
    }

    const flush = Effect.suspend(() => {
      if (waiting.length === 0) return Effect.void
      const bytes = Buffer.concat(waiting)
      waiting = []
      waitingBytes = 0
      return file.writeAll(bytes)
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
    return append
  })
