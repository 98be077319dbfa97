/**
 * The docker command line as a service: every method is one call of the program, or two where a list is read.
 *
 * Everything goes through `CommandExecutor`: a test swaps in a scripted one, and a program any other that speaks
 * docker's command line.
 *
 * @since 0.1.0
 */
import * as Follow from "@bottle/process/Follow"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as ContainerExec from "./ContainerExec.js"
import * as ContainerInspect from "./ContainerInspect.js"
import * as ContainerKill from "./ContainerKill.js"
import * as ContainerList from "./ContainerList.js"
import * as ContainerLogs from "./ContainerLogs.js"
import * as ContainerRemove from "./ContainerRemove.js"
import * as ContainerRun from "./ContainerRun.js"
import type { Deadlines } from "./Deadlines.js"
import { defaults } from "./Deadlines.js"
import {
  AddressInUse,
  AddressOutsideSubnet,
  BuildFailed,
  ContainerExists,
  ContainerNotFound,
  ContainerNotRunning,
  DaemonUnreachable,
  DockerCommandFailed,
  type DockerError,
  ImageNotFound,
  MountSourceMissing,
  NetworkExists,
  NetworkInUse,
  NetworkNotFound,
  SubnetOverlap,
  SubnetsExhausted
} from "./DockerError.js"
import * as Failure from "./Failure.js"
import * as ImageBuild from "./ImageBuild.js"
import * as ImageInspect from "./ImageInspect.js"
import * as ImageRemove from "./ImageRemove.js"
import { identifier, inspected, listed, removed } from "./internal/calls.js"
import { fromOutcome, fromProcess, outcomeOf, reasonOf, tail } from "./internal/errors.js"
import { makeSplitter } from "./internal/logs.js"
import type { Explain, Runner } from "./internal/runner.js"
import { makeRunner, notUnderstood, settled } from "./internal/runner.js"
import * as NetworkCreate from "./NetworkCreate.js"
import * as NetworkInspect from "./NetworkInspect.js"
import * as NetworkList from "./NetworkList.js"
import * as NetworkRemove from "./NetworkRemove.js"
import * as Version from "./Version.js"

/**
 * What a container is run with: the options of its argv, and its secrets, whose values are in no argv.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunOptions extends Omit<ContainerRun.ContainerRunOptions, "secretNames"> {
  /** Variables by name. Names that the client itself reads are refused. */
  readonly secrets?: Readonly<Record<string, Redacted.Redacted>> | undefined
}

/**
 * What is run in a container, and what it reads.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExecOptions extends ContainerExec.ContainerExecOptions {
  readonly stdin: Redacted.Redacted
}

/**
 * docker, or a program with its command line.
 *
 * An argument that docker could not be given safely is refused before anything runs. Each call fails with the typed error
 * of its cause, with `DaemonUnreachable` where no daemon answers, and with `DockerTimedOut` at its deadline.
 *
 * @since 0.1.0
 * @category services
 */
