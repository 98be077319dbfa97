/** Upstreams that the proxy serves to its guest with a credential. Most are http, which differs in nothing but its transport. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Net from "node:net"
import * as Stream from "node:stream"
import type { EgressEvent } from "../src/EgressEvent.js"
import * as Policy from "../src/Policy.js"
import type { CredentialEntry } from "../src/PolicyDocument.js"
import * as Proxy from "../src/Proxy.js"
import * as Client from "./fixtures/client.js"
import * as Directory from "./fixtures/directory.js"
import * as Fixture from "./fixtures/proxy.js"
import * as Servers from "./fixtures/servers.js"
import * as Tls from "./fixtures/tls.js"

const VALUE = "sk-secret-0123456789"

const values = { api: VALUE }

const tls = { cert: Tls.certificate, key: Tls.key }

const ca = [Tls.certificate]

const own = { "good.test": ["127.0.0.1"], "evil.test": ["127.0.0.1"] }

const resolver = Fixture.recording((name) => (name in own ? ["127.0.0.1"] : undefined))

const entry = (upstream: string, more: Partial<CredentialEntry> = {}): CredentialEntry => ({
  source: { env: "KEY" },
  header: "x-api-key",
  upstream,
  ...more
})

const served = (upstream: string, more: Partial<CredentialEntry> = {}, options: Fixture.ServeOptions = {}) =>
  Fixture.serve({ credentials: { api: entry(upstream, more) }, values, ...options })

/** The proxy on TCP as its guest sees it. */
const hostOf = ({ address }: Proxy.RunningProxy): string =>
  address._tag === "Tcp" ? `127.0.0.1:${address.port}` : assert.fail("the proxy listens on TCP")

interface Sent {
  readonly method?: string
  readonly headers?: Http.OutgoingHttpHeaders
  readonly body?: string
}

/** A request in origin form, as whoever has the local base URL makes it. */
const ask = (proxy: Proxy.RunningProxy, path: string, { body, headers, method = "GET" }: Sent = {}) =>
  Effect.async<Client.Answer, Error>((resume) => {
    const [host, port] = hostOf(proxy).split(":")
    const request = Http.request({ host, port, method, path, headers, agent: false })
    request.on("error", (error) => resume(Effect.fail(error)))
    request.on("response", (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => (text += chunk))
      response.on("end", () =>
        resume(
          Effect.succeed({
            status: response.statusCode ?? 0,
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            body: text
          })
        )
      )
    })
    request.end(body)
  })

const raw = (proxy: Proxy.RunningProxy, text: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const client = yield* Client.wire(proxy.address)
      yield* client.send(text.replaceAll("$HOST", hostOf(proxy)))
      return yield* client.readResponse
    })
  )

const web = Servers.httpUpstream((_, response) => response.end("ok"))

const secureWeb = Servers.httpUpstream((_, response) => response.end("ok"), { tls })

const told = ({ body, headers, status }: Client.Answer): string =>
  `${status} ${String(headers["x-bottle-refused"] ?? headers["x-bottle-upstream"] ?? "")}: ${body}`

const facts = ({ host, method, phase, port, reason, rule, verdict }: EgressEvent) =>
  [phase, verdict, reason, method, host, port, rule].join(" ")

