// What the service makes of each state and error that smolvm knows, on every line where they differ: exit codes, modes of
// exec, JSON, idempotency, sources of machines, copies. The smolvm is the fake one, so what is compared is our reading.
import { capture, stderrText, stdoutText } from "@bottle/process/Capture"
import type { FollowEvent } from "@bottle/process/Follow"
import * as FakeGuest from "@bottle/testing/FakeGuest"
import type { State } from "@bottle/testing/FakeMachine"
import * as FakeSmolvm from "@bottle/testing/FakeSmolvm"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { readFileSync } from "node:fs"
import * as Grammar from "../src/Grammar.js"
import * as Line from "../src/Line.js"
import { Smolvm } from "../src/Smolvm.js"
import * as SmolvmLayer from "../src/Smolvm.js"
import type { SmolvmError } from "../src/SmolvmError.js"

type Options = Parameters<Smolvm["Type"]["machineCreate"]>[0]

const env = { PATH: "/bin", HOME: "/home/user" }

const MEBIBYTE = 1024 * 1024

/** Programs of the guest that write as much as they are told. */
const guest = FakeGuest.programs({
  blob: ({ words, write }) =>
    Effect.gen(function* () {
      const [, stream, mebibytes = "0"] = words
      const chunk = new Uint8Array(MEBIBYTE)
      for (let written = 0; written < Number(mebibytes); written++) {
        yield* write(stream === "stderr" ? "stderr" : "stdout", chunk)
      }
      return { code: 0 }
    })
})

const on = (release: string, options?: FakeSmolvm.Options) =>
  Effect.provide(
    SmolvmLayer.layer({ program: "smolvm", env, secrets: { TOKEN: "s3cret" } }).pipe(
      Layer.provideMerge(FakeSmolvm.layer({ version: release, guest, ...options }))
    )
  )

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const tagOf = <A>(call: Effect.Effect<A, SmolvmError>) => Effect.map(Effect.flip(call), ({ _tag }) => _tag)

const create = (options: Options) => Effect.flatMap(Smolvm, (smolvm) => smolvm.machineCreate(options))

const start = (options: Options & { readonly name: string }) =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm
    yield* smolvm.machineCreate(options)
    yield* smolvm.machineStart({ name: options.name })
    return smolvm
  })

/** A machine made from an image, whatever the release wants for that. */
const image = { image: "alpine", net: true } as const

const kept = (name: string) =>
  Effect.flatMap(FakeSmolvm.FakeSmolvm, (fake) =>
    Effect.flatMap(fake.machine(name), (machine) =>
      machine === undefined ? Effect.dieMessage(`there is no machine ${name}`) : Effect.succeed(machine)
    )
  )

const stateOf = (name: string) => Effect.map(kept(name), ({ state }) => state)

/** smolvm as a program, for what the service does not show. */
const program = (line: string, stdin = "") =>
  Effect.map(capture({ program: "smolvm", args: line.split(" "), env }, { stdin }), (captured) => ({
    code: captured.exit.code,
    stdout: stdoutText(captured),
    stderr: stderrText(captured)
  }))

const since = (line: string, version: string) => Line.compare(line, version) >= 0

/** The end of a followed command, and what it wrote to each stream. */
const followed = <E>(events: Stream.Stream<FollowEvent, E>) =>
  Effect.map(Stream.runCollect(events), (all) => {
    const of = (tag: "Stdout" | "Stderr") =>
      Chunk.toReadonlyArray(all).reduce((bytes, event) => (event._tag === tag ? bytes + event.bytes.length : bytes), 0)
    const last = Chunk.unsafeLast(all)
    return { exit: last._tag === "Exit" ? last.exit : undefined, stdout: of("Stdout"), stderr: of("Stderr") }
  })

/** Lets so much time pass while a call goes on. */
const during = <A, E, R>(call: Effect.Effect<A, E, R>, time: string & Parameters<typeof TestClock.adjust>[0]) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(call)
    yield* TestClock.adjust(time)
    return yield* Fiber.join(fiber)
  })

const within = (what: string) => ({ boundMillis: 10_000, everyMillis: 1, what })

/** Waits until so many processes run in a machine. */
const processesIn = (name: string, count: number) =>
  Effect.gen(function* () {
    const { processes } = yield* FakeSmolvm.FakeSmolvm
    const there = Effect.map(processes(name), ({ length }) => length === count)
    yield* waitUntil(there, within(`${count} processes in ${name}`))
  })

/** Every line, and the last and first versions of what changed in between. */
const linesAnd = (...versions: ReadonlyArray<string>): ReadonlyArray<string> => [...Grammar.lines, ...versions]

