/**
 * Bringing a machine up and down.
 *
 * @since 0.1.0
 */
import * as Follow from "@bottle/process/Follow"
import * as Identity from "@bottle/process/Identity"
import type { Program } from "@bottle/process/Program"
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
import { attempt, writeAtomic } from "./internal/files.js"
import * as Scripts from "./internal/scripts.js"
import * as Tarball from "./internal/tarball.js"
import { type LocalError, OperationFailed } from "./LocalError.js"
import type { Machine, Run } from "./Machine.js"
import * as Machines from "./Machines.js"
import * as Prerequisites from "./Prerequisites.js"
import * as Volume from "./Volume.js"

/** How long a start may take, a saved disk being unpacked included. */
const startMillis = 30_000

/** How long the end of a machine may take until its disk is saved. */
const saveMillis = 120_000

/** What host programs get: nothing of the caller's. */
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

/** Becomes the machine's user for good, before anything else. */
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
  return { program, args, env: hostEnvironment, cwd: "/" }
}

// The guest connects as the machine's user, whom the socket's permissions must let write. Root's own sockets are given
// to that user; root, and whoever listens already, lose nothing.
const openSocket = (host: Host, machine: Machine, path: string): Effect.Effect<void, OperationFailed> =>
  attempt(`give ${path} to the machine's user`, () => {
    const stat = Fs.lstatSync(path)
    if (host.uid !== 0 || stat.uid === machine.uid || (stat.mode & 0o002) !== 0) return
    Fs.lchownSync(path, machine.uid, stat.gid)
  })

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

/** Everything that must hold before the first process of the guest's: one sentence on what does not. */
const inspect = (
  machine: Machine,
  expected: ReadonlyArray<Blueprint.ExpectedMount>,
  pid1: number
): string | undefined => {
  const lines = status(pid1)
  if (lines.get("NoNewPrivs") !== "1") return "new privileges are not off"
  const users = `${lines.get("Uid")} ${lines.get("Gid")}`.split(/\s+/)
  const wanted = [...Array<string>(4).fill(String(machine.uid)), ...Array<string>(4).fill(String(machine.gid))]
  if (users.join() !== wanted.join()) return "it has another user than it should"
  if (lines.get("NSpid")?.split(/\s+/).length !== (status(process.pid).get("NSpid")?.split(/\s+/).length ?? 0) + 1) {
    return "it has no process namespace of its own"
  }
  const shared = spaces.find(
    (space) => Fs.readlinkSync(`/proc/${pid1}/ns/${space}`) === Fs.readlinkSync(`/proc/self/ns/${space}`)
  )
  if (shared !== undefined) return `it shares our ${shared} namespace`
  return Blueprint.audit(
    expected,
    Fs.readFileSync(`/proc/${pid1}/mountinfo`, "latin1"),
    Fs.readFileSync("/proc/self/mountinfo", "latin1")
  )
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
    const files = Machines.places(dirs, machine.name)
    yield* awaitHolder(dirs, machine.name)
    const sockets = yield* Effect.forEach(machine.sockets, Volume.resolveSocket)
    yield* Effect.forEach(sockets, (socket) => openSocket(host, machine, socket.host), { discard: true })
    const blueprint = yield* attempt("read the host's mounts", () =>
      Blueprint.make(
        { ...machine, sockets },
        files,
        rootDirectory(machine, files),
        !Fs.existsSync(files.savedDisk),
        Blueprint.hostMounts()
      )
    )
    yield* attempt("write the disk's base", () => {
      Fs.rmSync(Path.join(files.disk, "disk.tar.new"), { force: true })
      Fs.rmSync(Path.join(files.disk, "saved"), { force: true })
      writeAtomic(Path.join(files.disk, "base.tar"), Tarball.make(blueprint.base), { mode: 0o644, durable: false })
    })
    const program = launchProgram(host, machine, files, blueprint, yield* closeOthers)
    return yield* launch(host, machine, blueprint, program).pipe(
      Effect.timeoutFail({
        duration: startMillis,
        onTimeout: () => failed("start", `machine '${machine.name}' was not ready within ${startMillis / 1000} s`)
      })
    )
  })

const readyPattern = /^ready ([0-9]+) ([0-9]+)$/m

// The shell waits for our "go" between being ready and being committed: we look at what it made in between, and if we
// vanish, it reads the end of its input and takes everything down.
const launch = (
  host: Host,
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
        const problem = yield* attempt("inspect the machine", () => inspect(machine, blueprint.expected, pid1))
        if (problem !== undefined)
          return yield* failed("start", `the machine is not isolated as it should be: ${problem}`)
        run = { pid1: yield* identify(pid1, "pid 1"), holder: yield* identify(holder, "the holder") }
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
      return yield* Prerequisites.explain(host, reason)
    }
    return run
  })

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
 * Ends a run and waits until its disk is saved: every process of the machine is killed at once, as when its power goes.
 * Fails when the disk could not be saved. The caller holds the machine's lock.
 *
 * @since 0.1.0
 * @category constructors
 */
export const stop = (dirs: Machines.Directories, name: string, run: Run): Effect.Effect<void, LocalError> =>
  Effect.gen(function* () {
    const files = Machines.places(dirs, name)
    yield* Identity.signal(run.pid1, "SIGKILL")
    yield* awaitHolder(dirs, name)
    yield* Machines.clearRun(dirs, name)
    if (Fs.existsSync(Path.join(files.disk, "saved"))) return
    const problem = yield* attempt("read why the disk was not saved", () => {
      const log = Path.join(files.disk, "save.log")
      return Fs.existsSync(log) ? Fs.readFileSync(log, "utf8").trim() : ""
    })
    return yield* new OperationFailed({
      family: "storage",
      operation: "save disk",
      reason: problem === "" ? "the process that saves it was killed" : problem.slice(0, 2000),
      fix: "the machine's disk is what it was at its last stop; free some space if that was the cause"
    })
  })

/**
 * Ends a run for good, without saving its disk. The caller holds the machine's lock.
 *
 * @since 0.1.0
 * @category constructors
 */
export const discard = (dirs: Machines.Directories, name: string, run: Run): Effect.Effect<void, LocalError> =>
  Effect.gen(function* () {
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
    yield* Machines.clearRun(dirs, name)
  })
