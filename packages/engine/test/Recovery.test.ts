import { waitUntil } from "@bottle/testing/Wait"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Reading from "../src/internal/ledger/reading.js"
import * as Ledger from "../src/Ledger.js"
import { PlacesUnknown } from "../src/Places.js"
import * as Recovery from "../src/Recovery.js"
import { as, linesOf, refused, standIn, tagsOf } from "./fixtures/ledgers.js"
import { abandoned, container, isGone, recordOf, type Scene } from "./fixtures/recovering.js"

// Each looks at every process of the machine, some wait for what may still come.
vi.setConfig({ testTimeout: 30_000 })

const recover = (scene: Scene, options?: Recovery.RecoveryOptions) =>
  Effect.flatMap(scene.view, (view) => Recovery.recover(view, options)).pipe(
    Effect.provide(scene.layer),
    Effect.provide(NodeFileSystem.layer)
  )

const untouched = (scene: Scene) => {
  assert.deepStrictEqual(scene.world.removed, [])
  assert.isTrue(Fs.existsSync(scene.plan.directory))
  assert.isTrue(Fs.existsSync(scene.plan.ledger))
}

/** The lines of the record that can be read, without their times. */
const recorded = ({ plan }: Scene) =>
  Fs.readFileSync(recordOf(plan), "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        const { time, ...rest } = JSON.parse(line)
        assert.match(time, /^\d{4}-/)
        return [rest]
      } catch {
        return []
      }
    })

const died = { _tag: "Ended", code: null, origin: "unknown", timedOut: false, error: "OwnerDied" }

interface WrittenClaim {
  machine: string
  places?: unknown
  resources: Array<{ kind: string; name: string }>
}

/** Writes another claim, with a checksum that is right. */
const changeClaim = ({ plan }: Scene, change: (claim: WrittenClaim) => void) => {
  const [first = "", ...others] = linesOf(plan)
  const line = JSON.parse(first)
  change(line.entry.claim)
  delete line.sum
  const text = [Reading.sealed(JSON.stringify(line)), ...others, ""].join("\n")
  Fs.writeFileSync(`${plan.ledger}/ledger.jsonl`, text)
}

/** Makes the claim one of an earlier version. */
const withoutPlaces = (scene: Scene) =>
  changeClaim(scene, (claim) => {
    assert.isDefined(claim.places)
    delete claim.places
  })

