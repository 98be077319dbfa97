import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Files, GuestCommand, GuestExit } from "../../FakeGuest.js"
import type { Machine } from "../../FakeMachine.js"
import { type Call, fail, type Stop } from "./call.js"
import { put, type Running, type World } from "./world.js"

/** A command that is to run in a machine. */
export interface Request extends Pick<GuestCommand, "words" | "env" | "workdir" | "tty" | "stdin" | "write"> {
  readonly machine: Machine
}

/** Starts a command in a machine; it goes on, whoever asked for it, until it or the machine ends. */
export const spawn = (world: World, request: Request): Effect.Effect<Running> =>
  Effect.gen(function* () {
    const { name } = request.machine
    const pid = world.nextPid()
    const known = yield* Deferred.make<void>()
    const table = world.processes.get(name) ?? new Map<number, Running>()
    world.processes.set(name, table)
    const program = Effect.zipRight(Deferred.await(known), run(world, toCommand(world, request, pid)))
    const fiber = yield* Effect.forkIn(
      Effect.ensuring(
        program,
        Effect.sync(() => table.delete(pid))
      ),
      world.scope
    )
    const running: Running = { pid, words: request.words, env: request.env, fiber, killedBy: undefined }
    table.set(pid, running)
    yield* Deferred.succeed(known, undefined)
    return running
  })

/** How a process ended; `"lost"` where its machine has ended under it. */
export const ending = (running: Running): Effect.Effect<GuestExit | "lost"> =>
  Effect.flatMap(Fiber.await(running.fiber), (exit): Effect.Effect<GuestExit | "lost"> => {
    if (Exit.isSuccess(exit)) return Effect.succeed(exit.value)
    if (!Exit.isInterrupted(exit)) return Effect.failCause(exit.cause)
    return Effect.succeed(running.killedBy === undefined ? "lost" : { signal: running.killedBy })
  })

/** The variables of a command: the machine's own first. */
export const environment = (
  machine: Machine,
  own: ReadonlyArray<readonly [string, string]>
): Readonly<Record<string, string>> => ({
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  ...Object.fromEntries([...machine.env, ...own])
})

/** What secrets stand for now: variables of smolvm's own environment, and files of the host. */
export const secretsOf = (
  call: Call,
  variables: ReadonlyArray<readonly [string, string]>,
  files: ReadonlyArray<readonly [string, string]>
): Effect.Effect<ReadonlyArray<readonly [string, string]>, Stop> =>
  Effect.gen(function* () {
    const pairs: Array<readonly [string, string]> = []
    for (const [guest, host] of variables) {
      const value = call.env[host]
      if (value === undefined) return yield* fail(`config operation failed: secret: variable '${host}' is not set`)
      pairs.push([guest, value])
    }
    for (const [guest, path] of files) {
      const bytes = call.world.host.read(path)
      if (bytes === undefined) return yield* fail(`config operation failed: secret: file '${path}' cannot be read`)
      pairs.push([guest, new TextDecoder().decode(bytes).replace(/\n$/, "")])
    }
    return pairs
  })

const run = (world: World, command: GuestCommand): Effect.Effect<GuestExit> =>
  Effect.suspend(() => world.guest(command) ?? Effect.succeed("not found"))

const toCommand = (world: World, request: Request, pid: number): GuestCommand => ({
  machine: request.machine.name,
  pid,
  words: request.words,
  env: request.env,
  workdir: request.workdir,
  tty: request.tty,
  stdin: request.stdin,
  write: request.write,
  files: filesOf(world, request.machine.name),
  signal: (number, which) => signal(world, request.machine.name, pid, number, which),
  run: (child) =>
    Effect.flatMap(spawn(world, { ...request, ...child }), (running) =>
      Effect.onInterrupt(ending(running), () => Fiber.interrupt(running.fiber))
    ).pipe(Effect.map((ended) => (ended === "lost" ? { signal: 9 } : ended)))
})

/** The files that a machine's commands see: its own, and those of the host that are mounted. */
export const filesOf = (world: World, name: string): Files => {
  const mounted = (path: string) => {
    const volume = world.machines
      .get(name)
      ?.volumes.find(({ guest }) => path.startsWith(`${guest.replace(/\/$/, "")}/`))
    if (volume === undefined) return undefined
    return { path: `${volume.host}${path.slice(volume.guest.replace(/\/$/, "").length)}`, isReadonly: volume.readonly }
  }
  const change = (edit: (files: Map<string, Uint8Array>) => void) => {
    const machine = world.machines.get(name)
    if (machine === undefined) return
    const files = new Map(machine.files)
    edit(files)
    world.machines.set(name, { ...machine, files })
  }
  return {
    read: (path) => {
      const there = mounted(path)
      return there === undefined ? world.machines.get(name)?.files.get(path) : world.host.read(there.path)
    },
    write: (path, bytes) => {
      const there = mounted(path)
      if (there?.isReadonly === true) return "Read-only file system"
      if (there !== undefined) return world.host.write(there.path, bytes)
      change((files) => files.set(path, bytes))
      return undefined
    },
    // Files of the host stay: nobody has needed it yet that they go.
    remove: (path) => {
      if (mounted(path) === undefined) change((files) => files.delete(path))
    }
  }
}

const signal = (
  world: World,
  name: string,
  sender: number,
  number: number,
  which: Parameters<GuestCommand["signal"]>[1]
): Effect.Effect<number> =>
  Effect.gen(function* () {
    const reached = [...(world.processes.get(name)?.values() ?? [])].filter(which)
    if (number === 0) return reached.length
    for (const process of reached) {
      process.killedBy ??= number
      yield* process.pid === sender ? Fiber.interruptFork(process.fiber) : Fiber.interrupt(process.fiber)
    }
    return reached.some(({ pid }) => pid === sender) ? yield* Effect.never : reached.length
  })

/** Takes down that a command has run. */
export const hasRun = (world: World, name: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const machine = world.machines.get(name)
    if (machine === undefined || machine.hasRunCommand) return Effect.void
    // From 1.7.3 a copy goes into the workload's container, and what is put there before it is up can vanish below a
    // later tmpfs.
    const vanishes = world.release.since("1.7.3") && (machine.image !== null || machine.from !== null)
    const files = vanishes ? new Map([...machine.files].filter(([path]) => !path.startsWith("/tmp/"))) : machine.files
    return put(world, { ...machine, files, hasRunCommand: true })
  })
