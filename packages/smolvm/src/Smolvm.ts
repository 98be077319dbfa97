/**
 * smolvm as a service: one Effect per subcommand, whatever the release line.
 *
 * Everything goes through `CommandExecutor`: a test swaps in a scripted one, and a program any other that speaks
 * smolvm's command line.
 *
 * @since 0.1.0
 */
import * as Capture from "@bottle/process/Capture"
import * as Executor from "@bottle/process/Executor"
import type { Exit } from "@bottle/process/Exit"
import type { FollowEvent } from "@bottle/process/Follow"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Capabilities } from "./Capabilities.js"
import type { Deadlines } from "./Deadlines.js"
import { defaults } from "./Deadlines.js"
import * as Exec from "./internal/exec.js"
import { notUnderstood } from "./internal/errors.js"
import type { Runner } from "./internal/runner.js"
import { decode, makeRunner } from "./internal/runner.js"
import type { Machine } from "./Machine.js"
import * as MachineCp from "./MachineCp.js"
import * as MachineCreate from "./MachineCreate.js"
import * as MachineCreated from "./MachineCreated.js"
import * as MachineDelete from "./MachineDelete.js"
import type * as MachineExec from "./MachineExec.js"
import * as MachineLs from "./MachineLs.js"
import * as MachineStart from "./MachineStart.js"
import * as MachineStatus from "./MachineStatus.js"
import * as MachineStop from "./MachineStop.js"
import * as PackCreate from "./PackCreate.js"
import type { WithSecrets } from "./Secrets.js"
import type { SmolvmError } from "./SmolvmError.js"

/**
 * smolvm, or a program with its command line.
 *
 * Every call reads the capabilities first, once for all calls, except `machineCp` with nothing to copy. An argument that
 * no release takes is refused before anything runs. Each call fails with the typed error of its cause.
 *
 * @since 0.1.0
 * @category services
 */
export class Smolvm extends Context.Tag("@bottle/smolvm/Smolvm")<
  Smolvm,
  {
    /** The program that is run. */
    readonly program: string
    /**
     * What this release can do: from `--version`, and for a release newer than the data also from the `--help` of every
     * subcommand. Read once, and from `cacheDirectory` where it is there.
     */
    readonly capabilities: Effect.Effect<Capabilities, SmolvmError>
    /** Whether the program is there and can be started, as far as `capabilities` tells: it is the same reading. */
    readonly isAvailable: Effect.Effect<boolean>
    /** Makes a pack of an image. */
    readonly packCreate: (options: PackCreate.PackCreateOptions) => Effect.Effect<void, SmolvmError>
    /** Makes a pack of a stopped machine. */
    readonly packCreateFromVm: (options: PackCreate.PackCreateFromVmOptions) => Effect.Effect<void, SmolvmError>
    /**
     * Registers a machine; nothing boots. The result names it, and says what of the options the release drops in silence:
     * below 1.8.0 the policy of a machine made from a pack.
     */
    readonly machineCreate: (
      options: MachineCreate.MachineCreateOptions & WithSecrets
    ) => Effect.Effect<MachineCreated.MachineCreated, SmolvmError>
    /** Boots a machine. One that runs already is a success. */
    readonly machineStart: (options: MachineStart.MachineStartOptions & WithSecrets) => Effect.Effect<void, SmolvmError>
    /** Stops a machine. One that does not run is a success. */
    readonly machineStop: (options: MachineStop.MachineStopOptions) => Effect.Effect<void, SmolvmError>
    /** Removes a machine and its disks; stops it first where the release would orphan it (0.8.0). */
    readonly machineDelete: (options: MachineDelete.MachineDeleteOptions) => Effect.Effect<void, SmolvmError>
    /** Runs a command to its end and holds its output. A non-zero exit code is a value. */
    readonly machineExec: (options: MachineExec.CapturedOptions) => Effect.Effect<MachineExec.ExecResult, SmolvmError>
    /**
     * Runs a command and gives its output as it comes, then exactly one `Exit`. Interactive (`-i`: live and unbounded)
     * unless `interactive`, `stream` or `tty` say otherwise. An `Exit` with a signal means that smolvm itself was killed.
     */
    readonly machineExecFollow: (options: MachineExec.FollowedOptions) => Stream.Stream<FollowEvent, SmolvmError>
    /** Runs a command on the caller's own terminal. `-i` and `-t` are sent as asked for. */
    readonly machineExecAttach: (options: MachineExec.AttachedOptions) => Effect.Effect<Exit, SmolvmError>
    /** Starts a command and gives its process id in the guest, from 1.3.0. Its output is lost. */
    readonly machineExecDetached: (options: MachineExec.DetachedOptions) => Effect.Effect<number, SmolvmError>
    /** Copies one file into or out of a running machine. With an empty side it does nothing, and starts no process. */
    readonly machineCp: (options: MachineCp.MachineCpOptions) => Effect.Effect<void, SmolvmError>
    /** Every machine of the user. */
    readonly machineLs: Effect.Effect<ReadonlyArray<Machine>, SmolvmError>
    /** One machine. */
    readonly machineStatus: (options: MachineStatus.MachineStatusOptions) => Effect.Effect<Machine, SmolvmError>
    /**
     * Waits until the machine runs a command: early ones are killed (137) or refused. Fails with `MachineNotReady` when
     * none has succeeded within `timeoutMillis`.
     */
    readonly waitExecReady: (options: MachineExec.WaitOptions) => Effect.Effect<void, SmolvmError>
  }
