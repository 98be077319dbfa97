import type * as CommandScript from "@bottle/testing/CommandScript"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { lineLengthMax } from "../src/internal/lines.js"
import type { SmolvmError } from "../src/SmolvmError.js"
import { errorOf, refusalOf, reply, runs, using } from "./fixtures/scripted.js"
import type { Service } from "./fixtures/scripted.js"

const missing = { exit: 1, stderr: "Error: vm not found: box\n" }

describe("machineCreate", () => {
  it.effect("gives the name that was asked for, and nothing dropped", () =>
    using(
      "1.9.3",
      [reply("machine create --image alpine --name box", { stdout: "Created machine: other\n" })],
      (smolvm) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* smolvm.machineCreate({ name: "box", image: "alpine" }), {
            name: "box",
            dropped: []
          })
        })
    )
  )

  it.effect("reads the name that smolvm made up", () =>
    using(
      "1.9.3",
      [reply("machine create --image alpine", { stdout: "Pulling\nCreated machine: vm-0f3a\n  start it\n" })],
      (smolvm) =>
        Effect.gen(function* () {
          assert.strictEqual((yield* smolvm.machineCreate({ image: "alpine" })).name, "vm-0f3a")
        })
    )
  )

  for (const stdout of [
    "",
    "Created\n",
    "Created machine: \n",
    "Created machine: a b\n",
    "Created machine: --help\n"
  ]) {
    it.effect(`reads no name from ${JSON.stringify(stdout)}`, () =>
      Effect.gen(function* () {
        const error = yield* errorOf("1.9.3", "machine create --image a", { stdout }, (smolvm) =>
          smolvm.machineCreate({ image: "a" })
        )
        assert.strictEqual(error._tag, "OutputNotUnderstood")
        assert.include(error.message, "does not name the machine")
      })
    )
  }

  it.effect("marks a policy that is dropped, and none where it is held", () =>
    Effect.gen(function* () {
      const options = { name: "box", from: "p", net: true, allowHosts: ["10.0.0.1"] }
      const argv = "machine create --from p --net --allow-host 10.0.0.1 --name box"
      const created = (release: string) =>
        using(release, [reply(argv)], (smolvm) => smolvm.machineCreate(options)).pipe(
          Effect.map(({ dropped }) => dropped)
        )
      assert.deepStrictEqual(yield* created("1.8.0"), [])
      const [lost, ...others] = yield* created("1.5.2")
      assert.deepStrictEqual(others, [])
      assert.deepInclude(lost, { option: "--allow-host", neededVersion: "1.8.0", isPolicy: true })
    })
  )

  it.effect("marks numbers that may not win, which are no policy", () =>
    using("1.9.3", [reply("machine create --from p --cpus 4 --mem 8192 --name box")], (smolvm) =>
      Effect.gen(function* () {
        const { dropped } = yield* smolvm.machineCreate({ name: "box", from: "p", cpus: 4, memMib: 8192 })
        assert.deepStrictEqual(
          dropped.map(({ isPolicy, option }) => [option, isPolicy]),
          [
            ["--cpus", false],
            ["--mem", false]
          ]
        )
      })
    )
  )

  it.effect("refuses at once what no release takes, and what one of them takes when it is known which is there", () =>
    Effect.gen(function* () {
      const options = { name: "box", netBackend: "tsi", allowHosts: ["10.0.0.1"] } as const
      const refused = yield* refusalOf("1.9.3", (smolvm) => smolvm.machineCreate(options))
      assert.strictEqual(refused._tag, "InvalidArgument")
      yield* using("1.0.4", [reply("machine create --net-backend tsi --allow-host 10.0.0.1 --name box")], (smolvm) =>
        smolvm.machineCreate(options)
      )
    })
  )

  it.effect("refuses what the release would ignore, and sends it where it does not", () =>
    Effect.gen(function* () {
      const ignored = yield* refusalOf("1.9.3", (smolvm) =>
        smolvm.machineCreate({ name: "box", from: "p", workdir: "/w" })
      )
      assert.strictEqual(ignored._tag, "IgnoredOption")
      yield* using("1.9.3", [reply("machine create -w /w --name box")], (smolvm) =>
        smolvm.machineCreate({ name: "box", workdir: "/w" })
      )
    })
  )
})

