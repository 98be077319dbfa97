import * as Temp from "@bottle/testing/Temp"
import * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import { containerSettings } from "./fixtures/launching.js"
import * as Fixture from "./fixtures/ledgers.js"
import * as LedgerFiles from "../src/internal/ledger/files.js"
import { here } from "../src/internal/ledger/owner.js"
import { type LaunchEvent, LaunchObserver } from "../src/LaunchObserver.js"
import * as Ledger from "../src/Ledger.js"

const { as, directoriesIn, filesBelow, linesOf, planIn, refused, standIn, tagsOf, withFiles } = Fixture

/** A test with an empty directory of its own. */
const inDirectory = <A, E>(
  use: (directory: string) => Effect.Effect<A, E, Scope.Scope | FileSystem.FileSystem>
): Effect.Effect<A, E> => withFiles(Temp.withTempDir(use))

const viewIn = (directory: string, suffix = "abc12") =>
  Effect.map(Ledger.read(directoriesIn(directory), planIn(directory, suffix).id), Option.getOrThrow)

const modeOf = (path: string): number => Fs.statSync(path).mode & 0o777

const failure = { resource: "machine m", reason: "it is busy", suggestion: "Remove it by hand." }

/** A ledger whose owner was killed while the bottle was up. */
const abandoned = (directory: string, about: Ledger.About = {}, suffix = "abc12") =>
  Effect.gen(function* () {
    const owner = yield* standIn
    const scope = yield* Scope.make()
    const ledger = yield* Ledger.claim(planIn(directory, suffix), about).pipe(as(owner), Scope.extend(scope))
    yield* ledger.up
    yield* owner.kill
    return yield* viewIn(directory, suffix)
  })

describe("Ledger.claim", () => {
  it.live("writes down all there will be, for its owner's eyes only, and takes it away at the end", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const plan = planIn(directory)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const ledger = yield* Ledger.claim(plan, {
              name: "My Box",
              kind: "keeper",
              ttlMillis: 1000,
              idleMillis: 500,
              command: ["make"]
            })
            assert.strictEqual(ledger.directory, plan.ledger)
            const view = yield* viewIn(directory)
            assert.strictEqual(view.state, "launching")
            assert.strictEqual(view.damaged, 0)
            assert.strictEqual(view.holder?.identity.pid, process.pid)
            const { claim } = view
            assert.deepInclude(claim, {
              id: plan.id,
              name: "my-box",
              kind: "keeper",
              nonce: ledger.nonce,
              machine: "bottle-demo-abc12",
              container: null,
              ttlMillis: 1000,
              idleMillis: 500,
              command: ["make"]
            })
            assert.deepStrictEqual(claim?.directories, directoriesIn(directory))
            assert.deepStrictEqual(yield* Ledger.plan(view), plan)
            for (const path of [plan.ledger, `${directory}/state/bottles`]) assert.strictEqual(modeOf(path), 0o700)
            for (const name of ["ledger.jsonl", "plan.json"]) {
              assert.strictEqual(modeOf(`${plan.ledger}/${name}`), 0o600)
            }
            yield* ledger.up
            assert.strictEqual((yield* viewIn(directory)).state, "up")
            yield* ledger.closing
            assert.strictEqual((yield* viewIn(directory)).state, "closing")
          })
        )
        assert.isTrue(Option.isNone(yield* Ledger.read(directoriesIn(directory), plan.id)))
        assert.deepStrictEqual(filesBelow(`${directory}/state/bottles`), [])
      })
    )
  )

  it.live("names what the bundle's container and the pack will be called", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const build = { dockerfile: "/d/Dockerfile", program: "/d/bundle.mjs", base: "node" }
        const plan = planIn(
          directory,
          "abc12",
          { source: { _tag: "Image", reference: "alpine" }, bundle: "container", allow: ["example.com"] },
          { container: { ...containerSettings, build } }
        )
        yield* Ledger.claim(plan)
        const { claim } = yield* viewIn(directory)
        assert.deepStrictEqual(
          claim?.resources.map(({ kind, name }) => `${kind} ${name.replace(directory, "")}`),
          [
            "machine bottle-demo-abc12",
            "container bottle-demo-abc12",
            "network bottle-demo-abc12",
            "directory /cache/images/.context-demo-abc12",
            "directory /run/demo-abc12",
            "file /cache/packs/.partial-demo-abc12",
            "file /cache/packs/.partial-demo-abc12.smolmachine"
          ]
        )
        assert.strictEqual(claim?.container?.program, "docker")
      })
    )
  )

  it.live("notes what comes later, and another plan", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const plan = planIn(directory)
        const ledger = yield* Ledger.claim(plan)
        const resource = { kind: "file", name: "/tmp/x" } as const
        yield* ledger.add(resource)
        const other = planIn(directory, "abc12", { source: { _tag: "Bare" }, cpus: 2 })
        yield* ledger.planned(other)
        const view = yield* viewIn(directory)
        assert.deepStrictEqual(view.claim?.resources.at(-1), resource)
        assert.deepStrictEqual(yield* Ledger.plan(view), other)
        assert.deepStrictEqual(Fs.readdirSync(plan.ledger).toSorted(), ["ledger.jsonl", "plan.json"])
      })
    )
  )

  it.live("writes nothing that may not follow", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const plan = planIn(directory)
        const ledger = yield* Ledger.claim(plan)
        yield* ledger.up
        yield* ledger.up
        yield* ledger.closing
        yield* ledger.closing
        yield* ledger.up
        assert.deepStrictEqual(tagsOf(plan), ["Claimed", "Up", "Closing"])
      })
    )
  )

  for (const [what, expected, notes] of [
    ["left what could not be removed", "left", (ledger: Ledger.OwnLedger) => ledger.failed(failure)],
    ["kept what was to be kept", "kept", (ledger: Ledger.OwnLedger) => ledger.kept],
    [
      "kept what was to be kept, and left something else",
      "kept",
      (ledger: Ledger.OwnLedger) => Effect.zipRight(ledger.failed(failure), ledger.kept)
    ]
  ] as const) {
    it.live(`stays, and says so, when its owner ${what}`, () =>
      inDirectory((directory) =>
        Effect.gen(function* () {
          const plan = planIn(directory)
          yield* Effect.scoped(Effect.flatMap(Ledger.claim(plan, { name: "box" }), notes))
          const view = yield* viewIn(directory)
          assert.strictEqual(view.state, expected)
          assert.deepStrictEqual(view.failures, what.includes("something") || expected === "left" ? [failure] : [])
          assert.isNull(view.holder)
          assert.strictEqual(yield* Ledger.liveness(view), "dead")
          // Nobody uses the name any longer.
          assert.isTrue(Option.isNone(yield* Ledger.named(directoriesIn(directory), "box")))
        })
      )
    )
  }

  it.live("fails when the bottle has a ledger already, and leaves that alone", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const plan = planIn(directory)
        yield* Ledger.claim(plan)
        const before = linesOf(plan)
        const error = yield* refused(Effect.scoped(Ledger.claim(plan, { name: "box" })))
        assert.strictEqual(error._tag, "LedgerFailed")
        assert.include(error.message, "has one already")
        assert.deepStrictEqual(linesOf(plan), before)
      })
    )
  )
})

