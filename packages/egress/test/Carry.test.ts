import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import type * as Net from "node:net"
import * as Carry from "../src/Carry.js"
import type { Listen } from "../src/ProxyError.js"
import * as Client from "./fixtures/client.js"
import { temporary } from "./fixtures/directory.js"
import * as Fixture from "./fixtures/proxy.js"
import * as Servers from "./fixtures/servers.js"

const unix = Effect.map(temporary, (directory): Listen => ({ _tag: "Unix", path: `${directory}/a.sock` }))

const carry = (
  to: Carry.ServeOptions["to"],
  limits: Partial<Carry.Limits> = {}
): Effect.Effect<Carry.RunningCarry, Carry.CarryError, Scope.Scope> =>
  Effect.flatMap(unix, (listen) => Carry.serve({ listen, to, limits }))

const to = (upstream: { readonly port: number }, host = "127.0.0.1"): Carry.ServeOptions["to"] => ({
  host,
  port: upstream.port
})

const echo = Servers.tcpUpstream((socket) => socket.pipe(socket))

describe("a carried connection", () => {
  it.scopedLive("reaches the address, through a socket that is its owner's alone", () =>
    Effect.gen(function* () {
      const upstream = yield* echo
      const running = yield* carry(to(upstream))
      assert.isTrue(running.address._tag === "Unix" && (Fs.lstatSync(running.address.path).mode & 0o777) === 0o600)
      for (const text of ["one", "two"]) {
        const client = yield* Client.wire(running.address)
        yield* client.end(text)
        assert.strictEqual(yield* client.readAll, text)
        yield* client.closed
      }
      assert.strictEqual(upstream.connections(), 2)
    })
  )

  it.scopedLive("may come from TCP, and go to an IPv6 address", () =>
    Effect.gen(function* () {
      const upstream = yield* Servers.tcpUpstream((socket) => socket.pipe(socket), "::1")
      const running = yield* Carry.serve({
        listen: { _tag: "Tcp", host: "127.0.0.1", port: 0 },
        to: to(upstream, "::1")
      })
      const client = yield* Client.wire(running.address)
      yield* client.end("six")
      assert.strictEqual(yield* client.readAll, "six")
    })
  )

  it.scopedLive("lets the client end first, and is whole: 64 MiB", () =>
    Effect.gen(function* () {
      const upstream = yield* Servers.tcpUpstream((socket) => {
        const hash = Crypto.createHash("sha256")
        socket.on("data", (chunk: Buffer) => hash.update(chunk))
        socket.on("end", () => socket.end(hash.digest("hex")))
      })
      const running = yield* carry(to(upstream))
      const client = yield* Client.wire(running.address)
      const block = Crypto.randomBytes(1024 * 1024)
      const hash = Crypto.createHash("sha256")
      for (let index = 0; index < 64; index++) {
        hash.update(block)
        yield* client.send(block)
      }
      yield* client.end()
      assert.strictEqual(yield* client.readAll, hash.digest("hex"))
    })
  )

  it.scopedLive("lets the address end first, and still carries what the client says", () =>
    Effect.gen(function* () {
      const heard = yield* Deferred.make<string>()
      const upstream = yield* Servers.tcpUpstream((socket) => {
        let text = ""
        socket.end("bye")
        socket.on("data", (chunk: Buffer) => (text += chunk.toString()))
        socket.on("end", () => Deferred.unsafeDone(heard, Effect.succeed(text)))
      })
      const running = yield* carry(to(upstream))
      const client = yield* Client.wire(running.address)
      assert.strictEqual(yield* client.readAll, "bye")
      yield* client.end("last words")
      assert.strictEqual(yield* Deferred.await(heard), "last words")
    })
  )

  it.scopedLive("is cut when nobody answers there, when one side breaks, and when nothing moves", () =>
    Effect.gen(function* () {
      const lost = yield* carry(yield* Servers.nobody)
      const client = yield* Client.wire(lost.address)
      assert.strictEqual(yield* client.readAll, "")

      const upstream = yield* Servers.tcpUpstream((socket) =>
        socket.once("data", (chunk: Buffer) => {
          if (chunk.toString() === "break") socket.resetAndDestroy()
          else if (chunk.toString() === "answer") socket.end("answered")
        })
      )
      const running = yield* carry(to(upstream), { idleMillis: 100 })
      for (const [text, answer] of [
        ["break", ""],
        ["answer", "answered"],
        ["wait", ""]
      ] as const) {
        const other = yield* Client.wire(running.address)
        yield* other.send(text)
        assert.strictEqual(yield* other.readAll, answer)
      }
    })
  )

  it.scopedLive("is cut beyond the limit, until one of the others is over", () =>
    Effect.gen(function* () {
      const upstream = yield* echo
      const running = yield* carry(to(upstream), { connections: 1 })
      const first = yield* Client.wire(running.address)
      yield* first.send("a")
      assert.strictEqual(yield* first.readBytes(1), "a")
      const second = yield* Client.wire(running.address)
      assert.strictEqual(yield* second.readAll, "")
      assert.strictEqual(upstream.connections(), 1)
      yield* first.end()
      yield* first.closed
      const third = yield* Client.wire(running.address)
      yield* third.end("b")
      assert.strictEqual(yield* third.readAll, "b")
    })
  )

  it.scopedLive("may lead to a proxy", () =>
    Effect.gen(function* () {
      const web = yield* Servers.httpUpstream((_, response) => response.end("ok"))
      const proxy = yield* Fixture.serve({ allow: [`127.0.0.1:${web.port}`] })
      assert.isTrue(proxy.address._tag === "Tcp")
      if (proxy.address._tag !== "Tcp") return
      const running = yield* carry(to(proxy.address))
      assert.strictEqual((yield* Client.request(running.address, `http://127.0.0.1:${web.port}/`)).status, 200)
      assert.strictEqual((yield* Client.request(running.address, "http://evil.test/")).status, 403)
    })
  )
})

