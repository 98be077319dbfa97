import * as Bundle from "@bottle/engine/Bundle"
import { Directories } from "@bottle/engine/Directories"
import * as Engine from "@bottle/engine/Engine"
import * as Launch from "@bottle/engine/Launch"
import * as Record from "@bottle/engine/Record"
import * as LocalExecutor from "@bottle/local/LocalExecutor"
import * as Executor from "@bottle/process/Executor"
import * as Smolvm from "@bottle/smolvm/Smolvm"
import * as Survivors from "@bottle/testing/Survivors"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { PROBES, serve, setupsOf } from "./bundles.js"

const program = LocalExecutor.defaultProgram

/** A bundle beside the launch that ends when it is told to, as one whose process is killed. */
const mortalBundle = (death: Deferred.Deferred<void>): Layer.Layer<Bundle.Bundle> =>
  Layer.effect(
    Bundle.Bundle,
    Effect.map(Bundle.Bundle, (bundle) =>
      Bundle.Bundle.of({
        ...bundle,
        start: (request) =>
          Effect.gen(function* () {
            const scope = yield* Effect.acquireRelease(Scope.make(), (own, exit) => Scope.close(own, exit))
            yield* Effect.forkScoped(Effect.zipRight(Deferred.await(death), Scope.close(scope, Exit.void)))
            return yield* Scope.extend(bundle.start(request), scope)
          })
      })
    )
  ).pipe(Layer.provide(Bundle.layerProcess))

const directoriesIn = (directory: string) =>
  new Directories({ cache: `${directory}/cache`, state: `${directory}/state`, run: `${directory}/run` })

const layersIn = (directory: string, death: Deferred.Deferred<void>) =>
  Layer.mergeAll(
    Engine.layer({
      directories: directoriesIn(directory),
      runtime: "local",
      arch: process.arch,
      superuser: process.getuid?.() === 0
    }),
    Smolvm.layer({ program, env: { PATH: "/usr/bin:/bin" } }),
    mortalBundle(death),
    NodeFileSystem.layer
  ).pipe(
    Layer.provide(LocalExecutor.layer({ program, stateDir: `${directory}/machines` })),
    Layer.provide(Executor.layer)
  )

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).trim()

describe("a program that composes the layers", () => {
  it.live("has a closed bottle and no invented exit code when the bundle ends under a running command", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const [setup] = setupsOf("process")
        if (setup === undefined) return yield* Effect.dieMessage("nobody to launch as")
        const upstream = yield* Effect.acquireRelease(
          Effect.promise(() => serve(setup, "upstream-answers")),
          (server) => Effect.promise(server.close)
        )
        const death = yield* Deferred.make<void>()
        const allowed = `allowed.test:${upstream.port}`
        const probe = (line: string) => ["bash", "-c", `${PROBES}\n${line}`]
        yield* Effect.gen(function* () {
          const smolvm = yield* Smolvm.Smolvm
          const options = { source: { _tag: "Bare" }, allow: [allowed], resolve: ["allowed.test=127.0.0.1"] } as const
          const plan = yield* Launch.plan(options)
          const record = yield* Record.make({ plan, directories: directoriesIn(directory) })
          yield* Effect.scoped(
            Effect.gen(function* () {
              const bottle = yield* record.launching(Launch.launch(plan))
              const alive = yield* bottle.exec({ command: probe(`get ${allowed}`) })
              assert.match(text(alive.stdout), /upstream-answers$/)

              const working = yield* Effect.fork(Effect.flip(bottle.exec({ command: ["sleep", "1000"] })))
              yield* Deferred.succeed(death, undefined)
              assert.strictEqual((yield* Fiber.join(working))._tag, "BundleDied")
              assert.strictEqual((yield* Effect.flip(bottle.exec({ command: ["true"] })))._tag, "BundleDied")

              // The machine is still there, so it can be asked by the runtime itself: it has no way out any more.
              const inside = (line: string) =>
                Effect.map(smolvm.machineExec({ name: plan.machine, command: probe(line) }), ({ stdout }) =>
                  text(stdout)
                )
              assert.strictEqual(yield* inside("echo there"), "there")
              assert.notInclude(yield* inside(`get ${allowed}`), "HTTP/1.1 200")
              assert.strictEqual(yield* inside(`direct 127.0.0.1 ${upstream.port}`), "failed")
              assert.strictEqual(upstream.connections(), 1)
            })
          )
          const decisions = Fs.readFileSync(`${record.directory}/decisions.jsonl`, "utf8")
          assert.include(decisions, `"host":"allowed.test"`)
        }).pipe(Effect.scoped, Effect.provide(layersIn(directory, death)))
        const left = yield* Survivors.find(Path.basename(directory))
        assert.deepStrictEqual(left, { processes: [], mounts: [], namespaces: [], sockets: [] })
        assert.deepStrictEqual(Fs.readdirSync(`${directory}/run`), [])
      }).pipe(Effect.scoped)
    )
  )
})