/** What a full disk answers. */
const full = (method: string) =>
  new PlatformError.SystemError({
    module: "FileSystem",
    method,
    reason: "Unknown",
    pathOrDescriptor: "/x",
    description: "ENOSPC: no space left on device, write"
  })

/**
 * A file system that is full when `isFull` says so of what takes place. What only frees still works, and a write that
 * fails has written half.
 */
const filling = (isFull: (method: string) => boolean): Layer.Layer<FileSystem.FileSystem> =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => {
      const gate = <A, R>(
        method: string,
        work: Effect.Effect<A, PlatformError.PlatformError, R>,
        half: Effect.Effect<unknown, PlatformError.PlatformError, R> = Effect.void
      ) => Effect.suspend(() => (isFull(method) ? Effect.zipRight(half, Effect.fail(full(method))) : work))
      const limited = (file: FileSystem.File): FileSystem.File => ({
        ...file,
        fd: file.fd,
        stat: file.stat,
        seek: (...args) => file.seek(...args),
        read: (buffer) => file.read(buffer),
        readAlloc: (size) => file.readAlloc(size),
        truncate: (length) => file.truncate(length),
        write: (buffer) => file.write(buffer),
        sync: gate("sync", file.sync),
        writeAll: (bytes) =>
          gate("writeAll", file.writeAll(bytes), file.writeAll(bytes.subarray(0, Math.floor(bytes.length / 2))))
      })
      return FileSystem.FileSystem.of({
        ...fs,
        open: (path, options) =>
          options?.flag === "r" ? fs.open(path, options) : gate("open", Effect.map(fs.open(path, options), limited)),
        makeDirectory: (path, options) => gate("makeDirectory", fs.makeDirectory(path, options)),
        writeFileString: (path, text, options) =>
          gate(
            "writeFileString",
            fs.writeFileString(path, text, options),
            fs.writeFileString(path, text.slice(0, 10), options)
          ),
        rename: (from, to) => gate("rename", fs.rename(from, to))
      })
    })
  ).pipe(Layer.provide(NodeFileSystem.layer))

/** Runs with who listens to the launch, and gives what was said. */
const listening = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const heard: Array<LaunchEvent> = []
    return Effect.as(
      Effect.provideService(effect, LaunchObserver, { notify: (event) => Effect.sync(() => void heard.push(event)) }),
      heard
    )
  })

