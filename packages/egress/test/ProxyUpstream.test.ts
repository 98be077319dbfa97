import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as Net from "node:net"
import type * as Proxy from "../src/Proxy.js"
import * as Client from "./fixtures/client.js"
import * as Fixture from "./fixtures/proxy.js"
import * as Servers from "./fixtures/servers.js"

const established = "HTTP/1.1 200 Connection Established\r\n\r\n"

const connect = (host: string): string => `CONNECT ${host} HTTP/1.1\r\n\r\n`

const web = Servers.httpUpstream((_, response) => response.end("ok"))

const echo = Servers.tcpUpstream((socket) => socket.pipe(socket))

/** What an upstream proxy does with a question, once it has read it whole. */
type Behaviour = (authority: string, socket: Net.Socket) => void

/** Connects to what it was asked for, and answers with more header lines than it must and with `early` behind them. */
const dialing =
  (early = ""): Behaviour =>
  (authority, socket) => {
    const at = authority.lastIndexOf(":")
    const onward = Net.connect({
      host: authority.slice(0, at).replace(/^\[|\]$/g, ""),
      port: Number(authority.slice(at + 1)),
      allowHalfOpen: true
    })
    onward.on("error", () => socket.destroy())
    socket.on("error", () => onward.destroy())
    onward.once("connect", () => {
      socket.write(`HTTP/1.0 200 Go on\r\nX-Proxy: yes\r\n\r\n${early}`)
      socket.pipe(onward)
      onward.pipe(socket)
    })
  }

interface UpstreamProxy {
  readonly url: string
  /** Each question as it came, whole. */
  readonly asked: ReadonlyArray<string>
  /** Connections that it has been asked on and that stand. */
  readonly standing: () => number
}

const upstreamProxy = (behaviour: Behaviour): Effect.Effect<UpstreamProxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const asked: Array<string> = []
    let standing = 0
    const { port } = yield* Servers.tcpUpstream((socket) => {
      standing += 1
      socket.once("close", () => (standing -= 1))
      let text = ""
      const read = (chunk: Buffer): void => {
        text += chunk.toString("latin1")
        if (!text.endsWith("\r\n\r\n")) return
        socket.removeListener("data", read)
        asked.push(text)
        behaviour(/^CONNECT ([^ ]+) /.exec(text)?.[1] ?? "", socket)
      }
      socket.on("data", read)
    })
    return { url: `http://127.0.0.1:${port}`, asked, standing: () => standing }
  })

