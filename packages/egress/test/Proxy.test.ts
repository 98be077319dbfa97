import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { EgressEvent } from "../src/EgressEvent.js"
import * as Policy from "../src/Policy.js"
import * as Proxy from "../src/Proxy.js"
import type { Listen, ListenRefused } from "../src/ProxyError.js"
import * as Client from "./fixtures/client.js"
import { temporary } from "./fixtures/directory.js"
import * as Fixture from "./fixtures/proxy.js"
import * as Servers from "./fixtures/servers.js"

const web = Servers.httpUpstream((_, response) => response.end("ok"))

const allow = (...entries: ReadonlyArray<string>): Policy.Policy => Either.getOrThrow(Policy.make({ allow: entries }))

const refusal = (listen: Listen): Effect.Effect<ListenRefused, unknown, Scope.Scope> =>
  Effect.flatMap(Effect.flip(Proxy.serve({ policy: Policy.empty, listen })), (error) =>
    error._tag === "ListenRefused" ? Effect.succeed(error) : Effect.die(error)
  )

/** A socket file that a dead owner left behind. */
const leaveStale = (path: string): Effect.Effect<void> =>
  Effect.async((resume) => {
    const server = Net.createServer()
    server.listen({ path: `${path}.old` }, () => {
      // Closing removes the name it was made with, and only that.
      Fs.renameSync(`${path}.old`, path)
      server.close(() => resume(Effect.void))
    })
  })

describe("a proxy on a Unix socket", () => {
  it.scopedLive("answers there, with the mode it was given", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const directory = yield* temporary
      for (const [name, mode] of [
        ["a.sock", undefined],
        ["b.sock", 0o660]
      ] as const) {
        const path = `${directory}/${name}`
        const umask = process.umask()
        const proxy = yield* Proxy.serve({
          policy: allow(`127.0.0.1:${upstream.port}`),
          listen: { _tag: "Unix", path, ...(mode === undefined ? {} : { mode }) }
        })
        assert.strictEqual(process.umask(), umask)
        const found = Fs.lstatSync(path)
        assert.isTrue(found.isSocket())
        assert.strictEqual(found.mode & 0o777, mode ?? 0o600)
        const answer = yield* Client.request(proxy.address, `http://127.0.0.1:${upstream.port}/`)
        assert.deepStrictEqual([answer.status, answer.body], [200, "ok"])
        assert.strictEqual((yield* Client.request(proxy.address, "http://evil.test/")).status, 403)

        const client = yield* Client.wire(proxy.address)
        yield* client.send(`CONNECT 127.0.0.1:${upstream.port} HTTP/1.1\r\n\r\nGET / HTTP/1.0\r\n\r\n`)
        assert.match(
          yield* client.readAll,
          /^HTTP\/1\.1 200 Connection Established\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*ok$/
        )
      }
    })
  )

  it.scopedLive("ends its upstream when its client goes away", () =>
    Effect.gen(function* () {
      const ended = yield* Deferred.make<void>()
      const upstream = yield* Servers.tcpUpstream((socket) => {
        socket.on("end", () => Deferred.unsafeDone(ended, Effect.void))
        socket.resume()
      })
      const directory = yield* temporary
      const proxy = yield* Proxy.serve({
        policy: allow(`127.0.0.1:${upstream.port}`),
        listen: { _tag: "Unix", path: `${directory}/a.sock` }
      })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(`CONNECT 127.0.0.1:${upstream.port} HTTP/1.1\r\n\r\n`)
      yield* client.readUntil("\r\n\r\n")
      yield* Effect.sync(() => client.socket.destroy())
      yield* Deferred.await(ended)
    })
  )

  it.scopedLive("takes the place of a socket whose owner is dead", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const path = `${directory}/a.sock`
      yield* leaveStale(path)
      const proxy = yield* Proxy.serve({ policy: Policy.empty, listen: { _tag: "Unix", path } })
      assert.strictEqual((yield* Client.request(proxy.address, "http://evil.test/")).status, 403)
    })
  )

  it.scopedLive("leaves a socket alone whose owner lives", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const path = `${directory}/a.sock`
      const first = yield* Proxy.serve({ policy: Policy.empty, listen: { _tag: "Unix", path } })
      const error = yield* refusal({ _tag: "Unix", path })
      assert.strictEqual(error.reason, "in-use")
      assert.strictEqual((yield* Client.request(first.address, "http://evil.test/")).status, 403)
    })
  )

  it.scopedLive("leaves alone what is not a socket", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const path = `${directory}/a.sock`
      Fs.writeFileSync(path, "precious")
      assert.strictEqual((yield* refusal({ _tag: "Unix", path })).reason, "not-a-socket")
      assert.strictEqual(Fs.readFileSync(path, "utf8"), "precious")
      Fs.symlinkSync("/dev/null", `${directory}/link`)
      assert.strictEqual((yield* refusal({ _tag: "Unix", path: `${directory}/link` })).reason, "not-a-socket")
    })
  )

  it.scopedLive("takes a path of 107 bytes and none of 108", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const longest = `${directory}/${"a".repeat(107 - directory.length - 1)}`
      yield* Proxy.serve({ policy: Policy.empty, listen: { _tag: "Unix", path: longest } })
      assert.isTrue(Fs.lstatSync(longest).isSocket())
      assert.strictEqual((yield* refusal({ _tag: "Unix", path: `${longest}b` })).reason, "path-too-long")
      const wide = `${directory}/${"é".repeat(60)}`
      assert.strictEqual((yield* refusal({ _tag: "Unix", path: wide })).reason, "path-too-long")
    })
  )

  it.scopedLive("says why it cannot listen", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      Fs.writeFileSync(`${directory}/file`, "")
      const taken = yield* Fixture.serve({ allow: [] })
      const cases: ReadonlyArray<readonly [Listen, ListenRefused["reason"]]> = [
        [{ _tag: "Unix", path: "" }, "path-invalid"],
        [{ _tag: "Unix", path: "relative.sock" }, "path-invalid"],
        [{ _tag: "Unix", path: `${directory}/a\0b` }, "path-invalid"],
        [{ _tag: "Unix", path: `${directory}/none/a.sock` }, "directory-missing"],
        [{ _tag: "Unix", path: `${directory}/file/a.sock` }, "directory-missing"],
        [taken.address, "in-use"],
        [{ _tag: "Tcp", host: "localhost", port: 0 }, "address-unavailable"],
        [{ _tag: "Tcp", host: "203.0.113.1", port: 0 }, "address-unavailable"]
      ]
      for (const [listen, reason] of cases) {
        const error = yield* refusal(listen)
        assert.strictEqual(error.reason, reason, JSON.stringify(listen))
        assert.match(error.message, /^The egress proxy cannot listen on "[^\n\0]*": [\x20-\x7e]+$/)
        assert.match(error.suggestion, /^[\x20-\x7e]+$/)
      }
    })
  )
})