describe("a credential that the proxy serves", () => {
  it.scopedLive("is set in place of everything by which the guest could be somebody else", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const proxy = yield* served(`http://127.0.0.1:${upstream.port}`)
      const { head } = yield* raw(
        proxy,
        [
          "GET /credentials/api/v1/models?limit=1&a=%2F HTTP/1.1",
          "Host: $HOST",
          "Authorization: Bearer guest",
          "aUTHORIZATION: Basic guest",
          "Proxy-Authorization: Basic guest",
          "X-Api-Key: guest",
          "x-API-key: guest",
          "X_Api_Key: guest",
          "X.Api~Key: guest",
          "Api-Key: guest",
          "X-Goog-Api-Key: guest",
          "Cookie: session=guest",
          "X-HTTP-Method-Override: DELETE",
          "X-Original-URL: /admin",
          "Destination: /admin",
          "Connection: x-api-key, close, host",
          "X-Version: 2023-06-01",
          "",
          ""
        ].join("\r\n")
      )
      assert.match(head, /^HTTP\/1\.1 200 OK\r\n/)
      const [received] = upstream.received
      assert.deepStrictEqual(
        [received?.method, received?.url, received?.rawHeaders],
        [
          "GET",
          "/v1/models?limit=1&a=%2F",
          ["Host", `127.0.0.1:${upstream.port}`, "X-Version", "2023-06-01", "x-api-key", VALUE, "Connection", "close"]
        ]
      )
    })
  )

  it.scopedLive("has its prefix, and the path behind the base of its upstream", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const proxy = yield* served(`http://127.0.0.1:${upstream.port}/v1`, {
        header: "Authorization",
        prefix: "Bearer "
      })
      for (const rest of ["/chat?a", "", "?b"])
        yield* ask(proxy, `/credentials/api${rest}`, { method: "POST", body: "x" })
      const set = ({ rawHeaders }: Servers.Received) => rawHeaders[rawHeaders.indexOf("authorization") + 1]
      assert.deepStrictEqual(
        upstream.received.map((received) => [received.url, received.bodyBytes, set(received)]),
        [
          ["/v1/chat?a", 1, `Bearer ${VALUE}`],
          ["/v1", 1, `Bearer ${VALUE}`],
          ["/v1?b", 1, `Bearer ${VALUE}`]
        ]
      )
    })
  )

  it.scopedLive("is served in absolute form at the guest's own addresses, and at no other host", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const proxy = yield* served(`http://127.0.0.1:${upstream.port}`, {}, { allow: [`127.0.0.1:${upstream.port}`] })
      const url = (host: string, name = "api") => `http://${host}/credentials/${name}/x`
      for (const host of [hostOf(proxy), "127.0.0.1:1", "localhost:1", "localhost", "[::1]:1"]) {
        assert.strictEqual((yield* Client.request(proxy.address, url(host))).status, 200, host)
      }
      assert.strictEqual(upstream.received.length, 5)
      assert.isTrue(upstream.received.every(({ rawHeaders, url }) => url === "/x" && rawHeaders.includes(VALUE)))

      // A browser that goes through the proxy asks on behalf of whatever page it shows.
      const page = { headers: { origin: "https://evil.test" } }
      const foreign = yield* Client.request(proxy.address, url(hostOf(proxy)), page)
      assert.deepStrictEqual([foreign.status, foreign.headers["x-bottle-refused"]], [400, "host-mismatch"])
      assert.strictEqual(upstream.received.length, 5)

      for (const host of ["a.test", "10.0.0.1", "localhost.test"]) {
        assert.include((yield* Client.request(proxy.address, url(host))).headers["x-bottle-refused"], "no-rule", host)
      }
      const unknown = yield* Client.request(proxy.address, url(hostOf(proxy), "other"))
      assert.include(unknown.headers["x-bottle-refused"], "credential-unknown")
      // A service of that address that a rule allows may have such paths of its own.
      const theirs = yield* Client.request(proxy.address, url(`127.0.0.1:${upstream.port}`, "other"))
      assert.deepStrictEqual([theirs.status, upstream.received.at(-1)?.url], [200, "/credentials/other/x"])
      assert.notInclude(upstream.received.at(-1)?.rawHeaders ?? [VALUE], VALUE)
    })
  )

  it.scopedLive("is served on a Unix socket, to whoever calls it by the address of a relay", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const directory = yield* Directory.temporary
      const listen = { _tag: "Unix", path: `${directory}/proxy.sock` } as const
      const proxy = yield* served(`http://127.0.0.1:${upstream.port}`, {}, { listen })
      const client = yield* Client.wire(proxy.address)
      yield* client.send("GET /credentials/api/x HTTP/1.1\r\nHost: 127.0.0.1:3128\r\n\r\n")
      assert.match((yield* client.readResponse).head, /^HTTP\/1\.1 200 /)
      // A client that takes its relay for the proxy that it is says the same in absolute form.
      yield* client.send("GET http://127.0.0.1:3128/credentials/api/y HTTP/1.1\r\nHost: 127.0.0.1:3128\r\n\r\n")
      assert.match((yield* client.readResponse).head, /^HTTP\/1\.1 200 /)
      yield* client.send("GET http://127.0.0.1:3128/other HTTP/1.1\r\nHost: 127.0.0.1:3128\r\n\r\n")
      assert.match((yield* client.readResponse).head, /^HTTP\/1\.1 403 [^]*no-rule/)
      assert.deepStrictEqual(
        upstream.received.map(({ url }) => url),
        ["/x", "/y"]
      )
    })
  )

  const ambiguous: ReadonlyArray<readonly [text: string, told: string]> = [
    ["Host: $HOST\r\n", "200"],
    ["Host: localhost:3128\r\n", "200"],
    ["Host: [::1]\r\n", "200"],
    ["Host: $HOST\r\nOrigin: http://localhost:5173\r\n", "200"],
    ["Host: $HOST\r\nOrigin: http://127.0.0.1\r\n", "200"],
    ["Host: 192.0.2.7:3128\r\nOrigin: http://192.0.2.7\r\n", "200"],
    ["Host: 192.0.2.7:3128\r\nOrigin: http://192.0.2.8\r\n", "host-mismatch"],
    ["Host: $HOST\r\nOrigin: http://203.0.113.5\r\n", "host-mismatch"],
    ["Host: $HOST\r\nOrigin: http://localhost\r\nOrigin: http://203.0.113.5\r\n", "host-mismatch"],
    ["Host: $HOST\r\nOrigin: https://evil.test\r\n", "host-mismatch"],
    ["Host: $HOST\r\nOrigin: null\r\n", "host-mismatch"],
    ["Host: evil.test\r\n", "host-mismatch"],
    ["Host: localhost.evil.test\r\n", "host-mismatch"],
    ["", "host-mismatch"],
    ["Host: $HOST\r\nHost: $HOST\r\n", "host-mismatch"],
    ["Host: $HOST\r\nContent-Length: 1\r\nContent-Length: 1\r\n", "framing-ambiguous"],
    ["Host: $HOST\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", "framing-ambiguous"],
    ["Host: $HOST\r\nTransfer-Encoding: gzip, chunked\r\n", "framing-ambiguous"]
  ]
  it.scopedLive.each(ambiguous)("answers a request with %j: %s", ([headers, expected]) =>
    Effect.gen(function* () {
      const upstream = yield* web
      const proxy = yield* served(`http://127.0.0.1:${upstream.port}`)
      const { head } = yield* raw(proxy, `GET /credentials/api/x HTTP/1.1\r\n${headers}\r\n`)
      assert.include(head, expected)
      assert.strictEqual(upstream.received.length, expected === "200" ? 1 : 0)
      assert.strictEqual(upstream.connections(), expected === "200" ? 1 : 0)
    })
  )

  it.scopedLive("does not open the proxy's own port to tunnels", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const proxy = yield* served(`http://127.0.0.1:${upstream.port}`)
      const { head } = yield* raw(proxy, "CONNECT $HOST HTTP/1.1\r\nHost: $HOST\r\n\r\n")
      assert.match(head, /^HTTP\/1\.1 403 Forbidden\r\n[^]*no-rule/)
      const direct = yield* raw(proxy, `CONNECT 127.0.0.1:${upstream.port} HTTP/1.1\r\n\r\n`)
      assert.match(direct.head, /^HTTP\/1\.1 403 Forbidden\r\n[^]*no-rule/)
      assert.strictEqual((yield* ask(proxy, "/credentials/api/")).status, 200)
    })
  )

  const paths: ReadonlyArray<readonly [more: Partial<CredentialEntry>, request: string, told: string]> = [
    [{}, "GET /v1/a%2Fb", "200"],
    [{}, "GET /../x", "403 credential-not-for-this"],
    [{}, "GET /%2e%2e/x", "403 credential-not-for-this"],
    [{}, "GET /%252e%252e/x", "403 credential-not-for-this"],
    [{}, "GET /v1/..%5C..%5Cx", "403 credential-not-for-this"],
    [{}, "GET //evil.test/", "403 credential-not-for-this"],
    [{}, "TRACE /v1", "403 credential-not-for-this"],
    [{ methods: ["POST"], paths: ["/base/v1/*"] }, "POST /v1/x?y", "200"],
    [{ methods: ["POST"], paths: ["/base/v1/*"] }, "GET /v1/x", "403 credential-not-for-this"],
    [{ methods: ["POST"], paths: ["/base/v1/*"] }, "POST /v2/x", "403 credential-not-for-this"],
    [{ methods: ["POST"], paths: ["/base/v1/*"] }, "POST /v1/%2e%2e/v2/x", "403 credential-not-for-this"]
  ]
  it.scopedLive.each(paths)("with %j takes %s: %s", ([more, request, expected]) =>
    Effect.gen(function* () {
      const upstream = yield* web
      const proxy = yield* served(`http://127.0.0.1:${upstream.port}/base`, more)
      const [method, path = ""] = request.split(" ")
      const answer = yield* ask(proxy, `/credentials/api${path}`, method === undefined ? {} : { method })
      assert.include(told(answer), expected)
      assert.deepStrictEqual(
        upstream.received.map(({ url }) => url),
        expected === "200" ? [`/base${path}`] : []
      )
    })
  )

  it.scopedLive("answers what it cannot serve with a text that an agent can read, and an event", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const port = upstream.port
      const url = `http://127.0.0.1:${port}`
      const proxy = yield* Fixture.serve({
        credentials: { api: entry(url), late: entry(url), some: entry(url, { methods: ["POST"] }) },
        values: { ...values, some: VALUE }
      })
      assert.strictEqual(
        told(yield* ask(proxy, "/credentials/nobody/x")),
        '403 credential-unknown; target="/credentials/nobody"; rule="none": bottle refused GET /credentials/nobody: the policy has no credential "nobody".\nIts credentials are api, late, some.\n'
      )
      assert.strictEqual(
        told(yield* ask(proxy, "/credentials/late/x")),
        '403 credential-unavailable; target="/credentials/late"; rule="credentials.late": bottle refused GET /credentials/late: the value of the credential late was not given to the proxy.\nIt is read when a bottle is started: start the bottle again.\n'
      )
      assert.strictEqual(
        told(yield* ask(proxy, "/credentials/some/x")),
        `403 credential-not-for-this; target="127.0.0.1:${port}"; rule="credentials.some": bottle refused GET 127.0.0.1:${port}: this credential is for POST only.\nRule: credentials.some.\nUse one of POST.\n`
      )
      assert.match(told(yield* ask(proxy, "/credentials/%61pi/x")), /^403 credential-unknown/)
      assert.match(told(yield* ask(proxy, "/credentials/__proto__/x")), /^403 credential-unknown/)
      assert.match(told(yield* ask(proxy, "/credential/api")), /^400 not-a-proxy-request/)
      assert.strictEqual(upstream.connections(), 0)
      assert.strictEqual((yield* ask(proxy, "/credentials/api/x")).status, 200)
      const events = yield* Fixture.eventsUntil(proxy, ({ phase }) => phase === "closed")
      assert.deepStrictEqual(events.map(facts), [
        "decision deny credential-unknown GET   ",
        `decision deny credential-unavailable GET 127.0.0.1 ${port} credentials.late`,
        `decision deny credential-not-for-this GET 127.0.0.1 ${port} credentials.some`,
        "decision deny credential-unknown GET   ",
        "decision deny credential-unknown GET   ",
        "decision deny not-a-proxy-request GET   ",
        `decision allow allowed GET 127.0.0.1 ${port} credentials.api`,
        `closed allow completed GET 127.0.0.1 ${port} credentials.api`
      ])
      assert.isAbove(events.at(-1)?.bytesUp ?? 0, 50)
      assert.isAbove(events.at(-1)?.bytesDown ?? 0, 50)
      assert.notInclude(JSON.stringify(events), VALUE)
    })
  )

  it.scopedLive("takes the credential and sessions out of the header of an answer, and what only the proxy says", () =>
    Effect.gen(function* () {
      const upstream = yield* Servers.httpUpstream((_, response) => {
        response.writeHead(200, `OK ${VALUE}`, [
          ...["X-Api-Key", VALUE],
          ...["x_api_key", "again"],
          ...["X-Echo", `key=${VALUE}`],
          // A reader of URLs takes the tab out.
          ...["Location", `/?key=${VALUE.slice(0, 5)}\t${VALUE.slice(5)}`],
          ...["Set-Cookie", "session=1"],
          ...["X-Bottle-Refused", "no"],
          ...["X-Request-Id", "1"],
          ...["Content-Length", "2"]
        ])
        response.end("ok")
      })
      const proxy = yield* served(`http://127.0.0.1:${upstream.port}`)
      const { body, head } = yield* raw(proxy, "GET /credentials/api/x HTTP/1.1\r\nHost: $HOST\r\n\r\n")
      assert.strictEqual(body, "ok")
      assert.match(head, /^HTTP\/1\.1 200 *\r\nX-Request-Id: 1\r\nContent-Length: 2\r\nDate: /)
      assert.notMatch(head, /sk-secret|x.api.key|x-echo|set-cookie|x-bottle|location/i)
    })
  )

  it.scopedLive("follows no redirect, and leads back to itself only what its upstream has", () =>
    Effect.gen(function* () {
      const upstream = yield* Servers.httpUpstream(({ url }, response) => {
        const here = `http://127.0.0.1:${upstream.port}`
        const location =
          url === "/base/own" ? `${here}/base/next?a` : url === "/base/out" ? "/login" : "https://b.test/"
        response.writeHead(307, { location }).end()
      })
      const base = `http://127.0.0.1:${upstream.port}`
      const proxy = yield* served(`${base}/base`)
      const location = (path: string) =>
        Effect.map(ask(proxy, `/credentials/api/${path}`, { method: "POST", body: "x" }), ({ headers, status }) => [
          status,
          headers.location
        ])
      assert.deepStrictEqual(yield* location("own"), [307, "/credentials/api/next?a"])
      assert.deepStrictEqual(yield* location("out"), [307, `${base}/login`])
      assert.deepStrictEqual(yield* location("away"), [307, "https://b.test/"])
      assert.strictEqual(upstream.connections(), 3)
    })
  )

  it.scopedLive("is refused where a rule denies its upstream, beside one that none denies", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const { port } = upstream
      const name = (host: string) => entry(`http://${host}:${port}`)
      const proxy = yield* Fixture.serve({
        credentials: { api: name("a.test"), denied: name("b.test"), address: name("127.0.0.2") },
        values: { api: VALUE, denied: VALUE, address: VALUE },
        resolve: ["a.test=127.0.0.1", "b.test=127.0.0.1"],
        deny: ["b.test", "127.0.0.2"]
      })
      assert.match(told(yield* ask(proxy, "/credentials/denied/")), /^403 denied-by-rule; target="b\.test:[^]*b\.test/)
      assert.match(told(yield* ask(proxy, "/credentials/address/")), /^403 denied-by-rule; target="127\.0\.0\.2:/)
      assert.strictEqual(upstream.connections(), 0)
      assert.strictEqual((yield* ask(proxy, "/credentials/api/")).status, 200)
    })
  )

  it.scopedLive("is refused as long as nobody lists the address that its upstream has", () =>
    Effect.gen(function* () {
      const upstream = yield* secureWeb
      const { port } = upstream
      const names = Fixture.recording(() => ["127.0.0.1"])
      const credentials = { api: entry(`https://good.test:${port}`) }
      const proxy = yield* Fixture.serve({ credentials, values, ca, resolver: names })
      const refused = told(yield* ask(proxy, "/credentials/api/"))
      assert.match(refused, /^403 address-not-public[^]*resolve good\.test=127\.0\.0\.1\n$/)
      assert.strictEqual(upstream.connections(), 0)
      const allow = [{ host: "good.test", ports: [port], addresses: ["127.0.0.1"] }]
      yield* proxy.reload(Fixture.policy({ credentials, allow }))
      assert.strictEqual((yield* ask(proxy, "/credentials/api/")).status, 200)
      assert.deepStrictEqual(names.asked, ["good.test", "good.test"])
      yield* proxy.reload(Fixture.policy({ credentials, resolve: ["good.test=127.0.0.1"] }))
      assert.strictEqual((yield* ask(proxy, "/credentials/api/")).status, 200)
      assert.strictEqual(names.asked.length, 2)
      const event = yield* Fixture.lastOf(proxy, 3)
      assert.strictEqual(event.address, "127.0.0.1")
    })
  )
})