describe("carrying", () => {
  it.live("leaves no connection and no socket file when its scope is closed", () =>
    Effect.gen(function* () {
      const outer = yield* Scope.make()
      const sockets: Array<Net.Socket> = []
      const upstream = yield* Servers.tcpUpstream((socket) => {
        sockets.push(socket)
        socket.pipe(socket)
      }).pipe(Scope.extend(outer))
      const scope = yield* Scope.make()
      const listen = yield* unix.pipe(Scope.extend(outer))
      const running = yield* Carry.serve({ listen, to: to(upstream) }).pipe(Scope.extend(scope))
      const clients = [1, 2, 3].map(() => new Client.Wire(running.address))
      for (const client of clients) {
        yield* client.send("a")
        yield* client.readBytes(1)
      }
      const ends = sockets.map((socket) => new Promise<void>((resolve) => socket.once("close", () => resolve())))
      yield* Scope.close(scope, Exit.void)
      for (const client of clients) {
        yield* client.end()
        yield* client.closed
      }
      yield* Effect.promise(() => Promise.all(ends))
      assert.isTrue(listen._tag === "Unix" && !Fs.existsSync(listen.path))
      assert.strictEqual((yield* Effect.flip(running.closed)).reason, "scope-closed")
      yield* Scope.close(outer, Exit.void)
    })
  )

  const targets: ReadonlyArray<Carry.ServeOptions["to"]> = [
    { host: "localhost", port: 80 },
    { host: "127.1", port: 80 },
    { host: "", port: 80 },
    { host: "127.0.0.1", port: 0 },
    { host: "127.0.0.1", port: 65_536 },
    { host: "127.0.0.1", port: 1.5 }
  ]

  it.scopedLive.each(targets)("is to an address and a port only, unlike %j", (target) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(carry(target))
      assert.strictEqual(error._tag, "CarryTargetInvalid")
      assert.match(error.message, /^[\x20-\x7e]+$/)
      assert.match(error.suggestion, /^[\x20-\x7e]+$/)
      yield* carry({ host: "127.0.0.1", port: 80 })
    })
  )

  it.scopedLive("says why it cannot begin", () =>
    Effect.gen(function* () {
      const target = { host: "127.0.0.1", port: 80 }
      assert.strictEqual((yield* Effect.flip(carry(target, { connections: 0 })))._tag, "LimitInvalid")
      const listen = yield* unix
      yield* Carry.serve({ listen, to: target })
      const taken = yield* Effect.flip(Carry.serve({ listen, to: target }))
      assert.isTrue(taken._tag === "ListenRefused" && taken.reason === "in-use")
    })
  )
})
