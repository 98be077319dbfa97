import type { Docker } from "@bottle/docker/Docker"
import type { DockerError } from "@bottle/docker/DockerError"
import * as Strays from "@bottle/process/Strays"
import type { Smolvm } from "@bottle/smolvm/Smolvm"
import type { SmolvmError } from "@bottle/smolvm/SmolvmError"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { BottleId } from "../../BottleId.js"
import type { Directories } from "../../Directories.js"
import type { PlacesUnknown } from "../../Places.js"
import { type RuntimeName, Runtimes } from "../../Runtimes.js"
import { answering, type Leftover, notRemoved, type Unanswered, within } from "./leftover.js"
import { byLabels, type Whose } from "./whose.js"

/** A daemon that is well answers within a second, and within some when it has much to do. */
const DOCKER_ANSWER_TIMEOUT_MILLIS = 20_000
const DOCKER_REMOVE_TIMEOUT_MILLIS = 60_000

/** smolvm waits three seconds for each machine that does not answer. */
const RUNTIME_ANSWER_TIMEOUT_MILLIS = 30_000

/** smolvm may wait for its own deadline, two minutes, to stop a machine. */
const RUNTIME_REMOVE_TIMEOUT_MILLIS = 180_000

/** What fails may be in use by something that ends a moment later. */
const RETRIES = 2
const RETRY_PAUSE_MILLIS_FIRST = 100

const isId = Schema.is(BottleId)

const PREFIX = "bottle-"

/** The bottle that a machine's name is made of; undefined where it is none of ours. */
export const bottleOf = (name: string): BottleId | undefined => {
  const id = name.slice(PREFIX.length)
  return name.startsWith(PREFIX) && isId(id) ? id : undefined
}

const NO_LEDGER = "no bottle of its name has a ledger here"

const sayWhose = (whose: Whose): string =>
  whose === "ours" ? NO_LEDGER : `${NO_LEDGER}; it does not say in whose state directory else it might have one`

const retried = <E, R>(work: Effect.Effect<void, E, R>): Effect.Effect<void, E, R> =>
  Effect.retry(work, { times: RETRIES, schedule: Schedule.exponential(RETRY_PAUSE_MILLIS_FIRST) })

/** Who was asked to make or enter it, and goes on without whoever asked, would have it come back. */
const endClients = (program: string, name: string) => Strays.end({ programs: [program], names: [name] })

interface Options {
  readonly directories: Directories
  /** Whether what may be another state directory's is taken too. */
  readonly all: boolean
}

type DockerService = Context.Tag.Service<Docker>

/** A container or a network, and how docker is asked about it: by its name, which docker's commands are given safely. */
interface Thing {
  readonly kind: "container" | "network"
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** Whether it is there, and no other one of its name. */
  readonly isThere: (docker: DockerService) => Effect.Effect<boolean, DockerError>
  readonly remove: (docker: DockerService) => Effect.Effect<void, DockerError>
}

const thingsOf = (docker: DockerService, run: string): Effect.Effect<ReadonlyArray<Thing>, DockerError> => {
  const marks = { labels: { "bottle.owner": run } }
  const isSame = (id: string) => Option.exists<{ readonly id: string }>((found) => found.id === id)
  return Effect.zipWith(
    docker.containerList(marks),
    docker.networkList(marks),
    (containers, networks): ReadonlyArray<Thing> => [
      ...containers.map(({ id, labels, name }) => ({
        kind: "container" as const,
        name,
        labels,
        isThere: (docker: DockerService) => Effect.map(docker.containerInspect(name), isSame(id)),
        remove: (docker: DockerService) => docker.containerRemove(name)
      })),
      ...networks.map(({ id, labels, name }) => ({
        kind: "network" as const,
        name,
        labels,
        isThere: (docker: DockerService) => Effect.map(docker.networkInspect(name), isSame(id)),
        remove: (docker: DockerService) => docker.networkRemove(name)
      }))
    ],
    { concurrent: true }
  )
}