/** One call of each kind, with its argv on 1.9.3 and on 0.8.0 (`null` where it has none). */
const calls: ReadonlyArray<
  readonly [argv: string, oldest: string | null, call: (smolvm: Service) => Effect.Effect<unknown, SmolvmError>]
> = [
  [
    "machine update --cpus 2 --no-net --name box",
    "machine update --cpus 2 --no-net box",
    (smolvm) => smolvm.machineUpdate({ name: "box", cpus: 2, net: false })
  ],
  ["machine fork --golden box --name clone", null, (smolvm) => smolvm.machineFork({ golden: "box", name: "clone" })],
  [
    "machine fork-release -e A=b --name box",
    null,
    (smolvm) => smolvm.machineForkRelease({ name: "box", env: [["A", "b"]] })
  ],
  ["machine delete -f --cascade --name box", null, (smolvm) => smolvm.machineDelete({ name: "box", cascade: true })],
  [
    "machine prune --name box --dry-run",
    "machine prune --name box --dry-run",
    (smolvm) => smolvm.machinePrune({ name: "box", dryRun: true })
  ]
]

describe("calls about machines", () => {
  for (const [argv, oldest, call] of calls) {
    it.effect(`run ${argv}`, () => using("1.9.3", [reply(argv)], call))

    it.effect(`say that a machine is missing: ${argv}`, () =>
      Effect.gen(function* () {
        const error = yield* errorOf("1.9.3", argv, missing, call)
        assert.strictEqual(error._tag, "MachineNotFound")
        assert.include(error.message, "machine 'box' does not exist")
      })
    )

    if (oldest === null) {
      it.effect(`are refused on 0.8.0: ${argv}`, () =>
        Effect.gen(function* () {
          const error = yield* refusalOf("0.8.0", call)
          assert.include(["UnsupportedCommand", "UnsupportedOption"], error._tag)
          assert.include(error.message, "or newer is needed")
        })
      )
    } else {
      it.effect(`run on 0.8.0: ${oldest}`, () => using("0.8.0", [reply(oldest)], call))
    }
  }
})

describe("machineUpdate", () => {
  it.effect("says what state the machine has to be in", () =>
    Effect.gen(function* () {
      const stderr = "Error: invalid vm state: expected stopped, got running\n"
      const error = yield* errorOf("1.9.3", "machine update --cpus 2 --name box", { exit: 1, stderr }, (smolvm) =>
        smolvm.machineUpdate({ name: "box", cpus: 2 })
      )
      assert.strictEqual(error._tag, "MachineInWrongState")
      if (error._tag === "MachineInWrongState") assert.deepInclude(error, { expected: "stopped", actual: "running" })
    })
  )
})

describe("machineFork", () => {
  it.effect("gives what was asked for, and makes no names up", () =>
    using(
      "1.9.3",
      [
        reply("machine fork --golden g --name c", { stdout: "anything\n" }),
        reply("machine fork --count 3 --golden g --name-prefix c", { stdout: "c-1 c-2 c-3\n" })
      ],
      (smolvm) =>
        Effect.gen(function* () {
          const one = yield* smolvm.machineFork({ golden: "g", name: "c" })
          assert.deepStrictEqual(one, { name: "c", namePrefix: null, count: 1 })
          const three = yield* smolvm.machineFork({ golden: "g", namePrefix: "c", count: 3 })
          assert.deepStrictEqual(three, { name: null, namePrefix: "c", count: 3 })
        })
    )
  )

  it.effect("uses positional names where the release does", () =>
    using("1.0.0", [reply("machine fork g c")], (smolvm) => smolvm.machineFork({ golden: "g", name: "c" }))
  )

  it.effect("names the clone whose name is taken", () =>
    Effect.gen(function* () {
      const stderr = "Error: config operation failed: fork: machine 'c' already exists or is being created\n"
      const error = yield* errorOf("1.9.3", "machine fork --golden g --name c", { exit: 1, stderr }, (smolvm) =>
        smolvm.machineFork({ golden: "g", name: "c" })
      )
      assert.strictEqual(error._tag, "MachineAlreadyExists")
      assert.include(error.message, "machine 'c'")
    })
  )

  it.effect("waits longer by the time that the clones have", () =>
    using(
      "1.9.3",
      [reply("machine fork --ready-timeout 60s --golden g --name c", { hang: true })],
      (smolvm) =>
        Effect.gen(function* () {
          yield* smolvm.capabilities
          const fork = smolvm.machineFork({ golden: "g", name: "c", readyTimeoutMillis: 60_000 })
          const forking = yield* Effect.fork(Effect.flip(fork))
          yield* TestClock.adjust("2 minutes")
          const error = yield* Fiber.join(forking)
          assert.strictEqual(error._tag, "SmolvmTimedOut")
          assert.include(error.message, "60050 ms")
        }),
      { deadlines: { machineFork: 50 } }
    )
  )
})

