import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import type * as Http from "node:http"
import * as Address from "../src/Address.js"
import type * as Proxy from "../src/Proxy.js"
import type { Resolver } from "../src/Resolver.js"
import * as Client from "./fixtures/client.js"
import * as Fixture from "./fixtures/proxy.js"
import * as Servers from "./fixtures/servers.js"

const web = Servers.httpUpstream((_, response) => response.end("ok"))

const get = (host: string): string => `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`

const connect = (host: string): string => `CONNECT ${host} HTTP/1.1\r\n\r\n`

const statusOf = (head: string): string => head.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length)

/** A resolver that answers when it is told to; `asked` is there when it has been asked. */
const waiting: Effect.Effect<{
  readonly resolver: Resolver
  readonly asked: Deferred.Deferred<void>
  readonly answer: (addresses: ReadonlyArray<string>) => Effect.Effect<void>
}> = Effect.gen(function* () {
  const asked = yield* Deferred.make<void>()
  const answered = yield* Deferred.make<ReadonlyArray<string>>()
  return {
    resolver: { resolve: () => Effect.zipRight(Deferred.succeed(asked, undefined), Deferred.await(answered)) },
    asked,
    answer: (addresses) => Effect.asVoid(Deferred.succeed(answered, addresses))
  }
})

describe("another policy", () => {
  it.scopedLive("decides the next request of a kept-alive connection, and the next tunnel", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const host = `127.0.0.1:${upstream.port}`
      const first = Fixture.policy({ allow: [host] })
      const proxy = yield* Fixture.serve({ allow: [host] })
      const client = yield* Client.wire(proxy.address)
      const ask = Effect.flatMap(client.send(get(host)), () =>
        Effect.map(client.readResponse, ({ head }) => statusOf(head))
      )
      const tunnel = Effect.gen(function* () {
        const asking = yield* Client.wire(proxy.address)
        yield* asking.send(connect(host))
        return statusOf(yield* asking.readUntil("\r\n\r\n"))
      })
      const standing = yield* Client.wire(proxy.address)
      yield* standing.send(connect(host))
      yield* standing.readUntil("\r\n\r\n")

      assert.strictEqual(yield* ask, "200")
      yield* proxy.reload(Fixture.policy({}))
      assert.strictEqual(yield* ask, "403")
      assert.strictEqual(yield* tunnel, "403")
      yield* proxy.reload(Fixture.policy({ allow: [host], deny: ["127.0.0.0/8"] }))
      assert.strictEqual(yield* tunnel, "403")
      yield* proxy.reload(first)
      assert.strictEqual(yield* ask, "200")
      assert.strictEqual(yield* tunnel, "200")
      // What stood before any of this goes on.
      yield* standing.send("GET / HTTP/1.0\r\n\r\n")
      assert.match(yield* standing.readAll, /^HTTP\/1\.1 200 /)
      assert.strictEqual(upstream.connections(), 4)
    })
  )

  it.scopedLive("decides what waits behind another request on its connection", () =>
    Effect.gen(function* () {
      const received = yield* Deferred.make<Http.ServerResponse>()
      const upstream = yield* Servers.httpUpstream((_, response) =>
        Deferred.unsafeDone(received, Effect.succeed(response))
      )
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host] })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(get(host).repeat(2))
      const response = yield* Deferred.await(received)
      yield* proxy.reload(Fixture.policy({}))
      response.end("ok")
      assert.strictEqual(statusOf((yield* client.readResponse).head), "200")
      assert.strictEqual(statusOf((yield* client.readResponse).head), "403")
      assert.strictEqual(upstream.connections(), 1)
    })
  )

  const meanwhile: ReadonlyArray<
    readonly [string, (port: number) => Fixture.PolicyOptions, (port: number) => readonly [string, string, string]]
  > = [
    [
      "allows it by another rule",
      (port) => ({ allow: [{ host: "*.test", ports: [port], addresses: ["127.0.0.1"] }] }),
      (port) => ["200", "allowed", `*.test:${port}`]
    ],
    [
      "pins it elsewhere",
      (port) => ({ allow: [`web.test:${port}`], resolve: ["web.test=127.0.0.1"] }),
      (port) => ["200", "allowed", `web.test:${port}`]
    ],
    ["allows nothing", () => ({}), () => ["403", "no-rule", ""]],
    [
      "denies its name",
      (port) => ({ allow: [{ host: `web.test:${port}`, addresses: ["127.0.0.0/8"] }], deny: ["*.test"] }),
      () => ["403", "denied-by-rule", "*.test"]
    ],
    [
      "denies its address",
      (port) => ({ allow: [{ host: `web.test:${port}`, addresses: ["127.0.0.0/8"] }], deny: ["127.0.0.0/30"] }),
      () => ["403", "denied-by-rule", "127.0.0.0/30"]
    ],
    [
      "lists its address no more",
      (port) => ({ allow: [`web.test:${port}`] }),
      (port) => ["403", "address-not-public", `web.test:${port}`]
    ]
  ]

  for (const method of ["CONNECT", "GET"] as const) {
    it.scopedLive.each(meanwhile)(
      `judges a name that is being resolved, for ${method}, when it %s`,
      ([, options, expect]) =>
        Effect.gen(function* () {
          const upstream = yield* web
          const { answer, asked, resolver } = yield* waiting
          const authority = `web.test:${upstream.port}`
          const proxy = yield* Fixture.serve({
            allow: [{ host: authority, addresses: ["127.0.0.0/8"] }],
            resolver
          })
          const [status, reason, rule] = expect(upstream.port)
          const client = yield* Client.wire(proxy.address)
          yield* client.send(method === "CONNECT" ? connect(authority) : get(authority))
          yield* Deferred.await(asked)
          yield* proxy.reload(Fixture.policy(options(upstream.port)))
          // The address that the old policy lists; where the new one pins the name, nobody listens on this one.
          yield* answer([rule === authority && status === "200" ? "127.0.0.9" : "127.0.0.1"])
          assert.strictEqual(statusOf(yield* client.readUntil("\r\n\r\n")), status)
          const [event] = yield* Fixture.eventsUntil(proxy, () => true)
          assert.deepStrictEqual([event?.phase, event?.reason, event?.rule ?? ""], ["decision", reason, rule])
          assert.strictEqual(upstream.connections(), status === "200" ? 1 : 0)
        })
    )
  }
})

