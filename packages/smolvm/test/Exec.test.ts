import * as CommandScript from "@bottle/testing/CommandScript"
import * as Wait from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Exec from "../src/Exec.js"
import * as Grammar from "../src/Grammar.js"
import type { RunOptions } from "../src/GuestCommand.js"
import * as Line from "../src/Line.js"
import * as Smolvm from "../src/Smolvm.js"
import * as Witness from "../src/Witness.js"

type Argv = ReadonlyArray<string>

/** A witness's place is chosen at random, so a command is known by the words after it. */
const command =
  (...words: Argv) =>
  (argv: Argv): boolean =>
    argv[2] === "exec" && words.every((word, index) => argv.at(index - words.length) === word)

/** The exec of a script of the witness's. */
const scripted = (script: string | undefined) => (argv: Argv) => argv[2] === "exec" && argv.at(-2) === script
const isReading = scripted(Witness.read("")[2])
const isProbing = scripted(Witness.probe("")[2])
const isStagingFirst = scripted(Witness.stage("", { isFirst: true })[2])
const isStagingMore = scripted(Witness.stage("", { isFirst: false })[2])
const isStaging = (argv: Argv): boolean => isStagingFirst(argv) || isStagingMore(argv)
const isUnstaging = scripted(Witness.unstage("")[2])
const isReaping = (argv: Argv): boolean => argv.includes("bottle-reap")
const isAsking = command("sh", "-c", ":")

const reaped: CommandScript.Reply = { match: isReaping, stdout: "gone" }
const witness = (stdout: string): CommandScript.Reply => ({ match: isReading, stdout })
const noWitness: CommandScript.Reply = { match: isReading, exit: 1 }

const on = (version: string, replies: ReadonlyArray<CommandScript.Reply>) =>
  Smolvm.layer({ program: "smolvm", env: {} }).pipe(
    Layer.provideMerge(
      CommandScript.layer([{ match: ["smolvm", "--version"], stdout: `smolvm ${version}\n`, times: "any" }, ...replies])
    )
  )

/** Commands in a machine that is known to have a shell. */
const known = <E = never>(rest?: Partial<Exec.ExecOptions<E>>) => Exec.make<E>({ name: "box", hasShell: true, ...rest })

/** One captured command on a release. */
const ran = (
  version: string,
  replies: ReadonlyArray<CommandScript.Reply>,
  options: Partial<RunOptions> = {},
  rest: Partial<Exec.ExecOptions> = {}
) =>
  Effect.flatMap(known(rest), ({ run }) => run({ command: ["x"], ...options })).pipe(
    Effect.provide(on(version, replies))
  )

const recorded = Effect.flatMap(CommandScript.CommandScript, (script) => script.recorded)

/** What was run but `--version`. */
const execs = Effect.map(recorded, (all) => all.filter(({ argv }) => argv[1] === "machine"))

const valueOf = (argv: Argv, option: string): string | undefined =>
  argv.includes("--") && argv.indexOf(option) >= 0 && argv.indexOf(option) < argv.indexOf("--")
    ? argv[argv.indexOf(option) + 1]
    : undefined

/** What was asked of the guest, in the order of starts and ends: "start x", "exit x", "start reap". */
const order = (word: string) =>
  Effect.map(
    Effect.flatMap(CommandScript.CommandScript, ({ events }) => Ref.get(events)),
    (events) =>
      events.flatMap((event) => {
        const what = event.includes("bottle-reap") ? "reap" : event.endsWith(` ${word}`) ? word : undefined
        return what === undefined ? [] : [`${event.split(" ")[0]} ${what}`]
      })
  )

const started = (word: string) =>
  Wait.waitUntil(
    Effect.map(recorded, (all) => all.some(({ argv }) => command(word)(argv))),
    { boundMillis: 10_000, what: word }
  )

const endedAndReaped = ["start x", "signal x", "exit x", "start reap", "exit reap"]