describe.each(linesAnd("0.8.1", "1.4.0", "1.4.1", "1.6.13", "1.7.0"))("smolvm %s: exit codes", (line) => {
  it.effect("a command's own code is the call's", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box" })
      for (const [code, origin] of [
        [0, "guest"],
        [1, "unknown"],
        [2, "unknown"],
        [3, "guest"],
        [101, "unknown"],
        [124, "guest"],
        [255, "guest"]
      ] as const) {
        const ended = yield* smolvm.machineExec({ name: "box", command: ["sh", "-c", `exit ${code}`] })
        assert.deepStrictEqual([ended.exitCode, ended.origin], [code, origin])
      }
    }).pipe(on(line))
  )

  it.effect("a command that a signal ended has 128+n, on 0.8.0 255", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box" })
      const ended = yield* smolvm.machineExec({ name: "box", command: ["sh", "-c", "kill -9 $$"] })
      assert.deepStrictEqual([ended.exitCode, ended.signal], line === "0.8.0" ? [255, null] : [137, "SIGKILL"])
    }).pipe(on(line))
  )

  it.effect("a program that is not there is smolvm's failure in a bare machine, and somebody's in an image's", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "bare" })
      yield* start({ name: "image", ...image })
      const bare = yield* smolvm.machineExec({ name: "bare", command: ["no-such"] })
      assert.deepStrictEqual([bare.exitCode, bare.origin], [1, "runtime"])
      assert.include(text(bare.stderr), "failed to spawn command")
      const inImage = yield* smolvm.machineExec({ name: "image", command: ["no-such"] })
      assert.notStrictEqual(inImage.exitCode, 0)
      assert.strictEqual((yield* smolvm.machineExec({ name: "image", command: ["true"] })).exitCode, 0)
    }).pipe(on(line))
  )

  it.effect("a command that prints smolvm's words is not taken for a machine that is missing", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box" })
      const script = "echo 'Error: vm not found: other' >&2; exit 1"
      const ended = yield* smolvm.machineExec({ name: "box", command: ["sh", "-c", script] })
      assert.strictEqual(ended.exitCode, 1)
      const other = "echo 'Error: vm not found: box' >&2; echo done >&2; exit 1"
      const told = yield* smolvm.machineExec({ name: "box", command: ["sh", "-c", other] })
      assert.strictEqual(told.origin, "unknown")
    }).pipe(on(line))
  )

  it.effect("a timeout ends a command of a bare machine with 124", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box" })
      const { processes } = yield* FakeSmolvm.FakeSmolvm
      const late = smolvm.machineExec({ name: "box", command: ["sleep", "60"], timeoutMillis: 1500 })
      const ended = yield* during(late, "2 seconds")
      assert.deepStrictEqual([ended.exitCode, ended.origin], [124, "unknown"])
      assert.deepStrictEqual(yield* processes("box"), [])
      const quick = yield* smolvm.machineExec({ name: "box", command: ["true"], timeoutMillis: 1500 })
      assert.strictEqual(quick.exitCode, 0)
    }).pipe(on(line))
  )

  it.effect("a timeout ends a command of an image's machine, but not from 1.4.1 to 1.6.13", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box", ...image })
      const { processes } = yield* FakeSmolvm.FakeSmolvm
      const late = smolvm.machineExec({ name: "box", command: ["sleep", "60"], timeoutMillis: 1500 })
      const ended = yield* during(late, "7 seconds")
      if (since(line, "1.4.1") && !since(line, "1.7.0")) {
        assert.deepStrictEqual([ended.exitCode, ended.origin], [1, "runtime"])
        assert.strictEqual((yield* processes("box")).length, 1)
      } else {
        assert.deepStrictEqual([ended.exitCode, ended.origin], [124, "runtime"])
        assert.include(text(ended.stderr), "timed out after 1500ms")
        assert.deepStrictEqual(yield* processes("box"), [])
      }
    }).pipe(on(line))
  )

  it.effect("arguments that its parser refuses are a typed error", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const { misbehave } = yield* FakeSmolvm.FakeSmolvm
      // It says that it is another than it is.
      const other = since(line, "1.0.2") ? "0.8.0" : "1.9.3"
      yield* misbehave({ when: "--version", how: "garble", as: () => `smolvm ${other}\n` })
      assert.strictEqual(yield* tagOf(smolvm.machineCreate({ name: "box" })), "SmolvmUsageRefused")
      assert.deepStrictEqual(yield* smolvm.machineLs, [])
    }).pipe(on(line))
  )
})

