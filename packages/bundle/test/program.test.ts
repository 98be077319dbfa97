import { directory } from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as BundleConfig from "../src/BundleConfig.js"
import * as BundleOutput from "../src/BundleOutput.js"
import { get, server, tunnel } from "./fixtures/http.js"
import { built } from "./fixtures/program.js"
import * as Running from "./fixtures/running.js"

const program = built("../../src/bin.ts", "bottle-bundle.mjs")

const proof = "a-proof-of-32-characters-or-more"

interface Options {
  readonly policy: unknown
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
}

const isTagged = <T extends BundleOutput.Line["_tag"]>(
  line: BundleOutput.Line,
  tag: T
): line is Extract<BundleOutput.Line, { _tag: T }> => line._tag === tag

/** The program with its own configuration, on a free port of the loopback. */
const start = (options: Options) =>
  Effect.gen(function* () {
    const config = yield* directory
    const state = yield* directory
    const put = (name: string, text: string) => {
      Fs.writeFileSync(Path.join(config, `.${name}`), text)
      Fs.renameSync(Path.join(config, `.${name}`), Path.join(config, name))
    }
    put("policy.json", JSON.stringify(options.policy))
    put("proof", `${proof}\n`)
    for (const [name, text] of Object.entries(options.files ?? {})) put(name, text)
    const env = { BOTTLE_CONFIG: config, BOTTLE_RUN: state, BOTTLE_LISTEN: "127.0.0.1:0", ...options.env }
    const running = yield* Running.start([program, ...(options.args ?? [])], env)
    const read = () => running.lines().map(BundleOutput.parse)
    const until = <T extends BundleOutput.Line["_tag"]>(
      tag: T,
      fits: (line: Extract<BundleOutput.Line, { _tag: T }>) => boolean = () => true
    ) => {
      const find = (text: string) => {
        const line = BundleOutput.parse(text)
        return isTagged(line, tag) && fits(line) ? line : undefined
      }
      return Effect.map(
        running.until((text) => find(text) !== undefined),
        (text) => find(text) ?? assert.fail(text)
      )
    }
    return {
      ...running,
      config,
      /** Hands credentials over as the launch does; gives the exit code, and what was said. */
      handOver: (text: string) =>
        Effect.async<{ readonly code: number | null; readonly said: string }>((resume) => {
          const child = spawn(process.execPath, [program, "credentials"], { stdio: "pipe", env })
          let said = ""
          for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (bytes: Buffer) => (said += String(bytes)))
          child.on("close", (code) => resume(Effect.succeed({ code, said })))
          child.stdin.end(text)
          return Effect.sync(() => child.kill("SIGKILL"))
        }),
      put,
      read,
      until,
      ask: (...args: ReadonlyArray<string>) => Running.start([program, ...args], env),
      signal: (name: NodeJS.Signals) => running.process.kill(name),
      port: Effect.map(until("Listening"), ({ at }) => Number(at.split(":").at(-1))),
      says: (line: string) => running.until((said) => said === line)
    }
  })

const live = (name: string, test: () => Effect.Effect<void, never, Scope.Scope>) => it.scopedLive(name, test, 60_000)

/** An address of this machine that others could reach, if it has one. */
const outer = Object.values(Os.networkInterfaces())
  .flatMap((found) => found ?? [])
  .find(({ family, internal }) => !internal && family === "IPv4")