describe("what a credential is used for", () => {
  it.scopedLive("streams both ways over TLS as it comes", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<Http.ServerResponse>()
      const server = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const { createServer } = await import("node:https")
          return createServer(tls, (request, response) => {
            // What has come of the body is answered before there is more of it.
            request.once("data", (chunk: Buffer) => {
              response.writeHead(200, { "content-type": "text/event-stream" })
              response.write(`data: ${chunk.toString()}\n\n`)
              Deferred.unsafeDone(begun, Effect.succeed(response))
            })
          })
        }),
        (made) =>
          Effect.async<void>((resume) => {
            made.closeAllConnections()
            made.close(() => resume(Effect.void))
          })
      )
      yield* Effect.async<void>((resume) => {
        server.listen({ host: "127.0.0.1", port: 0 }, () => resume(Effect.void))
      })
      const address = server.address()
      assert(typeof address === "object" && address !== null)
      const proxy = yield* served(`https://127.0.0.1:${address.port}`, {}, { ca })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(
        `POST /credentials/api/x HTTP/1.1\r\nHost: ${hostOf(proxy)}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n`
      )
      assert.match(yield* client.readUntil("data: first\n\n"), /^HTTP\/1\.1 200 OK\r\n/)
      const response = yield* Deferred.await(begun)
      yield* client.send("4\r\nlast\r\n0\r\n\r\n")
      response.end("data: done\n\n")
      assert.include(yield* client.readUntil("0\r\n\r\n"), "data: done\n\n")
      const event = yield* Fixture.lastOf(proxy, 1)
      assert.strictEqual(event.reason, "completed")
      // What TLS itself says is not counted.
      assert.isTrue(event.bytesUp > 100 && event.bytesUp < 500, `${event.bytesUp} bytes`)
      assert.isTrue(event.bytesDown > 100 && event.bytesDown < 500, `${event.bytesDown} bytes`)
    })
  )

  it.scopedLive("keeps HEAD, 100-continue and lengths as they are", () =>
    Effect.gen(function* () {
      const upstream = yield* Servers.httpUpstream((_, response) => response.setHeader("content-length", "2").end("ok"))
      const proxy = yield* served(`http://127.0.0.1:${upstream.port}`)
      const client = yield* Client.wire(proxy.address)
      const line = `/credentials/api/x HTTP/1.1\r\nHost: ${hostOf(proxy)}\r\n`
      yield* client.send(`HEAD ${line}\r\n`)
      assert.match(yield* client.readUntil("\r\n\r\n"), /^HTTP\/1\.1 200 OK\r\ncontent-length: 2\r\n/)
      yield* client.send(`PUT ${line}Content-Length: 3\r\nExpect: 100-continue\r\n\r\n`)
      assert.strictEqual(yield* client.readUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n")
      yield* client.send("abc")
      assert.strictEqual((yield* client.readResponse).body, "ok")
      assert.deepStrictEqual(
        upstream.received.map(({ bodyBytes, method }) => [method, bodyBytes]),
        [
          ["HEAD", 0],
          ["PUT", 3]
        ]
      )
    })
  )

  it.scopedLive("may become a WebSocket, over TLS", () =>
    Effect.gen(function* () {
      const upgrades: Array<ReadonlyArray<string>> = []
      const upstream = yield* Servers.httpUpstream((_, response) => response.end(), {
        tls,
        onUpgrade: (request, socket) => {
          upgrades.push(request.rawHeaders)
          socket.write(
            `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Api-Key: ${VALUE}\r\n\r\nhello `
          )
          socket.pipe(socket)
        }
      })
      const proxy = yield* served(`https://127.0.0.1:${upstream.port}`, { paths: ["/v1/realtime"] }, { ca })
      const ask = (path: string) =>
        `GET /credentials/api${path} HTTP/1.1\r\nHost: ${hostOf(proxy)}\r\nConnection: Upgrade, X-Api-Key\r\nUpgrade: websocket\r\nX-Api-Key: guest\r\nAuthorization: guest\r\nSec-WebSocket-Key: k\r\n\r\n`
      const client = yield* Client.wire(proxy.address)
      yield* client.send(ask("/v1/realtime?model=a"))
      const head = yield* client.readUntil("\r\n\r\n")
      assert.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n$/)
      yield* client.end("ping")
      assert.strictEqual(yield* client.readAll, "hello ping")
      assert.deepStrictEqual(upgrades, [
        [
          ...["Host", `127.0.0.1:${upstream.port}`, "Sec-WebSocket-Key", "k", "x-api-key", VALUE],
          ...["Connection", "Upgrade", "Upgrade", "websocket"]
        ]
      ])
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "completed")

      const refused = yield* Client.wire(proxy.address)
      yield* refused.send(ask("/v1/other"))
      assert.match(yield* refused.readAll, /^HTTP\/1\.1 403 Forbidden\r\n[^]*credential-not-for-this/)
      const unknown = yield* Client.wire(proxy.address)
      yield* unknown.send(ask("/v1/realtime").replace("/api/", "/nobody/"))
      assert.match(yield* unknown.readAll, /^HTTP\/1\.1 403 Forbidden\r\n[^]*credential-unknown/)
      assert.strictEqual(upgrades.length, 1)
    })
  )

  it.scopedLive("is not read faster over TLS than it is taken", () =>
    Effect.gen(function* () {
      const bytes = 32 * 1024 * 1024
      const block = Buffer.alloc(64 * 1024)
      const upstream = yield* Servers.httpUpstream(
        (_, response) => {
          const blocks = Array.from({ length: bytes / block.length }, () => block)
          Stream.pipeline(Stream.Readable.from(blocks), response, () => {})
        },
        { tls }
      )
      const options = { ca, limits: { idleMillis: 300 } }
      const proxy = yield* served(`https://127.0.0.1:${upstream.port}`, {}, options)
      const client = yield* Client.wire(proxy.address)
      yield* client.send(`GET /credentials/api/ HTTP/1.1\r\nHost: ${hostOf(proxy)}\r\n\r\n`)
      yield* client.readUntil("\r\n\r\n")
      client.socket.pause()
      // Nothing moves any more once every buffer on the way is full: the idle limit says when.
      const event = yield* Fixture.lastOf(proxy, 1)
      assert.strictEqual(event.reason, "idle")
      assert.isTrue(event.bytesDown > 0 && event.bytesDown < bytes / 2, `${event.bytesDown} bytes`)
    })
  )

  it.scopedLive.each(["an answer", "a WebSocket"])("is cut with its client in the middle of %s, over TLS", (what) =>
    Effect.gen(function* () {
      const gone = yield* Deferred.make<void>()
      const done = (): void => Deferred.unsafeDone(gone, Effect.void)
      const upstream = yield* Servers.httpUpstream((_, response) => response.once("close", done).write("begun"), {
        tls,
        onUpgrade: (_, socket) => {
          socket.once("close", done)
          socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbegun")
        }
      })
      const proxy = yield* served(`https://127.0.0.1:${upstream.port}`, {}, { ca })
      const client = yield* Client.wire(proxy.address)
      const upgrade = what === "an answer" ? "" : "Connection: Upgrade\r\nUpgrade: websocket\r\n"
      yield* client.send(`GET /credentials/api/ HTTP/1.1\r\nHost: ${hostOf(proxy)}\r\n${upgrade}\r\n`)
      yield* client.readUntil("begun")
      client.socket.resetAndDestroy()
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "client-gone")
      yield* Deferred.await(gone)
    })
  )

  it.scopedLive("ends with the proxy, and says so", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const upstream = yield* Servers.httpUpstream(
        (_, response) => {
          response.write("never ends")
          Deferred.unsafeDone(begun, Effect.void)
        },
        { tls }
      )
      const scope = yield* Scope.make()
      const proxy = yield* served(`https://127.0.0.1:${upstream.port}`, {}, { ca }).pipe(Scope.extend(scope))
      const client = yield* Client.wire(proxy.address)
      yield* client.send(`GET /credentials/api/ HTTP/1.1\r\nHost: ${hostOf(proxy)}\r\n\r\n`)
      yield* Deferred.await(begun)
      yield* Scope.close(scope, Exit.void)
      assert.notInclude(yield* client.readAll, "0\r\n\r\n")
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "shut-down")
    })
  )
})