describe("the proof that a guest has reached its proxy", () => {
  const url = "http://proof.bottle.internal/"
  const proof = "2f7c5a"

  const served: Effect.Effect<Proxy.RunningProxy, never, Scope.Scope> = Fixture.serve({ allow: [], proof })

  it.scopedLive("is answered by the proxy itself, without a decision", () =>
    Effect.gen(function* () {
      const proxy = yield* served
      const answer = yield* Client.request(proxy.address, url)
      assert.deepStrictEqual(
        [answer.status, answer.body, answer.headers["content-type"]],
        [200, proof, "text/plain; charset=utf-8"]
      )
      const head = yield* Client.request(proxy.address, url, { method: "HEAD" })
      assert.deepStrictEqual([head.status, head.body, head.headers["content-length"]], [200, "", String(proof.length)])
      // As a program may spell it, and more than once on one connection.
      const client = yield* Client.wire(proxy.address)
      yield* client.send(
        "GET http://Proof.Bottle.Internal.:80 HTTP/1.1\r\nHost: proof.bottle.internal\r\n\r\n" +
          `GET ${url} HTTP/1.0\r\n\r\n`
      )
      assert.strictEqual((yield* client.readResponse).body, proof)
      assert.strictEqual((yield* client.readResponse).body, proof)
      // The first event of all is about something else.
      assert.strictEqual((yield* Client.request(proxy.address, "http://evil.test/")).status, 403)
      const [event] = yield* Fixture.eventsUntil(proxy, () => true)
      assert.deepStrictEqual([event?.sequence, event?.request, event?.host], [1, 1, "evil.test"])
    })
  )

  it.scopedLive("is nothing but that: every other request for that name is decided like any other", () =>
    Effect.gen(function* () {
      const proxy = yield* served
      for (const [other, method] of [
        [url, "POST"],
        [`${url}else`, "GET"],
        [`${url}?a`, "GET"],
        ["http://proof.bottle.internal:8080/", "GET"],
        ["http://www.proof.bottle.internal/", "GET"]
      ] as const) {
        assert.strictEqual((yield* Client.request(proxy.address, other, { method })).status, 403, `${method} ${other}`)
      }
      const client = yield* Client.wire(proxy.address)
      yield* client.send(connect("proof.bottle.internal:80"))
      assert.match((yield* client.readResponse).head, /^HTTP\/1\.1 403 [^]*X-Bottle-Refused: no-rule; /)
      const without = yield* Fixture.serve({ allow: [] })
      assert.strictEqual((yield* Client.request(without.address, url)).status, 403)
      assert.strictEqual((yield* Client.request(proxy.address, url)).status, 200)
    })
  )
})

