import { listing } from "@bottle/testing/Listing"
import { waitUntil } from "@bottle/testing/Wait"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Exit from "effect/Exit"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as BottleId from "../src/BottleId.js"
import * as Cleanup from "../src/Cleanup.js"
import type { Directories } from "../src/Directories.js"
import * as LedgerFiles from "../src/internal/ledger/files.js"
import type { LaunchPlan } from "../src/LaunchPlan.js"
import * as Ledger from "../src/Ledger.js"
import { failing, type Host, makeHost, put, unreachable } from "./fixtures/cleaning.js"
import { as, directoriesIn, planIn, type StandIn, standIn } from "./fixtures/ledgers.js"

const smolvm = { kind: "smolvm", program: "smolvm", version: "", line: "", isPrivate: false } as const

/** What is on the host, and how it is looked at. */
interface Place {
  readonly host: Host
  readonly directory: string
  readonly directories: Directories
  readonly survey: (over?: Partial<Cleanup.SurveyOptions>) => Effect.Effect<Cleanup.Survey>
}

const inPlace = <A, E, R>(use: (place: Place) => Effect.Effect<A, E, R>) =>
  Temp.withTempDir((directory) =>
    Effect.suspend(() => {
      const host = makeHost()
      const directories = directoriesIn(directory)
      const survey: Place["survey"] = (over) =>
        Cleanup.survey({ directories, docker: "docker", runtimes: [smolvm], ...over }).pipe(
          Effect.provide(host.layer),
          Effect.provide(NodeFileSystem.layer)
        )
      return use({ host, directory, directories, survey })
    })
  ).pipe(Effect.provide(NodeFileSystem.layer))

/** Claims a bottle in a scope that nobody closes, as its owner would that is killed. */
const claim = (plan: LaunchPlan, owner: StandIn, about: Ledger.About = {}) =>
  Effect.flatMap(Scope.make(), (scope) => Scope.extend(Ledger.claim(plan, about), scope)).pipe(
    as(owner),
    Effect.provide(NodeFileSystem.layer),
    Effect.orDie
  )

const shown = ({ leftovers }: Pick<Cleanup.Survey, "leftovers">, directory: string): ReadonlyArray<string> =>
  leftovers.map(
    ({ bottle, kind, name, removable }) =>
      `${kind} ${name.replace(directory, "")}${bottle === null ? "" : ` of ${bottle}`}${removable ? "" : ", stays"}`
  )

const suffixed = (suffix: string) => BottleId.fromParts("demo", suffix)

const labelsOf = (directories: Directories, id: string) => ({
  "bottle.id": id,
  "bottle.owner": directories.run,
  "bottle.state": directories.state
})

const hour = 3_600_000

const age = (path: string, millis: number = hour): void => {
  const then = new Date(Date.now() - millis)
  Fs.utimesSync(path, then, then)
}

/** Everything that one bottle can leave where its ledger is gone. */
const litter = ({ directories, host }: Place, id: BottleId.BottleId, owner: StandIn): void => {
  const { cache, run, state } = directories
  const name = BottleId.machineName(id)
  put(host.containers, name, labelsOf(directories, id))
  put(host.networks, name, labelsOf(directories, id))
  host.machines.set(name, labelsOf(directories, id))
  Fs.mkdirSync(`${run}/${id}/bundle`, { recursive: true })
  Fs.symlinkSync(`${state}/bottles/${id}`, `${run}/${id}/ledger`)
  Fs.writeFileSync(`${run}/${id}/bundle/policy.json`, "{}")
  for (const part of ["packs", "images"]) Fs.mkdirSync(`${cache}/${part}`, { recursive: true })
  Fs.writeFileSync(`${cache}/packs/.partial-${id}`, "")
  Fs.writeFileSync(`${cache}/packs/.partial-${id}.smolmachine`, "")
  Fs.mkdirSync(`${cache}/images/.context-${id}`)
  Fs.mkdirSync(`${state}/bottles/.names`, { recursive: true })
  Fs.writeFileSync(`${state}/bottles/.names/${id}`, JSON.stringify({ id, writer: owner.owner }))
  Fs.mkdirSync(`${state}/records/${id}`, { recursive: true })
  for (const file of [".plan.json", "plan.json"]) {
    Fs.writeFileSync(`${state}/records/${id}/${file}`, "")
    age(`${state}/records/${id}/${file}`)
  }
}