describe("bottle-bundle", () => {
  live("starts the egress daemon, which follows its policy and says what it decided", () =>
    Effect.gen(function* () {
      const { count, port: upstream } = yield* server("127.0.0.1")
      const bundle = yield* start({
        policy: { allow: [`allowed.example:${upstream}`], resolve: { "allowed.example": "127.0.0.1" } }
      })
      const port = yield* bundle.port
      yield* bundle.says("init | ready egress")
      assert.deepStrictEqual(yield* get(port, `http://allowed.example:${upstream}/`), { status: 200, body: "hello" })
      assert.strictEqual((yield* get(port, `http://other.example:${upstream}/`))?.status, 403)
      assert.strictEqual(count(), 1)
      const { event: allowed } = yield* bundle.until("Event", ({ event }) => event.phase === "closed")
      assert.deepStrictEqual(
        [allowed.host, allowed.port, allowed.address, allowed.verdict, allowed.reason],
        ["allowed.example", upstream, "127.0.0.1", "allow", "completed"]
      )
      const { event: denied, name } = yield* bundle.until("Event", ({ event }) => event.verdict === "deny")
      assert.deepStrictEqual([name, denied.host, denied.reason], ["egress", "other.example", "no-rule"])
    })
  )

  live("answers for itself with its proof, and makes no event of it", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ policy: {} })
      const port = yield* bundle.port
      assert.deepStrictEqual(yield* get(port, "http://proof.bottle.internal/"), { status: 200, body: proof })
      assert.strictEqual((yield* get(port, "http://proof.example/"))?.status, 403)
      yield* bundle.until("Event", ({ event }) => event.host === "proof.example")
      assert.lengthOf(
        bundle.read().filter((line) => line._tag === "Event"),
        1
      )
    })
  )

  live("listens when it has the values of its credentials, and serves every later policy with them", () =>
    Effect.gen(function* () {
      const { count, port: upstream } = yield* server("127.0.0.1")
      const api = { source: { env: "K" }, header: "x-api-key", upstream: `http://127.0.0.1:${upstream}` }
      const bundle = yield* start({ policy: { credentials: { api } } })
      const document = (credentials: Readonly<Record<string, string>>) => JSON.stringify({ version: 1, credentials })
      assert.deepStrictEqual(yield* bundle.handOver(document({ other: "hunter2" })), {
        code: 1,
        said: "the credential api has no value\n"
      })
      assert.lengthOf(bundle.lines(), 0)
      assert.deepStrictEqual(yield* bundle.handOver(document({ api: "hunter2" })), { code: 0, said: "" })
      const port = yield* bundle.port
      const use = get(port, `http://127.0.0.1:${port}/credentials/api/v1`)
      assert.deepStrictEqual(yield* use, { status: 200, body: "hello" })

      const narrow = JSON.stringify({ credentials: { api: { ...api, paths: ["/v2/*"] } } })
      bundle.put("policy.json", narrow)
      bundle.signal("SIGHUP")
      yield* bundle.says(`egress | reloaded ${BundleConfig.policyDigest(narrow)}`)
      assert.strictEqual((yield* use)?.status, 403)
      assert.strictEqual((yield* get(port, `http://127.0.0.1:${port}/credentials/api/v2/x`))?.status, 200)
      assert.strictEqual(count(), 2)
      assert.notInclude(bundle.lines().join("\n"), "hunter2")
    })
  )

  live("follows a new policy after SIGHUP, and keeps the old one when the new one is none", () =>
    Effect.gen(function* () {
      const { port: upstream } = yield* server("127.0.0.1")
      const resolve = { "one.example": "127.0.0.1", "two.example": "127.0.0.1" }
      const bundle = yield* start({ policy: { allow: [`one.example:${upstream}`], resolve } })
      const port = yield* bundle.port
      const status = (name: string) =>
        Effect.map(get(port, `http://${name}.example:${upstream}/`), (answer) => answer?.status)
      assert.deepStrictEqual([yield* status("one"), yield* status("two")], [200, 403])

      const two = JSON.stringify({ allow: [`two.example:${upstream}`], resolve })
      bundle.put("policy.json", two)
      bundle.signal("SIGHUP")
      yield* bundle.says(`egress | reloaded ${BundleConfig.policyDigest(two)}`)
      assert.deepStrictEqual([yield* status("one"), yield* status("two")], [403, 200])

      const broken = '{ "allow": ["one.example"'
      bundle.put("policy.json", broken)
      bundle.signal("SIGHUP")
      yield* bundle.until("ReloadRefused", ({ policy }) => policy === BundleConfig.policyDigest(broken))
      assert.deepStrictEqual([yield* status("one"), yield* status("two")], [403, 200])

      bundle.put("policy.json", JSON.stringify({ alow: [] }))
      bundle.signal("SIGHUP")
      yield* bundle.until("ReloadRefused", ({ reason }) => reason.includes('"alow"'))
      Fs.rmSync(Path.join(bundle.config, "policy.json"))
      bundle.signal("SIGHUP")
      yield* bundle.until("ReloadRefused", ({ policy, reason }) => policy === null && reason.includes("ENOENT"))
      assert.deepStrictEqual([yield* status("one"), yield* status("two")], [403, 200])
    })
  )

  live(
    outer === undefined
      ? "never dials its own networks (skipped: this machine has no address but the loopback's)"
      : "never dials its own networks, whatever lists them",
    () =>
      Effect.gen(function* () {
        if (outer === undefined) return
        const mine = yield* server(outer.address)
        const allowed = yield* server("127.0.0.1")
        const bundle = yield* start({
          policy: {
            allow: [
              `allowed.example:${allowed.port}`,
              { host: `inside.example:${mine.port}`, addresses: [outer.address] },
              `${outer.address}:${mine.port}`,
              `${outer.address}/32:${mine.port}`
            ],
            resolve: { "allowed.example": "127.0.0.1", "inside.example": outer.address }
          }
        })
        const port = yield* bundle.port
        assert.strictEqual((yield* get(port, `http://allowed.example:${allowed.port}/`))?.status, 200)
        assert.strictEqual(yield* tunnel(port, `allowed.example:${allowed.port}`), 200)
        for (const host of ["inside.example", outer.address]) {
          assert.strictEqual((yield* get(port, `http://${host}:${mine.port}/`))?.status, 403)
          assert.strictEqual(yield* tunnel(port, `${host}:${mine.port}`), 403)
        }
        assert.strictEqual(mine.count(), 0)
        assert.strictEqual(allowed.count(), 2)
      })
  )

  live("holds nobody up while its lines are not read, and shows what is lost by the numbers", () =>
    Effect.gen(function* () {
      // More than the proxy keeps and all pipes hold.
      const count = 6000
      const { port: upstream } = yield* server("127.0.0.1")
      const bundle = yield* start({ policy: {} })
      const port = yield* bundle.port
      bundle.process.stdout?.pause()
      yield* Effect.forEach(Array.from({ length: count }), () => get(port, "http://other.example/"), {
        concurrency: 16,
        discard: true
      })
      const resolve = { "soon.example": "127.0.0.1", "late.example": "127.0.0.1" }
      for (const host of ["soon.example", "late.example"]) {
        bundle.put("policy.json", JSON.stringify({ allow: [`${host}:${upstream}`], resolve }))
        bundle.signal("SIGHUP")
        // It says nothing now that could be waited for.
        yield* waitUntil(
          Effect.map(get(port, `http://${host}:${upstream}/`), (answer) => answer?.status === 200),
          { boundMillis: 30_000, what: "a policy that is followed although nobody reads" }
        )
      }
      bundle.process.stdout?.resume()
      yield* bundle.until("Event", ({ event }) => event.host === "late.example" && event.phase === "closed")
      const sequences = bundle.read().flatMap((line) => (line._tag === "Event" ? [line.event.sequence] : []))
      assert.isAbove(Math.max(...sequences), count)
      assert.isBelow(sequences.length, count)
      assert.deepStrictEqual(
        sequences,
        [...new Set(sequences)].sort((a, b) => a - b)
      )
    })
  )

  live("ends with what it has decided when it is told to", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ policy: {} })
      const port = yield* bundle.port
      assert.strictEqual((yield* get(port, "http://last.example/"))?.status, 403)
      bundle.signal("SIGTERM")
      assert.strictEqual(yield* bundle.ended, 143)
      assert.isNull(yield* get(port, "http://last.example/"))
      const lines = bundle.read()
      assert.isTrue(lines.some((line) => line._tag === "Event" && line.event.host === "last.example"))
      assert.deepStrictEqual(lines.at(-1), { _tag: "DaemonEnded", name: "egress", code: 0, signal: null })
    })
  )

  live("says how it is, and is not healthy without its daemon", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ policy: {} })
      yield* bundle.until("Ready")
      const well = yield* bundle.ask("health")
      assert.strictEqual(yield* well.ended, 0)
      assert.deepStrictEqual(well.lines(), ["healthy"])
      for (const pid of yield* bundle.others) process.kill(pid, "SIGKILL")
      yield* bundle.until("DaemonEnded", ({ signal }) => signal === "SIGKILL")
      assert.strictEqual(yield* bundle.ended, 1)
      const ill = yield* bundle.ask("health")
      assert.strictEqual(yield* ill.ended, 1)
      assert.deepStrictEqual(ill.lines(), ["unhealthy: ended: egress"])
    })
  )

  live("keeps its last word of health until the state is known", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ policy: {}, env: { BOTTLE_DAEMONS: "" } })
      yield* bundle.says("init ! no daemons selected")
      yield* bundle.until("Ready")
      const well = yield* bundle.ask("health")
      assert.strictEqual(yield* well.ended, 0)
      const elsewhere = yield* Running.start([program, "health"], { BOTTLE_RUN: bundle.config })
      assert.strictEqual(yield* elsewhere.ended, 1)
    })
  )

  for (const [what, options, expected] of [
    ["a policy that is none", { policy: { allow: [5] } }, /allow\[0\]/],
    ["an address that is none", { policy: {}, env: { BOTTLE_LISTEN: "somewhere" } }, /BOTTLE_LISTEN is "somewhere"/],
    ["a place that it may not take", { policy: {}, env: { BOTTLE_LISTEN: "192.0.2.1:3128" } }, /cannot listen/],
    ["a configuration that is not there", { policy: {}, env: { BOTTLE_CONFIG: "/nonexistent" } }, /ENOENT/],
    ["a proof of two lines", { policy: {}, files: { proof: "one\ntwo" } }, /proof cannot be used/],
    ["a policy without end", { policy: {}, files: { "policy.json": " ".repeat(2 ** 20 + 1) } }, /too large/],
    ["host addresses without end", { policy: {}, files: { "host-addresses": "x".repeat(2 ** 16 + 1) } }, /addresses/]
  ] as const) {
    live(`does not start with ${what}, and says so in one line`, () =>
      Effect.gen(function* () {
        const bundle = yield* start(options)
        assert.strictEqual(yield* bundle.ended, 1)
        const said = bundle.lines().filter((line) => line.startsWith("egress"))
        assert.lengthOf(said, 1)
        assert.match(said[0] ?? "", expected)
        assert.strictEqual(bundle.read().at(-1)?._tag === "Said", true)
        assert.isFalse(bundle.read().some((line) => line._tag === "Ready"))
      })
    )
  }

  live("refuses an unknown daemon and an unknown word", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ policy: {}, env: { BOTTLE_DAEMONS: "egress,git" } })
      assert.strictEqual(yield* bundle.ended, 2)
      assert.match(bundle.lines().join("\n"), /^init ! "git" is not a daemon of this bundle, which has: egress\./)
      const word = yield* start({ policy: {}, args: ["helth"] })
      assert.strictEqual(yield* word.ended, 2)
    })
  )
})
