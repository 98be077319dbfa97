/**
 * What the local runtime takes from the machine that it runs on: who calls it, and the programs it starts.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { PlatformUnsupported, PrerequisiteMissing } from "./LocalError.js"

/**
 * The host's programs that a machine is made with, by absolute path. Those that may be missing are optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tools {
  readonly sh: string
  readonly unshare: string
  readonly nsenter: string
  readonly setpriv: string
  readonly prlimit: string
  readonly mount: string
  readonly umount: string
  readonly pivotRoot: string
  readonly ip: string
  readonly tar: string
  readonly mkdir: string
  readonly mv: string
  /** util-linux; without it there is no terminal for `exec -t`. */
  readonly script: string | undefined
  /** util-linux; without it `--cpus` is not honoured. */
  readonly taskset: string | undefined
  /**
   * Without it there is no filter of system calls (`SyscallFilter`), and a command's streams are sockets, which cannot be
   * opened by name (`Pipes`).
   */
  readonly perl: string | undefined
  /** Without it a machine has the host's name for a host name. */
  readonly hostname: string | undefined
}

/**
 * Who calls, and with what.
 *
 * @since 0.1.0
 * @category models
 */
export interface Host {
  readonly uid: number
  readonly gid: number
  readonly tools: Tools
  /** Directories of ours that no volume may show to a guest. */
  readonly stateDirectory: string
}

// Not the caller's PATH: what is started here runs with the caller's rights.
const directories = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"]

/**
 * The absolute path of a program of the host's, looked for in the system's directories only.
 *
 * @since 0.1.0
 * @category constructors
 */
export const findProgram = (name: string): string | undefined =>
  directories
    .map((directory) => Path.join(directory, name))
    .find((path) => {
      try {
        Fs.accessSync(path, Fs.constants.X_OK)
        return true
      } catch {
        return false
      }
    })

/**
 * The programs that must be there, with the Debian package that brings each.
 *
 * @since 0.1.0
 * @category models
 */
export const required: Readonly<Record<string, string>> = {
  sh: "dash",
  unshare: "util-linux",
  nsenter: "util-linux",
  setpriv: "util-linux",
  prlimit: "util-linux",
  mount: "mount",
  umount: "mount",
  pivot_root: "util-linux",
  ip: "iproute2",
  tar: "tar",
  mkdir: "coreutils",
  mv: "coreutils"
}

let found: Tools | undefined

const findTools: Effect.Effect<Tools, PrerequisiteMissing> = Effect.gen(function* () {
  if (found !== undefined) return found
  const need = (name: string) => {
    const path = findProgram(name)
    return path === undefined
      ? Effect.fail(
          new PrerequisiteMissing({
            name,
            detail: `the program ${name} is not in ${directories.join(", ")}`,
            fix: `install ${required[name] ?? name}`
          })
        )
      : Effect.succeed(path)
  }
  found = {
    sh: yield* need("sh"),
    unshare: yield* need("unshare"),
    nsenter: yield* need("nsenter"),
    setpriv: yield* need("setpriv"),
    prlimit: yield* need("prlimit"),
    mount: yield* need("mount"),
    umount: yield* need("umount"),
    pivotRoot: yield* need("pivot_root"),
    ip: yield* need("ip"),
    tar: yield* need("tar"),
    mkdir: yield* need("mkdir"),
    mv: yield* need("mv"),
    script: findProgram("script"),
    taskset: findProgram("taskset"),
    perl: findProgram("perl"),
    hostname: findProgram("hostname")
  }
  return found
})

/**
 * The caller and the host's programs. Fails where a program is missing, and where this is not Linux.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (stateDirectory: string): Effect.Effect<Host, PlatformUnsupported | PrerequisiteMissing> =>
  Effect.gen(function* () {
    if (process.platform !== "linux") return yield* new PlatformUnsupported({ platform: process.platform })
    const tools = yield* findTools
    return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, tools, stateDirectory }
  })
