import * as FileLock from "@bottle/process/FileLock"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Net from "node:net"
import { reasonOf } from "../files.js"
import { type Leftover, NotRemoved } from "./leftover.js"

/** A socket that somebody serves is taken up at once. */
const CONNECT_TIMEOUT_MILLIS = 500

const REMOVE_TIMEOUT_MILLIS = 30_000

/** What a path itself is, links not followed; null where nothing is there. */
export const kindOf = (path: string): Effect.Effect<FileSystem.File.Type | null, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    fs.readLink(path).pipe(
      Effect.as("SymbolicLink" as const),
      Effect.orElse(() => Effect.map(fs.stat(path), ({ type }) => type)),
      Effect.orElseSucceed(() => null)
    )
  )

/** The names in a directory; none where there is no such directory, or where it is a link to one. */
export const namesIn = (directory: string): Effect.Effect<ReadonlyArray<string>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return (yield* kindOf(directory)) === "Directory"
      ? yield* Effect.orElseSucceed(fs.readDirectory(directory), () => [])
      : []
  })

/** For how long nobody has written to it; none where it is not there. */
export const ageMillis = (
  path: string,
  now: number
): Effect.Effect<Option.Option<number>, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.map(Effect.option(fs.stat(path)), (info) =>
      Option.map(
        Option.flatMap(info, ({ mtime }) => mtime),
        (mtime) => now - mtime.getTime()
      )
    )
  )

/** Removes a file, a link, or a directory and all below it; a link in it is removed, not followed. */
export const remove = (
  of: Pick<Leftover, "kind" | "name">,
  path: string
): Effect.Effect<void, NotRemoved, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    fs.remove(path, { recursive: true, force: true }).pipe(
      Effect.mapError(reasonOf),
      Effect.timeoutFail({
        duration: REMOVE_TIMEOUT_MILLIS,
        onTimeout: () => `the disk did not answer within ${REMOVE_TIMEOUT_MILLIS / 1000} s`
      }),
      Effect.mapError((reason) => new NotRemoved({ ...of, reason, advice: `Remove it by hand: rm -r ${path}` }))
    )
  )

/** Whether somebody serves this socket. */
export const isServed = (path: string): Effect.Effect<boolean> =>
  Effect.async<boolean>((resume) => {
    const socket = Net.connect({ path })
    const end = (isTaken: boolean) => {
      socket.destroy()
      resume(Effect.succeed(isTaken))
    }
    // What is full does not refuse for want of somebody who serves it.
    socket.on("error", (error) => end("code" in error && error.code === "EAGAIN"))
    socket.on("connect", () => end(true))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutTo({ duration: CONNECT_TIMEOUT_MILLIS, onSuccess: (is) => is, onTimeout: () => true }))

/** Who holds a lock, as `FileLock` writes it down. */
export type Holder =
  | { readonly _tag: "Nobody" }
  | { readonly _tag: "Alive"; readonly pid: number }
  | { readonly _tag: "Dead"; readonly pid: number | null }

export const holderOf = (path: string): Effect.Effect<Holder> =>
  Effect.map(FileLock.holderOf(path), (holder) => {
    switch (holder._tag) {
      case "Nobody":
        return holder
      case "Alive":
        return { _tag: "Alive", pid: holder.identity.pid }
      case "Dead":
        return { _tag: "Dead", pid: holder.identity?.pid ?? null }
    }
  })