const littered = (id: string): ReadonlyArray<string> => [
  `machine bottle-${id} of ${id}`,
  `container bottle-${id} of ${id}`,
  `network bottle-${id} of ${id}`,
  `directory /r/${id} of ${id}`,
  `file /c/images/.context-${id} of ${id}`,
  `file /c/packs/.partial-${id} of ${id}`,
  `file /c/packs/.partial-${id}.smolmachine of ${id}`,
  `file /s/bottles/.names/${id} of ${id}`,
  `file /s/records/${id}/.plan.json of ${id}`
]

const alike = (found: ReadonlyArray<string>, place: Place): ReadonlyArray<string> =>
  found.map((line) =>
    line
      .replace(` ${place.directories.run.replace(place.directory, "")}`, " /r")
      .replace(` ${place.directories.cache.replace(place.directory, "")}`, " /c")
      .replace(` ${place.directories.state.replace(place.directory, "")}`, " /s")
  )

const names = (survey: Pick<Cleanup.Survey, "leftovers">, place: Place) => alike(shown(survey, place.directory), place)

// A recovery looks for seconds until nothing comes any more.
describe("a survey", { timeout: 60_000 }, () => {
  it.live("finds nothing where there is nothing, and asks no docker where there is none", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* place.survey({ docker: null }), { leftovers: [], unanswered: [] })
        assert.deepStrictEqual(place.host.calls, ["smolvm machine ls"])
        assert.deepStrictEqual(yield* place.survey(), { leftovers: [], unanswered: [] })
        assert.includeMembers(place.host.calls, ["docker container ls", "docker network ls"])
      })
    )
  )

  it.scopedLive("finds all that has no ledger, says why, and changes nothing", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const [dead, living] = [yield* standIn, yield* standIn]
        const gone = suffixed("aaaa1")
        const lives = planIn(place.directory, "aaaa2")
        litter(place, gone, dead)
        yield* claim(lives, living)
        litter(place, lives.id, living)
        yield* dead.kill
        const before = { files: listing(place.directory, { times: true }), host: JSON.stringify(tellHost(place.host)) }
        const found = yield* place.survey()
        assert.deepStrictEqual(found.unanswered, [])
        assert.deepStrictEqual(names(found, place), littered(gone))
        for (const { why } of found.leftovers) assert.match(why, /no ledger here|has a ledger here|no longer|no more/)
        assert.deepStrictEqual(listing(place.directory, { times: true }), before.files)
        assert.strictEqual(JSON.stringify(tellHost(place.host)), before.host)
      })
    )
  )

  const tellHost = ({ containers, machines, networks }: Host) => [[...containers], [...networks], [...machines]]

  it.scopedLive(
    "tells of a bottle by its ledger when its owner is dead, of one that was left, and never of a living one",
    () =>
      inPlace((place) =>
        Effect.gen(function* () {
          const owners = [yield* standIn, yield* standIn, yield* standIn] as const
          const plans = ["aaaa1", "aaaa2", "aaaa3"].map((suffix) => planIn(place.directory, suffix))
          const [dead, left, lives] = plans
          if (dead === undefined || left === undefined || lives === undefined) return assert.fail()
          yield* claim(dead, owners[0])
          place.host.machines.set(dead.machine, labelsOf(place.directories, dead.id))
          yield* claimedAndLeft(left, owners[1])
          yield* claim(lives, owners[2])
          yield* Effect.all([owners[0].kill, owners[1].kill])
          const found = yield* place.survey()
          assert.deepStrictEqual(names(found, place), [
            `bottle ${dead.id} of ${dead.id}`,
            `bottle ${left.id} of ${left.id}`
          ])
          assert.deepStrictEqual(
            found.leftovers.map(({ why }) => why),
            [
              `process ${owners[0].owner.identity.pid}, which held it, runs no more`,
              "not all of it could be removed: machine x"
            ]
          )
        })
      )
  )

  const claimedAndLeft = (plan: LaunchPlan, owner: StandIn, how: "left" | "kept" = "left") =>
    Effect.scoped(
      Effect.flatMap(Ledger.claim(plan), (ledger) =>
        how === "kept"
          ? ledger.kept
          : ledger.failed({ resource: "machine x", reason: "busy", suggestion: "Remove it by hand." })
      )
    ).pipe(as(owner), Effect.provide(NodeFileSystem.layer))

  it.scopedLive("leaves what was kept, and whose owner cannot be seen, to those who ask for all", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const owner = yield* standIn
        const [kept, unseen] = [planIn(place.directory, "aaaa1"), planIn(place.directory, "aaaa2")]
        yield* claimedAndLeft(kept, owner, "kept")
        yield* claim(unseen, { ...owner, owner: { ...owner.owner, pidNamespace: "pid:[1]" } })
        const some = yield* place.survey()
        assert.deepStrictEqual(names(some, place), [
          `bottle ${kept.id} of ${kept.id}, stays`,
          `bottle ${unseen.id} of ${unseen.id}, stays`
        ])
        assert.match(some.leftovers[0]?.why ?? "", /kept on purpose/)
        assert.match(some.leftovers[1]?.why ?? "", /not known/)
        const removed = yield* Cleanup.remove(some.leftovers)
        assert.deepStrictEqual(removed, [])

        const all = yield* place.survey({ all: true })
        assert.isTrue(all.leftovers.every(({ removable }) => removable))
        const failures = (yield* Cleanup.remove(all.leftovers)).map(({ failure }) => failure)
        assert.deepStrictEqual(failures, [null, null])
        assert.deepStrictEqual(yield* place.survey({ all: true }), { leftovers: [], unanswered: [] })
      })
    )
  )

  it.live("never touches what another state directory has, also where both share a run directory", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const { directories, host } = place
        const owner = yield* Effect.scoped(standIn)
        const [ours, theirs, early] = [suffixed("aaaa1"), suffixed("aaaa2"), suffixed("aaaa3")]
        litter(place, ours, owner)
        const state = `${place.directory}/other`
        const name = BottleId.machineName(theirs)
        const labels = { ...labelsOf(directories, theirs), "bottle.state": state }
        put(host.containers, name, labels)
        put(host.networks, name, labels)
        host.machines.set(name, labels)
        Fs.mkdirSync(`${directories.run}/${theirs}`)
        Fs.symlinkSync(`${state}/bottles/${theirs}`, `${directories.run}/${theirs}/ledger`)
        // Of a release that wrote nothing of the state directory down.
        const unmarked = { "bottle.id": early, "bottle.owner": directories.run }
        put(host.containers, BottleId.machineName(early), unmarked)
        host.machines.set(BottleId.machineName(early), {})
        host.machines.set("bottle-of-mine", {})
        host.machines.set("default", {})
        Fs.mkdirSync(`${directories.run}/${early}`)

        const some = yield* place.survey()
        assert.deepStrictEqual(
          names(some, place).filter((line) => !line.includes(ours)),
          [
            `machine bottle-${early} of ${early}, stays`,
            `container bottle-${early} of ${early}, stays`,
            `directory /r/${early} of ${early}, stays`
          ]
        )
        const all = yield* place.survey({ all: true })
        assert.deepStrictEqual(
          names(all, place).filter((line) => !line.includes(ours)),
          [
            `machine bottle-${early} of ${early}`,
            `container bottle-${early} of ${early}`,
            `directory /r/${early} of ${early}`
          ]
        )
        for (const { failure } of yield* Cleanup.remove(all.leftovers)) assert.isNull(failure)
        assert.deepStrictEqual([...host.containers.keys()], [name])
        assert.deepStrictEqual([...host.networks.keys()], [name])
        assert.deepStrictEqual([...host.machines.keys()], [name, "bottle-of-mine", "default"])
        assert.deepStrictEqual(Fs.readdirSync(directories.run), [theirs])
      })
    )
  )

  it.live("takes an unmarked machine for ours where its runtime keeps them in our state directory", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const id = suffixed("aaaa1")
        place.host.machines.set(BottleId.machineName(id), {})
        const own = { ...smolvm, isPrivate: true }
        assert.deepStrictEqual(names(yield* place.survey({ runtimes: [own] }), place), [
          `machine bottle-${id} of ${id}`
        ])
        const run = `${place.directories.state}/run`
        Fs.mkdirSync(`${run}/${id}`, { recursive: true })
        const directories = { ...place.directories, run }
        assert.include(names(yield* place.survey({ directories }), place), `directory /s/run/${id} of ${id}`)
      })
    )
  )

  it.scopedLive("says nothing of what is launched while it looks", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const { directories, host } = place
        const owner = yield* standIn
        const plan = planIn(place.directory, "aaaa1")
        // As a launch does: first the ledger, then the machine, which the runtime then tells of.
        host.onCall = (call) =>
          call === "smolvm machine ls"
            ? Effect.map(claim(plan, owner), () => void host.machines.set(plan.machine, labelsOf(directories, plan.id)))
            : Effect.void
        assert.deepStrictEqual(yield* place.survey({ all: true }), { leftovers: [], unanswered: [] })
        assert.isTrue(host.machines.has(plan.machine))
      })
    )
  )

  it.live("says nothing of what a bottle that was closing has removed since", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const { directories, host } = place
        const name = BottleId.machineName(suffixed("aaaa1"))
        put(host.containers, name, labelsOf(directories, suffixed("aaaa1")))
        put(host.networks, name, labelsOf(directories, suffixed("aaaa1")))
        host.machines.set(name, labelsOf(directories, suffixed("aaaa1")))
        // Between the list and the second look.
        host.onCall = (call) =>
          Effect.sync(() => {
            if (call.startsWith("docker container inspect")) host.containers.clear()
            if (call.startsWith("docker network inspect")) host.networks.clear()
            if (call.startsWith("smolvm machine status")) host.machines.clear()
          })
        assert.deepStrictEqual(yield* place.survey(), { leftovers: [], unanswered: [] })
      })
    )
  )

  it.live("takes nothing for orphaned where the ledgers cannot be read", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const owner = yield* Effect.scoped(standIn)
        litter(place, suffixed("aaaa1"), owner)
        Fs.rmSync(`${place.directories.state}/bottles`, { recursive: true })
        Fs.writeFileSync(`${place.directories.state}/bottles`, "")
        const { leftovers, unanswered } = yield* place.survey({ all: true })
        assert.deepStrictEqual(leftovers, [])
        assert.deepStrictEqual(
          unanswered.map(({ asked }) => asked),
          ["the state directory"]
        )
      })
    )
  )
})