describe("machinePrune", () => {
  it.effect("gives what smolvm says, without terminal sequences", () =>
    using("1.9.3", [reply("machine prune --name box --all", { stdout: "\u001b[1mfreed\u001b[0m 3\n" })], (smolvm) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* smolvm.machinePrune({ name: "box", all: true }), "freed 3")
      })
    )
  )
})

describe("machineImages", () => {
  const argv = "machine images --name box --json"
  const images = (smolvm: Service) => smolvm.machineImages({ name: "box" })

  it.effect("gives the images and the storage", () =>
    using(
      "0.8.0",
      [reply(argv, { stdout: JSON.stringify({ storage: { used_bytes: 7 }, images: [{ reference: "alpine" }] }) })],
      (smolvm) =>
        Effect.gen(function* () {
          const { images: found, storage } = yield* images(smolvm)
          assert.strictEqual(found[0]?.reference, "alpine")
          assert.strictEqual(storage?.usedBytes, 7)
        })
    )
  )

  it.effect("says what it does not understand, and that a machine is missing", () =>
    Effect.gen(function* () {
      const odd = yield* errorOf("1.9.3", argv, { stdout: "no images\n" }, images)
      assert.strictEqual(odd._tag, "OutputNotUnderstood")
      assert.strictEqual((yield* errorOf("1.9.3", argv, missing, images))._tag, "MachineNotFound")
    })
  )
})

describe("machineEgressEvents", () => {
  const argv = "machine egress-events --name box --limit 2 --json"
  const events = (smolvm: Service) => smolvm.machineEgressEvents({ name: "box", limit: 2 })

  it.effect("gives them in smolvm's order", () =>
    using(
      "1.9.3",
      [
        reply(argv, {
          stdout: '[{"timestamp":"","operation":"resolve","dest":"a"},{"operation":"connect","dest":"b"}]'
        })
      ],
      (smolvm) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* events(smolvm), [
            { timestamp: null, operation: "resolve", destination: "a" },
            { timestamp: null, operation: "connect", destination: "b" }
          ])
        })
    )
  )

  it.effect("is refused below 1.8.1, and says what it does not understand", () =>
    Effect.gen(function* () {
      const refused = yield* refusalOf("1.8.0", events)
      assert.strictEqual(refused._tag, "UnsupportedCommand")
      assert.include(refused.message, "smolvm 1.8.0 has no machine egress-events: 1.8.1 or newer is needed")
      assert.strictEqual((yield* errorOf("1.8.1", argv, { stdout: "{}" }, events))._tag, "OutputNotUnderstood")
    })
  )
})

describe("machineDataDir", () => {
  const directory = (smolvm: Service) => smolvm.machineDataDir({ name: "box" })

  it.effect("gives the path, whatever is in it", () =>
    using(
      "1.9.3",
      [reply("machine data-dir --name box", { stdout: "/home/a user/.cache/smolvm/vms/0f\n" })],
      (smolvm) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* directory(smolvm), "/home/a user/.cache/smolvm/vms/0f")
        })
    )
  )

  it.effect("takes the name as it is taken on 0.8.0", () =>
    using("0.8.0", [reply("machine data-dir box", { stdout: "/d\n" })], directory)
  )

  for (const stdout of ["", "\n", "vms/0f\n", "/a\n/b\n", "note\n/a\n"]) {
    it.effect(`takes no path from ${JSON.stringify(stdout)}`, () =>
      Effect.gen(function* () {
        const error = yield* errorOf("1.9.3", "machine data-dir --name box", { stdout }, directory)
        assert.strictEqual(error._tag, "OutputNotUnderstood")
      })
    )
  }
})

