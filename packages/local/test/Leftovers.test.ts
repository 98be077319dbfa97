import * as Identity from "@bottle/process/Identity"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Leftovers from "../src/Leftovers.js"
import { note } from "./support/missing.js"
import { expectOk, machine, nothingLeft, ourselves, type Runner } from "./support/runner.js"
import { testsFor } from "./support/suite.js"

const rootOf = (runner: Runner): string => Path.join(runner.state, "bottle", "local")

const homeOf = (runner: Runner, name: string): string => Path.join(rootOf(runner), "machines", name)

const runOf = (
  runner: Runner,
  name: string
): { readonly pid1: Identity.Identity; readonly holder: Identity.Identity } =>
  JSON.parse(Fs.readFileSync(Path.join(homeOf(runner, name), "run.json"), "utf8"))

const find = (runner: Runner) => Effect.orDie(Leftovers.find(rootOf(runner)))

const removeAll = (runner: Runner) =>
  Effect.flatMap(find(runner), (found) =>
    Effect.forEach(found, (leftover) => Effect.orDie(Leftovers.remove(rootOf(runner), leftover)), { discard: true })
  )

const shown = (found: ReadonlyArray<Leftovers.Leftover>) => found.map((one) => `${one.kind} ${one.machine}`)

const tree = (runner: Runner): ReadonlyArray<string> =>
  Fs.readdirSync(rootOf(runner), { recursive: true, encoding: "utf8" }).toSorted()

/** A process that lives for as long as the scope. */
const sleeper: Effect.Effect<ChildProcess, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => spawn("/bin/sleep", ["1000"], { stdio: "ignore" })),
  (child) => Effect.sync(() => child.kill("SIGKILL"))
)

const identityOf = (pid: number | undefined) =>
  Effect.map(Identity.fromPid(pid ?? 0), (identity) => Option.getOrThrowWith(identity, () => "it is gone"))