describe("a full disk", () => {
  it.live("at any write of a claim leaves nothing, and says so", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        let refusals = 0
        for (let at = 0; ; at++) {
          const plan = planIn(`${directory}/${at}`)
          let writes = 0
          const claimed = yield* Effect.exit(
            Effect.scoped(Ledger.claim(plan, { name: "box" })).pipe(Effect.provide(filling(() => writes++ >= at)))
          )
          if (Exit.isSuccess(claimed)) break
          refusals += 1
          const error = yield* refused(claimed)
          assert.strictEqual(error._tag, "LedgerFailed")
          assert.include(error.message, "ENOSPC: no space left on device")
          assert.deepStrictEqual(filesBelow(`${directory}/${at}/state/bottles`), [])
        }
        // The directory, the name, the ledger's directory, the plan, the file, the line, its sync, the rename.
        assert.isAtLeast(refusals, 8)
      })
    )
  )

  it.live("later does not keep a bottle from closing", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        let isFull = false
        const plan = planIn(directory)
        const heard = yield* Effect.scoped(
          Effect.gen(function* () {
            const ledger = yield* Ledger.claim(plan, { name: "box" })
            isFull = true
            yield* ledger.up
            const error = yield* refused(ledger.add({ kind: "file", name: "/tmp/x" }))
            assert.strictEqual(error._tag, "LedgerFailed")
            assert.strictEqual((yield* refused(ledger.planned(plan)))._tag, "LedgerFailed")
          })
        ).pipe(listening, Effect.provide(filling(() => isFull)))
        assert.deepStrictEqual(heard, [])
        assert.deepStrictEqual(filesBelow(`${directory}/state/bottles`), [])
      })
    )
  )

  it.live("tears a line, and the next one that fits is whole", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        let isFull = false
        yield* Effect.gen(function* () {
          const ledger = yield* Ledger.claim(planIn(directory))
          isFull = true
          yield* ledger.up
          assert.deepInclude(yield* viewIn(directory), { state: "launching", damaged: 0 })
          isFull = false
          yield* ledger.up
          assert.deepInclude(yield* viewIn(directory), { state: "up", damaged: 1 })
        }).pipe(Effect.scoped, Effect.provide(filling(() => isFull)))
      })
    )
  )

  it.live("keeps what was to be kept: the plan makes room for that line", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        let isFull = false
        const plan = planIn(directory)
        const hasPlan = () => Fs.existsSync(`${plan.ledger}/plan.json`)
        const heard = yield* Effect.scoped(
          Effect.flatMap(Ledger.claim(plan), (ledger) => {
            isFull = true
            return ledger.kept
          })
        ).pipe(listening, Effect.provide(filling(() => isFull && hasPlan())))
        assert.deepStrictEqual(heard, [])
        assert.strictEqual((yield* viewIn(directory)).state, "kept")
      }).pipe(withFiles)
    )
  )

  it.live("that stays full is told of what was to be kept", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        let isFull = false
        const plan = planIn(directory)
        const heard = yield* Effect.scoped(
          Effect.flatMap(Ledger.claim(plan), (ledger) => {
            isFull = true
            return ledger.kept
          })
        ).pipe(listening, Effect.provide(filling(() => isFull)))
        assert.deepStrictEqual(
          heard.map((event) => (event._tag === "ReleaseFailed" ? [event.resource, event.reason] : [])),
          [[`ledger ${plan.ledger}`, "ENOSPC: no space left on device"]]
        )
      })
    )
  )
})

