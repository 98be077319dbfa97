/**
 * Which directories and sockets of the host's a machine may be given, and where.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { realPathOf, reasonOf } from "./internal/files.js"
import { ValueRefused } from "./LocalError.js"
import type { Socket, Volume } from "./Machine.js"

const refuse = (what: string, reason: string, fix: string) =>
  new ValueRefused({ command: "machine create", what, reason, fix })

// smolvm's own list, and what else on Linux holds secrets or the system's state for all of its users.
const protectedTrees = [
  "/bin",
  "/boot",
  "/dev",
  "/etc",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/proc",
  "/run",
  "/sbin",
  "/sys",
  "/usr",
  "/var/lib",
  "/var/log",
  "/var/run"
]
const protectedThemselves = ["/", "/home", "/root", "/var", "/tmp", "/mnt", "/media", "/opt", "/srv"]

/** Whether `path` is `directory` or lies below it. */
const isWithin = (directory: string, path: string): boolean =>
  path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`)

/** Trees of users, not of the system, within protected ones: a directory there may be shown, but not the tree itself. */
const openTrees = ["/run/user", "/run/media", "/usr/local/src", "/usr/src", "/var/lib/machines"]

/**
 * Whether a path is the system's: one that no machine is given, as a volume or as a root file system.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isProtected = (path: string): boolean =>
  protectedThemselves.includes(path) ||
  (protectedTrees.some((tree) => isWithin(tree, path)) &&
    !openTrees.some((tree) => path !== tree && path.startsWith(`${tree}/`) && path.split("/").length > 4))

// biome-like readers stumble over literal control characters, hence the code points.
const hasControlCharacter = (text: string): boolean =>
  [...text].some((character) => (character.codePointAt(0) ?? 0) < 0x20 || character === "\x7f")

const realPath = (path: string): Effect.Effect<string, ValueRefused> =>
  Effect.try({
    try: () => Fs.realpathSync(path),
    catch: (cause) => refuse(path, `cannot be resolved (${reasonOf(cause)})`, "name a path that exists")
  })

const guestTrees = ["/proc", "/sys", "/dev"]

const guestPath = (given: string, what: string): Effect.Effect<string, ValueRefused> => {
  const path = given.length > 1 ? given.replace(/\/+$/, "").replace(/\/{2,}/g, "/") : given
  const segments = path.split("/")
  if (!path.startsWith("/")) return refuse(what, `guest path '${given}' is not absolute`, "begin it with /")
  if (path === "/" || path === "")
    return refuse(what, "the guest's root cannot be mounted over", "name a directory below it")
  if (segments.includes("..") || segments.includes(".")) {
    return refuse(what, `guest path '${given}' has '.' or '..'`, "write it without")
  }
  if (hasControlCharacter(path)) return refuse(what, "the guest path has a control character", "write it without")
  if (guestTrees.some((tree) => isWithin(tree, path))) {
    return refuse(what, `guest path '${given}' is the machine's own`, "choose another guest path")
  }
  return Effect.succeed(path)
}

/** Refuses a real path that is no directory, or that no guest may see. */
const checkDirectory = (what: string, host: string, ownState: string): Effect.Effect<void, ValueRefused> =>
  Effect.gen(function* () {
    const stat = yield* Effect.try({
      try: () => Fs.statSync(host),
      catch: (cause) => refuse(what, reasonOf(cause), "name a directory that can be read")
    })
    if (!stat.isDirectory()) return yield* refuse(what, "it is not a directory", "mount the directory that holds it")
    if (isProtected(host)) {
      return yield* refuse(what, `${host} is a protected system directory`, "mount a directory of your own below it")
    }
    const state = yield* Effect.sync(() => (Fs.existsSync(ownState) ? Fs.realpathSync(ownState) : ownState))
    if (isWithin(state, host) || isWithin(host, state)) {
      return yield* refuse(what, "it would show the runtime's own state to the guest", "mount another directory")
    }
  })

/**
 * Reads one `-v HOST:GUEST[:ro|:rw]`. The host's path is resolved first, from `cwd`, and refused where it is no directory, the root,
 * a system directory, or holds or lies in our own state.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (text: string, ownState: string, cwd: string): Effect.Effect<Volume, ValueRefused> =>
  Effect.gen(function* () {
    const withMode = /^(.*):(ro|rw)$/s.exec(text)
    const pair = withMode?.[1] ?? text
    const colon = pair.lastIndexOf(":/")
    if (colon <= 0) return yield* refuse(`-v ${text}`, "it is not HOST:GUEST[:ro]", "write -v /host/dir:/guest/dir:ro")
    const what = `-v ${text}`
    const given = pair.slice(0, colon)
    if (/^[a-z0-9]+:\/\//.test(given)) {
      return yield* refuse(what, "remote sources are not supported by the local runtime", "mount a local directory")
    }
    if (hasControlCharacter(given)) return yield* refuse(what, "the path has a control character", "rename it")
    const host = yield* realPath(Path.resolve(cwd, given))
    yield* checkDirectory(what, host, ownState)
    return { host, guest: yield* guestPath(pair.slice(colon + 1), what), readonly: withMode?.[2] === "ro" }
  })

/**
 * Reads one `--mount-socket HOST:GUEST`. The host's side is resolved as far as it is there.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseSocket = (text: string, cwd: string): Effect.Effect<Socket, ValueRefused> =>
  Effect.gen(function* () {
    const what = `--mount-socket ${text}`
    const colon = text.lastIndexOf(":/")
    if (colon <= 0) return yield* refuse(what, "it is not HOST_PATH:GUEST_PATH", "write --mount-socket /a.sock:/b.sock")
    const guestText = text.slice(colon + 1)
    if (/[;|]/.test(guestText)) return yield* refuse(what, "the guest path has ';' or '|'", "write it without")
    const given = text.slice(0, colon)
    if (hasControlCharacter(given)) return yield* refuse(what, "the path has a control character", "rename it")
    const host = yield* Effect.try({
      try: () => realPathOf(Path.resolve(cwd, given)),
      catch: (cause) => refuse(what, `cannot be resolved (${reasonOf(cause)})`, "name another path")
    })
    return { host, guest: yield* guestPath(guestText, what) }
  })

/**
 * Looks again, before a start, at the volumes of a record: each must still be the very path that it was, a directory,
 * and none that `parse` refuses.
 *
 * @since 0.1.0
 * @category predicates
 */