describe("a proxy whose scope is closed", () => {
  it.live("leaves no socket, no file and nothing running, whatever was under way", () =>
    Effect.gen(function* () {
      const outer = yield* Scope.make()
      const within = Scope.extend(outer)
      const upstream = yield* web.pipe(within)
      const quiet = yield* Servers.tcpUpstream((socket) => {
        socket.resume()
      }).pipe(within)
      const directory = yield* temporary.pipe(within)
      const path = `${directory}/a.sock`
      const resources = (): ReadonlyArray<string> =>
        process
          .getActiveResourcesInfo()
          .filter((name) => /^(?:TCP|Pipe)/.test(name))
          .sort()

      const before = resources()
      const interrupted = yield* Deferred.make<void>()
      const asked = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const host = `127.0.0.1:${upstream.port}`
      const silentHost = `127.0.0.1:${quiet.port}`
      const proxy = yield* Proxy.serve({
        policy: allow(host, silentHost, "slow.test"),
        listen: { _tag: "Unix", path },
        resolver: {
          resolve: () =>
            Effect.zipRight(Deferred.succeed(asked, undefined), Effect.never).pipe(
              Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
            )
        }
      }).pipe(Scope.extend(scope))
      const events = yield* Effect.fork(Stream.runCollect(proxy.events))

      const clients = Array.from({ length: 6 }, () => new Client.Wire(proxy.address))
      const [kept, tunnel, waiting, resolving, half, refused] = clients
      yield* kept?.send(`GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`) ?? Effect.void
      yield* tunnel?.send(`CONNECT ${silentHost} HTTP/1.1\r\n\r\n`) ?? Effect.void
      yield* waiting?.send(`GET http://${silentHost}/ HTTP/1.1\r\nHost: ${silentHost}\r\n\r\n`) ?? Effect.void
      yield* resolving?.send("CONNECT slow.test:443 HTTP/1.1\r\n\r\n") ?? Effect.void
      yield* half?.send("GET http://") ?? Effect.void
      yield* refused?.send("CONNECT evil.test:443 HTTP/1.1\r\n\r\n") ?? Effect.void
      yield* kept?.readUntil("ok") ?? Effect.void
      yield* tunnel?.readUntil("\r\n\r\n") ?? Effect.void
      yield* refused?.readUntil("--allow") ?? Effect.void
      yield* Deferred.await(asked)

      yield* Scope.close(scope, Exit.void)
      for (const client of clients) {
        yield* client.end()
        yield* client.closed
      }
      yield* Deferred.await(interrupted)
      assert.isFalse(Fs.existsSync(path))
      assert.deepStrictEqual(Fs.readdirSync(directory), [])
      const error = yield* Effect.flip(proxy.closed)
      assert.deepStrictEqual(
        [error._tag, error.reason, error.message],
        ["ProxyClosed", "scope-closed", "The egress proxy has stopped"]
      )
      const log = Chunk.toReadonlyArray(yield* Fiber.join(events))
      const ends = log.filter((event) => event.phase === "closed").map((event) => event.reason)
      assert.deepStrictEqual([...ends].sort(), ["completed", "shut-down", "shut-down", "shut-down"])
      // What the upstreams of this test still hold ends with the connections to them.
      yield* Scope.close(outer, Exit.void)
      assert.isAtMost(resources().length, before.length)
      yield* Effect.flip(Effect.tryPromise(() => new Promise((_, reject) => Net.connect({ path }).on("error", reject))))
    })
  )

  it.live("is not there when it was interrupted while it was starting", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const directory = yield* temporary.pipe(Scope.extend(scope))
      const path = `${directory}/a.sock`
      const started = yield* Effect.fork(
        Effect.scoped(
          Effect.zipRight(Proxy.serve({ policy: Policy.empty, listen: { _tag: "Unix", path } }), Effect.never)
        )
      )
      yield* Fiber.interrupt(started)
      assert.deepStrictEqual(Fs.readdirSync(directory), [])
      yield* Scope.close(scope, Exit.void)
    })
  )
})

