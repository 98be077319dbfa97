/**
 * smolvm as a service: one Effect per subcommand, whatever the release line.
 *
 * Everything goes through `CommandExecutor`: a test swaps in a scripted one, and a program any other that speaks
 * smolvm's command line.
 *
 * @since 0.1.0
 */
import * as Executor from "@bottle/process/Executor"
import type { Exit } from "@bottle/process/Exit"
import type { FollowEvent } from "@bottle/process/Follow"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Capabilities } from "./Capabilities.js"
import type { Deadlines } from "./Deadlines.js"
import { defaults } from "./Deadlines.js"
import type { EgressEvent } from "./EgressEvents.js"
import type { Images } from "./Images.js"
import * as Exec from "./internal/exec.js"
import { machineCalls } from "./internal/machineCalls.js"
import { packCalls } from "./internal/packCalls.js"
import { runCalls } from "./internal/runCalls.js"
import type { Runner } from "./internal/runner.js"
import { makeRunner } from "./internal/runner.js"
import type { Machine } from "./Machine.js"
import type { MachineCpOptions } from "./MachineCp.js"
import type { MachineCreateOptions } from "./MachineCreate.js"
import type { MachineCreated } from "./MachineCreated.js"
import type { MachineDataDirOptions } from "./MachineDataDir.js"
import type { MachineDeleteOptions } from "./MachineDelete.js"
import type { MachineEgressEventsOptions } from "./MachineEgressEvents.js"
import type {
  AttachedOptions,
  CapturedOptions,
  DetachedOptions,
  ExecResult,
  FollowedOptions,
  WaitOptions
} from "./MachineExec.js"
import type { MachineForkOptions } from "./MachineFork.js"
import type { MachineForked } from "./MachineForked.js"
import type { MachineForkReleaseOptions } from "./MachineForkRelease.js"
import type { MachineImagesOptions } from "./MachineImages.js"
import type { MachineMonitorOptions } from "./MachineMonitor.js"
import type { MachinePruneOptions } from "./MachinePrune.js"
import type { MachineShellOptions } from "./MachineShell.js"
import type { MachineStartOptions } from "./MachineStart.js"
import type { MachineStatusOptions } from "./MachineStatus.js"
import type { MachineStopOptions } from "./MachineStop.js"
import type { MachineUpdateOptions } from "./MachineUpdate.js"
import type { PackCreateFromVmOptions, PackCreateOptions } from "./PackCreate.js"
import type { PackInspectOptions } from "./PackInspect.js"
import type { PackManifest } from "./PackManifest.js"
import type { PackPruneOptions } from "./PackPrune.js"
import type { PackPullOptions } from "./PackPull.js"
import type { PackPushOptions } from "./PackPush.js"
import type { PackRunOptions } from "./PackRun.js"
import type {
  AttachedRun,
  CapturedPackRun,
  CapturedRun,
  DetachedRun,
  FollowedPackRun,
  FollowedRun
} from "./RunOptions.js"
import type { RunResult } from "./RunResult.js"
import type { WithSecrets } from "./Secrets.js"
import type { SmolvmError } from "./SmolvmError.js"

/**
 * smolvm, or a program with its command line: every public subcommand of `machine` and `pack`.
 *
 * Every call reads the capabilities first, once for all calls, except `machineCp` with nothing to copy. An argument that
 * no release takes is refused before anything runs. Each call fails with the typed error of its cause: what the release
 * lacks (`UnsupportedCommand`, `UnsupportedOption`) or would ignore (`IgnoredOption`) is not sent.
 *
 * @since 0.1.0
 * @category services
 */