>() {}

/**
 * How smolvm is run.
 *
 * @since 0.1.0
 * @category models
 */
export interface SmolvmOptions {
  /** The program: a name on the `PATH` of `env`, or a path. */
  readonly program: string
  /** The whole environment, used as it is; without it, that of this process, scrubbed (`RuntimeEnvironment`). */
  readonly env?: Readonly<Record<string, string>> | undefined
  /**
   * Variables added to the environment of every create, start and exec, and of nothing else, for `secretEnv` to refer to.
   * Their values are in no argv, and are taken out of every error. Those of a call's own `secrets` win.
   */
  readonly secrets?: Readonly<Record<string, string>> | undefined
  /** Deadlines other than `Deadlines.defaults`, in milliseconds. */
  readonly deadlines?: Partial<Deadlines> | undefined
  /**
   * An absolute path, below which what this program can do is kept, so that the next process need not ask it again
   * (`CapabilitiesCache`); without it nothing is kept.
   */
  readonly cacheDirectory?: string | undefined
}

/**
 * Builds the service. The scope holds the reading of the capabilities.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: SmolvmOptions
): Effect.Effect<Context.Tag.Service<Smolvm>, never, CommandExecutor.CommandExecutor | Scope.Scope> => {
  const deadlines: Deadlines = { ...defaults, ...options.deadlines }
  return Effect.map(makeRunner({ ...options, versionTimeoutMillis: deadlines.version }), (runner) => ({
    program: options.program,
    capabilities: runner.capabilities,
    isAvailable: isAvailable(runner),
    ...packs(runner, deadlines),
    ...machines(runner, deadlines),
    machineExec: (exec) => Exec.exec(runner, deadlines, exec),
    machineExecFollow: (exec) => Exec.follow(runner, exec),
    machineExecAttach: (exec) => Exec.attach(runner, exec),
    machineExecDetached: (exec) => Exec.detached(runner, deadlines, exec),
    waitExecReady: (wait) => Exec.waitReady(runner, deadlines, wait)
  }))
}

/**
 * smolvm as `program`, over whatever executor there is.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: SmolvmOptions): Layer.Layer<Smolvm, never, CommandExecutor.CommandExecutor> =>
  Layer.scoped(Smolvm, make(options))

/**
 * smolvm as processes of this computer, over `@bottle/process/Executor`: all that a program has to provide.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerProcess = (options: SmolvmOptions): Layer.Layer<Smolvm> =>
  Layer.provide(layer(options), Executor.layer)

type Service = Context.Tag.Service<Smolvm>

const isAvailable = ({ capabilities }: Runner): Effect.Effect<boolean> =>
  Effect.match(capabilities, {
    onFailure: ({ _tag }) => _tag !== "SmolvmNotInstalled" && _tag !== "SmolvmNotStarted",
    onSuccess: () => true
  })

const packs = (runner: Runner, deadlines: Deadlines): Pick<Service, "packCreate" | "packCreateFromVm"> => ({
  packCreate: (options) =>
    Effect.asVoid(
      runner.execute({ command: "pack create", build: (it) => PackCreate.argv(options, it) }, deadlines.packCreate)
    ),
  packCreateFromVm: (options) =>
    Effect.asVoid(
      runner.execute(
        { command: "pack create", build: (it) => PackCreate.argvFromVm(options, it), name: options.name },
        deadlines.packCreate
      )
    )
})

const machines = (
  runner: Runner,
  deadlines: Deadlines
): Pick<
  Service,
  "machineCreate" | "machineStart" | "machineStop" | "machineDelete" | "machineCp" | "machineLs" | "machineStatus"
> => ({
  machineCreate: (options) => create(runner, deadlines, options),
  machineStart: (options) =>
    Effect.asVoid(
      runner.execute(
        {
          command: "machine start",
          build: (it) => MachineStart.argv(options, it),
          env: (it) => MachineStart.environment(options, it),
          name: options.name,
          secrets: options.secrets
        },
        deadlines.machineStart
      )
    ),
  machineStop: (options) => stop(runner, deadlines, options),
  machineDelete: (options) =>
    Effect.gen(function* () {
      const build = (it: Capabilities) => MachineDelete.argv(options, it)
      const call = yield* runner.prepare({ command: "machine delete", build, name: options.name })
      if (!(yield* runner.capabilities).deleteStopsFirst) {
        // That the machine is missing is for delete to say.
        yield* Effect.catchTag(stop(runner, deadlines, options), "MachineNotFound", () => Effect.void)
      }
      yield* runner.succeed(call, deadlines.machineDelete)
    }),
  machineCp: (options) =>
    MachineCp.isNothing(options)
      ? Effect.void
      : Effect.asVoid(
          runner.execute(
            { command: "machine cp", build: (it) => MachineCp.argv(options, it), name: MachineCp.machineOf(options) },
            deadlines.machineCp
          )
        ),
  machineLs: runner
    .execute({ command: "machine ls", build: () => Either.right(MachineLs.argv) }, deadlines.machineLs)
    .pipe(Effect.flatMap(decode(MachineLs.Output))),
  machineStatus: (options) =>
    runner
      .execute(
        { command: "machine status", build: (it) => MachineStatus.argv(options, it), name: options.name },
        deadlines.machineLs
      )
      .pipe(Effect.flatMap(decode(MachineStatus.Output)))
})

const create = (
  runner: Runner,
  deadlines: Deadlines,
  options: MachineCreate.MachineCreateOptions & WithSecrets
): Effect.Effect<MachineCreated.MachineCreated, SmolvmError> =>
  Effect.gen(function* () {
    const { name: asked, secrets } = options
    const build = (it: Capabilities) => MachineCreate.argv(options, it)
    const { call, captured } = yield* runner.execute(
      { command: "machine create", build, name: asked, secrets },
      deadlines.machineCreate
    )
    const name = asked ?? MachineCreated.nameIn(Capture.stdoutText(captured))
    if (name === undefined) return yield* notUnderstood(call, captured, "it does not name the machine that was created")
    return { name, dropped: MachineCreate.dropped(options, yield* runner.capabilities) }
  })

const stop = (
  runner: Runner,
  deadlines: Deadlines,
  options: MachineStop.MachineStopOptions
): Effect.Effect<void, SmolvmError> =>
  Effect.asVoid(
    runner.execute(
      { command: "machine stop", build: (it) => MachineStop.argv(options, it), name: options.name },
      deadlines.machineStop
    )
  )