describe.each(linesAnd("1.0.0", "1.2.5", "1.3.0", "1.3.7", "1.3.8", "1.4.1", "1.6.11", "1.6.12", "1.8.0", "1.8.1"))(
  "smolvm %s: modes of exec",
  (line) => {
    it.effect("the default mode gives no input and keeps the streams apart", () =>
      Effect.gen(function* () {
        const smolvm = yield* start({ name: "box" })
        const script = "cat; echo out; echo err >&2"
        const plain = yield* smolvm.machineExec({ name: "box", command: ["sh", "-c", script] })
        assert.deepStrictEqual([text(plain.stdout), text(plain.stderr)], ["out\n", "err\n"])
        const fed = yield* smolvm.machineExec({ name: "box", command: ["sh", "-c", script], stdin: "in " })
        assert.strictEqual(text(fed.stdout), "in out\n")
      }).pipe(on(line))
    )

    it.effect("a terminal merges the streams", () =>
      Effect.gen(function* () {
        const smolvm = yield* start({ name: "box" })
        const events = smolvm.machineExecFollow({
          name: "box",
          command: ["sh", "-c", "echo out; echo err >&2"],
          tty: true
        })
        const { stderr, stdout } = yield* followed(events)
        assert.deepStrictEqual([stdout, stderr], [8, 0])
      }).pipe(on(line))
    )

    it.effect("a buffered exec of a bare machine fails above 11 MiB from 1.0.0, and is cut in silence before", () =>
      Effect.gen(function* () {
        const smolvm = yield* start({ name: "box" })
        const blob = (mebibytes: number) =>
          smolvm.machineExec({ name: "box", command: ["blob", "stdout", `${mebibytes}`], capBytes: 64 * MEBIBYTE })
        const small = yield* blob(11)
        assert.deepStrictEqual([small.exitCode, small.stdout.length], [0, 11 * MEBIBYTE])
        const large = yield* blob(12)
        if (since(line, "1.0.0")) assert.deepStrictEqual([large.exitCode, large.origin], [1, "runtime"])
        else assert.deepStrictEqual([large.exitCode, large.stdout.length], [0, 11_534_336])
      }).pipe(on(line))
    )

    it.effect("a buffered exec of an image's machine is cut there, and fails for other reasons", () =>
      Effect.gen(function* () {
        const smolvm = yield* start({ name: "box", ...image })
        const blob = (script: string) =>
          smolvm.machineExec({ name: "box", command: ["sh", "-c", script], capBytes: 64 * MEBIBYTE })
        const large = yield* blob("blob stdout 12")
        if (since(line, "1.4.1") && !since(line, "1.6.12")) {
          assert.strictEqual(large.exitCode, 1)
          assert.include(text(large.stderr), "frame too large")
        } else assert.deepStrictEqual([large.exitCode, large.stdout.length], [141, 11_534_336])
        const both = yield* blob("blob stdout 11; blob stderr 11")
        assert.strictEqual(both.exitCode, since(line, "1.0.0") ? 1 : 0)
      }).pipe(on(line))
    )

    it.effect("--stream carries 11 MiB from 1.3.8, and anything before", () =>
      Effect.gen(function* () {
        const smolvm = yield* start({ name: "box" })
        const stream = (mebibytes: number) =>
          followed(smolvm.machineExecFollow({ name: "box", command: ["blob", "stdout", `${mebibytes}`], stream: true }))
        assert.deepStrictEqual((yield* stream(11)).exit?.code, 0)
        const large = yield* stream(12)
        assert.strictEqual(large.exit?.code, since(line, "1.3.8") ? 1 : 0)
        assert.strictEqual(large.stdout, (since(line, "1.3.8") ? 11 : 12) * MEBIBYTE)
        yield* processesIn("box", 0)
      }).pipe(on(line))
    )

    it.effect("-i carries what there is", () =>
      Effect.gen(function* () {
        const smolvm = yield* start({ name: "box" })
        const events = smolvm.machineExecFollow({
          name: "box",
          command: ["sh", "-c", "blob stdout 12; blob stderr 12"]
        })
        const { exit, stderr, stdout } = yield* followed(events)
        assert.deepStrictEqual([exit?.code, stdout, stderr], [0, 12 * MEBIBYTE, 12 * MEBIBYTE])
      }).pipe(on(line))
    )

    it.effect("more than 256 KiB of input goes through from 1.8.1, and before never ends but by its timeout", () =>
      Effect.gen(function* () {
        const smolvm = yield* start({ name: "box" })
        const { recorded } = yield* FakeSmolvm.FakeSmolvm
        const feed = (bytes: number) =>
          smolvm.machineExec({ name: "box", command: ["cat"], stdin: new Uint8Array(bytes), timeoutMillis: 1000 })
        assert.strictEqual((yield* feed(262_144)).stdout.length, 262_144)
        if (since(line, "1.8.1")) {
          assert.strictEqual((yield* feed(270_336)).stdout.length, 270_336)
          return
        }
        assert.strictEqual((yield* during(feed(270_336), "2 seconds")).exitCode, 124)
        const stuck = yield* Effect.fork(
          smolvm.machineExec({ name: "box", command: ["cat"], stdin: new Uint8Array(270_336) })
        )
        yield* processesIn("box", 1)
        yield* Fiber.interrupt(stuck)
        assert.deepStrictEqual((yield* recorded).at(-1)?.signals, ["SIGTERM"])
      }).pipe(on(line))
    )

    it.effect("a detached command goes on by itself, from 1.3.0", () =>
      Effect.gen(function* () {
        const smolvm = yield* start({ name: "box" })
        const { processes } = yield* FakeSmolvm.FakeSmolvm
        const detached = smolvm.machineExecDetached({ name: "box", command: ["sleep", "infinity"] })
        if (!since(line, "1.3.0")) {
          assert.strictEqual(yield* tagOf(detached), "UnsupportedOption")
          return
        }
        const pid = yield* detached
        assert.deepStrictEqual(
          (yield* processes("box")).map((process) => process.pid),
          [pid]
        )
        yield* smolvm.machineStop({ name: "box" })
        assert.deepStrictEqual(yield* processes("box"), [])
      }).pipe(on(line))
    )

    it.effect("a buffered command ends with its client; of a live one that cannot be relied on", () =>
      Effect.gen(function* () {
        const smolvm = yield* start({ name: "box" })
        const { processes } = yield* FakeSmolvm.FakeSmolvm
        const command = ["sleep", "infinity"]
        const buffered = yield* Effect.fork(smolvm.machineExec({ name: "box", command }))
        yield* processesIn("box", 1)
        yield* Fiber.interrupt(buffered)
        yield* processesIn("box", 0)
        const live = yield* Effect.fork(Stream.runDrain(smolvm.machineExecFollow({ name: "box", command })))
        yield* processesIn("box", 1)
        yield* Fiber.interrupt(live)
        assert.strictEqual((yield* processes("box")).length, 1)
      }).pipe(on(line))
    )

    it.effect("a command whose machine ends under it fails", () =>
      Effect.gen(function* () {
        const smolvm = yield* start({ name: "box" })
        const running = yield* Effect.fork(smolvm.machineExec({ name: "box", command: ["sleep", "infinity"] }))
        yield* processesIn("box", 1)
        yield* smolvm.machineStop({ name: "box" })
        const ended = yield* Fiber.join(running)
        assert.deepStrictEqual([ended.exitCode, ended.origin], [1, "runtime"])
      }).pipe(on(line))
    )

    it.effect("secrets reach a command from smolvm's environment, from 1.0.0", () =>
      Effect.gen(function* () {
        const smolvm = yield* start({ name: "box" })
        const secretEnv = [{ guest: "KEY", host: "TOKEN" }]
        const printed = smolvm.machineExec({ name: "box", command: ["printenv", "KEY"], secretEnv })
        if (!since(line, "1.0.0")) {
          assert.strictEqual(yield* tagOf(printed), "UnsupportedOption")
          return
        }
        assert.strictEqual(text((yield* printed).stdout), "s3cret\n")
        const missing = [{ guest: "KEY", host: "OTHER" }]
        const without = yield* smolvm.machineExec({ name: "box", command: ["true"], secretEnv: missing })
        assert.deepStrictEqual([without.exitCode, without.origin], [1, "runtime"])
        assert.include(text(without.stderr), "'OTHER' is not set")
      }).pipe(on(line))
    )
  }
)