describe("whose an exit is", () => {
  for (const [what, exit, replies, expected] of [
    ["the guest's 0, without a question", 0, [], "guest"],
    ["the guest's, which its witness confirms", 42, [witness("42")], "guest"],
    ["the guest's own 1", 1, [witness("1")], "guest"],
    ["the guest's, beside a note of smolvm's", 7, [{ ...witness("7"), stderr: `note: ${"x".repeat(200)}\n` }], "guest"],
    ["the guest's own 124", 124, [witness("124")], "guest"],
    ["the guest's own 137", 137, [witness("137")], "guest"],
    ["the runtime's 1", 1, [witness(""), { match: isProbing }, witness("1")], "runtime"],
    ["the runtime's 2", 2, [witness(""), { match: isProbing }, witness("1")], "runtime"],
    ["unknown, in a guest that keeps no files", 1, [witness(""), { match: isProbing }, witness("")], "unknown"],
    ["unknown, in one that cannot write any", 1, [witness(""), { match: isProbing, exit: 2 }, witness("")], "unknown"],
    ["unknown, when a shell was killed", 137, [witness("")], "unknown"],
    ["unknown, when the witness says another code", 7, [witness("8")], "unknown"]
  ] as const) {
    it.effect(what, () =>
      Effect.gen(function* () {
        const { exit: end } = yield* ran("1.9.3", [{ match: command("x"), exit }, ...replies])
        assert.deepInclude(end, { exitCode: exit, origin: expected, timedOut: false })
      })
    )
  }

  it.effect("unknown, when the machine no longer answers", () =>
    Effect.gen(function* () {
      const gone = { exit: 1, stderr: "Error: vm not found: box\n" }
      const { exit } = yield* ran("1.9.3", [
        { match: command("x"), exit: 1 },
        { match: isReading, ...gone }
      ])
      assert.deepInclude(exit, { exitCode: 1, origin: "unknown" })
    })
  )

  it.effect("the runtime's, when a signal ended that, and nothing of the command is left", () =>
    Effect.gen(function* () {
      const { exit } = yield* ran("1.9.3", [{ match: command("x"), signal: "SIGKILL" }, reaped])
      assert.deepInclude(exit, { exitCode: 137, origin: "runtime" })
    })
  )

  it.effect("asks each time whether the guest keeps what a witness writes: its disk may be full by then", () =>
    Effect.gen(function* () {
      const { run } = yield* known()
      const origins = [
        (yield* run({ command: ["x"] })).exit.origin,
        (yield* run({ command: ["x"] })).exit.origin,
        (yield* run({ command: ["x"] })).exit.origin
      ]
      assert.deepStrictEqual(origins, ["runtime", "unknown", "guest"])
    }).pipe(
      Effect.provide(
        on("1.9.3", [
          { match: command("x"), exit: 1 },
          witness(""),
          { match: isProbing },
          witness("1"),
          { match: command("x"), exit: 1 },
          witness(""),
          { match: isProbing, exit: 1 },
          witness(""),
          { match: command("x"), exit: 1 },
          witness("1")
        ])
      )
    )
  )

  it.effect("unknown but for 0 in a guest without a shell, where commands run as they are", () =>
    Effect.gen(function* () {
      const { run } = yield* Exec.make({ name: "box" })
      assert.deepInclude((yield* run({ command: ["x", "1"] })).exit, { exitCode: 3, origin: "unknown" })
      assert.deepInclude((yield* run({ command: ["x", "2"] })).exit, { exitCode: 0, origin: "guest" })
      const [, first] = yield* execs
      assert.deepStrictEqual(first?.argv, ["smolvm", "machine", "exec", "--name", "box", "-i", "--", "x", "1"])
    }).pipe(
      Effect.provide(
        on("1.9.3", [
          { match: isAsking, exit: 1, stderr: "Error: agent operation failed: exec: no sh\n" },
          { match: command("x", "1"), exit: 3 },
          { match: command("x", "2") }
        ])
      )
    )
  )

  it.effect("waits for a shell that hangs no longer than for a witness, and asks again", () =>
    Effect.gen(function* () {
      const { run } = yield* Exec.make({ name: "box" })
      const hung = yield* Effect.fork(Effect.flip(run({ command: ["x"], timeoutMillis: 5 })))
      yield* Wait.waitUntil(
        Effect.map(recorded, (all) => all.some(({ argv }) => isAsking(argv))),
        { boundMillis: 10_000, what: "the question" }
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(hung))._tag, "SmolvmTimedOut")
      assert.strictEqual((yield* run({ command: ["x"] })).exit.origin, "unknown")
      assert.strictEqual((yield* run({ command: ["x"] })).exit.origin, "guest")
      const asked = (yield* execs).filter(({ argv }) => isAsking(argv))
      assert.deepStrictEqual(
        asked.map(({ argv }) => valueOf(argv, "--timeout")),
        ["10s", "10s", "10s"]
      )
    }).pipe(
      Effect.provide(
        on("1.9.3", [
          { match: isAsking, hang: true },
          { match: isAsking, exit: 124 },
          { match: command("x"), exit: 3 },
          { match: isAsking },
          { match: command("x"), exit: 3 },
          witness("3")
        ])
      )
    )
  )

  it.effect("asks again for a shell that was killed, or a machine that did not run", () =>
    Effect.gen(function* () {
      const { run } = yield* Exec.make({ name: "box" })
      assert.strictEqual((yield* run({ command: ["x"] })).exit.origin, "unknown")
      const stopped = yield* Effect.flip(run({ command: ["x"] }))
      assert.strictEqual(stopped._tag, "MachineNotRunning")
      assert.strictEqual((yield* run({ command: ["x"] })).exit.origin, "guest")
      assert.strictEqual((yield* run({ command: ["x"] })).exit.exitCode, 0)
    }).pipe(
      Effect.provide(
        on("1.9.3", [
          { match: isAsking, exit: 137 },
          { match: command("x"), exit: 5 },
          {
            match: isAsking,
            exit: 1,
            stderr: "Error: agent operation failed: connect: machine 'box' is not running. Use 'start' first.\n"
          },
          { match: isAsking },
          { match: command("x"), exit: 5 },
          witness("5"),
          { match: command("x") }
        ])
      )
    )
  )
})

