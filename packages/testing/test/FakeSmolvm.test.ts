import { attach } from "@bottle/process/Attach"
import { capture } from "@bottle/process/Capture"
import * as Grammar from "@bottle/smolvm/Grammar"
import * as Line from "@bottle/smolvm/Line"
import type { SmolvmError } from "@bottle/smolvm/SmolvmError"
import * as Smolvm from "@bottle/smolvm/Smolvm"
import * as FakeSmolvm from "@bottle/testing/FakeSmolvm"
import { strayNote } from "@bottle/testing/Misbehaviour"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { run, runWords, started } from "./support/fake.js"

const env = { PATH: "/bin", HOME: "/home/user" }

const on = (options: FakeSmolvm.Options) =>
  Smolvm.layer({ program: "smolvm", env }).pipe(Layer.provideMerge(FakeSmolvm.layer(options)))

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const running = (options: Parameters<Smolvm.Smolvm["Type"]["machineCreate"]>[0]) =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm.Smolvm
    yield* smolvm.machineCreate(options)
    yield* smolvm.machineStart({ name: options.name ?? "" })
    return smolvm
  })

const refused = (call: Effect.Effect<unknown, SmolvmError>) => Effect.map(Effect.flip(call), ({ _tag }) => _tag)

describe.each(Grammar.lines)("a machine of smolvm %s", (line) => {
  it.effect("lives: created, started, used, stopped, deleted", () =>
    Effect.gen(function* () {
      const smolvm = yield* running({ name: "box", cpus: 2 })
      const fake = yield* FakeSmolvm.FakeSmolvm
      assert.strictEqual((yield* smolvm.machineStatus({ name: "box" })).state, "running")
      const said = yield* smolvm.machineExec({ name: "box", command: ["sh", "-c", "echo out; echo err >&2; exit 3"] })
      assert.deepStrictEqual([said.exitCode, text(said.stdout), text(said.stderr)], [3, "out\n", "err\n"])
      assert.strictEqual((yield* smolvm.machineLs).length, 1)
      yield* smolvm.machineStop({ name: "box" })
      assert.strictEqual((yield* smolvm.machineStatus({ name: "box" })).state, "stopped")
      yield* smolvm.machineDelete({ name: "box" })
      assert.deepStrictEqual(yield* smolvm.machineLs, [])
      assert.deepStrictEqual(yield* fake.orphans, [])
    }).pipe(Effect.provide(on({ line })))
  )

  it.effect("gives its input to a command, and the command's output as it comes", () =>
    Effect.gen(function* () {
      const smolvm = yield* running({ name: "box" })
      const events = yield* Stream.runCollect(
        smolvm.machineExecFollow({
          name: "box",
          command: ["cat"],
          stdin: Stream.map(Stream.make("a", "b"), (part) => new TextEncoder().encode(part))
        })
      )
      const written = Chunk.toReadonlyArray(events).flatMap((event) =>
        event._tag === "Stdout" ? [text(event.bytes)] : []
      )
      assert.strictEqual(written.join(""), "ab")
      assert.deepStrictEqual(Chunk.unsafeLast(events), { _tag: "Exit", exit: { code: 0, signal: null } })
    }).pipe(Effect.provide(on({ line })))
  )

  it.effect("is refused by its name when it is there, and when it is not", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm.Smolvm
      yield* smolvm.machineCreate({ name: "box" })
      assert.strictEqual(yield* refused(smolvm.machineCreate({ name: "box" })), "MachineAlreadyExists")
      assert.strictEqual(yield* refused(smolvm.machineExec({ name: "box", command: ["true"] })), "MachineNotRunning")
      assert.strictEqual(yield* refused(smolvm.machineStart({ name: "no" })), "MachineNotFound")
      assert.strictEqual(yield* refused(smolvm.machineDelete({ name: "no" })), "MachineNotFound")
      assert.strictEqual(yield* refused(smolvm.machineStatus({ name: "no" })), "MachineNotFound")
      assert.strictEqual(yield* refused(smolvm.machineExec({ name: "no", command: ["true"] })), "MachineNotFound")
    }).pipe(Effect.provide(on({ line })))
  )
})

