// What the service makes of a smolvm that does not do as it should: a typed error or the truth, and never a wait without end.
import * as FakeGuest from "@bottle/testing/FakeGuest"
import * as FakeSmolvm from "@bottle/testing/FakeSmolvm"
import type { How, Misbehaviour } from "@bottle/testing/Misbehaviour"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Deadlines from "../src/Deadlines.js"
import { Smolvm } from "../src/Smolvm.js"
import * as SmolvmLayer from "../src/Smolvm.js"
import type { SmolvmError } from "../src/SmolvmError.js"

const on = (release: string, options?: FakeSmolvm.Options) =>
  Effect.provide(
    SmolvmLayer.layer({ program: "smolvm", env: { HOME: "/home/user" } }).pipe(
      Layer.provideMerge(FakeSmolvm.layer({ version: release, ...options }))
    )
  )

const newest = on("1.9.3")

const misbehave = (misbehaviour: Misbehaviour) =>
  Effect.flatMap(FakeSmolvm.FakeSmolvm, (fake) => fake.misbehave(misbehaviour))

const running = (name: string) =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm
    yield* smolvm.machineCreate({ name })
    yield* smolvm.machineStart({ name })
    return smolvm
  })

const tagOf = <A>(call: Effect.Effect<A, SmolvmError>) => Effect.map(Effect.flip(call), ({ _tag }) => _tag)

const states = Effect.flatMap(FakeSmolvm.FakeSmolvm, ({ machines }) =>
  Effect.map(machines, (all) => all.map(({ name, state }) => `${name} ${state}`))
)

const stateOf = (name: string) =>
  Effect.flatMap(FakeSmolvm.FakeSmolvm, ({ machine }) => Effect.map(machine(name), (found) => found?.state))

const fileOf = (name: string, path: string) =>
  Effect.flatMap(FakeSmolvm.FakeSmolvm, ({ machine }) =>
    Effect.map(machine(name), (found) => found?.files.get(path)?.length)
  )

const hostFiles = Effect.map(FakeSmolvm.FakeSmolvm, ({ files }) => [...files.keys()].sort())

const within = (what: string) => ({ boundMillis: 10_000, everyMillis: 1, what })

/** Begins a call, and gives it with its process of smolvm once that has started. */
const begin = <A, E, R>(command: string, call: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const { recorded } = yield* FakeSmolvm.FakeSmolvm
    const before = (yield* recorded).length
    const fiber = yield* Effect.fork(call)
    const begun = Effect.map(recorded, (all) =>
      all.slice(before).find(({ argv }) => argv.slice(1).join(" ").startsWith(command))
    )
    yield* waitUntil(
      Effect.map(begun, (run) => run !== undefined),
      within(command)
    )
    const run = yield* begun
    return run === undefined ? yield* Effect.dieMessage(`no ${command}`) : { fiber, run }
  })

/** The calls that are one process of smolvm, on machines `run` (running) and `new` (created), and the deadline of each. */
const calls: ReadonlyArray<
  readonly [command: string, deadlineMillis: number, (smolvm: Smolvm["Type"]) => Effect.Effect<unknown, SmolvmError>]
