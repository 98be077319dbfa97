import * as Survivors from "@bottle/testing/Survivors"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Bottles from "../src/Bottles.js"
import * as Wire from "../src/internal/keeper/wire.js"
import { StageFailed } from "../src/LaunchError.js"
import { LaunchPlan } from "../src/LaunchPlan.js"
import { Runtimes } from "../src/Runtimes.js"
import { proven, settingsIn } from "./fixtures/launching.js"
import * as Plans from "./fixtures/plans.js"

const noRuntimes: (typeof Runtimes)["Service"] = {
  smolvm: () => Effect.dieMessage("no runtime is asked for"),
  docker: () => Effect.dieMessage("no docker is asked for")
}

/** What a keeper is given its words by, and says its own on. */
const HEAR = "IFS= read -r document <&3"
const say = (word: Wire.Word): string => `printf '%s\\n' '${Wire.writeWord(word).replaceAll("'", `'\\''`)}' >&4`

const began = say({ event: { _tag: "StageStarted", stage: "create" } })

const ready = (plan: LaunchPlan) => say({ ready: { plan, proof: proven(0), record: null } })

/** Brings a bottle up by a keeper that is a shell script, in a directory that every process of it names. */
const byScript = <A, E>(
  script: (plan: LaunchPlan, directory: string) => string,
  use: (
    up: (options?: Bottles.UpOptions) => Effect.Effect<Bottles.UpBottle, Bottles.UpError>,
    directory: string
  ) => Effect.Effect<A, E>
) =>
  Temp.withTempDir((directory) =>
    Effect.gen(function* () {
      const { directories } = settingsIn(directory)
      const plan = new LaunchPlan({
        ...Plans.planOf({ source: { _tag: "Bare" }, secrets: ["TOKEN"] }),
        directory: `${directory}/run/demo-abc12`
      })
      const bottles = yield* Bottles.make({
        directories,
        keeper: {
          command: ["/bin/sh", "-c", script(plan, directory), directory],
          env: { PATH: "/usr/bin:/bin", TOKEN: "in-environment", OF_MAIN: "in-environment", OTHER: "kept" }
        }
      })
      const secrets = new Map([["TOKEN", Redacted.make("s3cret")]])
      const result = yield* use((options) => bottles.up(plan, { secrets, ...options }), directory)
      // A keeper that was let go of ends by itself.
      yield* waitUntil(
        Effect.map(Survivors.find(Path.basename(directory)), ({ processes }) => processes.length === 0),
        { boundMillis: 10_000, what: "the end of every process" }
      )
      return result
    }).pipe(Effect.provideService(Runtimes, noRuntimes), Effect.provide(NodeFileSystem.layer))
  )

describe("bringing a bottle up", { timeout: 30_000 }, () => {
  it.live("takes it over when it is ready, and has nothing to do with its keeper then", () =>
    byScript(
      (plan, directory) =>
        [
          HEAR,
          began,
          ready(plan),
          "IFS= read -r word <&3",
          // To the end of the input: nobody holds the other end.
          `cat <&3 >/dev/null; printf %s "$word" >${directory}/word`
        ].join("\n"),
      (up, directory) =>
        Effect.gen(function* () {
          const events: Array<string> = []
          const bottle = yield* up({
            name: "Demo",
            onEvent: (event) => Effect.sync(() => void events.push(event._tag))
          })
          assert.deepStrictEqual([bottle.id, bottle.name, bottle.proof.outcome], ["demo-abc12", "demo", "proven"])
          assert.deepStrictEqual(events, ["StageStarted"])
          const word = `${directory}/word`
          yield* waitUntil(
            Effect.sync(() => Fs.existsSync(word)),
            { boundMillis: 20_000, what: "the end of the input" }
          )
          assert.strictEqual(Fs.readFileSync(word, "utf8"), "taken")
        })
    )
  )

  it.live("gives the keeper its secrets by its input, and nothing of this process", () =>
    byScript(
      (plan, directory) =>
        [
          HEAR,
          `printf '%s' "$document" >${directory}/document`,
          // Before anything of the shell is sent elsewhere: a redirection of a group moves the shell's own.
          "open=$(ls -l /proc/$$/fd)",
          `{ env; pwd; echo "core $(ulimit -c)"; echo "$open"; echo "stat $(cat /proc/$$/stat)"; tr '\\0' ' ' </proc/$$/cmdline; } >${directory}/seen`,
          ready(plan),
          "cat <&3 >/dev/null"
        ].join("\n"),
      (up, directory) =>
        Effect.gen(function* () {
          const main = {
            command: ["agent"],
            env: [["A", "b"]] as const,
            secrets: new Map([["OF_MAIN", Redacted.make("x")]])
          }
          yield* up({ ttlMillis: 1000, idleMillis: 500, command: main })
          const document = Wire.readDocument(Fs.readFileSync(`${directory}/document`, "utf8"))
          assert.deepStrictEqual(document?.secrets, { TOKEN: "s3cret" })
          assert.deepStrictEqual([document?.ttlMillis, document?.idleMillis, document?.name], [1000, 500, null])
          assert.deepStrictEqual(document?.main?.command, ["agent"])
          const seen = Fs.readFileSync(`${directory}/seen`, "utf8")
          assert.notInclude(seen, "s3cret")
          assert.notInclude(seen, "in-environment")
          assert.include(seen, "OTHER=kept")
          assert.include(seen, "core 0")
          assert.match(seen, /^\/$/m)
          for (const standard of [/ 0 -> \/dev\/null$/m, / 1 -> \/dev\/null$/m]) assert.match(seen, standard)
          // A session of its own (the process leads it), and no terminal.
          const [pid = "", rest = ""] = (/^stat (.*)$/m.exec(seen)?.[1] ?? "").split(" (")
          const fields = rest.slice(rest.lastIndexOf(")") + 2).split(" ")
          assert.deepStrictEqual([fields[3], fields[4]], [pid, "0"])
        })
    )
  )

  it.live("fails as the launch did in the keeper: the same error, with its stage and what to do", () => {
    const failed = new StageFailed({ stage: "create", reason: "no 'room'", advice: "Make room.", cause: "x" })
    return byScript(
      () => [HEAR, began, say({ failed }), "exit 0"].join("\n"),
      (up) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(up())
          assert.instanceOf(error, StageFailed)
          assert.deepStrictEqual(
            [error._tag, error.message, error.suggestion, "stage" in error && error.stage],
            ["StageFailed", failed.message, "Make room.", "create"]
          )
        })
    )
  })

  const crashes = (script: ReadonlyArray<string>) =>
    byScript(
      () => script.join("\n"),
      (up) =>
        Effect.map(Effect.flip(up()), (error) => {
          if (error._tag !== "KeeperFailed") return assert.fail(error._tag)
          const { exitCode, signal, stage, words } = error
          return { exitCode, signal, stage, words, message: error.message }
        })
    )

  it.live("says in which stage its keeper crashed, how, and its last words", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* crashes(["echo 'Error: no such module' >&2", "exit 3"]), {
        exitCode: 3,
        signal: null,
        stage: null,
        words: "Error: no such module"
      })
      assert.deepInclude(yield* crashes([HEAR, began, "kill -KILL $$"]), {
        exitCode: null,
        signal: "SIGKILL",
        stage: "create"
      })
      const fault = yield* crashes([HEAR, began, "echo 'TypeError: x' >&2", say({ stopped: true }), "exit 70"])
      assert.deepInclude(fault, { exitCode: 70, stage: "create", words: "TypeError: x" })
      const hostile = yield* crashes([HEAR, `printf 'a\\033[2Jb\\n%s\\n' "$(head -c 9000 /dev/zero | tr '\\0' x)" >&2`])
      assert.notInclude(hostile.message, "\u001b")
      assert.notInclude(hostile.message, "\n")
      assert.isBelow(hostile.words.length, 500)
    })
  )

  it.live("does not wait for a keeper that has closed its output and goes on", () =>
    Effect.gen(function* () {
      const crashed = yield* crashes([HEAR, began, "exec 4>&- 2>/dev/null", "exec sleep 1000"])
      assert.deepInclude(crashed, { exitCode: null, signal: "SIGKILL", stage: "create" })
    })
  )

  it.live("says that the bottle went down when the keeper was told to end", () =>
    byScript(
      () => [HEAR, began, say({ stopped: true })].join("\n"),
      (up) => Effect.map(Effect.flip(up()), (error) => assert.strictEqual(error._tag, "BottleGone"))
    )
  )

  it.live("interrupted before it is ready, returns when the keeper has taken all down, and tells of that too", () =>
    byScript(
      (_, directory) =>
        [
          HEAR,
          began,
          `: >${directory}/launching`,
          "cat <&3 >/dev/null",
          "sleep 0.3",
          say({
            event: { _tag: "ReleaseFailed", resource: "machine m", reason: "it hangs", suggestion: "Remove it." }
          }),
          `: >${directory}/down`,
          say({ stopped: true })
        ].join("\n"),
      (up, directory) =>
        Effect.gen(function* () {
          const events: Array<string> = []
          const fiber = yield* Effect.fork(up({ onEvent: (event) => Effect.sync(() => void events.push(event._tag)) }))
          yield* waitUntil(
            Effect.sync(() => Fs.existsSync(`${directory}/launching`)),
            { boundMillis: 20_000, what: "the launch" }
          )
          yield* Fiber.interrupt(fiber)
          assert.isTrue(Fs.existsSync(`${directory}/down`))
          assert.deepStrictEqual(events, ["StageStarted", "ReleaseFailed"])
        })
    )
  )

  it.live("is not held up by a keeper that says what nobody can read", () =>
    byScript(
      (plan) =>
        [
          HEAR,
          "head -c 20000 /dev/zero | tr '\\0' '\\n' >&4",
          "echo '{\"event\":{}}' >&4",
          ready(plan),
          "cat <&3"
        ].join("\n"),
      (up) => Effect.map(up(), ({ id }) => assert.strictEqual(id, "demo-abc12"))
    )
  )

  it.live(
    "is refused before anything is started: a secret or credential without a value, a path too long, no keeper",
    () =>
      Temp.withTempDir((directory) =>
        Effect.gen(function* () {
          const { directories } = settingsIn(directory)
          const upBy = (program: string, plan: LaunchPlan, options?: Bottles.UpOptions) =>
            Effect.flatMap(
              Bottles.make({ directories, keeper: { command: [program], env: { PATH: "/usr/bin:/bin" } } }),
              (bottles) => Effect.flip(bottles.up(plan, options))
            )
          const plan = Plans.planOf({ source: { _tag: "Bare" } })
          const secret = Plans.planOf({ source: { _tag: "Bare" }, secrets: ["TOKEN"] })
          assert.strictEqual((yield* upBy("/bin/false", secret))._tag, "SecretMissing")
          const credential = Plans.planOf({
            source: { _tag: "Bare" },
            credentials: { api: { source: { env: "K" }, header: "x-api-key", upstream: "https://api.example.com" } }
          })
          assert.strictEqual((yield* upBy("/bin/false", credential))._tag, "CredentialMissing")
          const long = new LaunchPlan({ ...plan, directory: `/${"x".repeat(100)}` })
          const tooLong = yield* upBy("/bin/false", long)
          assert.strictEqual(tooLong._tag, "ControlPathTooLong")
          assert.include(tooLong.message, "longer than 107 bytes")
          const missing = yield* upBy("/nowhere/keeper", plan)
          if (missing._tag !== "KeeperFailed") return assert.fail(missing._tag)
          assert.deepStrictEqual([missing.exitCode, missing.stage], [127, null])
          assert.include(missing.words, "/nowhere/keeper")
        }).pipe(Effect.provideService(Runtimes, noRuntimes), Effect.provide(NodeFileSystem.layer))
      )
  )
})
