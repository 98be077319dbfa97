import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Machine, Policy } from "../../FakeMachine.js"
import type { PackManifest, RegistryImage } from "../../FakeSmolvm.js"
import {
  all,
  type Call,
  type Done,
  done,
  fail,
  find,
  givenName,
  has,
  hostPath,
  isTold,
  isUp,
  nameOf,
  number,
  one,
  type Stop
} from "./call.js"
import * as Guests from "./guests.js"
import * as Pack from "./pack.js"
import { hasNetworkIntent, hasPolicy, isLocalImage, pair, port, volume } from "./rules.js"
import * as World from "./world.js"

/** `machine create`. */
export const create = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const name = givenName(call) ?? `vm-${call.world.nextPid().toString(16).padStart(8, "0")}`
    yield* register(call, name, false)
    return done(`Created machine: ${name}\n`)
  })

/** Makes a machine of what the command line says. */
export const register = (call: Call, name: string, ephemeral: boolean): Effect.Effect<Machine, Stop> =>
  Effect.gen(function* () {
    const { world } = call
    const { since } = world.release
    const being = since("1.0.0") ? " or is being created" : ""
    const taken = fail(`config operation failed: create machine: machine '${name}' already exists${being}`)
    if (world.machines.has(name) || world.reserved.has(name)) return yield* taken
    const machine = yield* describe(call, name, ephemeral)
    // A create that dies here keeps the name for an hour; no clock of ours frees it.
    if (since("1.0.0")) world.reserved.add(name)
    yield* call.moment("half-way")
    world.reserved.delete(name)
    // Without a reservation another may have been quicker.
    if (world.machines.has(name)) return yield* taken
    yield* World.put(world, machine)
    return machine
  })

const describe = (call: Call, name: string, ephemeral: boolean): Effect.Effect<Machine, Stop> =>
  Effect.gen(function* () {
    const { world } = call
    const { since } = world.release
    const image = one(call, "--image") ?? null
    const from = one(call, "--from") ?? null
    const local = image !== null && isLocalImage(call, image)
    if (image !== null && local && image !== "-" && world.host.kind(hostPath(call, image)) === undefined) {
      return yield* fail(`storage operation failed: open image: ${image}: No such file or directory (os error 2)`)
    }
    const pack = from === null ? undefined : yield* Pack.open(call, from)
    const asked = policyOf(call)
    const isDropped = (from !== null && !since("1.8.0")) || isTold(call, "drop-policy")
    const policy = isDropped ? null : asked
    // With a pack, options that are dropped ask for no network either.
    const network = (isDropped && from !== null ? has(call, "--net") : hasNetworkIntent(call)) || pack?.network === true
    const netBackend = network ? backendOf(call, policy) : null
    const known = image === null || local ? undefined : world.images?.[image]
    const command = from !== null && !since("1.6.4") ? [] : call.invocation.trailing
    const isOverridden = (option: string, standard: number) => (number(call, option) ?? standard) !== standard
    return {
      ...blank(name),
      createdAtSeconds: Math.floor((yield* Clock.currentTimeMillis) / 1000),
      image: image ?? pack?.image ?? null,
      isLocalImage: local,
      from,
      entrypoint: pack?.entrypoint ?? known?.entrypoint ?? [],
      cmd: command.length > 0 && !ephemeral ? command : (pack?.cmd ?? known?.cmd ?? []),
      init: all(call, "--init"),
      cpus: isOverridden("--cpus", 4) ? (number(call, "--cpus") ?? 4) : (pack?.cpus ?? 4),
      memoryMib: isOverridden("--mem", 8192) ? (number(call, "--mem") ?? 8192) : (pack?.mem ?? 8192),
      storageGib: number(call, "--storage") ?? null,
      overlayGib: number(call, "--overlay") ?? null,
      volumes: all(call, "--volume").map(volume),
      ports: all(call, "--port").map(port),
      sockets: all(call, "--mount-socket"),
      env: [...pairs([...(pack?.env ?? [])]), ...Object.entries(known?.env ?? {}), ...pairs(all(call, "--env"))],
      secretEnv: references(call, "--secret-env"),
      secretFiles: references(call, "--secret-file"),
      workdir: (from === null ? one(call, "--workdir") : undefined) ?? pack?.workdir ?? known?.workdir ?? null,
      labels: Object.fromEntries(pairs(all(call, "--label"))),
      network,
      netBackend,
      policy,
      isPolicyHeld: policy !== null && netBackend === "virtio-net" && since("1.0.2"),
      sshAgent: has(call, "--ssh-agent"),
      gpu: from === null ? has(call, "--gpu") : (pack?.gpu ?? false),
      gpuVramMib: from === null ? (number(call, "--gpu-vram") ?? null) : null,
      cuda: has(call, "--cuda"),
      ephemeral,
      files: filesOf(call, pack, known)
    }
  })

