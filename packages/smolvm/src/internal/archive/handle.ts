/*
 * Directories held open, so that what is done in one is done in that very one, whatever somebody puts in its place
 * meanwhile: a guest may have the directory mounted that we copy to or from. Node has no `openat`; on Linux a path through
 * `/proc/self/fd` is the same. Elsewhere the paths themselves are used, each component looked at first.
 *
 * Names are bytes (`names.ts`). All of this is synchronous, and throws what the system says.
 */

import * as Fs from "node:fs"

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = Fs.constants

/** Linux: a directory that need not be readable. Node does not name it. */
const O_PATH = 0o10000000

const hasDescriptorPaths = process.platform === "linux" && Fs.existsSync("/proc/self/fd")

export interface Directory {
  /** The path of an entry, or, without a name, of the directory itself. */
  readonly at: (name?: string) => Buffer
  readonly close: () => void
}

const bytesOf = (path: string): Buffer => Buffer.from(path, "latin1")

const open = (path: string): Directory => {
  if (!hasDescriptorPaths) {
    // The flags look at the path now; from here on it is trusted.
    Fs.closeSync(Fs.openSync(bytesOf(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
    return { at: (name) => bytesOf(name === undefined ? path : `${path === "/" ? "" : path}/${name}`), close: () => {} }
  }
  const descriptor = Fs.openSync(bytesOf(path), O_PATH | O_DIRECTORY | O_NOFOLLOW)
  const own = `/proc/self/fd/${descriptor}`
  return {
    // With its last slash, the path of the directory itself is followed to the directory.
    at: (name) => bytesOf(`${own}/${name ?? ""}`),
    close: () => Fs.closeSync(descriptor)
  }
}

/** A directory in another one; fails where a link is in its place. */
export const openIn = (directory: Directory, name: string): Directory => open(directory.at(name).toString("latin1"))

/** A directory by its absolute path, none of whose components may be a link. */
export const openPath = (path: string): Directory => {
  let directory = open("/")
  for (const name of path.split("/").filter((part) => part !== "")) {
    const above = directory
    try {
      directory = openIn(above, name)
    } finally {
      above.close()
    }
  }
  return directory
}

export const makeIn = (directory: Directory, name: string): Directory => {
  Fs.mkdirSync(directory.at(name), { mode: 0o700 })
  return openIn(directory, name)
}

/** A new file, for its owner only; fails where anything has the name. */
export const createFile = (directory: Directory, name: string): number =>
  Fs.openSync(directory.at(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)

/** A file to be read; a link is not followed, and a FIFO not waited for. */
export const openFile = (directory: Directory, name: string): number =>
  Fs.openSync(directory.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)

export const lookAt = (directory: Directory, name: string): Fs.Stats | undefined =>
  Fs.lstatSync(directory.at(name), { throwIfNoEntry: false })

export const namesIn = (directory: Directory): Array<string> =>
  Fs.readdirSync(directory.at(), { encoding: "buffer" })
    .map((name) => name.toString("latin1"))
    .sort()

/** Removes an entry with all that is in it; gives up what is not the caller's to remove by throwing. */
export function* remove(directory: Directory, name: string): Generator<void> {
  const stat = lookAt(directory, name)
  if (stat === undefined) return
  if (!stat.isDirectory()) {
    Fs.unlinkSync(directory.at(name))
    return
  }
  const inner = openIn(directory, name)
  try {
    Fs.chmodSync(inner.at(), 0o700)
    for (const entry of namesIn(inner)) {
      yield* remove(inner, entry)
      yield
    }
  } finally {
    inner.close()
  }
  Fs.rmdirSync(directory.at(name))
}

/** A directory some way below another one; without a way, that one again. To be closed by itself. */
export const openWithin = (directory: Directory, path: ReadonlyArray<string>): Directory => {
  let current = open(directory.at().toString("latin1"))
  for (const name of path) {
    const above = current
    try {
      current = openIn(above, name)
    } finally {
      above.close()
    }
  }
  return current
}