describe("the decision log", () => {
  const refuseOne = (proxy: Proxy.RunningProxy, index: number) =>
    Client.request(proxy.address, `http://evil${index}.test/`)

  it.scopedLive("encodes to JSON and comes back", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const proxy = yield* Fixture.serve({ allow: [`127.0.0.1:${upstream.port}`] })
      yield* Client.request(proxy.address, `http://127.0.0.1:${upstream.port}/`)
      yield* refuseOne(proxy, 1)
      const client = yield* Client.wire(proxy.address)
      yield* client.send("\u0000\u001b]0;title\u0007 / HTTP/1.1\r\n\r\n")
      const events = yield* Fixture.eventsUntil(proxy, (event) => event.reason === "request-malformed")
      assert.deepStrictEqual(
        events.map((event) => event.reason),
        ["allowed", "completed", "no-rule", "request-malformed"]
      )
      for (const event of events) {
        const text = JSON.stringify(Schema.encodeSync(EgressEvent)(event))
        assert.match(text, /^[\x20-\x7e]+$/)
        assert.deepStrictEqual(Schema.decodeUnknownSync(EgressEvent)(JSON.parse(text)), event)
      }
    })
  )

  it.scopedLive("is read from its beginning by every reader, as far as it is kept", () =>
    Effect.gen(function* () {
      const proxy = yield* Fixture.serve({ allow: [], limits: { events: 3 } })
      for (let index = 1; index <= 5; index++) yield* refuseOne(proxy, index)
      for (const _ of [1, 2]) {
        const events = yield* Fixture.eventsUntil(proxy, (event) => event.sequence === 5)
        assert.deepStrictEqual(
          events.map((event) => [event.sequence, event.host]),
          [
            [3, "evil3.test"],
            [4, "evil4.test"],
            [5, "evil5.test"]
          ]
        )
      }
      assert.strictEqual(yield* proxy.dropped, 0)
    })
  )

  it.scopedLive("does not wait for a slow reader, and counts what that one lost", () =>
    Effect.gen(function* () {
      const proxy = yield* Fixture.serve({ allow: [], limits: { events: 3 } })
      yield* refuseOne(proxy, 1)
      const isReading = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const slow = yield* proxy.events.pipe(
        Stream.tap((event) =>
          event.sequence === 1
            ? Effect.zipRight(Deferred.succeed(isReading, undefined), Deferred.await(goOn))
            : Effect.void
        ),
        Stream.takeUntil((event) => event.sequence === 10),
        Stream.runCollect,
        Effect.fork
      )
      yield* Deferred.await(isReading)
      for (let index = 2; index <= 10; index++) yield* refuseOne(proxy, index)
      yield* Deferred.succeed(goOn, undefined)
      const sequences = Chunk.toReadonlyArray(yield* Fiber.join(slow)).map((event) => event.sequence)
      assert.deepStrictEqual(sequences, [1, 8, 9, 10])
      assert.strictEqual(yield* proxy.dropped, 6)
    })
  )

  it.scopedLive("gives a waiting reader the next event, and lets one leave", () =>
    Effect.gen(function* () {
      const proxy = yield* Fixture.serve({ allow: [] })
      const leaving = yield* Effect.fork(Stream.runDrain(proxy.events))
      const first = yield* Effect.fork(Stream.runHead(proxy.events))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(leaving)
      yield* refuseOne(proxy, 1)
      assert.strictEqual(Option.getOrThrow(yield* Fiber.join(first)).host, "evil1.test")
    })
  )
})
