/**
 * The bundle in a container of its own, on a network of its own, at the address that the plan names. Nothing is asked of
 * it but through docker: what it does is read from the lines that it prints.
 *
 * @since 0.1.0
 */
import * as BundleConfig from "@bottle/bundle/BundleConfig"
import * as BundleOutput from "@bottle/bundle/BundleOutput"
import * as CredentialHandover from "@bottle/bundle/CredentialHandover"
import * as EgressDaemon from "@bottle/bundle/EgressDaemon"
import type { LogLine } from "@bottle/docker/ContainerLogs"
import * as ContainerRemove from "@bottle/docker/ContainerRemove"
import { Docker } from "@bottle/docker/Docker"
import type { DockerError } from "@bottle/docker/DockerError"
import * as NetworkRemove from "@bottle/docker/NetworkRemove"
import * as Carry from "@bottle/egress/Carry"
import type { EgressEvent } from "@bottle/egress/EgressEvent"
import * as Interfaces from "@bottle/egress/Interfaces"
import * as Policy from "@bottle/egress/Policy"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Bundle, BundleRequest, RunningBundle } from "./Bundle.js"
import { type BundleError, ReloadFailed } from "./BundleError.js"
import * as BundleImage from "./BundleImage.js"
import { Engine } from "./Engine.js"
import * as DockerResource from "./internal/dockerResource.js"
import { fileFailed } from "./internal/files.js"
import { checkUpstream } from "./internal/planChecks.js"
import { checkCredentials } from "./internal/reloadable.js"
import * as Ring from "./internal/ring.js"
import { stage } from "./internal/stage.js"
import { BundleDied, BundleFailed, type HostFileFailed, StageFailed } from "./LaunchError.js"
import { notify } from "./LaunchObserver.js"
import * as LaunchPlan from "./LaunchPlan.js"

/** A container's program is up within a second; a machine with much to do takes some. */
const READY_TIMEOUT_MILLIS = 60_000

/** Reading a file takes milliseconds; the daemon's way to the container and back is most of it. */
const RELOAD_TIMEOUT_MILLIS = 10_000

/** Decisions that are kept for readers, as many as the proxy itself keeps. */
const EVENTS_MAX = 4096

/** What of the container's words stands in an error. */
const LAST_WORDS = 3
const LAST_WORDS_CHARS_MAX = 300

/** The container's user reads it; the bottle's own directory around it lets nobody else of the host pass. */
const CONFIG_MODE = 0o755
const CONFIG_FILE_MODE = 0o644

type Service = Context.Tag.Service<typeof Docker>

/**
 * A bundle that runs in a container. Its network is made when it is prepared, its container when it is started; each is
 * removed by its name when the scope closes, the container first, whatever became of the other one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  Context.Tag.Service<Bundle>,
  never,
  Docker | Engine | FileSystem.FileSystem
> = Effect.gen(function* () {
  const docker = yield* Docker
  const fs = yield* FileSystem.FileSystem
  const { directories } = yield* Engine
  return {
    prepare: (plan) =>
      Effect.gen(function* () {
        if (plan.bundle._tag !== "Container") return plan
        yield* BundleImage.ensure(plan.bundle, directories.cache).pipe(
          Effect.provideService(Docker, docker),
          Effect.provideService(FileSystem.FileSystem, fs)
        )
        return yield* acquireNetwork(docker, plan, plan.bundle)
      }),
    start: (request) =>
      Effect.gen(function* () {
        const { bundle } = request.plan
        if (bundle._tag !== "Container") {
          return yield* new BundleFailed({
            reason: "the plan has no bundle in a container",
            advice: "Use Bundle.layer, or plan with the bundle container."
          })
        }
        return yield* start(docker, fs, request, bundle)
      })
  }
})

/** Whether what has our name is ours: two users of one daemon may have chosen the same. */
const isOwn =
  (bundle: LaunchPlan.PlannedContainer) =>
  ({ labels }: { readonly labels: Readonly<Record<string, string>> }): boolean =>
    Object.entries(bundle.labels).every(([label, value]) => labels[label] === value)

const byHand = (bundle: LaunchPlan.PlannedContainer, argv: Either.Either<ReadonlyArray<string>, DockerError>): string =>
  [bundle.program, ...Either.getOrElse(argv, () => [])].join(" ")

