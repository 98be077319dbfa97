import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Client from "./fixtures/client.js"
import * as Fixture from "./fixtures/proxy.js"
import * as Servers from "./fixtures/servers.js"
import { InterfacesUnreadable, system as systemInterfaces } from "../src/Interfaces.js"
import * as Policy from "../src/Policy.js"
import type { RunningProxy } from "../src/Proxy.js"
import * as Proxy from "../src/Proxy.js"

const web = Servers.httpUpstream((_, response) => response.end("ok"))

describe("an address that is not public", () => {
  it.scopedLive("is refused when a name turns out to have it, on CONNECT and on plain requests alike", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const resolver = Fixture.recording(() => ["127.0.0.1"])
      const proxy = yield* Fixture.serve({ allow: [`web.test:${upstream.port}`], resolver })
      const authority = `web.test:${upstream.port}`
      const answer = yield* Client.request(proxy.address, `http://${authority}/`)
      assert.strictEqual(answer.status, 403)
      assert.strictEqual(
        answer.body,
        `bottle refused GET ${authority}: its name resolves to 127.0.0.1, a loopback address that no rule lists.\n` +
          `Rule: ${authority}.\n` +
          `To allow it: launch with --allow ${authority} --resolve web.test=127.0.0.1\n`
      )
      const client = yield* Client.wire(proxy.address)
      yield* client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`)
      const { body, head } = yield* client.readResponse
      assert.match(head, /^HTTP\/1\.1 403 [^]*X-Bottle-Refused: address-not-public; target="web\.test:/)
      assert.strictEqual(body, answer.body.replace("GET", "CONNECT"))

      const event = yield* Fixture.lastOf(proxy, 1)
      assert.deepStrictEqual(
        [event.verdict, event.reason, event.address, event.rule],
        ["deny", "address-not-public", "127.0.0.1", authority]
      )
      assert.strictEqual(upstream.connections(), 0)
    })
  )

  const ways: ReadonlyArray<readonly [string, (port: number) => Parameters<typeof Fixture.serve>[0]]> = [
    [
      "a range of the rule holds it",
      (port) => ({
        allow: [{ host: `web.test:${port}`, addresses: ["127.0.0.0/8"] }],
        resolver: Fixture.recording(() => ["127.0.0.1"])
      })
    ],
    [
      "a rule is that address and port",
      (port) => ({
        allow: [`web.test:${port}`, `127.0.0.1:${port}`],
        resolver: Fixture.recording(() => ["127.0.0.1"])
      })
    ],
    ["the user pinned the name to it", (port) => ({ allow: [`web.test:${port}`], resolve: ["WEB.test.=127.1"] })]
  ]

  it.scopedLive.each(ways)("is dialled when %s", ([, options]) =>
    Effect.gen(function* () {
      const upstream = yield* web
      const proxy = yield* Fixture.serve(options(upstream.port))
      const answer = yield* Client.request(proxy.address, `http://web.test:${upstream.port}/`)
      assert.deepStrictEqual([answer.status, answer.body], [200, "ok"])
    })
  )

  it.scopedLive("is refused when what is listed is another port of it", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const proxy = yield* Fixture.serve({
        allow: [`web.test:${upstream.port}`, "127.0.0.1:1"],
        resolver: Fixture.recording(() => ["127.0.0.1"])
      })
      assert.strictEqual((yield* Client.request(proxy.address, `http://web.test:${upstream.port}/`)).status, 403)
      assert.strictEqual(upstream.connections(), 0)
    })
  )

  it.scopedLive("is not reached through a pin alone: a pin allows no name", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const proxy = yield* Fixture.serve({
        allow: [`good.test:${upstream.port}`],
        resolve: ["web.test=127.0.0.1", "good.test=127.0.0.1"]
      })
      assert.strictEqual((yield* Client.request(proxy.address, `http://web.test:${upstream.port}/`)).status, 403)
      assert.strictEqual((yield* Client.request(proxy.address, `http://good.test:${upstream.port}/`)).status, 200)
    })
  )

  it.scopedLive("refuses the whole name when it is one of several answers", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const proxy = yield* Fixture.serve({
        allow: [{ host: `*.test:${upstream.port}`, addresses: ["127.0.0.1"] }],
        resolver: Fixture.recording((name) => (name === "a.test" ? ["127.0.0.1", "10.0.0.1"] : ["127.0.0.1"]))
      })
      const refused = yield* Client.request(proxy.address, `http://a.test:${upstream.port}/`)
      assert.strictEqual(refused.status, 403)
      assert.include(refused.body, "10.0.0.1, a private address")
      assert.strictEqual(upstream.connections(), 0)
      assert.strictEqual((yield* Client.request(proxy.address, `http://b.test:${upstream.port}/`)).status, 200)
    })
  )
})

