/**
 * What the local runtime needs of the kernel, of the user's rights, and of the programs that are installed.
 *
 * @since 0.1.0
 */
import * as Capture from "@bottle/process/Capture"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { findProgram, type Host, required } from "./Host.js"
import * as Limits from "./Limits.js"
import { OperationFailed, PrerequisiteMissing } from "./LocalError.js"

/**
 * One thing that is needed, whether it is there, and what to do when it is not.
 *
 * @since 0.1.0
 * @category models
 */
export interface Prerequisite {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly fix: string
}

const env = { LC_ALL: "C", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }

const readSetting = (path: string): string | undefined => {
  try {
    return Fs.readFileSync(Path.join("/proc/sys", path), "utf8").trim()
  } catch {
    return undefined
  }
}

const programs = (): ReadonlyArray<Prerequisite> =>
  Object.entries(required).map(([name, packageName]) => {
    const path = findProgram(name)
    return { name, ok: path !== undefined, detail: path ?? "not installed", fix: `install ${packageName}` }
  })

const helpers = {
  perl: "a filter of system calls",
  script: "terminals (-t)",
  taskset: "--cpus",
  hostname: "host names"
}

/** What does without, and says so. */
const optionalPrograms = (): ReadonlyArray<Prerequisite> =>
  Object.entries(helpers).map(([name, purpose]) => {
    const path = findProgram(name)
    return {
      name: `${name} (optional)`,
      ok: true,
      detail: path === undefined ? `not installed: no ${purpose}` : `${path}, for ${purpose}`,
      fix: `install ${name}`
    }
  })

const neededOptions = [
  ["unshare", ["--map-user", "--map-group", "--keep-caps", "--kill-child", "--cgroup"]],
  ["nsenter", ["--wdns", "--preserve-credentials"]],
  ["umount", ["--namespace"]],
  ["setpriv", ["--no-new-privs", "--clear-groups"]],
  ["tar", ["--xattrs", "--no-same-owner", "--warning"]]
] as const

const options: Effect.Effect<ReadonlyArray<Prerequisite>, never, CommandExecutor> = Effect.forEach(
  neededOptions,
  ([name, wanted]) => {
    const program = findProgram(name)
    if (program === undefined) return Effect.succeed<ReadonlyArray<Prerequisite>>([])
    return Capture.capture({ program, args: ["--help"], env, cwd: "/" }, { timeoutMillis: 5000 }).pipe(
      Effect.map((captured) => Capture.stdoutText(captured)),
      Effect.orElseSucceed(() => ""),
      Effect.map((help) => {
        const missing = wanted.filter((option) => !help.includes(option))
        return [
          {
            name: name === "tar" ? "GNU tar" : `${name} of util-linux 2.38 or newer`,
            ok: missing.length === 0,
            detail: missing.length === 0 ? `${name} has ${wanted.join(" ")}` : `${name} lacks ${missing.join(" ")}`,
            fix: name === "tar" ? "install GNU tar" : "update util-linux to 2.38 or newer"
          }
        ]
      })
    )
  }
).pipe(Effect.map((found) => found.flat()))

/** What often forbids namespaces; where they work after all, none of it is in the way. */
const settings = (areWorking: boolean): ReadonlyArray<Prerequisite> => {
  const clone = readSetting("kernel/unprivileged_userns_clone")
  const max = readSetting("user/max_user_namespaces")
  const apparmor = readSetting("kernel/apparmor_restrict_unprivileged_userns")
  return [
    {
      name: "kernel.unprivileged_userns_clone",
      ok: areWorking || clone !== "0",
      detail: clone === undefined ? "not present, which allows them" : `is ${clone}`,
      fix: "sysctl -w kernel.unprivileged_userns_clone=1"
    },
    {
      name: "user.max_user_namespaces",
      ok: areWorking || (max !== "0" && max !== undefined),
      detail: max === undefined ? "the kernel has no user namespaces" : `is ${max}`,
      fix: "sysctl -w user.max_user_namespaces=10000"
    },
    {
      name: "kernel.apparmor_restrict_unprivileged_userns",
      ok: areWorking || apparmor !== "1",
      detail: apparmor === undefined ? "not present, which allows them" : `is ${apparmor}`,
      fix: "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile that allows userns for unshare"
    }
  ]
}

const tryOut = (
  name: string,
  args: ReadonlyArray<string>,
  fix: string
): Effect.Effect<Prerequisite, never, CommandExecutor> => {
  const setpriv = findProgram("setpriv")
  const unshare = findProgram("unshare")
  if (setpriv === undefined || unshare === undefined) {
    return Effect.succeed({ name, ok: false, detail: "cannot be tried without unshare and setpriv", fix })
  }
  // Root's machines are made by an ordinary user too, so that is who tries.
  const user = process.getuid?.() === 0 ? ["--reuid", "65533", "--regid", "65533", "--clear-groups"] : []
  const words = [...user, "--no-new-privs", "--", unshare, "--user", "--map-user=1000", "--map-group=1000", ...args]
  return run(name, setpriv, words, fix)
}