describe("Ledger.list", () => {
  it.live("gives every ledger, the sick ones too, and nothing else", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const directories = directoriesIn(directory)
        assert.deepStrictEqual(yield* Ledger.list(directories), [])
        const bottles = Ledger.bottlesOf(directories)
        for (const suffix of ["aaaa1", "aaaa2", "aaaa3", "aaaa4", "aaaa5", "aaaa6"]) {
          yield* Ledger.claim(planIn(directory, suffix), { name: suffix })
        }
        const at = (suffix: string) => planIn(directory, suffix).ledger
        Fs.rmSync(`${at("aaaa2")}/ledger.jsonl`)
        Fs.writeFileSync(`${at("aaaa3")}/ledger.jsonl`, Buffer.alloc(2 * 1024 * 1024))
        Fs.rmSync(`${at("aaaa4")}/ledger.jsonl`)
        Fs.mkdirSync(`${at("aaaa4")}/ledger.jsonl`)
        Fs.writeFileSync(`${at("aaaa5")}/ledger.jsonl`, "?\n")
        Fs.rmSync(at("aaaa6"), { recursive: true })
        Fs.writeFileSync(at("aaaa6"), "")
        Fs.writeFileSync(`${bottles}/notes.txt`, "")
        Fs.mkdirSync(`${bottles}/.gone-demo-zzzzz_1_1_x`)
        const views = yield* Ledger.list(directories)
        assert.deepStrictEqual(
          views.map(({ claim, damaged, id, state }) => [id, state, claim?.name ?? null, damaged]).toSorted(),
          [
            ["demo-aaaa1", "launching", "aaaa1", 0],
            ["demo-aaaa2", "launching", null, 1],
            ["demo-aaaa3", "launching", null, 1],
            ["demo-aaaa4", "launching", null, 1],
            ["demo-aaaa5", "launching", null, 1],
            ["demo-aaaa6", "launching", null, 1]
          ]
        )
        for (const view of views) {
          assert.strictEqual(yield* Ledger.liveness(view), view.claim === null ? "unknown" : "alive")
          if (view.claim !== null) continue
          const error = yield* refused(Effect.scoped(Ledger.recovering(view)))
          assert.strictEqual(error._tag, view.directory === at("aaaa6") ? "LedgerFailed" : "OwnerUnknown")
          if (error._tag === "LedgerFailed") continue
          yield* Effect.scoped(Effect.flatMap(Ledger.recovering(view, { unknown: true }), ({ closed }) => closed))
          assert.isFalse(Fs.existsSync(view.directory))
        }
      })
    )
  )

  it.live("fails, and does not say that there is none, where it cannot know", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const directories = directoriesIn(directory)
        Fs.mkdirSync(directories.state)
        Fs.writeFileSync(Ledger.bottlesOf(directories), "")
        assert.strictEqual((yield* refused(Ledger.list(directories)))._tag, "LedgerUnreadable")
      })
    )
  )

  it.live("finds what a claim or an end that was killed left beside the ledgers", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const directories = directoriesIn(directory)
        yield* Ledger.claim(planIn(directory))
        const bottles = Ledger.bottlesOf(directories)
        const [alive, dead] = [yield* standIn, yield* standIn]
        const nameOf = (what: "new" | "gone", { owner }: Pick<Fixture.StandIn, "owner">) =>
          LedgerFiles.aside(what, "demo-abc12", owner)
        const elsewhere = { owner: { ...dead.owner, pidNamespace: "pid:[1]" } }
        const kinds = ["gone", "new"] as const
        for (const what of kinds) {
          for (const standing of [alive, dead, elsewhere]) Fs.mkdirSync(`${bottles}/${nameOf(what, standing)}`)
        }
        Fs.mkdirSync(`${bottles}/.other`)
        yield* dead.kill
        assert.deepStrictEqual(
          (yield* Ledger.asides(directories)).toSorted(),
          kinds.map((what) => `${bottles}/${nameOf(what, dead)}`)
        )
      })
    )
  )
})

describe("Ledger.plan", () => {
  for (const [what, hurt] of [
    ["is gone", (path: string) => Fs.rmSync(path)],
    ["is cut short", (path: string) => Fs.truncateSync(path, 100)],
    ["is of another version", (path: string) => Fs.writeFileSync(path, '{"version":2}')]
  ] as const) {
    it.live(`fails where it ${what}`, () =>
      inDirectory((directory) =>
        Effect.gen(function* () {
          const plan = planIn(directory)
          yield* Ledger.claim(plan)
          const view = yield* viewIn(directory)
          assert.deepStrictEqual(yield* Ledger.plan(view), plan)
          hurt(`${plan.ledger}/plan.json`)
          assert.strictEqual((yield* refused(Ledger.plan(view)))._tag, "LedgerUnreadable")
        })
      )
    )
  }
})

describe("Ledger.liveness", () => {
  it.live("knows an owner that runs from one that was killed", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const owner = yield* standIn
        yield* as(owner)(Ledger.claim(planIn(directory)))
        const view = yield* viewIn(directory)
        assert.strictEqual(yield* Ledger.liveness(view), "alive")
        yield* owner.kill
        assert.strictEqual(yield* Ledger.liveness(view), "dead")
      })
    )
  )

  const other = { bootId: "00000000-0000-4000-8000-000000000000" }
  const { host } = Effect.runSync(here({ pid: 1, startTime: "1", bootId: "x" }))
  const renamed = `${host}-before`
  for (const [what, change, expected] of [
    ["the very process", {}, "alive"],
    ["a later process of the same number", { identity: { startTime: "1" } }, "dead"],
    ["a process of another boot", { identity: other }, "dead"],
    // A container may have a boot id of its own.
    ["a process of another boot, in a container", { identity: other, pidNamespace: "pid:[1]" }, "unknown"],
    ["a process of another pid namespace", { pidNamespace: "pid:[1]" }, "unknown"],
    // Copies of one image, which share a home directory.
    ["a process of a machine of the same id and another name", { host: renamed, identity: other }, "unknown"],
    ["the very process, though the machine has another name by now", { host: renamed }, "alive"],
    ["a process whose namespace is not known", { pidNamespace: null }, "unknown"],
    ["a process of another machine", { host: "elsewhere" }, "unknown"],
    ["a process of another boot of another machine", { host: "elsewhere", identity: other }, "unknown"]
  ] as const) {
    it.live(`says ${expected} of ${what}, and who may recover follows`, () =>
      inDirectory((directory) =>
        Effect.gen(function* () {
          const { owner } = yield* standIn
          const identity = { ...owner.identity, ...("identity" in change ? change.identity : {}) }
          yield* as({ owner: { ...owner, ...change, identity } })(Ledger.claim(planIn(directory)))
          const view = yield* viewIn(directory)
          assert.strictEqual(yield* Ledger.liveness(view), expected)
          const tags = { alive: "OwnerAlive", unknown: "OwnerUnknown", dead: "recovered" } as const
          const tried = (options?: Ledger.RecoveringOptions) =>
            Effect.scoped(Ledger.recovering(view, options)).pipe(
              Effect.as("recovered"),
              Effect.catchAll(({ _tag }) => Effect.succeed(_tag))
            )
          assert.strictEqual(yield* tried(), tags[expected])
          // Whoever asks for it takes one of which nothing is known, and never one whose owner is known to run.
          if (expected !== "dead") {
            assert.strictEqual(yield* tried({ unknown: true }), expected === "alive" ? "OwnerAlive" : "recovered")
          }
        })
      )
    )
  }
})

