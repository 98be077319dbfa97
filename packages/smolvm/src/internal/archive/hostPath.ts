/* Where a path of this machine leads, found once; afterwards it is opened component by component, and no link followed. */

import * as Fs from "node:fs"
import * as Path from "node:path"

export interface HostPath {
  /** Absolute, without links. */
  readonly path: string
  /** What is there; undefined where nothing is, in a directory that is there. */
  readonly stat: Fs.Stats | undefined
}

/** Why a path leads nowhere that could be used. */
export type Nowhere = "missing" | "loop" | "escape"

const LINKS_MAX = 40

const isWithin = (directory: string, path: string): boolean =>
  path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`)

const realPath = (path: string): string => {
  try {
    return Fs.realpathSync(path)
  } catch {
    return path
  }
}

/**
 * Follows a path to its end. In a directory that the guest can write to, `guestWritable`, a link may be the guest's: where
 * one leads out of that directory, the path is not followed (`escape`).
 */
export const resolve = (absolute: string, guestWritable: ReadonlyArray<string>): HostPath | Nowhere => {
  const shared = guestWritable.map(realPath)
  const within = new Set<string>()
  const way = absolute.split("/").reverse()
  let path = "/"
  let stat: Fs.Stats | undefined = Fs.lstatSync("/")
  let links = 0
  for (let step = way.pop(); step !== undefined; step = way.pop()) {
    if (step === "" || step === ".") continue
    if (stat === undefined) return "missing"
    if (step === "..") {
      path = Path.dirname(path)
      stat = Fs.lstatSync(path)
      continue
    }
    const next = Path.join(path, step)
    const found = Fs.lstatSync(next, { throwIfNoEntry: false })
    if (found?.isSymbolicLink() !== true) {
      path = next
      stat = found
      continue
    }
    links += 1
    if (links > LINKS_MAX) return "loop"
    for (const directory of shared) if (isWithin(directory, path)) within.add(directory)
    const target = Fs.readlinkSync(next)
    if (target.startsWith("/")) {
      path = "/"
      stat = Fs.lstatSync("/")
    }
    way.push(...target.split("/").reverse())
  }
  return [...within].every((directory) => isWithin(directory, path)) ? { path, stat } : "escape"
}