const run = (
  name: string,
  program: string,
  args: ReadonlyArray<string>,
  fix: string
): Effect.Effect<Prerequisite, never, CommandExecutor> =>
  Capture.capture({ program, args, env, cwd: "/" }, { timeoutMillis: 5000 }).pipe(
    Effect.map((captured) => ({
      name,
      ok: captured.exit.code === 0,
      detail:
        captured.exit.code === 0
          ? "works"
          : Capture.stderrText(captured)
              .trim()
              .replace(/\s*\n\s*/g, "; "),
      fix
    })),
    Effect.catchAll((error) => Effect.succeed({ name, ok: false, detail: error.message, fix }))
  )

/** Root gathers the caller's files in a mount namespace of its own before it becomes the machine's user. */
const asRoot: Effect.Effect<Prerequisite, never, CommandExecutor> = Effect.suspend(() => {
  const unshare = findProgram("unshare")
  const name = "a mount namespace as root"
  const fix = "allow CAP_SYS_ADMIN (in a container), or start as an ordinary user"
  if (unshare === undefined) return Effect.succeed({ name, ok: false, detail: "cannot be tried without unshare", fix })
  const args = ["--mount", "--propagation", "private", "--", "/bin/sh", "-c", "exec mount -t tmpfs bottle /tmp"]
  return run(name, unshare, args, fix)
})

const mountProc = "exec mount -t proc -o nosuid,nodev,noexec proc /proc"
const mountOverlay =
  "mount -t tmpfs bottle /tmp && mkdir /tmp/l /tmp/u /tmp/w /tmp/m && " +
  "mount -t overlay -o userxattr,lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w overlay /tmp/m"

/**
 * Everything that the local runtime needs, each with what was found and what to do about it. Tries the namespaces out.
 *
 * @since 0.1.0
 * @category constructors
 */
export const check: Effect.Effect<ReadonlyArray<Prerequisite>, never, CommandExecutor> = Effect.gen(function* () {
  const linux = {
    name: "Linux",
    ok: process.platform === "linux",
    detail: process.platform,
    fix: "use smolvm on this system"
  }
  if (!linux.ok) return [linux]
  const namespaces = [
    yield* tryOut("a user namespace", ["--", "/bin/sh", "-c", ":"], "allow unprivileged user namespaces"),
    yield* tryOut(
      "mount, process, network, ipc, uts and cgroup namespaces in it",
      [
        "--keep-caps",
        "--mount",
        "--pid",
        "--fork",
        "--net",
        "--ipc",
        "--uts",
        "--cgroup",
        "--",
        "/bin/sh",
        "-c",
        "exec mount -t tmpfs bottle /tmp"
      ],
      "allow unprivileged user namespaces (in a container: start it with fewer restrictions)"
    )
  ]
  return [
    linux,
    ...programs(),
    ...optionalPrograms(),
    ...(yield* options),
    ...settings(namespaces.every((one) => one.ok)),
    yield* Limits.corePrerequisite,
    ...(process.getuid?.() === 0 ? [yield* asRoot] : []),
    ...namespaces,
    yield* tryOut(
      "a /proc of its own",
      ["--keep-caps", "--mount", "--pid", "--fork", "--", "/bin/sh", "-c", mountProc],
      "in a container, /proc must not be masked (docker: --security-opt systempaths=unconfined)"
    ),
    yield* tryOut(
      "overlayfs in it (for root file systems by --image only)",
      ["--keep-caps", "--mount", "--", "/bin/sh", "-c", mountOverlay],
      "needs Linux 6.6 or newer"
    )
  ]
})

const optional = (prerequisite: Prerequisite): boolean => prerequisite.name.startsWith("overlayfs")

/**
 * Why a start failed: the first thing that is missing, or, when nothing is, what the host's programs said.
 *
 * @since 0.1.0
 * @category constructors
 */
export const explain = (
  _host: Host,
  reason: string
): Effect.Effect<never, PrerequisiteMissing | OperationFailed, CommandExecutor> =>
  Effect.gen(function* () {
    const missing = (yield* check).find(
      (prerequisite) => !prerequisite.ok && (!optional(prerequisite) || reason.includes("overlay"))
    )
    return yield* missing === undefined
      ? new OperationFailed({ family: "agent", operation: "start", reason })
      : new PrerequisiteMissing({ name: missing.name, detail: missing.detail, fix: missing.fix })
  })
