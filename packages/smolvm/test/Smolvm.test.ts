import * as CommandScript from "@bottle/testing/CommandScript"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Capabilities from "../src/Capabilities.js"
import * as Grammar from "../src/Grammar.js"
import type { MachineExecOptions } from "../src/MachineExec.js"
import { Smolvm } from "../src/Smolvm.js"
import * as SmolvmLayer from "../src/Smolvm.js"
import type { SmolvmError } from "../src/SmolvmError.js"

const env = { PATH: "/bin" }

const version = (text: string): CommandScript.Reply => ({
  match: ["smolvm", "--version"],
  stdout: `smolvm ${text}\n`
})

const reply = (line: string, rest: Partial<CommandScript.Reply> = {}): CommandScript.Reply => ({
  match: ["smolvm", ...line.split(" ")],
  ...rest
})

const on = (
  release: string,
  replies: ReadonlyArray<CommandScript.Reply>,
  options?: Partial<SmolvmLayer.SmolvmOptions>
) => scripted([version(release), ...replies], options)

const scripted = (replies: ReadonlyArray<CommandScript.Reply>, options?: Partial<SmolvmLayer.SmolvmOptions>) =>
  SmolvmLayer.layer({ program: "smolvm", env, ...options }).pipe(Layer.provideMerge(CommandScript.layer(replies)))

/** The error of a call on a scripted smolvm. */
const errorOf = (
  release: string,
  line: string,
  rest: Partial<CommandScript.Reply>,
  use: (smolvm: Smolvm["Type"]) => Effect.Effect<unknown, SmolvmError>
) => Effect.flatMap(Smolvm, (smolvm) => Effect.flip(use(smolvm))).pipe(Effect.provide(on(release, [reply(line, rest)])))

const argvs = Effect.flatMap(CommandScript.CommandScript, ({ recorded }) =>
  Effect.map(recorded, (all) => all.map(({ argv }) => argv.slice(1).join(" ")))
)

/** Runs with these variables set in our own environment. */
const withVariables =
  (variables: Readonly<Record<string, string>>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const before = { ...process.env }
        Object.assign(process.env, variables)
        return before
      }),
      () => self,
      (before) =>
        Effect.sync(() => {
          for (const name of Object.keys(variables)) delete process.env[name]
          Object.assign(process.env, before)
        })
    )

describe("calls", () => {
  it.effect("run what their argv says, after the capabilities are read once", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.packCreate({ image: "alpine", output: "out" })
      yield* smolvm.packCreateFromVm({ name: "box", output: "out" })
      yield* smolvm.machineCreate({ name: "box", from: "out.smolmachine" })
      yield* smolvm.machineStart({ name: "box" })
      yield* smolvm.machineCp({ src: "a", dst: "box:/a" })
      yield* smolvm.machineStop({ name: "box" })
      yield* smolvm.machineDelete({ name: "box" })
    }).pipe(
      Effect.provide(
        on("1.9.3", [
          reply("pack create --image alpine -o out"),
          reply("pack create --from-vm box -o out"),
          reply("machine create --from out.smolmachine --name box"),
          reply("machine start --name box"),
          reply("machine cp a box:/a"),
          reply("machine stop --name box"),
          reply("machine delete -f --name box")
        ])
      )
    )
  )

  it.effect("use positional names on the oldest line", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.machineCreate({ name: "box", from: "p", allowCidrs: ["10.0.0.1/32"], env: [["K", "V"]] })
      assert.strictEqual((yield* smolvm.capabilities).line, "0.8.0")
    }).pipe(Effect.provide(on("0.8.0", [reply("machine create --from p --net --allow-cidr 10.0.0.1/32 -e K=V box")])))
  )

  it.effect("stop a machine before it is deleted where delete would orphan it", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.machineDelete({ name: "box" })
    }).pipe(Effect.provide(on("0.8.0", [reply("machine stop --name box"), reply("machine delete -f box")])))
  )

  it.effect("do not delete on that line what could not be stopped", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const error = yield* Effect.flip(smolvm.machineDelete({ name: "box" }))
      assert.strictEqual(error._tag, "CommandFailed")
    }).pipe(Effect.provide(on("0.8.0", [reply("machine stop --name box", { exit: 1, stderr: "Error: io x\n" })])))
  )

  it.effect("only delete where delete stops", () =>
    Effect.flatMap(Smolvm, (smolvm) => smolvm.machineDelete({ name: "box" })).pipe(
      Effect.provide(on("0.8.1", [reply("machine delete -f box")]))
    )
  )

  it.effect("copy nothing when a side is empty, and start no process", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.machineCp({ src: "", dst: "box:/a" })
      yield* smolvm.machineCp({ src: "box:/a", dst: "" })
    }).pipe(Effect.provide(scripted([])))
  )

  it.effect("refuse before anything runs what no release takes", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const refused = (call: Effect.Effect<unknown, SmolvmError>) => Effect.map(Effect.flip(call), ({ _tag }) => _tag)
      assert.strictEqual(yield* refused(smolvm.machineStart({ name: "--help" })), "InvalidArgument")
      assert.strictEqual(yield* refused(smolvm.machineDelete({ name: "a b" })), "InvalidArgument")
      assert.strictEqual(yield* refused(smolvm.machineCreate({ name: "a", image: "" })), "InvalidArgument")
      assert.strictEqual(yield* refused(smolvm.machineExec({ name: "a", command: [] })), "InvalidArgument")
      assert.strictEqual(yield* refused(smolvm.waitExecReady({ name: "", timeoutMillis: 5 })), "InvalidArgument")
      assert.strictEqual(yield* refused(smolvm.machineCp({ src: "a", dst: "b" })), "InvalidArgument")
      const follow = Stream.runDrain(smolvm.machineExecFollow({ name: "a", command: ["\0"] }))
      assert.strictEqual(yield* refused(follow), "InvalidArgument")
    }).pipe(Effect.provide(scripted([])))
  )

  it.effect("refuse what this release does not have, naming the version that does", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const secretEnv = [{ guest: "T", host: "H" }]
      const error = yield* Effect.flip(smolvm.machineExec({ name: "box", command: ["true"], secretEnv }))
      assert.strictEqual(error._tag, "UnsupportedOption")
      if (error._tag === "UnsupportedOption") {
        assert.deepStrictEqual([error.option, error.version, error.neededVersion], ["--secret-env", "0.9.0", "1.0.0"])
      }
      const mountSockets = [{ host: "/a", guest: "/b" }]
      const socket = yield* Effect.flip(smolvm.machineCreate({ name: "box", mountSockets }))
      assert.strictEqual(socket._tag, "UnsupportedOption")
    }).pipe(Effect.provide(on("0.9.0", [])))
  )
})