> = [
  ["machine create", Deadlines.defaults.machineCreate, (it) => it.machineCreate({ name: "another" })],
  ["machine start", Deadlines.defaults.machineStart, (it) => it.machineStart({ name: "new" })],
  ["machine stop", Deadlines.defaults.machineStop, (it) => it.machineStop({ name: "run" })],
  ["machine delete", Deadlines.defaults.machineDelete, (it) => it.machineDelete({ name: "run" })],
  ["machine update", Deadlines.defaults.machineUpdate, (it) => it.machineUpdate({ name: "new", cpus: 2 })],
  ["machine ls", Deadlines.defaults.machineLs, (it) => it.machineLs],
  ["machine status", Deadlines.defaults.machineLs, (it) => it.machineStatus({ name: "run" })],
  ["machine images", Deadlines.defaults.machineImages, (it) => it.machineImages({ name: "run" })],
  ["machine prune", Deadlines.defaults.machinePrune, (it) => it.machinePrune({ name: "run" })],
  ["machine data-dir", Deadlines.defaults.machineDataDir, (it) => it.machineDataDir({ name: "run" })],
  ["machine cp", Deadlines.defaults.machineCp, (it) => it.machineCp({ src: "/file", dst: "run:/file" })],
  ["machine egress-events", Deadlines.defaults.machineEgressEvents, (it) => it.machineEgressEvents({ name: "run" })],
  ["machine fork", Deadlines.defaults.machineFork, (it) => it.machineFork({ golden: "base", name: "clone" })],
  ["machine fork-release", Deadlines.defaults.machineForkRelease, (it) => it.machineForkRelease({ name: "held" })],
  ["pack create", Deadlines.defaults.packCreate, (it) => it.packCreate({ image: "alpine", output: "/out" })],
  ["pack push", Deadlines.defaults.packPush, (it) => it.packPush({ reference: "r/p:2", file: "/p.smolmachine" })],
  ["pack pull", Deadlines.defaults.packPull, (it) => it.packPull({ reference: "r/p:1", output: "/pulled" })],
  ["pack inspect", Deadlines.defaults.packInspect, (it) => it.packInspect({ reference: "r/p:1" })],
  ["pack prune", Deadlines.defaults.packPrune, (it) => it.packPrune({})]
]

const files = { "/file": "content", "/p.smolmachine": FakeSmolvm.packFile() }

const prepared = Effect.gen(function* () {
  const { edit } = yield* FakeSmolvm.FakeSmolvm
  const smolvm = yield* running("run")
  yield* smolvm.machineCreate({ name: "new" })
  yield* running("base")
  yield* running("held")
  yield* edit("base", () => ({ forkable: true }))
  yield* edit("held", () => ({ forkpointHeld: true }))
  yield* smolvm.packPush({ reference: "r/p:1", file: "/p.smolmachine" })
  return smolvm
})

describe.each(calls)("%s", (command, deadlineMillis, use) => {
  const whole = on("1.9.3", { files })

  it.effect("goes well when nothing goes wrong", () => Effect.flatMap(prepared, use).pipe(whole))

  it.effect("waits for a slow smolvm, and goes on when it does", () =>
    Effect.gen(function* () {
      const smolvm = yield* prepared
      const gate = yield* Deferred.make<void>()
      yield* misbehave({ when: command, how: "wait", until: Deferred.await(gate) })
      const { fiber, run } = yield* begin(command, use(smolvm))
      assert.isUndefined(yield* run.ending)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(fiber)
    }).pipe(whole)
  )

  it.effect("ends one that hangs at its deadline, also where that ignores SIGTERM", () =>
    Effect.gen(function* () {
      const smolvm = yield* prepared
      const { recorded } = yield* FakeSmolvm.FakeSmolvm
      for (const ignoresSigterm of [false, true]) {
        yield* misbehave({ when: command, how: "hang", ignoresSigterm })
        const { fiber } = yield* begin(command, tagOf(use(smolvm)))
        yield* TestClock.adjust(deadlineMillis - 1)
        assert.strictEqual((yield* Fiber.poll(fiber))._tag, "None")
        yield* TestClock.adjust(1)
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(yield* Fiber.join(fiber), "SmolvmTimedOut")
        const last = (yield* recorded).at(-1)
        assert.deepStrictEqual(last?.signals, ignoresSigterm ? ["SIGTERM", "SIGKILL"] : ["SIGTERM"])
      }
    }).pipe(whole)
  )

  for (const at of ["before", "after"] as const) {
    it.effect(`is interrupted ${at} the work of smolvm, and leaves no process`, () =>
      Effect.gen(function* () {
        const smolvm = yield* prepared
        yield* misbehave({ when: command, how: "hang", at })
        const { fiber, run } = yield* begin(command, use(smolvm))
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        assert.deepStrictEqual(yield* run.ending, { signal: "SIGTERM" })
      }).pipe(whole)
    )
  }

  it.effect("fails by name when a signal ends smolvm, before the work and after", () =>
    Effect.gen(function* () {
      const smolvm = yield* prepared
      yield* misbehave({ when: command, how: "die" })
      const before = yield* Effect.flip(use(smolvm))
      assert.deepInclude(before, { _tag: "SmolvmKilled", signal: "SIGKILL" })
      yield* misbehave({ when: command, how: "die", at: "after", signal: "SIGTERM" })
      const after = yield* Effect.flip(use(smolvm))
      assert.deepInclude(after, { _tag: "SmolvmKilled", signal: "SIGTERM" })
    }).pipe(whole)
  )

  it.effect("fails when smolvm does, with what it said", () =>
    Effect.gen(function* () {
      const smolvm = yield* prepared
      const failures: ReadonlyArray<readonly [How, SmolvmError["_tag"], number]> = [
        [{ how: "fail" }, "CommandFailed", 1],
        [{ how: "fail", exitCode: 3, stderr: "" }, "CommandFailed", 3],
        [{ how: "panic" }, "CommandFailed", 101],
        [{ how: "fail", exitCode: 2, stderr: "error: unexpected argument\n\nUsage: smolvm\n" }, "SmolvmUsageRefused", 2]
      ]
      for (const [how, tag, exitCode] of failures) {
        yield* misbehave({ when: command, ...how })
        assert.deepInclude(yield* Effect.flip(use(smolvm)), { _tag: tag, exitCode })
      }
      yield* use(smolvm)
    }).pipe(whole)
  )

  it.effect("takes no notice of a stray note on stderr", () =>
    Effect.gen(function* () {
      const smolvm = yield* prepared
      yield* misbehave({ when: command, how: "noise" })
      yield* use(smolvm)
    }).pipe(whole)
  )

  it.effect("ends one that writes more than is held", () =>
    Effect.gen(function* () {
      const smolvm = yield* prepared
      yield* misbehave({ when: command, how: "flood", stream: "stderr", bytes: 17 * 1024 * 1024 })
      assert.deepInclude(yield* Effect.flip(use(smolvm)), { _tag: "SmolvmOutputTooLarge", stream: "stderr" })
    }).pipe(whole)
  )
})

