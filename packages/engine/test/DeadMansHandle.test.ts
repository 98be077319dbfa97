import * as DeadMansHandle from "@bottle/engine/DeadMansHandle"
import * as Directories from "@bottle/engine/Directories"
import * as Identity from "@bottle/process/Identity"
import * as Survivors from "@bottle/testing/Survivors"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import { afterAll, assert, beforeAll, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"

// Each starts processes, which a busy machine takes its time for.
vi.setConfig({ testTimeout: 30_000 })

const made = Fs.mkdtempSync(Path.join(Os.tmpdir(), "bottle-test-"))
const owner = Path.join(made, "owner.mjs")

/** The program of fixtures/owner.ts as one file that Node can run. */
beforeAll(async () => {
  const bundle = await rolldown({
    input: fileURLToPath(new URL("fixtures/owner.ts", import.meta.url)),
    platform: "node",
    resolve: { conditionNames: ["@bottle/source", "node", "import"] }
  })
  await bundle.write({ file: owner, format: "esm", codeSplitting: false })
  await bundle.close()
}, 30_000)

afterAll(() => Fs.rmSync(made, { recursive: true }))

/** A recovery that writes down what it was given, and where that is written. */
const scene = Effect.map(Temp.directory, (directory) => {
  const told = Path.join(directory, "told")
  const recover = Path.join(directory, "recover")
  Fs.writeFileSync(
    recover,
    `#!/bin/sh\npwd > "$TOLD.new"\nprintf '%s\\n' "$@" "$SECRET" >> "$TOLD.new"\nmv "$TOLD.new" "$TOLD"\n`,
    { mode: 0o755 }
  )
  const env = { PATH: "/usr/bin:/bin", TOLD: told }
  const about: DeadMansHandle.Guarded = {
    id: "box-abc12",
    nonce: "nonce-of-this-one",
    directories: new Directories.Directories({ cache: "/cache", state: Path.join(directory, "state"), run: "/run" })
  }
  return { directory, told, about, settings: { command: [recover, "recover"], env } as const }
})

/** The handles of a test's bottle: shells that bear its state directory. */
const handles = (directory: string) =>
  Effect.map(Survivors.find(directory), ({ processes }) =>
    processes.flatMap((line) => (line.includes("/bin/sh -c trap") ? [Number.parseInt(line, 10)] : []))
  )

const until = (condition: Effect.Effect<boolean>, what: string) => waitUntil(condition, { boundMillis: 20_000, what })

const isThere = (path: string) => Effect.sync(() => Fs.existsSync(path))

const arm = (
  { about, settings }: { readonly about: DeadMansHandle.Guarded; readonly settings: DeadMansHandle.HandleSettings },
  scope: Scope.CloseableScope
) =>
  Effect.flatMap(DeadMansHandle.DeadMansHandle, (handle) => handle.arm(about)).pipe(
    Scope.extend(scope),
    Effect.provide(DeadMansHandle.layer(settings))
  )

describe("DeadMansHandle", () => {
  it.effect("arms nothing by default", () =>
    Effect.gen(function* () {
      const { about } = yield* scene
      const handle = yield* DeadMansHandle.DeadMansHandle
      yield* handle.arm(about)
    }).pipe(Effect.scoped)
  )

  it.scopedLive("is dismissed when the bottle is down, and does nothing then", () =>
    Effect.gen(function* () {
      const it = yield* scene
      const scope = yield* Scope.make()
      yield* arm(it, scope)
      assert.lengthOf(yield* handles(it.directory), 1)
      yield* Scope.close(scope, Exit.void)
      // It is gone when the scope has closed, and not a moment later.
      assert.deepStrictEqual((yield* Survivors.find(it.directory)).processes, [])
      assert.isFalse(Fs.existsSync(it.told))
    })
  )

  it.scopedLive("has nothing in its environment that is a secret of the guest's", () =>
    Effect.gen(function* () {
      const it = yield* scene
      const scope = yield* Scope.make()
      const env = { ...it.settings.env, TOKEN: "in-environment", OTHER: "kept" }
      yield* arm({ about: { ...it.about, secrets: ["TOKEN"] }, settings: { ...it.settings, env } }, scope)
      const [pid = 0] = yield* handles(it.directory)
      const seen = Fs.readFileSync(`/proc/${pid}/environ`, "utf8")
      assert.include(seen, "OTHER=kept")
      assert.notInclude(seen, "in-environment")
      yield* Scope.close(scope, Exit.void)
    })
  )

  it.scopedLive("is replaced when it dies before its owner", () =>
    Effect.gen(function* () {
      const it = yield* scene
      const scope = yield* Scope.make()
      yield* arm(it, scope)
      for (let round = 0; round < 2; round++) {
        const [pid = 0] = yield* handles(it.directory)
        const identity = Option.getOrThrow(yield* Identity.fromPid(pid))
        // Neither of these ends it.
        for (const signal of ["SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT"] as const) process.kill(pid, signal)
        assert.isTrue(yield* Identity.isAlive(identity))
        process.kill(pid, "SIGKILL")
        yield* until(
          Effect.map(handles(it.directory), (pids) => pids.length === 1 && pids[0] !== pid),
          "another handle"
        )
      }
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual((yield* Survivors.find(it.directory)).processes, [])
      assert.isFalse(Fs.existsSync(it.told))
    })
  )

  it.scopedLive("holds nothing up where it cannot be started", () =>
    Effect.gen(function* () {
      const it = yield* scene
      const scope = yield* Scope.make()
      yield* arm({ ...it, settings: { ...it.settings, env: { BAD: "a\0b" } } }, scope)
      yield* Scope.close(scope, Exit.void)
    })
  )

  it.scopedLive("starts recovery when its owner is killed, with what it was given and nothing else", () =>
    Effect.gen(function* () {
      const { about, directory, settings, told } = yield* scene
      const child = yield* startOwner({ about, settings, mode: "waits" }, directory)
      yield* until(
        Effect.map(handles(directory), (pids) => pids.length === 1),
        "the handle"
      )
      const [pid = 0] = yield* handles(directory)
      // A terminal that is hung up, and the keys of one, do not reach it.
      const stat = Fs.readFileSync(`/proc/${pid}/stat`, "latin1").split(" ")
      assert.strictEqual(stat[5], String(pid))
      assert.strictEqual(stat[6], "0")
      assert.strictEqual(Fs.readlinkSync(`/proc/${pid}/cwd`), "/")
      process.kill(-(child.pid ?? 0), "SIGKILL")
      yield* until(isThere(told), "recovery")
      assert.deepStrictEqual(Fs.readFileSync(told, "utf8").split("\n"), [
        "/",
        "recover",
        about.directories.state,
        about.id,
        about.nonce,
        "",
        ""
      ])
      yield* until(
        Effect.map(Survivors.find(directory), ({ processes }) => processes.length === 0),
        "the end of the handle"
      )
    })
  )

  it.scopedLive("starts recovery once more where it does not end well, and not where it does", () =>
    Effect.gen(function* () {
      const it = yield* scene
      const { directories } = it.about
      Fs.mkdirSync(`${directories.state}/bottles/.names`, { recursive: true })
      const runs = Path.join(it.directory, "runs")
      Fs.writeFileSync(
        it.settings.command[0],
        `#!/bin/sh\necho run >> ${runs}\n[ "$(grep -c run ${runs})" = 1 ] && kill -9 $$\n[ -e ${it.told} ] || echo > ${it.told}\n`
      )
      yield* startOwner({ ...it, mode: "exits" }, it.directory)
      yield* until(isThere(it.told), "the second run")
      yield* until(
        Effect.map(Survivors.find(it.directory), ({ processes }) => processes.length === 0),
        "the end of the handle"
      )
      assert.strictEqual(Fs.readFileSync(runs, "utf8"), "run\nrun\n")
      // Nothing but the directories is left of the turns that they took.
      assert.deepStrictEqual(Fs.readdirSync(directories.state, { recursive: true }).toSorted(), [
        "bottles",
        "bottles/.names"
      ])
    })
  )

  it.scopedLive("lets recoveries take turns, and waits for none that hangs", () =>
    Effect.gen(function* () {
      const it = yield* scene
      Fs.mkdirSync(`${it.about.directories.state}/bottles/.names`, { recursive: true })
      const [begun, go] = [Path.join(it.directory, "begun"), Path.join(it.directory, "go")]
      Fs.writeFileSync(
        it.settings.command[0],
        `#!/bin/sh\necho $$ >> ${begun}\nuntil [ -e ${go} ]; do sleep 0.05; done\n`
      )
      const count = Effect.sync(() =>
        Fs.existsSync(begun) ? Fs.readFileSync(begun, "utf8").split("\n").length - 1 : 0
      )
      for (let owner = 0; owner < 8; owner++) yield* startOwner({ ...it, mode: "exits" }, it.directory)
      yield* until(
        Effect.map(count, (begun) => begun >= 1),
        "the first"
      )
      yield* until(
        Effect.map(handles(it.directory), (pids) => pids.length === 8),
        "all handles"
      )
      assert.isAtMost(yield* count, 3)
      Fs.writeFileSync(go, "")
      yield* until(
        Effect.map(Survivors.find(it.directory), ({ processes }) => processes.length === 0),
        "the end of all"
      )
      assert.strictEqual(yield* count, 8)
    })
  )

  it.scopedLive("starts recovery when its owner exits without closing its scopes, and not when it closes them", () =>
    Effect.gen(function* () {
      const gone = yield* scene
      const exiting = yield* startOwner({ ...gone, mode: "exits" }, gone.directory)
      yield* until(isThere(gone.told), "recovery")
      // The recovery may be quicker than the news of the end here.
      yield* until(
        Effect.sync(() => exiting.exitCode !== null),
        "the end of the owner"
      )
      assert.strictEqual(exiting.exitCode, 3)

      const closed = yield* scene
      const closing = yield* startOwner({ ...closed, mode: "closes" }, closed.directory)
      yield* until(
        Effect.sync(() => closing.exitCode !== null),
        "the end of the owner"
      )
      assert.deepStrictEqual((yield* Survivors.find(closed.directory)).processes, [])
      assert.isFalse(Fs.existsSync(closed.told))
    })
  )
})

/** A process that owns a bottle, in a process group of its own; it ends with the scope. */
const startOwner = (
  given: {
    readonly about: DeadMansHandle.Guarded
    readonly settings: DeadMansHandle.HandleSettings
    readonly mode: string
  },
  directory: string
) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      ChildProcess.spawn(process.execPath, [owner], {
        env: { PATH: "/usr/bin:/bin", SECRET: "not for the handle", GIVEN: JSON.stringify(given) },
        cwd: directory,
        stdio: ["ignore", "ignore", "inherit"],
        detached: true
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
