import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Crypto from "node:crypto"
import type * as Net from "node:net"
import * as Client from "./fixtures/client.js"
import * as Fixture from "./fixtures/proxy.js"
import * as Servers from "./fixtures/servers.js"

const established = "HTTP/1.1 200 Connection Established\r\n\r\n"

const connectTo = (authority: string, early = ""): string =>
  `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n${early}`

const echo = Servers.tcpUpstream((socket) => {
  socket.pipe(socket)
})

const tunnel = (onConnection: (socket: Net.Socket) => void) =>
  Effect.gen(function* () {
    const upstream = yield* Servers.tcpUpstream(onConnection)
    const proxy = yield* Fixture.serve({ allow: [`raw.test:${upstream.port}`], resolve: ["raw.test=127.0.0.1"] })
    const client = yield* Client.wire(proxy.address)
    return { upstream, proxy, client, authority: `raw.test:${upstream.port}` }
  })

describe("CONNECT", () => {
  it.scopedLive("carries bytes both ways, the early ones too, and counts them", () =>
    Effect.gen(function* () {
      const upstream = yield* echo
      const proxy = yield* Fixture.serve({ allow: [`127.0.0.1:${upstream.port}`] })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(connectTo(`127.0.0.1:${upstream.port}`, "early "))
      assert.strictEqual(yield* client.readBytes(established.length), established)
      yield* client.send("late")
      assert.strictEqual(yield* client.readBytes(10), "early late")
      yield* client.end()
      assert.strictEqual(yield* client.readAll, "")
      const last = yield* Fixture.lastOf(proxy, 1)
      assert.deepStrictEqual(
        [last.method, last.reason, last.address, last.bytesUp, last.bytesDown],
        ["CONNECT", "completed", "127.0.0.1", 10, 10]
      )
    })
  )

  it.scopedLive("lets the client end first: what it said arrives, and the answer to it too", () =>
    Effect.gen(function* () {
      const { authority, client, proxy } = yield* tunnel((socket) => {
        const hash = Crypto.createHash("sha256")
        socket.on("data", (chunk: Buffer) => hash.update(chunk))
        socket.on("end", () => socket.end(hash.digest("hex")))
      })
      const data = Crypto.randomBytes(3 * 1024 * 1024)
      yield* client.send(connectTo(authority))
      yield* client.readUntil("\r\n\r\n")
      yield* client.end(data)
      assert.strictEqual(yield* client.readAll, Crypto.createHash("sha256").update(data).digest("hex"))
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "completed")
    })
  )

  it.scopedLive("lets the client end before the connection stands", () =>
    Effect.gen(function* () {
      const { authority, client } = yield* tunnel((socket) => {
        let text = ""
        socket.on("data", (chunk: Buffer) => (text += chunk.toString()))
        socket.on("end", () => socket.end(`got ${text}`))
      })
      yield* client.end(connectTo(authority, "all I say"))
      assert.strictEqual(yield* client.readAll, `${established}got all I say`)
    })
  )

  it.scopedLive("lets the upstream end first, and still carries what the client says", () =>
    Effect.gen(function* () {
      const heard = yield* Deferred.make<string>()
      const { authority, client, proxy } = yield* tunnel((socket) => {
        let text = ""
        socket.end("bye")
        socket.on("data", (chunk: Buffer) => (text += chunk.toString()))
        socket.on("end", () => Deferred.unsafeDone(heard, Effect.succeed(text)))
      })
      yield* client.send(connectTo(authority))
      assert.strictEqual(yield* client.readAll, `${established}bye`)
      yield* client.end("last words")
      assert.strictEqual(yield* Deferred.await(heard), "last words")
      yield* client.closed
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "completed")
    })
  )

  it.scopedLive("ends the upstream when the client is cut off", () =>
    Effect.gen(function* () {
      const ended = yield* Deferred.make<void>()
      const { authority, client, proxy } = yield* tunnel((socket) => {
        socket.on("close", () => Deferred.unsafeDone(ended, Effect.void))
        socket.on("error", () => {})
        socket.resume()
      })
      yield* client.send(connectTo(authority))
      yield* client.readUntil("\r\n\r\n")
      yield* Effect.sync(() => client.socket.resetAndDestroy())
      yield* Deferred.await(ended)
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "client-gone")
    })
  )

  it.scopedLive("ends the client when the upstream is cut off", () =>
    Effect.gen(function* () {
      const { authority, client, proxy } = yield* tunnel((socket) => {
        socket.once("data", () => socket.resetAndDestroy())
      })
      yield* client.send(connectTo(authority))
      yield* client.readUntil("\r\n\r\n")
      yield* client.send("x")
      yield* client.closed
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "upstream-failed")
    })
  )

  it.scopedLive("is answered 403 with a reason when it is not allowed", () =>
    Effect.gen(function* () {
      const upstream = yield* echo
      const proxy = yield* Fixture.serve({ allow: [`127.0.0.1:${upstream.port}`] })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(connectTo("evil.test:443", "early data that nobody reads"))
      const { body, head } = yield* client.readResponse
      assert.strictEqual(
        head,
        "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\n" +
          'X-Bottle-Refused: no-rule; target="evil.test:443"; rule="none"\r\n' +
          `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n`
      )
      assert.strictEqual(
        body,
        "bottle refused CONNECT evil.test:443: no rule allows this host.\n" +
          "Rule: no rule.\n" +
          "To allow it: bottle policy watch, or launch with --allow evil.test\n"
      )
      yield* client.end()
      yield* client.closed

      const good = yield* Client.wire(proxy.address)
      yield* good.send(connectTo(`127.0.0.1:${upstream.port}`, "hi"))
      assert.strictEqual(yield* good.readBytes(established.length + 2), `${established}hi`)
      assert.strictEqual(upstream.connections(), 1)
    })
  )

  it.scopedLive("quotes the brackets of an IPv6 address for the shell", () =>
    Effect.gen(function* () {
      const proxy = yield* Fixture.serve({ allow: [] })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(connectTo("[2001:DB8::1]:443"))
      assert.include(
        (yield* client.readResponse).body,
        "To allow it: bottle policy watch, or launch with --allow '[2001:db8::1]'\n"
      )
    })
  )

  it.scopedLive("may follow a plain request on the same connection", () =>
    Effect.gen(function* () {
      const upstream = yield* echo
      const web = yield* Servers.httpUpstream((_, response) => response.end("ok"))
      const proxy = yield* Fixture.serve({ allow: [`127.0.0.1:${upstream.port}`, `127.0.0.1:${web.port}`] })
      const client = yield* Client.wire(proxy.address)
      const host = `127.0.0.1:${web.port}`
      // Both at once: the tunnel has to wait for the answer before it.
      yield* client.send(
        `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n${connectTo(`127.0.0.1:${upstream.port}`, "hi")}`
      )
      assert.match(yield* client.readUntil(established), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nokHTTP/)
      assert.strictEqual(yield* client.readBytes(2), "hi")
    })
  )

  it.scopedLive("moves 64 MiB each way at once, whole", () =>
    Effect.gen(function* () {
      const upstream = yield* echo
      const proxy = yield* Fixture.serve({ allow: [`127.0.0.1:${upstream.port}`] })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(connectTo(`127.0.0.1:${upstream.port}`))
      yield* client.readUntil("\r\n\r\n")
      const block = Crypto.randomBytes(1024 * 1024)
      const bytes = 64 * block.length
      const sent = Crypto.createHash("sha256")
      const received = Crypto.createHash("sha256")
      let count = 0
      client.socket.removeAllListeners("data")
      client.socket.on("data", (chunk: Buffer) => {
        count += chunk.length
        received.update(chunk)
      })
      for (let index = 0; index < 64; index++) {
        sent.update(block)
        yield* client.send(block)
      }
      yield* client.end()
      yield* client.closed
      assert.strictEqual(count, bytes)
      assert.strictEqual(received.digest("hex"), sent.digest("hex"))
      const last = yield* Fixture.lastOf(proxy, 1)
      assert.deepStrictEqual([last.reason, last.bytesUp, last.bytesDown], ["completed", bytes, bytes])
    })
  )
})

