import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import * as Client from "./fixtures/client.js"
import type { Places, Script } from "./fixtures/mutations.js"
import * as Mutations from "./fixtures/mutations.js"
import * as Fixture from "./fixtures/proxy.js"
import * as Servers from "./fixtures/servers.js"

// Another seed tries other requests: BOTTLE_FUZZ_SEED=1 vitest run ProxyFuzz; BOTTLE_FUZZ_SCRIPTS=5000 tries more.
const seed = Number(process.env["BOTTLE_FUZZ_SEED"] ?? 20_261_121)
const scripts = Number(process.env["BOTTLE_FUZZ_SCRIPTS"] ?? 600)
const concurrency = 32
const boundMillis = 10_000

const limits = {
  headerMillis: 200,
  idleMillis: 300,
  halfClosedIdleMillis: 200,
  keepAliveMillis: 200,
  headerBytes: 4096,
  connectMillis: 2000
}

/** Says what the script says, and waits for the end of the connection; fails when that does not come. */
const play = (address: Parameters<typeof Client.wire>[0], { isEnding, pieces }: Script, about: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const client = yield* Client.wire(address)
      for (const piece of pieces) {
        yield* client.send(piece)
        // Lets the piece arrive as one.
        yield* Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
      }
      if (isEnding) yield* client.end()
      yield* client.readAll
      yield* client.end()
      yield* client.closed
    })
  ).pipe(
    Effect.timeoutOption(boundMillis),
    Effect.flatMap((ended) =>
      Option.isSome(ended) ? Effect.void : Effect.dieMessage(`no end within ${boundMillis} ms: ${about}`)
    )
  )

describe("requests that are not as they should be", () => {
  it.scopedLive(
    "end no process, hold no connection up, and lead nowhere that was not decided",
    () =>
      Effect.gen(function* () {
        const web = yield* Servers.httpUpstream((_, response) => response.end("ok"))
        const echo = yield* Servers.tcpUpstream((socket) => socket.pipe(socket))
        const forbidden = yield* Servers.tcpUpstream((socket) => socket.destroy())
        const keyed = yield* Servers.httpUpstream((_, response) => response.end("ok"))
        const places: Places = {
          web: `127.0.0.1:${web.port}`,
          echo: `127.0.0.1:${echo.port}`,
          forbidden: `127.0.0.1:${forbidden.port}`,
          name: `web.test:${echo.port}`
        }
        const resolver = Fixture.recording((name) => (name === "web.test" ? ["127.0.0.1"] : undefined))
        const proxy = yield* Fixture.serve({
          allow: [
            // A rule about methods allows no tunnel, in which anything could be asked of the server.
            { host: "127.0.0.1", ports: [web.port], methods: ["GET", "HEAD", "POST", "PUT", "OPTIONS"] },
            places.echo,
            { host: places.name, addresses: ["127.0.0.1"] }
          ],
          credentials: {
            api: { source: { env: "KEY" }, header: "x-api-key", upstream: `http://127.0.0.1:${keyed.port}/base` }
          },
          values: { api: "sk-secret" },
          resolver,
          limits: { ...limits, events: 100_000 }
        })
        const decided = new Map<number, number>()
        const open = new Set<number>()
        const wrong: Array<string> = []
        const names: Array<string | null> = []
        const reader = yield* proxy.events.pipe(
          Stream.runForEach((event) =>
            Effect.sync(() => {
              if (event.phase === "closed") {
                if (!open.delete(event.request)) wrong.push(`${event.request} was closed twice, or never decided`)
              } else if (event.verdict === "allow") {
                open.add(event.request)
                decided.set(event.port ?? 0, (decided.get(event.port ?? 0) ?? 0) + 1)
                if (event.host === "web.test") names.push(event.host)
              } else if (event.reason === "answer-invalid" || event.reason === "address-not-public") {
                names.push(event.host)
              }
            })
          ),
          Effect.fork
        )

        const all = fc.sample(Mutations.script(places), { numRuns: scripts, seed })
        yield* Effect.forEach(
          all.entries(),
          ([index, script]) => {
            const hex = script.pieces.map((piece) => piece.toString("hex")).join(" ")
            return play(proxy.address, script, `seed ${seed}, script ${index}, ${hex}`)
          },
          { concurrency, discard: true }
        )

        // Everything has been told, and nothing is left over.
        yield* Effect.repeat(Effect.sleep(10), { until: () => open.size === 0 })
        const about = `seed ${seed}`
        assert.deepStrictEqual(wrong, [], about)
        assert.strictEqual(forbidden.connections(), 0, about)
        assert.isAtMost(web.connections(), decided.get(web.port) ?? 0, about)
        assert.isAtMost(echo.connections(), decided.get(echo.port) ?? 0, about)
        assert.isAtMost(web.received.length, decided.get(web.port) ?? 0, about)
        assert.deepStrictEqual([...decided.keys()].sort(), [web.port, echo.port, keyed.port].sort(), about)
        assert.deepStrictEqual([...new Set(resolver.asked)], ["web.test"], about)
        assert.isAtLeast(resolver.asked.length, names.length, about)
        for (const { rawHeaders } of web.received) {
          const hosts = rawHeaders.filter((_, index) => rawHeaders[index - (index % 2)]?.toLowerCase() === "host")
          assert.deepStrictEqual(hosts, ["Host", places.web], about)
        }
        assert.isAtMost(keyed.received.length, decided.get(keyed.port) ?? 0, about)
        for (const { rawHeaders, url } of keyed.received) {
          assert.match(url, /^\/base(?:[/?]|$)/, about)
          const keys = rawHeaders.filter((_, index) =>
            /^(?:x.api.key|authorization)$/i.test(rawHeaders[index - (index % 2)] ?? "")
          )
          assert.deepStrictEqual(keys, ["x-api-key", "sk-secret"], about)
        }
        assert.notInclude(JSON.stringify(web.received), "sk-secret", about)
        // Most of it came far enough to be worth trying, and the proxy still does what it is for.
        assert.isAbove(web.received.length, scripts / 20)
        assert.isAbove(echo.connections(), scripts / 20)
        assert.isAbove(keyed.received.length, scripts / 40)
        assert.strictEqual((yield* Client.request(proxy.address, `http://${places.web}/`)).body, "ok")
        assert.strictEqual((yield* Client.request(proxy.address, "http://evil.test/")).status, 403)
        yield* Fiber.interrupt(reader)
      }),
    60_000 + 60 * scripts
  )
})