describe("run", () => {
  for (const line of Line.lines) {
    it.effect(`is live and uncapped, with a witness, by an argv that ${line} takes`, () =>
      Effect.gen(function* () {
        const { run } = yield* known({ env: [["A", "1"]], workdir: "/w", source: "bare" })
        const result = yield* run({ command: ["x"], env: [["B", "2"]], timeoutMillis: 1500, stdin: "in" })
        assert.deepStrictEqual([String(result.stdout), String(result.stderr)], ["out", "err"])
        const [exec] = yield* execs
        const argv = exec?.argv ?? []
        assert.isTrue(argv.includes("-i"))
        assert.strictEqual(valueOf(argv, "-w"), "/w")
        assert.strictEqual(valueOf(argv, "--timeout"), "1500ms")
        assert.strictEqual(yield* exec?.stdin ?? Effect.succeed(""), "in")
        const place = argv.at(-2) ?? ""
        assert.isTrue(Witness.isPlace(place))
        assert.include(argv, `${Witness.MARK}=${Witness.markOf(place)}`)
        assert.deepStrictEqual(argv.slice(argv.indexOf("--") + 1), [...Witness.wrap(place, ["x"])])
        assert.isTrue(Grammar.parse(line, argv.slice(1))._tag === "Right")
      }).pipe(Effect.provide(on(line, [{ match: command("x"), stdout: "out", stderr: "err" }])))
    )
  }

  it.effect("stops at its cap with a typed error, and takes what fits", () =>
    Effect.gen(function* () {
      const { run } = yield* known()
      const error = yield* Effect.flip(run({ command: ["big"], capBytes: 1000 }))
      assert.deepInclude(error, { _tag: "CapturedTooMuch", stream: "stdout", capBytes: 1000 })
      assert.include(error.message, "1000 bytes on stdout")
      assert.strictEqual((yield* run({ command: ["fits"], capBytes: 1000 })).stdout.length, 1000)
    }).pipe(
      Effect.provide(
        on("1.9.3", [
          { match: command("big"), stdout: "x".repeat(1001), hang: true },
          reaped,
          { match: command("fits"), stdout: "x".repeat(1000) }
        ])
      )
    )
  )

  it.effect("refuses what no exec takes before it runs anything of the guest", () =>
    Effect.gen(function* () {
      const { run } = yield* known()
      for (const options of [{ command: [] }, { command: ["x"], timeoutMillis: 0 }, { command: ["a\0b"] }]) {
        assert.strictEqual((yield* Effect.flip(run(options)))._tag, "InvalidArgument")
      }
      yield* run({ command: ["x"], timeoutMillis: 1 })
    }).pipe(Effect.provide(on("1.5.2", [{ match: command("x") }])))
  )

  it.effect("fails with smolvm's own error, and looks for nothing where nothing began", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        (yield* Effect.flip(ran("1.9.3", [{ match: command("x"), notFound: true }])))._tag,
        "SmolvmNotInstalled"
      )
      const { exit } = yield* ran("1.9.3", [{ match: command("x"), exit: 3 }, witness("3")])
      assert.strictEqual(exit.exitCode, 3)
    })
  )
})

describe("variables and secrets", () => {
  const secrets = new Map([
    ["TOKEN", Redacted.make("hunter22")],
    ["PATH", Redacted.make("hunter33")]
  ])

  it.effect("are a command's own over the machine's, and no value of a secret is in an argv or an error", () =>
    Effect.gen(function* () {
      const { run } = yield* known({
        secrets,
        secretEnv: [
          { guest: "KEPT", host: "HOST" },
          { guest: "A", host: "HOST" }
        ],
        env: [
          ["A", "1"],
          ["B", "1"]
        ]
      })
      const own = new Map([["B", Redacted.make("hunter44")]])
      const { exit } = yield* run({
        command: ["x"],
        env: [
          ["A", "2"],
          ["TOKEN", "plain"]
        ],
        secrets: own
      })
      assert.strictEqual(exit.origin, "guest")
      const [exec] = yield* execs
      const text = exec?.argv.join(" ") ?? ""
      for (const word of ["-e A=2", "-e TOKEN=plain", "--secret-env PATH=BOTTLE_SECRET_PATH"])
        assert.include(text, word)
      for (const word of ["--secret-env B=BOTTLE_SECRET_B", "--secret-env KEPT=HOST"]) assert.include(text, word)
      for (const word of ["A=1", "B=1", "A=HOST", "BOTTLE_SECRET_TOKEN", "hunter"]) assert.notInclude(text, word)
      assert.deepInclude(exec?.env, { BOTTLE_SECRET_PATH: "hunter33", BOTTLE_SECRET_B: "hunter44" })
      assert.isUndefined(exec?.env["BOTTLE_SECRET_TOKEN"])
      assert.isUndefined(exec?.env["PATH"])
      // Only the command itself has them.
      const reading = (yield* execs).at(-1)
      assert.notInclude(JSON.stringify([reading?.argv, reading?.env]), "hunter")
    }).pipe(Effect.provide(on("1.0.0", [{ match: command("x"), exit: 1, stderr: "hunter22" }, witness("1")])))
  )

  it.effect("fail with a typed error on a line that has no secrets", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ran("0.9.0", [], { secrets }))
      assert.deepInclude(error, { _tag: "UnsupportedOption", option: "--secret-env", neededVersion: "1.0.0" })
      assert.notInclude(JSON.stringify(error), "hunter")
      assert.strictEqual((yield* ran("0.9.0", [{ match: command("x") }])).exit.exitCode, 0)
    })
  )
})