export class Docker extends Context.Tag("@bottle/docker/Docker")<
  Docker,
  {
    /** The program that is run. */
    readonly program: string
    /** The versions of client and daemon; fails when no daemon answers. */
    readonly version: Effect.Effect<Version.DockerVersion, DockerError>

    /**
     * Makes a network. Fails with `SubnetOverlap` or `NetworkExists`. An interruption waits, bounded, until the daemon is
     * done, so that a removal that follows finds the network.
     */
    readonly networkCreate: (options: NetworkCreate.NetworkCreateOptions) => Effect.Effect<void, DockerError>
    /** Removes a network. One that is not there is a success; fails with `NetworkInUse`. */
    readonly networkRemove: (name: string) => Effect.Effect<void, DockerError>
    /** The networks that bear all of the labels. */
    readonly networkList: (
      options: NetworkList.NetworkListOptions
    ) => Effect.Effect<ReadonlyArray<NetworkInspect.Network>, DockerError>
    readonly networkInspect: (name: string) => Effect.Effect<Option.Option<NetworkInspect.Network>, DockerError>

    /** The image, if it is here; none is fetched. */
    readonly imageInspect: (reference: string) => Effect.Effect<Option.Option<ImageInspect.Image>, DockerError>
    /** Builds an image and gives its identifier. Fails with `BuildFailed`. */
    readonly imageBuild: (options: ImageBuild.ImageBuildOptions) => Effect.Effect<string, DockerError>
    /** Takes a name from an image. One that is not there is a success. */
    readonly imageRemove: (reference: string) => Effect.Effect<void, DockerError>

    /**
     * Makes a container, starts it, and gives its identifier. Where it fails the container may be there all the same,
     * unless it fails with `ContainerExists`. Other failures of its own: `ImageNotFound`, `NetworkNotFound`,
     * `AddressInUse`, `AddressOutsideSubnet`, `MountSourceMissing`. An interruption waits as in `networkCreate`.
     */
    readonly containerRun: (options: RunOptions) => Effect.Effect<string, DockerError>
    readonly containerInspect: (name: string) => Effect.Effect<Option.Option<ContainerInspect.Container>, DockerError>
    /** Kills a container and removes it. One that is not there, or is being removed, is a success. */
    readonly containerRemove: (name: string) => Effect.Effect<void, DockerError>
    /** Sends a signal. Fails with `ContainerNotFound` or `ContainerNotRunning`. */
    readonly containerKill: (options: ContainerKill.ContainerKillOptions) => Effect.Effect<void, DockerError>
    /**
     * Runs a program in a container to its end, and gives it something to read. Fails with `ContainerNotFound` or
     * `ContainerNotRunning`, and where the program ends with another code than 0. Nothing of what it read or wrote is in
     * an error.
     */
    readonly containerExec: (options: ExecOptions) => Effect.Effect<void, DockerError>
    /** What the container has written, and what it writes until it ends; then the stream ends. No deadline. */
    readonly containerLogs: (name: string) => Stream.Stream<ContainerLogs.LogLine, DockerError>
    /** The containers that bear all of the labels, running or not. */
    readonly containerList: (
      options: ContainerList.ContainerListOptions
    ) => Effect.Effect<ReadonlyArray<ContainerInspect.Container>, DockerError>
  }
>() {}

/**
 * What the service is told.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** `docker` when absent; any program with its command line. */
  readonly program?: string | undefined
  /** The whole environment of the program; without it, of the host's what `ClientEnvironment` passes. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Deadlines other than `Deadlines.defaults`, in milliseconds. */
  readonly deadlines?: Partial<Deadlines> | undefined
}

type Service = Context.Tag.Service<Docker>