describe("a state directory that others can write to", () => {
  it.live("is used for nothing: who puts a ledger there would say what is removed", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const directories = directoriesIn(directory)
        const view = yield* abandoned(directory)
        const bottles = Ledger.bottlesOf(directories)
        for (const path of [bottles, directories.state]) {
          const { mode } = Fs.statSync(path)
          Fs.chmodSync(path, 0o777)
          assert.strictEqual((yield* refused(Ledger.list(directories)))._tag, "LedgerUnreadable")
          const claimed = yield* refused(Effect.scoped(Ledger.claim(planIn(directory, "other"))))
          assert.include(claimed.message, "everybody can write")
          assert.strictEqual((yield* refused(Effect.scoped(Ledger.recovering(view))))._tag, "LedgerFailed")
          Fs.chmodSync(path, mode)
        }
        assert.lengthOf(yield* Ledger.list(directories), 1)
        yield* Effect.scoped(Ledger.claim(planIn(directory, "other")))
        assert.strictEqual((yield* Effect.scoped(Ledger.recovering(view))).view.state, "recovering")
      })
    )
  )
})

describe("what was left elsewhere", () => {
  for (const [what, place] of [
    ["another machine", { host: "elsewhere" }],
    ["another pid namespace", { pidNamespace: "pid:[1]" }]
  ] as const) {
    it.live(`is not taken for gone where it never was: ${what}`, () =>
      inDirectory((directory) =>
        Effect.gen(function* () {
          const { owner } = yield* standIn
          const left = (suffix: string, its: Ledger.Owner) =>
            Effect.scoped(
              Effect.flatMap(Ledger.claim(planIn(directory, suffix)), (ledger) => ledger.failed(failure))
            ).pipe(as({ owner: its }))
          yield* left("aaaa1", { ...owner, ...place })
          yield* left("aaaa2", owner)
          const views = yield* Ledger.list(directoriesIn(directory))
          const [theirs, ours] = views.toSorted((one, other) => (one.id < other.id ? -1 : 1))
          assert.isDefined(theirs)
          assert.isDefined(ours)
          assert.deepStrictEqual([theirs.state, ours.state], ["left", "left"])
          assert.strictEqual(yield* Ledger.liveness(theirs), "unknown")
          assert.strictEqual(yield* Ledger.liveness(ours), "dead")
          assert.strictEqual((yield* refused(Effect.scoped(Ledger.recovering(theirs))))._tag, "OwnerUnknown")
          yield* Effect.scoped(Ledger.recovering(ours))
          // Somebody says that it may be taken, and is cut off: that gives it to nobody else.
          yield* Effect.scoped(Ledger.recovering(theirs, { unknown: true }))
          assert.strictEqual((yield* refused(Effect.scoped(Ledger.recovering(theirs))))._tag, "OwnerUnknown")
        })
      )
    )
  }
})