describe("TLS to the upstream of a credential", () => {
  const certificates: ReadonlyArray<readonly [host: string, trusted: string, told: string]> = [
    ["good.test", "its certificate", "200 : ok"],
    ["127.0.0.1", "its certificate", "200 : ok"],
    ["evil.test", "its certificate", "but its certificate is for another name"],
    ["127.0.0.2", "its certificate", "but its certificate is for another name"],
    ["good.test", "what node does", "but its certificate is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)"],
    ["good.test", "nothing", "but its certificate is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)"]
  ]
  it.scopedLive.each(certificates)("to %s, trusting %s: %s", ([host, trusted, expected]) =>
    Effect.gen(function* () {
      const upstream = yield* Servers.httpUpstream((_, response) => response.end("ok"), {
        tls,
        host: host === "127.0.0.2" ? host : "127.0.0.1"
      })
      const proxy = yield* served(
        `https://${host}:${upstream.port}`,
        {},
        {
          ...(trusted === "what node does" ? {} : { ca: trusted === "nothing" ? ["no certificate"] : ca }),
          ...(host.endsWith(".test") ? { resolve: [`${host}=127.0.0.1`] } : {})
        }
      )
      const answer = told(yield* ask(proxy, "/credentials/api/"))
      assert.include(answer, expected)
      const isRefused = expected.startsWith("but")
      assert.strictEqual(upstream.received.length, isRefused ? 0 : 1)
      const event = yield* Fixture.lastOf(proxy, 1)
      assert.strictEqual(event.reason, isRefused ? "connect-failed" : "completed")
      if (isRefused)
        assert.match(answer, /^502 connect-failed: bottle allows GET [^ ]* \(rule credentials\.api\), but /)
    })
  )

  const broken: ReadonlyArray<readonly [what: string, (socket: Net.Socket) => void, told: string]> = [
    ["cuts the connection", (socket) => socket.destroy(), "502 connect-failed"],
    ["ends it", (socket) => socket.end(), "502 connect-failed"],
    ["speaks no TLS", (socket) => socket.end("SSH-2.0-x\r\n"), "502 connect-failed"],
    ["says nothing", () => {}, "504 timed-out"]
  ]
  it.scopedLive.each(broken)("with somebody who %s is an answer of ours", ([, behave, expected]) =>
    Effect.gen(function* () {
      const upstream = yield* Servers.tcpUpstream((socket) => {
        socket.on("error", () => {})
        socket.once("data", () => behave(socket))
      })
      const isSilent = expected.includes("timed-out")
      const options = { ca, ...(isSilent ? { limits: { connectMillis: 250 } } : {}) }
      const proxy = yield* served(`https://127.0.0.1:${upstream.port}`, {}, options)
      assert.include(told(yield* ask(proxy, "/credentials/api/")), expected)
      assert.include(expected, (yield* Fixture.lastOf(proxy, 1)).reason)
    })
  )

  it.scopedLive("is given up with its client", () =>
    Effect.gen(function* () {
      const hello = yield* Deferred.make<void>()
      const gone = yield* Deferred.make<void>()
      const upstream = yield* Servers.tcpUpstream((socket) => {
        socket.once("data", () => Deferred.unsafeDone(hello, Effect.void))
        socket.once("close", () => Deferred.unsafeDone(gone, Effect.void))
        socket.on("end", () => socket.destroy())
      })
      const proxy = yield* served(`https://127.0.0.1:${upstream.port}`, {}, { ca })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(`GET /credentials/api/ HTTP/1.1\r\nHost: ${hostOf(proxy)}\r\n\r\n`)
      yield* Deferred.await(hello)
      client.socket.destroy()
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "client-gone")
      yield* Deferred.await(gone)
    })
  )

  it.scopedLive("goes through the policy's upstream proxy, which sees the address alone", () =>
    Effect.gen(function* () {
      const upstream = yield* secureWeb
      let seen = ""
      const outer = yield* Servers.tcpUpstream((socket) => {
        socket.once("data", (chunk: Buffer) => {
          seen += chunk.toString("latin1")
          const onward = Net.connect({ host: "127.0.0.1", port: upstream.port }, () => {
            socket.write("HTTP/1.1 200 OK\r\n\r\n")
            socket.on("data", (more: Buffer) => (seen += more.toString("latin1")))
            socket.pipe(onward)
            onward.pipe(socket)
          })
          onward.on("error", () => socket.destroy())
        })
      })
      const proxy = yield* served(
        `https://good.test:${upstream.port}`,
        {},
        {
          ca,
          resolve: ["good.test=127.0.0.1"],
          upstream: `http://127.0.0.1:${outer.port}`
        }
      )
      assert.strictEqual(told(yield* ask(proxy, "/credentials/api/secret-path")), "200 : ok")
      assert.isTrue(seen.startsWith(`CONNECT 127.0.0.1:${upstream.port} HTTP/1.1\r\n`))
      assert.notInclude(seen, VALUE)
      assert.notInclude(seen, "secret-path")
      assert.include(upstream.received[0]?.rawHeaders ?? [], VALUE)
    })
  )
})

