import * as Executor from "@bottle/process/Executor"
import * as Survivors from "@bottle/testing/Survivors"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"

const start = (command: Command.Command) =>
  Effect.flatMap(CommandExecutor.CommandExecutor, (executor) => executor.start(command))

describe("Survivors", () => {
  it.scopedLive("finds a process by argument, variable and directory, until it ends", () =>
    Effect.gen(function* () {
      const marker = `marker-${randomUUID()}`
      const directory = Path.join(yield* Temp.directory, marker)
      Fs.mkdirSync(directory)
      assert.strictEqual(Survivors.count(yield* Survivors.find(marker)), 0)
      const scope = yield* Scope.make()
      yield* Effect.all([
        start(Command.make("sh", "-c", "sleep 60; :", marker)),
        start(Command.make("sleep", "60").pipe(Command.env({ MARKER: marker }))),
        start(Command.make("sleep", "60").pipe(Command.workingDirectory(directory)))
      ]).pipe(Scope.extend(scope))
      // The shell's own sleep bears no marker.
      yield* waitUntil(
        Effect.map(Survivors.find(marker), ({ processes }) => processes.length === 3),
        { boundMillis: 20_000 }
      )
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual((yield* Survivors.find(marker)).processes, [])
    }).pipe(Effect.provide(Executor.layer))
  )

  it.scopedLive("finds a listening socket", () =>
    Effect.gen(function* () {
      const marker = `marker-${randomUUID()}`
      const path = Path.join(yield* Temp.directory, marker.slice(0, 20))
      const server = Net.createServer()
      yield* Effect.async<void>((resume) => {
        server.listen(path, () => resume(Effect.void))
      })
      assert.deepStrictEqual((yield* Survivors.find(marker.slice(0, 20))).sockets, [path])
      yield* Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
      })
      assert.deepStrictEqual((yield* Survivors.find(marker.slice(0, 20))).sockets, [])
    })
  )

  const mayUnshare = Effect.flatMap(CommandExecutor.CommandExecutor, (executor) =>
    executor.exitCode(Command.make("unshare", "--user", "--map-root-user", "--mount", "true"))
  ).pipe(
    Effect.map((code) => code === 0),
    Effect.orElseSucceed(() => false)
  )

  it.scopedLive("finds a mount and the namespaces of whoever holds it", (context) =>
    Effect.gen(function* () {
      if (!(yield* mayUnshare)) return context.skip("this machine does not let us unshare a user namespace")
      const marker = `marker-${randomUUID()}`
      const directory = Path.join(yield* Temp.directory, marker)
      Fs.mkdirSync(directory)
      const scope = yield* Scope.make()
      const script = 'mount -t tmpfs tmpfs "$1" && exec sleep 60'
      const words = ["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", directory]
      yield* start(Command.make("unshare", ...words).pipe(Command.env({ MARKER: marker }))).pipe(Scope.extend(scope))
      yield* waitUntil(
        Effect.map(Survivors.find(marker), ({ mounts }) => mounts.length > 0),
        { boundMillis: 20_000 }
      )
      const found = yield* Survivors.find(marker)
      assert.deepStrictEqual(found.mounts, [`${directory} tmpfs tmpfs`])
      assert.deepStrictEqual(found.namespaces.map((name) => name.split(":")[0]).toSorted(), ["mnt", "user"])
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(Survivors.count(yield* Survivors.find(marker)), 0)
    }).pipe(Effect.provide(Executor.layer))
  )

  it.effect("refuses a marker that everything bears", () =>
    Effect.map(Effect.exit(Survivors.find("")), (exit) => assert.isTrue(Exit.isFailure(exit)))
  )
})