describe("who does not answer", () => {
  it.effect("is told of once, and the rest goes on", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const { directories, host } = place
        const id = suffixed("aaaa1")
        host.machines.set(BottleId.machineName(id), labelsOf(directories, id))
        host.onCall = (call) => (call.startsWith("docker") ? Effect.never : Effect.void)
        const surveying = yield* Effect.fork(place.survey())
        yield* waitUntil(
          Effect.sync(() => host.calls.filter((call) => call.startsWith("docker")).length === 2),
          { boundMillis: 10_000, what: "docker to be asked" }
        )
        yield* TestClock.adjust("20 seconds")
        const { leftovers, unanswered } = yield* Fiber.join(surveying)
        assert.lengthOf(unanswered, 1)
        assert.strictEqual(unanswered[0]?.message, "what is left in docker is not known: it did not answer within 20 s")
        assert.isFalse(unanswered[0]?.isAbsent)
        assert.deepStrictEqual(names({ leftovers }, place), [`machine bottle-${id} of ${id}`])
      })
    )
  )

  it.live("is told apart from who is not there", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        place.host.onCall = (call) => (call.startsWith("docker") ? unreachable : Effect.void)
        const { unanswered } = yield* place.survey()
        assert.deepStrictEqual(
          unanswered.map(({ asked, isAbsent }) => ({ asked, isAbsent })),
          [{ asked: "docker", isAbsent: true }]
        )
        place.host.onCall = (call) => (call.startsWith("docker") ? failing : Effect.void)
        assert.isFalse((yield* place.survey()).unanswered[0]?.isAbsent)
      })
    )
  )
})

