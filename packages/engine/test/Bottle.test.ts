import * as Policy from "@bottle/egress/Policy"
import * as CommandScript from "@bottle/testing/CommandScript"
import * as Temp from "@bottle/testing/Temp"
import * as Wait from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type { Bottle } from "../src/Bottle.js"
import * as Launch from "../src/Launch.js"
import type { LaunchOptions } from "../src/LaunchOptions.js"
import { allowing } from "./fixtures/containing.js"
import { execOf, onStage, repliesFor, type Stage } from "./fixtures/launching.js"

const bare: LaunchOptions = { source: { _tag: "Bare" } }

/** A witness's place is chosen at random, so a command is known by the words after it. */
const command =
  (...words: ReadonlyArray<string>) =>
  (argv: ReadonlyArray<string>): boolean =>
    argv[2] === "exec" && words.every((word, index) => argv.at(index - words.length) === word)

const isReading = (argv: ReadonlyArray<string>): boolean =>
  execOf("sh", "-c")(argv) && argv.some((word) => word.startsWith("head -c"))

const isReaping = (argv: ReadonlyArray<string>): boolean => argv.includes("bottle-reap")

/** What the guest says when nothing of a command is left. */
const reaped: CommandScript.Reply = { match: isReaping, stdout: "gone" }

/** What was asked of the guest since the proof, in the order of starts and ends: "start x", "exit x", "start reap". */
const since = (word: string) =>
  Effect.map(
    Effect.flatMap(CommandScript.CommandScript, ({ events }) => Ref.get(events)),
    (events) =>
      events.flatMap((event) => {
        const what = event.includes("bottle-reap") ? "reap" : event.endsWith(` ${word}`) ? word : undefined
        return what === undefined ? [] : [`${event.split(" ")[0]} ${what}`]
      })
  )

const witness = (stdout: string): CommandScript.Reply => ({ match: isReading, stdout })
const noWitness: CommandScript.Reply = { match: isReading, exit: 1 }

const inBottle = <A, E, R>(
  replies: ReadonlyArray<CommandScript.Reply>,
  use: (bottle: Bottle, stage: Stage) => Effect.Effect<A, E, R>,
  options: LaunchOptions = bare,
  secrets: ReadonlyMap<string, Redacted.Redacted> = new Map()
) =>
  Temp.withTempDir((directory) =>
    onStage(
      directory,
      {
        options,
        replies: (plan) => [...repliesFor(plan).slice(0, -1), ...replies, ...repliesFor(plan).slice(-1)]
      },
      (stage) => Effect.scoped(Effect.flatMap(Launch.launch(stage.plan, { secrets }), (bottle) => use(bottle, stage)))
    )
  )