describe("the environment", () => {
  const secret = { ...env, HOST_T: "hunter22" }

  it.effect("is the one given, with the secrets where they are read and nowhere else", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.machineCreate({ name: "box", secretEnv: [{ guest: "T", host: "HOST_T" }] })
      yield* smolvm.machineStart({ name: "box" })
      yield* smolvm.machineExec({ name: "box", command: ["true"] })
      yield* smolvm.machineStop({ name: "box" })
      const { recorded } = yield* CommandScript.CommandScript
      const runs = yield* recorded
      assert.isTrue(runs.every(({ extendEnv }) => !extendEnv))
      assert.isFalse(runs.some(({ argv }) => argv.some((word) => word.includes("hunter22"))))
      assert.deepStrictEqual(
        runs.map(({ env }) => env),
        [env, secret, secret, secret, env]
      )
    }).pipe(
      Effect.provide(
        on(
          "1.9.3",
          [
            reply("machine create --secret-env T=HOST_T --name box"),
            reply("machine start --name box"),
            reply("machine exec --name box -- true"),
            reply("machine stop --name box")
          ],
          { secrets: { HOST_T: "hunter22" } }
        )
      )
    )
  )

  for (const [release, startEnv] of [
    ["1.0.3", env],
    ["1.0.4", { ...env, SMOLVM_EGRESS_ALLOW_PRIVATE: "1" }],
    ["1.1.2", { ...env, SMOLVM_EGRESS_ALLOW_PRIVATE: "1" }],
    ["1.1.3", env]
  ] as const) {
    it.effect(`opens private addresses to the policy of a start that asks, and of no other: ${release}`, () =>
      Effect.gen(function* () {
        const smolvm = yield* Smolvm
        yield* smolvm.machineStart({ name: "box" })
        yield* smolvm.machineStart({ name: "box", allowPrivate: true })
        yield* smolvm.machineStop({ name: "box" })
        const { recorded } = yield* CommandScript.CommandScript
        assert.deepStrictEqual(
          (yield* recorded).map((run) => run.env),
          [env, env, startEnv, env]
        )
      }).pipe(
        Effect.provide(on(release, [reply("machine start --name box", { times: 2 }), reply("machine stop --name box")]))
      )
    )
  }

  it.effect("is ours without what weakens the policy where none is given", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.capabilities
      const { recorded } = yield* CommandScript.CommandScript
      const names = Object.keys((yield* recorded)[0]?.env ?? {})
      assert.include(names, "PATH")
      assert.isFalse(names.some((name) => /^SMOLVM_EGRESS|_PROXY$/i.test(name)))
    }).pipe(
      Effect.provide(
        SmolvmLayer.layer({ program: "smolvm" }).pipe(Layer.provideMerge(CommandScript.layer([version("1.9.3")])))
      ),
      withVariables({ SMOLVM_EGRESS_ALLOW_PRIVATE: "1", https_proxy: "http://127.0.0.1:9" })
    )
  )
})