describe("a cleanup", { timeout: 60_000 }, () => {
  it.scopedLive("removes everything, what belongs together in order, and leaves what lives", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const { directories, host } = place
        const [dead, living] = [yield* standIn, yield* standIn]
        const lives = planIn(place.directory, "aaaa2")
        yield* claim(lives, living)
        litter(place, lives.id, living)
        const before = listing(place.directory)
        const hostBefore = [[...host.containers.keys()], [...host.networks.keys()], [...host.machines.keys()]]
        litter(place, suffixed("aaaa1"), dead)
        const abandoned = planIn(place.directory, "aaaa3")
        yield* claim(abandoned, dead, { name: "web" })
        host.machines.set(abandoned.machine, labelsOf(directories, abandoned.id))
        Fs.mkdirSync(abandoned.directory, { recursive: true })
        yield* dead.kill

        const { leftovers } = yield* place.survey()
        const removed = yield* Cleanup.remove(leftovers)
        assert.lengthOf(removed, leftovers.length)
        assert.deepStrictEqual(
          removed.filter(({ failure }) => failure !== null),
          []
        )
        const record = `records/${suffixed("aaaa1")}`
        assert.deepStrictEqual(
          listing(place.directory).filter((line) => !line.includes(record)),
          before
        )
        assert.deepStrictEqual(
          [[...host.containers.keys()], [...host.networks.keys()], [...host.machines.keys()]],
          hostBefore
        )
        assert.deepStrictEqual(yield* place.survey(), { leftovers: [], unanswered: [] })
      })
    )
  )

  it.live("says by name what it could not remove, and removes the rest", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const { directories, host } = place
        const owner = yield* Effect.scoped(standIn)
        litter(place, suffixed("aaaa1"), owner)
        litter(place, suffixed("aaaa2"), owner)
        const stuck = BottleId.machineName(suffixed("aaaa1"))
        host.onCall = (call) => (call === `docker rm ${stuck}` ? failing : Effect.void)
        const { leftovers } = yield* place.survey()
        const failures = (yield* Cleanup.remove(leftovers)).flatMap(({ failure }) =>
          failure === null ? [] : [failure]
        )
        assert.deepStrictEqual(
          failures.map(({ kind, name }) => `${kind} ${name}`),
          [`container ${stuck}`, `network ${stuck}`]
        )
        assert.strictEqual(
          failures[0]?.message,
          `container ${stuck} could not be removed: docker rm failed with exit code 1: no space`
        )
        assert.notStrictEqual(failures[0]?.suggestion, "")
        const rest = yield* place.survey({ directories })
        assert.deepStrictEqual(names(rest, place), [
          `container ${stuck} of ${suffixed("aaaa1")}`,
          `network ${stuck} of ${suffixed("aaaa1")}`
        ])
      })
    )
  )

  it.scopedLive("leaves alone what has a ledger by then", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const owner = yield* standIn
        const plan = planIn(place.directory, "aaaa1")
        place.host.machines.set(plan.machine, labelsOf(place.directories, plan.id))
        const { leftovers } = yield* place.survey()
        assert.lengthOf(leftovers, 1)
        yield* claim(plan, owner)
        const [removal] = yield* Cleanup.remove(leftovers)
        assert.match(removal?.failure?.message ?? "", /its bottle has a ledger now/)
        assert.isTrue(place.host.machines.has(plan.machine))
      })
    )
  )

  it.scopedLive("leaves a directory alone at whose socket somebody answers", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const { directories } = place
        const [served, silent] = [suffixed("aaaa1"), suffixed("aaaa2")]
        for (const id of [served, silent]) {
          Fs.mkdirSync(`${directories.run}/${id}`, { recursive: true })
          Fs.symlinkSync(`${directories.state}/bottles/${id}`, `${directories.run}/${id}/ledger`)
        }
        yield* listen(`${directories.run}/${served}/control.sock`)
        const scope = yield* Scope.make()
        yield* Scope.extend(listen(`${directories.run}/${silent}/control.sock`), scope)
        const other = `${directories.run}/${silent}/left.sock`
        Fs.renameSync(`${directories.run}/${silent}/control.sock`, other)
        yield* Scope.close(scope, Exit.void)
        assert.isTrue(Fs.existsSync(other))
        const found = yield* place.survey({ all: true })
        assert.deepStrictEqual(names(found, place), [
          `directory /r/${served} of ${served}, stays`,
          `directory /r/${silent} of ${silent}`
        ])
        assert.match(found.leftovers[0]?.why ?? "", /somebody answers at its control.sock/)
        yield* Cleanup.remove(found.leftovers)
        assert.deepStrictEqual(Fs.readdirSync(directories.run), [served])
      })
    )
  )

  const listen = (path: string) =>
    Effect.acquireRelease(
      Effect.async<Net.Server>((resume) => {
        const server = Net.createServer((socket) => socket.destroy()).listen(path, () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
    )

  it.live("follows no link", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const { directories, directory } = place
        const owner = yield* Effect.scoped(standIn)
        const id = suffixed("aaaa1")
        litter(place, id, owner)
        const precious = `${directory}/precious`
        Fs.mkdirSync(`${precious}/sub`, { recursive: true })
        Fs.writeFileSync(`${precious}/sub/file`, "mine")
        Fs.symlinkSync(precious, `${directories.run}/${id}/link`)
        Fs.symlinkSync(`${precious}/sub/file`, `${directories.run}/${id}/file`)
        Fs.rmSync(`${directories.cache}/images/.context-${id}`, { recursive: true })
        Fs.symlinkSync(precious, `${directories.cache}/images/.context-${id}`)
        // What is no directory of ours is not looked into either.
        Fs.symlinkSync(precious, `${directories.run}/${suffixed("aaaa2")}`)
        const { leftovers } = yield* place.survey({ all: true })
        assert.notInclude(names({ leftovers }, place).join(), "aaaa2")
        for (const { failure } of yield* Cleanup.remove(leftovers)) assert.isNull(failure)
        assert.strictEqual(Fs.readFileSync(`${precious}/sub/file`, "utf8"), "mine")
        assert.isFalse(Fs.existsSync(`${directories.run}/${id}`))
        assert.throws(() => Fs.lstatSync(`${directories.cache}/images/.context-${id}`))
        assert.isTrue(Fs.lstatSync(`${directories.run}/${suffixed("aaaa2")}`).isSymbolicLink())
      })
    )
  )

  it.scopedLive("takes the locks of those who were killed, and not of those who live", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const { cache } = place.directories
        const [dead, living] = [yield* standIn, yield* standIn]
        Fs.mkdirSync(`${cache}/packs`, { recursive: true })
        const lock = (name: string, text: string, isOld = true) => {
          Fs.writeFileSync(`${cache}/packs/${name}`, text)
          if (isOld) age(`${cache}/packs/${name}`)
        }
        const holder = ({ owner }: StandIn) => JSON.stringify(owner.identity)
        yield* dead.kill
        lock("killed.lock", holder(dead))
        lock("held.lock", holder(living))
        lock("torn.lock", "{")
        lock(`a.lock.${dead.owner.identity.pid}.00ff00ff`, "")
        lock(`b.lock.${living.owner.identity.pid}.00ff00ff`, "")
        lock(`c.lock.${dead.owner.identity.pid}.00ff00ff`, "", false)
        Fs.mkdirSync(`${cache}/packs/d.lock.breaking`)
        age(`${cache}/packs/d.lock.breaking`)
        Fs.mkdirSync(`${cache}/packs/e.lock.breaking`)
        const bottles = Ledger.bottlesOf(place.directories)
        Fs.mkdirSync(bottles, { recursive: true })
        Fs.writeFileSync(`${bottles}/.sweep`, holder(dead))
        const { leftovers } = yield* place.survey()
        assert.deepStrictEqual(names({ leftovers }, place), [
          `lock /c/packs/a.lock.${dead.owner.identity.pid}.00ff00ff`,
          "lock /c/packs/d.lock.breaking",
          "lock /c/packs/killed.lock",
          "lock /c/packs/torn.lock",
          "lock /s/bottles/.sweep"
        ])
        for (const { failure } of yield* Cleanup.remove(leftovers)) assert.isNull(failure)
        assert.deepStrictEqual(Fs.readdirSync(`${cache}/packs`).toSorted(), [
          `b.lock.${living.owner.identity.pid}.00ff00ff`,
          `c.lock.${dead.owner.identity.pid}.00ff00ff`,
          "e.lock.breaking",
          "held.lock"
        ])
        assert.deepStrictEqual(Fs.readdirSync(bottles), [])
      })
    )
  )

  it.scopedLive("leaves what is begun in a cache that somebody makes something in", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const { cache } = place.directories
        const living = yield* standIn
        litter(place, suffixed("aaaa1"), living)
        const lock = `${cache}/packs/some.smolmachine.lock`
        Fs.writeFileSync(lock, JSON.stringify(living.owner.identity))
        const busy = (yield* place.survey()).leftovers.filter(({ name }) => name.includes(".partial-"))
        assert.deepStrictEqual(
          busy.map(({ removable }) => removable),
          [false, false]
        )
        assert.match(busy[0]?.why ?? "", /is making something there/)
        yield* living.kill
        const free = (yield* place.survey()).leftovers.filter(({ name }) => name.includes(".partial-"))
        assert.deepStrictEqual(
          free.map(({ removable }) => removable),
          [true, true]
        )
      })
    )
  )

  it.scopedLive("keeps a reserved name whose bottle is yet to be claimed, or has its ledger", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const [dead, living] = [yield* standIn, yield* standIn]
        const bottles = Ledger.bottlesOf(place.directories)
        const plan = planIn(place.directory, "aaaa1")
        yield* claim(plan, dead, { name: "with-ledger" })
        const reserve = (name: string, text: string) => Fs.writeFileSync(`${bottles}/.names/${name}`, text)
        reserve("to-be-claimed", JSON.stringify({ id: suffixed("aaaa2"), writer: living.owner }))
        reserve("never-claimed", JSON.stringify({ id: suffixed("aaaa3"), writer: dead.owner }))
        reserve("torn", "{")
        age(`${bottles}/.names/torn`)
        reserve("being-written", "")
        yield* dead.kill
        const found = (yield* place.survey()).leftovers.filter(({ kind }) => kind === "file")
        assert.deepStrictEqual(names({ leftovers: found }, place), [
          `file /s/bottles/.names/never-claimed of ${suffixed("aaaa3")}`,
          "file /s/bottles/.names/torn"
        ])
        for (const { failure } of yield* Cleanup.remove(found)) assert.isNull(failure)
        assert.deepStrictEqual(
          Fs.readdirSync(`${bottles}/.names`)
            .filter((name) => !name.startsWith("."))
            .toSorted(),
          ["being-written", "to-be-claimed", "with-ledger"]
        )
      })
    )
  )

  it.scopedLive("takes what was being made or removed of a ledger", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        const [dead, living] = [yield* standIn, yield* standIn]
        const bottles = Ledger.bottlesOf(place.directories)
        const aside = ({ owner }: StandIn, id: string) => LedgerFiles.aside("new", id, owner)
        for (const [owner, id] of [
          [dead, "demo-aaaa1"],
          [living, "demo-aaaa2"]
        ] as const) {
          Fs.mkdirSync(`${bottles}/${aside(owner, id)}`, { recursive: true })
        }
        yield* dead.kill
        const { leftovers } = yield* place.survey()
        assert.deepStrictEqual(names({ leftovers }, place), [`file /s/bottles/${aside(dead, "demo-aaaa1")}`])
        for (const { failure } of yield* Cleanup.remove(leftovers)) assert.isNull(failure)
        assert.isTrue(Fs.existsSync(`${bottles}/${aside(living, "demo-aaaa2")}`))
      })
    )
  )

  it.live("asks who else may know", () =>
    inPlace((place) =>
      Effect.gen(function* () {
        let isGone = false
        const own: Cleanup.Leftover = {
          kind: "process",
          name: "web (1, 2)",
          bottle: null,
          why: "its machine is gone",
          removable: true,
          isThere: Effect.sync(() => !isGone),
          remove: Effect.sync(() => {
            isGone = true
          })
        }
        const silent = new Cleanup.Unanswered({ asked: "it", reason: "no", advice: "Ask again.", isAbsent: false })
        const finders = [Effect.succeed([own]), Effect.fail(silent)]
        const { leftovers, unanswered } = yield* place.survey({ finders })
        assert.deepStrictEqual(leftovers, [own])
        assert.deepStrictEqual(unanswered, [silent])
        yield* Cleanup.remove(leftovers)
        assert.deepStrictEqual((yield* place.survey({ finders })).leftovers, [])
      })
    )
  )
})
