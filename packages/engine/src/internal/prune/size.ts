import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Disk from "../cleanup/disk.js"

/** A record is one directory of files; whatever is deeper is not ours, and is not counted for ever. */
const DEPTH_MAX = 8

/** What a file or a directory takes. */
export interface Size {
  readonly bytes: number
  /** When it, or the newest that is in it, was last written; 0 where nobody can say. */
  readonly writtenAtMillis: number
  /** As that, when it was last read. A file system need not tell; where it does, it does so once a day. */
  readonly readAtMillis: number
}

const none: Size = { bytes: 0, writtenAtMillis: 0, readAtMillis: 0 }

const both = (left: Size, right: Size): Size => ({
  bytes: left.bytes + right.bytes,
  writtenAtMillis: Math.max(left.writtenAtMillis, right.writtenAtMillis),
  readAtMillis: Math.max(left.readAtMillis, right.readAtMillis)
})

const millisOf = (time: Option.Option<Date>): number => Option.match(time, { onNone: () => 0, onSome: Number })

/** What is at a path: links are not followed, and take nothing themselves. */
export const sizeOf = (path: string, depth = 0): Effect.Effect<Size, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const kind = yield* Disk.kindOf(path)
    if (kind === "Directory" && depth < DEPTH_MAX) {
      const names = yield* Disk.namesIn(path)
      const sizes = yield* Effect.forEach(names, (name) => sizeOf(`${path}/${name}`, depth + 1))
      return sizes.reduce(both, none)
    }
    if (kind !== "File") return none
    const info = yield* Effect.option(fs.stat(path))
    return Option.match(info, {
      onNone: () => none,
      onSome: ({ atime, mtime, size }) => ({
        bytes: Number(size),
        writtenAtMillis: millisOf(mtime),
        readAtMillis: millisOf(atime)
      })
    })
  })
