import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as fc from "fast-check"
import type { RunningProxy } from "../src/Proxy.js"
import * as Client from "./fixtures/client.js"
import * as Fixture from "./fixtures/proxy.js"
import * as Servers from "./fixtures/servers.js"

/** An upstream that answers the first piece it hears with an HTTP answer, and remembers everything. */
interface Ear {
  readonly heard: () => string
  readonly connections: () => number
}

/** One at each of these addresses of the loopback, all on one port. */
const ears = (
  addresses: ReadonlyArray<string>
): Effect.Effect<{ readonly port: number; readonly at: ReadonlyMap<string, Ear> }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const at = new Map<string, Ear>()
    let port = 0
    for (const address of addresses) {
      let heard = ""
      const upstream = yield* Servers.tcpUpstream(
        (socket) => {
          let isAnswered = false
          socket.on("data", (chunk: Buffer) => {
            heard += chunk.toString("latin1")
            if (!isAnswered) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            isAnswered = true
          })
          socket.on("end", () => socket.end())
        },
        address,
        port
      )
      port = upstream.port
      at.set(address, { heard: () => heard, connections: upstream.connections })
    }
    return { port, at }
  })

type Kind = "tunnel" | "request" | "WebSocket"

/** Asks for the authority and says the token there; the proxy's status. */
const ask = (proxy: RunningProxy, kind: Kind, authority: string, token: string): Effect.Effect<string> =>
  Effect.scoped(
    Effect.gen(function* () {
      const client = yield* Client.wire(proxy.address)
      const headers = `Host: ${authority}\r\nX-Token: ${token}\r\n`
      if (kind === "tunnel") yield* client.send(`CONNECT ${authority} HTTP/1.1\r\n\r\nX-Token: ${token}\r\n`)
      else if (kind === "request") yield* client.send(`GET http://${authority}/ HTTP/1.1\r\n${headers}\r\n`)
      else {
        const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        yield* client.send(`GET http://${authority}/ HTTP/1.1\r\n${headers}${upgrade}\r\n`)
      }
      const { head } = yield* client.readResponse
      // What it said has arrived when it has been answered.
      if (kind === "tunnel" && head.startsWith("HTTP/1.1 200")) yield* client.readUntil("ok")
      return head.slice(9, 12)
    })
  )

const kinds: fc.Arbitrary<Kind> = fc.constantFrom("tunnel", "request", "WebSocket")

const check = (property: fc.IAsyncProperty<unknown>, numRuns: number): Effect.Effect<void> =>
  Effect.promise(() => fc.assert(property, { numRuns, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: true }))

describe("a name whose addresses change", () => {
  it.scopedLive(
    "is resolved once for each request, judged anew, and dialled where it was judged",
    () =>
      Effect.gen(function* () {
        const [good, inside] = ["127.0.0.1", "127.0.0.2"] as const
        const { at, port } = yield* ears([good, inside])
        const answers = fc.constantFrom<ReadonlyArray<string>>(
          [good],
          [good, good],
          ["::ffff:127.0.0.1"],
          [inside],
          [good, inside],
          [inside, good],
          [good, "10.0.0.1"],
          ["169.254.169.254"],
          ["not an address"],
          []
        )
        const isGood = (list: ReadonlyArray<string>): boolean =>
          list.length > 0 && list.every((address) => address === good || address === "::ffff:127.0.0.1")
        const turns = fc.array(fc.record({ kind: kinds, answers }), { minLength: 1, maxLength: 6 })
        let token = 0

        const property = fc.asyncProperty(turns, (turns) =>
          Effect.gen(function* () {
            const resolver = Fixture.recording((_, call) => turns[call - 1]?.answers)
            const authority = `web.test:${port}`
            const proxy = yield* Fixture.serve({ allow: [{ host: authority, addresses: [good] }], resolver })
            for (const [index, { answers, kind }] of turns.entries()) {
              const connections = at.get(good)?.connections() ?? 0
              token += 1
              const status = yield* ask(proxy, kind, authority, `<${token}>`)
              const isDialled = isGood(answers)
              assert.strictEqual(status, isDialled ? "200" : "403")
              assert.deepStrictEqual(resolver.asked.length, index + 1)
              assert.strictEqual(at.get(good)?.connections(), connections + (isDialled ? 1 : 0))
              assert.strictEqual(at.get(good)?.heard().includes(`<${token}>`), isDialled)
            }
            assert.strictEqual(at.get(inside)?.connections(), 0)
          }).pipe(Effect.scoped, Effect.runPromise)
        )
        yield* check(property, 60)
      }),
    30_000
  )
})