/** The containers and networks that bear the marks of bottles of this run directory. */
export const ofDocker = (
  program: string,
  { all, directories }: Options
): Effect.Effect<ReadonlyArray<Leftover>, Unanswered, Runtimes> =>
  Effect.gen(function* () {
    const runtimes = yield* Runtimes
    const using = <A, E>(use: (docker: DockerService) => Effect.Effect<A, E>): Effect.Effect<A, E | PlacesUnknown> =>
      Effect.scoped(Effect.flatMap(runtimes.docker(program), use))
    const things = yield* using((docker) => thingsOf(docker, directories.run)).pipe(
      answering(program, DOCKER_ANSWER_TIMEOUT_MILLIS)
    )
    return things.flatMap(({ isThere, kind, labels, name, remove }): ReadonlyArray<Leftover> => {
      const whose = byLabels(directories, labels)
      const bottle = labels["bottle.id"]
      if (whose === "theirs" || !isId(bottle)) return []
      const leftover = {
        kind,
        name,
        bottle,
        why: sayWhose(whose),
        removable: whose === "ours" || all,
        // What does not answer now is not known to be gone.
        isThere: Effect.orElseSucceed(using(isThere), () => true),
        remove: endClients(program, name).pipe(
          Effect.zipRight(
            retried(using((docker) => Effect.asVoid(Effect.whenEffect(remove(docker), isThere(docker)))))
          ),
          Effect.mapError(notRemoved({ kind, name })),
          within({ kind, name }, DOCKER_REMOVE_TIMEOUT_MILLIS)
        )
      }
      return [leftover]
    })
  })

/** A runtime that is asked for its machines. */
export interface SurveyedRuntime extends RuntimeName {
  /** Whether its machines are kept below our state directory, and so are ours where they are a bottle's. */
  readonly isPrivate: boolean
}

type SmolvmService = Context.Tag.Service<Smolvm>

/** The machines of a runtime that have the name of a bottle's. */
export const ofRuntime = (
  runtime: SurveyedRuntime,
  { all, directories }: Options
): Effect.Effect<ReadonlyArray<Leftover>, Unanswered, Runtimes> =>
  Effect.gen(function* () {
    const runtimes = yield* Runtimes
    const using = <A, E>(use: (smolvm: SmolvmService) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.scoped(Effect.flatMap(runtimes.smolvm(runtime), use))
    const machines = yield* using((smolvm) => smolvm.machineLs).pipe(
      answering(runtime.program, RUNTIME_ANSWER_TIMEOUT_MILLIS)
    )
    return machines.flatMap(({ labels, name }): ReadonlyArray<Leftover> => {
      const marked = byLabels(directories, labels)
      const whose = marked === "perhaps" && runtime.isPrivate ? "ours" : marked
      const bottle = bottleOf(name)
      if (whose === "theirs" || bottle === undefined) return []
      const leftover = {
        kind: "machine" as const,
        name,
        bottle,
        why: sayWhose(whose),
        removable: whose === "ours" || all,
        isThere: using((smolvm) => smolvm.machineStatus({ name })).pipe(
          Effect.as(true),
          Effect.catchAll((error) => Effect.succeed(error._tag !== "MachineNotFound"))
        ),
        remove: endClients(runtime.program, name).pipe(
          Effect.zipRight(retried(using((smolvm) => deleteMachine(smolvm, name)))),
          Effect.mapError(notRemoved({ kind: "machine", name })),
          within({ kind: "machine", name }, RUNTIME_REMOVE_TIMEOUT_MILLIS)
        )
      }
      return [leftover]
    })
  })

const deleteMachine = (smolvm: SmolvmService, name: string): Effect.Effect<void, SmolvmError> =>
  Effect.catchTag(smolvm.machineDelete({ name }), "MachineNotFound", () => Effect.void)