const filesOf = (
  { world }: Call,
  pack: PackManifest | undefined,
  image: RegistryImage | undefined
): ReadonlyMap<string, Uint8Array> => {
  // Before 1.2.2 the disk of a pack of a bare machine is not seeded.
  const packed = pack !== undefined && (pack.mode === "container" || world.release.since("1.2.2")) ? pack.files : {}
  return new Map([
    ...Object.entries(packed).map(([path, text]) => [path, Buffer.from(text, "base64")] as const),
    ...Object.entries(image?.files ?? {}).map(
      ([path, content]) => [path, typeof content === "string" ? Buffer.from(content) : content] as const
    )
  ])
}

/** A machine of which nothing was asked. */
export const blank = (name: string): Machine => ({
  name,
  state: "created",
  pid: null,
  createdAtSeconds: 0,
  image: null,
  isLocalImage: false,
  from: null,
  entrypoint: [],
  cmd: [],
  init: [],
  initCompleted: false,
  cpus: 4,
  memoryMib: 8192,
  storageGib: null,
  overlayGib: null,
  volumes: [],
  ports: [],
  sockets: [],
  env: [],
  secretEnv: [],
  secretFiles: [],
  workdir: null,
  labels: {},
  network: false,
  netBackend: null,
  policy: null,
  isPolicyHeld: false,
  sshAgent: false,
  gpu: false,
  gpuVramMib: null,
  cuda: false,
  ephemeral: false,
  forkable: false,
  forkPoolSize: null,
  cudaVramLimitMib: null,
  forkpointHeld: false,
  golden: null,
  files: new Map(),
  hiddenFiles: new Map(),
  hasRunCommand: false,
  egressEvents: []
})

/** Those that are `KEY=VALUE`: smolvm drops an entry without `=` in silence. */
export const pairs = (texts: ReadonlyArray<string>): ReadonlyArray<readonly [string, string]> =>
  texts.flatMap((text) => {
    const parts = pair(text)
    return parts === undefined ? [] : [parts]
  })

/** Guest names and the host names that they are read from. */
export const references = (call: Pick<Call, "invocation">, option: string): ReadonlyArray<readonly [string, string]> =>
  pairs(all(call, option))