describe("Recovery.recover", () => {
  it.scopedLive("takes down the machine before its bundle, then the files, and says so in the record", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned({ options: container })
      const { machine } = scene.plan
      const recovered = yield* recover(scene)
      assert.deepStrictEqual(recovered, { id: scene.plan.id, strays: 0, failures: [] })
      assert.deepStrictEqual(scene.world.removed, [`machine ${machine}`, `container ${machine}`, `network ${machine}`])
      assert.isTrue(isGone(scene))
      assert.deepStrictEqual(recorded(scene).slice(1), [{ _tag: "Recovered", failures: 0 }, died])
    })
  )

  it.scopedLive("takes over an end that the owner has told itself, and makes no record where there is none", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned()
      Fs.writeFileSync(recordOf(scene.plan), `{"time":"2026-01-01T00:00:00Z","_tag":"Ended","code":3}\n`)
      yield* recover(scene)
      assert.deepStrictEqual(
        recorded(scene).map(({ _tag }) => _tag),
        ["Ended", "Recovered"]
      )
      const other = yield* abandoned()
      const elsewhere = Path.join(other.directory, "elsewhere")
      Fs.writeFileSync(elsewhere, "")
      Fs.rmSync(recordOf(other.plan))
      Fs.symlinkSync(elsewhere, recordOf(other.plan))
      yield* recover(other)
      assert.strictEqual(Fs.readFileSync(elsewhere, "utf8"), "")
      const none = yield* abandoned()
      Fs.rmSync(Path.dirname(recordOf(none.plan)), { recursive: true })
      yield* recover(none)
      assert.isFalse(Fs.existsSync(recordOf(none.plan)))
      assert.isTrue(isGone(none))
    })
  )

  it.scopedLive("touches no bottle whose owner lives, or may live, and takes it when it is dead", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned({ isAlive: true })
      assert.strictEqual((yield* refused(recover(scene)))._tag, "OwnerAlive")
      assert.strictEqual((yield* refused(recover(scene, { unknown: true, kept: true })))._tag, "OwnerAlive")
      untouched(scene)
      yield* scene.owner.kill
      yield* recover(scene)
      assert.isTrue(isGone(scene))
    })
  )

  it.scopedLive("touches no bottle but the one that is meant", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned({ about: { nonce: "this-one" } })
      const error = yield* refused(recover(scene, { nonce: "another-one" }))
      assert.strictEqual(error._tag, "NonceMismatch")
      untouched(scene)
      assert.notInclude(tagsOf(scene.plan), "Recovering")
      yield* recover(scene, { nonce: "this-one" })
      assert.isTrue(isGone(scene))
    })
  )

  it.scopedLive("looks for machine and container where they were made, and without places where it is itself", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned({ options: container, environment: { HOME: "/a", DOCKER_HOST: "unix:///d.sock" } })
      yield* recover(scene)
      assert.deepStrictEqual(
        scene.world.asked.map((places) => [places?.variables["HOME"], places?.variables["DOCKER_HOST"]]),
        [
          ["/a", "unix:///d.sock"],
          ["/a", "unix:///d.sock"]
        ]
      )
      const older = yield* abandoned({ options: container })
      withoutPlaces(older)
      yield* recover(older)
      assert.deepStrictEqual(older.world.asked, [undefined, undefined])
      assert.isTrue(isGone(older))
    })
  )

  it.scopedLive("leaves what is at a daemon that it does not know, and says how it goes", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned({ options: container })
      const { machine } = scene.plan
      scene.world.unknown = new PlacesUnknown({ variable: "DOCKER_HOST", place: "tcp://host:2375" })
      const { failures } = yield* recover(scene)
      assert.deepStrictEqual(
        failures.map(({ resource }) => resource),
        [`container ${machine}`, `network ${machine}`]
      )
      assert.strictEqual((yield* scene.view).state, "left")
      assert.deepStrictEqual(scene.world.removed, [`machine ${machine}`])
      scene.world.unknown = null
      yield* recover(scene)
      assert.isTrue(isGone(scene))
    })
  )

  it.scopedLive("leaves a bottle that was kept, unless it is meant", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned({ then: ({ kept, up }) => Effect.zipRight(up, kept), isClosed: true })
      assert.strictEqual((yield* scene.view).state, "kept")
      assert.strictEqual((yield* refused(recover(scene)))._tag, "BottleKept")
      untouched(scene)
      yield* recover(scene, { kept: true })
      assert.isTrue(isGone(scene))
    })
  )

  it.scopedLive("looks for a machine until none comes any more", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned({ over: { runtime: "smolvm" }, then: () => Effect.void })
      const { machine } = scene.plan
      const { world } = scene
      world.machines.clear()
      let deletes = 0
      world.onCall = (what) =>
        Effect.sync(() => {
          // As when its runtime goes on with a creation whose client is gone.
          if (what === "machine delete" && ++deletes === 4) world.machines.set(machine, {})
        })
      yield* recover(scene)
      assert.deepStrictEqual(world.removed, [`machine ${machine}`])
      assert.isAbove(deletes, 4)
      assert.isTrue(isGone(scene))
    })
  )

  it.scopedLive("looks for a container and a network until none comes any more", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned({ options: container })
      const { world } = scene
      const { machine } = scene.plan
      const labels = world.containers.get(machine) ?? {}
      world.containers.clear()
      let looks = 0
      world.onCall = (what) =>
        Effect.sync(() => {
          if (what === "container inspect" && ++looks === 3) world.containers.set(machine, labels)
        })
      yield* recover(scene)
      assert.deepStrictEqual(world.removed.slice(1), [`container ${machine}`, `network ${machine}`])
      assert.isTrue(isGone(scene))
    })
  )

  it.scopedLive("leaves what bears the same name and is somebody else's", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned({ options: container })
      const { world } = scene
      const { id, machine } = scene.plan
      const foreign = { "bottle.id": id, "bottle.owner": "/r/other", "bottle.state": "/s/other" }
      for (const things of [world.machines, world.containers, world.networks]) things.set(machine, foreign)
      assert.deepStrictEqual((yield* recover(scene)).failures, [])
      assert.deepStrictEqual(world.removed, [])
      assert.isFalse(Fs.existsSync(scene.plan.ledger))
      // Without labels the name alone says whose it is.
      const old = yield* abandoned()
      old.world.machines.set(old.plan.machine, {})
      yield* recover(old)
      assert.isTrue(isGone(old))
    })
  )

  it.scopedLive("gives up a runtime that hangs, takes down the rest, and says what is left", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned({ options: container })
      const { world } = scene
      const { machine } = scene.plan
      world.onCall = (what) => (what === "machine delete" ? Effect.never : Effect.void)
      const { failures } = yield* recover(scene, { machineTimeoutMillis: 200 })
      assert.deepStrictEqual(
        failures.map(({ resource }) => resource),
        [`machine ${machine}`]
      )
      assert.include(failures[0]?.reason, "0.2 s")
      assert.include(failures[0]?.suggestion, `machine delete --name ${machine}`)
      assert.deepStrictEqual(world.removed, [`container ${machine}`, `network ${machine}`])
      const view = yield* scene.view
      assert.strictEqual(view.state, "left")
      assert.deepStrictEqual(view.failures, failures)
      assert.deepStrictEqual(
        recorded(scene).map(({ _tag }) => _tag),
        ["StageStarted", "ReleaseFailed", "Recovered", "Ended"]
      )
      // The next one has it easier.
      world.onCall = () => Effect.void
      assert.deepStrictEqual((yield* recover(scene)).failures, [])
      assert.isTrue(isGone(scene))
      assert.lengthOf(
        recorded(scene).filter(({ _tag }) => _tag === "Ended"),
        1
      )
    })
  )

  it.scopedLive("gives up a daemon that hangs or is gone, and says what is left", () =>
    Effect.gen(function* () {
      for (const isDown of [false, true]) {
        const scene = yield* abandoned({ options: container })
        const { world } = scene
        const { machine } = scene.plan
        world.isDown = isDown
        world.onCall = (what) => (!isDown && what.endsWith("inspect") ? Effect.never : Effect.void)
        const { failures } = yield* recover(scene, { containerTimeoutMillis: 200 })
        assert.deepStrictEqual(
          failures.map(({ resource }) => resource),
          [`container ${machine}`, `network ${machine}`]
        )
        assert.deepStrictEqual(world.removed, [`machine ${machine}`])
        assert.strictEqual((yield* scene.view).state, "left")
        world.isDown = false
        world.onCall = () => Effect.void
        yield* recover(scene)
        assert.isTrue(isGone(scene))
      }
    })
  )

  it.scopedLive("is taken up by the next one when it is interrupted or killed", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned()
      const { world } = scene
      const reached = yield* Deferred.make<void>()
      world.onCall = () => Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never)
      const cut = yield* Effect.fork(recover(scene))
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(cut)
      assert.strictEqual((yield* scene.view).state, "left")
      world.onCall = () => Effect.void
      // A process that began and was killed: it holds the lock, and is the last that wrote.
      const recoverer = yield* standIn
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Ledger.recovering(yield* scene.view)
          Fs.writeFileSync(`${scene.plan.ledger}/lock`, JSON.stringify(recoverer.owner.identity))
          assert.strictEqual((yield* refused(recover(scene)))._tag, "LedgerBusy")
          yield* recoverer.kill
          yield* recover(scene)
        }).pipe(as(recoverer), Effect.provide(NodeFileSystem.layer))
      )
      assert.isTrue(isGone(scene))
    })
  )

  it.scopedLive("is done by one of two at a time", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned()
      const { world } = scene
      const reached = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      world.onCall = () => Effect.zipRight(Deferred.succeed(reached, undefined), Deferred.await(go))
      const first = yield* Effect.fork(recover(scene))
      yield* Deferred.await(reached)
      assert.strictEqual((yield* refused(recover(scene)))._tag, "LedgerBusy")
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(first)
      assert.isTrue(isGone(scene))
    })
  )

  it.scopedLive("ends the clients that the owner had started, and waits for a creation of the daemon's", () =>
    Effect.gen(function* () {
      const bin = yield* Effect.map(abandoned(), ({ directory }) => directory)
      const program = (name: string, text: string) => {
        const path = Path.join(bin, name)
        Fs.writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
        return path
      }
      const scene = yield* abandoned({
        options: container,
        suffix: `s${process.pid.toString(36).padStart(4, "0").slice(-4)}`
      })
      const { machine } = scene.plan
      const done = Path.join(bin, "done")
      const start = (...[path = "", ...args]: ReadonlyArray<string>) =>
        Effect.acquireRelease(
          Effect.sync(() => ChildProcess.spawn(path, args, { stdio: "ignore", detached: true })),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
      const smolvm = program("smolvm", "while :; do sleep 600; done")
      const docker = program("docker", `[ "$1" = run ] || exec sleep 600 "$@"\nsleep 0.3; echo > ${done}`)
      const client = yield* start(smolvm, "machine", "start", "--name", machine)
      const creation = yield* start(docker, "run", "--name", machine, "image")
      const bystander = yield* start(smolvm, "machine", "start", "--name", `${machine}x`)
      const { strays } = yield* recover(scene)
      assert.isAtLeast(strays, 2)
      yield* waitUntil(
        Effect.sync(() => client.signalCode !== null && creation.exitCode === 0),
        { boundMillis: 10_000, what: "the end of both" }
      )
      assert.isTrue(Fs.existsSync(done))
      assert.strictEqual(bystander.exitCode ?? bystander.signalCode, null)
      assert.isTrue(isGone(scene))
    })
  )

  it.scopedLive("removes no path that is not this bottle's, whatever its ledger says", () =>
    Effect.gen(function* () {
      const elsewhere = yield* abandoned({ isAlive: true })
      const precious = Path.join(elsewhere.directory, "precious")
      const scene = yield* abandoned({
        then: (ledger) =>
          Effect.zipRight(
            ledger.add({ kind: "directory", name: precious }),
            ledger.add({ kind: "file", name: `${elsewhere.directory}/demo-abc12/../precious/file` })
          )
      })
      Fs.mkdirSync(precious)
      Fs.writeFileSync(`${precious}/file`, "")
      Fs.mkdirSync(`${elsewhere.directory}/demo-abc12`)
      const { failures } = yield* recover(scene)
      assert.lengthOf(failures, 2)
      assert.isTrue(Fs.existsSync(`${precious}/file`))
      assert.isFalse(Fs.existsSync(scene.plan.directory))
      assert.strictEqual((yield* scene.view).state, "left")
      // A link that leads nowhere is there; what is not there any more holds nothing up.
      Fs.rmSync(precious, { recursive: true })
      Fs.symlinkSync(`${elsewhere.directory}/nowhere`, precious)
      assert.deepStrictEqual(
        (yield* recover(scene)).failures.map(({ resource }) => resource),
        [`directory ${precious}`]
      )
      Fs.rmSync(precious)
      assert.deepStrictEqual((yield* recover(scene)).failures, [])
      assert.isTrue(isGone(scene))
    })
  )

  it.scopedLive("removes what was added later, with what was not finished beside it", () =>
    Effect.gen(function* () {
      let partial = ""
      const scene = yield* abandoned({
        then: (ledger) => {
          partial = `${Path.dirname(Path.dirname(ledger.directory))}/out/.pack-demo-abc12`
          return ledger.add({ kind: "file", name: partial })
        }
      })
      Fs.mkdirSync(Path.dirname(partial))
      Fs.writeFileSync(partial, "")
      Fs.mkdirSync(`${Path.dirname(partial)}/..pack-demo-abc12.0123456789ab/below`, { recursive: true })
      Fs.writeFileSync(`${Path.dirname(partial)}/.pack-other`, "")
      assert.deepStrictEqual((yield* recover(scene)).failures, [])
      assert.deepStrictEqual(Fs.readdirSync(Path.dirname(partial)), [".pack-other"])
      assert.isTrue(isGone(scene))
    })
  )

  it.scopedLive("touches nothing that a ledger calls its own and that is not called as a bottle's is", () =>
    Effect.gen(function* () {
      const foreign = ["machine", "network", "container"].map((kind) => ({ kind, name: "bottle-other-zzzzz" }))
      const scene = yield* abandoned({ options: container })
      const { plan, world } = scene
      const home = `${Path.dirname(plan.directories.state)}/home`
      const paths = [
        `${home}/${plan.id}`,
        `${home}/x-${plan.id}.d`,
        `${home}/../home/.of.${plan.id}`,
        `${home}/${plan.id}/.x`
      ]
      for (const path of paths) Fs.mkdirSync(Path.resolve(path), { recursive: true })
      world.machines.set("bottle-other-zzzzz", {})
      changeClaim(scene, (claim) => {
        claim.machine = "bottle-other-zzzzz"
        claim.resources.push(...foreign, ...paths.map((name) => ({ kind: "directory", name })))
      })
      const { failures } = yield* recover(scene)
      assert.deepStrictEqual(
        [...new Set(failures.map(({ reason }) => reason))],
        ["its name is not one of this bottle's"]
      )
      assert.lengthOf(failures, foreign.length + paths.length)
      for (const path of paths) assert.isTrue(Fs.existsSync(path), path)
      assert.isTrue(world.machines.has("bottle-other-zzzzz"))
      // What is the bottle's own has gone all the same.
      assert.isFalse(world.machines.has(plan.machine))
      assert.isFalse(Fs.existsSync(plan.directory))
    })
  )

  it.scopedLive("knows the bottle's own directory also by a path that is written otherwise", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned()
      const { plan } = scene
      changeClaim(scene, (claim) => {
        for (const one of claim.resources) one.name = one.name.replace(`/${plan.id}`, `//${plan.id}`)
      })
      assert.deepStrictEqual((yield* recover(scene)).failures, [])
      assert.isFalse(Fs.existsSync(plan.directory))
    })
  )

  it.scopedLive("frees the locks that the owner held, and nobody else's", () =>
    Effect.gen(function* () {
      const scene = yield* abandoned()
      const other = yield* standIn
      const packs = `${scene.plan.directories.cache}/packs`
      Fs.mkdirSync(packs, { recursive: true })
      Fs.writeFileSync(`${packs}/a.lock`, JSON.stringify(scene.owner.owner.identity))
      Fs.writeFileSync(`${packs}/b.lock`, JSON.stringify(other.owner.identity))
      Fs.writeFileSync(`${packs}/c.lock`, "torn")
      yield* recover(scene)
      assert.deepStrictEqual(Fs.readdirSync(packs).toSorted(), ["b.lock", "c.lock"])
    })
  )

  it.scopedLive("goes by the plan where the claim cannot be read, and removes nothing where neither can", () =>
    Effect.gen(function* () {
      const damage = ({ plan }: Scene) => {
        const [first = "", ...rest] = linesOf(plan)
        Fs.writeFileSync(
          `${plan.ledger}/ledger.jsonl`,
          [first.replace('"machine"', '"mochine"'), ...rest, ""].join("\n")
        )
      }
      const scene = yield* abandoned({ options: container })
      damage(scene)
      assert.strictEqual((yield* scene.view).claim, null)
      assert.deepStrictEqual((yield* recover(scene)).failures, [])
      assert.isTrue(isGone(scene))

      const lost = yield* abandoned({ options: container })
      damage(lost)
      Fs.writeFileSync(`${lost.plan.ledger}/plan.json`, "{}")
      const result = yield* Effect.either(recover(lost))
      assert.isTrue(Either.isRight(result) && result.right.failures.length === 1)
      untouched(lost)
      assert.isTrue(Option.isSome(Option.some(yield* lost.view)))
    })
  )
})
