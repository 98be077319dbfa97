import type * as CommandScript from "@bottle/testing/CommandScript"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { errorOf, refusalOf, reply, runs, using } from "./fixtures/scripted.js"
import type { Service } from "./fixtures/scripted.js"

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const taken = "Error: config operation failed: start machine: host port 80 is already in use by running machine 'm'\n"
const offline =
  "Error: config operation failed: create machine: image 'a' must be pulled from a registry, but this machine has no network, so the pull can never succeed.\n"

/** Both ways to run a command in a machine of its own, which are alike in what they make of it. */
const kinds = [
  {
    kind: "machineRun",
    argv: "machine run --image a",
    usage: "error: x\n\nUsage: smolvm machine run [OPTIONS]\n",
    run: (smolvm: Service, more: object = {}) => smolvm.machineRun({ image: "a", command: ["cmd"], ...more }),
    follow: (smolvm: Service, more: object = {}) => smolvm.machineRunFollow({ image: "a", command: ["cmd"], ...more }),
    attach: (smolvm: Service, more: object = {}) => smolvm.machineRunAttach({ image: "a", command: ["cmd"], ...more }),
    deadline: { machineRun: 1_000 }
  },
  {
    kind: "packRun",
    argv: "pack run --sidecar a",
    usage: "error: x\n\nUsage: smolvm pack run [OPTIONS]\n",
    run: (smolvm: Service, more: object = {}) => smolvm.packRun({ sidecar: "a", command: ["cmd"], ...more }),
    follow: (smolvm: Service, more: object = {}) => smolvm.packRunFollow({ sidecar: "a", command: ["cmd"], ...more }),
    attach: (smolvm: Service, more: object = {}) => smolvm.packRunAttach({ sidecar: "a", command: ["cmd"], ...more }),
    deadline: { packRun: 1_000 }
  }
] as const

