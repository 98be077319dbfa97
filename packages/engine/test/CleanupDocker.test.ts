import * as Docker from "@bottle/docker/Docker"
import * as Executor from "@bottle/process/Executor"
import * as DockerDaemon from "@bottle/testing/DockerDaemon"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { execFileSync } from "node:child_process"
import * as Cleanup from "../src/Cleanup.js"
import { Directories } from "../src/Directories.js"
import type { LaunchPlan } from "../src/LaunchPlan.js"
import * as Ledger from "../src/Ledger.js"
import { Runtimes } from "../src/Runtimes.js"
import { as, planIn, type StandIn, standIn } from "./fixtures/ledgers.js"

const isThere = DockerDaemon.answers()
const unless = isThere ? "" : " (skipped: no docker daemon answers)"

const docker = (...args: ReadonlyArray<string>): string => execFileSync("docker", args, { encoding: "utf8" })

const runtimes = Layer.effect(
  Runtimes,
  Effect.map(Docker.Docker, (service) => ({
    smolvm: () => Effect.dieMessage("there is no runtime here"),
    docker: () => Effect.succeed(service)
  }))
).pipe(Layer.provide(Docker.layer()), Layer.provide(Executor.layer))

/** A bottle of one of two users of the daemon, who share a run directory. */
const planOf = (directory: string, state: string, suffix: string): LaunchPlan =>
  planIn(
    directory,
    suffix,
    { source: { _tag: "Bare" }, bundle: "container" },
    {
      directories: directoriesOf(directory, state),
      container: { program: "docker", image: "none", build: null }
    }
  )

const directoriesOf = (directory: string, state: string): Directories =>
  new Directories({ cache: `${directory}/cache`, state: `${directory}/${state}`, run: `${directory}/run` })

/** The network and container of a bottle, as its launch labels them; the machine is not asked for. */
const start = ({ bundle }: LaunchPlan, image: string): void => {
  if (bundle._tag !== "Container") return assert.fail("it has no container")
  const labels = Object.entries(bundle.labels).flatMap(([label, value]) => ["--label", `${label}=${value}`])
  docker("network", "create", ...labels, bundle.network)
  docker("run", "--detach", ...labels, "--network", bundle.network, "--name", bundle.container, image, "sleep", "600")
}

const claim = (plan: LaunchPlan, owner: StandIn) =>
  Effect.flatMap(Scope.make(), (scope) => Scope.extend(Ledger.claim(plan), scope)).pipe(as(owner))

const survey = (directory: string, state: string, all = false) =>
  Cleanup.survey({ directories: directoriesOf(directory, state), docker: "docker", runtimes: [], all })

describe.skipIf(!isThere)(`a cleanup on a real docker${unless}`, () => {
  it.scopedLive(
    "takes what is its own and dead, and nothing of another state directory's",
    () =>
      Temp.withTempDir((directory) =>
        Effect.gen(function* () {
          const image = yield* DockerDaemon.image({ programs: ["sleep"] })
          const label = `bottle.owner=${directory}/run`
          yield* DockerDaemon.removing(label)
          const living = yield* standIn
          const [orphan, lives, theirs, early] = [
            planOf(directory, "ours", "aaaa1"),
            planOf(directory, "ours", "aaaa2"),
            planOf(directory, "theirs", "aaaa3"),
            planOf(directory, "theirs", "aaaa4")
          ]
          yield* claim(lives, living)
          yield* claim(theirs, living)
          for (const plan of [orphan, lives, theirs, early]) start(plan, image)

          const before = (yield* DockerDaemon.labelled(label)).toSorted()
          const found = yield* survey(directory, "ours", true)
          assert.deepStrictEqual(found.unanswered, [])
          assert.deepStrictEqual(
            found.leftovers.map(({ bottle, kind, name }) => `${kind} ${name} ${bottle}`),
            [`container ${orphan.machine} ${orphan.id}`, `network ${orphan.machine} ${orphan.id}`]
          )
          assert.deepStrictEqual((yield* DockerDaemon.labelled(label)).toSorted(), before)

          for (const { failure } of yield* Cleanup.remove(found.leftovers)) assert.isNull(failure)
          assert.deepStrictEqual(
            (yield* DockerDaemon.labelled(label)).toSorted(),
            before.filter((line) => !line.endsWith(orphan.machine))
          )
          assert.deepStrictEqual((yield* survey(directory, "ours", true)).leftovers, [])
          // The other one finds its own, and the living one of its own it does not take.
          assert.deepStrictEqual(
            (yield* survey(directory, "theirs", true)).leftovers.map(({ kind, name }) => `${kind} ${name}`),
            [`container ${early.machine}`, `network ${early.machine}`]
          )
        })
      ).pipe(Effect.provide(runtimes), Effect.provide(NodeFileSystem.layer)),
    120_000
  )
})