/** Makes the network of the first candidate that docker takes, and gives the plan that names it. */
const acquireNetwork = (
  docker: Service,
  plan: LaunchPlan.LaunchPlan,
  bundle: LaunchPlan.PlannedContainer
): Effect.Effect<LaunchPlan.LaunchPlan, StageFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const name = bundle.network
    const creation = yield* DockerResource.own({
      what: `network ${name}`,
      byHand: byHand(bundle, NetworkRemove.argv(name)),
      isForeign: (error) => error._tag === "NetworkExists",
      remove: docker.networkRemove(name),
      isThere: Effect.map(docker.networkInspect(name), Option.exists(isOwn(bundle)))
    })
    const take = (index: number): Effect.Effect<LaunchPlan.LaunchPlan, DockerError> => {
      const tried = index === bundle.chosen ? plan : LaunchPlan.withSubnet(plan, index)
      return creation(docker.networkCreate(LaunchPlan.networkOptions({ ...bundle, chosen: index }))).pipe(
        Effect.as(tried),
        Effect.catchTag("SubnetOverlap", (error) =>
          index + 1 < bundle.candidates.length ? take(index + 1) : Effect.fail(error)
        )
      )
    }
    return yield* take(bundle.chosen).pipe(Effect.mapError(StageFailed.of("network")))
  }).pipe(stage("network"))

const start = (
  docker: Service,
  fs: FileSystem.FileSystem,
  { credentials = new Map(), policy, proof, secrets }: BundleRequest,
  bundle: LaunchPlan.PlannedContainer
): Effect.Effect<RunningBundle, BundleError, Scope.Scope> =>
  Effect.gen(function* () {
    const name = bundle.container
    const config = yield* writeConfig(fs, bundle.config, policy, proof)
    const creation = yield* DockerResource.own({
      what: `container ${name}`,
      byHand: byHand(bundle, ContainerRemove.argv(name)),
      isForeign: (error) => error._tag === "ContainerExists",
      remove: docker.containerRemove(name),
      isThere: Effect.map(docker.containerInspect(name), Option.exists(isOwn(bundle)))
    })
    yield* creation(docker.containerRun({ ...LaunchPlan.containerOptions(bundle), secrets })).pipe(
      Effect.mapError(StageFailed.of("bundle"))
    )
    const heard = yield* listen(docker, name)
    if (credentials.size > 0) yield* handOver(docker, bundle, credentials, heard)
    yield* awaitReady(heard)
    if (bundle.topology === "socket") yield* carry(bundle, heard)
    return {
      events: heard.events.stream,
      died: Deferred.await(heard.died),
      reload: yield* makeReload({ docker, name, config, heard, launched: policy })
    }
  })

/** What the container is told, in the directory that it sees. */
interface Config {
  /** Gives the digest that the answer about this policy names. */
  readonly putPolicy: (policy: Policy.Policy) => Effect.Effect<string, HostFileFailed>
}

const writeConfig = (
  fs: FileSystem.FileSystem,
  directory: string,
  policy: Policy.Policy,
  proof: string
): Effect.Effect<Config, HostFileFailed | BundleFailed> =>
  Effect.gen(function* () {
    const failed = Effect.mapError(fileFailed(directory))
    // The mode of what is made is less the umask; that of what is there is as it is set.
    yield* failed(Effect.zipRight(fs.makeDirectory(directory, { mode: CONFIG_MODE }), fs.chmod(directory, CONFIG_MODE)))
    /** In one step, so that whoever reads sees the old text or the new one, whole. */
    const put = (name: string, line: string) => {
      const aside = `${directory}/.${name}`
      const text = `${line}\n`
      return fs
        .remove(aside, { force: true })
        .pipe(
          Effect.zipRight(fs.writeFileString(aside, text, { flag: "wx", mode: CONFIG_FILE_MODE })),
          Effect.zipRight(fs.chmod(aside, CONFIG_FILE_MODE)),
          Effect.zipRight(fs.rename(aside, `${directory}/${name}`)),
          failed,
          Effect.as(text)
        )
    }
    const putPolicy: Config["putPolicy"] = (next) =>
      Effect.map(put(BundleConfig.files.policy, JSON.stringify(Policy.toDocument(next))), BundleConfig.policyDigest)
    // The container sees its own interfaces only, and a name must not turn out to be this machine.
    const addresses = yield* Effect.mapError(
      Interfaces.system.addresses,
      (error) => new BundleFailed({ reason: error.message, advice: error.suggestion })
    )
    yield* put(BundleConfig.files.hostAddresses, addresses.join("\n"))
    yield* put(BundleConfig.files.proof, proof)
    yield* putPolicy(policy)
    return { putPolicy }
  })

