/**
 * Bringing a machine up and down.
 *
 * @since 0.1.0
 */
import * as Follow from "@bottle/process/Follow"
import * as Identity from "@bottle/process/Identity"
import type { Program } from "@bottle/process/Program"
import { printable } from "@bottle/process/Text"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Blueprint from "./Blueprint.js"
import { closeOthers } from "./Descriptors.js"
import type { Host } from "./Host.js"
import { attempt, lstatIfThere, readOwned, writeAtomic } from "./internal/files.js"
import * as Processes from "./internal/processes.js"
import * as Scripts from "./internal/scripts.js"
import * as Tarball from "./internal/tarball.js"
import * as Limits from "./Limits.js"
import { type LocalError, OperationFailed } from "./LocalError.js"
import type { Machine, Run } from "./Machine.js"
import * as Machines from "./Machines.js"
import * as Prerequisites from "./Prerequisites.js"
import * as Volume from "./Volume.js"

/** How long a start may take, a saved disk being unpacked included. */
const startMillis = 30_000

/** How long the end of a machine may take until its disk is saved. */
const saveMillis = 120_000

/** The directory that the disk is saved in is the machine's user's, and so may be what is in it. */
const saveLogBytesMax = 2000

/**
 * The variables that host programs get: nothing of the caller's.
 *
 * @since 0.1.0
 * @category constants
 */
export const hostEnvironment: Readonly<Record<string, string>> = { LC_ALL: "C", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }

const failed = (operation: string, reason: string) => new OperationFailed({ family: "agent", operation, reason })

/** The root file system that a machine's disk lies upon. */
const rootDirectory = (machine: Machine, files: Machines.Places): string | undefined => {
  switch (machine.source._tag) {
    case "Host":
      return undefined
    case "Directory":
      return machine.source.path
    case "Unpacked":
      return files.rootfs
  }
}

/**
 * The words before a program by which it becomes the machine's user for good, before anything else.
 *
 * @since 0.1.0
 * @category constructors
 */
export const becomeUser = (host: Host, machine: Machine): ReadonlyArray<string> =>
  host.uid === 0
    ? [
        host.tools.setpriv,
        "--reuid",
        String(machine.uid),
        "--regid",
        String(machine.gid),
        "--clear-groups",
        "--no-new-privs",
        "--"
      ]
    : [host.tools.setpriv, "--no-new-privs", "--"]

const launchProgram = (
  host: Host,
  machine: Machine,
  files: Machines.Places,
  blueprint: Blueprint.Blueprint,
  before: ReadonlyArray<string>
): Program => {
  const { tools } = host
  const stage = [
    tools.sh,
    "-c",
    Scripts.stage,
    "stage",
    tools.mount,
    tools.mkdir,
    files.stage,
    blueprint.stageDirectories,
    String(blueprint.stageFiles),
    blueprint.stageTable
  ]
  const userNamespace = [
    tools.unshare,
    "--user",
    "--map-user=0",
    "--map-group=0",
    "--mount",
    "--propagation",
    "private",
    "--"
  ]
  const main = [
    tools.sh,
    "-c",
    Scripts.main,
    "main",
    tools.mount,
    tools.umount,
    tools.tar,
    tools.unshare,
    tools.mv,
    blueprint.diskOptions,
    Scripts.machine,
    tools.mount,
    tools.ip,
    tools.pivotRoot,
    tools.mkdir,
    tools.hostname ?? "",
    machine.name.slice(0, 63),
    blueprint.kind,
    ...blueprint.mountWords
  ]
  const words =
    host.uid === 0
      ? [
          tools.unshare,
          "--mount",
          "--propagation",
          "private",
          "--",
          ...stage,
          ...becomeUser(host, machine),
          ...userNamespace,
          ...main
        ]
      : [...becomeUser(host, machine), ...userNamespace, ...stage, ...main]
  const [program = tools.sh, ...args] = [...before, ...words]
  // What is left of a machine is known by it, also when all that was mounted or noted is gone. No guest can read it.
  return { program, args, env: { ...hostEnvironment, [Processes.MARK]: files.home }, cwd: "/" }
}