describe("capabilities", () => {
  it.effect("leave a later reader, on a fiber of its own, the scope that it has", () =>
    Effect.gen(function* () {
      const { capabilities } = yield* Smolvm
      const reading = Effect.gen(function* () {
        const own = yield* Effect.scope
        yield* capabilities
        return (yield* Effect.scope) === own
      }).pipe(Effect.scoped)
      assert.isTrue(yield* Effect.promise(() => Effect.runPromise(reading)))
      assert.isTrue(yield* Effect.promise(() => Effect.runPromise(reading)))
    }).pipe(Effect.provide(on("1.9.3", [])))
  )

  it.effect("are read once by concurrent readers", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const read = yield* Effect.all(
        Array.from({ length: 10 }, () => smolvm.capabilities),
        { concurrency: 10 }
      )
      assert.isTrue(read.every(({ version }) => version === "1.9.3"))
      assert.isTrue(yield* smolvm.isAvailable)
      assert.deepStrictEqual(yield* argvs, ["--version"])
    }).pipe(Effect.provide(on("1.9.3", [])))
  )

  it.effect("are still read for the others when the first reader is interrupted", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const first = yield* Effect.fork(smolvm.capabilities)
      const second = yield* Effect.fork(smolvm.capabilities)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      assert.strictEqual((yield* Fiber.join(second)).version, "1.9.3")
      assert.strictEqual((yield* smolvm.capabilities).version, "1.9.3")
    }).pipe(Effect.provide(on("1.9.3", [])))
  )

  it.effect("are read again after a failure", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      assert.strictEqual((yield* Effect.flip(smolvm.capabilities))._tag, "SmolvmNotInstalled")
      assert.strictEqual((yield* smolvm.capabilities).version, "1.9.3")
    }).pipe(Effect.provide(scripted([{ match: ["smolvm", "--version"], notFound: true }, version("1.9.3")])))
  )

  it.effect("of a newer release are read from its help", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const capabilities = yield* smolvm.capabilities
      assert.strictEqual(capabilities.line, "1.9.3")
      assert.isTrue(capabilities.mountSocket)
      assert.isFalse(capabilities.execDetach)
      yield* smolvm.machineStop({ name: "box" })
    }).pipe(
      Effect.provide(
        on("1.22.2", [
          ...Capabilities.subcommands.map((command) =>
            reply(`${command} --help`, {
              stdout: Grammar.help(command === "machine exec" ? "1.1.0" : "1.9.3", command)
            })
          ),
          reply("machine stop --name box")
        ])
      )
    )
  )

  it.effect("keep what the program says beside its version", () =>
    Effect.gen(function* () {
      const { capabilities } = yield* Smolvm
      assert.strictEqual((yield* capabilities).versionText, "smolvm 1.9.3 (namespaces, shared kernel)")
      assert.strictEqual((yield* capabilities).version, "1.9.3")
    }).pipe(Effect.provide(on("1.9.3 (namespaces, shared kernel)", [])))
  )

  for (const [text, stdout] of [
    ["another program", "other 1.9.3\n"],
    ["no output", ""],
    ["a note before it", "note\nsmolvm 1.9.3\n"]
  ] as const) {
    it.effect(`are not read from ${text}`, () =>
      Effect.gen(function* () {
        const smolvm = yield* Smolvm
        const error = yield* Effect.flip(smolvm.capabilities)
        assert.strictEqual(error._tag, "OutputNotUnderstood")
        assert.notInclude(error.message, "\n")
      }).pipe(Effect.provide(scripted([{ match: ["smolvm", "--version"], stdout }])))
    )
  }

  it.effect("of a release older than every line are refused", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const error = yield* Effect.flip(smolvm.machineLs)
      assert.strictEqual(error._tag, "SmolvmTooOld")
      assert.strictEqual(error.message, "smolvm is version 0.7.2: 0.8.0 or newer is needed")
    }).pipe(Effect.provide(on("0.7.2", [])))
  )

  it.effect("say whether the program is there", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      assert.isFalse(yield* smolvm.isAvailable)
      assert.isTrue(yield* smolvm.isAvailable)
    }).pipe(
      Effect.provide(
        scripted([
          { match: ["smolvm", "--version"], notFound: true },
          { match: ["smolvm", "--version"], exit: 1 }
        ])
      )
    )
  )
})

