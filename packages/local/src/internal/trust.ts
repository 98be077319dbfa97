/* Whose files our state is read from: root must not act on what another user wrote, nor one user on another's. */

import * as Fs from "node:fs"
import * as Path from "node:path"
import { lstatIfThere, realPathOf } from "./files.js"

const othersMayWrite = 0o002
const groupMayWrite = 0o020
const sticky = 0o1000

/** Every directory above a path, from the root down. */
const above = (path: string): ReadonlyArray<string> => {
  const parent = Path.dirname(path)
  return parent === path ? [] : [...above(parent), parent]
}

const overflowUid = 65_534

/** In a user namespace that does not have all users, the system's own root looks like nobody. */
const isPartialNamespace = (): boolean =>
  !/^\s*0\s+0\s+4294967295\s*$/.test(Fs.readFileSync("/proc/self/uid_map", "latin1"))

const isTrusted = (uid: number, own: number): boolean =>
  uid === own || uid === 0 || (uid === overflowUid && isPartialNamespace())

/**
 * What is wrong with a directory that ours lies in. Whoever owns it can put another one in our place, and so can who may
 * write to it, unless only the owner of an entry may move that. A group that may write is taken for the user's own, but
 * not for root's.
 */
const wrongAbove = (path: string, own: number): string | undefined => {
  const stat = lstatIfThere(path)
  if (stat === undefined) return undefined
  if (!isTrusted(stat.uid, own)) return `belongs to another user (uid ${stat.uid})`
  if (stat.isSymbolicLink() || (stat.mode & sticky) !== 0) return undefined
  const forbidden = own === 0 && stat.gid !== 0 ? othersMayWrite | groupMayWrite : othersMayWrite
  return (stat.mode & forbidden) === 0 ? undefined : "can be written by other users"
}

/** What is wrong with a directory or file of our own. */
const wrongItself = (path: string, own: number): string | undefined => {
  const stat = lstatIfThere(path)
  if (stat === undefined) return undefined
  if (stat.isSymbolicLink()) return "is a symbolic link"
  if (stat.uid !== own) return `belongs to another user (uid ${stat.uid})`
  return (stat.mode & (groupMayWrite | othersMayWrite)) === 0 ? undefined : "can be written by other users"
}

/** The first path that cannot be trusted, and why: of what `root` lies in, `root` itself, or what we have below it. */
export const firstWrong = (
  root: string,
  ours: ReadonlyArray<string>
): { readonly path: string; readonly problem: string } | undefined => {
  const own = process.getuid?.() ?? 0
  // By its name and, where links are on the way, by where they lead.
  const real = realPathOf(root)
  for (const path of new Set([...above(root), ...above(real)])) {
    const problem = wrongAbove(path, own)
    if (problem !== undefined) return { path, problem }
  }
  for (const path of [real, ...ours]) {
    const problem = wrongItself(path, own)
    if (problem !== undefined) return { path, problem }
  }
  return undefined
}