describe("an upstream proxy", () => {
  it.scopedLive("is asked for the address that was judged, for tunnels and plain requests alike", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const { port } = upstream
      const outer = yield* upstreamProxy(dialing())
      const resolver = Fixture.recording(() => ["127.0.0.1"])
      const proxy = yield* Fixture.serve({
        allow: [{ host: `web.test:${port}`, addresses: ["127.0.0.1"] }],
        upstream: outer.url,
        resolver
      })
      const url = `http://web.test:${port}/`
      const answer = yield* Client.request(proxy.address, url)
      assert.deepStrictEqual([answer.status, answer.body], [200, "ok"])
      const question = `CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`
      assert.deepStrictEqual(outer.asked, [question])

      const client = yield* Client.wire(proxy.address)
      yield* client.send(`${connect(`web.test:${port}`)}GET / HTTP/1.0\r\n\r\n`)
      assert.match(yield* client.readAll, /^HTTP\/1\.1 200 Connection Established\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
      assert.deepStrictEqual(outer.asked, [question, question])
      assert.deepStrictEqual(resolver.asked, ["web.test", "web.test"])

      // What is refused is not even asked for.
      assert.strictEqual((yield* Client.request(proxy.address, "http://evil.test/")).status, 403)
      assert.strictEqual((yield* Client.request(proxy.address, `http://127.0.0.1:${port}/`)).status, 403)
      assert.strictEqual(outer.asked.length, 2)
    })
  )

  it.scopedLive("carries every byte both ways, early ones and half-closes too, and they are counted alone", () =>
    Effect.gen(function* () {
      const digest = yield* Servers.tcpUpstream((socket) => {
        const hash = Crypto.createHash("sha256")
        socket.on("data", (chunk: Buffer) => hash.update(chunk))
        socket.on("end", () => socket.end(hash.digest("hex")))
      })
      const outer = yield* upstreamProxy(dialing("welcome "))
      const authority = `127.0.0.1:${digest.port}`
      const proxy = yield* Fixture.serve({ allow: [authority], upstream: outer.url })
      const data = Crypto.randomBytes(3 * 1024 * 1024)
      const client = yield* Client.wire(proxy.address)
      yield* client.send(connect(authority))
      assert.strictEqual(yield* client.readUntil("welcome "), `${established}welcome `)
      yield* client.end(data)
      const hash = Crypto.createHash("sha256").update(data).digest("hex")
      assert.strictEqual(yield* client.readAll, hash)
      const event = yield* Fixture.lastOf(proxy, 1)
      assert.deepStrictEqual(
        [event.reason, event.address, event.bytesUp, event.bytesDown],
        ["completed", "127.0.0.1", data.length, "welcome ".length + hash.length]
      )
    })
  )

  it.scopedLive("carries WebSocket and IPv6 like anything else", () =>
    Effect.gen(function* () {
      const chat = yield* Servers.httpUpstream((_, response) => response.end(), {
        host: "::1",
        onUpgrade: (_, socket) => {
          socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
          socket.pipe(socket)
        }
      })
      const outer = yield* upstreamProxy(dialing())
      const host = `[::1]:${chat.port}`
      const proxy = yield* Fixture.serve({ allow: [host], upstream: outer.url })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(
        `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi`
      )
      assert.match(yield* client.readUntil("\r\n\r\n"), /^HTTP\/1\.1 101 /)
      assert.strictEqual(yield* client.readBytes(2), "hi")
      assert.match(outer.asked.join(""), /^CONNECT \[::1\]:/)
    })
  )

  it.scopedLive("may be a name with a private address, which is resolved once for each connection", () =>
    Effect.gen(function* () {
      const upstream = yield* echo
      const outer = yield* upstreamProxy(dialing())
      const resolver = Fixture.recording((name) => (name === "missing.test" ? undefined : ["127.0.0.1"]))
      const authority = `web.test:${upstream.port}`
      const serve = (name: string) =>
        Fixture.serve({
          allow: [{ host: authority, addresses: ["127.0.0.1"] }],
          upstream: outer.url.replace("127.0.0.1", name),
          resolver
        })
      const proxy = yield* serve("proxy.test")
      for (const _ of [1, 2]) {
        const client = yield* Client.wire(proxy.address)
        yield* client.send(`${connect(authority)}hi`)
        assert.strictEqual(yield* client.readBytes(established.length + 2), `${established}hi`)
      }
      assert.deepStrictEqual(resolver.asked, ["web.test", "proxy.test", "web.test", "proxy.test"])
      const lost = yield* serve("missing.test")
      const client = yield* Client.wire(lost.address)
      yield* client.send(connect(authority))
      const { body, head } = yield* client.readResponse
      assert.match(head, /^HTTP\/1\.1 502 /)
      assert.include(body, "but the name of the upstream proxy could not be resolved.")
    })
  )

  it.scopedLive("is asked for the next address when it refuses one", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const onward = dialing()
      const outer = yield* upstreamProxy((authority, socket) =>
        authority.startsWith("127.0.0.1:") ? onward(authority, socket) : socket.end("HTTP/1.1 503 No\r\n\r\n")
      )
      const proxy = yield* Fixture.serve({
        allow: [{ host: `web.test:${upstream.port}`, addresses: ["127.0.0.0/8"] }],
        resolver: Fixture.recording(() => ["127.0.0.2", "127.0.0.3", "127.0.0.1"]),
        upstream: outer.url
      })
      assert.strictEqual((yield* Client.request(proxy.address, `http://web.test:${upstream.port}/`)).status, 200)
      assert.strictEqual(outer.asked.length, 3)
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).address, "127.0.0.1")
    })
  )

  const failures: ReadonlyArray<readonly [string, Behaviour, number, string]> = [
    [
      "refuses",
      (_, socket) => socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
      502,
      "refused it with status 407"
    ],
    [
      "sends it elsewhere",
      (_, socket) => socket.write("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"),
      502,
      "refused it with status 302"
    ],
    ["speaks something else", (_, socket) => socket.write("SSH-2.0-x\r\n\r\n"), 502, "did not answer in HTTP"],
    [
      "answers in a version of its own",
      (_, socket) => socket.write("HTTP/2 200\r\n\r\n"),
      502,
      "did not answer in HTTP"
    ],
    ["ends", (_, socket) => socket.end("HTTP/1.1 200 OK\r\n"), 502, "cut the connection before it answered"],
    ["breaks off", (_, socket) => socket.resetAndDestroy(), 502, "cut the connection before it answered"],
    [
      "says too much",
      (_, socket) => socket.write(`HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(1000)}\r\n`),
      502,
      "answered with too long a header"
    ],
    ["never comes to its end", (_, socket) => socket.write("HTTP/1.1 200 OK\r\nX: "), 504, "did not answer in time"],
    ["says nothing", () => {}, 504, "did not answer in time"]
  ]

  it.scopedLive.each(failures)(
    "that %s is a failure with an end, and no socket stays",
    ([, behaviour, status, detail]) =>
      Effect.gen(function* () {
        const upstream = yield* web
        const host = `127.0.0.1:${upstream.port}`
        let isBroken = true
        const whole = dialing()
        const outer = yield* upstreamProxy((authority, socket) => {
          if (!isBroken) return whole(authority, socket)
          behaviour(authority, socket)
          socket.once("end", () => socket.end())
          return socket.resume()
        })
        const limits = { headerBytes: 2048, connectMillis: 200 }
        const proxy = yield* Fixture.serve({ allow: [host], upstream: outer.url, limits })
        const answer = yield* Client.request(proxy.address, `http://${host}/`)
        assert.strictEqual(answer.status, status)
        assert.include(answer.body, `(rule ${host}), but the upstream proxy ${detail}.`)
        const tunnel = yield* Client.wire(proxy.address)
        yield* tunnel.send(connect(host))
        assert.strictEqual((yield* tunnel.readResponse).body, answer.body.replace("GET", "CONNECT"))
        const event = yield* Fixture.lastOf(proxy, 2)
        assert.deepStrictEqual(
          [event.phase, event.verdict, event.address, event.bytesUp, event.bytesDown],
          ["closed", "allow", "127.0.0.1", 0, 0]
        )
        assert.strictEqual(upstream.connections(), 0)

        isBroken = false
        assert.strictEqual((yield* Client.request(proxy.address, `http://${host}/`)).status, 200)
        yield* Effect.repeat(Effect.sleep(5), { until: () => outer.standing() === 0 })
      })
  )

  it.scopedLive("that is not there is a failure, too", () =>
    Effect.gen(function* () {
      const { host, port } = yield* Servers.nobody
      const proxy = yield* Fixture.serve({ allow: ["127.0.0.1:1"], upstream: `http://${host}:${port}` })
      const answer = yield* Client.request(proxy.address, "http://127.0.0.1:1/")
      assert.strictEqual(answer.status, 502)
      assert.include(
        answer.body,
        "but the upstream proxy cannot be reached: nothing listens there (connection refused).\n"
      )
    })
  )

  it.scopedLive("is let go when the client goes away while it is asked", () =>
    Effect.gen(function* () {
      const gone = yield* Deferred.make<void>()
      const asked = yield* Deferred.make<void>()
      const outer = yield* upstreamProxy((_, socket) => {
        socket.on("error", () => {})
        socket.resume()
        socket.once("close", () => Deferred.unsafeDone(gone, Effect.void))
        socket.once("end", () => socket.end())
        Deferred.unsafeDone(asked, Effect.void)
      })
      const proxy: Proxy.RunningProxy = yield* Fixture.serve({ allow: ["127.0.0.1:1"], upstream: outer.url })
      const client = yield* Client.wire(proxy.address)
      yield* client.send("GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n")
      yield* Deferred.await(asked)
      yield* Effect.sync(() => client.socket.destroy())
      yield* Deferred.await(gone)
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "client-gone")
    })
  )

  it.scopedLive("is the one of the policy of the moment", () =>
    Effect.gen(function* () {
      const upstream = yield* web
      const host = `127.0.0.1:${upstream.port}`
      const outer = yield* upstreamProxy(dialing())
      const proxy = yield* Fixture.serve({ allow: [host] })
      const ask = Effect.map(Client.request(proxy.address, `http://${host}/`), ({ status }) => status)
      assert.strictEqual(yield* ask, 200)
      assert.strictEqual(outer.asked.length, 0)
      yield* proxy.reload(Fixture.policy({ allow: [host], upstream: outer.url }))
      assert.strictEqual(yield* ask, 200)
      assert.strictEqual(outer.asked.length, 1)
    })
  )
})