describe("failures", () => {
  const start = "machine start --name box"

  for (const [tag, rest, message] of [
    ["MachineNotFound", { exit: 1, stderr: "Error: vm not found: box\n" }, "machine 'box' does not exist"],
    [
      "SmolvmUsageRefused",
      { exit: 2, stderr: "error: x\n\nUsage: smolvm\n" },
      "refused its arguments (exit code 2): x"
    ],
    ["SmolvmKilled", { signal: "SIGKILL" }, "smolvm machine start was ended by SIGKILL"],
    ["CommandFailed", { exit: 7, stderr: "progress\nboom\n" }, "smolvm machine start failed with exit code 7: boom"],
    ["CommandFailed", { exit: 7 }, "smolvm machine start failed with exit code 7"],
    [
      "SmolvmTimedOut",
      { exit: 1, stderr: "Error: agent operation failed: start: timed out after 30000ms\n" },
      "timed out"
    ],
    [
      "MachineBusy",
      {
        exit: 1,
        stderr: "Error: agent operation failed: start: another process is already starting or running this VM\n"
      },
      "machine 'box' is in the hands of another process"
    ],
    [
      "MachineInWrongState",
      { exit: 1, stderr: "Error: invalid vm state: expected stopped, got running\n" },
      "machine 'box' is running, and must be stopped"
    ],
    [
      "HostPortInUse",
      {
        exit: 1,
        stderr:
          "Error: config operation failed: start machine: host port 80 is already in use by running machine 'other'\n"
      },
      "port 80 of the host is in use by machine 'other'"
    ],
    [
      "HostPortInUse",
      {
        exit: 1,
        stderr:
          "Error: agent operation failed: start: cannot publish host TCP 127.0.0.1:9222 to guest TCP 22: Address already in use (os error 98)\n"
      },
      "port 9222 of the host is in use (smolvm machine start)"
    ],
    [
      "ImageNeedsNetwork",
      {
        exit: 1,
        stderr:
          "Error: config operation failed: create machine: image 'alpine' must be pulled from a registry, but this machine has no network, so the pull can never succeed.\n"
      },
      "image 'alpine' must be pulled, and the machine has no network"
    ],
    [
      "HypervisorUnavailable",
      { exit: 1, stderr: "Error: kvm not available: /dev/kvm: No such file or directory\n" },
      "the host has no hypervisor to use: kvm not available: /dev/kvm: No such file"
    ],
    [
      "HypervisorUnavailable",
      { exit: 1, stderr: "Error: kvm permission denied: /dev/kvm\n" },
      "the host lets this user use no hypervisor: kvm permission denied: /dev/kvm"
    ],
    ["SmolvmNotInstalled", { notFound: true }, "smolvm is not installed"]
  ] as const) {
    it.effect(`are ${tag}: ${message}`, () =>
      Effect.gen(function* () {
        const error = yield* errorOf("1.9.3", start, rest, (smolvm) => smolvm.machineStart({ name: "box" }))
        assert.strictEqual(error._tag, tag)
        assert.include(error.message, message)
        assert.notInclude(error.message, "\n")
        assert.isNotEmpty(error.suggestion)
      })
    )
  }

  it.effect("hold no secret in the fields that are taken out of what smolvm says", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const error = yield* Effect.flip(smolvm.machineStart({ name: "box" }))
      assert.strictEqual(error._tag, "MachineInWrongState")
      assert.include(error.message, "<redacted>")
      assert.notInclude(JSON.stringify(error) + String(error), "hunter22")
    }).pipe(
      Effect.provide(
        on("1.9.3", [reply(start, { exit: 1, stderr: "Error: invalid vm state: expected stopped, got hunter22\n" })], {
          secrets: { HOST_T: "hunter22" }
        })
      )
    )
  )

  it.effect("are MachineAlreadyExists for create alone", () =>
    Effect.gen(function* () {
      const stderr = "Error: config operation failed: create: machine 'box' already exists or is being created\n"
      const create = yield* errorOf("1.9.3", "machine create --name box", { exit: 1, stderr }, (smolvm) =>
        smolvm.machineCreate({ name: "box" })
      )
      assert.strictEqual(create._tag, "MachineAlreadyExists")
      const pack = yield* errorOf("1.9.3", "pack create --from-vm box -o out", { exit: 1, stderr }, (smolvm) =>
        smolvm.packCreateFromVm({ name: "box", output: "out" })
      )
      assert.strictEqual(pack._tag, "CommandFailed")
    })
  )

  it.effect("are MachineNotRunning for a copy into a stopped machine", () =>
    Effect.gen(function* () {
      const stderr = "Error: agent operation failed: connect: machine 'box' is not running. Use 'x' first.\n"
      const error = yield* errorOf("1.9.3", "machine cp a box:/a", { exit: 1, stderr }, (smolvm) =>
        smolvm.machineCp({ src: "a", dst: "box:/a" })
      )
      assert.strictEqual(error._tag, "MachineNotRunning")
      assert.include(error.message, "machine 'box' is not running")
    })
  )

  it.effect("carry argv, exit code and both outputs, without secrets and control characters", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const error = yield* Effect.flip(
        smolvm.machineCreate({
          name: "box",
          env: [["TOKEN", "s3cret-value"]],
          secretEnv: [{ guest: "T", host: "HOST_T" }]
        })
      )
      assert.strictEqual(error._tag, "CommandFailed")
      if (error._tag !== "CommandFailed") return
      assert.strictEqual(error.command, "machine create")
      assert.strictEqual(error.exitCode, 9)
      assert.deepStrictEqual(error.argv.slice(2, 4), ["-e", "TOKEN=<redacted>"])
      assert.strictEqual(error.stdout, "out")
      assert.strictEqual(error.stderr, "was <redacted>")
      const whole = JSON.stringify(error) + String(error) + error.message + error.suggestion
      assert.notInclude(whole, "hunter22")
      assert.notInclude(whole, "s3cret-value")
    }).pipe(
      Effect.provide(
        on(
          "1.9.3",
          [
            {
              match: (argv) => argv.includes("create"),
              exit: 9,
              stdout: "out\n",
              stderr: "\u001b[31mwas hunter22\u001b[0m\n"
            }
          ],
          { secrets: { HOST_T: "hunter22" } }
        )
      )
    )
  )

  it.effect("are SmolvmTimedOut at the call's deadline, and smolvm is ended", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.capabilities
      const call = yield* Effect.fork(Effect.flip(smolvm.machineStop({ name: "box" })))
      yield* TestClock.adjust("1 minute")
      const error = yield* Fiber.join(call)
      assert.strictEqual(error._tag, "SmolvmTimedOut")
      assert.include(error.message, "did not end within 50 ms")
      const { recorded } = yield* CommandScript.CommandScript
      assert.deepStrictEqual((yield* recorded)[1]?.signals, ["SIGTERM"])
    }).pipe(
      Effect.provide(
        on("1.9.3", [reply("machine stop --name box", { hang: true })], { deadlines: { machineStop: 50 } })
      )
    )
  )
})