describe("an address of this machine", () => {
  it.scopedLive("is refused when a name turns out to have it, and the next one is judged by itself", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const authority = `web.test:${upstream.port}`
      const proxy = yield* Fixture.serve({
        allow: [authority, `good.test:${upstream.port}`],
        resolve: ["good.test=127.0.0.1"],
        // The second address refuses the name in any case, so that nothing is dialled.
        resolver: Fixture.recording((_, call) => [call === 1 ? "9.9.9.9" : "9.1.77.7", "10.0.0.1"]),
        interfaces: { addresses: Effect.succeed(["127.0.0.1/8", "fe80::1%eth0", "::ffff:9.9.9.9", "9.1.2.3/16"]) }
      })
      const answer = yield* Client.request(proxy.address, `http://${authority}/`)
      assert.strictEqual(answer.status, 403)
      assert.include(answer.body, "its name resolves to 9.9.9.9, an address of this machine that no rule lists.\n")
      assert.include(answer.body, `--allow ${authority} --resolve web.test=9.9.9.9\n`)
      const event = yield* Fixture.lastOf(proxy, 1)
      assert.deepStrictEqual([event.reason, event.address], ["address-not-public", "9.9.9.9"])
      const near = yield* Client.request(proxy.address, `http://${authority}/`)
      assert.include(
        near.body,
        "its name resolves to 9.1.77.7, an address of this machine's network that no rule lists.\n"
      )
      assert.strictEqual((yield* Client.request(proxy.address, `http://good.test:${upstream.port}/`)).status, 200)
    })
  )

  it.scopedLive("is one that it got while the proxy runs, too", () =>
    Effect.gen(function* () {
      let found: ReadonlyArray<string> = []
      const proxy = yield* Fixture.serve({
        allow: ["web.test"],
        // The second address refuses the name in any case, so that nothing is dialled.
        resolver: Fixture.recording(() => ["9.9.9.9", "10.0.0.1"]),
        interfaces: { addresses: Effect.sync(() => found) },
        limits: { interfacesMillis: 1 }
      })
      const ask = Effect.map(Client.request(proxy.address, "http://web.test/"), ({ body }) => body)
      assert.include(yield* ask, "10.0.0.1, a private address")
      found = ["9.9.9.9"]
      yield* Effect.repeat(ask, { until: (body) => body.includes("9.9.9.9, an address of this machine") })
    })
  )

  it.scopedLive("is read once for many names, and what cannot be read again stays", () =>
    Effect.gen(function* () {
      let reads = 0
      const interfaces = {
        addresses: Effect.suspend(() => {
          reads += 1
          return reads === 1 ? Effect.succeed(["9.9.9.9"]) : Effect.fail(new InterfacesUnreadable())
        })
      }
      const resolver = Fixture.recording(() => ["9.9.9.9", "10.0.0.1"])
      const ask = (proxy: RunningProxy) =>
        Effect.map(Client.request(proxy.address, "http://web.test/"), ({ body }) => body)
      const cached = yield* Fixture.serve({
        allow: ["web.test"],
        resolver,
        interfaces,
        limits: { interfacesMillis: 60_000 }
      })
      for (let index = 0; index < 5; index++) assert.include(yield* ask(cached), "9.9.9.9, an address of this machine")
      assert.strictEqual(reads, 1)
      reads = 0
      const failing = yield* Fixture.serve({
        allow: ["web.test"],
        resolver,
        interfaces,
        limits: { interfacesMillis: 1 }
      })
      yield* Effect.repeat(
        Effect.tap(ask(failing), (body) => assert.include(body, "9.9.9.9, an address of this machine")),
        { until: () => reads > 1 }
      )
    })
  )

  it.scopedLive("that cannot be read at the start is an error, and the system's can be read", () =>
    Effect.gen(function* () {
      const listen = { _tag: "Tcp", host: "127.0.0.1", port: 0 } as const
      const interfaces = { addresses: Effect.fail(new InterfacesUnreadable()) }
      const error = yield* Effect.flip(Proxy.serve({ policy: Policy.empty, listen, interfaces }))
      assert.strictEqual(error._tag, "InterfacesUnreadable")
      assert.match(error.message, /^[\x20-\x7e]+$/)
      assert.match(error.suggestion, /^[\x20-\x7e]+$/)
      assert.include(yield* systemInterfaces.addresses, "127.0.0.1/8")
      yield* Proxy.serve({ policy: Policy.empty, listen })
    })
  )
})