/** What is left of a call that is interrupted while smolvm is half-way, and whether the call can be made again. */
const halves: ReadonlyArray<
  readonly [
    command: string,
    left: string,
    again: "goes well" | SmolvmError["_tag"],
    look: Effect.Effect<unknown, never, FakeSmolvm.FakeSmolvm>,
    expected: unknown
  ]
> = [
  ["machine create", "a name that is taken", "MachineAlreadyExists", stateOf("another"), undefined],
  ["machine start", "a machine that does not answer", "goes well", stateOf("new"), "unreachable"],
  ["machine stop", "a machine that does not answer", "goes well", stateOf("run"), "unreachable"],
  ["machine delete", "a machine that has stopped", "goes well", stateOf("run"), "stopped"],
  ["machine update", "the machine as it was", "goes well", stateOf("new"), "created"],
  ["machine cp", "a file with nothing in it", "goes well", fileOf("run", "/file"), 0],
  ["machine fork", "its first clone", "MachineAlreadyExists", stateOf("clone"), "running"],
  ["machine fork-release", "the clone as it was", "goes well", stateOf("held"), "running"],
  ["pack create", "a file without its other", "goes well", hostFiles, ["/file", "/out", "/p.smolmachine"]],
  ["pack push", "nothing", "goes well", hostFiles, ["/file", "/p.smolmachine"]],
  ["pack pull", "nothing", "goes well", hostFiles, ["/file", "/p.smolmachine"]]
]

describe.each(halves)("%s, interrupted half-way", (command, left, again, look, expected) => {
  it.effect(`leaves ${left}; again, it is: ${again}`, () =>
    Effect.gen(function* () {
      const smolvm = yield* prepared
      const use = calls.find(([name]) => name === command)?.[2] ?? (() => Effect.dieMessage(`no call ${command}`))
      yield* misbehave({ when: command, how: "hang", at: "half-way" })
      const { fiber } = yield* begin(command, use(smolvm))
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      assert.deepStrictEqual(yield* look, expected)
      if (again === "goes well") yield* use(smolvm)
      else assert.strictEqual(yield* tagOf(use(smolvm)), again)
    }).pipe(on("1.9.3", { files }))
  )
})

