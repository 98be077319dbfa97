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