interface Contract {
  readonly dialects: Record<
    string,
    { readonly json: Record<string, { readonly item: Record<string, string>; readonly states: ReadonlyArray<State> }> }
  >
}

const contract: Contract = JSON.parse(readFileSync(new URL("../src/grammar/contract.json", import.meta.url), "utf8"))

describe.each(linesAnd("1.2.5", "1.3.0", "1.7.1", "1.7.2", "1.7.7", "1.8.0", "1.8.1"))("smolvm %s: JSON", (line) => {
  // A field came with 1.7.2, the others of the newest line with 1.8.0; the state that is new with 1.5.2 came with 1.3.0.
  const like = since(line, "1.8.0") ? "1.9.3" : since(line, "1.3.0") ? "1.5.2" : Line.ofVersion(line)
  const listed = contract.dialects[like]?.json["machine ls --json"]
  const fields = [
    ...Object.keys(listed?.item ?? {}),
    ...(since(line, "1.7.2") && !since(line, "1.8.0") ? ["forkpoint_held"] : [])
  ]

  it.effect("has the fields of its line, in ls and in status", () =>
    Effect.gen(function* () {
      yield* start({ name: "box" })
      const status: object = JSON.parse((yield* program("machine status --name box --json")).stdout)
      const all: ReadonlyArray<object> = JSON.parse((yield* program("machine ls --json")).stdout)
      assert.deepStrictEqual(Object.keys(status).sort(), fields.sort())
      assert.deepStrictEqual(all, [status])
    }).pipe(on(line))
  )

  it.effect("is an empty array where there is no machine", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* program("machine ls --json")).stdout, "[]\n")
      assert.deepStrictEqual(yield* Effect.flatMap(Smolvm, ({ machineLs }) => machineLs), [])
    }).pipe(on(line))
  )

  it.effect("says each state, and the service gives it as it is", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box" })
      const { edit, misbehave } = yield* FakeSmolvm.FakeSmolvm
      for (const state of listed?.states ?? []) {
        yield* edit("box", () => ({ state }))
        assert.strictEqual((yield* smolvm.machineStatus({ name: "box" })).state, state)
      }
      // A newer release has more words, and more fields.
      const newer = (stdout: string) => stdout.replace('"frozen"', '"paused"').replace("{", '{ "soul": [],')
      yield* misbehave({ when: "machine status", how: "garble", as: newer })
      yield* edit("box", () => ({ state: "frozen" }))
      assert.strictEqual(
        (yield* smolvm.machineStatus({ name: "box" })).state,
        since(line, "1.3.0") ? "paused" : "running"
      )
    }).pipe(on(line))
  )

  it.effect("counts mounts and ports, and is null where nothing is known", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.machineCreate({ name: "box", volumes: [{ host: "/data", guest: "/v", readonly: true }] })
      const created = yield* smolvm.machineStatus({ name: "box" })
      assert.deepStrictEqual(
        [created.mountCount, created.portCount, created.pid, created.storageGib, created.image],
        [1, 0, null, null, null]
      )
    }).pipe(on(line, { files: { "/data/": "" } }))
  )

  it.effect("of images comes from a machine that is booted for it", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.machineCreate({ name: "box", ...image })
      const { images } = yield* smolvm.machineImages({ name: "box" })
      assert.deepStrictEqual(
        images.map(({ reference }) => reference),
        ["alpine"]
      )
      assert.strictEqual(yield* stateOf("box"), "running")
      assert.strictEqual(yield* tagOf(smolvm.machineImages({ name: "no" })), "MachineNotFound")
    }).pipe(on(line))
  )

  it.effect("of egress events is there from 1.8.1", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box" })
      const { edit } = yield* FakeSmolvm.FakeSmolvm
      yield* edit("box", () => ({
        egressEvents: [
          { timestamp: "", operation: "resolve", dest: "example.org" },
          { timestamp: "2026-08-21T22:03:03Z", operation: "connect", dest: "10.0.0.1:443" }
        ]
      }))
      const events = smolvm.machineEgressEvents({ name: "box" })
      if (!since(line, "1.8.1")) {
        assert.strictEqual(yield* tagOf(events), "UnsupportedCommand")
        return
      }
      assert.deepStrictEqual(
        (yield* events).map(({ destination, operation, timestamp }) => [timestamp, operation, destination]),
        [
          [null, "resolve", "example.org"],
          ["2026-08-21T22:03:03Z", "connect", "10.0.0.1:443"]
        ]
      )
      assert.strictEqual((yield* smolvm.machineEgressEvents({ name: "box", limit: 1 })).length, 1)
    }).pipe(on(line))
  )
})