describe("a credential of another policy", () => {
  it.scopedLive("is there from then on, or refused from then on, on standing connections too", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const credential = entry(`http://127.0.0.1:${upstream.port}`)
      const proxy = yield* Fixture.serve({ credentials: { api: credential }, values })
      const client = yield* Client.wire(proxy.address)
      const status = Effect.zipRight(
        client.send(`GET /credentials/api/ HTTP/1.1\r\nHost: ${hostOf(proxy)}\r\n\r\n`),
        Effect.map(client.readResponse, ({ head }) => /^HTTP\/1\.1 200|credential-[a-z]+/.exec(head)?.[0])
      )
      const reload = (credentials: Policy.Entries["credentials"]) => proxy.reload(Fixture.policy({ credentials }))
      assert.strictEqual(yield* status, "HTTP/1.1 200")
      yield* reload({})
      assert.strictEqual(yield* status, "credential-unknown")
      yield* reload({ api: { ...credential, header: "x-other" } })
      assert.strictEqual(yield* status, "HTTP/1.1 200")
      // What was read from one source is not the value of another.
      yield* reload({ api: { ...credential, source: { env: "OTHER" } } })
      assert.strictEqual(yield* status, "credential-unavailable")
      assert.deepStrictEqual(
        upstream.received.map(({ rawHeaders }) => rawHeaders.filter((text) => text.startsWith("x-"))),
        [["x-api-key"], ["x-other"]]
      )
    })
  )

  it.scopedLive.each(["removed", "kept"])("that is set while a name is being resolved: %s", (what) =>
    Effect.gen(function* () {
      const upstream = yield* web
      const asked = yield* Deferred.make<void>()
      const answered = yield* Deferred.make<ReadonlyArray<string>>()
      const allow = [{ host: "good.test", ports: [upstream.port], addresses: ["127.0.0.1"] }]
      const credentials = { api: entry(`https://good.test:${upstream.port}`) }
      const proxy = yield* Fixture.serve({
        credentials,
        allow,
        values,
        resolver: { resolve: () => Effect.zipRight(Deferred.succeed(asked, undefined), Deferred.await(answered)) }
      })
      const fiber = yield* Effect.fork(ask(proxy, "/credentials/api/"))
      yield* Deferred.await(asked)
      yield* proxy.reload(Fixture.policy(what === "kept" ? { credentials, allow } : { allow }))
      yield* Deferred.succeed(answered, ["127.0.0.1"])
      // It is dialled, but speaks no TLS.
      const expected = what === "kept" ? /^502 connect-failed/ : /^403 credential-unknown/
      assert.match(told(yield* fiber), expected)
      assert.strictEqual(upstream.connections(), what === "kept" ? 1 : 0)
    })
  )
})

