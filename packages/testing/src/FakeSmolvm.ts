/**
 * A smolvm in memory, as a `CommandExecutor`: it parses as strictly as a release line does, keeps machines, and answers
 * with the exit codes, texts and JSON of that line. It can be told to misbehave.
 *
 * What it does was read from smolvm's source, and has not yet been seen to agree with a real one. Where the source was not
 * read far enough, it does what is worse for its caller: a command without a live client goes on, a golden that was
 * forked is frozen, large input to an old release blocks. It never waits by itself: only `sleep` in a guest and an exec's
 * timeout use the fiber's clock.
 *
 * @since 0.1.0
 */
import type { Line } from "@bottle/smolvm/Grammar"
import type * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Recorded } from "./CommandScript.js"
import type { Guest } from "./FakeGuest.js"
import * as FakeGuest from "./FakeGuest.js"
import type { GuestProcess, Machine } from "./FakeMachine.js"
import * as Host from "./internal/fakeSmolvm/host.js"
import * as Pack from "./internal/fakeSmolvm/pack.js"
import * as Process from "./internal/fakeSmolvm/process.js"
import * as Release from "./internal/fakeSmolvm/release.js"
import * as World from "./internal/fakeSmolvm/world.js"
import * as InMemoryProcess from "./internal/inMemoryProcess.js"
import type { Misbehaviour } from "./Misbehaviour.js"

/**
 * A process that was run, what it has printed up to now, also to a terminal, and how it ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Run extends Recorded {
  readonly stdout: Effect.Effect<string>
  readonly stderr: Effect.Effect<string>
  /** How it ended; `undefined` while it runs. */
  readonly ending: Effect.Effect<{ readonly code: number } | { readonly signal: string } | undefined>
}

/**
 * An image of a registry.
 *
 * @since 0.1.0
 * @category models
 */
export interface RegistryImage {
  readonly entrypoint?: ReadonlyArray<string> | undefined
  readonly cmd?: ReadonlyArray<string> | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly workdir?: string | undefined
  readonly user?: string | undefined
  /** Regular files, by absolute path. */
  readonly files?: Readonly<Record<string, string | Uint8Array>> | undefined
}

/**
 * What a pack of the fake's holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface PackManifest {
  /** Whether it was made of an image, or of a bare machine. */
  readonly mode: "container" | "vm"
  readonly image: string | null
  readonly entrypoint: ReadonlyArray<string>
  readonly cmd: ReadonlyArray<string>
  /** Variables, `NAME=VALUE`. */
  readonly env: ReadonlyArray<string>
  readonly workdir: string | null
  readonly cpus: number
  /** Memory in MiB. */
  readonly mem: number
  /** Whether it boots with a network unasked. */
  readonly network: boolean
  readonly gpu: boolean
  /** The files of the guest, as base64 by absolute path. */
  readonly files: Readonly<Record<string, string>>
}

/**
 * What a fake is made from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The release line it is; the newest known unless `line` or `version` says otherwise. */
  readonly line?: Line | undefined
  /** Any version, also one between two lines, or a newer one: that has the newest known grammar. */
  readonly version?: string | undefined
  /** The program that is it: `smolvm` unless given. There is no other program. */
  readonly program?: string | undefined
  /** The images that can be pulled; any, where it is not given. */
  readonly images?: Readonly<Record<string, RegistryImage>> | undefined
  /** What runs in the machines, before `FakeGuest.standard` is asked. */
  readonly guest?: Guest | undefined
  /**
   * The files of the host: `memory` (by default) for those of `files`, `real` for those of this computer, which copies and
   * packs then read and write.
   */
  readonly host?: "memory" | "real" | undefined
  /** The files of the host in memory from the start, by absolute path; a path that ends in `/` is a directory. */
  readonly files?: Readonly<Record<string, string | Uint8Array>> | undefined
}

/**
 * What a test asks of the fake it handed out.
 *
 * @since 0.1.0
 * @category services
 */
export class FakeSmolvm extends Context.Tag("@bottle/testing/FakeSmolvm")<
  FakeSmolvm,
  {
    readonly version: string
    /** The machines there are, in the order in which they were created. */
    readonly machines: Effect.Effect<ReadonlyArray<Machine>>
    /** One of them. */
    readonly machine: (name: string) => Effect.Effect<Machine | undefined>
    /** Changes a machine's record in any way: to a state that is hard to come by, for instance. Does nothing without it. */
    readonly edit: (name: string, change: (machine: Machine) => Partial<Machine>) => Effect.Effect<void>
    /** Machines that run on without a record, which no `machine ls` shows: 0.8.0's delete leaves them. */
    readonly orphans: Effect.Effect<ReadonlyArray<{ readonly name: string; readonly pid: number }>>
    /** What runs in a machine. */
    readonly processes: (name: string) => Effect.Effect<ReadonlyArray<GuestProcess>>
    /** The files of the host, where they are in memory. Tests may add to them. */
    readonly files: Map<string, Uint8Array>
    /** The processes that were run up to now, in the order of their starts. */
    readonly recorded: Effect.Effect<ReadonlyArray<Run>>
    /** What happened, in order: "start ARGV", "signal NAME ARGV", "exit ARGV"; other doubles may add theirs. */
    readonly events: Ref.Ref<ReadonlyArray<string>>
    /** From now on the processes that it means do so. Several may mean the same process. */
    readonly misbehave: (misbehaviour: Misbehaviour) => Effect.Effect<void>
  }