describe.each(linesAnd("0.8.1", "1.0.0"))("smolvm %s: doing it again", (line) => {
  it.effect("start of a machine that runs is a success, and leaves it alone", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box" })
      const { pid } = yield* kept("box")
      yield* smolvm.machineStart({ name: "box" })
      assert.strictEqual((yield* kept("box")).pid, pid)
      assert.include((yield* program("machine start --name box")).stdout, "already running (PID: ")
    }).pipe(on(line))
  )

  it.effect("start of a machine that is missing fails, and without a name makes one", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      assert.strictEqual(yield* tagOf(smolvm.machineStart({ name: "no" })), "MachineNotFound")
      assert.strictEqual((yield* program("machine start")).code, 0)
      assert.strictEqual(yield* stateOf("default"), "running")
    }).pipe(on(line))
  )

  it.effect("start of a machine that does not answer boots it anew", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box" })
      const { edit } = yield* FakeSmolvm.FakeSmolvm
      const { pid } = yield* kept("box")
      yield* edit("box", () => ({ state: "unreachable" }))
      const asked = yield* smolvm.machineExec({ name: "box", command: ["true"] })
      assert.deepStrictEqual([asked.exitCode, asked.origin], [1, "runtime"])
      yield* smolvm.machineStart({ name: "box" })
      const again = yield* kept("box")
      assert.strictEqual(again.state, "running")
      assert.notStrictEqual(again.pid, pid)
    }).pipe(on(line))
  )

  it.effect("stop of a machine that does not run is a success", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.machineCreate({ name: "box" })
      yield* smolvm.machineStop({ name: "box" })
      assert.strictEqual(yield* stateOf("box"), "created")
      assert.include((yield* program("machine stop --name box")).stdout, "is not running (state: created)")
    }).pipe(on(line))
  )

  it.effect("stop of a machine that is missing fails, but not on 0.8.0", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const stopped = smolvm.machineStop({ name: "no" })
      if (line === "0.8.0") yield* stopped
      else assert.strictEqual(yield* tagOf(stopped), "MachineNotFound")
    }).pipe(on(line))
  )

  it.effect("delete of a machine that is missing fails, and of one that runs leaves nothing of it", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box" })
      const { machines, orphans } = yield* FakeSmolvm.FakeSmolvm
      assert.strictEqual(yield* tagOf(smolvm.machineDelete({ name: "no" })), "MachineNotFound")
      yield* smolvm.machineDelete({ name: "box" })
      assert.deepStrictEqual([yield* machines, yield* orphans], [[], []])
    }).pipe(on(line))
  )

  it.effect("delete by the program itself leaves an orphan on 0.8.0", () =>
    Effect.gen(function* () {
      yield* start({ name: "box" })
      const { orphans } = yield* FakeSmolvm.FakeSmolvm
      yield* program(`machine delete -f ${since(line, "1.0.2") ? "--name " : ""}box`)
      assert.deepStrictEqual(
        (yield* orphans).map(({ name }) => name),
        line === "0.8.0" ? ["box"] : []
      )
    }).pipe(on(line))
  )

  it.effect("create of a name that is taken fails, and so from 1.0.0 does one that was not finished", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const { misbehave } = yield* FakeSmolvm.FakeSmolvm
      yield* smolvm.machineCreate({ name: "box" })
      const taken = yield* Effect.flip(smolvm.machineCreate({ name: "box" }))
      assert.strictEqual(taken._tag, "MachineAlreadyExists")
      const said = since(line, "1.0.0") ? "already exists or is being created" : "already exists"
      assert.isTrue("stderr" in taken && taken.stderr.endsWith(said))
      yield* misbehave({ when: "machine create", how: "die", at: "half-way" })
      assert.strictEqual(yield* tagOf(smolvm.machineCreate({ name: "half" })), "SmolvmKilled")
      assert.strictEqual(yield* tagOf(smolvm.machineStatus({ name: "half" })), "MachineNotFound")
      const again = smolvm.machineCreate({ name: "half" })
      if (since(line, "1.0.0")) assert.strictEqual(yield* tagOf(again), "MachineAlreadyExists")
      else assert.strictEqual((yield* again).name, "half")
    }).pipe(on(line))
  )

  it.effect("create without a name gives the one that smolvm chose", () =>
    Effect.gen(function* () {
      const { dropped, name } = yield* create({})
      assert.match(name, /^vm-[0-9a-f]+$/)
      assert.deepStrictEqual(dropped, [])
      assert.strictEqual(yield* stateOf(name), "created")
    }).pipe(on(line))
  )

  it.effect("exec and copies need a machine, and one that runs", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      yield* smolvm.machineCreate({ name: "box" })
      const exec = (name: string) => tagOf(smolvm.machineExec({ name, command: ["true"] }))
      const cp = (name: string) => tagOf(smolvm.machineCp({ src: "/file", dst: `${name}:/file` }))
      assert.deepStrictEqual([yield* exec("box"), yield* exec("no")], ["MachineNotRunning", "MachineNotFound"])
      assert.deepStrictEqual([yield* cp("box"), yield* cp("no")], ["MachineNotRunning", "MachineNotFound"])
    }).pipe(on(line, { files: { "/file": "x" } }))
  )

  it.effect("a port of the host goes to one machine at a time", () =>
    Effect.gen(function* () {
      const ports = { ports: [{ host: 8080, guest: 80 }], net: true } as const
      const smolvm = yield* start({ name: "one", ...ports })
      yield* smolvm.machineCreate({ name: "two", ...ports })
      const taken = yield* Effect.flip(smolvm.machineStart({ name: "two" }))
      assert.deepInclude(taken, { _tag: "HostPortInUse", port: 8080, holder: "one" })
      yield* smolvm.machineStop({ name: "one" })
      yield* smolvm.machineStart({ name: "two" })
    }).pipe(on(line))
  )

  it.effect("two starts of one machine at once: one has it, the other fails", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const { misbehave } = yield* FakeSmolvm.FakeSmolvm
      yield* smolvm.machineCreate({ name: "box" })
      yield* misbehave({ when: "machine start", how: "hang", at: "half-way" })
      const first = yield* Effect.fork(smolvm.machineStart({ name: "box" }))
      const isHalfWay = Effect.map(stateOf("box"), (state) => state === "unreachable")
      yield* waitUntil(isHalfWay, within("a start that is half-way"))
      assert.strictEqual(yield* tagOf(smolvm.machineStart({ name: "box" })), "MachineBusy")
      yield* Fiber.interrupt(first)
      yield* smolvm.machineStart({ name: "box" })
      assert.strictEqual(yield* stateOf("box"), "running")
    }).pipe(on(line))
  )

  it.effect("an update needs a machine that does not run", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box" })
      const refused = yield* Effect.flip(smolvm.machineUpdate({ name: "box", cpus: 2 }))
      assert.deepInclude(refused, { _tag: "MachineInWrongState", expected: "stopped", actual: "running" })
      yield* smolvm.machineStop({ name: "box" })
      yield* smolvm.machineUpdate({ name: "box", cpus: 2, storageGib: 40 })
      assert.strictEqual((yield* smolvm.machineStatus({ name: "box" })).cpus, 2)
      assert.strictEqual(yield* tagOf(smolvm.machineUpdate({ name: "box", storageGib: 30 })), "CommandFailed")
    }).pipe(on(line))
  )
})

