/**
 * What the local runtime needs of the kernel, of the user's rights, and of the programs that are installed.
 *
 * @since 0.1.0
 */
import * as Capture from "@bottle/process/Capture"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { findProgram, type Host, required } from "./Host.js"
import * as Limits from "./Limits.js"
import { OperationFailed, PrerequisiteMissing } from "./LocalError.js"

/**
 * One thing that is needed, whether it is there, and what to do when it is not.
 *
 * - `id`: what a program knows it by, the same in every release
 * - `kind`: a program of the host's, what one can do, a setting of the kernel's or a limit, or a namespace that was tried
 * - `isOptional`: machines are made without it, and some things of theirs are not
 *
 * @since 0.1.0
 * @category models
 */
export interface Prerequisite {
  readonly id: string
  readonly kind: "system" | "program" | "setting" | "namespace"
  readonly name: string
  readonly ok: boolean
  readonly isOptional: boolean
  readonly detail: string
  readonly fix: string
}

const env = { LC_ALL: "C", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }

/**
 * What is looked at apart from what is tried out: a test's own, or this host's.
 *
 * - `read`: the text of a file of `/proc` and its kind; undefined where it is not there or cannot be read
 * - `find`: the path of a program of the host's
 *
 * @since 0.1.0
 * @category models
 */
export interface Sight {
  readonly platform: string
  readonly superuser: boolean
  readonly read: (path: string) => string | undefined
  readonly find: (program: string) => string | undefined
}

const readFile = (path: string): string | undefined => {
  try {
    return Fs.readFileSync(path, "utf8").trim()
  } catch {
    return undefined
  }
}

const here: Sight = {
  platform: process.platform,
  superuser: process.getuid?.() === 0,
  read: readFile,
  find: findProgram
}

const programs = ({ find }: Sight): ReadonlyArray<Prerequisite> =>
  Object.entries(required).map(([name, packageName]) => {
    const path = find(name)
    return {
      id: `program-${name}`,
      kind: "program",
      name,
      ok: path !== undefined,
      isOptional: false,
      detail: path ?? "not installed",
      fix: `install ${packageName}`
    }
  })

const helpers = {
  perl: "a filter of system calls",
  script: "terminals (-t)",
  taskset: "--cpus",
  hostname: "host names"
}