describe("what a client says", () => {
  it.scopedLive(
    "goes to the host that was decided, and to no other, whatever goes on beside it",
    () =>
      Effect.gen(function* () {
        const addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        const { at, port } = yield* ears(addresses)
        const names = ["a.test", "b.test", "c.test"]
        const proxy = yield* Fixture.serve({
          allow: names.map((name) => ({ host: `${name}:${port}`, addresses: ["127.0.0.0/8"] })),
          // The answer comes late, so that many names are being resolved at one time.
          resolver: {
            resolve: (name) => Effect.as(Effect.sleep(1), [addresses[names.indexOf(name)] ?? "127.0.0.9"])
          }
        })
        const asked = fc.array(fc.record({ kind: kinds, index: fc.nat(names.length - 1) }), {
          minLength: 2,
          maxLength: 24
        })
        let run = 0
        const property = fc.asyncProperty(asked, (asked) =>
          Effect.gen(function* () {
            run += 1
            const tokenOf = (index: number): string => `<${run}-${index}>`
            const statuses = yield* Effect.forEach(
              asked,
              ({ index, kind }, turn) => ask(proxy, kind, `${names[index]}:${port}`, tokenOf(turn)),
              { concurrency: "unbounded" }
            )
            assert.deepStrictEqual([...new Set(statuses)], ["200"])
            for (const [turn, { index }] of asked.entries()) {
              const hearing = addresses.filter((address) => at.get(address)?.heard().includes(tokenOf(turn)))
              assert.deepStrictEqual(hearing, [addresses[index]])
            }
          }).pipe(Effect.runPromise)
        )
        yield* check(property, 40)
      }),
    30_000
  )
})

describe("what the policy refuses", () => {
  it.scopedLive(
    "is neither resolved nor dialled, and what it allows is",
    () =>
      Effect.gen(function* () {
        const { at, port } = yield* ears(["127.0.0.1"])
        const resolver = Fixture.recording(() => ["127.0.0.1"])
        const proxy = yield* Fixture.serve({
          allow: [{ host: `*.good.test:${port}`, addresses: ["127.0.0.1"] }, `127.0.0.1:${port}`],
          deny: [`denied.good.test`, { cidr: "127.0.0.1/32", ports: [1] }],
          resolver
        })
        const ear = at.get("127.0.0.1")
        const label = fc.constantFrom("www", "a", "WWW", "denied", "DENIED", "good", "evil", "%64enied", "xn--fsq", "")
        const host = fc.oneof(
          fc
            .tuple(
              fc.array(label, { maxLength: 3 }),
              fc.constantFrom("good.test", "good.test.", "GOOD.test", "evil.test")
            )
            .map(([labels, end]) => [...labels, end].join(".")),
          fc.constantFrom(
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "2130706433",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "127.0.0.2",
            "0"
          ),
          fc.ipV4(),
          fc.ipV6().map((address) => `[${address}]`),
          fc.domain()
        )
        const asked = fc.record({ host, port: fc.constantFrom(port, port, port, 1, 443), kind: kinds })

        /** What the policy above says, said once more in another way. */
        const expected = (spelled: string, at: number): "resolved" | "dialled" | "refused" => {
          if (at !== port) return "refused"
          let name: string
          try {
            name = new URL(`http://${spelled}/`).hostname.replace(/\.$/, "")
          } catch {
            return "refused"
          }
          if (name === "127.0.0.1" || name === "[::ffff:7f00:1]") return "dialled"
          const isBelow = /^(?:[a-z0-9-]+\.)+good\.test$/.test(name) && !spelled.includes("%")
          return isBelow && name !== "denied.good.test" ? "resolved" : "refused"
        }

        const property = fc.asyncProperty(asked, ({ host, kind, port: wanted }) =>
          Effect.gen(function* () {
            const before = [resolver.asked.length, ear?.connections() ?? 0]
            const status = yield* ask(proxy, kind, `${host}:${wanted}`, "<>")
            const after = [resolver.asked.length, ear?.connections() ?? 0]
            const expectation = expected(host, wanted)
            const grown = expectation === "resolved" ? [1, 1] : expectation === "dialled" ? [0, 1] : [0, 0]
            assert.deepStrictEqual(
              after.map((count, index) => count - (before[index] ?? 0)),
              grown
            )
            if (expectation === "refused") assert.include(["403", "400"], status)
            else assert.strictEqual(status, "200")
          }).pipe(Effect.runPromise)
        )
        yield* check(property, 400)
      }),
    30_000
  )
})