describe("a start that fails half-way", () => {
  it.effect("leaves a machine that does not answer, which the next start boots anew", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.machineCreate({ name: "box" })
      yield* misbehave({ when: "machine start", how: "fail", at: "half-way" })
      assert.strictEqual(yield* tagOf(smolvm.machineStart({ name: "box" })), "CommandFailed")
      assert.strictEqual((yield* smolvm.machineStatus({ name: "box" })).state, "unreachable")
      const asked = yield* smolvm.machineExec({ name: "box", command: ["true"] })
      assert.deepStrictEqual([asked.exitCode, asked.origin], [1, "runtime"])
      yield* smolvm.machineStart({ name: "box" })
      assert.deepStrictEqual(yield* states, ["box running"])
    }).pipe(newest)
  )

  it.effect("leaves one that stop and delete take away, on every line", () =>
    Effect.forEach(["0.8.0", "0.8.2", "1.5.2", "1.9.3"], (release) =>
      Effect.gen(function* () {
        const smolvm = yield* Smolvm
        const { orphans } = yield* FakeSmolvm.FakeSmolvm
        yield* smolvm.machineCreate({ name: "box" })
        yield* misbehave({ when: "machine start", how: "die", at: "half-way" })
        assert.strictEqual(yield* tagOf(smolvm.machineStart({ name: "box" })), "SmolvmKilled")
        yield* smolvm.machineDelete({ name: "box" })
        assert.deepStrictEqual([yield* states, yield* orphans], [[], []])
      }).pipe(on(release))
    )
  )

  it.effect("is not waited for longer than is said", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.machineCreate({ name: "box" })
      yield* misbehave({ when: "machine start", how: "fail", at: "half-way" })
      yield* tagOf(smolvm.machineStart({ name: "box" }))
      const waiting = yield* Effect.fork(Effect.flip(smolvm.waitExecReady({ name: "box", timeoutMillis: 10_000 })))
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "MachineNotReady")
    }).pipe(newest)
  )
})

describe("a smolvm that says yes and does nothing", () => {
  it.effect("keeps a machine that it says it deleted", () =>
    Effect.gen(function* () {
      const smolvm = yield* running("box")
      yield* misbehave({ when: "machine delete", how: "pretend" })
      yield* smolvm.machineDelete({ name: "box" })
      assert.deepStrictEqual(
        (yield* smolvm.machineLs).map(({ name, state }) => [name, state]),
        [["box", "running"]]
      )
      yield* smolvm.machineDelete({ name: "box" })
      assert.deepStrictEqual(yield* smolvm.machineLs, [])
    }).pipe(newest)
  )

  it.effect("has no machine that it says it created, and runs none that it says it started", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* misbehave({ when: "machine create", how: "pretend" })
      yield* smolvm.machineCreate({ name: "box" })
      assert.strictEqual(yield* tagOf(smolvm.machineStatus({ name: "box" })), "MachineNotFound")
      yield* smolvm.machineCreate({ name: "box" })
      yield* misbehave({ when: "machine start", how: "pretend" })
      yield* smolvm.machineStart({ name: "box" })
      assert.strictEqual(yield* tagOf(smolvm.machineExec({ name: "box", command: ["true"] })), "MachineNotRunning")
    }).pipe(newest)
  )
})

describe("a smolvm that drops a policy", () => {
  it.effect("says nothing: only a look from inside would tell", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const { machine } = yield* FakeSmolvm.FakeSmolvm
      const policy = { net: true, allowCidrs: ["10.0.0.1/32"] } as const
      yield* misbehave({ when: "machine create", how: "drop-policy" })
      assert.deepStrictEqual((yield* smolvm.machineCreate({ name: "open", ...policy })).dropped, [])
      yield* smolvm.machineCreate({ name: "held", ...policy })
      const [open, held] = [yield* machine("open"), yield* machine("held")]
      assert.deepStrictEqual([open?.network, open?.policy, open?.isPolicyHeld], [true, null, false])
      assert.deepStrictEqual([held?.network, held?.isPolicyHeld], [true, true])
    }).pipe(newest)
  )
})