/** What does without, and says so. */
const optionalPrograms = ({ find }: Sight): ReadonlyArray<Prerequisite> =>
  Object.entries(helpers).map(([name, purpose]) => {
    const path = find(name)
    return {
      id: `program-${name}`,
      kind: "program",
      name: `${name} (optional)`,
      ok: true,
      isOptional: true,
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

const options = ({ find }: Sight): Effect.Effect<ReadonlyArray<Prerequisite>, never, CommandExecutor> =>
  Effect.forEach(
    neededOptions,
    ([name, wanted]) => {
      const program = find(name)
      if (program === undefined) return Effect.succeed<ReadonlyArray<Prerequisite>>([])
      return Capture.capture({ program, args: ["--help"], env, cwd: "/" }, { timeoutMillis: 5000 }).pipe(
        Effect.map((captured) => Capture.stdoutText(captured)),
        Effect.orElseSucceed(() => ""),
        Effect.map((help) => {
          const missing = wanted.filter((option) => !help.includes(option))
          return [
            {
              id: `options-${name}`,
              kind: "program" as const,
              isOptional: false,
              name: name === "tar" ? "GNU tar" : `${name} of util-linux 2.38 or newer`,
              ok: missing.length === 0,
              detail: missing.length === 0 ? `${name} has ${wanted.join(" ")}` : `${name} lacks ${missing.join(" ")}`,
              fix: name === "tar" ? "install GNU tar" : "update util-linux to 2.38 or newer"
            }
          ]
        })
      )
    },
    { concurrency: "unbounded" }
  ).pipe(Effect.map((found) => found.flat()))

const CLONE = "/proc/sys/kernel/unprivileged_userns_clone"
const MAX = "/proc/sys/user/max_user_namespaces"
const APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"

/** What often forbids namespaces; where they work after all, none of it is in the way. */
const settings = ({ read }: Sight, areWorking: boolean): ReadonlyArray<Prerequisite> => {
  const clone = read(CLONE)
  const max = read(MAX)
  const apparmor = read(APPARMOR)
  const setting = (id: string, name: string, ok: boolean, detail: string, fix: string): Prerequisite => ({
    id,
    kind: "setting",
    name,
    ok: areWorking || ok,
    isOptional: false,
    detail,
    fix
  })
  return [
    setting(
      "userns-clone",
      "kernel.unprivileged_userns_clone",
      clone !== "0",
      clone === undefined ? "not present, which allows them" : `is ${clone}`,
      "sysctl -w kernel.unprivileged_userns_clone=1"
    ),
    setting(
      "userns-max",
      "user.max_user_namespaces",
      max !== "0" && max !== undefined,
      max === undefined ? "the kernel has no user namespaces" : `is ${max}`,
      "sysctl -w user.max_user_namespaces=10000"
    ),
    setting(
      "userns-apparmor",
      "kernel.apparmor_restrict_unprivileged_userns",
      apparmor !== "1",
      apparmor === undefined ? "not present, which allows them" : `is ${apparmor}`,
      "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile that allows userns for unshare"
    )
  ]
}

/** Where nothing of the kernel's own is in the way, a container's filter of system calls usually is. */
const allow = ({ read }: Sight): string => {
  const isFiltered = /^Seccomp:\s*2$/m.test(read("/proc/self/status") ?? "")
  const isContained = ["/.dockerenv", "/run/.containerenv"].some((mark) => read(mark) !== undefined)
  if (!isFiltered && !isContained) return "allow unprivileged user namespaces"
  const what = isContained ? "this is a container" : "a filter of system calls (seccomp) is in force"
  return `allow unprivileged user namespaces: ${what}, start it with fewer restrictions (docker: --security-opt seccomp=unconfined)`
}

/** Something that is tried out. */
interface Trial {
  readonly id: string
  readonly name: string
  readonly fix: string
  readonly isOptional?: boolean
}

const tryOut = (
  sight: Sight,
  trial: Trial,
  args: ReadonlyArray<string>
): Effect.Effect<Prerequisite, never, CommandExecutor> => {
  const setpriv = sight.find("setpriv")
  const unshare = sight.find("unshare")
  if (setpriv === undefined || unshare === undefined) {
    return Effect.succeed(triedOut(trial, false, "cannot be tried without unshare and setpriv"))
  }
  // Root's machines are made by an ordinary user too, so that is who tries.
  const user = sight.superuser ? ["--reuid", "65533", "--regid", "65533", "--clear-groups"] : []
  const words = [...user, "--no-new-privs", "--", unshare, "--user", "--map-user=1000", "--map-group=1000", ...args]
  return run(trial, setpriv, words)
}

const triedOut = ({ fix, id, isOptional = false, name }: Trial, ok: boolean, detail: string): Prerequisite => ({
  id,
  kind: "namespace",
  name,
  ok,
  isOptional,
  detail,
  fix
})

const run = (
  trial: Trial,
  program: string,
  args: ReadonlyArray<string>
): Effect.Effect<Prerequisite, never, CommandExecutor> =>
  Capture.capture({ program, args, env, cwd: "/" }, { timeoutMillis: 5000 }).pipe(
    Effect.map((captured) => {
      const isOk = captured.exit.code === 0
      const said = Capture.stderrText(captured)
        .trim()
        .replace(/\s*\n\s*/g, "; ")
      return triedOut(trial, isOk, isOk ? "works" : said === "" ? `ended with ${captured.exit.code}` : said)
    }),
    Effect.catchAll((error) => Effect.succeed(triedOut(trial, false, error.message)))
  )

/** Root gathers the caller's files in a mount namespace of its own before it becomes the machine's user. */
const asRoot = ({ find }: Sight): Effect.Effect<Prerequisite, never, CommandExecutor> => {
  const unshare = find("unshare")
  const trial = {
    id: "root-mounts",
    name: "a mount namespace as root",
    fix: "allow CAP_SYS_ADMIN (in a container), or start as an ordinary user"
  }
  if (unshare === undefined) return Effect.succeed(triedOut(trial, false, "cannot be tried without unshare"))
  const args = ["--mount", "--propagation", "private", "--", "/bin/sh", "-c", "exec mount -t tmpfs bottle /tmp"]
  return run(trial, unshare, args)
}

const mountProc = "exec mount -t proc -o nosuid,nodev,noexec proc /proc"
const mountOverlay =
  "mount -t tmpfs bottle /tmp && mkdir /tmp/l /tmp/u /tmp/w /tmp/m && " +
  "mount -t overlay -o userxattr,lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w overlay /tmp/m"

/**
 * Everything that the local runtime needs, each with what was found and what to do about it. Tries the namespaces out, all
 * at once, each within five seconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const checkAt = (sight: Sight): Effect.Effect<ReadonlyArray<Prerequisite>, never, CommandExecutor> =>
  Effect.gen(function* () {
    const linux: Prerequisite = {
      id: "linux",
      kind: "system",
      name: "Linux",
      ok: sight.platform === "linux",
      isOptional: false,
      detail: sight.platform,
      fix: "use smolvm on this system"
    }
    if (!linux.ok) return [linux]
    const { core, lacks, others, root, spaces } = yield* Effect.all(
      {
        lacks: options(sight),
        core: Limits.corePrerequisite,
        root: sight.superuser ? Effect.map(asRoot(sight), (one) => [one]) : Effect.succeed([]),
        spaces: Effect.all(namespaces(sight), { concurrency: "unbounded" }),
        others: Effect.all(besides(sight), { concurrency: "unbounded" })
      },
      { concurrency: "unbounded" }
    )
    return [
      linux,
      ...programs(sight),
      ...optionalPrograms(sight),
      ...lacks,
      ...settings(
        sight,
        spaces.every((one) => one.ok)
      ),
      { ...core, id: "core-dumps", kind: "setting", isOptional: false } as const,
      ...root,
      ...spaces,
      ...others
    ]
  })

/** Those without which there is no machine at all. */
const namespaces = (sight: Sight) => [
  tryOut(sight, { id: "user-namespace", name: "a user namespace", fix: allow(sight) }, ["--", "/bin/sh", "-c", ":"]),
  tryOut(
    sight,
    {
      id: "namespaces",
      name: "mount, process, network, ipc, uts and cgroup namespaces in it",
      fix: "allow unprivileged user namespaces (in a container: start it with fewer restrictions)"
    },
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
    ]
  )
]

const besides = (sight: Sight) => [
  tryOut(
    sight,
    {
      id: "proc",
      name: "a /proc of its own",
      fix: "in a container, /proc must not be masked (docker: --security-opt systempaths=unconfined)"
    },
    ["--keep-caps", "--mount", "--pid", "--fork", "--", "/bin/sh", "-c", mountProc]
  ),
  tryOut(
    sight,
    {
      id: "overlayfs",
      name: "overlayfs in it (for root file systems by --image only)",
      fix: "needs Linux 6.6 or newer",
      isOptional: true
    },
    ["--keep-caps", "--mount", "--", "/bin/sh", "-c", mountOverlay]
  )
]

/**
 * As `checkAt`, of this host.
 *
 * @since 0.1.0
 * @category constructors
 */
export const check: Effect.Effect<ReadonlyArray<Prerequisite>, never, CommandExecutor> = Effect.suspend(() =>
  checkAt(here)
)

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
      (prerequisite) => !prerequisite.ok && (!prerequisite.isOptional || reason.includes("overlay"))
    )
    return yield* missing === undefined
      ? new OperationFailed({ family: "agent", operation: "start", reason })
      : new PrerequisiteMissing({ name: missing.name, detail: missing.detail, fix: missing.fix })
  })
