/**
 * What each subcommand does, but for running the guest's commands: `LocalExecutor` does that.
 *
 * @since 0.1.0
 */
import type { Invocation, Line } from "@bottle/smolvm/Grammar"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { createHash, randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Copy from "./Copy.js"
import * as GuestEnvironment from "./GuestEnvironment.js"
import type * as Host from "./Host.js"
import * as Image from "./Image.js"
import * as Join from "./Join.js"
import * as Lifecycle from "./Lifecycle.js"
import {
  type LocalError,
  MachineNotFound,
  MachineNotRunning,
  MachineRunning,
  OperationFailed,
  OptionUnsupported,
  PrerequisiteMissing,
  ValueRefused
} from "./LocalError.js"
import * as Machine from "./Machine.js"
import * as Machines from "./Machines.js"
import * as Pack from "./Pack.js"
import * as Volume from "./Volume.js"

/**
 * In what surroundings a command line is interpreted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Context {
  readonly line: Line
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly host: Host.Host
  readonly dirs: Machines.Directories
  /** Reads the answer to a question from the caller's standard input; no at its end. */
  readonly confirm: Effect.Effect<boolean>
}

/**
 * What a subcommand prints, and its exit code.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reply {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const reply = (stdout: string, stderr = ""): Reply => ({ code: 0, stdout, stderr })

/** How long one call waits for another on the same machine. */
const lockMillis = 60_000

const defaultName = "default"

/**
 * The value of an option that is given at most once.
 *
 * @since 0.1.0
 * @category parsing
 */
export const one = (invocation: Invocation, option: string): string | undefined =>
  invocation.options.get(option)?.at(-1)

/**
 * The values of a repeatable option.
 *
 * @since 0.1.0
 * @category parsing
 */
export const all = (invocation: Invocation, option: string): ReadonlyArray<string> =>
  invocation.options.get(option) ?? []

const networkOptions = [
  "--net",
  "--net-backend",
  "--dns",
  "--network",
  "--allow-cidr",
  "--allow-host",
  "--outbound-localhost-only",
  "--port"
]

const otherOptions: Readonly<Record<string, string>> = {
  "--gpu": "there is no GPU in a namespace of ours",
  "--gpu-vram": "there is no GPU in a namespace of ours",
  "--rosetta": "there is no virtual machine to translate for",
  "--cuda": "there is no GPU in a namespace of ours",
  "--auto-graph": "there is no GPU in a namespace of ours",
  "--expose-socket": "sockets of the guest are not carried out",
  "--ssh-agent": "the agent's socket is not carried in",
  "--docker-socket": "docker's socket is as good as root on the host",
  "--docker-config": "docker's configuration holds credentials",
  "--init": "the init command is not supported",
  "--smolfile": "Smolfiles are not read",
  "--forkable": "machines cannot be forked",
  "--fork-pool-size": "machines cannot be forked",
  "--cuda-vram-limit-mib": "machines cannot be forked",
  "--oci-platform": "no images are pulled",
  "--rebase-from-image": "no images are pulled",
  "--entrypoint": "packs have no entrypoint",
  "--stub": "packs are no programs",
  "--lib-dir": "packs are no programs",
  "--rootfs-dir": "packs are no programs"
}

/**
 * Refuses the options that smolvm has and this runtime cannot honour.
 *
 * @since 0.1.0
 * @category predicates
 */
export const refuseUnsupported = (invocation: Invocation): Effect.Effect<void, OptionUnsupported> => {
  const given = [...invocation.options.keys(), ...invocation.flags]
  const network = given.find((option) => networkOptions.includes(option))
  if (network !== undefined) {
    return new OptionUnsupported({
      command: invocation.command,
      option: network,
      reason: "the local runtime gives a machine no network",
      fix: "reach one service by --mount-socket HOST:GUEST, or use smolvm"
    })
  }
  const other = given.find((option) => option in otherOptions)
  return other === undefined
    ? Effect.void
    : new OptionUnsupported({
        command: invocation.command,
        option: other,
        reason: otherOptions[other] ?? "is not supported by the local runtime",
        fix: "leave it out, or use smolvm"
      })
}

