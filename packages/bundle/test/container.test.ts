import { Docker, layer as dockerLayer } from "@bottle/docker/Docker"
import type { RunOptions } from "@bottle/docker/Docker"
import * as Executor from "@bottle/process/Executor"
import * as DockerDaemon from "@bottle/testing/DockerDaemon"
import { directory } from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { execFile } from "node:child_process"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Url from "node:url"
import * as BundleOutput from "../src/BundleOutput.js"
import { get, server } from "./fixtures/http.js"
import { built } from "./fixtures/program.js"

const program = built("../../src/bin.ts", "bottle-bundle.mjs")
const dockerfile = Url.fileURLToPath(new URL("../Dockerfile", import.meta.url))

const label = `bottle.test=${randomUUID()}`
const [labelName = "", labelValue = ""] = label.split("=")
const labels = { [labelName]: labelValue }

const isThere = DockerDaemon.answers()
const unless = isThere ? "" : " (skipped: no docker daemon answers)"

class Image extends Context.Tag("Image")<Image, string>() {}

/** An image of this package's Dockerfile on this machine's own node. */
const image = Layer.scoped(
  Image,
  Effect.gen(function* () {
    const docker = yield* Docker
    const context = yield* directory
    Fs.copyFileSync(dockerfile, Path.join(context, "Dockerfile"))
    Fs.copyFileSync(program, Path.join(context, "bottle-bundle.mjs"))
    Fs.chmodSync(Path.join(context, "bottle-bundle.mjs"), 0o644)
    const base = yield* DockerDaemon.image({ programs: ["node"] })
    const tag = `bottle-bundle-test:${randomUUID()}`
    yield* Effect.acquireRelease(docker.imageBuild({ context, tag, args: { BASE: base }, labels }), () =>
      Effect.ignore(docker.imageRemove(tag))
    )
    yield* DockerDaemon.removing(label)
    return tag
  }).pipe(Effect.orDie)
)

const environment = Layer.provideMerge(image, Layer.provide(dockerLayer(), Executor.layer))

const proof = "a-proof-of-32-characters-or-more"

/** Tries networks until docker takes one: others of this machine may be in use. */
const network = Effect.gen(function* () {
  const docker = yield* Docker
  const name = `bottle-test-${randomUUID().slice(0, 8)}`
  const take = (third: number): Effect.Effect<string, unknown> =>
    docker.networkCreate({ name, subnet: `10.213.${third}.0/24`, gateway: `10.213.${third}.1`, labels }).pipe(
      Effect.as(`10.213.${third}`),
      Effect.catchTag("SubnetOverlap", (error) => (third < 250 ? take(third + 1) : Effect.fail(error)))
    )
  const prefix = yield* Effect.acquireRelease(take(1 + (process.pid % 100)), () =>
    Effect.ignore(docker.networkRemove(name))
  )
  return { name, gateway: `${prefix}.1`, address: `${prefix}.2` }
}).pipe(Effect.orDie)

/** A bundle's container, as a launch runs it. */
const start = (policy: unknown, options: Partial<RunOptions> = {}) =>
  Effect.gen(function* () {
    const docker = yield* Docker
    const place = yield* network
    const config = yield* directory
    Fs.chmodSync(config, 0o755)
    const put = (policy: unknown) => {
      Fs.writeFileSync(Path.join(config, ".policy"), JSON.stringify(policy))
      Fs.renameSync(Path.join(config, ".policy"), Path.join(config, "policy.json"))
    }
    put(policy)
    Fs.writeFileSync(Path.join(config, "proof"), proof)
    const { name } = place
    yield* Effect.acquireRelease(
      docker.containerRun({
        name,
        image: yield* Image,
        network: name,
        ip: place.address,
        labels,
        mounts: [{ host: config, container: "/etc/bottle", readonly: true }],
        tmpfs: [{ path: "/run", sizeMib: 1 }],
        readonlyRoot: true,
        user: "65532:65532",
        memoryMib: 256,
        pids: 64,
        ...options
      }),
      () => Effect.ignore(docker.containerRemove(name))
    )
    const said: Array<BundleOutput.Line> = []
    yield* docker.containerLogs(name).pipe(
      Stream.runForEach((line) => Effect.sync(() => said.push(BundleOutput.parse(line.text)))),
      Effect.forkScoped
    )
    const until = (tag: BundleOutput.Line["_tag"], count = 1) =>
      waitUntil(
        Effect.sync(() => said.filter((line) => line._tag === tag).length >= count),
        { boundMillis: 30_000, what: `${tag}, after ${JSON.stringify(said.slice(-3))}` }
      )
    const ended = docker
      .containerInspect(name)
      .pipe(
        Effect.map(Option.filter(({ status }) => status === "exited")),
        Effect.map(Option.map(({ exitCode }) => exitCode))
      )
    return {
      ...place,
      said,
      put,
      until,
      get: (url: string) => get(3128, url, place.address),
      signal: (signal: "SIGHUP" | "SIGTERM") => docker.containerKill({ name, signal }),
      /** Runs node in the container. */
      node: (...args: ReadonlyArray<string>) => exec(name, "node", ...args),
      ended: Effect.zipRight(
        waitUntil(Effect.map(ended, Option.isSome), { boundMillis: 30_000, what: "the container's end" }),
        Effect.map(ended, Option.getOrThrow)
      )
    }
  }).pipe(Effect.orDie)

