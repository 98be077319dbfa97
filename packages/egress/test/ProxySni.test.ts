import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import * as Tls from "node:tls"
import type { EgressEvent } from "../src/EgressEvent.js"
import type * as Proxy from "../src/Proxy.js"
import type { Listen } from "../src/ProxyError.js"
import * as Client from "./fixtures/client.js"
import * as Hello from "./fixtures/hello.js"
import * as Fixture from "./fixtures/proxy.js"
import * as Servers from "./fixtures/servers.js"
import { certificate, key } from "./fixtures/tls.js"

const established = "HTTP/1.1 200 Connection Established\r\n\r\n"

const accessDenied = Buffer.from([0x15, 3, 3, 0, 2, 2, 49]).toString("latin1")

/** A proxy in front of an upstream, which good.test, other.test and 127.0.0.1 are. */
const behind = (
  onConnection: (socket: Net.Socket) => void,
  limits: Partial<Proxy.Limits> = {}
): Effect.Effect<
  { readonly proxy: Proxy.RunningProxy; readonly port: number; readonly connections: () => number },
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const upstream = yield* Servers.tcpUpstream(onConnection)
    const { port } = upstream
    const proxy = yield* Fixture.serve({
      allow: [`good.test:${port}`, `other.test:${port}`, `127.0.0.1:${port}`],
      resolve: ["good.test=127.0.0.1", "other.test=127.0.0.1"],
      limits
    })
    return { proxy, port, connections: upstream.connections }
  })

/** An upstream that keeps everything it is told, and says the number of bytes so far after each piece. */
const listening = (): { readonly heard: () => Buffer; readonly onConnection: (socket: Net.Socket) => void } => {
  let heard = Buffer.alloc(0)
  return {
    heard: () => heard,
    onConnection: (socket) => {
      socket.on("data", (chunk: Buffer) => {
        heard = Buffer.concat([heard, chunk])
        socket.write(`<${heard.length}>`)
      })
    }
  }
}

/** A client whose tunnel stands. */
const tunnel = (address: Listen, authority: string): Effect.Effect<Client.Wire, never, Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* Client.wire(address)
    yield* client.send(`CONNECT ${authority} HTTP/1.1\r\n\r\n`)
    assert.strictEqual(yield* client.readBytes(established.length), established)
    return client
  })

const summary = (event: EgressEvent) => [event.phase, event.verdict, event.reason, event.detail, event.bytesUp]