describe("a timeout", () => {
  const bounds: ReadonlyArray<
    readonly [version: string, source: "bare" | "image" | undefined, who: "smolvm" | "guest"]
  > = [
    ["1.4.0", "image", "smolvm"],
    ["1.4.1", "image", "guest"],
    ["1.5.2", undefined, "guest"],
    ["1.5.2", "bare", "smolvm"],
    ["1.6.13", "image", "guest"],
    ["1.7.0", "image", "smolvm"]
  ]
  for (const [version, source, who] of bounds) {
    it.effect(
      `is kept by ${who === "smolvm" ? who : "the witness"} on ${version} (${source ?? "not known what"})`,
      () =>
        Effect.gen(function* () {
          const { run } = yield* known({ source })
          const { exit } = yield* run({ command: ["x"], timeoutMillis: 1500 })
          assert.deepInclude(exit, { exitCode: 124, origin: "runtime", timedOut: true })
          const [exec] = yield* execs
          const argv = exec?.argv ?? []
          assert.strictEqual(valueOf(argv, "--timeout"), who === "smolvm" ? "1500ms" : undefined)
          assert.deepStrictEqual(argv.slice(-3), who === "smolvm" ? [...argv.slice(-3, -1), "x"] : ["1.500", "2", "x"])
        }).pipe(
          Effect.provide(
            on(version, [
              { match: command("x"), exit: 124 },
              who === "smolvm" ? noWitness : witness(Witness.OVERDUE),
              reaped
            ])
          )
        )
    )
  }

  it.effect("is told by the witness's word alone, whatever code its client gives", () =>
    Effect.gen(function* () {
      const replies = [{ match: command("x"), exit: 137 }, witness(Witness.OVERDUE)]
      const { exit } = yield* ran("1.5.2", [...replies, reaped], { timeoutMillis: 1500 })
      assert.deepInclude(exit, { exitCode: 124, timedOut: true })
      // Without a timeout that word is only something the guest wrote.
      assert.deepInclude((yield* ran("1.5.2", replies)).exit, { exitCode: 137, origin: "unknown", timedOut: false })
    })
  )

  it.effect("is none where the command itself ends with 124", () =>
    Effect.gen(function* () {
      const replies = [{ match: command("x"), exit: 124 }, witness("124")]
      for (const version of ["1.5.2", "1.9.3"]) {
        const { exit } = yield* ran(version, replies, {}, { timeoutMillis: 1500 })
        assert.deepInclude(exit, { exitCode: 124, origin: "guest", timedOut: false })
      }
    })
  )

  it.effect("is not over before it is, in a guest without a shell whose command ends with 124", () =>
    Effect.gen(function* () {
      const { run } = yield* known({ hasShell: false })
      const early = yield* run({ command: ["x", "1"], timeoutMillis: 1500 })
      assert.deepInclude(early.exit, { exitCode: 124, origin: "unknown", timedOut: false })
      const fiber = yield* Effect.fork(run({ command: ["x", "2"], timeoutMillis: 1500 }))
      yield* Wait.waitUntil(
        Effect.map(recorded, (all) => all.some(({ argv }) => argv.at(-1) === "2")),
        { boundMillis: 10_000, what: "the second" }
      )
      yield* TestClock.adjust(1600)
      assert.deepInclude((yield* Fiber.join(fiber)).exit, { exitCode: 124, origin: "runtime", timedOut: true })
    }).pipe(
      Effect.provide(
        on("1.9.3", [
          { match: command("x", "1"), exit: 124 },
          { match: command("x", "2"), exit: 124, before: Effect.sleep("1550 millis") }
        ])
      )
    )
  )

  for (const [what, version, hasShell, before, after] of [
    ["ten seconds after smolvm should have", "1.9.3", true, 11_400, 11_600],
    ["ten seconds after the witness should have", "1.5.2", true, 11_400, 11_600],
    ["at once where nobody else does", "1.5.2", false, 1_400, 1_600]
  ] as const) {
    for (const how of ["run", "attach"] as const) {
      it.effect(`ends the client ${what}: ${how}`, () =>
        Effect.gen(function* () {
          const told: Array<string> = []
          const operations = yield* known({ hasShell })
          const options = {
            command: ["x"],
            timeoutMillis: 1500,
            onUnended: (left: string) => Effect.sync(() => void told.push(left))
          }
          const fiber = yield* Effect.fork(
            how === "run"
              ? Effect.map(operations.run(options), ({ exit }) => exit)
              : operations.attach({ ...options, tty: true, interactive: true })
          )
          yield* started("x")
          yield* TestClock.adjust(before)
          assert.deepStrictEqual(yield* order("x"), ["start x"])
          yield* TestClock.adjust(after - before)
          assert.deepInclude(yield* Fiber.join(fiber), { exitCode: 124, timedOut: true })
          assert.deepStrictEqual(yield* order("x"), hasShell ? endedAndReaped : endedAndReaped.slice(0, 3))
          // Where nobody can look it is not known, and said.
          assert.deepStrictEqual(told, hasShell ? [] : ["unknown"])
        }).pipe(Effect.provide(on(version, [{ match: command("x"), hang: true }, ...(hasShell ? [reaped] : [])])))
      )
    }
  }
})

