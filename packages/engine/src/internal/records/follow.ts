import * as FileSystem from "@effect/platform/FileSystem"
import * as Chunk from "effect/Chunk"
import type * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

const CHUNK_BYTES = 64 * 1024

/** A line of ours is far shorter; a longer one is given as one that cannot be read. */
const LINE_BYTES_MAX = 1024 * 1024

/** How many lines are handed over at once. */
const BATCH = 256

/** How often a file is looked at that had nothing new: a file system need not tell of changes, and this costs little. */
const POLL_MILLIS = 100

const NEWLINE = 0x0a

/** Until when a reader waits for more; see `RecordStore.FollowOptions`. */
export interface FollowOptions {
  readonly until?: Effect.Effect<unknown, unknown> | undefined
}

/** A file of lines, and what a line of it is; null is one that is too long. */
export interface Source<A> {
  readonly path: string
  readonly parse: (line: string | null) => A
}

interface Timed {
  readonly time: DateTime.Utc | null
}

/** The next bytes of a file; none at its end, as that is now. */
type Read = Effect.Effect<Option.Option<Uint8Array>>

/** Reads a file from where the last read ended. It need not be there yet. */
const makeRead = (path: string, tailBytes?: number): Effect.Effect<Read, never, Scope.Scope | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const scope = yield* Effect.scope
    let opened: FileSystem.File | undefined
    const open = Effect.gen(function* () {
      const info = yield* fs.stat(path)
      // A pipe would keep us waiting.
      if (info.type !== "File") return yield* Effect.fail("it is not a file")
      const file = yield* Scope.extend(fs.open(path, { flag: "r" }), scope)
      if (tailBytes !== undefined && info.size > tailBytes) yield* file.seek(info.size - BigInt(tailBytes), "start")
      opened = file
      return file
    })
    return Effect.suspend(() => (opened === undefined ? open : Effect.succeed(opened))).pipe(
      Effect.flatMap((file) => file.readAlloc(CHUNK_BYTES)),
      Effect.orElseSucceed(() => Option.none())
    )
  })

/** Whether nothing more is to be waited for, and a pause that is over by then at the latest. */
interface Waiting {
  readonly isOver: Effect.Effect<boolean>
  readonly pause: Effect.Effect<void>
}

const makeWaiting = (follow: FollowOptions | undefined): Effect.Effect<Waiting, never, Scope.Scope> =>
  Effect.gen(function* () {
    const over = yield* Deferred.make<void>()
    const end = Deferred.succeed(over, undefined)
    if (follow === undefined) yield* end
    else if (follow.until !== undefined) yield* Effect.forkScoped(Effect.ensuring(Effect.exit(follow.until), end))
    return {
      isOver: Deferred.isDone(over),
      pause: Effect.raceFirst(Effect.sleep(POLL_MILLIS), Deferred.await(over))
    }
  })

/** The lines of a file, one after the other. */
interface Cursor<A> {
  /** The next line; none where there is none that is whole. */
  readonly peek: Effect.Effect<Option.Option<A>>
  readonly drop: () => void
  /** What comes last is a line too, though nothing ends it. */
  readonly finish: () => void
}

const makeCursor = <A>(source: Source<A>): Effect.Effect<Cursor<A>, never, Scope.Scope | FileSystem.FileSystem> =>
  Effect.map(makeRead(source.path), (read) => {
    const lines: Array<A> = []
    let at = 0
    let rest: Uint8Array = new Uint8Array()
    let isTooLong = false
    const push = (bytes: Uint8Array): void => {
      if (isTooLong || bytes.length > 0)
        lines.push(source.parse(isTooLong ? null : Buffer.from(bytes).toString("utf8")))
      isTooLong = false
    }
    const take = (bytes: Uint8Array): void => {
      let from = 0
      for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
        push(Buffer.concat([rest, bytes.subarray(from, end)]))
        rest = new Uint8Array()
        from = end + 1
      }
      rest = Buffer.concat([rest, bytes.subarray(from)])
      if (rest.length <= LINE_BYTES_MAX) return
      rest = new Uint8Array()
      isTooLong = true
    }
    const peek: Effect.Effect<Option.Option<A>> = Effect.suspend(() => {
      const line = lines[at]
      if (line !== undefined) return Effect.succeedSome(line)
      lines.length = 0
      at = 0
      return Effect.flatMap(
        read,
        Option.match({
          onNone: () => Effect.succeedNone,
          onSome: (bytes) => {
            take(bytes)
            return peek
          }
        })
      )
    })
    return {
      peek,
      drop: () => {
        at += 1
      },
      finish: () => {
        push(rest)
        rest = new Uint8Array()
      }
    }
  })

/** The cursor whose line is the earliest; one that tells no time stands where it was written, before all others. */
const earliest = <A extends Timed>(heads: ReadonlyArray<{ readonly cursor: Cursor<A>; readonly line: A }>) =>
  heads.reduce((first, next) =>
    first.line.time === null || (next.line.time !== null && next.line.time.epochMillis >= first.line.time.epochMillis)
      ? first
      : next
  )

/** The lines of several files in the order of their times; with `follow`, those that come later as they come. */
export const merged = <A extends Timed>(
  sources: ReadonlyArray<Source<A>>,
  follow: FollowOptions | undefined
): Stream.Stream<A, never, FileSystem.FileSystem> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const cursors = yield* Effect.forEach(sources, makeCursor)
      const waiting = yield* makeWaiting(follow)
      let isFinished = false
      const take = Effect.gen(function* () {
        const batch: Array<A> = []
        while (batch.length < BATCH) {
          const heads = yield* Effect.forEach(cursors, (cursor) =>
            Effect.map(cursor.peek, (head) => Option.toArray(Option.map(head, (line) => ({ cursor, line }))))
          )
          const lines = heads.flat()
          if (lines.length === 0) break
          const { cursor, line } = earliest(lines)
          cursor.drop()
          batch.push(line)
        }
        return batch
      })
      const step: Effect.Effect<Chunk.Chunk<A>, Option.Option<never>> = Effect.gen(function* () {
        // Looked at before the files are, so that nothing is missed that was written by then.
        const isOver = yield* waiting.isOver
        const batch = yield* take
        if (batch.length > 0) return Chunk.unsafeFromArray(batch)
        if (!isOver) return yield* Effect.zipRight(waiting.pause, step)
        if (isFinished) return yield* Effect.fail(Option.none())
        isFinished = true
        for (const { finish } of cursors) finish()
        return yield* step
      })
      return Stream.repeatEffectChunkOption(step)
    })
  )

/** The bytes of a file; with `follow`, those that come later as they come. */
export const bytes = (
  path: string,
  tailBytes: number | undefined,
  follow: FollowOptions | undefined
): Stream.Stream<Uint8Array, never, FileSystem.FileSystem> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const read = yield* makeRead(path, tailBytes)
      const waiting = yield* makeWaiting(follow)
      const step: Effect.Effect<Uint8Array, Option.Option<never>> = Effect.gen(function* () {
        const isOver = yield* waiting.isOver
        const next = yield* read
        if (Option.isSome(next)) return next.value
        return isOver ? yield* Effect.fail(Option.none()) : yield* Effect.zipRight(waiting.pause, step)
      })
      return Stream.repeatEffectOption(step)
    })
  )