describe("a fork base of smolvm 1.9.3", () => {
  const base = Effect.gen(function* () {
    const smolvm = yield* Smolvm
    yield* smolvm.machineCreate({ name: "base" })
    yield* smolvm.machineStart({ name: "base", forkable: true })
    return smolvm
  })

  it.effect("is not deleted under its clones unless that is said", () =>
    Effect.gen(function* () {
      const smolvm = yield* base
      yield* smolvm.machineFork({ golden: "base", name: "one" })
      const refused = yield* program("machine delete --name base", "y\n")
      assert.deepStrictEqual([refused.code, (yield* smolvm.machineLs).length], [1, 2])
      yield* smolvm.machineDelete({ name: "base" })
      assert.deepStrictEqual(
        (yield* smolvm.machineLs).map(({ name }) => name),
        ["one"]
      )
    }).pipe(on("1.9.3"))
  )

  it.effect("goes with its clones where that is asked for", () =>
    Effect.gen(function* () {
      const smolvm = yield* base
      yield* smolvm.machineFork({ golden: "base", namePrefix: "clone", count: 3 })
      assert.strictEqual((yield* smolvm.machineLs).length, 4)
      yield* smolvm.machineDelete({ name: "base", cascade: true })
      assert.deepStrictEqual(yield* smolvm.machineLs, [])
    }).pipe(on("1.9.3"))
  )

  it.effect("holds its clones until they are released", () =>
    Effect.gen(function* () {
      const smolvm = yield* base
      yield* smolvm.machineFork({ golden: "base", name: "held", hold: true })
      assert.strictEqual((yield* smolvm.machineStatus({ name: "held" })).forkpointHeld, true)
      yield* smolvm.machineForkRelease({ name: "held", env: [["A", "b"]] })
      const released = yield* smolvm.machineExec({ name: "held", command: ["printenv", "A"] })
      assert.strictEqual(text(released.stdout), "b\n")
      assert.strictEqual((yield* smolvm.machineStatus({ name: "held" })).forkpointHeld, false)
      assert.strictEqual(yield* tagOf(smolvm.machineForkRelease({ name: "held" })), "CommandFailed")
    }).pipe(on("1.9.3"))
  )

  it.effect("must be forkable, and run, and the clone's name be free", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "plain" })
      yield* base
      assert.strictEqual(yield* tagOf(smolvm.machineFork({ golden: "plain", name: "a" })), "CommandFailed")
      assert.strictEqual(yield* tagOf(smolvm.machineFork({ golden: "base", name: "plain" })), "MachineAlreadyExists")
      assert.strictEqual(yield* tagOf(smolvm.machineFork({ golden: "no", name: "a" })), "MachineNotFound")
      yield* smolvm.machineStop({ name: "plain" })
      assert.strictEqual(yield* tagOf(smolvm.machineFork({ golden: "plain", name: "a" })), "MachineInWrongState")
    }).pipe(on("1.9.3"))
  )
})

const packed = { "/p.smolmachine": FakeSmolvm.packFile({ network: false }), "/data/file": "content" }

