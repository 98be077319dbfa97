/**
 * Everything that a test's bottles have on this machine, counted from outside: nothing of the program under test is asked.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import * as DockerDaemon from "./DockerDaemon.js"
import * as Survivors from "./Survivors.js"

/**
 * Where something of a test's bottles can be.
 *
 * @since 0.1.0
 * @category models
 */
export interface Where {
  /** What every process, mount and socket of theirs bears, as in `Survivors`. */
  readonly marker: string
  /** Everything below these directories counts, themselves not. */
  readonly directories: ReadonlyArray<string>
  /** What is below them and is meant to stay, by its path. */
  readonly stays?: ((path: string, isDirectory: boolean) => boolean) | undefined
  /** The label (`NAME=VALUE`) of their containers and networks; docker is asked only where there is one. */
  readonly label?: string | undefined
  /** Networks ("10.1.2.0/29") that were theirs: no address and no route of this machine may lie in one. */
  readonly subnets?: (() => ReadonlyArray<string>) | undefined
}

/**
 * What was counted, each as a line of text for a message.
 *
 * @since 0.1.0
 * @category models
 */
export interface Counted extends Survivors.Survivors {
  /** "PID ARGV" of each process without the marker in a namespace that one with it was seen in. */
  readonly strangers: ReadonlyArray<string>
  readonly files: ReadonlyArray<string>
  /** "container NAME" and "network NAME". */
  readonly containers: ReadonlyArray<string>
  /** "address CIDR on INTERFACE" and "route CIDR on INTERFACE". */
  readonly addresses: ReadonlyArray<string>
}

/**
 * A count that can be repeated.
 *
 * @since 0.1.0
 * @category models
 */
export interface Census {
  /**
   * Remembers the namespaces that the marked processes are in now: a guest's process that hides its marker, and outlives
   * everything around it, is counted all the same.
   */
  readonly note: Effect.Effect<void>
  /** Counts, and notes. */
  readonly take: Effect.Effect<Counted>
}

/**
 * A census of what bears a marker. Reads Linux's `/proc`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (where: Where): Census => {
  const noted = new Set<string>()
  const find = Effect.tap(Survivors.find(where.marker), ({ namespaces }) =>
    Effect.sync(() => namespaces.filter((name) => name.startsWith("pid:")).forEach((name) => noted.add(name)))
  )
  return {
    note: Effect.asVoid(find),
    take: Effect.gen(function* () {
      const found = yield* find
      return {
        ...found,
        strangers: strangers(noted, found.processes),
        files: where.directories.flatMap((directory) => below(directory, where.stays ?? (() => false))),
        containers: where.label === undefined ? [] : yield* DockerDaemon.labelled(where.label),
        addresses: addresses(where.subnets?.() ?? [])
      }
    })
  }
}

/**
 * Everything that was counted, one line each; empty when nothing is left.
 *
 * @since 0.1.0
 * @category conversions
 */
export const lines = (counted: Counted): ReadonlyArray<string> => {
  const named = (kind: string, texts: ReadonlyArray<string>) => texts.map((text) => `${kind} ${text}`)
  return [
    ...named("process", counted.processes),
    ...named("process", counted.strangers),
    ...named("mount", counted.mounts),
    ...named("namespace", counted.namespaces),
    ...named("socket", counted.sockets),
    ...named("file", counted.files),
    ...counted.containers,
    ...counted.addresses
  ]
}

// What cannot be read any more is not there.
const attempt = <A>(read: () => A, otherwise: A): A => {
  try {
    return read()
  } catch {
    return otherwise
  }
}

const strangers = (noted: ReadonlySet<string>, known: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (noted.size === 0) return []
  const marked = new Set(known.map((line) => line.slice(0, line.indexOf(" "))))
  return Fs.readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name) && !marked.has(name))
    .filter((pid) => noted.has(attempt(() => Fs.readlinkSync(`/proc/${pid}/ns/pid`), "")))
    .map((pid) => `${pid} ${attempt(() => Fs.readFileSync(`/proc/${pid}/cmdline`, "utf8"), "").replaceAll("\0", " ")}`)
}

const below = (directory: string, stays: NonNullable<Where["stays"]>): ReadonlyArray<string> =>
  attempt(() => Fs.readdirSync(directory, { withFileTypes: true }), []).flatMap((entry) => {
    const path = Path.join(directory, entry.name)
    const isDirectory = entry.isDirectory()
    return [...(stays(path, isDirectory) ? [] : [path]), ...(isDirectory ? below(path, stays) : [])]
  })

const addresses = (subnets: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (subnets.length === 0) return []
  const list = new Net.BlockList()
  for (const subnet of subnets) {
    const [network = "", prefix = "32"] = subnet.split("/")
    list.addSubnet(network, Number(prefix), "ipv4")
  }
  // Not `os.networkInterfaces`: it leaves out a bridge that nothing is connected to.
  const ip = (...words: ReadonlyArray<string>) =>
    ChildProcess.execFileSync("ip", ["-o", "-4", ...words], { encoding: "utf8" }).split("\n")
  const own = ip("address", "show").flatMap((line) => {
    const [, device = "", address = ""] = /^\d+: (\S+)\s+inet (\S+)/.exec(line) ?? []
    return address !== "" && list.check(address.replace(/\/.*/, "")) ? [`address ${address} on ${device}`] : []
  })
  const routes = ip("route", "show").flatMap((line) => {
    const [, to = "", device = ""] = /^(\d\S*) .*\bdev (\S+)/.exec(line) ?? []
    return to !== "" && list.check(to.replace(/\/.*/, "")) ? [`route ${to} on ${device}`] : []
  })
  return [...own, ...routes]
}
