import * as Capture from "@bottle/process/Capture"
import * as Identity from "@bottle/process/Identity"
import * as Survivors from "@bottle/testing/Survivors"
import { waitUntil } from "@bottle/testing/Wait"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { note, skip } from "./support/missing.js"
import {
  everybody,
  expectOk,
  filesBelow,
  freshName,
  handle,
  isRoot,
  layer,
  machine,
  nothingLeft,
  rootByProgram,
  type Runner
} from "./support/runner.js"

/** The moments of a start, from before its first process to after its last. */
const moments = [0, 3, 6, 9, 12, 15, 18, 21, 25, 30, 35, 40, 50, 60, 80]

/** As a container's first process often is: it waits for its own child, and collects nobody else's. */
const carelessInit = "my $child = fork; exec @ARGV or exit 127 unless $child; waitpid($child, 0); exit($? >> 8)"

/** Runs commands in a machine, ends each while it runs, and deletes the machine: `sh -c TEXT sh NAME FILE RUNTIME...`. */
const endingText = String.raw`
name=$1 out=$2; shift 2
until_begun() { until grep -q begun "$out"; do kill -0 $! || exit 9; sleep 0.02; done; }
"$@" machine create --name "$name" && "$@" machine start --name "$name" || exit 1
for round in 1 2 3 4; do
  : >"$out" # What the round before has said must not be taken for this one's.
  "$@" machine exec --name "$name" -- sh -c 'echo begun; sleep 1000' >"$out" &
  until_begun
  kill -TERM $!; wait $!
  [ $? = 143 ] || exit 2
done
"$@" machine exec --name "$name" --timeout 300ms -- sh -c 'sleep 1000'
[ $? = 124 ] || exit 3
: >"$out"
"$@" machine exec --name "$name" -- sh -c 'trap "echo told >/workspace/told; exit" TERM; echo begun; sleep 1000 & wait' >"$out" &
until_begun
kill -TERM $!; wait $!
"$@" machine exec --name "$name" -- cat /workspace/told || exit 4
"$@" machine delete -f --name "$name" || exit 5
`

const locksOf = (runner: Runner) => Fs.readdirSync(Path.join(runner.state, "bottle", "local", "locks"))

const homeOf = (runner: Runner, name: string) => Path.join(runner.state, "bottle", "local", "machines", name)

