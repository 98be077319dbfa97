/**
 * How a machine's root is put together: a value, decided from the record and the host's table of mounts before anything
 * is made. The same value says what the machine's own table of mounts must then look like, and `audit` holds it to that
 * before the first process of the guest's runs.
 *
 * @since 0.1.0
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { lstatIfThere } from "./internal/files.js"
import * as HostRoot from "./internal/hostRoot.js"
import * as MountTable from "./internal/mountTable.js"
import type { Member } from "./internal/tarball.js"
import type { Machine } from "./Machine.js"
import type { Places } from "./Machines.js"

/**
 * One mount that the machine must have. `root` is what is visible there of its file system, and `device` that file
 * system's number, where they are known.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExpectedMount {
  readonly point: string
  readonly root: string | undefined
  readonly device: string | undefined
  readonly types: ReadonlyArray<string> | undefined
  readonly options: ReadonlyArray<string>
}

/**
 * Everything that a start hands to the shell texts.
 *
 * @since 0.1.0
 * @category models
 */
export interface Blueprint {
  /** Members of the archive that the disk begins with: directories to mount on, devices' names, the first files. */
  readonly base: ReadonlyArray<Member>
  /** fstab of the gathering stage. */
  readonly stageTable: string
  /** Directories of the gathering stage, separated by spaces. */
  readonly stageDirectories: string
  /** How many single files the gathering stage binds. */
  readonly stageFiles: number
  /** Options of the tmpfs that is the disk. */
  readonly diskOptions: string
  readonly kind: "bare" | "overlay"
  /** Words for the machine's text: kind, source, guest path, options, for each mount of the caller's. */
  readonly mountWords: ReadonlyArray<string>
  readonly expected: ReadonlyArray<ExpectedMount>
  /** What the holder's table of mounts must say of what was gathered for the machine. */
  readonly gathered: ReadonlyArray<ExpectedMount>
  /** What the machine must see at some of its paths: the very directories and sockets that were looked at. */
  readonly pins: ReadonlyArray<Pin>
}

/**
 * A path of the machine's, and the inode that must be there.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pin {
  readonly guest: string
  readonly device: bigint
  readonly inode: bigint
}

const gibibyte = 1024 ** 3

/** Without `--overlay` and `--storage`: smolvm's 10 GiB, or half of the memory where that is less. */
const diskBytes = (machine: Machine): number => {
  const asked = Math.max(machine.overlayGib ?? 0, machine.storageGib ?? 0)
  return asked > 0 ? asked * gibibyte : Math.min(10 * gibibyte, Math.floor(Os.totalmem() / 2))
}

// Each file of a tmpfs costs about a kilobyte of the kernel's memory, which no other limit counts.
const diskInodes = (bytes: number): number => Math.max(1024, Math.min(1_000_000, Math.floor(bytes / 4096)))

const sharedMemoryBytes = 64 * 1024 * 1024

const deviceNames = ["null", "zero", "full", "random", "urandom", "tty"]

/** Files of /proc that speak of the whole host; a machine reads nothing there. */
const maskedProcFiles = [
  "bootconfig",
  "cmdline",
  "config.gz",
  "diskstats",
  "interrupts",
  "iomem",
  "ioports",
  "kallsyms",
  "kcore",
  "key-users",
  "keys",
  "latency_stats",
  "locks",
  "mdstat",
  "modules",
  "partitions",
  "sched_debug",
  "swaps",
  "sysrq-trigger",
  "timer_list"
]

/** And directories; a machine sees them empty. */
const maskedProcDirectories = ["acpi", "asound", "bus", "driver", "irq", "scsi"]

