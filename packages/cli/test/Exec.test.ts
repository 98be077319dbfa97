import { commit } from "@bottle/cli/commands/Commit"
import { exec } from "@bottle/cli/commands/Exec"
import { shell } from "@bottle/cli/commands/Shell"
import type { ExecRequest } from "@bottle/cli/requests/ExecRequest"
import { type BottleOutput, CommandExit, type CommandOptions } from "@bottle/engine/Bottle"
import type { FoundBottle, FoundError } from "@bottle/engine/Bottles"
import { CommitRefused } from "@bottle/engine/CommitError"
import { BottleGone } from "@bottle/engine/Control"
import type { LaunchPlan } from "@bottle/engine/LaunchPlan"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Fixture from "./fixtures/bottles.js"

const bytes = (text: string): Uint8Array => Buffer.from(text)

/** What a command of the bottle was asked for. */
type Asked = CommandOptions & { readonly tty?: boolean; readonly interactive?: boolean }

interface Bottle {
  readonly plan: LaunchPlan
  readonly output?: (asked: Asked) => Stream.Stream<BottleOutput, FoundError>
  readonly exit?: CommandExit
  readonly commit?: FoundBottle["commit"]
}

const ended = (exit: CommandExit): Stream.Stream<BottleOutput> => Stream.make<[BottleOutput]>({ _tag: "Exit", exit })

/** A bottle that runs what a test says, and notes what it was asked for. */
const around = (bottle: Bottle, more: Fixture.Around = {}) => {
  const asked: Array<Asked> = []
  const exit = bottle.exit ?? Fixture.exitOf(0)
  const found = Fixture.foundOf(bottle.plan, {
    stream: (options) => {
      asked.push(options)
      return bottle.output?.(options) ?? ended(exit)
    },
    attach: (options) => {
      asked.push(options)
      return Effect.succeed(exit)
    },
    ...(bottle.commit === undefined ? {} : { commit: bottle.commit })
  })
  const bottles = Fixture.bottlesOf([], { find: () => Effect.succeed(found) })
  return { asked, around: { bottles, ...more } satisfies Fixture.Around }
}

const request: ExecRequest = {
  bottle: "a",
  command: ["x", "y z"],
  env: [["A", "1"]],
  secrets: new Map([["TOKEN", Redacted.make("hunter22")]]),
  workdir: "/work",
  timeoutMillis: 1500,
  interactive: false,
  tty: "auto",
  format: "text"
}

const withPlan = <A, E>(
  use: (home: string, plan: LaunchPlan) => Effect.Effect<A, E>,
  allow: ReadonlyArray<string> = []
) => Temp.withTempDir((home) => use(home, Fixture.planOf(home, "a", { allow: [...allow] })))

