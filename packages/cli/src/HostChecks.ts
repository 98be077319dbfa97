/**
 * What `bottle doctor` looks at on the host itself: Node, the hypervisor, the clock, and bottle's own directories.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "node:path"
import { type Finding, ill, type Subject, well } from "./Diagnosis.js"
import * as Units from "./Units.js"

const NODE_MAJOR_MIN = 20

/**
 * What the checks know of whoever asks.
 *
 * - `uid`: null where the system has none
 * - `now`: milliseconds since 1970
 * - `freeBytes`: how much room the file system of a path has for this user; null where that cannot be told
 *
 * @since 0.1.0
 * @category models
 */
export interface Sight {
  readonly platform: string
  readonly arch: string
  readonly nodeVersion: string
  readonly uid: number | null
  readonly now: number
  readonly freeBytes: (path: string) => Effect.Effect<number | null>
}

const nodeSubject: Subject = { id: "node", group: "system", name: "Node", need: "any" }

/**
 * Whether Node is new enough.
 *
 * @since 0.1.0
 * @category constructors
 */
export const node = ({ nodeVersion }: Sight): Finding =>
  Number.parseInt(nodeVersion, 10) >= NODE_MAJOR_MIN
    ? well(nodeSubject, nodeVersion, `Node ${nodeVersion}`)
    : ill(nodeSubject, nodeVersion, `install Node ${NODE_MAJOR_MIN} or newer`)

const platformSubject: Subject = { id: "platform", group: "system", name: "operating system", need: "any" }

/**
 * Whether bottles run on this system at all.
 *
 * @since 0.1.0
 * @category constructors
 */
export const system = ({ arch, platform }: Sight): Finding =>
  platform === "linux" || platform === "darwin"
    ? well(platformSubject, `${platform} ${arch}`, `${platform} ${arch}`)
    : ill(platformSubject, `${platform} ${arch}`, "use Linux, or macOS with smolvm")

const kvmSubject: Subject = { id: "kvm", group: "hypervisor", name: "/dev/kvm", need: "microvm" }

const NESTED = "switch on nested virtualisation where this machine is made"

/** What is in the way of a hypervisor where there is no device. */
const noDevice = (cpuinfo: string): readonly [detail: string, fix: string] => {
  const isGuest = /^flags\s*:.*\bhypervisor\b/m.test(cpuinfo)
  const canVirtualise = /^flags\s*:.*\b(?:vmx|svm)\b/m.test(cpuinfo)
  if (canVirtualise) return ["not there, though the processor can", "load its module: modprobe kvm_intel, or kvm_amd"]
  return isGuest
    ? ["not there: this is a virtual machine that offers its guests no virtualisation", NESTED]
    : ["not there", "switch on virtualisation (VT-x, AMD-V) in the firmware; in a container, pass on --device /dev/kvm"]
}

/**
 * Whether a microVM can have a hypervisor: `/dev/kvm`, and the right to use it. Nothing on systems that have another one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const kvm = ({ platform }: Sight): Effect.Effect<ReadonlyArray<Finding>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    if (platform !== "linux") return []
    const fs = yield* FileSystem.FileSystem
    if (!(yield* Effect.orElseSucceed(fs.exists("/dev/kvm"), () => false))) {
      const cpuinfo = yield* Effect.orElseSucceed(fs.readFileString("/proc/cpuinfo"), () => "")
      return [ill(kvmSubject, ...noDevice(cpuinfo))]
    }
    return yield* fs.access("/dev/kvm", { readable: true, writable: true }).pipe(
      Effect.as([well(kvmSubject, "there, and yours to use", "KVM")]),
      Effect.orElseSucceed(() => [
        ill(
          kvmSubject,
          "there, but you may not use it",
          "join its group (sudo usermod -aG kvm $USER), and log in again"
        )
      ])
    )
  })

const bootSubject: Subject = { id: "boot-id", group: "clock", name: "boot id", need: "any" }
const clockSubject: Subject = { id: "clock", group: "clock", name: "clock", need: "none" }
const skewSubject: Subject = { id: "clock-skew", group: "clock", name: "clock of the file system", need: "none" }

const BOOT_ID = "/proc/sys/kernel/random/boot_id"

/** No clock that is right says less to a program of this release. */
const RELEASED_MILLIS = Date.UTC(2026, 0, 1)
const SKEW_MILLIS_MAX = 60_000

const SET_CLOCK = "set the clock (timedatectl set-ntp true): certificates, --ttl and ages depend on it"

/**
 * Whether the clock can be right, whether files below the directory get about the same time, and whether an owner can be
 * told from another process after a restart of the machine.
 *
 * @since 0.1.0
 * @category constructors
 */
