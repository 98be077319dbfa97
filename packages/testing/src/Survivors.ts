/**
 * What a test left behind on this machine: processes, mounts, namespaces, listening sockets that bear its marker.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"

/**
 * What is left, each as a line of text for a message.
 *
 * @since 0.1.0
 * @category models
 */
export interface Survivors {
  /** "PID ARGV" of each process whose arguments, environment or working directory hold the marker. */
  readonly processes: ReadonlyArray<string>
  /** "MOUNTPOINT TYPE SOURCE" of each mount that holds the marker, in any mount namespace a process is in. */
  readonly mounts: ReadonlyArray<string>
  /** "TYPE:[INODE]" of each namespace, other than our own, that one of those processes is in. */
  readonly namespaces: ReadonlyArray<string>
  /** Path of each Unix socket, named in the file system or not, that holds the marker. */
  readonly sockets: ReadonlyArray<string>
}

/**
 * What bears the marker now; our own process and its ancestors do not count. The marker is best something long and
 * random that the test puts into an argument, a variable or a path. Reads Linux's `/proc`; elsewhere it dies.
 *
 * @since 0.1.0
 * @category constructors
 */
export const find = (marker: string): Effect.Effect<Survivors> =>
  Effect.sync(() => {
    if (marker === "") throw new Error("An empty marker is borne by everything")
    const own = ancestors(process.pid)
    const pids = Fs.readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))
    const marked = pids.filter((pid) => !own.has(pid) && isRunning(pid) && bears(pid, marker))
    return {
      processes: marked.map((pid) => `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim()}`),
      mounts: unique(pids.flatMap((pid) => mounts(pid, marker))),
      namespaces: unique(marked.flatMap(foreignNamespaces)),
      sockets: unique(
        read("/proc/net/unix")
          .split("\n")
          .flatMap((line) => line.split(" ").slice(7).join(" "))
          .filter((path) => path.includes(marker))
      )
    }
  })

/**
 * How much is left.
 *
 * @since 0.1.0
 * @category conversions
 */
export const count = (survivors: Survivors): number =>
  survivors.processes.length + survivors.mounts.length + survivors.namespaces.length + survivors.sockets.length

const unique = (texts: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(texts)]

// A process may end while we look at it: what cannot be read any more is not there.
const read = (path: string): string => {
  try {
    return Fs.readFileSync(path, "utf8")
  } catch {
    return ""
  }
}

const link = (path: string): string => {
  try {
    return Fs.readlinkSync(path)
  } catch {
    return ""
  }
}

const statFields = (pid: string): ReadonlyArray<string> => {
  const stat = read(`/proc/${pid}/stat`)
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")
}

const isRunning = (pid: string): boolean => !["", "Z", "X"].includes(statFields(pid)[0] ?? "")

const ancestors = (pid: number): ReadonlySet<string> => {
  const found = new Set<string>()
  for (let at = String(pid); at !== "0" && at !== "" && !found.has(at); at = statFields(at)[1] ?? "") found.add(at)
  return found
}

const bears = (pid: string, marker: string): boolean =>
  [read(`/proc/${pid}/cmdline`), read(`/proc/${pid}/environ`), link(`/proc/${pid}/cwd`), link(`/proc/${pid}/exe`)].some(
    (text) => text.includes(marker)
  )

const mounts = (pid: string, marker: string): ReadonlyArray<string> =>
  read(`/proc/${pid}/mountinfo`)
    .split("\n")
    .filter((line) => line.includes(marker))
    .map((line) => {
      const [before = "", after = ""] = line.split(" - ")
      return `${before.split(" ")[4] ?? ""} ${after.split(" ").slice(0, 2).join(" ")}`
    })

const namespaceTypes = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] as const

const foreignNamespaces = (pid: string): ReadonlyArray<string> =>
  namespaceTypes.flatMap((type) => {
    const theirs = link(`/proc/${pid}/ns/${type}`)
    return theirs === "" || theirs === link(`/proc/self/ns/${type}`) ? [] : [theirs]
  })