const status = (pid: number): ReadonlyMap<string, string> =>
  new Map(
    Fs.readFileSync(`/proc/${pid}/status`, "utf8")
      .split("\n")
      .map((line) => {
        const colon = line.indexOf(":")
        return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
      })
  )

const spaces = ["user", "mnt", "pid_for_children", "net", "ipc", "uts", "cgroup"] as const

const isOf = (machine: Machine, lines: ReadonlyMap<string, string>): boolean => {
  const users = `${lines.get("Uid")} ${lines.get("Gid")}`.split(/\s+/)
  const wanted = [...Array<string>(4).fill(String(machine.uid)), ...Array<string>(4).fill(String(machine.gid))]
  return users.join() === wanted.join()
}

// The numbers come from a process of the machine's user, who may have had a hand in it where that is a real one.
const inspectOrigin = (machine: Machine, holder: number, pid1: number): string | undefined => {
  if (!isOf(machine, status(holder))) return "its holder has another user than it should"
  if (!Processes.descendsFrom(process.pid, holder)) return "its holder is none of ours"
  return Processes.descendsFrom(holder, pid1) ? undefined : "its first process is none of the holder's"
}

const inspectPin = (pin: Blueprint.Pin, pid1: number): string | undefined => {
  const stat = Fs.lstatSync(`/proc/${pid1}/root${pin.guest}`, { bigint: true })
  return stat.dev === pin.device && stat.ino === pin.inode
    ? undefined
    : `${pin.guest} is something else than what was looked at`
}

/** Everything that must hold before the first process of the guest's: one sentence on what does not. */
const inspect = (
  machine: Machine,
  blueprint: Blueprint.Blueprint,
  holder: number,
  pid1: number
): string | undefined => {
  const lines = status(pid1)
  if (lines.get("NoNewPrivs") !== "1") return "new privileges are not off"
  if (!isOf(machine, lines)) return "it has another user than it should"
  if (lines.get("NSpid")?.split(/\s+/).length !== (status(process.pid).get("NSpid")?.split(/\s+/).length ?? 0) + 1) {
    return "it has no process namespace of its own"
  }
  const shared = spaces.find(
    (space) => Fs.readlinkSync(`/proc/${pid1}/ns/${space}`) === Fs.readlinkSync(`/proc/self/ns/${space}`)
  )
  if (shared !== undefined) return `it shares our ${shared} namespace`
  const origin = inspectOrigin(machine, holder, pid1)
  if (origin !== undefined) return origin
  const gathered = Blueprint.auditGathered(blueprint.gathered, Fs.readFileSync(`/proc/${holder}/mountinfo`, "latin1"))
  if (gathered !== undefined) return gathered
  const mounts = Blueprint.audit(
    blueprint.expected,
    Fs.readFileSync(`/proc/${pid1}/mountinfo`, "latin1"),
    Fs.readFileSync("/proc/self/mountinfo", "latin1")
  )
  if (mounts !== undefined) return mounts
  return blueprint.pins.map((pin) => inspectPin(pin, pid1)).find((problem) => problem !== undefined)
}

const identify = (pid: number, what: string): Effect.Effect<Identity.Identity, OperationFailed> =>
  Effect.flatMap(
    Identity.fromPid(pid),
    Option.match({
      onNone: () => failed("start", `${what} ended at once`),
      onSome: (identity) => Effect.succeed(identity)
    })
  )