/** What the container has said up to now, and is yet to say. */
interface Heard {
  readonly ready: Deferred.Deferred<void>
  readonly died: Deferred.Deferred<never, BundleDied>
  readonly events: Ring.Ring<EgressEvent>
  lastSequence: number
  /** Who waits for the answer about a policy; a reason where it was refused. */
  reloading: { readonly policy: string; readonly answer: Deferred.Deferred<Option.Option<string>> } | undefined
  /** The last of what it said in words. */
  lastWords: ReadonlyArray<string>
}

/** The bundle is no more: nobody waits for it any longer. */
const lose = (heard: Heard, reason: string): Effect.Effect<void> =>
  Effect.zipRight(
    Deferred.fail(heard.died, new BundleDied({ reason })),
    Effect.sync(() => heard.events.end())
  )

/** Follows what the container prints from its start, in one fiber of the scope. */
const listen = (docker: Service, name: string): Effect.Effect<Heard, never, Scope.Scope> =>
  Effect.gen(function* () {
    const heard: Heard = {
      ready: yield* Deferred.make<void>(),
      died: yield* Deferred.make<never, BundleDied>(),
      events: Ring.make(EVENTS_MAX),
      lastSequence: 0,
      reloading: undefined,
      lastWords: []
    }
    yield* docker.containerLogs(name).pipe(
      Stream.runForEach((line) => hear(heard, line)),
      Effect.matchEffect({
        onFailure: (error) => lose(heard, `its output can no longer be followed: ${error.message}`),
        onSuccess: () => Effect.flatMap(whyEnded(docker, name), (reason) => lose(heard, withLastWords(heard, reason)))
      }),
      Effect.ensuring(lose(heard, "it was stopped")),
      Effect.forkScoped
    )
    return heard
  })

const whyEnded = (docker: Service, name: string): Effect.Effect<string> =>
  Effect.match(docker.containerInspect(name), {
    onFailure: () => "its output ended",
    onSuccess: Option.match({
      onNone: () => "its container is gone",
      onSome: ({ exitCode, status }) =>
        status === "running" ? "its output ended" : `its container ended with exit code ${exitCode}`
    })
  })

const withLastWords = ({ lastWords }: Heard, reason: string): string =>
  lastWords.length === 0 ? reason : `${reason}; it said: ${lastWords.join(" / ").slice(-LAST_WORDS_CHARS_MAX)}`

const hear = (heard: Heard, { isCut, stream, text }: LogLine): Effect.Effect<void> => {
  // Everything that has a meaning is a whole line of standard output; the rest are words, of a program that crashed.
  const line: BundleOutput.Line =
    isCut || stream === "stderr"
      ? { _tag: "Said", name: null, text: BundleOutput.visible(text) }
      : BundleOutput.parse(text)
  switch (line._tag) {
    case "Ready":
      return line.daemons.includes(EgressDaemon.NAME) ? Deferred.succeed(heard.ready, undefined) : Effect.void
    case "DaemonEnded": {
      if (line.name !== EgressDaemon.NAME) return Effect.void
      const how = line.signal === null ? `exit code ${line.code}` : line.signal
      return lose(heard, withLastWords(heard, `its egress daemon ended with ${how}`))
    }
    case "Event":
      return Effect.sync(() => {
        // Where docker begins a new file of its log, a follower is given some lines twice (docker 20.10).
        if (line.event.sequence <= heard.lastSequence) return
        heard.lastSequence = line.event.sequence
        heard.events.push(line.event)
      })
    case "Reloaded":
      return answer(heard, line.policy, Option.none())
    case "ReloadRefused":
      return line.policy === null
        ? note(heard, null, line.reason)
        : answer(heard, line.policy, Option.some(line.reason))
    case "Said":
      return note(heard, line.name, line.text)
    case "Listening":
      return Effect.void
  }
}

const note = (heard: Heard, daemon: string | null, text: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    heard.lastWords = [...heard.lastWords, text].slice(-LAST_WORDS)
    return notify({ _tag: "BundleSaid", daemon, text })
  })

/** An answer about another policy came too late for whoever waited for it, and is nobody's. */
const answer = ({ reloading }: Heard, policy: string, refusal: Option.Option<string>): Effect.Effect<void> =>
  reloading?.policy === policy ? Deferred.succeed(reloading.answer, refusal) : Effect.void