const firstUser = 1_900_000_000
const users = 50_000_000

/** The users that this process can become, as the first and how many: in a container they may be few. */
const usableUsers = (): readonly [first: number, count: number] | undefined => {
  const ranges = Fs.readFileSync("/proc/self/uid_map", "utf8")
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([first = 0, , count = 0]) => [first, count] as const)
  if (ranges.some(([first, count]) => first <= firstUser && first + count >= firstUser + users)) {
    return [firstUser, users]
  }
  const [first, count] = ranges.reduce((best, range) => (range[1] > best[1] ? range : best), [0, 0] as const)
  // The lower half is for the container's own; nobody, near the end of 16 bits, is shared by many.
  const [from, to] = [first + Math.floor(count / 2), Math.min(first + count, first < 65_000 ? 65_000 : Infinity)]
  return to - from > 1000 && from > 0 ? [from, to - from] : undefined
}

/** Root's machines each have a user of their own, far from any that a system hands out. */
const rootMachineUser = (name: string): Effect.Effect<number, PrerequisiteMissing> =>
  Effect.suspend(() => {
    const usable = usableUsers()
    return usable === undefined
      ? new PrerequisiteMissing({
          name: "other users",
          detail: "this process is root of a user namespace that has no other users",
          fix: "start it as an ordinary user outside of that namespace"
        })
      : Effect.succeed(usable[0] + (createHash("sha256").update(name).digest().readUInt32BE(0) % usable[1]))
  })

const ownUser = (host: Host.Host, name: string, volumes: ReadonlyArray<Machine.Volume>) =>
  Effect.gen(function* () {
    if (host.uid !== 0) return { uid: host.uid, gid: host.gid }
    const owner = yield* Volume.ownerOf(volumes)
    if (owner !== undefined) return owner
    const user = yield* rootMachineUser(name)
    return { uid: user, gid: user }
  })

const wholeNumber = (text: string | undefined, fallback: number): number =>
  text === undefined ? fallback : Number(text)

const gib = (invocation: Invocation, option: string): Effect.Effect<number | null, ValueRefused> => {
  const text = one(invocation, option)
  if (text === undefined) return Effect.succeed(null)
  const value = Number(text)
  return Number.isSafeInteger(value) && value > 0 && value <= 1024 * 1024
    ? Effect.succeed(value)
    : new ValueRefused({
        command: invocation.command,
        what: `${option} ${text}`,
        reason: "it is not a number of GiB from 1 on",
        fix: "the writable layer is in memory: give it what the host can spare"
      })
}

const describe = (context: Context, invocation: Invocation, name: string, ephemeral: boolean) =>
  Effect.gen(function* () {
    const resolve = (text: string) => Path.resolve(context.cwd, text)
    const volumes = yield* Effect.forEach(all(invocation, "--volume"), (text) =>
      Volume.parse(text, context.dirs.root, context.cwd)
    )
    const sockets = yield* Effect.forEach(all(invocation, "--mount-socket"), (text) =>
      Volume.parseSocket(text, context.cwd)
    )
    yield* Volume.checkTogether(volumes, sockets)
    const command = invocation.command
    const { files: secretFiles, variables: secretEnv } = yield* GuestEnvironment.parseReferences(
      command,
      all(invocation, "--secret-env"),
      all(invocation, "--secret-file")
    )
    const env = GuestEnvironment.parsePairs(all(invocation, "--env"))
    yield* GuestEnvironment.split(env, [...secretEnv, ...secretFiles])
    const labels = yield* Effect.forEach(all(invocation, "--label"), (text) => {
      const equals = text.indexOf("=")
      return equals > 0
        ? Effect.succeed([text.slice(0, equals), text.slice(equals + 1)] as const)
        : new ValueRefused({ command, what: `--label ${text}`, reason: "it is not KEY=VALUE", fix: "write KEY=VALUE" })
    })
    const image = one(invocation, "--image")
    const from = one(invocation, "--from")
    const source = yield* image !== undefined
      ? Image.classify(command, image, context.cwd, context.dirs.root)
      : from !== undefined
        ? Pack.open(command, resolve(from))
        : Effect.succeed(Image.host)
    const user = yield* ownUser(context.host, name, volumes)
    const machine: Machine.Machine = {
      version: 1,
      name,
      createdAtSeconds: Math.floor((yield* Clock.currentTimeMillis) / 1000),
      ...user,
      source: source.source,
      image: image ?? null,
      cpus: wholeNumber(one(invocation, "--cpus"), 4),
      memoryMib: wholeNumber(one(invocation, "--mem"), 8192),
      overlayGib: yield* gib(invocation, "--overlay"),
      storageGib: yield* gib(invocation, "--storage"),
      volumes,
      sockets,
      env,
      secretEnv,
      secretFiles,
      labels: Object.fromEntries(labels),
      workdir: one(invocation, "--workdir") ?? null,
      ephemeral
    }
    return { machine, source }
  })

