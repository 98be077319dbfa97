import * as Fs from "node:fs"
import * as Path from "node:path"

/*
 * Whether a directory that we believe what is in it is ours alone: the ledgers say what is removed and by which program,
 * and whoever answers at a control socket is told a guest's input. Another user must not be able to put his own in place
 * of either.
 *
 * Above it, a directory that belongs to somebody else is left to whoever chose it: a home directory in a container often
 * does. What another user can make there without owning it is not.
 */

const ROOT = 0
const WRITABLE_BY_GROUP = 0o020
const WRITABLE_BY_OTHERS = 0o002
const STICKY = 0o1000

const LINKS_MAX = 40

const PROC = "/proc/"

const isTrusted = (uid: number): boolean => uid === ROOT || uid === process.geteuid?.()

/** Whether a file of that owner can have been written by us: where nothing tells, as on other systems, it can. */
export const isOurs = (uid: number): boolean => process.geteuid === undefined || isTrusted(uid)

/** Why another user can put something else in place of the directory or of what is in it; `null` where nobody can. */
export const doubtOf = (absolute: string): string | null => {
  try {
    return lookFor(absolute)
  } catch (cause) {
    const code: unknown = cause instanceof Error ? Reflect.get(cause, "code") : undefined
    return `it cannot be looked at (${typeof code === "string" ? code : "unknown"})`
  }
}

const lookFor = (absolute: string): string | null => {
  if (process.geteuid === undefined) return null
  let links = 0
  const way = absolute.split("/").reverse()
  let path = "/"
  let stat = Fs.lstatSync(path)
  for (let step = way.pop(); step !== undefined; step = way.pop()) {
    if (step === "" || step === ".") continue
    if (step === "..") {
      path = Path.dirname(path)
      stat = Fs.lstatSync(path)
      continue
    }
    const next = Path.join(path, step)
    const found = Fs.lstatSync(next)
    if ((stat.mode & WRITABLE_BY_OTHERS) !== 0) {
      if ((stat.mode & STICKY) === 0) return `everybody can write to ${path}`
      if (!isTrusted(found.uid)) return `${next} is another user's (uid ${found.uid})`
    }
    if (!found.isSymbolicLink()) {
      path = next
      stat = found
      continue
    }
    // The kernel's own links lead where their text does not say.
    if (path.startsWith(PROC)) {
      path = next
      stat = Fs.statSync(next)
      continue
    }
    links += 1
    if (links > LINKS_MAX) return "it leads through too many symbolic links"
    const target = Fs.readlinkSync(next)
    if (target.startsWith("/")) {
      path = "/"
      stat = Fs.lstatSync(path)
    }
    way.push(...target.split("/").reverse())
  }
  if (!stat.isDirectory()) return "it is no directory"
  if (!isTrusted(stat.uid)) return `it is another user's (uid ${stat.uid})`
  if ((stat.mode & WRITABLE_BY_OTHERS) !== 0) return "everybody can write to it"
  const isGroups = (stat.mode & WRITABLE_BY_GROUP) !== 0 && stat.gid !== process.getegid?.()
  return isGroups ? `another group (gid ${stat.gid}) can write to it` : null
}