describe("WebSocket", () => {
  const handshake = (host: string, more = ""): string =>
    `GET http://${host}/chat HTTP/1.1\r\nHost: ${host}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nProxy-Authorization: x\r\n${more}\r\n`

  it.scopedLive("is passed through, and its first bytes are not lost", () =>
    Effect.gen(function* () {
      let seen: ReadonlyArray<string> = []
      const upstream = yield* Servers.httpUpstream((_, response) => response.end("plain"), {
        onUpgrade: (request, socket, head) => {
          seen = request.rawHeaders
          socket.write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nKeep-Alive: timeout=5\r\n\r\nwelcome "
          )
          socket.write(head)
          socket.pipe(socket)
        }
      })
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host] })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(`${handshake(host)}early `)
      assert.strictEqual(
        yield* client.readUntil("\r\n\r\n"),
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
          "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
      )
      yield* client.send("late")
      assert.strictEqual(yield* client.readBytes(18), "welcome early late")
      assert.deepStrictEqual(seen, [
        "Host",
        host,
        "Sec-WebSocket-Version",
        "13",
        "Sec-WebSocket-Key",
        "dGhlIHNhbXBsZSBub25jZQ==",
        "Connection",
        "Upgrade",
        "Upgrade",
        "websocket"
      ])
      yield* client.end()
      yield* client.closed
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "completed")
      assert.strictEqual((yield* Client.request(proxy.address, `http://${host}/`)).body, "plain")
    })
  )

  it.scopedLive("is answered 403 when it is not allowed, and 400 when its Host says something else", () =>
    Effect.gen(function* () {
      const upstream = yield* Servers.httpUpstream((_, response) => response.end("plain"))
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host] })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(handshake("evil.test"))
      const { body, head } = yield* client.readResponse
      assert.match(head, /^HTTP\/1\.1 403 Forbidden\r\n[^]*X-Bottle-Refused: no-rule; target="evil.test:80"/)
      assert.include(body, "launch with --allow evil.test\n")
      const liar = yield* Client.wire(proxy.address)
      yield* liar.send(handshake(host).replace(`Host: ${host}`, "Host: evil.test"))
      assert.match(
        (yield* liar.readResponse).head,
        /^HTTP\/1\.1 400 Bad Request\r\n[^]*X-Bottle-Refused: host-mismatch/
      )
      assert.strictEqual(upstream.connections(), 0)
    })
  )

  it.scopedLive("gets the upstream's own answer when that declines", () =>
    Effect.gen(function* () {
      const upstream = yield* Servers.httpUpstream((_, response) =>
        response.writeHead(426, { "x-bottle-refused": "no-rule", "x-why": "no" }).end("plain")
      )
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host] })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(handshake(host))
      yield* client.end()
      const answer = yield* client.readAll
      assert.match(answer, /^HTTP\/1\.1 426 Upgrade Required\r\nx-why: no\r\n/)
      assert.match(answer, /\r\nConnection: close\r\n\r\nplain$/)
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "completed")
    })
  )

  it.scopedLive("is refused when the upstream switches to something else", () =>
    Effect.gen(function* () {
      const upstream = yield* Servers.httpUpstream((_, response) => response.end("plain"), {
        onUpgrade: (_, socket) =>
          socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
      })
      const host = `127.0.0.1:${upstream.port}`
      const proxy = yield* Fixture.serve({ allow: [host] })
      const client = yield* Client.wire(proxy.address)
      yield* client.send(handshake(host))
      assert.match((yield* client.readResponse).head, /^HTTP\/1\.1 502 /)
    })
  )
})
