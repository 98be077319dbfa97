import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Client from "./fixtures/client.js"
import * as Fixture from "./fixtures/proxy.js"
import * as Servers from "./fixtures/servers.js"
import * as Proxy from "../src/Proxy.js"
import * as Policy from "../src/Policy.js"

const web = Servers.httpUpstream((_, response) => response.end("ok"))

/** An upstream that takes connections and never says a word. */
const silent = Servers.tcpUpstream((socket) => {
  socket.resume()
})

const get = (host: string, more = ""): string => `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`

describe("the limits of a proxy", () => {
  const wrong: ReadonlyArray<Partial<Proxy.Limits>> = [
    { connections: 0 },
    { headerBytes: -1 },
    { headerMillis: 1.5 },
    { idleMillis: Number.NaN },
    { lookups: 0 },
    { events: Number.POSITIVE_INFINITY }
  ]

  it.scopedLive.each(wrong)("are positive whole numbers, unlike %j", (limits) =>
    Effect.gen(function* () {
      const listen = { _tag: "Tcp", host: "127.0.0.1", port: 0 } as const
      const error = yield* Effect.flip(Proxy.serve({ policy: Policy.empty, listen, limits }))
      assert.strictEqual(error._tag, "LimitInvalid")
      assert.match(
        error.message,
        /^The limit [a-zA-Z]+ of the egress proxy is [^ ]+, which is not a positive whole number$/
      )
      assert.match(error.suggestion, /^[\x20-\x7e]+$/)
      yield* Proxy.serve({ policy: Policy.empty, listen, limits: { connections: 1 } })
    })
  )
})

