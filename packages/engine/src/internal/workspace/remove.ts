import * as Fs from "node:fs"
import type { Steps } from "./sliced.js"
import { codeOf } from "./tree.js"

/** Deeper directories are moved up first: a guest makes them deeper than any path is long, or than descriptors last. */
const DEPTH_MAX = 64

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = Fs.constants

const below = (fd: number, name: Buffer): Buffer => Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name])

/** A directory may keep even its owner out. */
const openDirectory = (path: Buffer | string): number => {
  try {
    return Fs.openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  } catch (cause) {
    if (codeOf(cause) !== "EACCES") throw cause
    Fs.chmodSync(path, 0o700)
    return Fs.openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  }
}

function* empty(fd: number, depth: number, aside: (path: Buffer) => void): Steps<void> {
  Fs.fchmodSync(fd, 0o700)
  for (const name of Fs.readdirSync(`/proc/self/fd/${fd}`, { encoding: "buffer" })) {
    const path = below(fd, name)
    if (!Fs.lstatSync(path).isDirectory()) Fs.unlinkSync(path)
    else if (depth >= DEPTH_MAX) aside(path)
    else {
      const inner = openDirectory(path)
      try {
        yield* empty(inner, depth + 1, aside)
      } finally {
        Fs.closeSync(inner)
      }
      Fs.rmdirSync(path)
    }
    yield
  }
}

/** Removes a directory and all that is in it, whatever a guest has made of it. Nobody may write to it meanwhile. */
export function* directory(path: string): Steps<void> {
  if (!Fs.existsSync("/proc/self/fd")) return Fs.rmSync(path, { recursive: true, force: true })
  const stat = Fs.lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isDirectory()) return Fs.unlinkSync(path)
  const root = openDirectory(path)
  try {
    let moved = 0
    const aside = (deep: Buffer): void => {
      moved += 1
      // A directory that may not be written to cannot be moved either: what its parent is changes it.
      Fs.chmodSync(deep, 0o700)
      Fs.renameSync(deep, `/proc/self/fd/${root}/.bottle-deep-${process.pid}-${moved}`)
    }
    while (Fs.readdirSync(`/proc/self/fd/${root}`).length > 0) yield* empty(root, 0, aside)
  } finally {
    Fs.closeSync(root)
  }
  Fs.rmdirSync(path)
}