describe("machineShell", () => {
  it.effect("has the caller's terminal and the secrets, and passes the exit on", () =>
    using(
      "1.9.3",
      [reply("machine shell --name box", { exit: 5 })],
      (smolvm) =>
        Effect.gen(function* () {
          const secrets = { OWN_T: Redacted.make("v") }
          assert.deepStrictEqual(yield* smolvm.machineShell({ name: "box", secrets }), { code: 5, signal: null })
          const [run] = yield* runs
          assert.isTrue(run?.foreground)
          assert.deepInclude(run?.env, { OWN_T: "v", HOST_T: "w" })
        }),
      { secrets: { HOST_T: "w" } }
    )
  )

  it.effect("fails when there is no program", () =>
    Effect.gen(function* () {
      const error = yield* errorOf("1.9.3", "machine shell --name box", { notFound: true }, (smolvm) =>
        smolvm.machineShell({ name: "box" })
      )
      assert.strictEqual(error._tag, "SmolvmNotInstalled")
    })
  )
})

describe("machineMonitor", () => {
  const argv = "machine monitor --name box --restart always"
  const bytes = (text: string) => new TextEncoder().encode(text)
  const monitor = (smolvm: Service) => smolvm.machineMonitor({ name: "box", restart: "always" })
  const linesOf = (rest: Partial<CommandScript.Reply>) =>
    using("1.9.3", [reply(argv, rest)], (smolvm) =>
      Effect.map(Stream.runCollect(monitor(smolvm)), Chunk.toReadonlyArray)
    )

  it.effect("gives lines, however they come, and ends with smolvm", () =>
    Effect.gen(function* () {
      const split = Stream.make(
        bytes("on"),
        bytes("e\r\ntw"),
        Uint8Array.of(0xc3),
        Uint8Array.of(0xa9),
        bytes("\n\nend")
      )
      assert.deepStrictEqual(yield* linesOf({ stdout: split, stderr: "noise\n" }), ["one", "twé", "", "end"])
      assert.deepStrictEqual(yield* linesOf({}), [])
    })
  )

  it.effect("gives a line without an end in pieces", () =>
    Effect.gen(function* () {
      const long = "x".repeat(lineLengthMax * 2 + 3)
      const lines = yield* linesOf({ stdout: `${long}\nnext\n` })
      assert.deepStrictEqual(
        lines.map(({ length }) => length),
        [lineLengthMax, lineLengthMax, 3, 4]
      )
      const endless = yield* linesOf({
        stdout: Stream.range(1, 5).pipe(Stream.map(() => bytes("y".repeat(lineLengthMax))))
      })
      assert.strictEqual(endless.join("").length, lineLengthMax * 5)
      assert.isTrue(endless.every(({ length }) => length <= lineLengthMax))
    })
  )

  it.effect("fails with the error of its cause, after what was said before", () =>
    using("1.9.3", [reply(argv, { stdout: "looking\n", ...missing })], (smolvm) =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const error = yield* Effect.flip(
          Stream.runForEach(monitor(smolvm), (line) => Effect.sync(() => seen.push(line)))
        )
        assert.deepStrictEqual(seen, ["looking"])
        assert.strictEqual(error._tag, "MachineNotFound")
        if (error._tag === "MachineNotFound") assert.strictEqual(error.stdout, "looking")
      })
    )
  )

  it.effect("fails when a signal ends smolvm", () =>
    Effect.gen(function* () {
      const error = yield* errorOf("1.9.3", argv, { signal: "SIGKILL" }, (smolvm) => Stream.runDrain(monitor(smolvm)))
      assert.strictEqual(error._tag, "SmolvmKilled")
    })
  )

  it.live("ends smolvm when it is left", () =>
    using(
      "1.9.3",
      [reply(argv, { stdout: Stream.concat(Stream.make(bytes("a\nb\n")), Stream.never), hang: true })],
      (smolvm) =>
        Effect.gen(function* () {
          const lines = yield* Stream.runCollect(Stream.take(monitor(smolvm), 1))
          assert.deepStrictEqual(Chunk.toReadonlyArray(lines), ["a"])
          yield* waitUntil(
            Effect.map(runs, ([run]) => run?.signals.includes("SIGTERM") === true),
            { boundMillis: 10_000, what: "the end of smolvm" }
          )
        })
    )
  )

  it.effect("refuses at once what no release takes", () =>
    Effect.gen(function* () {
      const error = yield* using("1.9.3", [], (smolvm) =>
        Effect.zipRight(smolvm.capabilities, Effect.flip(Stream.runDrain(smolvm.machineMonitor({ name: "--x" }))))
      )
      assert.strictEqual(error._tag, "InvalidArgument")
    })
  )
})