describe("a client that takes too much", () => {
  it.scopedLive("time for its header is cut off with 408, and another one is served", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host], limits: { headerMillis: 100 } })
      const slow = yield* Client.wire(proxy.address)
      yield* slow.send(`GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nX-Slow: `)
      const { head } = yield* slow.readResponse
      assert.match(head, /^HTTP\/1\.1 408 Request Timeout\r\n[^]*X-Bottle-Refused: headers-too-slow\r\n/)
      yield* slow.end()
      yield* slow.closed
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "headers-too-slow")
      assert.strictEqual((yield* Client.request(proxy.address, `http://${host}/`)).status, 200)
      assert.strictEqual(upstream.connections(), 1)
    })
  )

  it.scopedLive("time to say anything at all is cut off too", () =>
    Effect.gen(function* () {
      const proxy = yield* Fixture.serve({ allow: [], limits: { headerMillis: 100 } })
      const mute = yield* Client.wire(proxy.address)
      assert.match((yield* mute.readResponse).head, /^HTTP\/1\.1 408 /)
    })
  )

  it.scopedLive("room for its header is answered 431, and one with less is served", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host], limits: { headerBytes: 2048 } })
      const large = yield* Client.wire(proxy.address)
      yield* large.send(get(host, `X-Large: ${"a".repeat(4096)}\r\n`))
      const { head } = yield* large.readResponse
      assert.match(head, /^HTTP\/1\.1 431 [^]*X-Bottle-Refused: headers-too-large\r\n/)
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "headers-too-large")
      const small = yield* Client.wire(proxy.address)
      yield* small.send(get(host, `X-Small: ${"a".repeat(1024)}\r\n`))
      assert.match(yield* small.readUntil("\r\n\r\n"), /^HTTP\/1\.1 200 /)
      assert.strictEqual(upstream.connections(), 1)
    })
  )

  it.scopedLive("look-ups is held to a few at a time, those that it gave up among them", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const ended = yield* Deferred.make<void>()
      const asked: Array<string> = []
      // As the system's: a look-up goes on when nobody waits for it any more.
      const resolve = (name: string) =>
        Effect.suspend(() => {
          asked.push(name)
          return Effect.as(Deferred.await(ended), ["127.0.0.1"])
        }).pipe(Effect.uninterruptible)
      const proxy = yield* Fixture.serve({
        allow: [`*.test:${upstream.port}`, `127.0.0.1:${upstream.port}`],
        resolver: { resolve },
        limits: { lookups: 2, connectMillis: 100 }
      })
      for (const name of ["a", "b", "c", "d"]) {
        const client = yield* Client.wire(proxy.address)
        yield* client.send(`CONNECT ${name}.test:${upstream.port} HTTP/1.1\r\n\r\n`)
        assert.match((yield* client.readResponse).head, /^HTTP\/1\.1 504 /)
      }
      assert.deepStrictEqual(asked, ["a.test", "b.test"])
      yield* Deferred.succeed(ended, undefined)
      assert.strictEqual((yield* Client.request(proxy.address, `http://e.test:${upstream.port}/`)).status, 200)
      assert.deepStrictEqual(asked, ["a.test", "b.test", "e.test"])
    })
  )

  it.scopedLive("headers without an end is cut off, at once or by and by, and the reason is logged", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host], limits: { headerMillis: 150 } })
      const begin = `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n`
      const fast = yield* Client.wire(proxy.address)
      yield* fast.send(begin)
      const flood = (): void => {
        while (!fast.socket.destroyed && fast.socket.write("X-More: and more and more\r\n".repeat(100)));
      }
      fast.socket.on("drain", flood)
      flood()
      assert.match((yield* fast.readResponse).head, /^HTTP\/1\.1 431 [^]*X-Bottle-Refused: headers-too-large\r\n/)
      fast.socket.destroy()
      const drip = yield* Client.wire(proxy.address)
      yield* drip.send(begin)
      const dripping = yield* Effect.fork(
        Effect.repeat(Effect.delay(drip.send("X: y\r\n"), 10), { until: () => drip.socket.destroyed })
      )
      assert.match((yield* drip.readResponse).head, /^HTTP\/1\.1 408 [^]*X-Bottle-Refused: headers-too-slow\r\n/)
      yield* Fiber.interrupt(dripping)
      const events = yield* Fixture.eventsUntil(proxy, (event) => event.reason === "headers-too-slow")
      assert.deepStrictEqual(
        events.map((event) => [event.verdict, event.reason]),
        [
          ["deny", "headers-too-large"],
          ["deny", "headers-too-slow"]
        ]
      )
      assert.strictEqual((yield* Client.request(proxy.address, `http://${host}/`)).status, 200)
      assert.strictEqual(upstream.connections(), 1)
    })
  )

  it.scopedLive("headers is heard to the last of them", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host] })
      const client = yield* Client.wire(proxy.address)
      // Node would not show what comes behind the last one it counts; a second Host must not hide there.
      yield* client.send(get(host, `${"a:b\r\n".repeat(254)}Host: evil.test\r\n`))
      assert.match((yield* client.readResponse).head, /^HTTP\/1\.1 400 [^]*X-Bottle-Refused: host-mismatch\r\n/)
      const many = yield* Client.wire(proxy.address)
      yield* many.send(get(host, "a:b\r\n".repeat(255)))
      assert.match(yield* many.readUntil("\r\n\r\n"), /^HTTP\/1\.1 200 /)
    })
  )

  it.scopedLive.each([256, 287, 300, 3000])("headers is answered 431: %d beside Host", (count) =>
    Effect.gen(function* () {
      const upstream = yield* web
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host] })
      const more = `${"a:b\r\n".repeat(count)}`
      for (const text of [
        get(host, more),
        `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n${more}Content-Length: 1\r\n\r\na`,
        `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`,
        get(host, `${more}Connection: upgrade\r\nUpgrade: h2c\r\n`)
      ]) {
        const client = yield* Client.wire(proxy.address)
        yield* client.end(text)
        assert.match(yield* client.readAll, /^HTTP\/1\.1 431 [^]*X-Bottle-Refused: headers-too-large\r\n/)
      }
      assert.strictEqual(upstream.connections(), 0)
    })
  )

  it.scopedLive("headers in an answer is answered 502", () =>
    Effect.gen(function* () {
      const talkative = yield* Servers.httpUpstream((received, response) => {
        response.writeHead(200, Array.from({ length: received.url === "/300" ? 300 : 200 }, () => ["a", "b"]).flat())
        response.end("ok")
      })
      const host = `127.0.0.1:${talkative.port}`
      const proxy = yield* Fixture.serve({ allow: [host] })
      assert.strictEqual((yield* Client.request(proxy.address, `http://${host}/300`)).status, 502)
      assert.strictEqual((yield* Client.request(proxy.address, `http://${host}/200`)).status, 200)
    })
  )

  it.scopedLive("memory for requests that wait, over all its connections, is cut off", () =>
    Effect.gen(function* () {
      const quiet = yield* silent
      const upstream = yield* web
      const host = `127.0.0.1:${quiet.port}`
      const good = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host, good], limits: { heldHeaderBytes: 34_000 } })
      const large = get(host, `X-Large: ${"a".repeat(12_000)}\r\n`)
      const [first, second] = [yield* Client.wire(proxy.address), yield* Client.wire(proxy.address)]
      yield* first.send(large)
      yield* Fixture.eventsUntil(proxy, (event) => event.request === 1)
      yield* second.send(large)
      yield* Fixture.eventsUntil(proxy, (event) => event.request === 2)
      // A connection that waits for nothing is told; one that does is cut.
      const third = yield* Client.wire(proxy.address)
      yield* third.send(large)
      assert.match((yield* third.readResponse).head, /^HTTP\/1\.1 503 [^]*X-Bottle-Refused: too-much-waiting\r\n/)
      const tunnel = yield* Client.wire(proxy.address)
      yield* tunnel.send(`CONNECT ${good} HTTP/1.1\r\nX-Large: ${"a".repeat(12_000)}\r\n\r\n`)
      assert.match((yield* tunnel.readResponse).head, /^HTTP\/1\.1 503 /)
      assert.strictEqual((yield* Client.request(proxy.address, `http://${good}/`)).status, 200)
      yield* second.send(large)
      assert.strictEqual(yield* second.readAll, "")
      const events = yield* Fixture.eventsUntil(proxy, (event) => event.reason === "client-gone")
      assert.strictEqual(events.filter((event) => event.reason === "too-much-waiting").length, 3)
      // What was cut counts no longer.
      const fourth = yield* Client.wire(proxy.address)
      yield* fourth.send(get(good, `X-Large: ${"a".repeat(12_000)}\r\n`))
      assert.match(yield* fourth.readUntil("\r\n\r\n"), /^HTTP\/1\.1 200 /)
    })
  )

  it.scopedLive(
    "requests at once is read no further, and all are served in the end",
    () =>
      Effect.gen(function* () {
        const held: Array<() => void> = []
        const slow = yield* Servers.httpUpstream((received, response) => {
          const answer = (): void => void response.end(String(received.bodyBytes))
          if (received.url === "/slow") held.push(answer)
          else answer()
        })
        const host = `127.0.0.1:${slow.port}`
        const proxy = yield* Fixture.serve({ allow: [host] })
        const client = yield* Client.wire(proxy.address)
        const large = `X-Large: ${"a".repeat(12_000)}\r\n`
        yield* client.send(get(host).replace("/ HTTP", "/slow HTTP") + get(host, large).repeat(1000))
        // The small one, one that waits, and what one read brings; the rest stays with the client and the system.
        yield* Fixture.eventsUntil(proxy, (event) => event.request === 1)
        const other = yield* Client.wire(proxy.address)
        for (let index = 0; index < 50; index++) {
          yield* other.send(get(host))
          yield* other.readResponse
        }
        assert.isAbove(client.socket.writableLength, 1_000_000)
        for (const answer of held) answer()
        for (let index = 0; index < 1001; index++) {
          assert.match((yield* client.readResponse).head, /^HTTP\/1\.1 200 /)
        }
      }),
    20_000
  )

  it.scopedLive("requests at once may send bodies, offer h2c, and open a tunnel at last", () =>
    Effect.gen(function* () {
      const upstream = yield* Servers.httpUpstream((received, response) => response.end(String(received.bodyBytes)))
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host] })
      const client = yield* Client.wire(proxy.address)
      const body = "x".repeat(50_000)
      const post = `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      yield* client.send(post.repeat(20))
      for (let index = 0; index < 20; index++) {
        assert.strictEqual((yield* client.readResponse).body, "50000")
      }
      yield* client.send(get(host).repeat(2) + get(host, "Connection: upgrade\r\nUpgrade: h2c\r\n") + get(host))
      for (let index = 0; index < 4; index++) {
        assert.match((yield* client.readResponse).head, /^HTTP\/1\.1 200 /)
      }
      yield* client.send(
        `${get(host).repeat(2)}CONNECT ${host} HTTP/1.1\r\n\r\n${get(host).replaceAll("http://" + host, "")}`
      )
      yield* client.readResponse
      yield* client.readResponse
      assert.match(yield* client.readUntil("\r\n\r\n"), /^HTTP\/1\.1 200 Connection Established/)
      assert.match(yield* client.readUntil("\r\n\r\n"), /^HTTP\/1\.1 200 OK/)
    })
  )

  it.scopedLive("connections is cut off, until one of them is free again", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host], limits: { connections: 1 } })
      const first = yield* Client.wire(proxy.address)
      yield* first.send(get(host))
      assert.match(yield* first.readUntil("\r\n\r\n"), /^HTTP\/1\.1 200 /)
      const second = yield* Client.wire(proxy.address)
      assert.strictEqual(yield* second.readAll, "")
      const events = yield* Fixture.eventsUntil(proxy, (event) => event.reason === "too-many-connections")
      assert.deepStrictEqual([events.at(-1)?.verdict, events.at(-1)?.request], ["deny", 0])
      yield* first.end()
      yield* first.closed
      assert.strictEqual((yield* Client.request(proxy.address, `http://${host}/`)).status, 200)
    })
  )

  it.scopedLive("requests ahead of their answers is cut off, and fewer are served", () =>
    Effect.gen(function* () {
      const quiet = yield* silent
      const upstream = yield* web
      const host = `127.0.0.1:${quiet.port}`
      const good = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host, good], limits: { pipelined: 2 } })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(get(host).repeat(4))
      assert.strictEqual(yield* client.readAll, "")
      const events = yield* Fixture.eventsUntil(proxy, (event) => event.reason === "client-gone")
      assert.isTrue(events.some((event) => event.reason === "too-many-pipelined"))
      const modest = yield* Client.wire(proxy.address)
      yield* modest.send(get(good).repeat(3))
      for (const _ of [1, 2, 3]) assert.match((yield* modest.readResponse).head, /^HTTP\/1\.1 200 /)
    })
  )
})