describe("stdin", () => {
  const safe = 192 * 1024
  const bytes = (size: number) => new Uint8Array(size).fill(120)

  for (const [version, size] of [
    ["1.8.0", safe],
    ["1.8.1", safe + 1]
  ] as const) {
    it.effect(`is passed on live up to ${size} bytes on ${version}`, () =>
      Effect.gen(function* () {
        const { run } = yield* known()
        yield* run({ command: ["x"], stdin: bytes(size) })
        const [exec] = yield* execs
        assert.strictEqual((yield* exec?.stdin ?? Effect.succeed("")).length, size)
      }).pipe(Effect.provide(on(version, [{ match: command("x") }])))
    )
  }

  const staging: CommandScript.Reply = { match: isStaging }

  it.effect("is brought into the guest first where it is too large to be live", () =>
    Effect.gen(function* () {
      const { run } = yield* known()
      const stdin = "ab".repeat(safe)
      assert.strictEqual((yield* run({ command: ["x"], stdin })).exit.origin, "guest")
      const all = yield* execs
      const pieces = yield* Effect.all(all.slice(0, 2).map((exec) => exec.stdin))
      assert.deepStrictEqual([pieces.map((piece) => piece.length), pieces.join("") === stdin], [[safe, safe], true])
      const argv = all.at(-1)?.argv ?? []
      const place = argv.at(-2) ?? ""
      assert.isTrue(all.slice(0, 2).every((exec) => exec.argv.at(-1) === place))
      assert.deepStrictEqual(argv.slice(argv.indexOf("--") + 1), [...Witness.wrap(place, ["x"], { isStaged: true })])
      assert.strictEqual(yield* all.at(-1)?.stdin ?? Effect.succeed("-"), "")
    }).pipe(Effect.provide(on("1.5.2", [{ ...staging, times: 2 }, { match: command("x") }])))
  )

  for (const [what, pieces, sizes] of [
    ["small pieces together", [1000, 1000, 10], [2010]],
    ["a large piece apart", [2 * safe + 5], [safe, safe, 5]],
    ["nothing at all", [], [0]]
  ] as const) {
    it.effect(`is brought there of a stream that may wait: ${what}`, () =>
      Effect.gen(function* () {
        const { run } = yield* known()
        yield* run({ command: ["x"], stdin: Stream.fromIterable(pieces.map(bytes)), stageStdin: true })
        const fed = yield* Effect.all((yield* execs).slice(0, -1).map((exec) => exec.stdin))
        assert.deepStrictEqual(
          fed.map((piece) => piece.length),
          [...sizes]
        )
      }).pipe(Effect.provide(on("1.5.2", [{ ...staging, times: sizes.length }, { match: command("x") }])))
    )
  }

  it.effect("of a stream is live, and a command that would read too much is ended with a typed error", () =>
    Effect.gen(function* () {
      const { run } = yield* known()
      yield* run({ command: ["fits"], stdin: Stream.make(bytes(safe)) })
      const error = yield* Effect.flip(run({ command: ["x"], stdin: Stream.make(bytes(safe), bytes(1), bytes(1)) }))
      assert.deepInclude(error, { _tag: "StdinTooLarge", neededVersion: "1.8.1", maxBytes: safe, isStageable: true })
      assert.include(error.message, "smolvm 1.5.2 can deadlock")
      assert.deepStrictEqual(yield* order("x"), endedAndReaped)
      const [, exec] = yield* execs
      assert.strictEqual((yield* exec?.stdin ?? Effect.succeed("")).length, safe)
    }).pipe(Effect.provide(on("1.5.2", [{ match: command("fits") }, { match: command("x"), hang: true }, reaped])))
  )

  it.effect("is refused in a guest without a shell to stage it, before the command begins", () =>
    Effect.gen(function* () {
      const { run } = yield* known({ hasShell: false })
      const error = yield* Effect.flip(run({ command: ["x"], stdin: bytes(safe + 1) }))
      assert.deepInclude(error, { _tag: "StdinTooLarge", isStageable: false })
      yield* run({ command: ["x"], stdin: bytes(safe) })
    }).pipe(Effect.provide(on("1.5.2", [{ match: command("x") }])))
  )

  for (const [what, replies, outcome] of [
    ["never began", [{ match: command("x"), exit: 1 }, witness("")], "runtime"],
    ["could not be started", [{ match: command("x"), notFound: true }], "SmolvmNotInstalled"],
    ["may have been killed", [{ match: command("x"), exit: 137 }, noWitness], "unknown"]
  ] as const) {
    it.effect(`that was staged is removed where the command ${what}`, () =>
      Effect.gen(function* () {
        const { run } = yield* known()
        const { left, right } = Either.merge(
          Either.mapBoth(yield* Effect.either(run({ command: ["x"], stdin: bytes(safe + 1) })), {
            onLeft: ({ _tag }) => ({ left: _tag, right: undefined }),
            onRight: ({ exit }) => ({ left: undefined, right: exit.origin })
          })
        )
        assert.strictEqual(left ?? right, outcome)
        const [first, , third] = (yield* execs).map(({ argv }) => argv.at(-1))
        assert.isTrue(Witness.isPlace(first ?? ""))
        assert.isDefined(third)
        const removed = (yield* execs).filter(({ argv }) => isUnstaging(argv))
        assert.deepStrictEqual(
          removed.map(({ argv }) => argv.at(-1)),
          [first]
        )
      }).pipe(
        Effect.provide(
          on("1.5.2", [
            { match: isStagingFirst },
            { match: isStagingMore },
            ...replies,
            { match: isUnstaging },
            ...(outcome === "runtime" ? [{ match: isProbing }, witness("1")] : [])
          ])
        )
      )
    )
  }

  it.effect("is not brought into the guest where the release cannot take the rest of the exec", () =>
    Effect.gen(function* () {
      const { run } = yield* known()
      const secrets = new Map([["TOKEN", Redacted.make("hunter22")]])
      const error = yield* Effect.flip(run({ command: ["x"], stdin: bytes(safe + 1), secrets }))
      assert.deepInclude(error, { _tag: "UnsupportedOption", option: "--secret-env" })
      assert.deepStrictEqual(yield* execs, [])
    }).pipe(Effect.provide(on("0.8.0", [])))
  )

  it.effect("that cannot be staged is a typed error, and leaves nothing in the guest", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        ran("1.5.2", [{ match: isStaging, exit: 1, stderr: "cat: write error\n" }, reaped], { stdin: bytes(safe + 1) })
      )
      assert.deepInclude(error, { _tag: "StdinNotStaged", name: "box", exitCode: 1 })
      assert.include(error.message, "machine 'box' (exit code 1)")
    })
  )
})