export const recheck = (volumes: ReadonlyArray<Volume>, ownState: string): Effect.Effect<void, ValueRefused> =>
  Effect.forEach(
    volumes,
    (volume) =>
      Effect.gen(function* () {
        const what = `-v ${volume.host}:${volume.guest}`
        const host = yield* realPath(volume.host)
        if (host !== volume.host) {
          return yield* refuse(what, `it leads to ${host} now`, "delete the machine, and create it anew")
        }
        yield* checkDirectory(what, host, ownState)
      }),
    { discard: true }
  )

/**
 * The user that a machine connects to sockets as. `isSelf` says that it is this process's own.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connector {
  readonly uid: number
  readonly gid: number
  readonly isSelf: boolean
}

/** Whether the connector may write to the socket, which is what connecting takes. */
const mayConnect = (path: string, stat: Fs.Stats, who: Connector): boolean => {
  if (who.isSelf) {
    try {
      Fs.accessSync(path, Fs.constants.W_OK)
      return true
    } catch {
      return false
    }
  }
  if (stat.uid === who.uid) return (stat.mode & 0o200) !== 0
  return (stat.mode & (stat.gid === who.gid ? 0o020 : 0o002)) !== 0
}

/**
 * The socket, at the time of a start. Fails when its path leads elsewhere by now, when it is not a socket, or none that the machine's user could
 * connect to. Nobody's permissions are changed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolveSocket = (socket: Socket, who: Connector): Effect.Effect<Socket, ValueRefused> =>
  Effect.gen(function* () {
    const what = `--mount-socket ${socket.host}`
    const host = yield* realPath(socket.host)
    if (host !== socket.host) {
      return yield* refuse(what, `it leads to ${host} now`, "delete the machine, and create it anew")
    }
    const stat = yield* Effect.try({
      try: () => Fs.lstatSync(host),
      catch: (cause) => refuse(what, reasonOf(cause), "start what listens there first")
    })
    if (!stat.isSocket()) {
      return yield* refuse(what, "it is not a Unix socket", "name the socket that a program listens on")
    }
    if (!mayConnect(host, stat, who)) {
      return yield* refuse(
        what,
        `its permissions do not let the machine's user (uid ${who.uid}, gid ${who.gid}) connect: make it writable for that user`,
        `let that user write to it (chown ${who.uid} ${host}), or everybody (chmod 0666), in a directory that is closed to others`
      )
    }
    return { host, guest: socket.guest }
  })

/**
 * Holds all mounts of a machine against each other: no guest path twice, no socket inside a volume, at most 64 sockets.
 *
 * @since 0.1.0
 * @category predicates
 */
export const checkTogether = (
  volumes: ReadonlyArray<Volume>,
  sockets: ReadonlyArray<Socket>
): Effect.Effect<void, ValueRefused> => {
  const targets = [...volumes, ...sockets].map((mount) => mount.guest)
  const twice = targets.find((target, index) => targets.indexOf(target) !== index)
  if (twice !== undefined) return refuse(twice, "is mounted twice", "give each mount a guest path of its own")
  if (sockets.length > 64) return refuse("--mount-socket", "more than 64 sockets", "mount fewer")
  const inVolume = sockets.find((socket) => volumes.some((volume) => isWithin(volume.guest, socket.guest)))
  return inVolume === undefined
    ? Effect.void
    : refuse(
        `--mount-socket ${inVolume.guest}`,
        "it lies inside a volume",
        "choose a guest path outside of the volumes"
      )
}

/**
 * The user that the machine must be for its writable volumes: their owner. None without writable volumes. Fails where
 * they have different owners or belong to root, since nothing in a machine may act as root on the host. Where only the
 * group is root's, the user's own number stands for the group, as with the group that most systems make for each user.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ownerOf = (
  volumes: ReadonlyArray<Volume>
): Effect.Effect<{ readonly uid: number; readonly gid: number } | undefined, ValueRefused> =>
  Effect.gen(function* () {
    let owner: { readonly uid: number; readonly gid: number } | undefined
    for (const volume of volumes) {
      if (volume.readonly) continue
      const what = `-v ${volume.host}:${volume.guest}`
      const stat = yield* Effect.try({
        try: () => Fs.statSync(volume.host),
        catch: (cause) => refuse(what, reasonOf(cause), "name a directory that can be read")
      })
      if (stat.uid === 0) {
        return yield* refuse(
          what,
          "a writable volume acts as its owner, and this one belongs to root: " +
            "chown it to another user, or mount it read-only with :ro",
          `chown it to another user (chown -R USER: ${volume.host}), or mount it read-only with :ro`
        )
      }
      const gid = stat.gid === 0 ? stat.uid : stat.gid
      if (owner !== undefined && (owner.uid !== stat.uid || owner.gid !== gid)) {
        return yield* refuse(
          what,
          "writable volumes of different owners",
          "chown all of them to one user and group, or mount some read-only with :ro"
        )
      }
      owner = { uid: stat.uid, gid }
    }
    return owner
  })