const devMembers: ReadonlyArray<Member> = [
  { type: "directory", path: "dev/", mode: 0o755 },
  { type: "directory", path: "dev/.old/", mode: 0o700 },
  { type: "directory", path: "dev/pts/", mode: 0o755 },
  { type: "directory", path: "dev/shm/", mode: 0o755 },
  ...deviceNames.map((name): Member => ({ type: "file", path: `dev/${name}`, mode: 0o644, content: "" })),
  { type: "link", path: "dev/ptmx", target: "pts/ptmx" },
  { type: "link", path: "dev/fd", target: "/proc/self/fd" },
  { type: "link", path: "dev/stdin", target: "/proc/self/fd/0" },
  { type: "link", path: "dev/stdout", target: "/proc/self/fd/1" },
  { type: "link", path: "dev/stderr", target: "/proc/self/fd/2" }
]

const directoryMember = (path: string, mode = 0o755): Member => ({ type: "directory", path: `up${path}/`, mode })
const fileMember = (path: string, content: string, mode = 0o644): Member => ({
  type: "file",
  path: `up${path}`,
  mode,
  content
})

/** What only the first start writes; afterwards these files are the guest's. */
const firstFiles = (machine: Machine): ReadonlyArray<Member> => [
  directoryMember("/etc"),
  fileMember("/etc/hostname", `${machine.name}\n`),
  fileMember("/etc/hosts", `127.0.0.1 localhost ${machine.name}\n::1 localhost\n`),
  fileMember("/etc/resolv.conf", "# This machine has no name server.\n"),
  directoryMember("/home"),
  directoryMember("/home/bottle", 0o700),
  directoryMember("/workspace"),
  directoryMember("/tmp", 0o1777),
  ...(machine.source._tag === "Host" ? firstHostFiles : [])
]

const firstHostFiles: ReadonlyArray<Member> = [
  fileMember(
    "/etc/passwd",
    "root:x:0:0:root:/root:/usr/sbin/nologin\n" +
      "bottle:x:1000:1000:bottle:/home/bottle:/bin/sh\n" +
      "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
  ),
  fileMember("/etc/group", "root:x:0:\nbottle:x:1000:\nnogroup:x:65534:\n"),
  fileMember(
    "/etc/nsswitch.conf",
    "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"
  ),
  { type: "link", path: "up/etc/mtab", target: "/proc/self/mounts" },
  { type: "link", path: "up/etc/os-release", target: "../usr/lib/os-release" },
  directoryMember("/root", 0o700),
  directoryMember("/run"),
  directoryMember("/var"),
  directoryMember("/var/cache"),
  directoryMember("/var/lib"),
  directoryMember("/var/log"),
  directoryMember("/var/tmp", 0o1777),
  directoryMember("/opt"),
  directoryMember("/srv"),
  directoryMember("/mnt")
]

/** Every directory above a path, the path itself left out. */
const parents = (path: string): ReadonlyArray<string> => {
  const parent = Path.dirname(path)
  return parent === "/" ? [] : [...parents(parent), parent]
}

const unique = (members: ReadonlyArray<Member>): ReadonlyArray<Member> => [
  ...new Map(members.map((member) => [member.path.replace(/\/$/, ""), member])).values()
]

const proc = "/tmp/s/root/proc"

const emptyOptions = ["ro", "nosuid", "nodev", "noexec"]

/** One bind of something of the host's below the machine's root. */
interface Bind {
  readonly source: string
  readonly guest: string
  readonly isDirectory: boolean
  readonly readonly: boolean
}

const bindOptions = (mounts: ReadonlyArray<MountTable.Mount>, bind: Bind): ReadonlyArray<string> => [
  bind.isDirectory ? "rbind" : "bind",
  ...new Set([
    ...(bind.readonly ? ["ro"] : []),
    "nosuid",
    "nodev",
    ...MountTable.lockedOptions(MountTable.covering(mounts, bind.source))
  ])
]

/** The mounts that come along with a directory, each with the options that it must be given then. */
const submounts = (mounts: ReadonlyArray<MountTable.Mount>, bind: Bind) =>
  bind.isDirectory
    ? MountTable.below(mounts, bind.source).map((mount) => ({
        mount,
        guest: bind.guest + mount.point.slice(bind.source.length),
        options: [...new Set([...(bind.readonly ? ["ro"] : []), "nosuid", "nodev", ...MountTable.lockedOptions(mount)])]
      }))
    : []

