import * as Docker from "@bottle/docker/Docker"
import * as Policy from "@bottle/egress/Policy"
import * as Proxy from "@bottle/egress/Proxy"
import * as Executor from "@bottle/process/Executor"
import * as Capabilities from "@bottle/smolvm/Capabilities"
import * as DockerDaemon from "@bottle/testing/DockerDaemon"
import * as Temp from "@bottle/testing/Temp"
import * as Wait from "@bottle/testing/Wait"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, beforeAll, describe, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { execFile, execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Http from "node:http"
import * as Os from "node:os"
import * as Url from "node:url"
import * as BottleId from "../src/BottleId.js"
import { Bundle, layer as bundleLayer } from "../src/Bundle.js"
import * as BundleImage from "../src/BundleImage.js"
import * as Engine from "../src/Engine.js"
import { LaunchObserver } from "../src/LaunchObserver.js"
import * as LaunchPlan from "../src/LaunchPlan.js"
import * as Subnet from "../src/Subnet.js"
import { settingsIn } from "./fixtures/launching.js"

const BOUND = { boundMillis: 30_000 }
const TEST_MILLIS = 120_000

const isThere = DockerDaemon.answers()
const unless = isThere ? "" : " (skipped: no docker daemon answers)"

const pathOf = (relative: string): string => Url.fileURLToPath(new URL(relative, import.meta.url))

/** How the image is built, on this machine's own node. */
class Build extends Context.Tag("Build")<Build, Engine.BundleBuild>() {}

const build = Layer.scoped(
  Build,
  Effect.gen(function* () {
    const docker = yield* Docker.Docker
    const base = yield* DockerDaemon.image({ programs: ["node"] })
    const made = {
      dockerfile: pathOf("../../bundle/Dockerfile"),
      program: pathOf("../../bundle/dist/bottle-bundle.mjs"),
      base
    }
    // The first test builds it, and the others find it.
    const image = yield* BundleImage.reference(made)
    yield* Effect.addFinalizer(() => Effect.ignore(docker.imageRemove(image)))
    return made
  }).pipe(Effect.orDie)
)

const environment = build.pipe(
  Layer.provideMerge(Docker.layer()),
  Layer.provideMerge(Layer.merge(Executor.layer, NodeFileSystem.layer))
)

/** A program of the host that says where it was asked. */
const upstream = Effect.acquireRelease(
  Effect.async<{ readonly server: Http.Server; readonly port: number }>((resume) => {
    const server = Http.createServer((_request, response) => response.end("from the host"))
    server.listen(0, "0.0.0.0", () => {
      const address = server.address()
      resume(Effect.succeed({ server, port: typeof address === "object" && address !== null ? address.port : 0 }))
    })
  }),
  ({ server }) =>
    Effect.async<void>((resume) => {
      server.closeAllConnections()
      server.close(() => resume(Effect.void))
    })
)

interface Answer {
  readonly status: number
  readonly body: string
}

/** An address of this machine that a container reaches and that is in no network of docker's. */
const hostAddress = (): string => {
  const found = Object.entries(Os.networkInterfaces())
    .filter(([name]) => !/^(?:docker|br-)/.test(name))
    .flatMap(([, addresses]) => addresses ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal)
  return found?.address ?? assert.fail("this machine has no address")
}

/** What the proxy behind a socket answers for a URL; null when there is nobody. */
const get = (socketPath: string, url: string) =>
  Effect.async<Answer | null>((resume) => {
    const headers = { host: new URL(url).host }
    const request = Http.get({ socketPath, path: url, headers, agent: false }, (response) => {
      let body = ""
      response.setEncoding("utf8")
      response.on("data", (text: string) => (body += text))
      response.on("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, body })))
    })
    request.on("error", () => resume(Effect.succeed(null)))
    return Effect.sync(() => request.destroy())
  })

/** Whether node in a container reaches an address within its time. */
const reaches = (container: string, host: string, port: number) =>
  Effect.async<boolean>((resume) => {
    const script = `const s = require("net").connect(${port}, ${JSON.stringify(host)})
      s.on("connect", () => process.exit(0)); s.on("error", () => process.exit(1)); setTimeout(() => process.exit(2), 2000)`
    execFile("docker", ["exec", container, "node", "-e", script], { timeout: 30_000 }, (error) =>
      resume(Effect.succeed(error === null))
    )
  })

const policyOf = (document: Parameters<typeof Policy.fromDocument>[0]): Policy.Policy =>
  Either.getOrThrow(Policy.fromDocument(document))

/** A bundle that runs, of a bottle whose directories are in `directory`. */
const start = (directory: string, policy: Policy.Policy, options: { readonly topology?: "socket" | "address" } = {}) =>
  Effect.gen(function* () {
    const made = yield* Build
    const image = yield* BundleImage.reference(made)
    const settings = { ...settingsIn(directory), container: { program: "docker", image, build: made } }
    const decided = yield* LaunchPlan.make({
      id: yield* BottleId.make("test"),
      options: { source: { _tag: "Bare" }, bundle: "container", ...options },
      capabilities: Capabilities.fromVersion("1.9.3"),
      program: "smolvm",
      settings,
      routes: Subnet.parseRoutes(Fs.readFileSync("/proc/net/route", "utf8"))
    })
    Fs.mkdirSync(decided.directory, { recursive: true, mode: 0o700 })
    return yield* Effect.gen(function* () {
      const service = yield* Bundle
      const plan = yield* service.prepare(decided)
      const running = yield* service.start({ plan, policy, proof: "a-n0nce" })
      if (plan.bundle._tag !== "Container") return yield* Effect.dieMessage("no container is planned")
      const { address, gateway } = LaunchPlan.subnetOf(plan.bundle)
      return {
        ...running,
        plan,
        address,
        gateway,
        name: plan.bundle.container,
        socket: `${plan.directory}/egress.sock`
      }
    }).pipe(
      Effect.provide(bundleLayer),
      Effect.provideService(Engine.Engine, settings),
      Effect.provideService(LaunchObserver, {
        notify: (event) =>
          event._tag === "ReleaseFailed" ? Effect.dieMessage(`${event.resource}: ${event.reason}`) : Effect.void
      })
    )
  })

/** What is left in the daemon of the bottles whose directories are in `directory`. */
const left = (directory: string) => DockerDaemon.labelled(`bottle.owner=${settingsIn(directory).directories.run}`)

describe.skipIf(!isThere)(`a container bundle on a real docker${unless}`, () => {
  beforeAll(() => {
    execFileSync(process.execPath, [pathOf("../../cli/scripts/bundle.mjs"), "--quiet"], { stdio: "inherit" })
  }, TEST_MILLIS)

  layer(environment, { timeout: TEST_MILLIS, excludeTestServices: true })((it) => {
    it.effect(
      "serves what is allowed through the carried socket, refuses the rest, and leaves nothing",
      () =>
        Temp.withTempDir((directory) =>
          Effect.gen(function* () {
            yield* DockerDaemon.removing(`bottle.owner=${settingsIn(directory).directories.run}`)
            const scope = yield* Scope.make()
            yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
            const { port } = yield* upstream
            const outside = "host.bottle.invalid"
            const pinned = hostAddress()
            const policy = policyOf({ allow: [`${outside}:${port}`], resolve: { [outside]: pinned } })
            const bundle = yield* Scope.extend(start(directory, policy), scope)
            const { socket } = bundle

            assert.strictEqual(Fs.statSync(socket).mode & 0o777, 0o600)
            assert.deepStrictEqual(yield* get(socket, `http://${Proxy.PROOF_HOST}/`), { status: 200, body: "a-n0nce" })
            assert.deepStrictEqual(yield* get(socket, `http://${outside}:${port}/`), {
              status: 200,
              body: "from the host"
            })
            assert.strictEqual((yield* get(socket, `http://${pinned}:${port}/`))?.status, 403)
            assert.strictEqual((yield* get(socket, `http://${bundle.gateway}:${port}/`))?.status, 403)
            const decisions = yield* bundle.events.pipe(
              Stream.filter(({ phase }) => phase === "decision"),
              Stream.take(3),
              Stream.map(({ host, verdict }) => `${host} ${verdict}`),
              Stream.runCollect
            )
            assert.deepStrictEqual([...decisions], [`${outside} allow`, `${pinned} deny`, `${bundle.gateway} deny`])

            yield* bundle.reload(policyOf({ allow: [`${pinned}:${port}`] }))
            assert.strictEqual((yield* get(socket, `http://${outside}:${port}/`))?.status, 403)
            assert.strictEqual((yield* get(socket, `http://${pinned}:${port}/`))?.status, 200)

            assert.deepStrictEqual((yield* left(directory)).toSorted(), [
              `container ${bundle.name}`,
              `network ${bundle.name}`
            ])
            yield* Scope.close(scope, Exit.void)
            assert.deepStrictEqual(yield* left(directory), [])
            assert.isFalse(Fs.existsSync(socket))
            assert.isNull(yield* get(socket, `http://${Proxy.PROOF_HOST}/`))
          })
        ),
      TEST_MILLIS
    )

    it.effect(
      "keeps two bundles apart: neither container reaches the other's proxy",
      () =>
        Temp.withTempDir((directory) =>
          Effect.gen(function* () {
            yield* DockerDaemon.removing(`bottle.owner=${settingsIn(directory).directories.run}`)
            const [one, other] = yield* Effect.all(
              [start(directory, Policy.empty), start(directory, Policy.empty, { topology: "address" })],
              { concurrency: 2 }
            )
            assert.notStrictEqual(one.address, other.address)
            for (const [from, to] of [
              [one, other],
              [other, one]
            ] as const) {
              assert.isTrue(yield* reaches(from.name, from.address, 3128))
              assert.isFalse(yield* reaches(from.name, to.address, 3128))
            }
            // The bundle at an address has no socket of the host.
            assert.isTrue(Fs.existsSync(one.socket))
            assert.isFalse(Fs.existsSync(other.socket))
          })
        ),
      TEST_MILLIS
    )

    it.effect(
      "has died when its container is killed, and closes its socket",
      () =>
        Temp.withTempDir((directory) =>
          Effect.gen(function* () {
            yield* DockerDaemon.removing(`bottle.owner=${settingsIn(directory).directories.run}`)
            const bundle = yield* start(directory, Policy.empty)
            assert.strictEqual((yield* get(bundle.socket, `http://${Proxy.PROOF_HOST}/`))?.status, 200)
            const docker = yield* Docker.Docker
            yield* docker.containerKill({ name: bundle.name, signal: "SIGKILL" })
            const error = yield* Effect.timeout(Effect.flip(bundle.died), "30 seconds")
            assert.match(error.message, /its container ended with exit code 137/)
            yield* Wait.waitUntil(
              Effect.sync(() => !Fs.existsSync(bundle.socket)),
              { ...BOUND, what: "the socket's end" }
            )
            assert.isNull(yield* get(bundle.socket, `http://${Proxy.PROOF_HOST}/`))
          })
        ),
      TEST_MILLIS
    )
  })
})