describe("machineExec", () => {
  const exec = (release: string, rest: Partial<CommandScript.Reply>, line = "machine exec --name box -- cmd") =>
    Effect.flatMap(Smolvm, (smolvm) => smolvm.machineExec({ name: "box", command: ["cmd"] })).pipe(
      Effect.provide(on(release, [reply(line, rest)]))
    )

  it.effect("gives a non-zero exit as a value, with the bytes as they are", () =>
    Effect.gen(function* () {
      const bytes = Uint8Array.of(0, 255, 10, 195)
      const result = yield* exec("1.9.3", { exit: 42, stdout: bytes, stderr: "e" })
      assert.strictEqual(result.exitCode, 42)
      assert.strictEqual(result.origin, "guest")
      assert.isNull(result.signal)
      assert.deepStrictEqual([...result.stdout], [...bytes])
      assert.strictEqual(new TextDecoder().decode(result.stderr), "e")
    })
  )

  it.effect("names the signal that a code stands for, and says where the code came from", () =>
    Effect.gen(function* () {
      const killed = yield* exec("1.9.3", { exit: 137 })
      assert.deepStrictEqual([killed.signal, killed.origin], ["SIGKILL", "guest"])
      const own = yield* exec("1.9.3", { exit: 1, stderr: "Error: agent operation failed: exec: lost\n" })
      assert.strictEqual(own.origin, "runtime")
      const either = yield* exec("1.9.3", { exit: 1, stderr: "grep: no\n" })
      assert.strictEqual(either.origin, "unknown")
    })
  )

  it.effect("fails for a machine that is missing or stopped", () =>
    Effect.gen(function* () {
      const missing = yield* Effect.flip(exec("1.9.3", { exit: 1, stderr: "Error: vm not found: box\n" }))
      assert.strictEqual(missing._tag, "MachineNotFound")
      const stderr = "Error: agent operation failed: connect: machine 'box' is not running. Use 'x' first.\n"
      const stopped = yield* Effect.flip(exec("1.9.3", { exit: 1, stderr }))
      assert.strictEqual(stopped._tag, "MachineNotRunning")
    })
  )

  it.effect(
    "takes no such failure from a command that prints the like before its last line, or of another machine",
    () =>
      Effect.gen(function* () {
        const said = yield* exec("1.9.3", { exit: 1, stderr: "Error: vm not found: box\nwitness:1\n" })
        assert.strictEqual(said.exitCode, 1)
        const other = yield* exec("1.9.3", { exit: 1, stderr: "Error: vm not found: other\n" })
        assert.strictEqual(other.exitCode, 1)
        const code = yield* exec("1.9.3", { exit: 3, stderr: "Error: vm not found: box\n" })
        assert.strictEqual(code.exitCode, 3)
      })
  )

  it.effect("fails when smolvm itself is killed: no exit code is known", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(exec("1.9.3", { signal: "SIGTERM" }))
      assert.strictEqual(error._tag, "SmolvmKilled")
    })
  )

  it.effect("feeds stdin, and is interactive then", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const said = Effect.gen(function* () {
        const { recorded } = yield* CommandScript.CommandScript
        return yield* (yield* recorded).at(-1)?.stdin ?? Effect.succeed("")
      })
      const cat = { name: "box", command: ["cat"] }
      yield* smolvm.machineExec({ ...cat, stdin: "hello" })
      assert.strictEqual(yield* said, "hello")
      yield* smolvm.machineExec({ ...cat, stdin: "again", interactive: undefined })
      assert.strictEqual(yield* said, "again")
    }).pipe(
      Effect.provide(
        on("1.9.3", [reply("machine exec --name box -i -- cat"), reply("machine exec --name box -i -- cat")])
      )
    )
  )

  it.effect("fails when the output is larger than the cap", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const error = yield* Effect.flip(smolvm.machineExec({ name: "box", command: ["cmd"], capBytes: 4 }))
      assert.strictEqual(error._tag, "SmolvmOutputTooLarge")
    }).pipe(Effect.provide(on("1.9.3", [reply("machine exec --name box -- cmd", { stdout: "12345" })])))
  )

  it.effect("is ended when smolvm outlives the command's timeout", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.capabilities
      const call = yield* Effect.fork(
        Effect.flip(smolvm.machineExec({ name: "box", command: ["cmd"], timeoutMillis: 1_000 }))
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(call))._tag, "SmolvmTimedOut")
    }).pipe(Effect.provide(on("1.5.2", [reply("machine exec --name box --timeout 1s -- cmd", { hang: true })])))
  )
})