const checkName = (command: string, name: string): Effect.Effect<void, ValueRefused> =>
  Machine.isName(name)
    ? Effect.void
    : new ValueRefused({
        command,
        what: `machine name '${name}'`,
        reason: "1 to 128 letters, digits, '-' and '_', beginning with a letter or digit, not ending in '-', no '--'",
        fix: "choose such a name"
      })

/**
 * Creates a machine and gives its record.
 *
 * @since 0.1.0
 * @category constructors
 */
export const create = (
  context: Context,
  invocation: Invocation,
  name: string,
  ephemeral: boolean
): Effect.Effect<Machine.Machine, LocalError, CommandExecutor> =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* refuseUnsupported(invocation)
      yield* checkName(invocation.command, name)
      const { machine, source } = yield* describe(context, invocation, name, ephemeral)
      yield* Machines.prepare(context.dirs)
      yield* Machines.lock(context.dirs, name, lockMillis)
      yield* Machines.add(context.dirs, machine, (files) => Image.fill(context.host, machine, source, files))
      return machine
    })
  )

/**
 * Whether a record may still be acted on: what it names may have become something else since, by others or by a guest
 * that could write above it.
 */
const recheck = (context: Context, machine: Machine.Machine): Effect.Effect<void, LocalError> =>
  Effect.gen(function* () {
    yield* Volume.recheck(machine.volumes, context.dirs.root)
    yield* Image.recheck("machine start", machine.source, context.dirs.root)
    const user = yield* ownUser(context.host, machine.name, machine.volumes)
    if (machine.uid === user.uid && (machine.gid === user.gid || context.host.uid !== 0)) return
    return yield* new ValueRefused({
      command: "machine start",
      what: `machine '${machine.name}'`,
      reason: `it was created to act as user ${machine.uid}:${machine.gid}, and would be ${user.uid}:${user.gid} now`,
      fix: "give its volumes back to their former owner, or delete the machine and create it anew"
    })
  })

/**
 * Starts a machine unless it runs; says which of the two it was, and its pid 1.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (
  context: Context,
  name: string
): Effect.Effect<{ readonly pid: number; readonly wasRunning: boolean }, LocalError, CommandExecutor> =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* Machines.read(context.dirs, name)
      yield* Machines.lock(context.dirs, name, lockMillis)
      const machine = yield* Machines.read(context.dirs, name)
      const { run } = yield* Machines.state(context.dirs, name)
      if (run !== undefined) return { pid: run.pid1.pid, wasRunning: true }
      yield* recheck(context, machine)
      const started = yield* Lifecycle.start(context.host, context.dirs, machine)
      return { pid: started.pid1.pid, wasRunning: false }
    })
  )

/**
 * Stops a machine if it runs; gives the state that it was in.
 *
 * @since 0.1.0
 * @category constructors
 */
export const stop = (context: Context, name: string): Effect.Effect<Machine.State, LocalError> =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* Machines.read(context.dirs, name)
      yield* Machines.lock(context.dirs, name, lockMillis)
      const machine = yield* Machines.read(context.dirs, name)
      const { run, state } = yield* Machines.state(context.dirs, name)
      if (run !== undefined) yield* Effect.uninterruptible(Lifecycle.stop(context.dirs, machine, run))
      return state
    })
  )