describe("a TLS client in its tunnel", () => {
  /** Speaks through the proxy with node's own TLS on both ends; what the server said, or the error. */
  const speak = (
    address: Listen,
    authority: string,
    options: { readonly servername: string; readonly version: Tls.SecureVersion }
  ): Effect.Effect<string, Error, Scope.Scope> =>
    Effect.gen(function* () {
      const wire = yield* tunnel(address, authority)
      const { servername, version } = options
      return yield* Effect.async<string, Error>((resume) => {
        const socket = Tls.connect({
          socket: wire.socket,
          ca: certificate,
          servername,
          minVersion: version,
          maxVersion: version,
          // What is checked here is what the hello says; the certificate holds every name.
          checkServerIdentity: () => undefined
        })
        let text = ""
        socket.on("error", (error) => resume(Effect.fail(error)))
        socket.on("data", (chunk: Buffer) => (text += chunk.toString()))
        socket.on("end", () => {
          socket.end()
          resume(Effect.succeed(text))
        })
        socket.write("hello")
      })
    })

  const tlsServer = Effect.map(
    Effect.sync(() => Tls.createSecureContext({ key, cert: certificate })),
    (secureContext) => {
      const names: Array<string | false | null> = []
      const onConnection = (socket: Net.Socket): void => {
        const secure = new Tls.TLSSocket(socket, {
          isServer: true,
          secureContext,
          SNICallback: (_, done) => done(null)
        })
        secure.on("error", () => {})
        secure.once("data", (chunk: Buffer) => {
          names.push(secure.servername)
          secure.end(`${chunk.toString()} back`)
        })
      }
      return { names, onConnection }
    }
  )

  it.scopedLive.each(["TLSv1.2", "TLSv1.3"] as const)(
    "is heard when it names the host that was decided, %s",
    (version) =>
      Effect.gen(function* () {
        const { names, onConnection } = yield* tlsServer
        const { connections, port, proxy } = yield* behind(onConnection)
        const authority = `good.test:${port}`
        assert.strictEqual(yield* speak(proxy.address, authority, { servername: "good.test", version }), "hello back")
        const closed = yield* Fixture.lastOf(proxy, 1)
        assert.deepStrictEqual([closed.reason, closed.verdict, closed.host], ["completed", "allow", "good.test"])
        assert.isAbove(closed.bytesUp, 200)
        assert.isAbove(closed.bytesDown, 200)

        const error = yield* Effect.flip(speak(proxy.address, authority, { servername: "other.test", version }))
        assert.match(error.message, /alert access denied/)
        const cut = yield* Fixture.lastOf(proxy, 2)
        assert.deepStrictEqual(summary(cut), ["closed", "deny", "sni-mismatch", 'its TLS hello names "other.test"', 0])
        assert.deepStrictEqual(
          [cut.host, cut.port, cut.rule, cut.address, cut.bytesDown],
          ["good.test", port, authority, "127.0.0.1", 0]
        )

        // Without a name it is heard too.
        assert.strictEqual(yield* speak(proxy.address, authority, { servername: "", version }), "hello back")
        assert.deepStrictEqual(names, ["good.test", false])
        assert.strictEqual(connections(), 3)
      })
  )
})