describe("machineExecFollow", () => {
  it.effect("gives the output and then the exit, with -i", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const stdin = Stream.make(new TextEncoder().encode("in"))
      const events = yield* Stream.runCollect(smolvm.machineExecFollow({ name: "box", command: ["cat"], stdin }))
      const last = Chunk.unsafeLast(events)
      assert.deepStrictEqual(last, { _tag: "Exit", exit: { code: 3, signal: null } })
      assert.isTrue(Chunk.some(events, ({ _tag }) => _tag === "Stdout"))
    }).pipe(Effect.provide(on("1.9.3", [reply("machine exec --name box -i -- cat", { stdout: "in", exit: 3 })])))
  )

  it.effect("asks for another mode where it is told to", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const run = (options: Pick<MachineExecOptions, "stream" | "tty" | "interactive">) =>
        Stream.runDrain(smolvm.machineExecFollow({ name: "box", command: ["x"], ...options }))
      yield* run({ stream: true })
      yield* run({ interactive: false })
      yield* run({ tty: true, interactive: true })
      yield* run({ interactive: undefined })
    }).pipe(
      Effect.provide(
        on("1.9.3", [
          reply("machine exec --name box --stream -- x"),
          reply("machine exec --name box -- x"),
          reply("machine exec --name box -i -t -- x"),
          reply("machine exec --name box -i -- x")
        ])
      )
    )
  )

  it.effect("fails when there is no program", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const error = yield* Effect.flip(Stream.runDrain(smolvm.machineExecFollow({ name: "box", command: ["x"] })))
      assert.strictEqual(error._tag, "SmolvmNotInstalled")
    }).pipe(Effect.provide(on("1.9.3", [reply("machine exec --name box -i -- x", { notFound: true })])))
  )
})

describe("machineExecAttach", () => {
  it.effect("gives the command the caller's terminal, with the secrets in its environment", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const exit = yield* smolvm.machineExecAttach({ name: "box", command: ["sh"], interactive: true, tty: true })
      assert.deepStrictEqual(exit, { code: 5, signal: null })
      const { recorded } = yield* CommandScript.CommandScript
      const run = (yield* recorded)[1]
      assert.isTrue(run?.foreground)
      assert.strictEqual(run?.env["HOST_T"], "v")
    }).pipe(
      Effect.provide(
        on("1.9.3", [reply("machine exec --name box -i -t -- sh", { exit: 5 })], { secrets: { HOST_T: "v" } })
      )
    )
  )
})

describe("secrets of one call", () => {
  const options = { name: "box", command: ["x"], secretEnv: [{ guest: "T", host: "OWN_T" }] }
  const secrets = { OWN_T: Redacted.make("hunter22") }
  const words = "machine exec --name box --secret-env T=OWN_T -- x"

  it.effect("are in the environment of that call alone, and in no error", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.machineStart({ name: "box", secrets })
      yield* smolvm.machineExec({ ...options, secrets })
      yield* Stream.runDrain(smolvm.machineExecFollow({ ...options, secrets }))
      yield* smolvm.machineExec({ ...options })
      const error = yield* Effect.flip(smolvm.machineExec({ ...options, secrets }))
      assert.notInclude(JSON.stringify(error) + String(error), "hunter22")
      const { recorded } = yield* CommandScript.CommandScript
      assert.deepStrictEqual(
        (yield* recorded).slice(1).map((run) => run.env["OWN_T"]),
        ["hunter22", "hunter22", "hunter22", undefined, "hunter22"]
      )
    }).pipe(
      Effect.provide(
        on("1.9.3", [
          reply("machine start --name box"),
          reply(words),
          reply("machine exec --name box --secret-env T=OWN_T -i -- x"),
          reply(words),
          reply(words, { signal: "SIGKILL", stderr: "what hunter22 is\n" })
        ])
      )
    )
  )
})