describe("the fake as a program", () => {
  it.effect("says its version and its help, and refuses what its grammar does", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* run("--version")).stdout, "smolvm 1.5.2\n")
      assert.strictEqual((yield* run("-V")).stdout, "smolvm 1.5.2\n")
      for (const words of ["--help", "machine --help", "machine create -h", "help machine create"]) {
        const said = yield* run(words)
        assert.strictEqual(said.code, 0)
        assert.include(said.stdout, "Usage: smolvm")
      }
      assert.include((yield* run("machine create --help")).stdout, "--max-image-size")
      for (const words of [
        "",
        "machine",
        "machine no",
        "machine create --label a=b",
        "machine ls --no",
        "config show"
      ]) {
        const refused = yield* runWords(words === "" ? [] : words.split(" "))
        assert.strictEqual(refused.code, 2, words)
        assert.match(refused.stderr, /^error: .*\n[^]*Usage: smolvm/)
      }
    }).pipe(Effect.provide(FakeSmolvm.layer({ line: "1.5.2" })))
  )

  it.effect("is any version, also a newer one, and takes aliases", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* run("--version")).stdout, "smolvm 1.22.2\n")
      assert.strictEqual((yield* run("vm list --json")).stdout, "[]\n")
      assert.strictEqual((yield* run("machine create --name box --label a=b")).code, 0)
      assert.strictEqual((yield* run("vm rm --name box -f")).code, 0)
      assert.strictEqual((yield* FakeSmolvm.FakeSmolvm).version, "1.22.2")
    }).pipe(Effect.provide(FakeSmolvm.layer({ version: "1.22.2" })))
  )

  it.effect("writes a stray note on every command of 1.7.0, which is no one's last word", () =>
    Effect.gen(function* () {
      const smolvm = yield* running({ name: "box" })
      assert.deepInclude(yield* run("--version"), { stdout: "smolvm 1.7.0\n", stderr: strayNote })
      assert.strictEqual(yield* refused(smolvm.machineStart({ name: "no" })), "MachineNotFound")
      const failed = yield* smolvm.machineExec({ name: "box", command: ["no-such"] })
      assert.strictEqual(failed.origin, "runtime")
      assert.strictEqual((yield* smolvm.machineLs).length, 1)
    }).pipe(Effect.provide(on({ version: "1.7.0" })))
  )

  it.effect("packs into one file where that is asked for", () =>
    Effect.gen(function* () {
      const { files } = yield* FakeSmolvm.FakeSmolvm
      assert.include((yield* run("pack create --image alpine --single-file -o /one")).stdout, "/one")
      assert.deepStrictEqual([...files.keys()], ["/one"])
      assert.strictEqual((yield* run("machine create --name box --from /one")).code, 0)
      assert.strictEqual((yield* run("pack create --image no-such -o /two")).code, 1)
    }).pipe(Effect.provide(FakeSmolvm.layer({ images: { alpine: {} } })))
  )

  it.effect("is the only program there is, by its name", () =>
    Effect.gen(function* () {
      const named = (program: string) => capture({ program, args: ["--version"] })
      assert.strictEqual((yield* named("/opt/smolvm")).exit.code, 0)
      assert.strictEqual((yield* Effect.flip(named("smolvm")))._tag, "ProgramNotFound")
    }).pipe(Effect.provide(FakeSmolvm.layer({ program: "/opt/smolvm" })))
  )

  it.effect("records what was run, what it printed and how it ended", () =>
    Effect.gen(function* () {
      const fake = yield* FakeSmolvm.FakeSmolvm
      yield* started("box")
      yield* runWords(["machine", "exec", "--name", "box", "-i", "--", "cat"], { stdin: "fed" }, { A: "1" })
      yield* run("machine status --name no")
      const [, , exec, status] = yield* fake.recorded
      assert.deepStrictEqual(exec?.argv.slice(0, 3), ["smolvm", "machine", "exec"])
      assert.deepStrictEqual([exec?.env, exec?.extendEnv, exec?.foreground], [{ A: "1" }, false, false])
      assert.strictEqual(yield* exec?.stdin ?? Effect.die("not run"), "fed")
      assert.strictEqual(yield* exec?.stdout ?? Effect.die("not run"), "fed")
      assert.deepStrictEqual(yield* exec?.ending ?? Effect.die("not run"), { code: 0 })
      assert.deepStrictEqual(yield* status?.ending ?? Effect.die("not run"), { code: 1 })
      assert.include(yield* status?.stderr ?? Effect.die("not run"), "machine 'no' not found")
      assert.deepStrictEqual((yield* Ref.get(fake.events)).slice(-2), [
        "start smolvm machine status --name no",
        "exit smolvm machine status --name no"
      ])
    }).pipe(Effect.provide(FakeSmolvm.layer()))
  )

  it.effect("prints to the caller's terminal, and records that", () =>
    Effect.gen(function* () {
      const { recorded } = yield* FakeSmolvm.FakeSmolvm
      yield* started("box")
      const args = ["machine", "exec", "--name", "box", "-it", "--", "sh", "-c", "echo shown; exit 3"]
      assert.deepStrictEqual(yield* attach({ program: "smolvm", args, env: {} }), { code: 3, signal: null })
      const last = (yield* recorded).at(-1)
      assert.isTrue(last?.foreground)
      assert.strictEqual(yield* last?.stdout ?? Effect.die("not run"), "shown\n")
    }).pipe(Effect.provide(FakeSmolvm.layer()))
  )

  it.effect("misbehaves as often as it is told, in every way at once", () =>
    Effect.gen(function* () {
      const { misbehave } = yield* FakeSmolvm.FakeSmolvm
      const gate = yield* Deferred.make<void>()
      yield* misbehave({ when: "machine ls", how: "noise" })
      yield* misbehave({ when: "machine ls", how: "wait", until: Deferred.await(gate) })
      yield* misbehave({ when: (args) => args.includes("--json"), how: "garble", as: (text) => `${text}!`, times: 2 })
      const first = yield* Effect.fork(run("vm list --json"))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(gate, undefined)
      assert.deepInclude(yield* Fiber.join(first), { stdout: "[]\n!", stderr: strayNote })
      assert.deepInclude(yield* run("machine ls --json"), { stdout: "[]\n!", stderr: "" })
      assert.strictEqual((yield* run("machine ls --json")).stdout, "[]\n")
      yield* misbehave({ when: "machine ls", how: "fail", exitCode: 9, stderr: "no\n", times: "any" })
      for (const _ of [1, 2, 3]) assert.deepInclude(yield* run("machine ls"), { code: 9, stderr: "no\n" })
    }).pipe(Effect.provide(FakeSmolvm.layer()))
  )

  it.effect("says for people what it says for programs", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* run("machine ls")).stdout, "No machines found\n")
      yield* started("box")
      assert.match((yield* run("machine ls")).stdout, /^NAME {2}STATE {2}PID\nbox {2}running {2}\d+\n$/)
      assert.match((yield* run("machine status --name box")).stdout, /^Machine: box\nState: running\nPID: \d+\n$/)
      assert.strictEqual((yield* run("machine images --name box")).stdout, "No images found\n")
      assert.strictEqual((yield* run("machine prune --name box --dry-run")).stdout, "Nothing to prune\n")
      assert.strictEqual((yield* run("pack prune")).stdout, "Freed 0 bytes\n")
      assert.strictEqual((yield* run("machine egress-events --name box")).stdout, "")
      assert.include((yield* run("pack run --sidecar /p --info")).stdout, '"mode": "container"')
      assert.strictEqual((yield* run("pack run -- true")).code, 1)
    }).pipe(Effect.provide(FakeSmolvm.layer({ files: { "/p": FakeSmolvm.packFile() } })))
  )
})