/**
 * Deletes a machine, running or not, and whatever is left of one whose record cannot be read.
 *
 * @since 0.1.0
 * @category constructors
 */
export const remove = (context: Context, name: string): Effect.Effect<void, LocalError> =>
  Effect.scoped(
    Effect.gen(function* () {
      if (!(yield* Machines.exists(context.dirs, name))) return yield* new MachineNotFound({ name })
      yield* Machines.lock(context.dirs, name, lockMillis)
      if (!(yield* Machines.exists(context.dirs, name))) return yield* new MachineNotFound({ name })
      yield* Effect.uninterruptible(
        Effect.gen(function* () {
          // One that cannot be read does not mean that nothing runs: discard looks for itself.
          const run = yield* Effect.catchTag(Machines.readRun(context.dirs, name), "StateCorrupted", () =>
            Effect.succeed(undefined)
          )
          yield* Lifecycle.discard(context.dirs, name, run)
          yield* Machines.remove(context.dirs, name)
        })
      )
    })
  )

/**
 * The record and run of a machine that runs, checked to be the very one that was started.
 *
 * @since 0.1.0
 * @category constructors
 */
export const running = (
  context: Context,
  name: string
): Effect.Effect<{ readonly machine: Machine.Machine; readonly run: Machine.Run }, LocalError> =>
  Effect.gen(function* () {
    const machine = yield* Machines.read(context.dirs, name)
    const { run } = yield* Machines.state(context.dirs, name)
    return run === undefined ? yield* new MachineNotRunning({ name }) : { machine, run }
  })

/** One line of a listing; of a machine whose record cannot be read, only the name is known. */
interface Listed {
  readonly name: string
  readonly machine: Machine.Machine | undefined
  readonly state: Machine.State
  readonly run: Machine.Run | undefined
}

const json = ({ machine, name, run, state }: Listed) => ({
  name,
  state,
  cpus: machine?.cpus ?? null,
  memory_mib: machine?.memoryMib ?? null,
  pid: run?.pid1.pid ?? null,
  mounts: machine?.volumes.length ?? 0,
  ports: 0,
  created_at: machine?.createdAtSeconds ?? null,
  storage_gb: machine?.storageGib ?? null,
  overlay_gb: machine?.overlayGib ?? null,
  image: machine?.image ?? null,
  entrypoint: [],
  cmd: [],
  ephemeral: machine?.ephemeral ?? false,
  gpu: false,
  gpu_vram_mib: null,
  restart_policy: "never",
  restart_max_retries: 0,
  restart_count: 0,
  health_cmd: null,
  health_interval_secs: null,
  health_timeout_secs: null,
  health_retries: null,
  health_startup_grace_secs: null,
  network: false,
  cuda: false,
  forkable: false,
  cuda_fork_pool_size: null,
  cuda_vram_limit_mib: null,
  forkpoint_held: false,
  labels: machine?.labels ?? {}
})

// Up to smolvm 1.0.1 create and delete take the name as an argument.
const givenName = (invocation: Invocation): string | undefined => one(invocation, "--name") ?? invocation.positionals[0]

/**
 * The name of the machine that a command line means; `default` when it names none.
 *
 * @since 0.1.0
 * @category parsing
 */
export const nameOf = (invocation: Invocation): string => givenName(invocation) ?? defaultName

const machineCreate = (context: Context, invocation: Invocation) =>
  Effect.gen(function* () {
    const name = givenName(invocation) ?? `vm-${randomBytes(4).toString("hex")}`
    yield* create(context, invocation, name, false)
    return reply(`Created machine: ${name}\n`)
  })

const machineStart = (context: Context, invocation: Invocation) =>
  Effect.gen(function* () {
    yield* refuseUnsupported(invocation)
    const given = one(invocation, "--name")
    const name = given ?? defaultName
    if (given === undefined && !(yield* Machines.exists(context.dirs, name))) {
      const bare: Invocation = { ...invocation, command: "machine create", options: new Map(), flags: new Set() }
      yield* create(context, bare, name, false).pipe(Effect.catchTag("MachineAlreadyExists", () => Effect.void))
    }
    const { pid, wasRunning } = yield* start(context, name)
    return wasRunning
      ? reply(`Machine '${name}' is already running (PID: ${pid})\n`)
      : reply(`Machine '${name}' running (PID: ${pid})\n`, `Starting machine '${name}'...\n`)
  })

