import * as Policy from "@bottle/egress/Policy"
import * as Proxy from "@bottle/egress/Proxy"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Http from "node:http"
import { Bundle, layerProcess, none } from "../src/Bundle.js"
import { containerSettings } from "./fixtures/launching.js"
import { bare, planOf } from "./fixtures/plans.js"

const socketIn = (directory: string): string => `${directory}/egress.sock`

const planIn = (directory: string) => {
  const plan = planOf(bare)
  return { ...plan, bundle: { _tag: "Process" as const, socket: socketIn(directory), socketMode: 0o600 } }
}

const start = (directory: string) =>
  Effect.flatMap(Bundle, (bundle) => bundle.start({ plan: planIn(directory), policy: Policy.empty, proof: "n0nce" }))

/** What the proxy behind a socket answers for a URL. */
const get = (socketPath: string, url: string) =>
  Effect.async<{ readonly status: number; readonly body: string }, Error>((resume) => {
    const request = Http.get(
      { socketPath, path: url, headers: { host: new URL(url).host }, agent: false },
      (response) => {
        let body = ""
        response.setEncoding("utf8")
        response.on("data", (text: string) => (body += text))
        response.on("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, body })))
      }
    )
    request.on("error", (error) => resume(Effect.fail(error)))
    return Effect.sync(() => request.destroy())
  })

const allowing = (host: string): Policy.Policy => Either.getOrThrow(Policy.fromDocument({ allow: [host] }))

describe("Bundle.layerProcess", () => {
  it.live("listens on its socket, and says that it died when its real proxy has stopped", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const socket = socketIn(directory)
        const scope = yield* Scope.make()
        const running = yield* Scope.extend(start(directory), scope)
        assert.isTrue(Fs.statSync(socket).isSocket())
        assert.strictEqual(Fs.statSync(socket).mode & 0o777, 0o600)
        const fiber = yield* Effect.fork(Effect.flip(running.died))
        yield* Scope.close(scope, Exit.void)
        const error = yield* Effect.timeout(Fiber.join(fiber), "10 seconds")
        assert.strictEqual(error._tag, "BundleDied")
        assert.isFalse(Fs.existsSync(socket))
      })
    ).pipe(Effect.provide(layerProcess))
  )

  it.live("answers for itself with its nonce, and follows another policy once it is reloaded", () =>
    Temp.withTempDir((directory) =>
      Effect.scoped(
        Effect.gen(function* () {
          const socket = socketIn(directory)
          const running = yield* start(directory)
          assert.deepStrictEqual(yield* get(socket, `http://${Proxy.PROOF_HOST}/`), { status: 200, body: "n0nce" })
          assert.strictEqual((yield* get(socket, "http://api.bottle.invalid/")).status, 403)
          yield* running.reload(allowing("api.bottle.invalid"))
          // Allowed now; that name has no address anywhere.
          assert.strictEqual((yield* get(socket, "http://api.bottle.invalid/")).status, 502)
          assert.strictEqual((yield* get(socket, "http://other.bottle.invalid/")).status, 403)
          const reasons = yield* running.events.pipe(
            Stream.filter((event) => event.phase === "decision"),
            Stream.take(3),
            Stream.map((event) => `${event.host} ${event.verdict}`),
            Stream.runCollect
          )
          assert.deepStrictEqual(
            [...reasons],
            ["api.bottle.invalid deny", "api.bottle.invalid allow", "other.bottle.invalid deny"]
          )
        })
      )
    ).pipe(Effect.provide(layerProcess))
  )

  it.live("sets the header of a credential it was given, and keeps it over a reload that needs no other value", () =>
    Temp.withTempDir((directory) =>
      Effect.scoped(
        Effect.gen(function* () {
          const seen: Array<string | undefined> = []
          const upstream = yield* Effect.acquireRelease(
            Effect.async<Http.Server>((resume) => {
              const server = Http.createServer((request, response) => {
                seen.push(`${request.url} ${String(request.headers["x-api-key"])}`)
                response.end("served")
              })
              server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
            }),
            (server) => Effect.sync(() => server.close())
          )
          const address = upstream.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          const api = { source: { env: "K" }, header: "x-api-key", upstream: `http://127.0.0.1:${port}/a` }
          const policyOf = (credentials: Readonly<Record<string, typeof api>>) =>
            Either.getOrThrow(Policy.fromDocument({ credentials }))
          const socket = socketIn(directory)
          const bundle = yield* Bundle
          const running = yield* bundle.start({
            plan: planIn(directory),
            policy: policyOf({ api }),
            proof: "n0nce",
            credentials: new Map([["api", Redacted.make("hunter2")]])
          })
          const ask = get(socket, "http://127.0.0.1:3128/credentials/api/v1")
          assert.deepStrictEqual(yield* ask, { status: 200, body: "served" })
          const other = yield* Effect.flip(running.reload(policyOf({ api: { ...api, source: { env: "OTHER" } } })))
          assert.match(other.message, /the value of the credential api was read from another source at the launch/)
          const more = yield* Effect.flip(running.reload(policyOf({ api, more: api })))
          assert.match(more.message, /the bottle was launched without the credential more/)
          assert.strictEqual((yield* ask).status, 200)
          const moved = { ...api, upstream: `http://127.0.0.1:${port}/b`, prefix: "Key " }
          yield* running.reload(policyOf({ api: moved }))
          assert.strictEqual((yield* ask).status, 200)
          yield* running.reload(Policy.empty)
          assert.notStrictEqual((yield* ask).status, 200)
          yield* running.reload(policyOf({ api }))
          assert.strictEqual((yield* ask).status, 200)
          assert.deepStrictEqual(seen, ["/a/v1 hunter2", "/a/v1 hunter2", "/b/v1 Key hunter2", "/a/v1 hunter2"])
        })
      )
    ).pipe(Effect.provide(layerProcess))
  )

  it.live("fails with what to do where it cannot listen", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.scoped(start(`${directory}/${"x".repeat(120)}`)))
        assert.strictEqual(error._tag, "BundleFailed")
        assert.notStrictEqual(error.suggestion, "")
      })
    ).pipe(Effect.provide(layerProcess))
  )

  it.effect("runs no container, and says so", () =>
    Effect.gen(function* () {
      const plan = planOf({ ...bare, bundle: "container" }, "1.9.3", { container: containerSettings })
      const bundle = yield* Bundle
      const error = yield* Effect.flip(Effect.scoped(bundle.start({ plan, policy: Policy.empty, proof: "n0nce" })))
      assert.match(error.message, /in a container/)
    }).pipe(Effect.provide(layerProcess))
  )

  it.effect("has nothing to reload where there is no bundle", () =>
    Effect.map(Effect.flip(none.reload(Policy.empty)), (error) => assert.strictEqual(error._tag, "ReloadFailed"))
  )
})
