import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Crypto from "node:crypto"
import * as Http from "node:http"
import { Readable } from "node:stream"
import * as Client from "./fixtures/client.js"
import * as Fixture from "./fixtures/proxy.js"
import * as Servers from "./fixtures/servers.js"

const hello = Servers.httpUpstream((received, response) => {
  response.setHeader("Content-Length", received.method.length + 1 + received.url.length)
  response.end(`${received.method} ${received.url}`)
})

const setup = Effect.gen(function* () {
  const upstream = yield* hello
  const proxy = yield* Fixture.serve({
    allow: [`web.test:${upstream.port}`],
    resolve: ["web.test=127.0.0.1"]
  })
  return { upstream, proxy, base: `http://web.test:${upstream.port}` }
})

describe("a plain request", () => {
  it.scopedLive("reaches what is allowed, and its bytes are counted", () =>
    Effect.gen(function* () {
      const { base, proxy, upstream } = yield* setup
      const answer = yield* Client.request(proxy.address, `${base}/path?q=1`)
      assert.deepStrictEqual([answer.status, answer.body], [200, "GET /path?q=1"])

      const events = yield* Fixture.eventsUntil(proxy, (event) => event.phase === "closed")
      assert.deepStrictEqual(
        events.map((event) => [event.sequence, event.request, event.phase, event.verdict, event.reason]),
        [
          [1, 1, "decision", "allow", "allowed"],
          [2, 1, "closed", "allow", "completed"]
        ]
      )
      const last = yield* Fixture.lastOf(proxy, 1)
      assert.deepStrictEqual(
        [last.method, last.host, last.port, last.address, last.rule],
        ["GET", "web.test", upstream.port, "127.0.0.1", `web.test:${upstream.port}`]
      )
      assert.isAbove(last.bytesUp, 20)
      assert.isAbove(last.bytesDown, 20)
    })
  )

  it.scopedLive("is answered 403 with a reason when it is not allowed, and nothing is dialled", () =>
    Effect.gen(function* () {
      const { base, proxy, upstream } = yield* setup
      const answer = yield* Client.request(proxy.address, "http://evil.test/secret?token=1")
      assert.strictEqual(answer.status, 403)
      assert.strictEqual(answer.headers["x-bottle-refused"], 'no-rule; target="evil.test:80"; rule="none"')
      assert.strictEqual(answer.headers["content-type"], "text/plain; charset=utf-8")
      assert.strictEqual(
        answer.body,
        "bottle refused GET evil.test:80: no rule allows this host.\n" +
          "Rule: no rule.\n" +
          "To allow it: bottle policy watch, or launch with --allow evil.test\n"
      )
      assert.strictEqual(upstream.connections(), 0)

      assert.strictEqual((yield* Client.request(proxy.address, base)).status, 200)
      const denied = yield* Fixture.lastOf(proxy, 1)
      assert.deepStrictEqual(
        [denied.verdict, denied.reason, denied.host, denied.port, denied.address, denied.rule, denied.bytesUp],
        ["deny", "no-rule", "evil.test", 80, null, null, 0]
      )
    })
  )

  it.scopedLive("names the ports that are allowed when only the port is wrong", () =>
    Effect.gen(function* () {
      const { proxy, upstream } = yield* setup
      const answer = yield* Client.request(proxy.address, "http://web.test:1/")
      assert.strictEqual(answer.status, 403)
      assert.include(answer.body, `allowed on port ${upstream.port} only, by web.test:${upstream.port}`)
      assert.include(answer.body, "launch with --allow web.test:1\n")
      assert.strictEqual(
        answer.headers["x-bottle-refused"],
        `port-not-allowed; target="web.test:1"; rule="web.test:${upstream.port}"`
      )
    })
  )

  it.scopedLive("is decided anew for each request on a kept-alive connection", () =>
    Effect.gen(function* () {
      const { proxy, upstream } = yield* setup
      const client = yield* Client.wire(proxy.address)
      const get = (host: string): string => `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`
      yield* client.send(get(`web.test:${upstream.port}`))
      const statuses: Array<string> = []
      for (const host of ["evil.test", `web.test:${upstream.port}`, "10.0.0.1", "web.test:1"]) {
        const { head } = yield* client.readResponse
        statuses.push(head.slice(9, 12))
        yield* client.send(get(host))
      }
      assert.deepStrictEqual(statuses, ["200", "403", "200", "403"])
    }).pipe(Effect.scoped)
  )

  it.scopedLive("is answered in order when several come at once", () =>
    Effect.gen(function* () {
      const { proxy, upstream } = yield* setup
      const client = yield* Client.wire(proxy.address)
      const get = (host: string, path: string): string => `GET http://${host}${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`
      const host = `web.test:${upstream.port}`
      yield* client.send(get(host, "/1") + get("evil.test", "/2") + get(host, "/3"))
      const bodies: Array<string> = []
      for (const _ of [1, 2, 3]) bodies.push((yield* client.readResponse).body.slice(0, 20))
      assert.deepStrictEqual(bodies, ["GET /1", "bottle refused GET e", "GET /3"])
      assert.deepStrictEqual(
        upstream.received.map((received) => received.url),
        ["/1", "/3"]
      )
    })
  )

  it.scopedLive("is not begun when the answer before it ends their connection", () =>
    Effect.gen(function* () {
      const { proxy, upstream } = yield* setup
      const host = `web.test:${upstream.port}`
      const post = (target: string): string =>
        `POST http://${target}/ HTTP/1.1\r\nHost: ${target}\r\nContent-Length: 5\r\n\r\nhello`
      const get = `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`
      const refused = yield* Client.wire(proxy.address)
      yield* refused.send(post("evil.test") + get)
      assert.match(yield* refused.readAll, /^HTTP\/1\.1 403 [^]*--allow evil\.test\n$/)
      const served = yield* Client.wire(proxy.address)
      yield* served.send(post(host) + get)
      for (const _ of [1, 2]) assert.match((yield* served.readResponse).head, /^HTTP\/1\.1 200 /)
      assert.deepStrictEqual(
        upstream.received.map(({ method }) => method),
        ["POST", "GET"]
      )
      // Every request that was begun has an end.
      yield* Fixture.lastOf(proxy, 3)
    })
  )

  it.scopedLive("loses its hop-by-hop headers on the way, those that Connection names too", () =>
    Effect.gen(function* () {
      const { base, proxy, upstream } = yield* setup
      const host = base.slice("http://".length)
      const client = yield* Client.wire(proxy.address)
      yield* client.send(
        `GET ${base}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close, X-Mine, host\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\n` +
          "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic c2VjcmV0\r\nTE: trailers\r\nTrailer: X-T\r\n" +
          "Authorization: Bearer mine\r\nX-Kept: a\r\nX-Kept: b\r\n\r\n"
      )
      assert.match(yield* client.readAll, /^HTTP\/1\.1 200 /)
      assert.deepStrictEqual(upstream.received[0]?.rawHeaders, [
        "Host",
        host,
        "Authorization",
        "Bearer mine",
        "X-Kept",
        "a",
        "X-Kept",
        "b",
        "Connection",
        "close"
      ])
    })
  )

  it.scopedLive("gets an answer without hop-by-hop headers, duplicates and all else kept", () =>
    Effect.gen(function* () {
      const upstream = yield* Servers.httpUpstream((_, response) => {
        response.sendDate = false
        response.writeHead(
          207,
          "Quite Unusual",
          [
            ["Set-Cookie", "a=1"],
            ["Set-Cookie", "b=2"],
            ["Connection", "close, X-Hop"],
            ["X-Hop", "1"],
            ["Proxy-Authenticate", "Basic"],
            ["Upgrade", "h2c"],
            ["X-Bottle-Refused", "no-rule"],
            ["x-bottle-upstream", "idle"],
            ["X-Bottled", "kept"],
            ["Content-Length", "2"]
          ].flat()
        )
        response.end("ok")
      })
      const proxy = yield* Fixture.serve({ allow: [`127.0.0.1:${upstream.port}`] })
      const client = yield* Client.wire(proxy.address)
      const host = `127.0.0.1:${upstream.port}`
      yield* client.send(`GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
      assert.strictEqual(
        yield* client.readAll,
        "HTTP/1.1 207 Quite Unusual\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Bottled: kept\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
      )
    })
  )

  it.scopedLive("forwards the canonical host, and / for an empty path", () =>
    Effect.gen(function* () {
      const { proxy, upstream } = yield* setup
      const host = `WEB.Test.:${upstream.port}`
      for (const [method, path] of [
        ["GET", ""],
        ["GET", "?a=b"],
        ["OPTIONS", ""]
      ] as const) {
        const client = yield* Client.wire(proxy.address)
        yield* client.send(`${method} http://${host}${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
        assert.match(yield* client.readAll, /^HTTP\/1\.1 200 /)
      }
      assert.deepStrictEqual(
        upstream.received.map((received) => [received.method, received.url, received.rawHeaders[1]]),
        [
          ["GET", "/", `web.test:${upstream.port}`],
          ["GET", "/?a=b", `web.test:${upstream.port}`],
          ["OPTIONS", "*", `web.test:${upstream.port}`]
        ]
      )
    })
  )

  it.scopedLive("may be HTTP/1.0, with or without Host", () =>
    Effect.gen(function* () {
      const { base, proxy } = yield* setup
      const client = yield* Client.wire(proxy.address)
      yield* client.send(`GET ${base}/old HTTP/1.0\r\n\r\n`)
      const answer = yield* client.readAll
      assert.match(answer, /^HTTP\/1\.1 200 /)
      assert.match(answer, /\r\n\r\nGET \/old$/)
    })
  )

  it.scopedLive("without a body keeps having none, whatever the method", () =>
    Effect.gen(function* () {
      const { base, proxy, upstream } = yield* setup
      const host = base.slice("http://".length)
      for (const method of ["POST", "DELETE", "HEAD", "PROPFIND"]) {
        const client = yield* Client.wire(proxy.address)
        yield* client.send(`${method} ${base}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
        assert.match(yield* client.readAll, /^HTTP\/1\.1 200 /)
      }
      assert.deepStrictEqual(
        upstream.received.map(({ method, rawHeaders }) => [method, ...rawHeaders.slice(2)]),
        [
          ["POST", "Connection", "close", "Content-Length", "0"],
          ["DELETE", "Connection", "close"],
          ["HEAD", "Connection", "close"],
          ["PROPFIND", "Connection", "close", "Content-Length", "0"]
        ]
      )
    })
  )

  it.scopedLive("waits for the upstream's 100 when it asks for it", () =>
    Effect.gen(function* () {
      const { base, proxy, upstream } = yield* setup
      const client = yield* Client.wire(proxy.address)
      const host = base.slice("http://".length)
      yield* client.send(
        `POST ${base}/ HTTP/1.1\r\nHost: ${host}\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n`
      )
      assert.match(yield* client.readUntil("\r\n\r\n"), /^HTTP\/1\.1 100 Continue\r\n/)
      yield* client.send("body")
      assert.match(yield* client.readAll, /^HTTP\/1\.1 200 /)
      assert.strictEqual(upstream.received[0]?.bodyBytes, 4)
    })
  )

  it.scopedLive("hears no 100 that it did not ask for, and only the first of those it did", () =>
    Effect.gen(function* () {
      const upstream = yield* Servers.tcpUpstream((socket) => {
        socket.once("data", () => {
          socket.end(`${"HTTP/1.1 100 Continue\r\n\r\n".repeat(16)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`)
        })
      })
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host] })
      const post = `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n`
      const unasked = yield* Client.wire(proxy.address)
      yield* unasked.send(`${post}Content-Length: 0\r\n\r\n`)
      assert.match(yield* unasked.readAll, /^HTTP\/1\.1 200 /)
      const asked = yield* Client.wire(proxy.address)
      yield* asked.send(`${post}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n`)
      assert.match(yield* asked.readAll, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /)
    })
  )

  it.scopedLive.each([100, 102, 103])("fails when the upstream never comes to its answer: endless %d", (status) =>
    Effect.gen(function* () {
      const upstream = yield* Servers.tcpUpstream((socket) => {
        socket.once("data", () => {
          const more = (): void => {
            while (!socket.destroyed && socket.write(`HTTP/1.1 ${status} Wait\r\n\r\n`.repeat(100)));
          }
          socket.on("drain", more)
          more()
        })
      })
      const { base, proxy } = yield* setup
      const host = `127.0.0.1:${upstream.port}`
      const patient = yield* Fixture.serve({ allow: [host] })
      const client = yield* Client.wire(patient.address)
      yield* client.send(`POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`)
      assert.match((yield* client.readResponse).head, /^HTTP\/1\.1 502 [^]*X-Bottle-Upstream: upstream-failed\r\n/)
      assert.strictEqual((yield* Fixture.lastOf(patient, 1)).reason, "upstream-failed")
      assert.strictEqual((yield* Client.request(proxy.address, base)).status, 200)
    })
  )

  it.scopedLive("with a body that is refused hears so before it has sent it", () =>
    Effect.gen(function* () {
      const { proxy } = yield* setup
      const client = yield* Client.wire(proxy.address)
      yield* client.send("POST http://evil.test/ HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 1000000\r\n\r\nfirst")
      const { body, head } = yield* client.readResponse
      assert.match(head, /^HTTP\/1\.1 403 /)
      assert.match(head, /\r\nConnection: close\r\n/)
      assert.include(body, "launch with --allow evil.test\n")
      const other = yield* Client.request(proxy.address, "http://evil.test:8080/")
      assert.include(other.body, "launch with --allow evil.test:8080\n")
      yield* client.end()
      yield* client.closed
    })
  )

  it.scopedLive("whose body breaks is answered 400, and its upstream is cut", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const closed = yield* Deferred.make<void>()
      const upstream = yield* Servers.tcpUpstream((socket) => {
        socket.once("data", () => Deferred.unsafeDone(begun, Effect.void))
        socket.once("close", () => Deferred.unsafeDone(closed, Effect.void))
      })
      const host = `127.0.0.1:${upstream.port}`
      const { base, proxy } = yield* setup
      const direct = yield* Fixture.serve({ allow: [host] })
      const client = yield* Client.wire(direct.address)
      yield* client.send(
        `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n`
      )
      yield* Deferred.await(begun)
      yield* client.send("zz\r\nno chunk\r\n")
      const { head } = yield* client.readResponse
      assert.match(head, /^HTTP\/1\.1 400 [^]*X-Bottle-Refused: request-malformed\r\n/)
      yield* Deferred.await(closed)
      const event = yield* Fixture.lastOf(direct, 1)
      assert.deepStrictEqual([event.phase, event.reason], ["closed", "client-gone"])
      yield* client.end()
      yield* client.closed
      const good = yield* Client.request(proxy.address, base, { method: "POST", body: "whole" })
      assert.strictEqual(good.status, 200)
    })
  )

  it.scopedLive("whose body breaks behind the beginning of its answer is cut", () =>
    Effect.gen(function* () {
      const upstream = yield* Servers.tcpUpstream((socket) => {
        socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegun"))
      })
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host] })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(
        `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n`
      )
      assert.match(yield* client.readUntil("begun"), /^HTTP\/1\.1 200 /)
      yield* client.send("zz\r\nno chunk\r\n")
      assert.strictEqual(yield* client.readAll, "")
    })
  )

  it.scopedLive("that offers h2c is an ordinary request, with its body", () =>
    Effect.gen(function* () {
      const { base, proxy, upstream } = yield* setup
      const host = base.slice("http://".length)
      const client = yield* Client.wire(proxy.address)
      const offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
      yield* client.send(`POST ${base}/1 HTTP/1.1\r\nHost: ${host}\r\n${offer}Content-Length: 4\r\n\r\nbo`)
      yield* client.send("dy")
      assert.match(yield* client.readUntil("POST /1"), /^HTTP\/1\.1 200 /)
      yield* client.send(
        `POST ${base}/2 HTTP/1.1\r\nHost: ${host}\r\n${offer}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`
      )
      assert.match(yield* client.readUntil("POST /2"), /HTTP\/1\.1 200 /)
      yield* client.send(`GET http://evil.test/ HTTP/1.1\r\nHost: evil.test\r\n${offer}\r\n`)
      assert.match(yield* client.readUntil("\r\n\r\n"), /HTTP\/1\.1 403 /)
      assert.deepStrictEqual(
        upstream.received.map(({ bodyBytes, rawHeaders }) => [bodyBytes, rawHeaders.includes("Upgrade")]),
        [
          [4, false],
          [2, false]
        ]
      )
    })
  )
})

describe("a malformed request", () => {
  const host = "web.test"
  const cases: ReadonlyArray<readonly [string, string, number, string]> = [
    ["origin form", "not-a-proxy-request", 400, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ["asterisk form", "not-a-proxy-request", 400, `OPTIONS * HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ["https without CONNECT", "scheme-unsupported", 400, `GET https://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ["ftp", "scheme-unsupported", 400, `GET ftp://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ["another Host", "host-mismatch", 400, `GET http://${host}/ HTTP/1.1\r\nHost: evil.test\r\n\r\n`],
    ["another port in Host", "host-mismatch", 400, `GET http://${host}/ HTTP/1.1\r\nHost: ${host}:81\r\n\r\n`],
    ["two Hosts", "host-mismatch", 400, `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nHost: evil.test\r\n\r\n`],
    [
      "the same Host twice",
      "host-mismatch",
      400,
      `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nhost: ${host}\r\n\r\n`
    ],
    ["no Host", "host-mismatch", 400, `GET http://${host}/ HTTP/1.1\r\n\r\n`],
    ["an empty Host", "host-mismatch", 400, `GET http://${host}/ HTTP/1.1\r\nHost:\r\n\r\n`],
    ["a user in the target", "host-invalid", 403, `GET http://${host}@evil.test/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ["an encoded host", "host-invalid", 403, `GET http://web%2etest/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ["a backslash host", "request-malformed", 400, `GET http://evil.test\\@${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ["an empty host", "host-invalid", 403, `GET http:///path HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    [
      "both lengths",
      "framing-ambiguous",
      400,
      `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX`
    ],
    [
      "both lengths, the other way",
      "framing-ambiguous",
      400,
      `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nX`
    ],
    [
      "two lengths",
      "framing-ambiguous",
      400,
      `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nX`
    ],
    [
      "a length that is not a number",
      "framing-ambiguous",
      400,
      `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nContent-Length: +1\r\n\r\nX`
    ],
    [
      "a length in a list",
      "framing-ambiguous",
      400,
      `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1, 1\r\n\r\nX`
    ],
    [
      "an unknown coding",
      "framing-ambiguous",
      400,
      `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: gzip\r\n\r\n`
    ],
    [
      "a coding before chunked",
      "framing-ambiguous",
      400,
      `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`
    ],
    [
      "chunked twice",
      "framing-ambiguous",
      400,
      `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`
    ],
    [
      "chunks in HTTP/1.0",
      "framing-ambiguous",
      400,
      `POST http://${host}/ HTTP/1.0\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`
    ],
    ["a space in a header's name", "request-malformed", 400, `GET http://${host}/ HTTP/1.1\r\nHost : ${host}\r\n\r\n`],
    [
      "a folded header",
      "request-malformed",
      400,
      `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nX: a\r\n b\r\n\r\n`
    ],
    ["a bare line feed", "request-malformed", 400, `GET http://${host}/ HTTP/1.1\nHost: ${host}\nX: a\n\n`],
    ["a NUL in a header", "request-malformed", 400, `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nX: a\0b\r\n\r\n`],
    ["RTSP", "request-malformed", 400, `DESCRIBE http://${host}/ RTSP/1.0\r\nHost: ${host}\r\n\r\n`],
    ["ICE", "request-malformed", 400, `SOURCE http://${host}/ ICE/1.0\r\nHost: ${host}\r\n\r\n`],
    ["TLS", "request-malformed", 400, "\u0016\u0003\u0001\u0002\u0000\u0001\u0000"],
    ["HTTP/2", "request-malformed", 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["CONNECT without a port", "host-invalid", 403, `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ["CONNECT to a URL", "host-invalid", 403, `CONNECT http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ["CONNECT to a path", "host-invalid", 403, "CONNECT /run/docker.sock HTTP/1.1\r\nHost: a\r\n\r\n"],
    [
      "CONNECT with a body",
      "framing-ambiguous",
      400,
      `CONNECT ${host}:80 HTTP/1.1\r\nHost: ${host}:80\r\nContent-Length: 4\r\n\r\nbody`
    ]
  ]

  it.scopedLive.each(cases)("%s: %s, %d", ([, reason, status, bytes]) =>
    Effect.gen(function* () {
      const upstream = yield* hello
      const proxy = yield* Fixture.serve({
        allow: [host, `127.0.0.1:${upstream.port}`],
        resolve: [`${host}=127.0.0.1`]
      })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(bytes)
      const { body, head } = yield* client.readResponse
      assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} `))
      assert.match(head, new RegExp(`\\r\\nX-Bottle-Refused: ${reason}(?:;|\\r\\n)`))
      assert.match(body, /^bottle refused [\x20-\x7e\n]+\n$/)
      const event = yield* Fixture.lastOf(proxy, 1)
      assert.deepStrictEqual([event.verdict, event.reason, event.bytesUp], ["deny", reason, 0])

      const good = yield* Client.request(proxy.address, `http://127.0.0.1:${upstream.port}/`)
      assert.strictEqual(good.status, 200)
      assert.strictEqual(upstream.connections(), 1)
    })
  )

  it.scopedLive("cannot put anything of its own into the answer", () =>
    Effect.gen(function* () {
      const proxy = yield* Fixture.serve({ allow: [] })
      const client = yield* Client.wire(proxy.address)
      yield* client.send('GET http://a"b\u001b[31m\u0085é/ HTTP/1.1\r\nHost: a"b\r\n\r\n')
      const { body, head } = yield* client.readResponse
      assert.match(head, /^HTTP\/1\.1 40[03] /)
      assert.match(head, /^[\x20-\x7e\r\n]+$/)
      assert.match(body, /^[\x20-\x7e\n]+$/)
      const method = yield* Client.wire(proxy.address)
      yield* method.send("GET http://%0d%0aSet-Cookie:a=b/ HTTP/1.1\r\nHost: a\r\n\r\n")
      assert.notMatch((yield* method.readResponse).head, /\nSet-Cookie/)
    })
  )
})

describe("a body", () => {
  // Incompressible enough that a lost or doubled piece shows, and made as it is read.
  const block = Crypto.randomBytes(64 * 1024)
  const body = (bytes: number): Readable =>
    Readable.from(
      (function* () {
        for (let sent = 0; sent < bytes; sent += block.length) yield block
      })()
    )
  const hashOf = (bytes: number): string => {
    const hash = Crypto.createHash("sha256")
    for (let sent = 0; sent < bytes; sent += block.length) hash.update(block)
    return hash.digest("hex")
  }

  const transfer = (bytes: number, framing: "length" | "chunked") =>
    Effect.gen(function* () {
      const upstream = yield* Servers.httpUpstream((_, response) => {
        if (framing === "length") response.setHeader("Content-Length", bytes)
        body(bytes).pipe(response)
      })
      const proxy = yield* Fixture.serve({ allow: [`127.0.0.1:${upstream.port}`] })
      const { address } = proxy
      assert(address._tag === "Tcp", "the proxy listens on TCP")
      const host = `127.0.0.1:${upstream.port}`
      const found = yield* Effect.async<{ bytes: number; sha256: string }>((resume) => {
        const request = Http.request({
          host: address.host,
          port: address.port,
          agent: false,
          method: "POST",
          path: `http://${host}/`,
          headers: { host, ...(framing === "length" ? { "content-length": bytes } : {}) }
        })
        request.on("response", (response) => {
          const hash = Crypto.createHash("sha256")
          let received = 0
          response.on("data", (chunk: Buffer) => {
            received += chunk.length
            hash.update(chunk)
          })
          response.on("end", () => resume(Effect.succeed({ bytes: received, sha256: hash.digest("hex") })))
        })
        body(bytes).pipe(request)
      })
      const sha256 = hashOf(bytes)
      assert.deepStrictEqual(found, { bytes, sha256 })
      assert.deepStrictEqual([upstream.received[0]?.bodyBytes, upstream.received[0]?.bodySha256], [bytes, sha256])
      const event = yield* Fixture.lastOf(proxy, 1)
      assert.strictEqual(event.reason, "completed")
      assert.isAtLeast(event.bytesUp, bytes)
      assert.isAtLeast(event.bytesDown, bytes)
    })

  it.scopedLive("of 50 MiB in chunks arrives whole, both ways", () => transfer(50 * 1024 * 1024, "chunked"), 60_000)
  it.scopedLive(
    "of 200 MiB with a length arrives whole, both ways",
    () => transfer(200 * 1024 * 1024, "length"),
    60_000
  )

  it.scopedLive("is not read faster than it is taken", () =>
    Effect.gen(function* () {
      const bytes = 64 * 1024 * 1024
      let sent = 0
      const upstream = yield* Servers.tcpUpstream((socket) => {
        socket.once("data", () => {
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`)
          const more = (): void => {
            while (sent < bytes) {
              sent += block.length
              if (!socket.write(block)) return
            }
          }
          socket.on("drain", more)
          more()
        })
      })
      const proxy = yield* Fixture.serve({ allow: [`127.0.0.1:${upstream.port}`], limits: { idleMillis: 300 } })
      const client = yield* Client.wire(proxy.address)
      client.socket.pause()
      const host = `127.0.0.1:${upstream.port}`
      yield* client.send(`GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      // Nothing moves any more once every buffer on the way is full: the idle limit says when.
      const event = yield* Fixture.lastOf(proxy, 1)
      assert.strictEqual(event.reason, "idle")
      assert.isBelow(event.bytesDown, bytes / 2)
      assert.isAbove(event.bytesDown, 0)
    })
  )
})