describe("JSON that is garbled", () => {
  const reads: ReadonlyArray<
    readonly [command: string, (smolvm: Smolvm["Type"]) => Effect.Effect<unknown, SmolvmError>]
  > = [
    ["machine ls", (it) => it.machineLs],
    ["machine status", (it) => it.machineStatus({ name: "run" })],
    ["machine images", (it) => it.machineImages({ name: "run" })],
    ["machine egress-events", (it) => it.machineEgressEvents({ name: "run" })],
    ["pack inspect", (it) => it.packInspect({ reference: "r/p:1" })]
  ]

  for (const [command, use] of reads) {
    it.effect(`of ${command} is not understood`, () =>
      Effect.gen(function* () {
        const smolvm = yield* prepared
        const { edit } = yield* FakeSmolvm.FakeSmolvm
        yield* edit("run", () => ({ egressEvents: [{ timestamp: "", operation: "connect", dest: "10.0.0.1:1" }] }))
        yield* use(smolvm)
        // Before its images a machine may have said that it starts.
        const banner = command === "machine images" ? [] : (["banner"] as const)
        for (const as of ["cut", ...banner, () => "", () => "null", () => "{]"] as const) {
          yield* misbehave({ when: command, how: "garble", as })
          assert.strictEqual(yield* tagOf(use(smolvm)), "OutputNotUnderstood", String(as))
        }
        yield* use(smolvm)
      }).pipe(on("1.9.3", { files }))
    )
  }

  it.effect("of other types is not taken for a machine", () =>
    Effect.gen(function* () {
      const smolvm = yield* prepared
      for (const command of ["machine ls", "machine status"]) {
        yield* misbehave({ when: command, how: "garble", as: "wrong-types" })
        const use = command === "machine ls" ? smolvm.machineLs : smolvm.machineStatus({ name: "run" })
        assert.strictEqual(yield* tagOf<unknown>(use), "OutputNotUnderstood")
      }
    }).pipe(on("1.9.3", { files }))
  )
})

describe("--version", () => {
  it.effect("that is not smolvm's is not understood, and a failure is not remembered", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const ways: ReadonlyArray<readonly [How, SmolvmError["_tag"]]> = [
        [{ how: "garble", as: () => "podman 5.0.0\n" }, "OutputNotUnderstood"],
        [{ how: "garble", as: "banner" }, "OutputNotUnderstood"],
        [{ how: "garble", as: () => "" }, "OutputNotUnderstood"],
        [{ how: "garble", as: () => "smolvm 0.7.9\n" }, "SmolvmTooOld"],
        [{ how: "die" }, "SmolvmKilled"],
        [{ how: "fail" }, "CommandFailed"]
      ]
      for (const [how, tag] of ways) {
        yield* misbehave({ when: "--version", ...how })
        assert.strictEqual(yield* tagOf<unknown>(smolvm.machineLs), tag)
      }
      yield* misbehave({ when: "--version", how: "noise" })
      assert.deepStrictEqual(yield* smolvm.machineLs, [])
      assert.strictEqual((yield* smolvm.capabilities).version, "1.9.3")
    }).pipe(newest)
  )

  it.effect("that hangs is ended at its deadline", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* misbehave({ when: "--version", how: "hang" })
      const listing = yield* Effect.fork(tagOf<unknown>(smolvm.machineLs))
      yield* TestClock.adjust(Deadlines.defaults.version)
      assert.strictEqual(yield* Fiber.join(listing), "SmolvmTimedOut")
    }).pipe(newest)
  )

  it.effect("of another program that is not there", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      assert.isFalse(yield* smolvm.isAvailable)
      assert.strictEqual(yield* tagOf<unknown>(smolvm.machineLs), "SmolvmNotInstalled")
    }).pipe(on("1.9.3", { program: "other" }))
  )
})