describe.each(
  linesAnd("1.0.1", "1.0.2", "1.1.2", "1.1.3", "1.3.4", "1.3.5", "1.6.13", "1.7.0", "1.7.2", "1.7.3", "1.7.7", "1.8.0")
)("smolvm %s: what machines are made of", (line) => {
  it.effect("a policy with a pack is dropped before 1.8.0, and the result says so", () =>
    Effect.gen(function* () {
      const { dropped } = yield* create({ name: "box", from: "/p.smolmachine", allowCidrs: ["10.0.0.1/32"] })
      const machine = yield* kept("box")
      if (since(line, "1.8.0")) {
        assert.deepStrictEqual([dropped, machine.policy?.cidrs, machine.isPolicyHeld], [[], ["10.0.0.1/32"], true])
      } else {
        assert.deepStrictEqual([machine.policy, machine.network], [null, true])
        assert.isTrue(dropped.some(({ isPolicy }) => isPolicy))
      }
    }).pipe(on(line, { files: packed }))
  )

  it.effect("a policy without a pack is held by virtio-net, and by TSI never", () =>
    Effect.gen(function* () {
      yield* create({ name: "box", net: true, allowCidrs: ["10.0.0.1/32"] })
      const machine = yield* kept("box")
      assert.deepStrictEqual(
        [machine.netBackend, machine.isPolicyHeld],
        since(line, "1.1.3") ? ["virtio-net", true] : ["tsi", false]
      )
      const smolvm = yield* Smolvm
      const asked = { name: "virtio", net: true, netBackend: "virtio-net", allowCidrs: ["10.0.0.1/32"] } as const
      if (since(line, "1.0.2")) {
        yield* smolvm.machineCreate(asked)
        assert.isTrue((yield* kept("virtio")).isPolicyHeld)
      } else {
        assert.strictEqual(yield* tagOf(smolvm.machineCreate(asked)), "InvalidArgument")
        const bare = yield* program("machine create --net-backend virtio-net --allow-cidr 10.0.0.1/32 virtio")
        assert.strictEqual(bare.code, 1)
      }
    }).pipe(on(line))
  )

  it.effect("a pack that is not there, or is none, fails", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      assert.strictEqual(yield* tagOf(smolvm.machineCreate({ name: "box", from: "/no.smolmachine" })), "CommandFailed")
      assert.strictEqual(yield* tagOf(smolvm.machineCreate({ name: "box", from: "/data/file" })), "CommandFailed")
      yield* smolvm.machineCreate({ name: "box", from: "/p.smolmachine" })
    }).pipe(on(line, { files: packed }))
  )

  it.effect("an image that has to be pulled needs a network: from 1.7.3 at create, before at start", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const offline = smolvm.machineCreate({ name: "box", image: "alpine" })
      if (since(line, "1.7.3")) {
        assert.strictEqual(yield* tagOf(offline), "ImageNeedsNetwork")
        return
      }
      yield* offline
      assert.strictEqual(yield* tagOf(smolvm.machineStart({ name: "box" })), "CommandFailed")
      assert.strictEqual(yield* stateOf("box"), "created")
    }).pipe(on(line))
  )

  it.effect("an image of the host needs none, from 1.1.0", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const local = smolvm.machineCreate({ name: "box", image: "/data" })
      if (since(line, "1.1.0")) {
        yield* local
        yield* smolvm.machineStart({ name: "box" })
        assert.strictEqual(yield* tagOf(smolvm.machineCreate({ name: "no", image: "/no.tar" })), "CommandFailed")
        return
      }
      yield* local
      assert.strictEqual(yield* tagOf(smolvm.machineStart({ name: "box" })), "CommandFailed")
    }).pipe(on(line, { files: packed }))
  )

  it.effect("an image is pulled at the first start, by what its policy lets through", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box", ...image })
      yield* smolvm.machineCreate({ name: "gone", image: "no-such", net: true })
      assert.strictEqual(yield* tagOf(smolvm.machineStart({ name: "gone" })), "CommandFailed")
      if (!since(line, "1.0.2")) return
      const policy = { net: true, netBackend: "virtio-net" } as const
      yield* smolvm.machineCreate({ name: "cidr", image: "alpine", ...policy, allowCidrs: ["10.0.0.1/32"] })
      assert.strictEqual(yield* tagOf(smolvm.machineStart({ name: "cidr" })), "CommandFailed")
      yield* smolvm.machineCreate({ name: "host", image: "alpine", ...policy, allowHosts: ["10.0.0.1"] })
      const started = smolvm.machineStart({ name: "host" })
      if (since(line, "1.3.5")) yield* started
      else assert.strictEqual(yield* tagOf(started), "CommandFailed")
    }).pipe(on(line, { images: { alpine: {} } }))
  )

  it.effect("a pack is made of an image, and of a machine that does not run", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box" })
      const { files } = yield* FakeSmolvm.FakeSmolvm
      yield* smolvm.machineExec({ name: "box", command: ["sh", "-c", "echo kept >/f"] })
      yield* smolvm.packCreate({ image: "alpine", output: "/image" })
      assert.strictEqual(yield* tagOf(smolvm.packCreateFromVm({ name: "box", output: "/vm" })), "MachineInWrongState")
      yield* smolvm.machineStop({ name: "box" })
      yield* smolvm.packCreateFromVm({ name: "box", output: "/vm" })
      assert.includeMembers([...files.keys()], ["/image", "/image.smolmachine", "/vm", "/vm.smolmachine"])
      yield* start({ name: "copy", from: "/vm.smolmachine" })
      const found = yield* smolvm.machineExec({ name: "copy", command: ["cat", "/f"] })
      // The disk of such a pack is seeded from 1.2.2.
      assert.strictEqual(text(found.stdout), since(line, "1.2.2") ? "kept\n" : "")
      assert.strictEqual(yield* tagOf(smolvm.packCreateFromVm({ name: "no", output: "/vm" })), "MachineNotFound")
    }).pipe(on(line))
  )

  it.effect("a pack's file is named after its output, and runs", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const { files, machines } = yield* FakeSmolvm.FakeSmolvm
      const doubled = yield* program("pack create --image alpine -o /x.smolmachine")
      assert.deepStrictEqual(
        [doubled.code, files.has("/x.smolmachine.smolmachine")],
        since(line, "1.7.0") ? [1, false] : [0, true]
      )
      const ran = yield* smolvm.packRun({ sidecar: "/p.smolmachine", command: ["sh", "-c", "echo ran; exit 4"] })
      assert.deepStrictEqual([ran.exitCode, text(ran.stdout)], [4, "ran\n"])
      assert.deepStrictEqual(yield* machines, [])
    }).pipe(on(line, { files: packed }))
  )

  it.effect("a pack is pushed, inspected and pulled", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const { files } = yield* FakeSmolvm.FakeSmolvm
      const reference = "registry.example/team/p:1"
      assert.strictEqual(yield* tagOf(smolvm.packInspect({ reference })), "CommandFailed")
      yield* smolvm.packPush({ reference, file: "/p.smolmachine" })
      const manifest = yield* smolvm.packInspect({ reference })
      assert.deepStrictEqual([manifest.mode, manifest.cpus, manifest.network], ["container", 4, false])
      assert.strictEqual(manifest.layerSizeBytes, files.get("/p.smolmachine")?.length)
      yield* smolvm.packPull({ reference, output: "/pulled.smolmachine" })
      yield* smolvm.machineCreate({ name: "box", from: "/pulled.smolmachine" })
      assert.strictEqual(yield* tagOf(smolvm.packPush({ reference, file: "/data/file" })), "CommandFailed")
    }).pipe(on(line, { files: packed }))
  )

  it.effect("run makes a machine for one command, and none stays", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const { machines } = yield* FakeSmolvm.FakeSmolvm
      const ran = yield* smolvm.machineRun({ ...image, command: ["sh", "-c", "echo said; exit 6"] })
      assert.strictEqual(ran.exitCode, 6)
      // What smolvm says itself stands before it on stdout.
      assert.strictEqual(text(ran.stdout), "Using cached image alpine\nsaid\n")
      assert.deepStrictEqual(yield* machines, [])
      assert.strictEqual((yield* smolvm.machineRunDetached({ name: "box" })).name, "box")
      assert.strictEqual(yield* stateOf("box"), "running")
      const going = yield* Effect.fork(smolvm.machineRun({ command: ["sleep", "infinity"] }))
      yield* waitUntil(
        Effect.map(machines, ({ length }) => length === 2),
        within("the machine of a run")
      )
      yield* Fiber.interrupt(going)
      assert.deepStrictEqual(
        (yield* machines).map(({ name }) => name),
        ["box"]
      )
    }).pipe(on(line))
  )
})