describe("machineExecDetached", () => {
  it.effect("gives the process id in the guest", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      assert.strictEqual(yield* smolvm.machineExecDetached({ name: "box", command: ["x"] }), 412)
      const error = yield* Effect.flip(smolvm.machineExecDetached({ name: "box", command: ["x"] }))
      assert.strictEqual(error._tag, "OutputNotUnderstood")
    }).pipe(
      Effect.provide(
        on("1.5.2", [
          reply("machine exec --name box -d -- x", { stdout: "412\n" }),
          reply("machine exec --name box -d -- x", { stdout: "started\n" })
        ])
      )
    )
  )

  it.effect("is refused below 1.3.0", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const error = yield* Effect.flip(smolvm.machineExecDetached({ name: "box", command: ["x"] }))
      assert.strictEqual(error._tag, "UnsupportedOption")
    }).pipe(Effect.provide(on("1.1.0", [])))
  )
})

describe("lists", () => {
  const machine = {
    name: "box",
    state: "hibernating",
    cpus: 4,
    memory_mib: 512,
    pid: null,
    created_at: 17,
    novelty: []
  }

  it.effect("are read whatever fields and states they have", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const list = yield* smolvm.machineLs
      assert.strictEqual(list.length, 2)
      assert.deepInclude(list[0], {
        name: "box",
        state: "hibernating",
        memoryMib: 512,
        createdAtSeconds: 17,
        labels: {}
      })
      assert.deepInclude(list[1], { name: "b", cpus: null, image: "i", network: true, labels: { k: "v" } })
      assert.deepStrictEqual(yield* smolvm.machineLs, [])
      assert.strictEqual((yield* smolvm.machineStatus({ name: "box" })).state, "hibernating")
    }).pipe(
      Effect.provide(
        on("1.9.3", [
          reply("machine ls --json", {
            stdout: JSON.stringify([
              machine,
              { name: "b", state: "running", image: "i", network: true, labels: { k: "v" } }
            ])
          }),
          reply("machine ls --json", { stdout: "[]\n" }),
          reply("machine status --name box --json", { stdout: JSON.stringify(machine) })
        ])
      )
    )
  )

  for (const stdout of ["", "No machines\n", "{}", "[1]", '[{"name":"a"}]', '[{"name":"a","state":1}]']) {
    it.effect(`are not understood from ${JSON.stringify(stdout)}`, () =>
      Effect.gen(function* () {
        const error = yield* errorOf("1.9.3", "machine ls --json", { stdout }, (smolvm) => smolvm.machineLs)
        assert.strictEqual(error._tag, "OutputNotUnderstood")
        assert.notInclude(error.message, "\n")
      })
    )
  }

  it.effect("are not understood where they are nested as deeply as no machine is", () =>
    Effect.gen(function* () {
      const stdout = `[{"name":"a","state":${"[".repeat(100_000)}${"]".repeat(100_000)}}]`
      const error = yield* errorOf("1.9.3", "machine ls --json", { stdout }, (smolvm) => smolvm.machineLs)
      assert.strictEqual(error._tag, "OutputNotUnderstood")
      assert.include(error.message, "nested too deeply")
    })
  )

  it.effect("are shown without a secret where they are not understood, cut off or not", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      for (let turn = 0; turn < 2; turn++) {
        const error = yield* Effect.flip(smolvm.machineLs)
        assert.strictEqual(error._tag, "OutputNotUnderstood")
        assert.include(error.message, "xxxx")
        assert.notInclude(JSON.stringify(error), "hunter22")
      }
    }).pipe(
      Effect.provide(
        on(
          "1.9.3",
          [10, 130].map((before) =>
            reply("machine ls --json", { stdout: JSON.stringify(["x".repeat(before) + "hunter22".repeat(20)]) })
          ),
          { secrets: { HOST_T: "hunter22".repeat(20) } }
        )
      )
    )
  )

  it.effect("say that a machine is missing", () =>
    Effect.gen(function* () {
      const stderr = "Error: config operation failed: machine status: machine 'box' not found\n"
      const error = yield* errorOf("0.8.0", "machine status --name box --json", { exit: 1, stderr }, (smolvm) =>
        smolvm.machineStatus({ name: "box" })
      )
      assert.strictEqual(error._tag, "MachineNotFound")
    })
  )
})