describe("bottle exec", () => {
  it.live("asks for what the line says, and passes output and exit code on", () =>
    withPlan((home, plan) =>
      Effect.gen(function* () {
        const said = Stream.make<Array<BottleOutput>>(
          { _tag: "Stdout", bytes: bytes("out") },
          { _tag: "Stderr", bytes: bytes("err") },
          { _tag: "Exit", exit: Fixture.exitOf(7) }
        )
        const one = around({ plan, output: () => said })
        const told = yield* Fixture.run(home, exec(request), one.around)
        assert.deepStrictEqual(told, { code: 7, stdout: "out", stderr: "err" })
        const [asked] = one.asked
        assert.deepInclude(asked, { command: ["x", "y z"], workdir: "/work", timeoutMillis: 1500 })
        assert.deepStrictEqual(asked?.env, [["A", "1"]])
        assert.deepStrictEqual(
          [...(asked?.secrets ?? [])].map(([, value]) => Redacted.value(value)),
          ["hunter22"]
        )
        // The bottle goes on, so what the command leaves has to be ended.
        assert.notStrictEqual(asked?.isLast, true)
      })
    )
  )

  it.live("says when it is not known whether the command has ended, before it says why it was ended", () =>
    withPlan((home, plan) =>
      Effect.gen(function* () {
        const exit = new CommandExit({ exitCode: 124, origin: "runtime", timedOut: true })
        const output = ({ onUnended }: Asked) =>
          Stream.drain(Stream.fromEffect(onUnended?.("unknown") ?? Effect.void)).pipe(Stream.concat(ended(exit)))
        const told = yield* Fixture.run(home, exec(request), around({ plan, output }).around)
        assert.strictEqual(told.code, 124)
        const [first, second] = told.stderr.split("\n")
        assert.strictEqual(first, "bottle: not known whether the command ended in the guest")
        assert.include(second, "the command took longer than")
      })
    )
  )

  for (const [tty, isTerminal, isGiven] of [
    ["auto", true, true],
    ["auto", false, false],
    ["never", true, false],
    ["always", true, true]
  ] as const) {
    it.live(`gives ${isGiven ? "a" : "no"} terminal by ${tty} where there is ${isTerminal ? "one" : "none"}`, () =>
      withPlan((home, plan) =>
        Effect.gen(function* () {
          const one = around({ plan }, { isInteractive: isTerminal })
          yield* Fixture.run(home, exec({ ...request, tty }), one.around)
          assert.strictEqual(one.asked[0]?.tty === true, isGiven)
        })
      )
    )
  }

  it.live("refuses a terminal that is not there", () =>
    withPlan((home, plan) =>
      Effect.gen(function* () {
        const one = around({ plan })
        const told = yield* Fixture.run(home, exec({ ...request, tty: "always" }), one.around)
        assert.strictEqual(told.code, 2)
        assert.match(told.stderr, /-t needs standard input and output to be a terminal/)
        assert.deepStrictEqual(one.asked, [])
      })
    )
  )

  const timedOut = new CommandExit({ exitCode: 124, origin: "runtime", timedOut: true })
  for (const [what, exit, code, words] of [
    ["its time was up", timedOut, 124, /took longer than 1\.5 s/],
    ["its runtime failed", Fixture.exitOf(1, "runtime"), 125, /smolvm-local failed while it ran the command/],
    ["it cannot be told", Fixture.exitOf(137, "unknown"), 137, /^$/]
  ] as const) {
    it.live(`exits as run does when ${what}`, () =>
      withPlan((home, plan) =>
        Effect.gen(function* () {
          const told = yield* Fixture.run(home, exec(request), around({ plan, exit }).around)
          assert.strictEqual(told.code, code)
          assert.match(told.stderr, words)
          const json = yield* Fixture.run(home, exec({ ...request, format: "json" }), around({ plan, exit }).around)
          assert.deepInclude(json, { code, stdout: "" })
          if (code !== 137) assert.strictEqual(JSON.parse(json.stderr).failure.exitCode, code)
        })
      )
    )
  }

  it.live("ends with 125 and says why when the bottle goes down under it", () =>
    withPlan((home, plan) =>
      Effect.gen(function* () {
        const gone = new BottleGone({ id: plan.id, reason: "asked" })
        const said = Stream.concat(
          Stream.make<[BottleOutput]>({ _tag: "Stdout", bytes: bytes("a") }),
          Stream.fail(gone)
        )
        const told = yield* Fixture.run(home, exec(request), around({ plan, output: () => said }).around)
        assert.strictEqual(told.code, 125)
        assert.strictEqual(told.stdout, "a")
        assert.match(told.stderr, /^bottle: a-abc12 was taken down\ntry: /)
      })
    )
  )

  it.live("tells what the bottle was refused meanwhile, and nothing of before", () =>
    withPlan(
      (home, plan) =>
        Effect.gen(function* () {
          yield* Fixture.recorded(plan, home, null)
          const file = `${plan.directories.state}/records/${plan.id}/decisions.jsonl`
          const line = (sequence: number, host: string, verdict: "allow" | "deny") =>
            `${JSON.stringify({
              sequence,
              request: sequence,
              phase: "decision",
              time: new Date().toISOString(),
              method: "CONNECT",
              host,
              port: 443,
              address: null,
              rule: null,
              verdict,
              reason: verdict === "deny" ? "no-rule" : "allowed",
              detail: "",
              bytesUp: 0,
              bytesDown: 0,
              durationMillis: 0
            })}\n`
          Fs.writeFileSync(file, line(1, "before.test", "deny"))
          const said = Stream.unwrap(
            Effect.sync(() => {
              Fs.appendFileSync(file, line(2, "during.test", "deny") + line(3, "fine.test", "allow"))
              return ended(Fixture.exitOf(0))
            })
          )
          const one = around({ plan, output: () => said })
          const told = yield* Fixture.run(home, exec(request), one.around)
          assert.match(told.stderr, /^bottle: refused during\.test:443 .*\n$/)
          const json = yield* Fixture.run(home, exec({ ...request, format: "json" }), one.around)
          assert.strictEqual(json.stderr, "")
        }),
      ["allowed.test"]
    )
  )
})

describe("bottle shell", () => {
  for (const isInteractive of [true, false]) {
    it.live(`runs a shell on ${isInteractive ? "the terminal" : "standard input"}`, () =>
      withPlan((home, plan) =>
        Effect.gen(function* () {
          const one = around({ plan, exit: Fixture.exitOf(3) }, { isInteractive, stdin: Stream.make(bytes("exit 3")) })
          const told = yield* Fixture.run(home, shell(request), one.around)
          assert.strictEqual(told.code, 3)
          const [asked] = one.asked
          assert.deepStrictEqual(asked?.command.slice(0, 2), ["sh", "-c"])
          assert.include(asked?.command[2], "exec bash")
          assert.strictEqual(asked?.tty === true, isInteractive)
        })
      )
    )
  }
})

describe("bottle commit", () => {
  const line = { bottle: "a", output: "/packs/a.smolmachine", force: true, format: "text" } as const

  it.live("asks for the pack, and prints where it is", () =>
    withPlan((home, plan) =>
      Effect.gen(function* () {
        const asked: Array<unknown> = []
        const one = around({
          plan,
          commit: (options) => {
            asked.push(options)
            return Effect.succeed({ output: options.output, proof: Fixture.proof })
          }
        })
        const told = yield* Fixture.run(home, commit(line), one.around)
        assert.deepStrictEqual(told, { code: 0, stdout: "/packs/a.smolmachine\n", stderr: "" })
        assert.deepStrictEqual(asked, [{ output: "/packs/a.smolmachine", force: true }])
        const json = yield* Fixture.run(home, commit({ ...line, format: "json" }), one.around)
        assert.deepStrictEqual(JSON.parse(json.stdout), {
          version: 1,
          commit: { id: "a-abc12", output: "/packs/a.smolmachine", outcome: "proven" }
        })
      })
    )
  )

  it.live("says why there is none", () =>
    withPlan((home, plan) =>
      Effect.gen(function* () {
        const refused = new CommitRefused({ id: plan.id, output: line.output, reason: "busy" })
        const one = around({ plan, commit: () => refused })
        const told = yield* Fixture.run(home, commit(line), one.around)
        assert.strictEqual(told.code, 125)
        assert.match(told.stderr, /^bottle: a-abc12 cannot be committed .*commands run in it\ntry: /)
        const json = yield* Fixture.run(home, commit({ ...line, format: "json" }), one.around)
        assert.strictEqual(JSON.parse(json.stdout).failure.error, "CommitRefused")
      })
    )
  )
})