describe(`what is left of machines${note}`, () => {
  const test = testsFor(ourselves.make, 60_000)

  test("is nothing where all of them have records, and nothing where there are none", (runner) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* find(runner), [])
      yield* machine(runner)
      assert.deepStrictEqual(yield* find(runner), [])
    }))

  test("are the processes of one whose directory was deleted under it, and not those beside it", (runner) =>
    Effect.gen(function* () {
      const [gone, other] = [yield* machine(runner), yield* machine(runner)]
      const { holder, pid1 } = runOf(runner, gone.name)
      Fs.rmSync(homeOf(runner, gone.name), { recursive: true })
      const before = tree(runner)
      const found = yield* find(runner)
      assert.deepStrictEqual(shown(found), [`processes ${gone.name}`])
      assert.includeMembers([...(found[0]?.pids ?? [])], [holder.pid, pid1.pid])
      assert.deepStrictEqual(tree(runner), before)
      assert.isTrue(yield* Identity.isAlive(pid1))

      yield* removeAll(runner)
      assert.deepStrictEqual(yield* find(runner), [])
      assert.isFalse(yield* Identity.isAlive(holder))
      yield* waitUntil(Effect.negate(Identity.isAlive(pid1)), { boundMillis: 10_000, what: "the end of pid 1" })
      expectOk(yield* other.sh("true"))
    }))

  test("are processes though their holder was killed, and their record removed", (runner) =>
    Effect.gen(function* () {
      const gone = yield* machine(runner)
      const { holder, pid1 } = runOf(runner, gone.name)
      yield* Identity.signal(holder, "SIGKILL")
      Fs.rmSync(Path.join(homeOf(runner, gone.name), "machine.json"))
      assert.deepStrictEqual(shown(yield* find(runner)), [`processes ${gone.name}`, `directory ${gone.name}`])
      yield* removeAll(runner)
      yield* waitUntil(Effect.negate(Identity.isAlive(pid1)), { boundMillis: 10_000, what: "the end of pid 1" })
      assert.isFalse(Fs.existsSync(homeOf(runner, gone.name)))
      yield* nothingLeft(runner.directory)
    }))

  test("are processes though their holder was killed, and all that was written down of them is gone", (runner) =>
    Effect.gen(function* () {
      const [gone, other] = [yield* machine(runner), yield* machine(runner)]
      const { holder, pid1 } = runOf(runner, gone.name)
      yield* Identity.signal(holder, "SIGKILL")
      yield* waitUntil(Effect.negate(Identity.isAlive(holder)), { boundMillis: 10_000, what: "the holder's end" })
      Fs.rmSync(homeOf(runner, gone.name), { recursive: true })
      assert.isTrue(yield* Identity.isAlive(pid1))
      const found = yield* find(runner)
      assert.deepStrictEqual(shown(found), [`processes ${gone.name}`])
      assert.include([...(found[0]?.pids ?? [])], pid1.pid)
      yield* removeAll(runner)
      yield* waitUntil(Effect.negate(Identity.isAlive(pid1)), { boundMillis: 10_000, what: "the end of pid 1" })
      assert.deepStrictEqual(yield* find(runner), [])
      expectOk(yield* other.sh("true"))
    }))

  test("go with a delete of a machine whose holder was killed, and whose run nobody noted", (runner) =>
    Effect.gen(function* () {
      const { name } = yield* machine(runner)
      const { holder, pid1 } = runOf(runner, name)
      yield* Identity.signal(holder, "SIGKILL")
      yield* waitUntil(Effect.negate(Identity.isAlive(holder)), { boundMillis: 10_000, what: "the holder's end" })
      Fs.rmSync(Path.join(homeOf(runner, name), "run.json"))
      assert.isTrue(yield* Identity.isAlive(pid1))
      expectOk(yield* runner.call(["machine", "delete", "-f", "--name", name]))
      yield* waitUntil(Effect.negate(Identity.isAlive(pid1)), { boundMillis: 10_000, what: "the end of pid 1" })
    }))

  test("bear a mark that their guest cannot read", (runner) =>
    Effect.gen(function* () {
      const { name, sh } = yield* machine(runner)
      const { pid1 } = runOf(runner, name)
      const mark = `BOTTLE_MACHINE=${homeOf(runner, name)}`
      assert.include(Fs.readFileSync(`/proc/${pid1.pid}/environ`, "latin1").split("\0"), mark)
      const seen = yield* sh("cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'; env")
      assert.notInclude(seen.stdout, runner.directory)
      assert.include(seen.stdout, "PATH=")
    }))

  test("is a directory that a killed create had begun, and none that somebody works on", (runner) =>
    Effect.gen(function* () {
      const { pid } = yield* sleeper
      const holder = yield* identityOf(pid)
      yield* machine(runner)
      for (const name of ["begun", "busy"]) Fs.mkdirSync(Path.join(homeOf(runner, name), "disk"), { recursive: true })
      Fs.symlinkSync("/etc/passwd", Path.join(homeOf(runner, "begun"), "disk", "link"))
      Fs.writeFileSync(Path.join(rootOf(runner), "locks", "busy"), JSON.stringify(holder))
      assert.deepStrictEqual(shown(yield* find(runner)), ["directory begun"])
      yield* removeAll(runner)
      assert.isFalse(Fs.existsSync(homeOf(runner, "begun")))
      assert.isTrue(Fs.existsSync(homeOf(runner, "busy")))
      assert.isTrue(Fs.existsSync("/etc/passwd"))
    }))

  test("is left alone that has a record when it comes to removing it", (runner) =>
    Effect.gen(function* () {
      const { name } = yield* machine(runner)
      const path = homeOf(runner, name)
      const { pid1 } = runOf(runner, name)
      for (const kind of ["processes", "directory"] as const) {
        yield* Effect.orDie(Leftovers.remove(rootOf(runner), { kind, machine: name, path, pids: [pid1.pid] }))
      }
      assert.isTrue(yield* Identity.isAlive(pid1))
      expectOk(yield* runner.call(["machine", "status", "--name", name]))
    }))

  test("is the lock of one who was killed, and not that of one who lives", (runner) =>
    Effect.gen(function* () {
      yield* machine(runner)
      const [dead, living] = [yield* sleeper, yield* sleeper]
      const locks = Path.join(rootOf(runner), "locks")
      const put = (name: string, { pid }: ChildProcess) =>
        Effect.map(identityOf(pid), (identity) => {
          Fs.writeFileSync(Path.join(locks, name), JSON.stringify(identity))
          return identity
        })
      const killed = yield* put("killed", dead)
      yield* put("held", living)
      Fs.writeFileSync(Path.join(locks, "torn"), "")
      yield* Identity.signal(killed, "SIGKILL")
      yield* waitUntil(Effect.negate(Identity.isAlive(killed)), { boundMillis: 10_000, what: "the holder's end" })
      assert.deepStrictEqual(shown(yield* find(runner)), ["lock killed", "lock torn"])
      yield* removeAll(runner)
      assert.deepStrictEqual(Fs.readdirSync(locks), ["held"])
    }))
})

describe("what is left of machines in a state that others can write", () => {
  it.scopedLive("is not looked for, and is where only its user can", () =>
    Effect.gen(function* () {
      const directory = yield* Temp.directory
      const root = Path.join(directory, "local")
      Fs.mkdirSync(Path.join(root, "machines", "rest"), { recursive: true, mode: 0o700 })
      assert.deepStrictEqual(shown(yield* Leftovers.find(root)), ["directory rest"])
      Fs.chmodSync(Path.join(root, "machines"), 0o777)
      assert.strictEqual((yield* Effect.flip(Leftovers.find(root)))._tag, "StateUntrusted")
    })
  )
})