describe("stream", () => {
  it.effect("gives output as it comes, and ends with exactly one exit", () =>
    Effect.gen(function* () {
      const { stream } = yield* known()
      const events = yield* Stream.runCollect(
        stream({ command: ["x"], stdin: Stream.make(new TextEncoder().encode("in")) })
      )
      const tags = [...events].map((event) => event._tag)
      assert.deepStrictEqual(tags.toSorted(), ["Exit", "Stderr", "Stdout"])
      assert.strictEqual(tags.at(-1), "Exit")
      const [exec] = yield* execs
      assert.strictEqual(yield* exec?.stdin ?? Effect.succeed(""), "in")
    }).pipe(Effect.provide(on("1.9.3", [{ match: command("x"), stdout: "out", stderr: "err" }])))
  )

  it.effect("ends the command when whoever reads it leaves", () =>
    Effect.gen(function* () {
      const { stream } = yield* known()
      yield* Stream.runDrain(Stream.take(stream({ command: ["x"] }), 1))
      assert.deepStrictEqual(yield* order("x"), endedAndReaped)
    }).pipe(Effect.provide(on("1.9.3", [{ match: command("x"), stdout: "first", hang: true }, reaped])))
  )
})

describe("attach", () => {
  it.effect("runs on the caller's terminal, as asked for, and tells whose the exit is", () =>
    Effect.gen(function* () {
      const { attach } = yield* known()
      const exit = yield* attach({ command: ["x"], tty: true, interactive: true })
      assert.deepInclude(exit, { exitCode: 42, origin: "guest" })
      yield* attach({ command: ["y"], tty: false, interactive: false })
      const [first, , second] = yield* execs
      assert.isTrue(first?.foreground)
      assert.includeMembers([...(first?.argv ?? [])], ["-i", "-t"])
      assert.notInclude(second?.argv ?? [], "-i")
      assert.notInclude(second?.argv ?? [], "-t")
    }).pipe(Effect.provide(on("1.9.3", [{ match: command("x"), exit: 42 }, witness("42"), { match: command("y") }])))
  )

  it.effect("fails with smolvm's own error", () =>
    Effect.gen(function* () {
      const { attach } = yield* known()
      const error = yield* Effect.flip(attach({ command: ["x"], tty: true, interactive: true }))
      assert.strictEqual(error._tag, "SmolvmNotInstalled")
    }).pipe(Effect.provide(on("1.9.3", [{ match: command("x"), notFound: true }])))
  )
})