describe("a rule about requests", () => {
  it.scopedLive("allows those and refuses others, on one connection, and every tunnel", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({
        allow: [{ host: "127.0.0.1", ports: [upstream.port], methods: ["GET"], paths: ["/v1/*", "/health"] }]
      })
      const client = yield* Client.wire(proxy.address)
      for (const [method, path, status] of [
        ["GET", "/v1/models?page=2", "200"],
        ["POST", "/v1/models", "403"],
        ["GET", "/v2", "403"],
        ["GET", "/v1/../v2", "403"],
        ["GET", "/v1/%2e%2e/v2", "403"],
        ["GET", "/health", "200"]
      ] as const) {
        yield* client.send(`${method} http://${host}${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`)
        assert.strictEqual(statusOf((yield* client.readResponse).head), status, `${method} ${path}`)
      }
      const answer = yield* Client.request(proxy.address, `http://${host}/v2`)
      assert.match(String(answer.headers["x-bottle-refused"]), /^request-not-allowed; target="127\.0\.0\.1:/)
      const tunnel = yield* Client.wire(proxy.address)
      yield* tunnel.send(connect(host))
      assert.match((yield* tunnel.readResponse).head, /^HTTP\/1\.1 403 [^]*X-Bottle-Refused: request-not-allowed; /)
      assert.strictEqual(upstream.connections(), 2)
    })
  )

  it.scopedLive("denies a request to switch to WebSocket like any other", () =>
    Effect.gen(function* () {
      const upstream = yield* Servers.httpUpstream((_, response) => response.end("plain"))
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({
        allow: [host],
        deny: [{ host: "127.0.0.1", ports: [upstream.port], paths: ["/secret"] }]
      })
      const upgrade = (path: string): string =>
        `GET http://${host}${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
      const refused = yield* Client.wire(proxy.address)
      yield* refused.send(upgrade("/secret"))
      const { body, head } = yield* refused.readResponse
      assert.match(head, /^HTTP\/1\.1 403 [^]*X-Bottle-Refused: denied-by-rule; /)
      assert.include(body, "To allow it, take the denying rule out of the policy: ")
      const allowed = yield* Client.wire(proxy.address)
      yield* allowed.send(upgrade("/open"))
      assert.match(yield* allowed.readUntil("plain"), /^HTTP\/1\.1 200 /)
    })
  )
})

describe("the proxy's own network", () => {
  it.scopedLive("is reached by no name and no address, whatever lists it", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const { port } = upstream
      const range = Either.getOrThrow(Address.parseCidr("127.0.0.0/30"))
      const serve = (ownRanges: ReadonlyArray<Address.Cidr>) =>
        Fixture.serve({
          allow: [{ host: `web.test:${port}`, addresses: ["127.0.0.0/8"] }, `pinned.test:${port}`, `127.0.0.1:${port}`],
          resolve: ["pinned.test=127.0.0.1"],
          resolver: Fixture.recording(() => ["127.0.0.1"]),
          ownRanges
        })
      const closed = yield* serve([range])
      const open = yield* serve([])
      for (const host of ["web.test", "pinned.test", "127.0.0.1"]) {
        const refused = yield* Client.request(closed.address, `http://${host}:${port}/`)
        assert.strictEqual(refused.status, 403, host)
        assert.include(refused.body, "127.0.0.1 is an address of the proxy's own network, and never reached")
        assert.strictEqual((yield* Client.request(open.address, `http://${host}:${port}/`)).status, 200, host)
      }
      assert.strictEqual(upstream.connections(), 3)
    })
  )
})