/**
 * The service over a program with docker's command line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<Service, never, CommandExecutor.CommandExecutor> => {
  const deadlines: Deadlines = { ...defaults, ...options.deadlines }
  return Effect.map(makeRunner({ program: options.program ?? "docker", env: options.env }), (runner) => ({
    program: runner.program,
    version: version(runner, deadlines),
    ...networks(runner, deadlines),
    ...images(runner, deadlines),
    ...containers(runner, deadlines)
  }))
}

/**
 * docker as `program`, over whatever executor there is.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<Docker, never, CommandExecutor.CommandExecutor> =>
  Layer.effect(Docker, make(options))

const version = (runner: Runner, deadlines: Deadlines): Service["version"] =>
  Effect.gen(function* () {
    const ended = yield* runner.run({ command: "version", argv: Either.right(Version.argv) }, deadlines.version)
    const { call, outcome, stdout } = ended
    const unreachable = (clientVersion: string | null) =>
      new DaemonUnreachable({ program: runner.program, clientVersion, reason: reasonOf(call, outcome.stderr) })
    const found = yield* Effect.mapError(Version.decode(stdout), () =>
      outcome.exitCode === 0 ? notUnderstood(call) : unreachable(null)
    )
    if (found.server === null || outcome.exitCode !== 0) return yield* unreachable(found.client)
    return found
  })

const networks = (
  runner: Runner,
  deadlines: Deadlines
): Pick<Service, "networkCreate" | "networkRemove" | "networkList" | "networkInspect"> => ({
  networkCreate: (options) =>
    runner
      .succeed({ command: "network create", argv: NetworkCreate.argv(options) }, deadlines.networkCreate, (outcome) => {
        const { name, subnet } = options
        if (Failure.isSubnetOverlap(outcome)) return new SubnetOverlap({ network: name, subnet })
        if (Failure.isSubnetsExhausted(outcome)) return new SubnetsExhausted({ network: name })
        return Failure.isNetworkExists(outcome) ? new NetworkExists({ name }) : undefined
      })
      .pipe(settled, Effect.asVoid),
  networkRemove: (name) =>
    removed(runner, deadlines, {
      remove: { command: "network rm", argv: NetworkRemove.argv(name) },
      isGone: Failure.isNetworkNotFound,
      explain: (outcome) => (Failure.isNetworkInUse(outcome) ? new NetworkInUse({ name }) : undefined)
    }),
  networkList: (options) =>
    listed(runner, deadlines, {
      ls: { command: "network ls", argv: NetworkList.argv(options) },
      inspect: (ids) => ({ command: "network inspect", argv: NetworkInspect.argvOfIds(ids) }),
      isNotFound: Failure.isNetworkNotFound,
      decode: NetworkInspect.decode
    }),
  networkInspect: (name) =>
    inspected(runner, deadlines, {
      inspect: { command: "network inspect", argv: NetworkInspect.argv(name) },
      isNotFound: Failure.isNetworkNotFound,
      decode: NetworkInspect.decode
    })
})

const images = (
  runner: Runner,
  deadlines: Deadlines
): Pick<Service, "imageInspect" | "imageBuild" | "imageRemove"> => ({
  imageInspect: (reference) =>
    inspected(runner, deadlines, {
      inspect: { command: "image inspect", argv: ImageInspect.argv(reference) },
      isNotFound: Failure.isImageNotFound,
      decode: ImageInspect.decode
    }),
  imageBuild: (options) =>
    Effect.gen(function* () {
      const request = { command: "build", argv: ImageBuild.argv(options), variables: ImageBuild.variables }
      const ended = yield* runner.run(request, deadlines.imageBuild)
      const { call, outcome, stdout } = ended
      if (outcome.exitCode === 0) return yield* identifier(ended)
      if (Failure.isDaemonUnreachable(outcome)) return yield* fromOutcome(call, outcome)
      return yield* new BuildFailed({
        tag: options.tag,
        reason: reasonOf(call, outcome.stderr),
        output: tail(call, stdout + outcome.stderr)
      })
    }),
  imageRemove: (reference) =>
    removed(runner, deadlines, {
      remove: { command: "image rm", argv: ImageRemove.argv(reference) },
      isGone: Failure.isImageNotFound
    })
})

const containers = (
  runner: Runner,
  deadlines: Deadlines
): Pick<
  Service,
  | "containerRun"
  | "containerInspect"
  | "containerRemove"
  | "containerKill"
  | "containerExec"
  | "containerLogs"
  | "containerList"
> => ({
  containerRun: (options) => {
    const secrets = options.secrets ?? {}
    const argv = ContainerRun.argv({ ...options, secretNames: Object.keys(secrets) })
    const variables = Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, Redacted.value(value)]))
    return runner
      .succeed({ command: "run", argv, variables }, deadlines.containerRun, explainRun(options))
      .pipe(settled, Effect.flatMap(identifier))
  },
  containerInspect: (name) =>
    inspected(runner, deadlines, {
      inspect: { command: "container inspect", argv: ContainerInspect.argv(name) },
      isNotFound: Failure.isContainerNotFound,
      decode: ContainerInspect.decode
    }),
  containerRemove: (name) =>
    removed(runner, deadlines, {
      remove: { command: "rm", argv: ContainerRemove.argv(name) },
      isGone: (outcome) => Failure.isContainerNotFound(outcome) || Failure.isRemovalInProgress(outcome)
    }),
  containerKill: (options) =>
    Effect.asVoid(
      runner.succeed({ command: "kill", argv: ContainerKill.argv(options) }, deadlines.containerKill, (outcome) => {
        const { name } = options
        if (Failure.isContainerNotFound(outcome)) return new ContainerNotFound({ name })
        return Failure.isContainerNotRunning(outcome) ? new ContainerNotRunning({ name }) : undefined
      })
    ),
  containerExec: ({ command, name, stdin }) =>
    Effect.asVoid(
      runner.succeed(
        { command: "exec", argv: ContainerExec.argv({ name, command }), stdin: Redacted.value(stdin) },
        deadlines.containerExec,
        (outcome) => {
          if (Failure.isContainerNotFound(outcome)) return new ContainerNotFound({ name })
          if (Failure.isContainerNotRunning(outcome)) return new ContainerNotRunning({ name })
          const { exitCode } = outcome
          // Whatever stands on its standard error may repeat what it has read.
          return new DockerCommandFailed({
            program: runner.program,
            command: "exec",
            exitCode,
            reason: `${command[0]} ended with exit code ${exitCode} in ${name}`,
            stderr: ""
          })
        }
      )
    ),
  containerLogs: (name) => logs(runner, name),
  containerList: (options) =>
    listed(runner, deadlines, {
      ls: { command: "container ls", argv: ContainerList.argv(options) },
      inspect: (ids) => ({ command: "container inspect", argv: ContainerInspect.argvOfIds(ids) }),
      isNotFound: Failure.isContainerNotFound,
      decode: ContainerInspect.decode
    })
})

const explainRun =
  ({ image, ip, mounts = [], name, network }: RunOptions): Explain =>
  (outcome) => {
    const addressed = { container: name, address: ip ?? "" }
    if (Failure.isContainerExists(outcome)) return new ContainerExists({ name })
    if (Failure.isImageNotFound(outcome)) return new ImageNotFound({ image })
    if (Failure.isNetworkNotFound(outcome)) return new NetworkNotFound({ name: network })
    if (Failure.isAddressInUse(outcome)) return new AddressInUse(addressed)
    if (Failure.isAddressOutsideSubnet(outcome)) return new AddressOutsideSubnet(addressed)
    return Failure.isMountSourceMissing(outcome)
      ? new MountSourceMissing({ container: name, sources: mounts.map(({ host }) => host) })
      : undefined
  }

/** How much of what `docker logs` says of itself is kept. */
const LOGS_STDERR_BYTES_MAX = 4096

const logs = (runner: Runner, name: string): Stream.Stream<ContainerLogs.LogLine, DockerError> =>
  Stream.unwrap(
    Effect.map(runner.prepare({ command: "logs", argv: ContainerLogs.argv(name) }), (call) => {
      const splitter = makeSplitter()
      let said = new Uint8Array()
      return Follow.follow(runner.toProgram(call)).pipe(
        Stream.provideService(CommandExecutor.CommandExecutor, runner.executor),
        Stream.mapError((error) => fromProcess(call, error)),
        Stream.mapConcatEffect((event) => {
          // The client's own words come on the stream of the container's errors: where it fails, they are the last.
          if (event._tag === "Stderr") said = Buffer.concat([said, event.bytes]).subarray(-LOGS_STDERR_BYTES_MAX)
          const lines = splitter.take(event)
          if (event._tag !== "Exit" || event.exit.code === 0) return Effect.succeed(lines)
          const outcome = outcomeOf({ exit: event.exit, stderr: said })
          return Effect.fail(
            Failure.isContainerNotFound(outcome) ? new ContainerNotFound({ name }) : fromOutcome(call, outcome)
          )
        })
      )
    })
  )
