/* The host's processes, by /proc. */

import * as Fs from "node:fs"
import * as MountTable from "./mountTable.js"

const read = (path: string): string | undefined => {
  try {
    return Fs.readFileSync(path, "latin1")
  } catch {
    return undefined
  }
}

const parentOf = (pid: number): number | undefined => {
  const text = read(`/proc/${pid}/stat`)
  // The second field may hold spaces and parentheses.
  return text === undefined ? undefined : Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1])
}

/** Whether a process was started by `ancestor`, or by one that was; `ancestor` itself is not. */
export const descendsFrom = (ancestor: number, pid: number): boolean => {
  let parent = parentOf(pid)
  for (let depth = 0; depth < 64 && parent !== undefined && parent > 0; depth++) {
    if (parent === ancestor) return true
    parent = parentOf(parent)
  }
  return false
}

/** How many process namespaces know a process, from ours on; none of a process that is gone. */
const depthOf = (pid: number): number | undefined =>
  /^NSpid:(.*)$/m
    .exec(read(`/proc/${pid}/status`) ?? "")?.[1]
    ?.trim()
    .split(/\s+/).length

/** The processes of a group, but for the zombies, that are in a process namespace below its leader's. */
export const innerOfGroup = (leader: number): ReadonlyArray<{ readonly pid: number; readonly startTime: string }> => {
  const outer = depthOf(leader)
  if (outer === undefined) return []
  return all().flatMap((pid) => {
    const text = read(`/proc/${pid}/stat`)
    const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ") ?? []
    const [state, , group] = fields
    if (Number(group) !== leader || state === "Z" || state === "X") return []
    return (depthOf(pid) ?? 0) > outer ? [{ pid, startTime: fields[19] ?? "" }] : []
  })
}

const spaceOf = (pid: number | "self"): string | undefined => {
  try {
    return Fs.readlinkSync(`/proc/${pid}/ns/mnt`)
  } catch {
    return undefined
  }
}

const all = (): ReadonlyArray<number> =>
  Fs.readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)

/**
 * Every process with a mount at one of these points, in another mount namespace than ours, and all that those started.
 */
export const withMountAt = (points: ReadonlyArray<string>): ReadonlyArray<number> => {
  const own = spaceOf("self")
  const pids = all()
  const verdicts = new Map<string, boolean>()
  const isOne = (pid: number): boolean => {
    const space = spaceOf(pid)
    if (space === undefined || space === own) return false
    const known = verdicts.get(space)
    if (known !== undefined) return known
    const table = read(`/proc/${pid}/mountinfo`)
    // Gone, or about to be: another process of the namespace may still tell.
    if (table === undefined || table === "") return false
    const verdict = MountTable.parse(table).some((mount) => points.includes(mount.point))
    verdicts.set(space, verdict)
    return verdict
  }
  const found = new Set(pids.filter(isOne))
  if (found.size === 0) return []
  const parents = new Map(pids.map((pid) => [pid, parentOf(pid)]))
  const isBelow = (pid: number): boolean => {
    let parent = parents.get(pid)
    for (let depth = 0; depth < 64 && parent !== undefined && parent > 1; depth++) {
      if (found.has(parent)) return true
      parent = parents.get(parent)
    }
    return false
  }
  return pids.filter((pid) => found.has(pid) || isBelow(pid))
}

const DELETED = "//deleted"

/**
 * The processes in other mount namespaces than ours that have the disk of a machine mounted, by the machine's name, and
 * all that those started. `machines` is the real path of the directory of all machines. A mount tells it by what it
 * shows, and goes on doing so when that is deleted.
 */
export const withDiskBelow = (machines: string): ReadonlyMap<string, ReadonlyArray<Started>> => {
  const covering = MountTable.covering(MountTable.parse(read("/proc/self/mountinfo") ?? ""), machines)
  if (covering === undefined) return new Map()
  const root = MountTable.rootOf(covering, machines)
  const nameOf = (mount: MountTable.Mount): string | undefined => {
    if (mount.device !== covering.device || !mount.root.startsWith(`${root}/`)) return undefined
    const shown = mount.root.endsWith(DELETED) ? mount.root.slice(0, -DELETED.length) : mount.root
    const [name, part, ...rest] = shown.slice(root.length + 1).split("/")
    return part === "disk" && rest.length === 0 ? name : undefined
  }
  const own = spaceOf("self")
  const pids = all()
  const ofPid = new Map<number, string>()
  for (const pid of pids) {
    const space = spaceOf(pid)
    if (space === undefined || space === own) continue
    const name = MountTable.parse(read(`/proc/${pid}/mountinfo`) ?? "")
      .map(nameOf)
      .find((found) => found !== undefined)
    if (name !== undefined) ofPid.set(pid, name)
  }
  if (ofPid.size === 0) return new Map()
  const parents = new Map(pids.map((pid) => [pid, parentOf(pid)]))
  const nameAbove = (pid: number): string | undefined => {
    let at: number | undefined = pid
    for (let depth = 0; depth < 64 && at !== undefined && at > 1; depth++) {
      const name = ofPid.get(at)
      if (name !== undefined) return name
      at = parents.get(at)
    }
    return undefined
  }
  const found = new Map<string, Array<Started>>()
  for (const pid of pids) {
    const name = nameAbove(pid)
    const startTime = name === undefined ? undefined : startTimeOf(pid)
    if (name !== undefined && startTime !== undefined) found.set(name, [...(found.get(name) ?? []), { pid, startTime }])
  }
  return found
}

/**
 * The variable that the processes of a machine have from their start, the first one's included: its directory. A guest
 * can neither read nor change it, since nothing is executed by those processes any more.
 */
export const MARK = "BOTTLE_MACHINE"

const markOf = (pid: number): string | undefined => {
  const entry = read(`/proc/${pid}/environ`)
    ?.split("\0")
    .find((variable) => variable.startsWith(`${MARK}=`))
  return entry === undefined ? undefined : Buffer.from(entry.slice(MARK.length + 1), "latin1").toString("utf8")
}

/**
 * The processes of machines, by the machines' directories. What is our own, or started us, is none: whoever calls us may
 * have been given the variable.
 */
export const marked = (): ReadonlyMap<string, ReadonlyArray<Started>> => {
  const found = new Map<string, Array<Started>>()
  for (const pid of all()) {
    const home = markOf(pid)
    if (home === undefined || pid === process.pid || descendsFrom(pid, process.pid)) continue
    const startTime = startTimeOf(pid)
    if (startTime !== undefined) found.set(home, [...(found.get(home) ?? []), { pid, startTime }])
  }
  return found
}

/** The processes of the machine in this directory. */
export const withMarkOf = (home: string): ReadonlyArray<Started> => marked().get(home) ?? []

/** A process, and when it was started: its number is used again, both are not. */
export interface Started {
  readonly pid: number
  readonly startTime: string
}

const startTimeOf = (pid: number): string | undefined => {
  const text = read(`/proc/${pid}/stat`)
  const [state, ...fields] = text?.slice(text.lastIndexOf(")") + 2).split(" ") ?? []
  return state === undefined || state === "Z" || state === "X" ? undefined : fields[18]
}