const expectedOf = (mounts: ReadonlyArray<MountTable.Mount>, bind: Bind): ReadonlyArray<ExpectedMount> => {
  const mount = MountTable.covering(mounts, bind.source)
  return [
    {
      point: bind.guest,
      root: mount === undefined ? undefined : MountTable.rootOf(mount, bind.source),
      device: mount?.device,
      types: undefined,
      options: ["nosuid", "nodev", ...(bind.readonly ? ["ro"] : [])]
    },
    ...submounts(mounts, bind).map((sub) => ({
      point: sub.guest,
      root: sub.mount.root,
      device: sub.mount.device,
      types: undefined,
      options: sub.options
    }))
  ]
}

/**
 * Reads this process's table of mounts.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hostMounts = (): ReadonlyArray<MountTable.Mount> =>
  MountTable.parse(Fs.readFileSync("/proc/self/mountinfo", "latin1"))

/**
 * The blueprint of a machine on this host, as it is now. Reads the host's files; writes nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  machine: Machine,
  files: Places,
  rootDirectory: string | undefined,
  isFirst: boolean,
  mounts: ReadonlyArray<MountTable.Mount>
): Blueprint => {
  const kind = machine.source._tag === "Host" ? "bare" : "overlay"
  const parts = kind === "bare" ? HostRoot.parts() : []
  const systemBinds = parts.flatMap((part): ReadonlyArray<Bind> =>
    part.type === "link"
      ? []
      : [{ source: part.source, guest: part.path, isDirectory: part.type === "directory", readonly: true }]
  )
  const volumes = machine.volumes
    .map((volume): Bind => ({
      source: volume.host,
      guest: volume.guest,
      isDirectory: true,
      readonly: volume.readonly
    }))
    .sort((left, right) => left.guest.split("/").length - right.guest.split("/").length)
  const sockets = machine.sockets.map((socket): Bind => ({
    source: socket.host,
    guest: socket.guest,
    isDirectory: false,
    readonly: false
  }))
  const masks = maskedProcFiles.filter((name) => lstatIfThere(`/proc/${name}`) !== undefined)
  const emptied = maskedProcDirectories.filter((name) => lstatIfThere(`/proc/${name}`) !== undefined)
  const bytes = diskBytes(machine)

  const stageTable = [
    MountTable.fstabLine(files.disk, `${files.stage}/d`, "none", ["bind", "nosuid", "nodev"]),
    ...(rootDirectory === undefined
      ? []
      : [MountTable.fstabLine(rootDirectory, `${files.stage}/l`, "none", ["bind", "ro", "nosuid", "nodev"])]),
    ...volumes.map((bind, index) => MountTable.fstabLine(bind.source, `${files.stage}/v${index}`, "none", ["rbind"])),
    ...sockets.map((bind, index) => MountTable.fstabLine(bind.source, `${files.stage}/f${index}`, "none", ["bind"])),
    MountTable.fstabLine(files.stage, "/tmp", "none", ["rbind"])
  ]

  const line = (source: string, guest: string, type: string, options: ReadonlyArray<string>) =>
    MountTable.fstabLine(source, `/tmp/s/root${guest}`, type, options)
  const table = [
    ...(kind === "bare" ? [line("/tmp/s/up", "", "none", ["bind", "nosuid", "nodev"])] : []),
    ...systemBinds.map((bind) => line(bind.source, bind.guest, "none", bindOptions(mounts, bind))),
    line("proc", "/proc", "proc", ["nosuid", "nodev", "noexec"]),
    line("/tmp/s/dev", "/dev", "none", ["bind", "ro", "nosuid", "nodev", "noexec"]),
    ...deviceNames.map((name) => line(`/dev/${name}`, `/dev/${name}`, "none", ["bind"])),
    line("devpts", "/dev/pts", "devpts", ["newinstance", "ptmxmode=0666", "mode=0600", "max=256", "nosuid", "noexec"]),
    line("shm", "/dev/shm", "tmpfs", ["mode=1777", `size=${sharedMemoryBytes}`, "nr_inodes=16384", "nosuid", "nodev"]),
    ...masks.map((name) => MountTable.fstabLine("/dev/null", `${proc}/${name}`, "none", ["bind"])),
    ...emptied.map((name) => MountTable.fstabLine("/tmp/s/none", `${proc}/${name}`, "none", ["bind", ...emptyOptions]))
  ]
  const targets = [...systemBinds.map((bind) => bind.guest), "/proc", "/dev"]

  const mountPoints: ReadonlyArray<Member> = [
    ...targets.flatMap(parents).map((path) => directoryMember(path)),
    ...systemBinds.map((bind) => (bind.isDirectory ? directoryMember(bind.guest) : fileMember(bind.guest, ""))),
    directoryMember("/proc"),
    directoryMember("/dev")
  ]
  const links = parts.flatMap((part): ReadonlyArray<Member> =>
    part.type === "link" ? [{ type: "link", path: `up${part.path}`, target: part.target }] : []
  )
  const control: ReadonlyArray<Member> = [
    { type: "directory", path: "ctl/", mode: 0o700 },
    { type: "fifo", path: "ctl/up", mode: 0o600 },
    { type: "fifo", path: "ctl/wait", mode: 0o600 },
    { type: "file", path: "ctl/fstab", mode: 0o600, content: `${table.join("\n")}\n` },
    { type: "file", path: "ctl/targets", mode: 0o600, content: targets.map((target) => `${target}\n`).join("") },
    { type: "directory", path: "none/", mode: 0o555 },
    { type: "directory", path: "root/", mode: 0o755 },
    { type: "directory", path: "work/", mode: 0o700 },
    { type: "directory", path: "up/", mode: 0o755 }
  ]

  const callerBinds = [...volumes, ...sockets]
  const remounts = [...systemBinds, ...callerBinds].flatMap((bind) =>
    submounts(mounts, bind).flatMap((sub) => ["remount", "-", sub.guest, ["remount", "bind", ...sub.options].join(",")])
  )
  const mountWords = [
    ...volumes.flatMap((bind, index) => ["dir", `/tmp/v${index}`, bind.guest, bindOptions(mounts, bind).join(",")]),
    ...sockets.flatMap((bind, index) => ["file", `/tmp/f${index}`, bind.guest, bindOptions(mounts, bind).join(",")]),
    ...remounts
  ]

  const sameAs = (point: string, source: string): ExpectedMount => {
    const mount = MountTable.covering(mounts, source)
    const root = mount === undefined ? undefined : MountTable.rootOf(mount, source)
    return { point, root, device: mount?.device, types: undefined, options: [] }
  }
  const pinOf = (bind: Bind): Pin => {
    const stat = Fs.lstatSync(bind.source, { bigint: true })
    return { guest: bind.guest, device: stat.dev, inode: stat.ino }
  }
  const expected: ReadonlyArray<ExpectedMount> = [
    kind === "bare"
      ? { point: "/", root: "/up", device: undefined, types: ["tmpfs"], options: ["nosuid", "nodev"] }
      : { point: "/", root: "/", device: undefined, types: ["overlay"], options: ["nosuid", "nodev"] },
    { point: "/proc", root: "/", device: undefined, types: ["proc"], options: ["nosuid", "nodev", "noexec"] },
    { point: "/dev", root: "/dev", device: undefined, types: ["tmpfs"], options: ["ro", "nosuid", "nodev", "noexec"] },
    ...deviceNames.map((name) => sameAs(`/dev/${name}`, `/dev/${name}`)),
    { point: "/dev/pts", root: "/", device: undefined, types: ["devpts"], options: ["nosuid", "noexec"] },
    { point: "/dev/shm", root: "/", device: undefined, types: ["tmpfs"], options: ["nosuid", "nodev"] },
    ...masks.map((name) => sameAs(`/proc/${name}`, "/dev/null")),
    ...emptied.map((name) => ({
      point: `/proc/${name}`,
      root: "/none",
      device: undefined,
      types: ["tmpfs"],
      options: emptyOptions
    })),
    ...[...systemBinds, ...callerBinds].flatMap((bind) => expectedOf(mounts, bind))
  ]

  return {
    base: [...control, ...devMembers, ...unique([...links, ...(isFirst ? firstFiles(machine) : []), ...mountPoints])],
    stageTable: stageTable.join("\n"),
    stageDirectories: ["s", "d", "l", ...volumes.map((_, index) => `v${index}`)].join(" "),
    stageFiles: sockets.length,
    diskOptions: `mode=0755,size=${bytes},nr_inodes=${diskInodes(bytes)}`,
    kind,
    mountWords,
    expected,
    gathered: [
      sameAs("/tmp/d", Fs.realpathSync(files.disk)),
      ...(rootDirectory === undefined ? [] : [{ ...sameAs("/tmp/l", Fs.realpathSync(rootDirectory)), options: ["ro"] }])
    ],
    pins: callerBinds.map(pinOf)
  }
}

/** How the first mount that is not as it should be differs. The last of several at one point counts. */
const differenceOf = (
  expected: ReadonlyArray<ExpectedMount>,
  actual: ReadonlyArray<MountTable.Mount>
): string | undefined => {
  const byPoint = new Map(actual.map((mount) => [mount.point, mount]))
  const wanted = new Map(expected.map((mount) => [mount.point, mount]))
  for (const mount of wanted.values()) {
    const found = byPoint.get(mount.point)
    if (found === undefined) return `the mount at ${mount.point} is missing`
    if (mount.root !== undefined && found.root !== mount.root) return `the mount at ${mount.point} shows something else`
    if (mount.device !== undefined && found.device !== mount.device) {
      return `the mount at ${mount.point} shows another file system`
    }
    if (mount.types !== undefined && !mount.types.includes(found.type)) {
      return `the mount at ${mount.point} is of type ${found.type}`
    }
    const missing = mount.options.find((option) => !found.options.has(option))
    if (missing !== undefined) return `the mount at ${mount.point} is not ${missing}`
  }
  return undefined
}