describe("Ledger.recovering", () => {
  it.live("says of one that was cut off that something may be left", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const view = yield* abandoned(directory)
        yield* Effect.scoped(Ledger.recovering(view))
        const { failures, state } = yield* viewIn(directory)
        assert.strictEqual(state, "left")
        assert.deepStrictEqual(
          failures.map(({ reason }) => reason),
          ["its recovery was cut off"]
        )
        yield* Effect.scoped(Effect.flatMap(Ledger.recovering(view), ({ closed }) => closed))
        assert.deepStrictEqual(yield* Ledger.list(directoriesIn(directory)), [])
      })
    )
  )

  it.live("takes what a dead owner left, and closes it", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const view = yield* abandoned(directory, { name: "box" })
        assert.strictEqual(view.state, "up")
        yield* Effect.scoped(
          Effect.gen(function* () {
            const recovering = yield* Ledger.recovering(view)
            const now = yield* viewIn(directory)
            assert.strictEqual(now.state, "recovering")
            assert.strictEqual(now.holder?.identity.pid, process.pid)
            assert.strictEqual(yield* Ledger.liveness(now), "alive")
            assert.deepStrictEqual(recovering.view, now)
            yield* recovering.closed
          })
        )
        assert.deepStrictEqual(filesBelow(`${directory}/state/bottles`), [])
        assert.strictEqual((yield* refused(Effect.scoped(Ledger.recovering(view))))._tag, "LedgerGone")
      })
    )
  )

  it.live("says what it could not remove, and is tried again", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const plan = planIn(directory)
        const view = yield* abandoned(directory)
        yield* Effect.scoped(Effect.flatMap(Ledger.recovering(view), ({ left }) => left([failure])))
        assert.deepInclude(yield* viewIn(directory), { state: "left", failures: [failure], holder: null })
        assert.deepStrictEqual(Fs.readdirSync(plan.ledger).toSorted(), ["ledger.jsonl", "plan.json"])
        yield* Effect.scoped(Effect.flatMap(Ledger.recovering(view), ({ closed }) => closed))
        assert.isFalse(Fs.existsSync(plan.ledger))
      })
    )
  )

  it.live("lets go of what it did not finish", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const plan = planIn(directory)
        const view = yield* abandoned(directory)
        yield* Effect.scoped(Ledger.recovering(view))
        assert.deepStrictEqual(tagsOf(plan), ["Claimed", "Up", "Recovering", "Left"])
        assert.strictEqual(yield* Ledger.liveness(yield* viewIn(directory)), "dead")
      })
    )
  )

  it.live("appends to a torn line without joining it", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const plan = planIn(directory)
        const view = yield* abandoned(directory)
        Fs.appendFileSync(`${plan.ledger}/ledger.jsonl`, linesOf(plan)[1]?.slice(0, 50) ?? "")
        assert.deepInclude(yield* viewIn(directory), { state: "up", damaged: 0 })
        yield* Effect.scoped(Effect.flatMap(Ledger.recovering(view), ({ left }) => left([failure])))
        assert.deepInclude(yield* viewIn(directory), { state: "left", damaged: 1, failures: [failure] })
      })
    )
  )

  it.live("takes what was kept only where that is asked for", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        yield* Effect.scoped(Effect.flatMap(Ledger.claim(planIn(directory)), ({ kept }) => kept))
        const view = yield* viewIn(directory)
        assert.strictEqual((yield* refused(Effect.scoped(Ledger.recovering(view))))._tag, "BottleKept")
        assert.strictEqual((yield* viewIn(directory)).state, "kept")
        yield* Effect.scoped(Effect.flatMap(Ledger.recovering(view, { kept: true }), ({ closed }) => closed))
        assert.deepStrictEqual(yield* Ledger.list(directoriesIn(directory)), [])
      })
    )
  )

  it.live("believes the ledger, and not what was read of it before", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const ledger = yield* Ledger.claim(planIn(directory)).pipe(Scope.extend(scope))
        const view = yield* viewIn(directory)
        assert.strictEqual((yield* refused(Effect.scoped(Ledger.recovering(view))))._tag, "OwnerAlive")
        yield* ledger.kept
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual((yield* refused(Effect.scoped(Ledger.recovering(view))))._tag, "BottleKept")
      })
    )
  )

  it.live("lets one of many have it", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const many = 8
        const view = yield* abandoned(directory)
        const answered = yield* Effect.makeSemaphore(many)
        yield* answered.take(many)
        const results = yield* Effect.forEach(
          Array.from({ length: many }),
          () =>
            Effect.scoped(
              Effect.matchEffect(Ledger.recovering(view), {
                // It keeps the bottle until everybody else has been told.
                onSuccess: () => Effect.as(answered.take(many - 1), "had it"),
                onFailure: ({ message }) => Effect.as(answered.release(1), message)
              })
            ),
          { concurrency: "unbounded" }
        )
        const told = `the bottle demo-abc12 is being cleaned up by process ${process.pid}`
        assert.deepStrictEqual(
          results.toSorted(),
          ["had it", ...Array.from({ length: many - 1 }, () => told)].toSorted()
        )
      })
    )
  )

  it.live("keeps nobody from a bottle who was refused it", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const owner = yield* standIn
        yield* as(owner)(Ledger.claim(planIn(directory)))
        const view = yield* viewIn(directory)
        // In the scope of the whole test, which is still open afterwards.
        assert.strictEqual((yield* refused(Ledger.recovering(view)))._tag, "OwnerAlive")
        yield* owner.kill
        assert.strictEqual((yield* Ledger.recovering(view)).view.state, "recovering")
      })
    )
  )

  it.live("takes no bottle from an owner who is known to live, though somebody took it from one who was not", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const plan = planIn(directory)
        const scope = yield* Scope.make()
        const ledger = yield* Ledger.claim(plan).pipe(Scope.extend(scope))
        const path = `${plan.ledger}/ledger.jsonl`
        const claimed = Fs.readFileSync(path)
        // For the first one nothing can be read; what comes after it is read beside the owner's lines again.
        Fs.writeFileSync(path, "")
        const view = yield* viewIn(directory)
        yield* Effect.scoped(Effect.flatMap(Ledger.recovering(view, { unknown: true }), ({ left }) => left([])))
        assert.strictEqual((yield* viewIn(directory)).state, "left")
        Fs.writeFileSync(path, Buffer.concat([claimed, Fs.readFileSync(path)]))
        assert.strictEqual((yield* refused(Ledger.recovering(view)))._tag, "OwnerAlive")
        // Until it has let go by itself.
        yield* ledger.failed(failure)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual((yield* Ledger.recovering(view)).view.state, "recovering")
      })
    )
  )

  it.live("takes over from one that was killed while it recovered", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const plan = planIn(directory)
        const view = yield* abandoned(directory)
        const recoverer = yield* standIn
        const scope = yield* Scope.make()
        yield* Ledger.recovering(view).pipe(as(recoverer), Scope.extend(scope))
        Fs.writeFileSync(`${plan.ledger}/lock`, JSON.stringify(recoverer.owner.identity))
        const during = yield* viewIn(directory)
        assert.deepStrictEqual([during.state, yield* Ledger.liveness(during)], ["recovering", "alive"])
        assert.strictEqual((yield* refused(Effect.scoped(Ledger.recovering(view))))._tag, "LedgerBusy")
        yield* recoverer.kill
        assert.strictEqual(yield* Ledger.liveness(during), "dead")
        yield* Effect.scoped(Effect.flatMap(Ledger.recovering(view), ({ closed }) => closed))
        assert.isFalse(Fs.existsSync(plan.ledger))
      })
    )
  )

  it.live("goes on where the disk is full, and says so where it cannot write what it must", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const plan = planIn(directory)
        const view = yield* withFiles(abandoned(directory))
        yield* Effect.gen(function* () {
          const { left } = yield* Ledger.recovering(view)
          assert.strictEqual((yield* refused(left([failure])))._tag, "LedgerFailed")
        }).pipe(Effect.scoped, Effect.provide(filling((method) => method === "writeAll")))
        yield* Effect.scoped(Effect.flatMap(Ledger.recovering(view), ({ closed }) => closed)).pipe(
          Effect.provide(filling((method) => method !== "open"))
        )
        assert.isFalse(Fs.existsSync(plan.ledger))
      })
    )
  )
})