describe("the value of a credential", () => {
  const wrong: ReadonlyArray<readonly [value: string, reason: string]> = [
    ["", "empty"],
    ["sk-secret\n", "not-visible"],
    ["sk-secret\r\nX-Other: 1", "not-visible"],
    ["sk-secret\u0000", "not-visible"],
    ["sk-s\u00e9cret", "not-visible"],
    [" sk-secret", "not-visible"],
    ["sk-secret\t", "not-visible"],
    ["sk-s".repeat(2049), "too-long"]
  ]
  it.scopedLive.each(wrong.map(([value, reason]) => [value.slice(0, 40), reason, value] as const))(
    "%j is refused: %s",
    ([, reason, value]) =>
      Effect.gen(function* () {
        const policy = Either.getOrThrow(Policy.make({ credentials: { api: entry("https://good.test") } }))
        const serve = (text: string, name = "api") =>
          Effect.either(
            Proxy.serve({
              policy,
              listen: { _tag: "Tcp", host: "127.0.0.1", port: 0 },
              credentials: new Map([[name, Redacted.make(text)]])
            })
          )
        const refused = Either.getOrThrow(Either.flip(yield* serve(value)))
        assert(refused._tag === "CredentialInvalid")
        assert.deepStrictEqual([refused.credential, refused.reason], ["api", reason])
        for (const text of [refused.message, refused.suggestion, JSON.stringify(refused), String(refused)]) {
          assert.notMatch(text, /sk-s/)
        }
        assert.isTrue(Either.isRight(yield* serve("sk-secret a b~")))
        assert.isTrue(Either.isRight(yield* serve(value, "other")))
      })
  )

  it.scopedLive("stands in no event and in no answer of the proxy, whatever happens", () =>
    Effect.gen(function* () {
      const cutting = yield* Servers.tcpUpstream((socket) => socket.once("data", () => socket.destroy()))
      const secure = yield* secureWeb
      const garbage = yield* Servers.tcpUpstream((socket) => {
        socket.once("data", (chunk: Buffer) => socket.end(`HTTP/1.1 200 OK\r\nbad header ${chunk.toString()}\r\n\r\n`))
      })
      const closed = yield* Servers.nobody
      const proxy = yield* Fixture.serve({
        credentials: {
          cut: entry(`http://127.0.0.1:${cutting.port}`),
          closed: entry(`http://${closed.host}:${closed.port}`),
          garbage: entry(`http://127.0.0.1:${garbage.port}`),
          untrusted: entry(`https://127.0.0.1:${secure.port}`),
          unresolved: entry("https://nobody.test"),
          limited: entry("http://127.0.0.1", { paths: ["/x"] })
        },
        values: Object.fromEntries(
          ["cut", "closed", "garbage", "untrusted", "unresolved", "limited"].map((name) => [name, VALUE])
        ),
        resolver
      })
      const answers: Array<string> = []
      for (const name of ["cut", "closed", "garbage", "untrusted", "unresolved", "limited"]) {
        const answer = yield* ask(proxy, `/credentials/${name}/`)
        answers.push(`${told(answer)} ${answer.rawHeaders.join()}`)
      }
      const texts = answers.map((text) => /^[0-9]+ [a-z-]+/.exec(text)?.[0])
      assert.deepStrictEqual(texts, [
        "502 upstream-failed",
        "502 connect-failed",
        "502 upstream-failed",
        "502 connect-failed",
        "502 resolve-failed",
        "403 credential-not-for-this"
      ])
      const events = yield* Fixture.eventsUntil(proxy, ({ request }) => request === 6)
      assert.notInclude(JSON.stringify([answers, events]), VALUE)
    })
  )
})