describe("secrets", () => {
  it.effect("go to the calls that let smolvm read them, and to no other", () =>
    using(
      "1.9.3",
      [
        reply("machine create --name box"),
        reply("machine start --name box"),
        reply("machine fork --golden box --name c"),
        reply("machine images --name box --json", { stdout: '{"images":[]}' }),
        reply("machine monitor --name box"),
        reply("machine shell --name box"),
        reply("machine exec --name box -- x"),
        reply("machine run --image a -- x"),
        reply("machine update --cpus 1 --name box"),
        reply("machine fork-release --name c"),
        reply("machine prune --name box"),
        reply("machine stop --name box"),
        reply("machine data-dir --name box", { stdout: "/d\n" }),
        reply("machine egress-events --name box --json", { stdout: "[]" }),
        reply("pack run -- x"),
        reply("machine delete -f --name box")
      ],
      (smolvm) =>
        Effect.gen(function* () {
          const name = "box"
          const secrets = { OWN_T: Redacted.make("hunter22") }
          yield* smolvm.machineCreate({ name, secrets })
          yield* smolvm.machineStart({ name, secrets })
          yield* smolvm.machineFork({ golden: name, name: "c", secrets })
          yield* smolvm.machineImages({ name, secrets })
          yield* Stream.runDrain(smolvm.machineMonitor({ name, secrets }))
          yield* smolvm.machineShell({ name, secrets })
          yield* smolvm.machineExec({ name, command: ["x"], secrets })
          yield* smolvm.machineRun({ image: "a", command: ["x"], secrets })
          const told = (yield* runs).map(({ env }) => [env["OWN_T"], env["HOST_T"]])
          for (const pair of told) assert.deepStrictEqual(pair, ["hunter22", "layer-secret"])
          assert.lengthOf(told, 8)
          yield* smolvm.machineUpdate({ name, cpus: 1 })
          yield* smolvm.machineForkRelease({ name: "c" })
          yield* smolvm.machinePrune({ name })
          yield* smolvm.machineStop({ name })
          yield* smolvm.machineDataDir({ name })
          yield* smolvm.machineEgressEvents({ name })
          yield* smolvm.packRun({ command: ["x"] })
          yield* smolvm.machineDelete({ name })
          for (const { env } of (yield* runs).slice(8)) assert.deepStrictEqual(env, { PATH: "/bin" })
        }),
      { secrets: { HOST_T: "layer-secret" } }
    )
  )
})

describe("deadlines", () => {
  it.effect("end a call of each kind, and name how long it had", () =>
    using(
      "1.9.3",
      [
        reply("machine update --cpus 1 --name box", { hang: true }),
        reply("machine images --name box --json", { hang: true }),
        reply("machine prune --name box", { hang: true }),
        reply("machine data-dir --name box", { hang: true }),
        reply("machine egress-events --name box --json", { hang: true }),
        reply("machine fork-release --name box", { hang: true })
      ],
      (smolvm) =>
        Effect.gen(function* () {
          const name = "box"
          yield* smolvm.capabilities
          const waiting: ReadonlyArray<readonly [Effect.Effect<unknown, SmolvmError>, number]> = [
            [smolvm.machineUpdate({ name, cpus: 1 }), 120_000],
            [smolvm.machineImages({ name }), 600_000],
            [smolvm.machinePrune({ name }), 600_000],
            [smolvm.machineDataDir({ name }), 30_000],
            [smolvm.machineEgressEvents({ name }), 120_000],
            [smolvm.machineForkRelease({ name }), 120_000]
          ]
          for (const [call, millis] of waiting) {
            const fiber = yield* Effect.fork(Effect.flip(call))
            yield* TestClock.adjust("1 hour")
            const error = yield* Fiber.join(fiber)
            assert.strictEqual(error._tag, "SmolvmTimedOut")
            assert.include(error.message, `${millis} ms`)
          }
        })
    )
  )
})