describe("Bottle.exec", () => {
  it.live("gives what the command printed, apart, and asks for no witness of a success", () =>
    inBottle([{ match: command("a", "b c"), stdout: "out", stderr: "err" }], (bottle) =>
      Effect.gen(function* () {
        const result = yield* bottle.exec({ command: ["a", "b c"] })
        assert.strictEqual(result.stdout.toString(), "out")
        assert.strictEqual(result.stderr.toString(), "err")
        assert.deepInclude(result.exit, { exitCode: 0, origin: "guest", timedOut: false })
      })
    )
  )

  for (const [what, exit, reply, expected] of [
    ["the guest's, which its witness confirms", 42, witness("42"), "guest"],
    ["unknown, when the witness says another code", 7, witness("8"), "unknown"]
  ] as const) {
    it.live(`tells whose an exit is: ${what}`, () =>
      inBottle([{ match: command("x"), exit }, reply], (bottle) =>
        Effect.gen(function* () {
          const result = yield* bottle.exec({ command: ["x"] })
          assert.deepInclude(result.exit, { exitCode: exit, origin: expected, timedOut: false })
        })
      )
    )
  }

  it.live("tells a timeout from a command that ends with 124", () =>
    inBottle([{ match: command("x"), exit: 124 }, noWitness, reaped], (bottle, stage) =>
      Effect.gen(function* () {
        const { exit } = yield* bottle.exec({ command: ["x"], timeoutMillis: 1500 })
        assert.deepInclude(exit, { exitCode: 124, timedOut: true, origin: "runtime" })
        const [, reading, reaping] = (yield* stage.executed).slice(-3)
        assert.isTrue(reading !== undefined && isReading(reading))
        assert.isTrue(reaping !== undefined && isReaping(reaping))
      })
    )
  )

  it.live("passes the whole environment with every command, the command's own over the bottle's", () =>
    inBottle(
      [{ match: command("x") }],
      (bottle, stage) =>
        Effect.gen(function* () {
          yield* bottle.exec({ command: ["x"], env: [["B", "3"]], workdir: "/tmp" })
          const argv = (yield* stage.executed).at(-1) ?? []
          const pairs = argv.flatMap((word, index) => (argv[index - 1] === "-e" ? [word] : []))
          assert.include(pairs, "A=1")
          assert.include(pairs, "B=3")
          assert.notInclude(pairs, "B=2")
          assert.include(pairs, "http_proxy=http://127.0.0.1:3128")
          assert.deepStrictEqual(argv.slice(argv.indexOf("-w"), argv.indexOf("-w") + 2), ["-w", "/tmp"])
        }),
      {
        ...bare,
        workdir: "/w",
        env: [
          ["A", "1"],
          ["B", "2"]
        ]
      }
    )
  )

  it.live("gives a secret by environment alone, under a name that is not the runtime's own", () =>
    inBottle(
      [{ match: command("x"), exit: 1, stderr: "hunter22" }, witness("1")],
      (bottle, stage) =>
        Effect.gen(function* () {
          yield* bottle.exec({ command: ["x"] })
          const run = (yield* stage.recorded).at(-2)
          assert.include(run?.argv.join(" "), "--secret-env PATH=BOTTLE_SECRET_PATH")
          assert.notInclude(JSON.stringify(yield* stage.executed), "hunter22")
          assert.strictEqual(run?.env["BOTTLE_SECRET_PATH"], "hunter22")
          assert.notStrictEqual(run?.env["PATH"], "hunter22")
        }),
      { ...bare, secrets: ["PATH"] },
      new Map([
        ["PATH", Redacted.make("hunter22")],
        ["UNASKED", Redacted.make("other")]
      ])
    )
  )

  it.live("runs the command as it is in a guest without a shell, and says what is not known", () =>
    inBottle(
      [
        { match: command("sh", "-c", ":"), exit: 1, stderr: "Error: agent operation failed: exec: no sh\n" },
        { match: (argv) => argv.at(-2) === "--" && argv.at(-1) === "x", exit: 3 },
        { match: (argv) => argv.at(-2) === "--" && argv.at(-1) === "y" }
      ],
      (bottle) =>
        Effect.gen(function* () {
          assert.deepInclude((yield* bottle.exec({ command: ["x"] })).exit, { exitCode: 3, origin: "unknown" })
          assert.deepInclude((yield* bottle.exec({ command: ["y"] })).exit, { exitCode: 0, origin: "guest" })
        }),
      { ...bare, bundle: "none" }
    )
  )
})

describe("Bottle.stream", () => {
  it.live("feeds stdin, and ends with exactly one exit", () =>
    inBottle([{ match: command("cat"), stdout: "out" }], (bottle, stage) =>
      Effect.gen(function* () {
        const events = yield* Stream.runCollect(
          bottle.stream({ command: ["cat"], stdin: Stream.make(new TextEncoder().encode("in")) })
        )
        const tags = [...events].map((event) => event._tag)
        assert.deepStrictEqual(tags.filter((tag) => tag === "Exit").length, 1)
        assert.strictEqual(tags.at(-1), "Exit")
        const run = (yield* stage.recorded).at(-1)
        assert.include(run?.argv ?? [], "-i")
        assert.strictEqual(yield* run?.stdin ?? Effect.succeed(""), "in")
      })
    )
  )

  it.live("ends the command when whoever reads it leaves", () =>
    inBottle([{ match: command("x"), stdout: "first", hang: true }, reaped], (bottle) =>
      Effect.gen(function* () {
        yield* Stream.runDrain(Stream.take(bottle.stream({ command: ["x"] }), 1))
        assert.deepStrictEqual(yield* since("x"), ["start x", "signal x", "exit x", "start reap", "exit reap"])
      })
    )
  )

  it.live("fails when the bundle dies, and ends the command", () =>
    Effect.gen(function* () {
      const running = yield* Deferred.make<void>()
      const before = Effect.asVoid(Deferred.succeed(running, undefined))
      yield* inBottle([{ match: command("x"), hang: true, before }, reaped], (bottle, stage) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.fork(Effect.flip(bottle.exec({ command: ["x"] })))
          yield* Effect.timeout(Deferred.await(running), "10 seconds")
          yield* stage.killBundle
          assert.strictEqual((yield* Fiber.join(fiber))._tag, "BundleDied")
          assert.deepStrictEqual(yield* since("x"), ["start x", "signal x", "exit x", "start reap", "exit reap"])
        })
      )
    })
  )
})

describe("Bottle.attach", () => {
  it.live("runs on the caller's terminal, and tells whose the exit is", () =>
    inBottle([{ match: command("x"), exit: 42 }, witness("42")], (bottle, stage) =>
      Effect.gen(function* () {
        const exit = yield* bottle.attach({ command: ["x"], tty: true, interactive: true })
        assert.deepInclude(exit, { exitCode: 42, origin: "guest" })
        const run = (yield* stage.recorded).at(-2)
        assert.isTrue(run?.foreground)
        assert.includeMembers([...(run?.argv ?? [])], ["-i", "-t"])
      })
    )
  )
})