describe("an exec of a smolvm that misbehaves", () => {
  const command = ["sh", "-c", "echo ran >>/ran; echo out"]

  const ran = Effect.map(
    Effect.flatMap(FakeSmolvm.FakeSmolvm, ({ machine }) => machine("box")),
    (machine) => machine?.files.has("/ran") === true
  )

  it.effect("fails when a signal ends smolvm, whether the command has run or not", () =>
    Effect.gen(function* () {
      const smolvm = yield* running("box")
      for (const [at, hasRun] of [
        ["before", false],
        ["half-way", true],
        ["after", true]
      ] as const) {
        yield* misbehave({ when: "machine exec", how: "die", at })
        assert.strictEqual(yield* tagOf(smolvm.machineExec({ name: "box", command })), "SmolvmKilled")
        assert.strictEqual(yield* ran, hasRun)
      }
    }).pipe(newest)
  )

  it.effect("tells no guest's code from a panic of smolvm", () =>
    Effect.gen(function* () {
      const smolvm = yield* running("box")
      yield* misbehave({ when: "machine exec", how: "panic", at: "after" })
      const ended = yield* smolvm.machineExec({ name: "box", command })
      assert.deepStrictEqual([ended.exitCode, ended.origin], [101, "unknown"])
    }).pipe(newest)
  )

  it.effect("gives a followed command's exit with its signal, and ends when it hangs and is left", () =>
    Effect.gen(function* () {
      const smolvm = yield* running("box")
      yield* misbehave({ when: "machine exec", how: "die", at: "half-way" })
      const last = yield* Stream.runLast(smolvm.machineExecFollow({ name: "box", command }))
      assert.deepInclude(last, { _tag: "Some" })
      assert.deepStrictEqual(last._tag === "Some" ? last.value : undefined, {
        _tag: "Exit",
        exit: { code: 137, signal: "SIGKILL" }
      })
      yield* misbehave({ when: "machine exec", how: "hang" })
      const drained = Stream.runDrain(smolvm.machineExecFollow({ name: "box", command }))
      const { fiber, run } = yield* begin("machine exec", drained)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* run.ending, { signal: "SIGTERM" })
    }).pipe(newest)
  )

  it.effect("holds no more than was said", () =>
    Effect.gen(function* () {
      const smolvm = yield* running("box")
      yield* misbehave({ when: "machine exec", how: "flood", stream: "stdout", bytes: 200_000 })
      const held = smolvm.machineExec({ name: "box", command, capBytes: 100_000 })
      assert.strictEqual(yield* tagOf(held), "SmolvmOutputTooLarge")
      const small = yield* smolvm.machineExec({ name: "box", command, capBytes: 100_000 })
      assert.strictEqual(new TextDecoder().decode(small.stdout), "out\n")
    }).pipe(newest)
  )

  it.effect("is tried again while a machine comes up: killed, refused, then well", () =>
    Effect.gen(function* () {
      const smolvm = yield* running("box")
      yield* misbehave({ when: "machine exec", how: "fail", exitCode: 137, stderr: "", times: 2 })
      yield* misbehave({ when: "machine exec", how: "die" })
      const ready = yield* Effect.fork(smolvm.waitExecReady({ name: "box", timeoutMillis: 10_000 }))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(ready)
    }).pipe(newest)
  )
})

describe("a guest that does not end", () => {
  it.effect("is left when its call is interrupted", () =>
    Effect.gen(function* () {
      const smolvm = yield* running("box")
      const { processes } = yield* FakeSmolvm.FakeSmolvm
      const call = yield* Effect.fork(smolvm.machineExec({ name: "box", command: ["forever"] }))
      const goesOn = Effect.map(processes("box"), ({ length }) => length > 0)
      yield* waitUntil(goesOn, within("the command"))
      yield* Fiber.interrupt(call)
      yield* waitUntil(Effect.negate(goesOn), within("the command's end"))
      yield* smolvm.machineDelete({ name: "box" })
    }).pipe(on("1.9.3", { guest: FakeGuest.programs({ forever: () => Effect.never }) }))
  )
})