describe("the name of a bottle", () => {
  const taken = (directory: string, suffix: string) =>
    Effect.scoped(Ledger.claim(planIn(directory, suffix), { name: "Box" })).pipe(
      Effect.as("free" as const),
      Effect.catchTag("NameTaken", ({ id }) => Effect.succeed(id))
    )

  it.live("is one living bottle's, and free when that is gone", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const directories = directoriesIn(directory)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* Ledger.claim(planIn(directory, "aaaa1"), { name: "box" })
            assert.deepStrictEqual(
              Option.getOrThrow(yield* Ledger.named(directories, "box")),
              planIn(directory, "aaaa1").id
            )
            const error = yield* refused(Effect.scoped(Ledger.claim(planIn(directory, "aaaa2"), { name: "Box" })))
            assert.strictEqual(error._tag, "NameTaken")
            assert.strictEqual(error.message, "the name box is taken by the bottle demo-aaaa1")
            assert.deepStrictEqual(
              (yield* Ledger.list(directories)).map(({ id }) => id as string),
              ["demo-aaaa1"]
            )
            // Another name, or none, is nobody's business.
            yield* Ledger.claim(planIn(directory, "aaaa3"), { name: "other" })
            yield* Ledger.claim(planIn(directory, "aaaa4"))
          })
        )
        assert.isTrue(Option.isNone(yield* Ledger.named(directories, "box")))
        assert.strictEqual(yield* taken(directory, "aaaa2"), "free")
        assert.deepStrictEqual(filesBelow(`${directory}/state/bottles`), [])
      })
    )
  )

  it.live("is taken over from a dead owner, and not freed by who recovers that one", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const view = yield* abandoned(directory, { name: "box" }, "aaaa1")
        const successor = planIn(directory, "aaaa2")
        yield* Ledger.claim(successor, { name: "box" })
        yield* Effect.scoped(Effect.flatMap(Ledger.recovering(view), ({ closed }) => closed))
        assert.deepStrictEqual(Option.getOrThrow(yield* Ledger.named(directoriesIn(directory), "box")), successor.id)
      })
    )
  )

  it.live("stays with an owner that may live", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const { owner } = yield* standIn
        yield* as({ owner: { ...owner, host: "elsewhere" } })(Ledger.claim(planIn(directory, "aaaa1"), { name: "box" }))
        assert.strictEqual(yield* taken(directory, "aaaa2"), "demo-aaaa1")
      })
    )
  )

  for (const [what, text] of [
    ["is torn", '{"id":"demo-aa'],
    ["is empty", ""]
  ] as const) {
    it.live(`is free where its reservation ${what}`, () =>
      inDirectory((directory) =>
        Effect.gen(function* () {
          const names = `${Ledger.bottlesOf(directoriesIn(directory))}/.names`
          Fs.mkdirSync(names, { recursive: true })
          Fs.writeFileSync(`${names}/box`, text)
          assert.isTrue(Option.isNone(yield* Ledger.named(directoriesIn(directory), "box")))
          assert.strictEqual(yield* taken(directory, "aaaa1"), "free")
        })
      )
    )
  }

  it.live("stays with a living owner whose ledger is not there yet, and goes with a dead one", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const owner = yield* standIn
        const plan = planIn(directory, "aaaa1")
        const scope = yield* Scope.make()
        yield* Ledger.claim(plan, { name: "box" }).pipe(as(owner), Scope.extend(scope))
        Fs.rmSync(plan.ledger, { recursive: true })
        assert.strictEqual(yield* taken(directory, "aaaa2"), plan.id)
        yield* owner.kill
        assert.strictEqual(yield* taken(directory, "aaaa2"), "free")
      })
    )
  )

  it.live("goes to one of many that want it at once", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const results = yield* Effect.forEach(
          Array.from({ length: 12 }, (_, index) => `aaa${String(index).padStart(2, "0")}`),
          (suffix) => Effect.either(Ledger.claim(planIn(directory, suffix), { name: "box" })),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(results.filter(({ _tag }) => _tag === "Right").length, 1)
        assert.lengthOf(yield* Ledger.list(directoriesIn(directory)), 1)
      })
    )
  )

  it.live("is no path", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        yield* Ledger.claim(planIn(directory), { name: "../../up" })
        assert.deepStrictEqual(Fs.readdirSync(`${Ledger.bottlesOf(directoriesIn(directory))}/.names`), ["up"])
        assert.isTrue(Option.isNone(yield* Ledger.named(directoriesIn(directory), "../../up")))
      })
    )
  )
})