for (const { argv, attach, deadline, follow, kind, run, usage } of kinds) {
  const ran = (rest: Partial<CommandScript.Reply>, more?: object, line = `${argv} -- cmd`) =>
    using("1.9.3", [reply(line, rest)], (smolvm) => run(smolvm, more))

  describe(kind, () => {
    it.effect("gives a non-zero exit as a value, with all that was printed", () =>
      Effect.gen(function* () {
        const result = yield* ran({ exit: 3, stdout: "Using cached image a\nout", stderr: "err" })
        assert.deepStrictEqual(
          [result.exitCode, result.origin, result.signal, text(result.stdout), text(result.stderr)],
          [3, "guest", null, "Using cached image a\nout", "err"]
        )
      })
    )

    it.effect("says where the code came from, and which signal it stands for", () =>
      Effect.gen(function* () {
        const of = (exit: number, stderr = "", more?: object, line?: string) =>
          Effect.map(ran({ exit, stderr }, more, line), ({ origin, signal }) => [origin, signal])
        assert.deepStrictEqual(yield* of(0), ["guest", null])
        assert.deepStrictEqual(yield* of(137), ["guest", "SIGKILL"])
        assert.deepStrictEqual(yield* of(1, "grep: no\n"), ["unknown", null])
        assert.deepStrictEqual(yield* of(1, "Error: agent operation failed: pull: lost\n"), ["runtime", null])
        assert.deepStrictEqual(yield* of(2, usage), ["runtime", null])
        assert.deepStrictEqual(yield* of(2, "error: x\n\nUsage: smolvm machine exec\n"), ["unknown", null])
        const timed = [{ timeoutMillis: 1_000 }, `${argv} --timeout 1s -- cmd`] as const
        assert.deepStrictEqual(yield* of(124, "timed out after 1000ms\n", ...timed), ["runtime", null])
        assert.deepStrictEqual(yield* of(124, "", ...timed), ["unknown", null])
      })
    )

    it.effect(
      "fails where smolvm says that the machine could not be made, and takes no such thing from the command",
      () =>
        Effect.gen(function* () {
          const port = yield* errorOf("1.9.3", `${argv} -- cmd`, { exit: 1, stderr: taken }, run)
          assert.strictEqual(port._tag, "HostPortInUse")
          if (port._tag === "HostPortInUse") assert.deepInclude(port, { port: 80, holder: "m" })
          const image = yield* errorOf("1.9.3", `${argv} -- cmd`, { exit: 1, stderr: offline }, run)
          assert.strictEqual(image._tag, "ImageNeedsNetwork")
          const stderr = "Error: kvm permission denied: /dev/kvm\n"
          const kvm = yield* errorOf("1.9.3", `${argv} -- cmd`, { exit: 1, stderr }, run)
          assert.strictEqual(kvm._tag, "HypervisorUnavailable")
          assert.strictEqual((yield* ran({ exit: 1, stderr: `${taken}and more\n` })).exitCode, 1)
          assert.strictEqual((yield* ran({ exit: 3, stderr: taken })).exitCode, 3)
        })
    )

    it.effect("fails when smolvm itself is killed, is not there, or says too much", () =>
      Effect.gen(function* () {
        const error = (rest: Partial<CommandScript.Reply>, more?: object) =>
          Effect.map(
            errorOf("1.9.3", `${argv} -- cmd`, rest, (smolvm) => run(smolvm, more)),
            ({ _tag }) => _tag
          )
        assert.strictEqual(yield* error({ signal: "SIGTERM" }), "SmolvmKilled")
        assert.strictEqual(yield* error({ notFound: true }), "SmolvmNotInstalled")
        assert.strictEqual(yield* error({ stdout: "12345" }, { capBytes: 4 }), "SmolvmOutputTooLarge")
      })
    )

    it.effect("feeds stdin, and is interactive then", () =>
      using("1.9.3", [reply(`${argv} -i -- cmd`), reply(`${argv} -i -- cmd`)], (smolvm) =>
        Effect.gen(function* () {
          yield* run(smolvm, { stdin: "hello" })
          yield* run(smolvm, { stdin: "again", interactive: undefined })
          const read = yield* Effect.forEach(yield* runs, ({ stdin }) => stdin)
          assert.deepStrictEqual(read, ["hello", "again"])
        })
      )
    )

    it.effect("is ended some time after the command's timeout, and never without one", () =>
      using(
        "1.9.3",
        [reply(`${argv} --timeout 1s -- cmd`, { hang: true }), reply(`${argv} -- cmd`, { hang: true })],
        (smolvm) =>
          Effect.gen(function* () {
            yield* smolvm.capabilities
            const timed = yield* Effect.fork(Effect.flip(run(smolvm, { timeoutMillis: 1_000 })))
            yield* TestClock.adjust("1 minute")
            const error = yield* Fiber.join(timed)
            assert.strictEqual(error._tag, "SmolvmTimedOut")
            assert.include(error.message, "2000 ms")
            const endless = yield* Effect.fork(run(smolvm))
            yield* TestClock.adjust("30 days")
            assert.isNull(yield* endless.poll.pipe(Effect.map((exit) => (exit._tag === "None" ? null : exit.value))))
            yield* Fiber.interrupt(endless)
            assert.deepStrictEqual((yield* runs)[1]?.signals, ["SIGTERM"])
          }),
        { deadlines: deadline }
      )
    )

    it.effect("follows: live unless there is a terminal, and the exit last", () =>
      using(
        "1.9.3",
        [
          reply(`${argv} -i -- cmd`, { stdout: "o", exit: 3 }),
          reply(`${argv} -t -- cmd`),
          reply(`${argv} -- cmd`),
          reply(`${argv} -i -- cmd`)
        ],
        (smolvm) =>
          Effect.gen(function* () {
            const stdin = Stream.make(new TextEncoder().encode("in"))
            const events = yield* Stream.runCollect(follow(smolvm, { stdin }))
            assert.deepStrictEqual(Chunk.unsafeLast(events), { _tag: "Exit", exit: { code: 3, signal: null } })
            assert.isTrue(Chunk.some(events, ({ _tag }) => _tag === "Stdout"))
            assert.strictEqual(yield* (yield* runs)[0]?.stdin ?? Effect.succeed(""), "in")
            yield* Stream.runDrain(follow(smolvm, { tty: true }))
            yield* Stream.runDrain(follow(smolvm, { interactive: false }))
            yield* Stream.runDrain(follow(smolvm, { interactive: undefined }))
          })
      )
    )

    it.effect("fails to follow what is not there", () =>
      Effect.gen(function* () {
        const error = yield* errorOf("1.9.3", `${argv} -i -- cmd`, { notFound: true }, (smolvm) =>
          Stream.runDrain(follow(smolvm))
        )
        assert.strictEqual(error._tag, "SmolvmNotInstalled")
      })
    )

    it.effect("attaches to the caller's terminal, with the modes that are asked for", () =>
      using("1.9.3", [reply(`${argv} -i -t -- cmd`, { exit: 7 }), reply(`${argv} -- cmd`)], (smolvm) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* attach(smolvm, { interactive: true, tty: true }), { code: 7, signal: null })
          yield* attach(smolvm)
          assert.isTrue((yield* runs).every(({ foreground }) => foreground))
        })
      )
    )

    it.effect("refuses what no release takes", () =>
      Effect.gen(function* () {
        for (const use of [run, attach, (smolvm: Service, more: object) => Stream.runDrain(follow(smolvm, more))]) {
          const error = yield* refusalOf("1.9.3", (smolvm) =>
            Effect.zipRight(smolvm.capabilities, use(smolvm, { cpus: 0 }))
          )
          assert.strictEqual(error._tag, "InvalidArgument")
        }
      })
    )
  })
}