>() {}

/**
 * A pack's `.smolmachine` file as `pack create` of this fake writes it, to be put among the host's files.
 *
 * @since 0.1.0
 * @category constructors
 */
export const packFile = (manifest?: Partial<PackManifest>): Uint8Array => Pack.encode({ ...Pack.empty, ...manifest })

/**
 * The fake and what can be asked of it. Whatever runs in its machines ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options?: Options
): Effect.Effect<Context.Context<CommandExecutor.CommandExecutor | FakeSmolvm>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const program = options?.program ?? "smolvm"
    const files = filesOf(options?.files)
    const release = Release.make(options?.version ?? options?.line ?? "1.9.3")
    let pids = 4000
    const world: World.World = {
      release,
      host: options?.host === "real" ? Host.real : Host.inMemory(files),
      guest: (command) => options?.guest?.(command) ?? FakeGuest.standard(command),
      scope: yield* Effect.scope,
      images: options?.images,
      machines: new Map(),
      reserved: new Set(),
      starting: new Set(),
      orphans: [],
      processes: new Map(),
      registry: new Map(),
      changes: yield* SubscriptionRef.make(0),
      nextPid: () => ++pids
    }
    const events = yield* Ref.make<ReadonlyArray<string>>([])
    const runs: Array<Process.Run> = []
    const misbehaviours: Array<Process.Pending> = []

    const start = (command: Command.Command): Effect.Effect<CommandExecutor.Process, PlatformError, Scope.Scope> =>
      Effect.gen(function* () {
        if (command._tag === "PipedCommand") return yield* InMemoryProcess.noPipelines
        if (command.command !== program) {
          return yield* InMemoryProcess.notFound([command.command, ...command.args])
        }
        const note = (event: string) => Ref.update(events, (before) => [...before, event])
        const run = yield* Process.make(world, command, misbehaviours, note)
        runs.push(run)
        return yield* Process.start(world, run, runs.length)
      })

    const service: Context.Tag.Service<FakeSmolvm> = {
      version: release.version,
      machines: Effect.sync(() => [...world.machines.values()]),
      machine: (name) => Effect.sync(() => world.machines.get(name)),
      edit: (name, change) =>
        Effect.suspend(() => {
          const machine = world.machines.get(name)
          return machine === undefined ? Effect.void : World.put(world, { ...machine, ...change(machine) })
        }),
      orphans: Effect.sync(() => [...world.orphans]),
      processes: (name) =>
        Effect.sync(() =>
          [...(world.processes.get(name)?.values() ?? [])].map(({ env, pid, words }) => ({ pid, words, env }))
        ),
      files,
      recorded: Effect.sync(() => runs.map(toRun)),
      events,
      misbehave: (misbehaviour) =>
        Effect.sync(() => {
          const { times = 1 } = misbehaviour
          misbehaviours.push({ misbehaviour, left: times === "any" ? Number.POSITIVE_INFINITY : times })
        })
    }
    return Context.make(FakeSmolvm, service).pipe(
      Context.add(CommandExecutor.CommandExecutor, CommandExecutor.makeExecutor(start))
    )
  })

/**
 * The fake as the executor of everything, and what can be asked of it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<CommandExecutor.CommandExecutor | FakeSmolvm> =>
  Layer.scopedContext(make(options))

const filesOf = (files: Options["files"]): Map<string, Uint8Array> =>
  new Map(
    Object.entries(files ?? {}).map(([path, content]) => [
      path,
      typeof content === "string" ? new TextEncoder().encode(content) : content
    ])
  )

const toRun = (run: Process.Run): Run => ({
  ...InMemoryProcess.toRecorded(run.process),
  stdout: Effect.sync(() => InMemoryProcess.text(run.printed.stdout)),
  stderr: Effect.sync(() => InMemoryProcess.text(run.printed.stderr)),
  ending: Effect.flatMap(Deferred.poll(run.process.ended), (ended) =>
    ended._tag === "Some" ? ended.value : Effect.succeed(undefined)
  )
})