describe("a disk that is really full", () => {
  /** A directory of a tiny file system, in a mount namespace that only its holder is in. */
  const tiny = Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly path: string; readonly child: ChildProcess.ChildProcess } | undefined>((resolve) => {
          const script = "mount -t tmpfs -o size=64k,mode=700 tmpfs /mnt && echo ready && exec cat"
          const child = ChildProcess.spawn("unshare", ["-Urm", "sh", "-c", script], {
            stdio: ["pipe", "pipe", "ignore"]
          })
          child.stdout.once("data", () => resolve({ path: `/proc/${child.pid}/root/mnt`, child }))
          child.once("exit", () => resolve(undefined))
          child.once("error", () => resolve(undefined))
        })
    ),
    (mounted) => Effect.sync(() => mounted?.child.kill("SIGKILL"))
  )

  it.live("takes no claim, and lets go of one that it took", (context) =>
    withFiles(
      Effect.scoped(
        Effect.gen(function* () {
          const mounted = yield* tiny
          if (mounted === undefined) return context.skip("unshare -Urm: no tmpfs can be mounted here")
          const directory = mounted.path
          const filler = `${directory}/filler`
          const fill = Effect.sync(() => {
            try {
              Fs.writeFileSync(filler, Buffer.alloc(1024 * 1024))
            } catch {
              // It has written what fits.
            }
          })
          yield* fill
          const error = yield* refused(Effect.scoped(Ledger.claim(planIn(directory), { name: "box" })))
          assert.include(error.message, "ENOSPC")
          assert.deepStrictEqual(filesBelow(`${directory}/state/bottles`), [])
          Fs.rmSync(filler)
          yield* Effect.scoped(
            Effect.gen(function* () {
              const ledger = yield* Ledger.claim(planIn(directory), { name: "box" })
              yield* fill
              for (let at = 0; at < 20; at++) yield* Effect.ignore(ledger.add({ kind: "file", name: `/tmp/${at}` }))
              yield* ledger.up
              assert.strictEqual((yield* viewIn(directory)).damaged, 0)
            })
          )
          assert.deepStrictEqual(filesBelow(`${directory}/state/bottles`), [])
          Fs.rmSync(filler)
          yield* Effect.scoped(
            Effect.gen(function* () {
              const ledger = yield* Ledger.claim(planIn(directory))
              yield* fill
              for (let at = 0; at < 20; at++) yield* Effect.ignore(ledger.add({ kind: "file", name: `/tmp/${at}` }))
              yield* ledger.kept
            })
          )
          assert.strictEqual((yield* viewIn(directory)).state, "kept")
        })
      )
    )
  )
})