const awaitReady = (heard: Heard): Effect.Effect<void, BundleFailed> => {
  const failed = (reason: string) =>
    new BundleFailed({
      reason,
      advice: "Run the image by hand to see what it says; `bottle doctor` tells what this machine lacks."
    })
  return Deferred.await(heard.ready).pipe(
    Effect.raceFirst(Effect.mapError(Deferred.await(heard.died), (error) => failed(error.reason))),
    Effect.timeoutFail({
      duration: READY_TIMEOUT_MILLIS,
      onTimeout: () => failed(withLastWords(heard, `it did not listen within ${READY_TIMEOUT_MILLIS / 1000} s`))
    })
  )
}

/** Gives the daemon the values that it waits for before it listens, by nothing but what it reads. */
const handOver = (
  docker: Service,
  bundle: LaunchPlan.PlannedContainer,
  credentials: NonNullable<BundleRequest["credentials"]>,
  heard: Heard
): Effect.Effect<void, BundleFailed> =>
  Effect.gen(function* () {
    const stdin = CredentialHandover.encode(credentials)
    // In a fiber of its own and not itself in the race, which would not wait for its end when it is interrupted.
    const exec = yield* Effect.forkScoped(docker.containerExec({ ...LaunchPlan.credentialOptions(bundle), stdin }))
    const failed = (advice: string) => (reason: string) => new BundleFailed({ reason, advice })
    yield* Effect.raceFirst(
      Effect.mapError(Fiber.join(exec), (error) =>
        failed("The bundle's image may be of another version: leave out --bundle-image.")(
          withLastWords(heard, `it did not take the credentials: ${error.message}`)
        )
      ),
      Effect.mapError(Deferred.await(heard.died), ({ reason }) =>
        failed("Run the image by hand to see what it says; `bottle doctor` tells what this machine lacks.")(reason)
      )
    )
  }).pipe(Effect.scoped)

/** Carries the host's end of the guest's socket to the container, until either is no more. */
const carry = (
  bundle: Extract<LaunchPlan.PlannedContainer, { readonly topology: "socket" }>,
  heard: Heard
): Effect.Effect<void, BundleFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { port, socket, socketMode } = bundle
    const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const carried = yield* Carry.serve({
      listen: { _tag: "Unix", path: socket, mode: socketMode },
      to: { host: LaunchPlan.subnetOf(bundle).address, port }
    }).pipe(
      Scope.extend(scope),
      Effect.mapError((error) => new BundleFailed({ reason: error.message, advice: error.suggestion }))
    )
    yield* Effect.forkScoped(Effect.catchAll(carried.closed, (error) => lose(heard, error.message)))
    // Where the container was, something else may come to be: nothing is carried there once it is no more.
    yield* Effect.forkScoped(Effect.catchAll(Deferred.await(heard.died), () => Scope.close(scope, Exit.void)))
  })

const makeReload = ({
  config,
  docker,
  heard,
  launched,
  name
}: {
  readonly docker: Service
  readonly name: string
  readonly config: Config
  readonly heard: Heard
  readonly launched: Policy.Policy
}): Effect.Effect<RunningBundle["reload"]> =>
  Effect.map(Effect.makeSemaphore(1), (lock) => (policy) => {
    const failed = (advice: string) => (reason: string) => new ReloadFailed({ reason, advice })
    const again = failed("Try again; `bottle doctor` tells what this machine lacks.")
    return Effect.gen(function* () {
      yield* checkCredentials(launched)(policy)
      yield* Effect.mapError(checkUpstream(policy, { _tag: "Container" }), (error) =>
        failed(error.advice)(error.reason)
      )
      const digest = yield* Effect.mapError(config.putPolicy(policy), (error) => again(error.message))
      const answered = yield* Deferred.make<Option.Option<string>>()
      heard.reloading = { policy: digest, answer: answered }
      yield* Effect.mapError(docker.containerKill({ name, signal: "SIGHUP" }), (error) => again(error.message))
      const refusal = yield* Deferred.await(answered).pipe(
        Effect.raceFirst(Effect.mapError(Deferred.await(heard.died), (error) => again(error.message))),
        Effect.timeoutFail({
          duration: RELOAD_TIMEOUT_MILLIS,
          onTimeout: () =>
            again(
              withLastWords(
                heard,
                `the bundle did not answer within ${RELOAD_TIMEOUT_MILLIS / 1000} s; which policy holds is not known`
              )
            )
        })
      )
      if (Option.isSome(refusal)) return yield* failed("The bundle's image may be of another version.")(refusal.value)
    }).pipe(lock.withPermits(1))
  })