describe("a TLS hello", () => {
  const agreeing: ReadonlyArray<readonly [string, string]> = [
    ["good.test", "good.test"],
    ["good.test", "GOOD.Test"],
    ["good.test", "good.test."],
    ["GOOD.TEST.", "good.test"],
    ["127.0.0.1", "127.0.0.1"]
  ]
  const disagreeing: ReadonlyArray<readonly [string, string]> = [
    ["good.test", "other.test"],
    ["good.test", "www.good.test"],
    ["good.test", "good.test.evil.test"],
    ["good.test", "evilgood.test"],
    ["good.test", "127.0.0.1"],
    ["good.test", "good.test:443"],
    ["good.test", "*.test"],
    ["good.test", "good%2etest"],
    ["good.test", "x@good.test"],
    ["127.0.0.1", "good.test"],
    ["127.0.0.1", "127.0.0.2"]
  ]

  it.scopedLive("passes untouched when it names the host that was decided, however it is spelled, or none", () =>
    Effect.gen(function* () {
      for (const [host, name] of [...agreeing, ["good.test", undefined] as const, ["127.0.0.1", undefined] as const]) {
        const { heard, onConnection } = listening()
        const { port, proxy } = yield* behind(onConnection)
        const hello = Hello.hello(name)
        const client = yield* tunnel(proxy.address, `${host}:${port}`)
        yield* client.send(hello)
        assert.strictEqual(yield* client.readUntil(">"), `<${hello.length}>`)
        assert.isTrue(heard().equals(hello))
      }
    })
  )

  it.scopedLive("is cut when it names another host: not a byte of it goes on", () =>
    Effect.gen(function* () {
      const { heard, onConnection } = listening()
      const { connections, port, proxy } = yield* behind(onConnection)
      for (const [index, [host, name]] of disagreeing.entries()) {
        const client = yield* tunnel(proxy.address, `${host}:${port}`)
        yield* client.send(Buffer.concat([Hello.hello(name), Buffer.from("what follows")]))
        assert.strictEqual(yield* client.readAll, accessDenied, name)
        const detail = `its TLS hello names "${name}"`
        assert.deepStrictEqual(summary(yield* Fixture.lastOf(proxy, index + 1)), [
          "closed",
          "deny",
          "sni-mismatch",
          detail,
          0
        ])
      }
      assert.strictEqual(heard().length, 0)
      assert.strictEqual(connections(), disagreeing.length)
    })
  )

  it.scopedLive("may come in any pieces and records, and is judged as a whole", () =>
    Effect.gen(function* () {
      const { heard, onConnection } = listening()
      const { port, proxy } = yield* behind(onConnection)
      const authority = `good.test:${port}`
      let expected = 0
      for (const size of [1, 7, 60]) {
        const good = Hello.records(Hello.message([Hello.serverName("good.test")]), size)
        const client = yield* tunnel(proxy.address, authority)
        client.socket.setNoDelay(true)
        for (const byte of good.subarray(0, -1)) yield* client.send(Buffer.from([byte]))
        // Another tunnel is opened and answered meanwhile, and nothing of this one has gone on.
        yield* tunnel(proxy.address, authority)
        assert.strictEqual(heard().length, expected)
        yield* client.send(good.subarray(-1))
        expected += good.length
        assert.strictEqual(yield* client.readUntil(">"), `<${expected}>`)

        const bad = Hello.records(Hello.message([Hello.serverName("other.test")]), size)
        const cut = yield* tunnel(proxy.address, authority)
        for (const byte of bad) yield* cut.send(Buffer.from([byte]))
        assert.strictEqual(yield* cut.readAll, accessDenied)
        assert.strictEqual(heard().length, expected)
      }
    })
  )

  it.scopedLive("may come behind CONNECT at once", () =>
    Effect.gen(function* () {
      const { heard, onConnection } = listening()
      const { port, proxy } = yield* behind(onConnection)
      const connect = Buffer.from(`CONNECT good.test:${port} HTTP/1.1\r\n\r\n`)
      const bad = yield* Client.wire(proxy.address)
      yield* bad.send(Buffer.concat([connect, Hello.hello("other.test")]))
      assert.strictEqual(yield* bad.readAll, established + accessDenied)
      assert.strictEqual((yield* Fixture.lastOf(proxy, 1)).reason, "sni-mismatch")
      assert.strictEqual(heard().length, 0)

      const hello = Hello.hello("good.test")
      for (const at of [0, 1, 30]) {
        const before = heard().length
        const good = yield* Client.wire(proxy.address)
        yield* good.send(Buffer.concat([connect, hello.subarray(0, at)]))
        assert.strictEqual(yield* good.readBytes(established.length), established)
        yield* good.send(hello.subarray(at))
        assert.strictEqual(yield* good.readUntil(">"), `<${before + hello.length}>`)
      }
      // The client may end behind it, too.
      const ending = yield* Client.wire(proxy.address)
      yield* ending.end(Buffer.concat([connect, hello]))
      assert.match(yield* ending.readUntil(">"), /<[0-9]+>$/)
    })
  )

  const broken: ReadonlyArray<readonly [string, Buffer, RegExp]> = [
    [
      "names two hosts",
      Hello.record(Hello.message([Hello.serverNames(Hello.nameEntry("good.test"), Hello.nameEntry("other.test"))])),
      /more than one server/
    ],
    ["is no hello", Hello.record(Buffer.from([2, 0, 0, 1, 0])), /another one/],
    [
      "is too long",
      Hello.records(Buffer.concat([Buffer.from([1, 0xff, 0xff, 0xff]), Buffer.alloc(65_536)]), 16_384),
      /not whole after 65536 bytes/
    ]
  ]

  it.scopedLive.each(broken)("is cut when it %s, and a good one passes", ([, bytes, detail]) =>
    Effect.gen(function* () {
      const { heard, onConnection } = listening()
      const { port, proxy } = yield* behind(onConnection)
      const bad = yield* tunnel(proxy.address, `good.test:${port}`)
      yield* bad.send(bytes)
      yield* bad.readAll
      const event = yield* Fixture.lastOf(proxy, 1)
      assert.deepStrictEqual(
        [event.phase, event.verdict, event.reason, event.bytesUp],
        ["closed", "deny", "tls-hello-malformed", 0]
      )
      assert.match(event.detail, detail)
      assert.strictEqual(heard().length, 0)
      const good = yield* tunnel(proxy.address, `good.test:${port}`)
      yield* good.send(Hello.hello("good.test"))
      assert.match(yield* good.readUntil(">"), /^<[0-9]+>$/)
    })
  )

  it.scopedLive("is cut when the rest of it does not come, or its client ends within it", () =>
    Effect.gen(function* () {
      const { heard, onConnection } = listening()
      const { port, proxy } = yield* behind(onConnection, { headerMillis: 100 })
      for (const length of [1, 5, 40]) {
        const slow = yield* tunnel(proxy.address, `good.test:${port}`)
        yield* slow.send(Hello.hello("good.test").subarray(0, length))
        yield* slow.readAll
      }
      const events = yield* Fixture.eventsUntil(proxy, (event) => event.request === 3 && event.phase === "closed")
      const cuts = events.filter((event) => event.phase === "closed")
      assert.deepStrictEqual(
        cuts.map((event) => [event.reason, event.detail]),
        cuts.map(() => ["tls-hello-malformed", "its TLS hello did not come in time"])
      )
      const ending = yield* tunnel(proxy.address, `good.test:${port}`)
      yield* ending.end(Hello.hello("good.test").subarray(0, 40))
      yield* ending.readAll
      assert.match((yield* Fixture.lastOf(proxy, 4)).detail, /the client ended before it was whole/)
      assert.strictEqual(heard().length, 0)
      // A tunnel whose client has not begun is held up by nothing.
      const patient = yield* tunnel(proxy.address, `good.test:${port}`)
      yield* Fixture.eventsUntil(proxy, (event) => event.request === 5)
      yield* patient.send(Hello.hello("good.test"))
      assert.match(yield* patient.readUntil(">"), /^<[0-9]+>$/)
    })
  )

  it.scopedLive("holds up nothing that its server says, and no client that says something else", () =>
    Effect.gen(function* () {
      let later: Net.Socket | undefined
      const { port, proxy } = yield* behind((socket) => {
        later = socket
        socket.write("220 welcome\r\n")
        socket.on("data", (chunk: Buffer) => socket.write(`[${chunk.toString("latin1")}]`))
      })
      const client = yield* tunnel(proxy.address, `good.test:${port}`)
      assert.strictEqual(yield* client.readUntil("\r\n"), "220 welcome\r\n")
      yield* client.send("E")
      assert.strictEqual(yield* client.readBytes(3), "[E]")
      yield* client.send("HLO")
      assert.strictEqual(yield* client.readUntil("]"), "[HLO]")
      // What comes later is the two's own affair, TLS or not.
      yield* client.send(Hello.hello("other.test"))
      assert.match(yield* client.readUntil("]"), /^\[/)

      const beginning = yield* tunnel(proxy.address, `good.test:${port}`)
      assert.strictEqual(yield* beginning.readUntil("\r\n"), "220 welcome\r\n")
      yield* beginning.send(Hello.hello("good.test").subarray(0, 20))
      yield* Effect.sync(() => later?.write("still here\r\n"))
      assert.strictEqual(yield* beginning.readUntil("\r\n"), "still here\r\n")
      yield* beginning.send(Hello.hello("good.test").subarray(20))
      assert.match(yield* beginning.readUntil("]"), /^\[/)
    })
  )

  it.scopedLive("is over when its client goes away within it", () =>
    Effect.gen(function* () {
      const { heard, onConnection } = listening()
      const { port, proxy } = yield* behind(onConnection)
      const client = yield* tunnel(proxy.address, `good.test:${port}`)
      yield* client.send(Hello.hello("good.test").subarray(0, 20))
      yield* Effect.sync(() => client.socket.resetAndDestroy())
      const event = yield* Fixture.lastOf(proxy, 1)
      // A reset may look like an end first.
      assert.include(["client-gone", "tls-hello-malformed"], event.reason)
      assert.strictEqual(event.bytesUp, 0)
      assert.strictEqual(heard().length, 0)
    })
  )
})