describe.each(Grammar.lines)("the other subcommands of smolvm %s", (line) => {
  it.effect("tell where a machine's files are", () =>
    Effect.gen(function* () {
      const smolvm = yield* running({ name: "box" })
      const directory = yield* smolvm.machineDataDir({ name: "box" })
      assert.match(directory, /^\/home\/user\/\.cache\/smolvm\/vms\/[0-9a-f]{16}$/)
      assert.strictEqual(yield* refused(smolvm.machineDataDir({ name: "no" })), "MachineNotFound")
      const args = ["machine", "data-dir", ...(Line.compare(line, "1.0.2") < 0 ? [] : ["--name"]), "box"]
      const moved = yield* runWords(args, {}, { SMOLVM_DATA_DIR: "/d", XDG_CACHE_HOME: "/x" })
      assert.isTrue(moved.stdout.startsWith(Line.compare(line, "1.2.5") < 0 ? "/x/smolvm" : "/d/.cache/smolvm"))
    }).pipe(Effect.provide(on({ line })))
  )

  it.effect("change what a machine is made of", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm.Smolvm
      const { machine } = yield* FakeSmolvm.FakeSmolvm
      yield* smolvm.machineCreate({ name: "box", env: [["A", "1"]], net: true, allowCidrs: ["10.0.0.1/32"] })
      yield* smolvm.machineUpdate({
        name: "box",
        env: [["B", "2"]],
        removeEnv: ["A"],
        ports: [{ host: 80, guest: 81 }],
        volumes: [{ host: "/data", guest: "/v", readonly: true }],
        workdir: "/w",
        net: false
      })
      const changed = yield* machine("box")
      assert.deepInclude(changed, { env: [["B", "2"]], workdir: "/w", network: false, policy: null, netBackend: null })
      yield* smolvm.machineUpdate({
        name: "box",
        removePorts: [{ host: 80, guest: 81 }],
        removeVolumes: [{ host: "/data", guest: "/v" }]
      })
      assert.deepInclude(yield* machine("box"), { ports: [], volumes: [] })
      const again = smolvm.machineUpdate({ name: "box", removePorts: [{ host: 80, guest: 81 }] })
      assert.strictEqual(yield* refused(again), "CommandFailed")
    }).pipe(Effect.provide(on({ line, files: { "/data/": "" } })))
  )

  it.effect("give a shell in a machine that runs", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm.Smolvm
      yield* smolvm.machineCreate({ name: "box" })
      assert.deepStrictEqual(yield* smolvm.machineShell({ name: "box" }), { code: 1, signal: null })
      yield* smolvm.machineStart({ name: "box" })
      assert.deepStrictEqual(yield* smolvm.machineShell({ name: "box" }), { code: 0, signal: null })
    }).pipe(Effect.provide(on({ line })))
  )

  it.effect("watch a machine until it is gone, and leave it alone when they are left", () =>
    Effect.gen(function* () {
      const smolvm = yield* running({ name: "box" })
      const { recorded } = yield* FakeSmolvm.FakeSmolvm
      const first = yield* smolvm.machineMonitor({ name: "box" }).pipe(Stream.take(2), Stream.runCollect)
      assert.deepStrictEqual(Chunk.toReadonlyArray(first), [
        "Monitoring machine 'box' (restart: never)",
        "state: running"
      ])
      assert.deepStrictEqual((yield* recorded).at(-1)?.signals, ["SIGTERM"])
      assert.strictEqual((yield* smolvm.machineStatus({ name: "box" })).state, "running")
      const seen = yield* Ref.make<ReadonlyArray<string>>([])
      const watching = yield* smolvm.machineMonitor({ name: "box" }).pipe(
        Stream.runForEach((text) => Ref.update(seen, (before) => [...before, text])),
        Effect.flip,
        Effect.fork
      )
      const hasSeen = (text: string) =>
        waitUntil(
          Effect.map(Ref.get(seen), (all) => all.includes(text)),
          { boundMillis: 10_000, everyMillis: 1, what: text }
        )
      yield* hasSeen("state: running")
      yield* smolvm.machineStop({ name: "box" })
      yield* hasSeen("state: stopped")
      yield* smolvm.machineDelete({ name: "box" })
      assert.strictEqual((yield* Fiber.join(watching))._tag, "MachineNotFound")
    }).pipe(Effect.provide(on({ line })))
  )

  it.effect("remove what is not needed, of which there is nothing", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm.Smolvm
      yield* smolvm.machineCreate({ name: "box" })
      assert.strictEqual(yield* smolvm.machinePrune({ name: "box", all: true }), "Freed 0 bytes")
      assert.strictEqual((yield* smolvm.machineStatus({ name: "box" })).state, "running")
      assert.strictEqual(yield* smolvm.packPrune({ dryRun: true }), "Nothing to prune")
    }).pipe(Effect.provide(on({ line })))
  )

  it.effect("run init commands once, and keep what they made", () =>
    Effect.gen(function* () {
      const smolvm = yield* running({ name: "box", init: ["echo init >>/log"] })
      yield* smolvm.machineStop({ name: "box" })
      yield* smolvm.machineStart({ name: "box" })
      const log = yield* smolvm.machineExec({ name: "box", command: ["cat", "/log"] })
      assert.strictEqual(text(log.stdout), "init\n")
      yield* smolvm.machineCreate({ name: "bad", init: ["exit 1"] })
      assert.strictEqual(yield* refused(smolvm.machineStart({ name: "bad" })), "CommandFailed")
    }).pipe(Effect.provide(on({ line })))
  )

  it.effect("read secrets of a machine at each start and exec, from 1.0.0", () =>
    Effect.gen(function* () {
      if (Line.compare(line, "1.0.0") < 0) {
        assert.strictEqual((yield* run("machine create --secret-env A=B box")).code, 2)
        return
      }
      yield* runWords(["machine", "create", "--name", "box", "--secret-env", "A=B", "--secret-file", "C=/secret"])
      const start = ["machine", "start", "--name", "box"]
      const without = yield* runWords(start)
      assert.deepStrictEqual([without.code, without.stderr.includes("'B' is not set")], [1, true])
      assert.strictEqual((yield* runWords(start, {}, { B: "b" })).code, 0)
      const exec = ["machine", "exec", "--name", "box", "--", "printenv", "A", "C"]
      assert.strictEqual((yield* runWords(exec)).code, 1)
      assert.strictEqual((yield* runWords(exec, {}, { B: "b" })).stdout, "b\nfile\n")
    }).pipe(Effect.provide(on({ line, files: { "/secret": "file\n" } })))
  )
})