const exec = (...args: ReadonlyArray<string>) =>
  Effect.async<{ readonly code: number; readonly stdout: string }>((resume) => {
    execFile("docker", ["exec", ...args], { encoding: "utf8", timeout: 30_000 }, (error, stdout) =>
      resume(Effect.succeed({ code: error === null ? 0 : Number(error.code), stdout }))
    )
  })

describe.skipIf(!isThere)(`the bundle's container${unless}`, () => {
  layer(environment, { timeout: 120_000, excludeTestServices: true })((it) => {
    it.scoped(
      "decides by its policy, answers for itself, and reads its policy again",
      () =>
        Effect.gen(function* () {
          const bundle = yield* start({ allow: ["allowed.example"] })
          yield* bundle.until("Ready")
          assert.deepStrictEqual(yield* bundle.get("http://proof.bottle.internal/"), { status: 200, body: proof })
          assert.strictEqual((yield* bundle.get("http://other.example/"))?.status, 403)
          yield* bundle.until("Event")
          const [event] = bundle.said.flatMap((line) => (line._tag === "Event" ? [line.event] : []))
          assert.deepStrictEqual([event?.host, event?.verdict], ["other.example", "deny"])

          bundle.put({ allow: [], deny: ["other.example"] })
          yield* bundle.signal("SIGHUP")
          yield* bundle.until("Reloaded")
          assert.strictEqual((yield* bundle.get("http://other.example/"))?.status, 403)
          yield* bundle.until("Event", 2)
          const reasons = bundle.said.flatMap((line) => (line._tag === "Event" ? [line.event.reason] : []))
          assert.deepStrictEqual(reasons, ["no-rule", "denied-by-rule"])

          bundle.put({ alow: [] })
          yield* bundle.signal("SIGHUP")
          yield* bundle.until("ReloadRefused")
          yield* bundle.signal("SIGTERM")
          assert.strictEqual(yield* bundle.ended, 143)
          yield* bundle.until("DaemonEnded")
        }),
      120_000
    )

    it.scoped(
      "dials what is allowed, and nothing of its own network",
      () =>
        Effect.gen(function* () {
          const bundle = yield* start({})
          yield* bundle.until("Ready")
          // Two addresses of this machine: one that the container reaches through its network, and the one in it.
          const outer = Object.values(Os.networkInterfaces())
            .flatMap((found) => found ?? [])
            .find(({ address, family, internal }) => family === "IPv4" && !internal && address !== bundle.gateway)
          assert.isDefined(outer)
          const allowed = yield* server(outer?.address ?? "")
          const inside = yield* server(bundle.gateway)
          bundle.put({
            allow: [
              `${outer?.address}:${allowed.port}`,
              `${bundle.gateway}:${inside.port}`,
              `10.0.0.0/8:${inside.port}`
            ]
          })
          yield* bundle.signal("SIGHUP")
          yield* bundle.until("Reloaded")
          assert.deepStrictEqual(yield* bundle.get(`http://${outer?.address}:${allowed.port}/`), {
            status: 200,
            body: "hello"
          })
          assert.strictEqual((yield* bundle.get(`http://${bundle.gateway}:${inside.port}/`))?.status, 403)
          assert.deepStrictEqual([allowed.count(), inside.count()], [1, 0])
        }),
      120_000
    )

    it.scoped(
      "needs no right, and writes nowhere but to /run",
      () =>
        Effect.gen(function* () {
          const bundle = yield* start({})
          yield* bundle.until("Ready")
          assert.deepStrictEqual(yield* bundle.node("/opt/bottle/bottle-bundle.mjs", "health"), {
            code: 0,
            stdout: "healthy\n"
          })
          const read = 'process.stdout.write(require("fs").readFileSync("/proc/1/status", "utf8"))'
          const { stdout } = yield* bundle.node("-e", read)
          assert.match(stdout, /^Uid:\t65532\t65532\t65532\t65532$/m)
          assert.match(stdout, /^CapEff:\t0+$/m)
          assert.match(stdout, /^CapBnd:\t0+$/m)
          assert.match(stdout, /^NoNewPrivs:\t1$/m)
          const write = (path: string) => `require("fs").writeFileSync(${JSON.stringify(path)}, "")`
          assert.strictEqual((yield* bundle.node("-e", write("/run/file"))).code, 0)
          for (const path of ["/file", "/tmp/file", "/opt/bottle/file", "/etc/bottle/policy.json"]) {
            assert.notStrictEqual((yield* bundle.node("-e", write(path))).code, 0)
          }
        }),
      120_000
    )

    it.scoped(
      "idles without daemons, and listens nowhere",
      () =>
        Effect.gen(function* () {
          const bundle = yield* start({}, { env: { BOTTLE_DAEMONS: "" } })
          yield* bundle.until("Ready")
          assert.deepInclude(bundle.said, { _tag: "Said", name: "init", text: "no daemons selected" })
          assert.isNull(yield* bundle.get("http://proof.bottle.internal/"))
          yield* bundle.signal("SIGTERM")
          assert.strictEqual(yield* bundle.ended, 143)
        }),
      120_000
    )
  })
})