describe.each(everybody)(`what is interrupted, $name${note}`, ({ make }) => {
  const test = (
    name: string,
    body: (runner: Runner) => Effect.Effect<void, never, Scope.Scope | CommandExecutor.CommandExecutor>
  ) => it.scopedLive.skipIf(skip)(name, () => Effect.flatMap(make, body).pipe(Effect.provide(layer)), 120_000)

  test("a start that is interrupted leaves nothing, and the machine can still be started", (runner) =>
    Effect.gen(function* () {
      const isProgram = runner.words.length > 1
      for (const moment of moments) {
        const name = freshName()
        expectOk(yield* runner.call(["machine", "create", "--name", name]))
        const fiber = yield* Effect.fork(runner.call(["machine", "start", "--name", name]))
        // The program has to start first; its own start-up is of no interest.
        yield* Effect.sleep(isProgram ? 60 + moment * 3 : moment)
        yield* Fiber.interrupt(fiber)
        const status = JSON.parse((yield* runner.call(["machine", "status", "--name", name, "--json"])).stdout)
        // It may have been too late.
        if (status.state !== "running") yield* nothingLeft(name)
        assert.deepStrictEqual(locksOf(runner), [], `after ${moment} ms`)
        expectOk(yield* runner.call(["machine", "start", "--name", name]))
        expectOk(yield* handle(runner, name).sh("true"))
        expectOk(yield* runner.call(["machine", "delete", "-f", "--name", name]))
        yield* nothingLeft(name)
      }
    }))

  test("an owner that is killed while it starts leaves no machine half made", (runner) =>
    Effect.gen(function* () {
      const [program = "", ...first] = runner.words
      if (first.length === 0) return
      for (const moment of moments) {
        const name = freshName()
        expectOk(yield* runner.call(["machine", "create", "--name", name]))
        const child = spawn(program, [...first, "machine", "start", "--name", name], {
          env: runner.env,
          cwd: "/",
          stdio: "ignore"
        })
        yield* Effect.sleep(60 + moment * 3)
        child.kill("SIGKILL")
        const settled = Effect.map(Survivors.find(name), (left) => {
          const isNoted = Fs.existsSync(Path.join(homeOf(runner, name), "run.json"))
          return isNoted || Survivors.count(left) === 0
        })
        yield* waitUntil(settled, { boundMillis: 20_000, what: "the rest of a start to end" })
        expectOk(yield* runner.call(["machine", "start", "--name", name]))
        expectOk(yield* handle(runner, name).sh("true"))
        expectOk(yield* runner.call(["machine", "delete", "-f", "--name", name]))
        yield* nothingLeft(name)
      }
    }))

  test("a create that is interrupted leaves no machine, or a whole one", (runner) =>
    Effect.gen(function* () {
      for (const moment of [0, 1, 2, 4, 60, 80, 100]) {
        const name = freshName()
        const fiber = yield* Effect.fork(runner.call(["machine", "create", "--name", name]))
        yield* Effect.sleep(moment)
        yield* Fiber.interrupt(fiber)
        yield* runner.call(["machine", "create", "--name", name])
        expectOk(yield* runner.call(["machine", "start", "--name", name]))
        expectOk(yield* runner.call(["machine", "delete", "-f", "--name", name]))
      }
      assert.deepStrictEqual(filesBelow(runner.state), [])
    }))

  test("two starts at once give one machine, and two creates one success", (runner) =>
    Effect.gen(function* () {
      const name = freshName()
      const both = (words: ReadonlyArray<string>) =>
        Effect.all([runner.call(words), runner.call(words)], { concurrency: "unbounded" })
      const created = yield* both(["machine", "create", "--name", name])
      assert.deepStrictEqual(created.map((result) => result.code).sort(), [0, 1])
      assert.include(created.map((result) => result.stderr).join(""), "already exists")
      const started = yield* both(["machine", "start", "--name", name])
      assert.deepStrictEqual(
        started.map((result) => result.code),
        [0, 0]
      )
      assert.strictEqual(started.filter((result) => result.stdout.includes("already running")).length, 1)
      const stopped = yield* both(["machine", "stop", "--name", name])
      assert.deepStrictEqual(
        stopped.map((result) => result.code),
        [0, 0]
      )
      const deleted = yield* both(["machine", "delete", "-f", "--name", name])
      assert.deepStrictEqual(deleted.map((result) => result.code).sort(), [0, 1])
      yield* nothingLeft(name)
      assert.deepStrictEqual(filesBelow(runner.state), [])
    }))

  test("a machine whose first process is killed has stopped, and its disk is saved", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      expectOk(yield* guest.sh("echo kept >/workspace/f"))
      const run = JSON.parse(Fs.readFileSync(Path.join(homeOf(runner, guest.name), "run.json"), "utf8"))
      process.kill(run.pid1.pid, "SIGKILL")
      yield* waitUntil(Effect.negate(Identity.isAlive(run.holder)), { boundMillis: 10_000, what: "the disk" })
      assert.include((yield* runner.call(["machine", "ls", "--json"])).stdout, '"stopped"')
      expectOk(yield* runner.call(["machine", "start", "--name", guest.name]))
      assert.strictEqual((yield* guest.sh("cat /workspace/f")).stdout, "kept\n")
    }))

  test("a stop that cannot save the disk says so, and the last disk is kept", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      expectOk(yield* guest.sh("echo first >/workspace/f"))
      expectOk(yield* runner.call(["machine", "stop", "--name", guest.name]))
      expectOk(yield* runner.call(["machine", "start", "--name", guest.name]))
      expectOk(yield* guest.sh("echo second >/workspace/f"))
      const run = JSON.parse(Fs.readFileSync(Path.join(homeOf(runner, guest.name), "run.json"), "utf8"))
      process.kill(run.holder.pid, "SIGKILL")
      yield* waitUntil(Effect.negate(Identity.isAlive(run.holder)), { boundMillis: 10_000, what: "its end" })
      const stopped = yield* runner.call(["machine", "stop", "--name", guest.name])
      assert.deepStrictEqual(
        [stopped.code, stopped.stderr.startsWith("Error: storage operation failed: save disk: ")],
        [1, true]
      )
      yield* nothingLeft(guest.name)
      expectOk(yield* runner.call(["machine", "start", "--name", guest.name]))
      assert.strictEqual((yield* guest.sh("cat /workspace/f")).stdout, "first\n")
    }))

  it.scopedLive.skipIf(skip || !isRoot)(
    `a command that is told to end ends, and its machine can be deleted, where nobody collects orphans${
      isRoot ? "" : " (skipped: a process namespace takes root)"
    }`,
    () =>
      Effect.gen(function* () {
        const runner = yield* make
        // In this process there is no program to run.
        const words = runner.words.length > 1 ? runner.words : (yield* rootByProgram).words
        const name = freshName()
        const out = Path.join(runner.directory, "out")
        const captured = yield* Capture.capture(
          {
            program: "unshare",
            args: [
              ...["--pid", "--fork", "--mount-proc", "--kill-child", "perl", "-e", carelessInit, "--"],
              ...["sh", "-c", endingText, "sh", name, out, ...words]
            ],
            env: runner.env,
            cwd: "/"
          },
          { timeoutMillis: 100_000 }
        )
        assert.strictEqual(captured.exit.code, 0, Capture.stderrText(captured))
        assert.match(Capture.stdoutText(captured), /(^|\n)told\n/)
        yield* nothingLeft(name)
      }).pipe(Effect.provide(layer)),
    120_000
  )

  test("the lock of an owner that is dead is taken over, that of a live one is waited for", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const lock = Path.join(runner.state, "bottle", "local", "locks", guest.name)
      Fs.writeFileSync(lock, JSON.stringify({ pid: 999_999, startTime: "1", bootId: "x" }))
      expectOk(yield* runner.call(["machine", "stop", "--name", guest.name]))
      const run = JSON.parse(Fs.readFileSync(Path.join(homeOf(runner, guest.name), "machine.json"), "utf8"))
      assert.strictEqual(run.name, guest.name)
      const alive = JSON.stringify(yield* Effect.flatten(Identity.fromPid(process.pid)).pipe(Effect.orDie))
      Fs.writeFileSync(lock, alive)
      const fiber = yield* Effect.fork(runner.call(["machine", "start", "--name", guest.name]))
      yield* Effect.sleep(400)
      assert.isFalse(Fs.existsSync(Path.join(homeOf(runner, guest.name), "run.json")))
      Fs.rmSync(lock)
      expectOk(yield* Fiber.join(fiber))
      assert.deepStrictEqual(locksOf(runner), [])
    }))
})