const machineStop = (context: Context, invocation: Invocation) =>
  Effect.map(stop(context, nameOf(invocation)), (state) =>
    state === "running"
      ? reply(`Stopped machine: ${nameOf(invocation)}\n`)
      : reply(`Machine '${nameOf(invocation)}' is not running (state: ${state})\n`)
  )

const machineDelete = (context: Context, invocation: Invocation) =>
  Effect.gen(function* () {
    const name = nameOf(invocation)
    if (invocation.flags.has("--force")) {
      yield* remove(context, name)
      return reply(`Deleted machine: ${name}\n`)
    }
    // As smolvm does, it stops the machine before it asks.
    yield* stop(context, name)
    const question = `Delete machine '${name}'? [y/N] `
    if (!(yield* context.confirm)) return reply(`${question}Cancelled\n`)
    yield* remove(context, name)
    return reply(`${question}Deleted machine: ${name}\n`)
  })

const list = (context: Context, name: string): Effect.Effect<ReadonlyArray<Listed>, LocalError> =>
  Effect.gen(function* () {
    const machine = yield* Effect.catchTag(Machines.read(context.dirs, name), "StateCorrupted", () =>
      Effect.succeed(undefined)
    )
    const failed = { state: "failed", run: undefined } as const
    if (machine === undefined) return [{ name, machine, ...failed }]
    const now = yield* Effect.catchTag(Machines.state(context.dirs, name), "StateCorrupted", () =>
      Effect.succeed(failed)
    )
    return [{ name, machine, ...now }]
  }).pipe(
    // Deleted between the two looks.
    Effect.catchTag("MachineNotFound", () => Effect.succeed([]))
  )

const machineLs = (context: Context, invocation: Invocation) =>
  Effect.gen(function* () {
    const names = yield* Machines.names(context.dirs)
    const found = yield* Effect.forEach(names, (name) => list(context, name))
    const items = found.flat()
    if (invocation.flags.has("--json")) {
      return reply(`${JSON.stringify(items.map(json), null, 2)}\n`)
    }
    const rows = items.map((item) => `${item.name}  ${item.state}  ${item.run?.pid1.pid ?? "-"}\n`)
    return reply(items.length === 0 ? "No machines found\n" : ["NAME  STATE  PID\n", ...rows].join(""))
  })

const machineStatus = (context: Context, invocation: Invocation) =>
  Effect.gen(function* () {
    const name = nameOf(invocation)
    const machine = yield* Machines.read(context.dirs, name).pipe(
      Effect.catchTag("MachineNotFound", () => new MachineNotFound({ name, operation: "machine status" }))
    )
    const { run, state } = yield* Machines.state(context.dirs, name)
    return invocation.flags.has("--json")
      ? reply(`${JSON.stringify(json({ name, machine, state, run }), null, 2)}\n`)
      : reply(
          `Machine: ${name}\nState: ${state}\n${run === undefined ? "" : `PID: ${run.pid1.pid}\n`}` +
            "Isolation: namespaces, shared kernel; memory is limited per process, CPUs by affinity only" +
            `${context.host.tools.perl === undefined ? "; no filter of system calls (perl is missing)" : ""}\n`
        )
  })