describe("machineRun", () => {
  it.effect("has the secrets of the call, and none in an error", () =>
    using(
      "1.9.3",
      [reply("machine run --image a --secret-env T=OWN_T -- cmd", { signal: "SIGKILL", stderr: "was hunter22\n" })],
      (smolvm) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(
            smolvm.machineRun({
              image: "a",
              command: ["cmd"],
              secretEnv: [{ guest: "T", host: "OWN_T" }],
              secrets: { OWN_T: Redacted.make("hunter22") }
            })
          )
          assert.notInclude(JSON.stringify(error) + String(error), "hunter22")
          assert.strictEqual((yield* runs)[0]?.env["OWN_T"], "hunter22")
        })
    )
  )

  it.effect("marks a policy that the release does not hold, detached or not, and none where it does", () =>
    Effect.gen(function* () {
      const options = { image: "a", allowHosts: ["10.0.0.1"] }
      const marked = (release: string) =>
        using(
          release,
          [
            reply("machine run --image a --allow-host 10.0.0.1 -- cmd"),
            reply("machine run --image a --allow-host 10.0.0.1 -d --name box")
          ],
          (smolvm) =>
            Effect.gen(function* () {
              const ran = yield* smolvm.machineRun({ ...options, command: ["cmd"] })
              const detached = yield* smolvm.machineRunDetached({ ...options, name: "box" })
              return [ran, detached].map(({ dropped }) => dropped.map(({ isPolicy, option }) => [option, isPolicy]))
            })
        )
      assert.deepStrictEqual(yield* marked("1.1.3"), [[], []])
      assert.deepStrictEqual(yield* marked("1.1.2"), [[["--allow-host", true]], [["--allow-host", true]]])
    })
  )

  it.effect("marks numbers that a Smolfile may override, detached or not, and no others", () =>
    using(
      "1.9.3",
      [
        reply("machine run --smolfile s --cpus 4"),
        reply("machine run --smolfile s --cpus 4 -d"),
        reply("machine run --smolfile s --cpus 3")
      ],
      (smolvm) =>
        Effect.gen(function* () {
          const ran = yield* smolvm.machineRun({ smolfile: "s", cpus: 4 })
          const detached = yield* smolvm.machineRunDetached({ smolfile: "s", cpus: 4 })
          for (const { dropped } of [ran, detached]) {
            assert.deepStrictEqual(
              dropped.map(({ isPolicy, option }) => [option, isPolicy]),
              [["--cpus", false]]
            )
          }
          assert.deepStrictEqual((yield* smolvm.machineRun({ smolfile: "s", cpus: 3 })).dropped, [])
        })
    )
  )

  it.effect("is refused for what the release lacks, and runs where it has it", () =>
    Effect.gen(function* () {
      const from = (smolvm: Service) => smolvm.machineRun({ from: "p", command: ["cmd"] })
      const error = yield* refusalOf("1.0.1", from)
      assert.strictEqual(error._tag, "UnsupportedOption")
      assert.include(error.message, "--from on machine run: 1.0.2 or newer is needed")
      yield* using("1.0.2", [reply("machine run --from p -- cmd")], from)
    })
  )
})

describe("machineRunDetached", () => {
  it.effect("gives the machine's name, smolvm's own where there is none", () =>
    using(
      "0.8.0",
      [reply("machine run --image a -d --name box -- cmd"), reply("machine run --image a -d", { stdout: "x\n" })],
      (smolvm) =>
        Effect.gen(function* () {
          const named = yield* smolvm.machineRunDetached({ image: "a", name: "box", command: ["cmd"] })
          assert.deepStrictEqual(named, { name: "box", dropped: [] })
          assert.strictEqual((yield* smolvm.machineRunDetached({ image: "a" })).name, "default")
        })
    )
  )

  for (const [tag, rest] of [
    ["HostPortInUse", { exit: 1, stderr: taken }],
    ["ImageNeedsNetwork", { exit: 1, stderr: offline }],
    [
      "MachineAlreadyExists",
      { exit: 1, stderr: "Error: config operation failed: run: machine 'box' already exists\n" }
    ],
    ["CommandFailed", { exit: 3, stderr: "no\n" }],
    ["SmolvmKilled", { signal: "SIGKILL" }]
  ] as const) {
    it.effect(`fails with ${tag}`, () =>
      Effect.gen(function* () {
        const error = yield* errorOf("1.9.3", "machine run --image a -d --name box", rest, (smolvm) =>
          smolvm.machineRunDetached({ image: "a", name: "box" })
        )
        assert.strictEqual(error._tag, tag)
      })
    )
  }

  it.effect("is ended at its deadline", () =>
    using(
      "1.9.3",
      [reply("machine run --image a -d", { hang: true })],
      (smolvm) =>
        Effect.gen(function* () {
          yield* smolvm.capabilities
          const running = yield* Effect.fork(Effect.flip(smolvm.machineRunDetached({ image: "a" })))
          yield* TestClock.adjust("1 minute")
          assert.include((yield* Fiber.join(running)).message, "50 ms")
        }),
      { deadlines: { machineRun: 50 } }
    )
  )
})