const policyOf = (call: Call): Policy | null =>
  hasPolicy(call)
    ? {
        cidrs: all(call, "--allow-cidr").map((text) =>
          text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`
        ),
        hosts: all(call, "--allow-host"),
        localhostOnly: has(call, "--outbound-localhost-only")
      }
    : null

const backendOf = (call: Call, policy: Policy | null): "tsi" | "virtio-net" => {
  const { since } = call.world.release
  const given = one(call, "--net-backend")
  if (given === "tsi" || given === "virtio-net") return given
  const isChosen =
    (since("1.0.4") && (has(call, "--port") || "SMOLVM_PUBLISH_ADDR" in call.env)) ||
    (since("1.1.3") && policy !== null) ||
    has(call, "--network")
  return isChosen ? "virtio-net" : "tsi"
}

/** `machine start`. */
export const start = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const { world } = call
    const name = nameOf(call)
    if (givenName(call) === undefined && !world.machines.has(name)) yield* World.put(world, blank(name))
    const machine = yield* find(call, name)
    if (machine.state === "running") {
      return done(`Machine '${name}' is already running (PID: ${machine.pid})\n`)
    }
    const started = yield* boot(call, machine)
    return done(`Machine '${name}' running (PID: ${started.pid})\n`, `Starting machine '${name}'...\n`)
  })

/** Boots a machine that does not run, or does not answer. */
export const boot = (call: Call, machine: Machine): Effect.Effect<Machine, Stop> =>
  Effect.suspend(() => {
    const { starting } = call.world
    const { name } = machine
    if (starting.has(name)) {
      return fail("agent operation failed: lock: another process is already starting or running this VM")
    }
    starting.add(name)
    // The system frees the lock of a process that has ended, however that was.
    return Effect.ensuring(
      bootLocked(call, machine),
      Effect.sync(() => starting.delete(name))
    )
  })

const bootLocked = (call: Call, machine: Machine): Effect.Effect<Machine, Stop> =>
  Effect.gen(function* () {
    const { world } = call
    const { name } = machine
    if (machine.state === "frozen") return yield* fail("invalid vm state: expected stopped, got frozen")
    yield* Guests.secretsOf(call, machine.secretEnv, machine.secretFiles)
    if (machine.sshAgent && call.env["SSH_AUTH_SOCK"] === undefined) {
      return yield* fail("config operation failed: ssh agent: SSH_AUTH_SOCK is not set")
    }
    for (const other of world.machines.values()) {
      const taken =
        other.name !== name && isUp(other) ? machine.ports.find((own) => other.ports.some(sameHost(own))) : undefined
      if (taken !== undefined) {
        return yield* fail(
          `config operation failed: start machine: host port ${taken.host} is already in use by running machine '${other.name}'`
        )
      }
    }
    yield* World.endProcesses(world, name)
    const booting: Machine = {
      ...machine,
      state: "unreachable",
      pid: world.nextPid(),
      hasRunCommand: false,
      ...flags(call)
    }
    yield* World.put(world, booting)
    yield* call.moment("half-way")
    const problem = pullProblem(call, booting)
    if (problem !== undefined) {
      yield* World.put(world, { ...machine, state: machine.state === "created" ? "created" : "stopped", pid: null })
      return yield* fail(problem)
    }
    const started: Machine = { ...booting, state: "running" }
    yield* World.put(world, started)
    return yield* initialize(call, started)
  })

const sameHost =
  (own: { readonly host: number }) =>
  (other: { readonly host: number }): boolean =>
    own.host === other.host

const flags = (call: Call): Partial<Machine> =>
  call.invocation.command === "machine start"
    ? {
        forkable: has(call, "--forkable"),
        forkPoolSize: number(call, "--fork-pool-size") ?? null,
        cudaVramLimitMib: number(call, "--cuda-vram-limit-mib") ?? null
      }
    : {}

/** Why the machine's image cannot be pulled at its first start: in the guest, by what its network lets through. */
const pullProblem = (call: Call, machine: Machine): string | undefined => {
  const { image, isPolicyHeld, policy } = machine
  const { images, release } = call.world
  if (image === null || machine.isLocalImage || machine.from !== null || machine.initCompleted) return undefined
  const failed = (reason: string) => `agent operation failed: pull image: ${image}: ${reason}`
  if (!machine.network) return failed("the machine has no network")
  // From 1.3.5 a list of hosts admits the image's registry at the first boot; a list of networks never does.
  if (isPolicyHeld && policy !== null && (policy.hosts.length === 0 || !release.since("1.3.5"))) {
    return failed("the egress policy does not allow its registry")
  }
  return images === undefined || Object.hasOwn(images, image) ? undefined : failed("manifest unknown")
}

/** Runs the init commands, once per machine. */
const initialize = (call: Call, machine: Machine): Effect.Effect<Machine, Stop> =>
  Effect.gen(function* () {
    const { world } = call
    if (machine.initCompleted) return machine
    for (const text of machine.init) {
      const running = yield* Guests.spawn(world, {
        machine,
        words: ["sh", "-c", text],
        env: Guests.environment(machine, []),
        workdir: machine.workdir ?? "/",
        tty: false,
        stdin: Stream.empty,
        write: () => Effect.void
      })
      const ended = yield* Guests.ending(running)
      if (typeof ended !== "object" || !("code" in ended) || ended.code !== 0) {
        yield* World.put(world, { ...machine, state: "stopped", pid: null })
        return yield* fail(`agent operation failed: init: \`${text}\` failed`)
      }
    }
    const ready: Machine = { ...(world.machines.get(machine.name) ?? machine), initCompleted: true }
    yield* World.put(world, ready)
    return ready
  })