describe("a name", () => {
  it.scopedLive("is resolved once for each request, and what was judged is what is dialled", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const resolver = Fixture.recording((_, call) => (call === 1 ? ["127.0.0.1"] : ["127.0.0.2"]))
      const proxy = yield* Fixture.serve({
        allow: [{ host: `web.test:${upstream.port}`, addresses: ["127.0.0.1"] }],
        resolver
      })
      const url = `http://web.test:${upstream.port}/`
      assert.strictEqual((yield* Client.request(proxy.address, url)).status, 200)
      assert.deepStrictEqual(resolver.asked, ["web.test"])
      const rebound = yield* Client.request(proxy.address, url)
      assert.strictEqual(rebound.status, 403)
      assert.include(rebound.body, "127.0.0.2, a loopback address that no rule lists")
      assert.deepStrictEqual(resolver.asked, ["web.test", "web.test"])
      assert.strictEqual(upstream.connections(), 1)
    })
  )

  it.scopedLive("is tried at its next address when one does not answer", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const proxy = yield* Fixture.serve({
        allow: [{ host: `web.test:${upstream.port}`, addresses: ["127.0.0.0/8"] }],
        resolver: Fixture.recording(() => ["127.0.0.2", "127.0.0.3", "127.0.0.1"])
      })
      assert.strictEqual((yield* Client.request(proxy.address, `http://web.test:${upstream.port}/`)).status, 200)
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).address, "127.0.0.1")
    })
  )

  it.scopedLive(
    "is tried at its next address when one neither answers nor refuses, and fails with 504 when none is left",
    () =>
      Effect.gen(function* () {
        const upstream = yield* web
        yield* Servers.blackHole("127.0.0.2", upstream.port)
        const proxy = yield* Fixture.serve({
          allow: [{ host: `*.test:${upstream.port}`, addresses: ["127.0.0.0/8"] }],
          resolver: Fixture.recording((name) => (name === "two.test" ? ["127.0.0.2", "127.0.0.1"] : ["127.0.0.2"])),
          limits: { connectMillis: 200 }
        })
        assert.strictEqual((yield* Client.request(proxy.address, `http://two.test:${upstream.port}/`)).status, 200)
        assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).address, "127.0.0.1")
        const answer = yield* Client.request(proxy.address, `http://one.test:${upstream.port}/`)
        assert.deepStrictEqual([answer.status, answer.headers["x-bottle-upstream"]], [504, "timed-out"])
      })
  )

  it.scopedLive("is tried at so many addresses only", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const proxy = yield* Fixture.serve({
        allow: [{ host: `web.test:${upstream.port}`, addresses: ["127.0.0.0/8"] }],
        resolver: Fixture.recording(() => ["127.0.0.2", "127.0.0.3", "127.0.0.1"]),
        limits: { connectAttempts: 2 }
      })
      assert.strictEqual((yield* Client.request(proxy.address, `http://web.test:${upstream.port}/`)).status, 502)
      assert.strictEqual(upstream.connections(), 0)
    })
  )

  it.scopedLive("reaches an IPv6 address it is pinned to, and that address by itself", () =>
    Effect.gen(function* () {
      const upstream = yield* Servers.httpUpstream((received, response) => response.end(received.rawHeaders[1]), {
        host: "::1"
      })
      const proxy = yield* Fixture.serve({
        allow: [`six.test:${upstream.port}`, `[::1]:${upstream.port}`],
        resolve: ["six.test=::1"]
      })
      const byName = yield* Client.request(proxy.address, `http://six.test:${upstream.port}/`)
      assert.strictEqual(byName.body, `six.test:${upstream.port}`)
      const byAddress = yield* Client.request(proxy.address, `http://[0:0::1]:${upstream.port}/`)
      assert.strictEqual(byAddress.body, `[::1]:${upstream.port}`)
      const refused = yield* Client.request(proxy.address, `http://[::2]:${upstream.port}/`)
      assert.strictEqual(refused.status, 403)
    })
  )

  it.scopedLive("whose answer is no address is refused", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const proxy = yield* Fixture.serve({
        allow: [{ host: `*.test:${upstream.port}`, addresses: ["127.0.0.1"] }],
        resolver: Fixture.recording((name) => (name === "good.test" ? ["127.0.0.1"] : ["/run/docker.sock"]))
      })
      const refused = yield* Client.request(proxy.address, `http://bad.test:${upstream.port}/`)
      assert.deepStrictEqual(
        [refused.status, String(refused.headers["x-bottle-refused"]).slice(0, 14)],
        [403, "answer-invalid"]
      )
      assert.strictEqual((yield* Client.request(proxy.address, `http://good.test:${upstream.port}/`)).status, 200)
    })
  )
})