describe("spawn", () => {
  it.effect("gives the process id in the guest, and an end of all that it started", () =>
    Effect.gen(function* () {
      const { spawn } = yield* known({ env: [["A", "1"]] })
      const { end, guestPid } = yield* spawn({ command: ["x"] })
      assert.strictEqual(guestPid, 123)
      const [exec] = yield* execs
      const mark = exec?.argv.find((word) => word.startsWith(Witness.MARK)) ?? ""
      assert.deepStrictEqual(exec?.argv, [
        "smolvm",
        "machine",
        "exec",
        "--name",
        "box",
        "-e",
        "A=1",
        "-e",
        mark,
        "-d",
        "--",
        "x"
      ])
      assert.strictEqual(yield* end, "gone")
      assert.include((yield* execs).at(-1)?.argv ?? [], mark.split("=")[1])
    }).pipe(Effect.provide(on("1.9.3", [{ match: command("x"), stdout: "123\n" }, reaped])))
  )

  it.effect("is refused before 1.3.0, and from there on not", () =>
    Effect.gen(function* () {
      const refused = Effect.flatMap(known(), ({ spawn }) => Effect.flip(spawn({ command: ["x"] })))
      const error = yield* Effect.provide(refused, on("1.2.5", []))
      assert.deepInclude(error, { _tag: "UnsupportedOption", option: "--detach", neededVersion: "1.3.0" })
      const taken = Effect.flatMap(known(), ({ spawn }) => spawn({ command: ["x"] }))
      const { guestPid } = yield* Effect.provide(taken, on("1.3.0", [{ match: command("x"), stdout: "7\n" }]))
      assert.strictEqual(guestPid, 7)
    })
  )

  for (const [what, reply, tag, looks] of [
    ["leaves nothing where it is not known that it did not begin", { stdout: "what?\n" }, "OutputNotUnderstood", true],
    [
      "looks for nothing where it did not begin",
      { exit: 1, stderr: "Error: agent operation failed: x\n" },
      "CommandFailed",
      false
    ]
  ] as const) {
    it.effect(what, () =>
      Effect.gen(function* () {
        const { spawn } = yield* known()
        assert.strictEqual((yield* Effect.flip(spawn({ command: ["x"] })))._tag, tag)
      }).pipe(Effect.provide(on("1.9.3", [{ match: command("x"), ...reply }, ...(looks ? [reaped] : [])])))
    )
  }

  it.effect("leaves nothing when it is interrupted", () =>
    Effect.gen(function* () {
      const { spawn } = yield* known()
      const fiber = yield* Effect.fork(spawn({ command: ["x"] }))
      yield* started("x")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* order("x"), endedAndReaped)
    }).pipe(Effect.provide(on("1.9.3", [{ match: command("x"), hang: true }, reaped])))
  )
})