/**
 * What is wrong with what was gathered for a machine, by the holder's table of mounts: the disk, and the root file
 * system below it, which the machine's own table does not name.
 *
 * @since 0.1.0
 * @category predicates
 */
export const auditGathered = (gathered: ReadonlyArray<ExpectedMount>, table: string): string | undefined =>
  differenceOf(gathered, MountTable.visible(MountTable.parse(table)))

/**
 * What is wrong with a machine's table of mounts: one sentence, or nothing when it is as expected. Mounts that nobody
 * expects, that are missing, that show something else, or lack an option, are all wrong.
 *
 * @since 0.1.0
 * @category predicates
 */
export const audit = (expected: ReadonlyArray<ExpectedMount>, table: string, hostTable: string): string | undefined => {
  const all = MountTable.parse(table)
  const actual = MountTable.visible(all)
  const stranger = actual.find((mount) => !expected.some((wanted) => wanted.point === mount.point))
  if (stranger !== undefined) return `there is an unexpected mount at ${stranger.point}`
  const difference = differenceOf(expected, actual)
  if (difference !== undefined) return difference
  const procs = all.filter((mount) => mount.type === "proc" && mount.root === "/")
  const hostProcs = MountTable.parse(hostTable).filter((mount) => mount.type === "proc")
  if (procs.length !== 1 || hostProcs.some((mount) => mount.device === procs[0]?.device)) {
    return "the host's /proc is there"
  }
  return undefined
}
