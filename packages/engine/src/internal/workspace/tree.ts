import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import type { Steps } from "./sliced.js"

/*
 * Files of a tree that somebody else may change while we look at it: a guest its copy, and whoever else writes to the
 * directory that it was made of. No path is ever resolved twice: a directory is held open, and what is in it is named
 * beneath its descriptor, so that one which is swapped for a link meanwhile leads nowhere.
 */

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = Fs.constants

/** Whether a name beneath a descriptor can be spelled. Elsewhere than on Linux paths have to do. */
const IS_PINNED = Fs.existsSync("/proc/self/fd")

/** How much of a file is read in one step. */
const CHUNK_BYTES = 1024 * 1024

/** A directory that is held open. */
export interface Directory {
  readonly fd: number
  readonly path: string
}

/** How the system calls what went wrong; the rest of such an error holds paths and calls. */
export const codeOf = (cause: unknown): string | undefined => {
  const code: unknown = cause instanceof Error ? Reflect.get(cause, "code") : undefined
  return typeof code === "string" ? code : undefined
}

export const at = ({ fd, path }: Directory, name: string): string =>
  IS_PINNED ? `/proc/self/fd/${fd}/${name}` : `${path}/${name}`

const open = (path: string, shown: string): Directory => ({
  fd: Fs.openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
  path: shown
})

export const openRoot = (path: string): Directory => open(path, path)

/**
 * Opens a directory by the path that it really has. Where a link leads to it by now, it or what it is in was moved, and
 * what the link leads to is another one.
 */
export const openReal = (path: string): Directory => {
  const directory = openRoot(path)
  if (!IS_PINNED || Fs.readlinkSync(`/proc/self/fd/${directory.fd}`) === path) return directory
  close(directory)
  throw new NotAFile("a link leads to it now, so that it is another directory")
}

export const openIn = (directory: Directory, name: string): Directory =>
  open(at(directory, name), `${directory.path}/${name}`)

export const close = ({ fd }: Directory): void => Fs.closeSync(fd)

/** What the last part of a path is in, and that part. */
export const split = (path: string): readonly [parents: ReadonlyArray<string>, name: string] => {
  const parts = path.split("/")
  return [parts.slice(0, -1), parts.at(-1) ?? ""]
}

/** The directories that a path is in, the root of the tree not among them. */
export const above = (path: string): ReadonlyArray<string> => {
  const [parents] = split(path)
  return parents.map((_, at) => parents.slice(0, at + 1).join("/"))
}

/** Uses the directory that a path beneath a root ends in; no part of the way is followed if it is a link. */
export const inParent = <A>(root: Directory, path: string, use: (parent: Directory, name: string) => A): A => {
  const [parents, name] = split(path)
  let directory = root
  try {
    for (const parent of parents) {
      const next = openIn(directory, parent)
      if (directory !== root) close(directory)
      directory = next
    }
    return use(directory, name)
  } finally {
    if (directory !== root) close(directory)
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const textOf = (bytes: Uint8Array): string | null => {
  try {
    return decoder.decode(bytes)
  } catch {
    return null
  }
}

/** The names in a directory, sorted, and how many of them are no text, which nobody can ask for. */
export const namesIn = (
  directory: Directory
): { readonly names: ReadonlyArray<string>; readonly unreadable: number } => {
  const listed = Fs.readdirSync(IS_PINNED ? `/proc/self/fd/${directory.fd}` : directory.path, { encoding: "buffer" })
  const names = listed.map(textOf).filter((name) => name !== null)
  return { names: names.toSorted(), unreadable: listed.length - names.length }
}

export const lstat = (directory: Directory, name: string): Fs.BigIntStats =>
  Fs.lstatSync(at(directory, name), { bigint: true })

/** As `lstat`, undefined where nothing is there. */
export const lstatIfThere = (directory: Directory, name: string): Fs.BigIntStats | undefined =>
  Fs.lstatSync(at(directory, name), { bigint: true, throwIfNoEntry: false })

export const permissionsOf = ({ mode }: Fs.BigIntStats): number => Number(mode) & 0o777

/** What changes when a file does, whatever its writer does to hide it: nobody sets a file's ctime. */
export const stampOf = ({ ctimeNs, ino, size }: Fs.BigIntStats): string => `${ino}:${size}:${ctimeNs}`

/** What a thing is that is neither file, directory nor link. */
export const kindOf = (stat: Fs.BigIntStats): string => {
  if (stat.isFIFO()) return "a named pipe"
  if (stat.isSocket()) return "a socket"
  return stat.isBlockDevice() || stat.isCharacterDevice() ? "a device" : "neither file, directory nor link"
}

/** Where a link says that it leads; null where that is no text. */
export const readLink = (directory: Directory, name: string): string | null =>
  textOf(Fs.readlinkSync(at(directory, name), { encoding: "buffer" }))

/** What was to be read is no plain file any more. */
export class NotAFile extends Error {}

/** Uses a file that is opened for reading: one that became anything else meanwhile is refused, and never waited for. */
export function* withFile<A>(
  directory: Directory,
  name: string,
  use: (fd: number, stat: Fs.BigIntStats) => Steps<A>
): Steps<A> {
  const fd = Fs.openSync(at(directory, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const stat = Fs.fstatSync(fd, { bigint: true })
    if (!stat.isFile()) throw new NotAFile("it is no plain file any more")
    return yield* use(fd, stat)
  } finally {
    Fs.closeSync(fd)
  }
}

/** Reads a file in steps, its hash of all; `onChunk` is given what was read. One that is longer than it was fails. */
export function* digest(fd: number, bytesMax: number, onChunk?: (chunk: Uint8Array) => void): Steps<string> {
  const hash = createHash("sha256")
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, bytesMax + 1))
  let total = 0
  for (;;) {
    const count = Fs.readSync(fd, buffer, 0, buffer.length, null)
    if (count === 0) return hash.digest("hex")
    total += count
    if (total > bytesMax) throw new NotAFile("it grew while it was read")
    const chunk = buffer.subarray(0, count)
    hash.update(chunk)
    onChunk?.(chunk)
    yield
  }
}