describe("what is refused", () => {
  it.scopedLive("is neither resolved nor dialled, however it is spelled", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const { port } = upstream
      const resolver = Fixture.recording(() => ["127.0.0.1"])
      const proxy = yield* Fixture.serve({
        allow: [{ host: `good.test:${port}`, addresses: ["127.0.0.1"] }, `*.wild.test:${port}`],
        resolver
      })
      const spelled = fc.constantFrom(
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[::]",
        "169.254.169.254",
        "wild.test",
        "evilgood.test",
        "good.test.evil.test",
        "x.good.test",
        "good.test@127.0.0.1",
        "good.test%2e",
        "good.test%00.evil.test",
        "good.test\u00e9",
        "GOOD.TEST.evil",
        "good..test"
      )
      const host = fc.oneof({ weight: 3, arbitrary: spelled }, fc.domain(), fc.ipV4(), fc.webAuthority())
      const asked = fc.record({ host, isConnect: fc.boolean() })
      for (const { host, isConnect } of fc.sample(asked, 150)) {
        if (host.replace(/\.$/, "").toLowerCase() === "good.test") continue
        const client = yield* Client.wire(proxy.address)
        const authority = /:[0-9]*$/.test(host) && !host.endsWith("]") ? host : `${host}:${port}`
        yield* client.send(
          isConnect
            ? `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`
            : `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`
        )
        assert.match((yield* client.readResponse).head, /^HTTP\/1\.1 40[03] /, authority)
        yield* Effect.sync(() => client.socket.destroy())
      }
      assert.deepStrictEqual(resolver.asked, [])
      assert.strictEqual(upstream.connections(), 0)

      assert.strictEqual((yield* Client.request(proxy.address, `http://good.test:${port}/`)).status, 200)
      assert.deepStrictEqual(resolver.asked, ["good.test"])
    })
  )

  it.scopedLive("is the same for every spelling of an address, and so is what is allowed", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const { port } = upstream
      const open = yield* Fixture.serve({ allow: [`127.0.0.1:${port}`] })
      const shut = yield* Fixture.serve({ allow: [`127.0.0.2:${port}`] })
      for (const host of [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.01",
        "127.0.0.1.",
        "[::ffff:7f00:1]"
      ]) {
        for (const [proxy, status] of [
          [open, 200],
          [shut, 403]
        ] as const) {
          const client = yield* Client.wire(proxy.address)
          yield* client.send(`CONNECT ${host}:${port} HTTP/1.1\r\n\r\n`)
          assert.match(yield* client.readUntil("\r\n\r\n"), new RegExp(`^HTTP/1\\.1 ${status} `), host)
          yield* Effect.sync(() => client.socket.destroy())
        }
      }
    })
  )
})