describe.each(linesAnd("1.6.0", "1.7.2", "1.7.3"))("smolvm %s: copies", (line) => {
  const files = { "/file": "content", "/directory/inner": "x" }

  it.effect("carry one file in and out, and make the directories above it in the guest", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box" })
      const host = (yield* FakeSmolvm.FakeSmolvm).files
      yield* smolvm.machineCp({ src: "/file", dst: "box:/a/b/file" })
      assert.strictEqual(
        text((yield* smolvm.machineExec({ name: "box", command: ["cat", "/a/b/file"] })).stdout),
        "content"
      )
      yield* smolvm.machineCp({ src: "box:/a/b/file", dst: "/back" })
      assert.strictEqual(text(host.get("/back") ?? new Uint8Array(0)), "content")
    }).pipe(on(line, { files }))
  )

  it.effect("take no directory, no missing file, and no path that is not a file's", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box" })
      const refused = (src: string, dst: string) => tagOf(smolvm.machineCp({ src, dst }))
      yield* smolvm.machineCp({ src: "/file", dst: "box:/a/file" })
      for (const [src, dst] of [
        ["/directory", "box:/directory"],
        ["/no", "box:/no"],
        ["/file", "box:/a/../b"],
        ["/file", "box:/a/"],
        ["box:/a", "/back"],
        ["box:/no", "/back"]
      ] as const) {
        assert.include(["CommandFailed", "InvalidArgument"], yield* refused(src, dst), `${src} ${dst}`)
      }
    }).pipe(on(line, { files }))
  )

  it.effect("into an image's machine are seen everywhere from 1.7.3, and before below /workspace only", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box", ...image })
      const seen = (path: string) =>
        Effect.map(smolvm.machineExec({ name: "box", command: ["cat", path] }), ({ exitCode }) => exitCode === 0)
      yield* smolvm.machineExec({ name: "box", command: ["true"] })
      yield* smolvm.machineCp({ src: "/file", dst: "box:/workspace/file" })
      yield* smolvm.machineCp({ src: "/file", dst: "box:/opt/file" })
      assert.deepStrictEqual([yield* seen("/workspace/file"), yield* seen("/opt/file")], [true, since(line, "1.7.3")])
      yield* smolvm.machineCp({ src: "box:/opt/file", dst: "/back" })
    }).pipe(on(line, { files }))
  )

  it.effect("into /tmp of an image's machine vanish from 1.7.3 on where no command has run yet", () =>
    Effect.gen(function* () {
      const smolvm = yield* start({ name: "box", ...image })
      const seen = Effect.map(
        smolvm.machineExec({ name: "box", command: ["cat", "/tmp/file"] }),
        ({ exitCode }) => exitCode === 0
      )
      yield* smolvm.machineCp({ src: "/file", dst: "box:/tmp/file" })
      assert.isFalse(yield* seen)
      yield* smolvm.machineCp({ src: "/file", dst: "box:/tmp/file" })
      assert.strictEqual(yield* seen, since(line, "1.7.3"))
    }).pipe(on(line, { files }))
  )

  it.effect("are bounded, and the bound can be raised from 1.6.0", () =>
    Effect.gen(function* () {
      yield* start({ name: "box" })
      const small = { ...env, SMOLVM_FILE_TRANSFER_MAX_BYTES: "3" }
      const args = ["machine", "cp", "/file", "box:/f"]
      const ended = yield* capture({ program: "smolvm", args, env: small })
      assert.strictEqual(ended.exit.code, since(line, "1.6.0") ? 1 : 0)
    }).pipe(on(line, { files }))
  )
})
