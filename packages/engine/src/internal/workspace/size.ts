import type { Steps } from "./sliced.js"
import * as Tree from "./tree.js"

/** More is not counted: what a guest left may have no end that is worth to be known. */
const ENTRIES_MAX = 500_000
const DEPTH_MAX = 256

/** What a tree takes, and when anything in it was last changed. */
export interface Size {
  readonly bytes: number
  readonly changedAtMillis: number
}

interface Sum {
  bytes: number
  changedAtMillis: number
  count: number
}

function* add(directory: Tree.Directory, depth: number, sum: Sum): Steps<void> {
  for (const name of Tree.namesIn(directory).names) {
    sum.count += 1
    if (sum.count > ENTRIES_MAX) return
    const stat = Tree.lstatIfThere(directory, name)
    if (stat === undefined) continue
    sum.changedAtMillis = Math.max(sum.changedAtMillis, Number(stat.ctimeMs))
    if (stat.isFile()) sum.bytes += Number(stat.size)
    if (stat.isDirectory() && depth < DEPTH_MAX) {
      try {
        const below = Tree.openIn(directory, name)
        try {
          yield* add(below, depth + 1, sum)
        } finally {
          Tree.close(below)
        }
      } catch (cause) {
        // One that keeps even its owner out takes what nobody can say.
        if (Tree.codeOf(cause) === undefined) throw cause
      }
    }
    yield
  }
}

export function* of(path: string): Steps<Size> {
  const root = Tree.openRoot(path)
  const sum: Sum = { bytes: 0, changedAtMillis: 0, count: 0 }
  try {
    yield* add(root, 0, sum)
    return sum
  } finally {
    Tree.close(root)
  }
}