describe("an allowed request that does not work out", () => {
  it.scopedLive("is answered 502 when nothing listens, on CONNECT and on plain requests alike", () =>
    Effect.gen(function* () {
      const { host, port } = yield* Servers.nobody
      const silent = `${host}:${port}`
      const upstream = yield* web
      const proxy = yield* Fixture.serve({ allow: [silent, `127.0.0.1:${upstream.port}`] })
      const answer = yield* Client.request(proxy.address, `http://${silent}/`)
      assert.deepStrictEqual([answer.status, answer.headers["x-bottle-upstream"]], [502, "connect-failed"])
      assert.strictEqual(answer.headers["x-bottle-refused"], undefined)
      assert.strictEqual(
        answer.body,
        `bottle allows GET ${silent} (rule ${silent}), but nothing listens there (connection refused).\n`
      )
      const client = yield* Client.wire(proxy.address)
      yield* client.send(`CONNECT ${silent} HTTP/1.1\r\n\r\n`)
      assert.match(
        (yield* client.readResponse).head,
        /^HTTP\/1\.1 502 Bad Gateway\r\n[^]*X-Bottle-Upstream: connect-failed/
      )
      assert.strictEqual((yield* Fixture.lastOf(proxy, 2)).reason, "connect-failed")
      assert.strictEqual((yield* Client.request(proxy.address, `http://127.0.0.1:${upstream.port}/`)).status, 200)
    })
  )

  it.scopedLive("is answered 502 when its name has no address, and when the resolver breaks", () =>
    Effect.gen(function* () {
      const proxy = yield* Fixture.serve({ allow: ["web.test"], resolver: Fixture.recording(() => undefined) })
      const answer = yield* Client.request(proxy.address, "http://web.test/")
      assert.deepStrictEqual([answer.status, answer.headers["x-bottle-upstream"]], [502, "resolve-failed"])
      assert.include(answer.body, "but its name has no address")
      const broken = yield* Fixture.serve({ allow: ["web.test"], resolver: { resolve: () => Effect.die("broken") } })
      assert.strictEqual((yield* Client.request(broken.address, "http://web.test/")).status, 502)
      assert.strictEqual((yield* Fixture.lastOf(broken, 1)).reason, "resolve-failed")
    })
  )

  it.scopedLive("is answered 504 when its name is not resolved in time", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      const proxy = yield* Fixture.serve({
        allow: ["web.test"],
        resolver: { resolve: () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)) },
        limits: { connectMillis: 20 }
      })
      const answer = yield* Client.request(proxy.address, "http://web.test/")
      assert.deepStrictEqual([answer.status, answer.headers["x-bottle-upstream"]], [504, "timed-out"])
      yield* Deferred.await(interrupted)
    })
  )

  it.scopedLive("is given up when its client goes away while its name is being resolved", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      const proxy = yield* Fixture.serve({
        allow: ["web.test"],
        resolver: {
          resolve: () =>
            Effect.zipRight(Deferred.succeed(asked, undefined), Effect.never).pipe(
              Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
            )
        }
      })
      const client = yield* Client.wire(proxy.address)
      yield* client.send("GET http://web.test/ HTTP/1.1\r\nHost: web.test\r\n\r\n")
      yield* Deferred.await(asked)
      yield* Effect.sync(() => client.socket.resetAndDestroy())
      yield* Deferred.await(interrupted)
      const last = yield* Fixture.lastOf(proxy, 1)
      assert.deepStrictEqual([last.reason, last.address], ["client-gone", null])
    })
  )

  const brokenAnswers: ReadonlyArray<readonly [string, string]> = [
    ["nothing", ""],
    ["something else than HTTP", "SSH-2.0-OpenSSH_9.2\r\n"],
    ["half a header", "HTTP/1.1 200 OK\r\nX-A: b"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    ["both framings", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"],
    ["another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"],
    ["a switch that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"],
    ["a control character in its reason", "HTTP/1.1 200 O\u0001K\r\nContent-Length: 0\r\n\r\n"],
    ["a control character in a header", "HTTP/1.1 200 OK\r\nX-A: a\u0001b\r\nContent-Length: 0\r\n\r\n"],
    ["a status that is none", "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n"]
  ]

  it.scopedLive.each(brokenAnswers)("is answered 502 when the upstream answers with %s", ([, bytes]) =>
    Effect.gen(function* () {
      const upstream = yield* Servers.tcpUpstream((socket) => {
        socket.once("data", () => socket.end(Buffer.from(bytes, "latin1")))
      })
      const good = yield* web
      const proxy = yield* Fixture.serve({ allow: [`127.0.0.1:${upstream.port}`, `127.0.0.1:${good.port}`] })
      const answer = yield* Client.request(proxy.address, `http://127.0.0.1:${upstream.port}/`)
      assert.deepStrictEqual([answer.status, answer.headers["x-bottle-upstream"]], [502, "upstream-failed"])
      assert.strictEqual((yield* Client.request(proxy.address, `http://127.0.0.1:${good.port}/`)).status, 200)
    })
  )

  const cutAnswers: ReadonlyArray<readonly [string, string]> = [
    ["by length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"],
    ["by chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
  ]

  it.scopedLive.each(cutAnswers)("shows the client that an answer is not whole, %s", ([, bytes]) =>
    Effect.gen(function* () {
      const upstream = yield* Servers.tcpUpstream((socket) => {
        socket.once("data", () => socket.end(bytes))
      })
      const proxy = yield* Fixture.serve({ allow: [`127.0.0.1:${upstream.port}`] })
      const failure = yield* Effect.flip(Client.request(proxy.address, `http://127.0.0.1:${upstream.port}/`))
      assert.match(failure.message, /aborted|socket hang up|ECONNRESET/)
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "upstream-failed")
    })
  )

  it.scopedLive("passes on an answer that comes before the body is sent", () =>
    Effect.gen(function* () {
      const upstream = yield* Servers.tcpUpstream((socket) => {
        socket.once("data", () => socket.write("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"))
      })
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host] })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(`POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000000\r\n\r\nfirst`)
      const { body, head } = yield* client.readResponse
      assert.match(head, /^HTTP\/1\.1 413 Too Large\r\n/)
      assert.strictEqual(body, "big")
    })
  )

  it.scopedLive("ends its upstream when the client goes away in the middle of the answer", () =>
    Effect.gen(function* () {
      const ended = yield* Deferred.make<void>()
      const upstream = yield* Servers.tcpUpstream((socket) => {
        socket.on("error", () => {})
        socket.on("close", () => Deferred.unsafeDone(ended, Effect.void))
        socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"))
      })
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host] })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(`GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      yield* client.readUntil("half")
      yield* Effect.sync(() => client.socket.destroy())
      yield* Deferred.await(ended)
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "client-gone")
    })
  )
})