const packCreate = (context: Context, invocation: Invocation) =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* refuseUnsupported(invocation)
      const output = Path.resolve(context.cwd, one(invocation, "--output") ?? "")
      yield* Pack.checkOutput(output)
      const isSingle = invocation.flags.has("--single-file")
      const vm = one(invocation, "--from-vm")
      const image = one(invocation, "--image")
      if (vm !== undefined) {
        yield* Machines.read(context.dirs, vm)
        yield* Machines.lock(context.dirs, vm, lockMillis)
        const machine = yield* Machines.read(context.dirs, vm)
        const { run } = yield* Machines.state(context.dirs, vm)
        if (run !== undefined) return yield* new MachineRunning({ name: vm })
        const files = Machines.places(context.dirs, vm)
        const lower =
          machine.source._tag === "Host"
            ? undefined
            : machine.source._tag === "Directory"
              ? machine.source.path
              : files.rootfs
        yield* Image.recheck("pack create", machine.source, context.dirs.root)
        yield* Pack.write(context.host, {
          output,
          isSingle,
          lower: lower === undefined ? undefined : { directory: lower },
          disk: { path: files.savedDisk, uid: machine.uid }
        })
      } else {
        const source = yield* Image.classify("pack create", image ?? "", context.cwd, context.dirs.root)
        const lower =
          source.source._tag === "Directory" ? { directory: source.source.path } : { archive: source.archive ?? "" }
        yield* Pack.write(context.host, { output, isSingle, lower, disk: undefined })
      }
      return reply(`Created pack: ${isSingle ? output : `${output}.smolmachine`}\n`)
    })
  )

const cpFailed = (reason: string) => new OperationFailed({ family: "agent", operation: "file transfer", reason })

const splitMachinePath = (text: string): readonly [machine: string, path: string] | undefined => {
  const colon = text.indexOf(":")
  return colon > 0 && !text.slice(0, colon).includes("/") ? [text.slice(0, colon), text.slice(colon + 1)] : undefined
}

const guestFile = (path: string): Effect.Effect<string, OperationFailed> => {
  const absolute = path.startsWith("/") ? path : `/${path}`
  const segments = absolute.split("/")
  return segments.includes("..") || segments.includes(".") || absolute.endsWith("/")
    ? Effect.fail(cpFailed(`'${path}' is not a full path of a file, without '.' and '..'`))
    : Effect.succeed(absolute)
}

const uploadText = String.raw`
set -e
d=@{1%/*}
[ -z "$d" ] || mkdir -p -- "$d"
cat >"$1"
[ -z "$2" ] || chmod "$2" "$1"
`.replaceAll("@{", "${")

const downloadText = String.raw`[ -f "$1" ] || { echo "$1: not a regular file" >&2; exit 1; }; exec cat <"$1"`

const copyMillis = 600_000

const machineCp = (context: Context, invocation: Invocation) =>
  Effect.gen(function* () {
    const [from = "", to = ""] = invocation.positionals
    const source = splitMachinePath(from)
    const target = splitMachinePath(to)
    if (source !== undefined && target !== undefined) return yield* cpFailed("from machine to machine is not supported")
    const remote = source ?? target
    if (remote === undefined) return yield* cpFailed("one side must be MACHINE:PATH")
    const [name, path] = remote
    const { machine, run } = yield* running(context, name)
    const file = yield* guestFile(path)
    const env = yield* GuestEnvironment.split([], [])
    const local = Path.resolve(context.cwd, source === undefined ? from : to)
    const text = source === undefined ? uploadText : downloadText
    const words = ["/bin/sh", "-c", text, "cp", file, one(invocation, "--mode") ?? ""]
    const program = yield* Join.program(context.host, machine, run, { words, env, workdir: "/", tty: false })
    yield* source === undefined ? Copy.upload(program, local) : Copy.download(program, local)
    return reply("", `Copied ${from} to ${to}\n`)
  }).pipe(
    Effect.timeoutFail({
      duration: copyMillis,
      onTimeout: () => cpFailed(`it took longer than ${copyMillis / 1000} s`)
    })
  )

const handlers: Readonly<
  Record<string, (context: Context, invocation: Invocation) => Effect.Effect<Reply, LocalError, CommandExecutor>>
> = {
  "machine create": machineCreate,
  "machine start": machineStart,
  "machine stop": machineStop,
  "machine delete": machineDelete,
  "machine ls": machineLs,
  "machine status": machineStatus,
  "machine cp": machineCp,
  "pack create": packCreate
}

/**
 * Runs a subcommand to its end.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (context: Context, invocation: Invocation): Effect.Effect<Reply, LocalError, CommandExecutor> => {
  const handler = handlers[invocation.command]
  return handler === undefined
    ? new OptionUnsupported({
        command: invocation.command,
        option: "the subcommand",
        reason: "the local runtime does not have it",
        fix: "use smolvm"
      })
    : handler(context, invocation)
}