/** `machine stop`. */
export const stop = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const { world } = call
    const name = nameOf(call)
    // 0.8.0 takes a missing machine for one that does not run.
    if (!world.machines.has(name) && !world.release.since("0.8.1")) return done(`Machine '${name}' is not running\n`)
    const machine = yield* find(call, name)
    if (!isUp(machine)) return done(`Machine '${name}' is not running (state: ${machine.state})\n`)
    yield* World.put(world, { ...machine, state: "unreachable" })
    yield* call.moment("half-way")
    yield* halt(call, machine)
    return done(`Stopped machine: ${name}\n`)
  })

/** Ends a machine and all that runs in it; one of `machine run` is gone with that. */
export const halt = ({ world }: Pick<Call, "world">, machine: Machine): Effect.Effect<Machine> =>
  Effect.gen(function* () {
    yield* World.endProcesses(world, machine.name)
    const stopped: Machine = { ...(world.machines.get(machine.name) ?? machine), state: "stopped", pid: null }
    yield* World.put(world, stopped)
    return stopped
  })

/** `machine delete`. */
export const remove = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const { world } = call
    const { since } = world.release
    const name = nameOf(call)
    const machine = yield* find(call, name)
    const clones = [...world.machines.values()].filter(({ golden }) => golden === name)
    const isForced = has(call, "--force")
    const cascades = has(call, "--cascade")
    if (clones.length > 0 && !isForced && !cascades) {
      return yield* fail(
        `config operation failed: delete machine: machine '${name}' is the base of ${clones.length} clone(s): ` +
          `${clones.map((clone) => clone.name).join(", ")}`
      )
    }
    if (since("0.8.1") && isUp(machine)) yield* halt(call, machine)
    yield* call.moment("half-way")
    if (!isForced) {
      yield* call.write("stderr", `Delete machine '${name}'? [y/N] `)
      if (!(yield* isConfirmed(call))) return done("Cancelled\n")
    }
    for (const each of cascades ? [...clones, machine] : [machine]) yield* discard(call, each.name)
    return done(`Deleted machine: ${name}\n`)
  })

const discard = ({ world }: Call, name: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    const machine = world.machines.get(name)
    if (machine === undefined) return
    if (isUp(machine)) {
      // 0.8.0 forgets the record of a machine that runs on.
      if (world.release.since("0.8.1")) yield* halt({ world }, machine)
      else world.orphans.push({ name, pid: machine.pid ?? 0 })
    }
    yield* World.forget(world, name)
  })

const isConfirmed = (call: Call): Effect.Effect<boolean> =>
  call.stdin.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runHead,
    Effect.map((line) => /^\s*y(es)?\s*$/i.test(Option.getOrElse(line, () => "")))
  )