describe("what an interrupted command leaves", () => {
  const interrupted = (run: (bottle: Bottle) => Effect.Effect<unknown, unknown>) => (bottle: Bottle, stage: Stage) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(run(bottle))
      yield* Wait.waitUntil(
        Effect.map(stage.executed, (all) => all.some(command("x"))),
        { boundMillis: 10_000 }
      )
      yield* Fiber.interrupt(fiber)
    })

  const calls = {
    exec: (bottle: Bottle) => bottle.exec({ command: ["x"] }),
    stream: (bottle: Bottle) => Stream.runDrain(bottle.stream({ command: ["x"] })),
    attach: (bottle: Bottle) => bottle.attach({ command: ["x"], tty: true, interactive: true })
  }

  for (const [name, call] of Object.entries(calls)) {
    it.live(`is ended in the guest, once its client has ended: ${name}`, () =>
      inBottle([{ match: command("x"), hang: true }, reaped], (bottle, stage) =>
        Effect.gen(function* () {
          yield* interrupted(call)(bottle, stage)
          assert.deepStrictEqual(yield* since("x"), ["start x", "signal x", "exit x", "start reap", "exit reap"])
          const [run, reap] = (yield* stage.executed).slice(-2)
          const mark = run?.find((word) => word.startsWith("_BOTTLE_COMMAND="))?.split("=")[1]
          assert.match(mark ?? "", /^[0-9a-f]{16}$/)
          assert.include(reap ?? [], mark)
        })
      )
    )
  }

  it.live("is not looked for in a bottle that goes down with it", () =>
    inBottle([{ match: command("x"), hang: true }], (bottle, stage) =>
      Effect.gen(function* () {
        yield* interrupted((it) => it.exec({ command: ["x"], isLast: true }))(bottle, stage)
        assert.deepStrictEqual(yield* since("x"), ["start x", "signal x", "exit x"])
      })
    )
  )
})

describe("a command's own secrets", () => {
  it.live("override the bottle's variables, and its own variables the bottle's secrets", () =>
    inBottle(
      [{ match: command("x") }],
      (bottle, stage) =>
        Effect.gen(function* () {
          yield* bottle.exec({
            command: ["x"],
            env: [["TOKEN", "plain"]],
            secrets: new Map([["A", Redacted.make("hunter33")]])
          })
          const run = (yield* stage.recorded).at(-1)
          const text = run?.argv.join(" ") ?? ""
          assert.include(text, "--secret-env A=BOTTLE_SECRET_A")
          assert.include(text, "-e TOKEN=plain")
          assert.notInclude(text, "-e A=1")
          assert.notInclude(text, "BOTTLE_SECRET_TOKEN")
          assert.notInclude(JSON.stringify(yield* stage.executed), "hunter")
          assert.strictEqual(run?.env["BOTTLE_SECRET_A"], "hunter33")
          assert.isUndefined(run?.env["BOTTLE_SECRET_TOKEN"])
        }),
      { ...bare, env: [["A", "1"]], secrets: ["TOKEN"] },
      new Map([["TOKEN", Redacted.make("hunter22")]])
    )
  )
})

describe("Bottle.reload", () => {
  it.live("puts another policy in force, or says why not", () =>
    inBottle([], (bottle, stage) =>
      Effect.gen(function* () {
        yield* bottle.reload(allowing("api.example.com"))
        assert.include(yield* stage.happened, "bundle reloaded")
        const error = yield* Effect.flip(bottle.reload(Policy.empty))
        assert.strictEqual(error._tag, "ReloadFailed")
      })
    )
  )

  it.live("fails when the bundle has died", () =>
    inBottle([], (bottle, stage) =>
      Effect.gen(function* () {
        yield* stage.killBundle
        const error = yield* Effect.flip(bottle.reload(allowing("api.example.com")))
        assert.strictEqual(error._tag, "BundleDied")
      })
    )
  )
})

describe("Bottle.cpIn and cpOut", () => {
  it.live("copy one file each way", () =>
    inBottle([{ match: () => true }, { match: () => true }], (bottle, stage) =>
      Effect.gen(function* () {
        yield* bottle.cpIn({ host: "/h/a", guest: "/g/a" })
        yield* bottle.cpOut({ guest: "/g/b", host: "/h/b" })
        assert.deepStrictEqual(
          (yield* stage.executed).slice(-2).map((argv) => argv.slice(-2)),
          [
            ["/h/a", "bottle-demo-abc12:/g/a"],
            ["bottle-demo-abc12:/g/b", "/h/b"]
          ]
        )
      })
    )
  )
})