describe("an exchange in which nothing moves", () => {
  it.scopedLive("is answered 504 while there is no answer yet", () =>
    Effect.gen(function* () {
      const quiet = yield* silent
      const proxy = yield* Fixture.serve({ allow: [`127.0.0.1:${quiet.port}`], limits: { idleMillis: 50 } })
      const answer = yield* Client.request(proxy.address, `http://127.0.0.1:${quiet.port}/`)
      assert.deepStrictEqual([answer.status, answer.headers["x-bottle-upstream"]], [504, "idle"])
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "idle")
    })
  )

  it.scopedLive("is cut when it is a tunnel", () =>
    Effect.gen(function* () {
      const quiet = yield* silent
      const proxy = yield* Fixture.serve({ allow: [`127.0.0.1:${quiet.port}`], limits: { idleMillis: 50 } })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(`CONNECT 127.0.0.1:${quiet.port} HTTP/1.1\r\n\r\n`)
      assert.match(yield* client.readUntil("\r\n\r\n"), /^HTTP\/1\.1 200 /)
      yield* client.closed
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "idle")
    })
  )

  it.scopedLive("is cut sooner when it is a tunnel that one side has ended", () =>
    Effect.gen(function* () {
      const quiet = yield* silent
      const proxy = yield* Fixture.serve({
        allow: [`127.0.0.1:${quiet.port}`],
        limits: { idleMillis: 60_000, halfClosedIdleMillis: 50 }
      })
      const client = yield* Client.wire(proxy.address)
      yield* client.end(`CONNECT 127.0.0.1:${quiet.port} HTTP/1.1\r\n\r\n`)
      yield* client.closed
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "idle")
    })
  )

  it.scopedLive("is closed between two requests", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host], limits: { keepAliveMillis: 50 } })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(get(host))
      assert.match(yield* client.readAll, /^HTTP\/1\.1 200 /)
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "completed")
    })
  )
})

describe("a proxy under load", () => {
  it.scopedLive("serves 500 clients at once, each with its own decision", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host] })
      const statuses = yield* Effect.forEach(
        Array.from({ length: 500 }, (_, index) => index),
        (index) =>
          Effect.map(
            Client.request(proxy.address, index % 2 === 0 ? `http://${host}/` : `http://10.0.0.1:${upstream.port}/`),
            (answer) => answer.status
          ),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        statuses,
        statuses.map((_, index) => (index % 2 === 0 ? 200 : 403))
      )
      assert.strictEqual(upstream.connections(), 250)
    })
  )
})