/**
 * Starts a machine that does not run, and gives its run. Bounded to 30 seconds; whatever fails, and on interruption,
 * all of it is taken down again. The caller holds the machine's lock, and notes the run.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (
  host: Host,
  dirs: Machines.Directories,
  machine: Machine
): Effect.Effect<Run, LocalError, CommandExecutor> =>
  Effect.gen(function* () {
    // Every command would be refused for it.
    yield* Limits.core
    const files = Machines.places(dirs, machine.name)
    yield* awaitHolder(dirs, machine.name)
    yield* endStrays(files)
    const connector = { uid: machine.uid, gid: machine.gid, isSelf: host.uid !== 0 }
    const sockets = yield* Effect.forEach(machine.sockets, (socket) => Volume.resolveSocket(socket, connector))
    const blueprint = yield* attempt("read the host's mounts", () =>
      Blueprint.make(
        { ...machine, sockets },
        files,
        rootDirectory(machine, files),
        lstatIfThere(files.savedDisk) === undefined,
        Blueprint.hostMounts()
      )
    )
    yield* attempt("write the disk's base", () => {
      Fs.rmSync(Path.join(files.disk, "disk.tar.new"), { force: true })
      Fs.rmSync(Path.join(files.disk, "saved"), { force: true })
      writeAtomic(Path.join(files.disk, "base.tar"), Tarball.make(blueprint.base), { mode: 0o644, durable: false })
    })
    const program = launchProgram(host, machine, files, blueprint, yield* closeOthers)
    return yield* launch(host, dirs, machine, blueprint, program).pipe(
      Effect.timeoutFail({
        duration: startMillis,
        onTimeout: () => failed("start", `machine '${machine.name}' was not ready within ${startMillis / 1000} s`)
      })
    )
  })

const readyPattern = /^ready ([0-9]+) ([0-9]+)$/m

// The shell waits for our "go" between being ready and being committed: we look at what it made in between, and if we
// vanish, it reads the end of its input and takes everything down. The run is noted before the "go": from then on the
// machine outlives us, and whoever comes after us must know of it.
const launch = (
  host: Host,
  dirs: Machines.Directories,
  machine: Machine,
  blueprint: Blueprint.Blueprint,
  program: Program
): Effect.Effect<Run, LocalError, CommandExecutor> =>
  Effect.gen(function* () {
    const go = yield* Deferred.make<string>()
    let output = ""
    let complaint = ""
    let run: Run | undefined
    let code: number | undefined
    const onReady = (holder: number, pid1: number) =>
      Effect.gen(function* () {
        const problem = yield* attempt("inspect the machine", () => inspect(machine, blueprint, holder, pid1))
        if (problem !== undefined)
          return yield* failed("start", `the machine is not isolated as it should be: ${problem}`)
        run = { pid1: yield* identify(pid1, "pid 1"), holder: yield* identify(holder, "the holder") }
        yield* Machines.writeRun(dirs, machine.name, run)
        yield* Deferred.succeed(go, "go\n")
      })
    const stdin = Stream.fromEffect(Deferred.await(go)).pipe(Stream.map((text) => new TextEncoder().encode(text)))
    yield* Follow.follow(program, { stdin, graceMillis: 0 }).pipe(
      Stream.mapError((error) => failed("start", error.message)),
      Stream.runForEach((event) => {
        if (event._tag === "Exit") code = event.exit.code
        else if (event._tag === "Stderr") complaint += Buffer.from(event.bytes).toString("utf8")
        else {
          output += Buffer.from(event.bytes).toString("utf8")
          const ready = readyPattern.exec(output)
          if (ready !== null && output.endsWith("\n") && run === undefined) {
            return onReady(Number(ready[1]), Number(ready[2]))
          }
        }
        return Effect.void
      })
    )
    if (run === undefined || code !== 0) {
      const reason =
        complaint.trim() === "" ? `it ended with ${code ?? "no exit code"}` : complaint.trim().slice(0, 2000)
      return yield* explain(host, reason)
    }
    return run
  }).pipe(
    // Also when we are interrupted: what was noted is taken back, and what it names has ended.
    Effect.onError(() =>
      Machines.readRun(dirs, machine.name).pipe(
        Effect.flatMap((noted) => (noted === undefined ? Effect.void : discard(dirs, machine.name, noted))),
        Effect.ignore
      )
    )
  )

const diskComplaint = /^disk: (.*)$/m

/** What the texts say of the disk is the guest's doing; everything else may be something that this host lacks. */
const explain = (host: Host, reason: string) => {
  const disk = diskComplaint.exec(reason)?.[1]
  return disk === undefined
    ? Prerequisites.explain(host, reason)
    : new OperationFailed({
        family: "storage",
        operation: "start",
        reason: disk,
        fix: "delete the machine and create it anew; pack create --from-vm keeps a copy of its disk"
      })
}