export class Smolvm extends Context.Tag("@bottle/smolvm/Smolvm")<
  Smolvm,
  {
    /** The program that is run. */
    readonly program: string
    /** What this release can do: from `--version`, and for a release newer than the data also from `--help`. Read once. */
    readonly capabilities: Effect.Effect<Capabilities, SmolvmError>
    /** Whether the program is there and can be started. Runs `--version`, and shares that run with `capabilities`. */
    readonly isAvailable: Effect.Effect<boolean>

    /**
     * Registers a machine; nothing boots. The result names it, and says what of the options the release drops in silence:
     * below 1.8.0 the policy of a machine made from a pack.
     */
    readonly machineCreate: (options: MachineCreateOptions & WithSecrets) => Effect.Effect<MachineCreated, SmolvmError>
    /** Boots a machine. One that runs already is a success. */
    readonly machineStart: (options: MachineStartOptions & WithSecrets) => Effect.Effect<void, SmolvmError>
    /** Stops a machine. One that does not run is a success; so is, on 0.8.0, one that does not exist. */
    readonly machineStop: (options: MachineStopOptions) => Effect.Effect<void, SmolvmError>
    /** Removes a machine and its disks; stops it first where the release would orphan it (0.8.0). */
    readonly machineDelete: (options: MachineDeleteOptions) => Effect.Effect<void, SmolvmError>
    /** Changes a machine that does not run. It can take an egress policy away (`net: false`), but not add to one. */
    readonly machineUpdate: (options: MachineUpdateOptions) => Effect.Effect<void, SmolvmError>
    /**
     * Makes clones of a running machine that was started forkable, from 1.0.0. The result is what was asked for: how smolvm
     * names clones after a prefix is not known.
     */
    readonly machineFork: (options: MachineForkOptions & WithSecrets) => Effect.Effect<MachineForked, SmolvmError>
    /** Lets a clone that is held at the point of its fork go on, from 1.7.2. */
    readonly machineForkRelease: (options: MachineForkReleaseOptions) => Effect.Effect<void, SmolvmError>

    /**
     * Runs a command in a machine made for it, to its end, and holds its output. A non-zero exit code is a value, with its
     * origin as for `machineExec`. stdout begins with what smolvm itself says on the way (`Running N init command(s)`,
     * `Using cached image ...`): where that matters, let the command mark the beginning of its output. What of the options
     * the release drops in silence, or may, stands in the result; `MachineRun.dropped` tells it beforehand.
     *
     * Interrupted, it ends smolvm; before 1.8.0 a machine may outlive a smolvm that was killed.
     */
    readonly machineRun: (options: CapturedRun) => Effect.Effect<RunResult, SmolvmError>
    /**
     * As `machineRun`, with the output as it comes, then exactly one `Exit`. Interactive unless told otherwise. What the
     * release drops is not said here: ask `MachineRun.dropped`.
     */
    readonly machineRunFollow: (options: FollowedRun) => Stream.Stream<FollowEvent, SmolvmError>
    /**
     * Runs a command in a machine made for it, on the caller's own terminal. `-i` and `-t` are sent as asked for. What the
     * release drops is not said here: ask `MachineRun.dropped`.
     */
    readonly machineRunAttach: (options: AttachedRun) => Effect.Effect<Exit, SmolvmError>
    /** Makes and starts a machine that goes on running. The result names it: `default` where no name was asked for. */
    readonly machineRunDetached: (options: DetachedRun) => Effect.Effect<MachineCreated, SmolvmError>

    /** Runs a command to its end and holds its output. A non-zero exit code is a value. */
    readonly machineExec: (options: CapturedOptions) => Effect.Effect<ExecResult, SmolvmError>
    /**
     * Runs a command and gives its output as it comes, then exactly one `Exit`. Interactive (`-i`: live and unbounded)
     * unless `interactive`, `stream` or `tty` say otherwise. An `Exit` with a signal means that smolvm itself was killed.
     */
    readonly machineExecFollow: (options: FollowedOptions) => Stream.Stream<FollowEvent, SmolvmError>
    /** Runs a command on the caller's own terminal. `-i` and `-t` are sent as asked for. */
    readonly machineExecAttach: (options: AttachedOptions) => Effect.Effect<Exit, SmolvmError>
    /** Starts a command and gives its process id in the guest, from 1.3.0. Its output is lost. */
    readonly machineExecDetached: (options: DetachedOptions) => Effect.Effect<number, SmolvmError>
    /**
     * A shell in a running machine, on the caller's own terminal. A stopped machine is refused, whatever `--help` says; as
     * the terminal has what smolvm says then, that is an exit code of 1 here.
     */
    readonly machineShell: (options: MachineShellOptions & WithSecrets) => Effect.Effect<Exit, SmolvmError>
    /**
     * Waits until the machine runs a command: early ones are killed (137) or refused. Fails with `MachineNotReady` when
     * none has succeeded within `timeoutMillis`.
     */
    readonly waitExecReady: (options: WaitOptions) => Effect.Effect<void, SmolvmError>
    /** Copies one file into or out of a running machine. With an empty side it does nothing, and starts no process. */
    readonly machineCp: (options: MachineCpOptions) => Effect.Effect<void, SmolvmError>

    /** Every machine of the user. */
    readonly machineLs: Effect.Effect<ReadonlyArray<Machine>, SmolvmError>
    /** One machine. */
    readonly machineStatus: (options: MachineStatusOptions) => Effect.Effect<Machine, SmolvmError>
    /** The images in a machine's storage. Boots a machine that is stopped, and leaves it running. */
    readonly machineImages: (options: MachineImagesOptions & WithSecrets) => Effect.Effect<Images, SmolvmError>
    /**
     * Removes images of a machine that it does not use. Gives what smolvm says of it, or with `dryRun` of what it would
     * remove: text for people, of no fixed form.
     */
    readonly machinePrune: (options: MachinePruneOptions) => Effect.Effect<string, SmolvmError>
    /** What a machine has tried to reach, from 1.8.1. */
    readonly machineEgressEvents: (
      options: MachineEgressEventsOptions
    ) => Effect.Effect<ReadonlyArray<EgressEvent>, SmolvmError>
    /** The directory of the host that holds a machine's disks, logs and sockets: an absolute path. */
    readonly machineDataDir: (options: MachineDataDirOptions) => Effect.Effect<string, SmolvmError>
    /**
     * Watches a machine, starts it again where `restart` says so, and gives what smolvm says on the way, line by line
     * without line ends (a line of more than 65536 characters in pieces). Whoever leaves the stream ends smolvm, and leaves
     * the machine as it is. It ends when smolvm exits 0, and fails when it exits otherwise.
     */
    readonly machineMonitor: (options: MachineMonitorOptions & WithSecrets) => Stream.Stream<string, SmolvmError>

    /** Makes a pack of an image, a stopped machine or a Smolfile. */
    readonly packCreate: (options: PackCreateOptions) => Effect.Effect<void, SmolvmError>
    /** Makes a pack of a stopped machine. */
    readonly packCreateFromVm: (options: PackCreateFromVmOptions) => Effect.Effect<void, SmolvmError>
    /**
     * Runs a command in a machine made from a pack, to its end, as `machineRun` does. It has no egress policy on any known
     * release.
     */
    readonly packRun: (options: CapturedPackRun) => Effect.Effect<ExecResult, SmolvmError>
    /** As `packRun`, with the output as it comes, then exactly one `Exit`. Interactive unless told otherwise. */
    readonly packRunFollow: (options: FollowedPackRun) => Stream.Stream<FollowEvent, SmolvmError>
    /** Runs a command in a machine made from a pack, on the caller's own terminal. */
    readonly packRunAttach: (options: PackRunOptions) => Effect.Effect<Exit, SmolvmError>
    /** Uploads a pack to a registry, with the credentials of smolvm's own configuration. */
    readonly packPush: (options: PackPushOptions) => Effect.Effect<void, SmolvmError>
    /** Downloads a pack from a registry, with the credentials of smolvm's own configuration. */
    readonly packPull: (options: PackPullOptions) => Effect.Effect<void, SmolvmError>
    /** What a pack in a registry says of itself. */
    readonly packInspect: (options: PackInspectOptions) => Effect.Effect<PackManifest, SmolvmError>
    /**
     * Removes what is kept of packs that were unpacked. Gives what smolvm says of it, or with `dryRun` of what it would
     * remove: text for people, of no fixed form.
     */
    readonly packPrune: (options: PackPruneOptions) => Effect.Effect<string, SmolvmError>
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
   * Variables added to the environment of the calls that let smolvm read secrets (`WithSecrets`), and of no other, for
   * `secretEnv` to refer to. Their values are in no argv, and are taken out of every error. Those of a call's own `secrets` win.
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
    ...machineCalls(runner, deadlines),
    ...runCalls(runner, deadlines),
    ...packCalls(runner, deadlines),
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

const isAvailable = ({ capabilities }: Runner): Effect.Effect<boolean> =>
  Effect.match(capabilities, {
    onFailure: ({ _tag }) => _tag !== "SmolvmNotInstalled" && _tag !== "SmolvmNotStarted",
    onSuccess: () => true
  })