describe("waitExecReady", () => {
  const poll = (rest: Partial<CommandScript.Reply>) => reply("machine exec --name box -- true", rest)

  const wait = (timeoutMillis: number) =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.capabilities
      const waiting = yield* Effect.fork(Effect.either(smolvm.waitExecReady({ name: "box", timeoutMillis })))
      // As often as the longest wait has pauses, so that each attempt can end before the clock moves on.
      for (let step = 0; step < timeoutMillis / 5; step++) yield* TestClock.adjust("5 millis")
      return yield* Fiber.join(waiting)
    })

  it.effect("polls until a command exits 0, whatever came before", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* wait(2_000))._tag, "Right")
    }).pipe(
      Effect.provide(
        on("1.9.3", [
          poll({ exit: 137 }),
          poll({ signal: "SIGKILL" }),
          poll({ exit: 1, stderr: "Error: agent operation failed: connect: machine 'box' is not running. Use\n" }),
          poll({ exit: 1, stderr: "Error: vm not found: box\n" }),
          poll({ exit: 124 }),
          poll({ exit: 0 })
        ])
      )
    )
  )

  it.effect("fails at the deadline, naming the machine and what the last attempt said", () =>
    Effect.gen(function* () {
      const result = yield* wait(1_000)
      assert.strictEqual(result._tag, "Left")
      if (result._tag !== "Left") return
      assert.strictEqual(result.left._tag, "MachineNotReady")
      assert.strictEqual(
        result.left.message,
        "machine 'box' is not ready: it ran no command within 1000 ms; the last attempt: exit code 137"
      )
      // 5 + 10 + 20 + 40 + 80 + 160 + 250 + 250 leaves a ninth attempt at 815 ms, and its pause ends at the deadline.
      assert.strictEqual((yield* argvs).length, 1 + 9)
    }).pipe(Effect.provide(on("1.9.3", [poll({ exit: 137, times: "any" })])))
  )

  it.effect("gives up after so many failures, and says what the last command did", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const waiting = yield* Effect.fork(
        Effect.flip(smolvm.waitExecReady({ name: "box", timeoutMillis: 60_000, failuresMax: 3 }))
      )
      for (let step = 0; step < 10; step++) yield* TestClock.adjust("5 millis")
      const error = yield* Fiber.join(waiting)
      assert.strictEqual(error._tag, "MachineNotReady")
      assert.strictEqual(
        error.message,
        "machine 'box' is not ready: it runs no command; the last attempt: exit code 1: prlimit: not permitted"
      )
      assert.strictEqual((yield* argvs).length, 1 + 3)
    }).pipe(Effect.provide(on("1.9.3", [poll({ exit: 1, stderr: "a\nprlimit: not permitted\n", times: "any" })])))
  )

  it.effect("says it without a secret and without what a terminal would take for orders", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const waiting = yield* Effect.fork(
        Effect.flip(smolvm.waitExecReady({ name: "box", timeoutMillis: 60_000, failuresMax: 1 }))
      )
      yield* TestClock.adjust("5 millis")
      const error = yield* Fiber.join(waiting)
      assert.strictEqual(
        error.message,
        "machine 'box' is not ready: it runs no command; the last attempt: exit code 1: no <redacted>"
      )
    }).pipe(
      Effect.provide(
        on("1.9.3", [poll({ exit: 1, stderr: "\u001b]0;x\u0007no \u001b[31mhunter22\n" })], {
          secrets: { HOST_T: "hunter22" }
        })
      )
    )
  )

  it.effect("is content with a command that exits 0 before there were so many failures", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const wait = smolvm.waitExecReady({ name: "box", timeoutMillis: 60_000, failuresMax: 3 })
      const waiting = yield* Effect.fork(wait)
      for (let step = 0; step < 10; step++) yield* TestClock.adjust("5 millis")
      yield* Fiber.join(waiting)
    }).pipe(Effect.provide(on("1.9.3", [poll({ exit: 1 }), poll({ exit: 1 }), poll({ exit: 0 })])))
  )

  it.effect("gives an attempt that hangs what is left of the time, and ends it", () =>
    Effect.gen(function* () {
      const result = yield* wait(1_000)
      assert.strictEqual(result._tag, "Left")
      const { recorded } = yield* CommandScript.CommandScript
      assert.deepStrictEqual((yield* recorded)[1]?.signals, ["SIGTERM"])
    }).pipe(Effect.provide(on("1.9.3", [poll({ hang: true })])))
  )

  it.effect("does not wait for a program that is not there", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const error = yield* Effect.flip(smolvm.waitExecReady({ name: "box", timeoutMillis: 1_000 }))
      assert.strictEqual(error._tag, "SmolvmNotInstalled")
    }).pipe(Effect.provide(on("1.9.3", [poll({ notFound: true })])))
  )
})