const until = (
  condition: Effect.Effect<boolean>,
  timeoutMillis: number,
  onTimeout: () => OperationFailed
): Effect.Effect<void, OperationFailed> =>
  Effect.gen(function* () {
    const deadline = (yield* Clock.currentTimeMillis) + timeoutMillis
    let pauseMillis = 1
    while (!(yield* condition)) {
      if ((yield* Clock.currentTimeMillis) >= deadline) return yield* onTimeout()
      yield* Effect.sleep(pauseMillis)
      pauseMillis = Math.min(pauseMillis * 2, 50)
    }
  })

/** Waits until the last run has saved its disk. */
const awaitHolder = (dirs: Machines.Directories, name: string): Effect.Effect<void, LocalError> =>
  Effect.gen(function* () {
    const run = yield* Machines.readRun(dirs, name)
    if (run === undefined) return
    yield* until(Effect.negate(Identity.isAlive(run.holder)), saveMillis, () =>
      failed("stop", `machine '${name}' has not saved its disk within ${saveMillis / 1000} s`)
    )
  })

/**
 * Kills whatever has this machine's directories mounted, or bears its mark: what is left of a run that nobody noted, or
 * whose holder was killed. The caller holds the machine's lock, and no run is alive.
 */
const endStrays = (files: Machines.Places): Effect.Effect<void, OperationFailed> =>
  until(
    attempt("look for the machine's processes", () => {
      if (!Fs.existsSync(files.stage)) return true
      const stage = Fs.realpathSync(files.stage)
      const strays = new Set([
        ...Processes.withMountAt([stage, `${stage}/d`]),
        ...Processes.withMarkOf(files.home).map(({ pid }) => pid)
      ])
      for (const pid of strays) process.kill(pid, "SIGKILL")
      return strays.size === 0
    }).pipe(Effect.orElseSucceed(() => false)),
    10_000,
    () => failed("start", `processes that have ${files.stage} mounted could not be ended`)
  )

/**
 * Ends a run and waits until its disk is saved: every process of the machine is killed at once, as when its power goes.
 * Fails when the disk could not be saved. The caller holds the machine's lock.
 *
 * @since 0.1.0
 * @category constructors
 */
export const stop = (dirs: Machines.Directories, machine: Machine, run: Run): Effect.Effect<void, LocalError> =>
  Effect.gen(function* () {
    const { name } = machine
    const files = Machines.places(dirs, name)
    yield* Identity.signal(run.pid1, "SIGKILL")
    yield* awaitHolder(dirs, name)
    yield* Machines.clearRun(dirs, name)
    if (lstatIfThere(Path.join(files.disk, "saved")) !== undefined) return
    const problem = yield* attempt("read why the disk was not saved", () =>
      printable(readOwned(Path.join(files.disk, "save.log"), machine.uid, saveLogBytesMax) ?? "").trim()
    )
    return yield* new OperationFailed({
      family: "storage",
      operation: "save disk",
      reason: problem === "" ? "the process that saves it was killed" : problem,
      fix: "the machine's disk is what it was at its last stop; free some space if that was the cause"
    })
  })

/**
 * Ends a run for good, without saving its disk, and whatever else has the machine's directories mounted, noted or not.
 * The caller holds the machine's lock.
 *
 * @since 0.1.0
 * @category constructors
 */
export const discard = (
  dirs: Machines.Directories,
  name: string,
  run: Run | undefined
): Effect.Effect<void, LocalError> =>
  Effect.gen(function* () {
    if (run !== undefined) {
      yield* Identity.signal(run.holder, "SIGKILL")
      yield* Identity.signal(run.pid1, "SIGKILL")
      yield* until(
        Effect.map(
          Effect.all([Identity.isAlive(run.holder), Identity.isAlive(run.pid1)]),
          (alive) => !alive.includes(true)
        ),
        10_000,
        () => failed("delete", `machine '${name}' could not be ended`)
      )
    }
    yield* endStrays(Machines.places(dirs, name))
    yield* Machines.clearRun(dirs, name)
  })