describe("an interrupted command", () => {
  const calls = {
    run: ({ run }: Exec.Operations) => run({ command: ["x"] }),
    stream: ({ stream }: Exec.Operations) => Stream.runDrain(stream({ command: ["x"] })),
    attach: ({ attach }: Exec.Operations) => attach({ command: ["x"], tty: true, interactive: true })
  }
  const interrupted = (call: (operations: Exec.Operations) => Effect.Effect<unknown, unknown>, rest = {}) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(call(yield* known(rest)))
      yield* started("x")
      yield* Fiber.interrupt(fiber)
    })

  for (const [name, call] of Object.entries(calls)) {
    it.effect(`is ended in the guest, once its client has ended: ${name}`, () =>
      Effect.gen(function* () {
        yield* interrupted(call)
        assert.deepStrictEqual(yield* order("x"), endedAndReaped)
        const [exec, reap] = yield* execs
        const mark = exec?.argv.find((word) => word.startsWith(Witness.MARK))?.split("=")[1]
        assert.match(mark ?? "", /^[0-9a-f]{16}$/)
        assert.include(reap?.argv ?? [], mark)
      }).pipe(Effect.provide(on("1.9.3", [{ match: command("x"), hang: true }, reaped])))
    )
  }

  it.effect("is ended too while its input is brought into the guest", () =>
    Effect.gen(function* () {
      const { run } = yield* known()
      const fiber = yield* Effect.fork(run({ command: ["x"], stdin: "x".repeat(200_000) }))
      yield* Wait.waitUntil(
        Effect.map(recorded, (all) => all.some(({ argv }) => isStaging(argv))),
        { boundMillis: 10_000 }
      )
      yield* Fiber.interrupt(fiber)
      assert.isTrue(isReaping((yield* execs).at(-1)?.argv ?? []))
    }).pipe(Effect.provide(on("1.5.2", [{ match: isStaging, hang: true }, reaped])))
  )

  const anotherRun: Exec.OpenSession<never> = () => Effect.succeed({ gone: Effect.never, isSame: () => false })
  for (const [what, options, rest] of [
    ["goes down with it", { isLast: true }, {}],
    ["has been started anew since", {}, { session: anotherRun }]
  ] as const) {
    it.effect(`is not looked for in a machine that ${what}`, () =>
      Effect.gen(function* () {
        yield* interrupted(({ run }) => run({ command: ["x"], ...options }), rest)
        assert.deepStrictEqual(yield* order("x"), endedAndReaped.slice(0, 3))
      }).pipe(Effect.provide(on("1.9.3", [{ match: command("x"), hang: true }])))
    )
  }

  for (const [what, reply, expected] of [
    ["has gone", { stdout: "gone" }, []],
    ["has gone, beside a note of smolvm's", { stdout: "gone", stderr: `note: ${"x".repeat(200)}\n` }, []],
    ["is left", { stdout: "left", exit: 68 }, ["left"]],
    ["is not known of", { exit: 1 }, ["unknown"]]
  ] as const) {
    it.effect(`that ${what} is told so: ${expected.join() || "not at all"}`, () =>
      Effect.gen(function* () {
        const told: Array<string> = []
        const onUnended = (left: string) => Effect.sync(() => void told.push(left))
        yield* interrupted(({ run }) => run({ command: ["x"], onUnended }))
        assert.deepStrictEqual(told, [...expected])
      }).pipe(
        Effect.provide(
          on("1.9.3", [
            { match: command("x"), hang: true },
            { match: isReaping, ...reply }
          ])
        )
      )
    )
  }

  it.live("holds nobody up when its machine hangs, not even by a client that ignores SIGTERM", () =>
    Effect.gen(function* () {
      const [taken] = yield* Effect.timed(interrupted(calls.run))
      assert.isBelow(Duration.toMillis(taken), 10_000)
    }).pipe(
      Effect.provide(
        on("1.9.3", [
          { match: command("x"), hang: true },
          { match: isReaping, hang: true }
        ])
      )
    )
  )
})

describe("a session", () => {
  it.effect("is told the witness's place, lasts as long as the command, and lets none begin that it refuses", () =>
    Effect.gen(function* () {
      const said: Array<string | undefined> = []
      const opened: Exec.OpenSession<"shut"> = (place) =>
        Effect.gen(function* () {
          if (said.length > 2) return yield* Effect.fail("shut" as const)
          said.push(place)
          yield* Effect.addFinalizer(() => Effect.sync(() => void said.push("closed")))
          return { gone: Effect.never }
        })
      const { run } = yield* known<"shut">({ session: opened })
      yield* run({ command: ["x"] })
      const [exec] = yield* execs
      assert.deepStrictEqual(said, [exec?.argv.at(-2), "closed"])
      said.push("shut")
      assert.strictEqual(yield* Effect.flip(run({ command: ["x"] })), "shut")
    }).pipe(Effect.provide(on("1.9.3", [{ match: command("x") }])))
  )

  for (const how of ["run", "attach", "spawn"] as const) {
    it.effect(`that is gone ends the command with its error: ${how}`, () =>
      Effect.gen(function* () {
        const told: Array<string> = []
        const gone = yield* Deferred.make<never, "gone">()
        const operations = yield* known<"gone">({ session: () => Effect.succeed({ gone: Deferred.await(gone) }) })
        const options = { command: ["x"], onUnended: (left: string) => Effect.sync(() => void told.push(left)) }
        const call: Effect.Effect<unknown, unknown> =
          how === "attach" ? operations.attach({ ...options, tty: true, interactive: true }) : operations[how](options)
        const fiber = yield* Effect.fork(Effect.flip(call))
        yield* started("x")
        yield* Deferred.fail(gone, "gone")
        assert.strictEqual(yield* Fiber.join(fiber), "gone")
        assert.deepStrictEqual(yield* order("x"), endedAndReaped)
        // With the machine the command has gone.
        assert.deepStrictEqual(told, [])
      }).pipe(
        Effect.provide(
          on("1.9.3", [
            { match: command("x"), hang: true },
            { match: isReaping, exit: 1 }
          ])
        )
      )
    )
  }
})