export const clock = (
  { now, platform }: Sight,
  directory: string
): Effect.Effect<ReadonlyArray<Finding>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const said = new Date(now).toISOString().slice(0, 19)
    const time =
      now >= RELEASED_MILLIS
        ? well(clockSubject, `${said}Z`, `${said.slice(0, 16).replace("T", " ")} UTC`)
        : ill(clockSubject, `it says ${said}Z, before this release was made`, SET_CLOCK)
    const boot = yield* Effect.orElseSucceed(fs.readFileString(BOOT_ID), () => "")
    const identity =
      platform !== "linux" || boot.trim() !== ""
        ? well(bootSubject, "readable", null)
        : ill(bootSubject, `${BOOT_ID} cannot be read`, "mount /proc; in a container, do not mask /proc/sys")
    const skew = yield* skewOf(fs, directory, now)
    if (skew === null) return [time, identity]
    return [
      time,
      identity,
      Math.abs(skew) <= SKEW_MILLIS_MAX
        ? well(skewSubject, `differs by ${Units.formatMillis(Math.abs(skew))}`, null)
        : ill(
            skewSubject,
            `a file made in ${directory} is ${Units.formatAge(Math.abs(skew))} ${skew < 0 ? "old" : "ahead"}`,
            "set the clock of its server, or name a local directory by XDG_STATE_HOME"
          )
    ]
  })

/** How far the time of a new file is ahead, in milliseconds; null where none can be made. */
const skewOf = (fs: FileSystem.FileSystem, directory: string, now: number): Effect.Effect<number | null> =>
  Effect.scoped(
    Effect.gen(function* () {
      if (!(yield* fs.exists(directory))) return null
      const made = yield* fs.makeTempDirectoryScoped({ directory, prefix: ".doctor-" })
      const { mtime } = yield* fs.stat(made)
      return Option.match(mtime, { onNone: () => null, onSome: (time) => time.getTime() - now })
    })
  ).pipe(Effect.orElseSucceed(() => null))

/**
 * A directory of bottle's own.
 *
 * - `bytesMin`: how much has to be free there; 0 where little is written
 * - `need`: which bottles do not run without it
 * - `variable`: names another place for it
 * - `follows`: the id of one that it is in
 *
 * @since 0.1.0
 * @category models
 */
export interface OwnDirectory {
  readonly variable: string
  readonly follows?: ReadonlyArray<string> | undefined
  readonly id: string
  readonly name: string
  readonly path: string
  readonly bytesMin: number
  readonly need: Finding["need"]
}

const WRITABLE_BY_OTHERS = 0o002

/**
 * Whether a directory is ours, can be made where it is not there, takes new entries, and has room.
 *
 * @since 0.1.0
 * @category constructors
 */
export const directory = (
  { bytesMin, follows, id, name, need, path, variable }: OwnDirectory,
  { freeBytes, uid }: Sight
): Effect.Effect<ReadonlyArray<Finding>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const subject: Subject = { id, group: "directories", name: `${name} directory`, need, follows }
    let at = path
    while (at !== "/" && !(yield* Effect.orElseSucceed(fs.exists(at), () => false))) at = Path.dirname(at)
    const stat = yield* Effect.option(fs.stat(at))
    if (Option.isNone(stat)) return [ill(subject, `${at} cannot be looked at`, `make ${path} readable for you`)]
    const { mode, type, uid: owner } = stat.value
    if (type !== "Directory") return [ill(subject, `${at} is no directory`, `move ${at} out of the way`)]
    const isOwn = at === path
    const other = Option.getOrNull(owner)
    if (isOwn && uid !== null && other !== null && other !== uid && other !== 0) {
      return [ill(subject, `${at} belongs to another user (uid ${other})`, `sudo chown -R ${uid} ${at}`)]
    }
    if (isOwn && (mode & WRITABLE_BY_OTHERS) !== 0) {
      return [ill(subject, `everybody can write to ${at}`, `chmod 700 ${at}`)]
    }
    const isWritable = yield* fs.access(at, { writable: true }).pipe(
      Effect.as(true),
      Effect.orElseSucceed(() => false)
    )
    if (!isWritable)
      return [
        ill(
          subject,
          `${at} cannot be written to`,
          `make it writable for you, or name another place: export ${variable}=DIR`
        )
      ]
    const free = yield* freeBytes(at)
    if (free !== null && free < bytesMin) {
      const wanted = `${Units.formatBytes(bytesMin)} are wanted`
      return [
        ill(
          subject,
          `${Units.formatBytes(free)} are free at ${at}, ${wanted}`,
          `make room (bottle prune removes old packs), or name another place: export ${variable}=DIR`
        )
      ]
    }
    const room = free === null || bytesMin === 0 ? "" : ` (${Units.formatBytes(free)} free)`
    return [well(subject, `${path}${room}`, `${name}${need === "any" && bytesMin > 0 ? room : ""}`)]
  })
