import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Explanation from "../src/Explanation.js"
import * as Policy from "../src/Policy.js"

const policy = Either.getOrThrow(
  Policy.make({
    allow: [
      { host: "a.example", addresses: ["10.0.0.0/8"] },
      "a.example:22",
      "10.0.0.0/8:22",
      "pinned.example",
      "0.0.0.0/0:9"
    ],
    deny: ["10.9.0.0/16", "10.8.0.0/16:80"],
    resolve: ["pinned.example=127.0.0.1"]
  })
)

describe("Explanation.explain", () => {
  it("says which addresses a name may have, on the port that was asked for", () => {
    const addresses = (port: number) => Explanation.explain(policy, { host: "a.example", port }).addresses
    assert.deepStrictEqual(addresses(443), { _tag: "Resolved", alsoIn: ["10.0.0.0/8"], neverIn: ["10.9.0.0/16"] })
    assert.deepStrictEqual(addresses(80), {
      _tag: "Resolved",
      alsoIn: ["10.0.0.0/8"],
      neverIn: ["10.9.0.0/16", "10.8.0.0/16"]
    })
    assert.deepStrictEqual(addresses(22), { _tag: "Resolved", alsoIn: ["10.0.0.0/8"], neverIn: ["10.9.0.0/16"] })
  })

  it("says that an address which is given is dialled, and judges it at once", () => {
    const explain = (host: string, port: number) => Explanation.explain(policy, { host, port })
    assert.deepStrictEqual(explain("pinned.example", 443).addresses, {
      _tag: "Given",
      address: "127.0.0.1",
      by: "policy"
    })
    assert.deepStrictEqual(explain("1.1.1.1", 9).addresses, { _tag: "Given", address: "1.1.1.1", by: "request" })
    const undialable = explain("0.0.0.0", 9)
    assert.deepStrictEqual(
      [undialable.verdict, undialable.reason, undialable.addresses],
      ["deny", "address-not-public", null]
    )
  })

  it("says what keeps each rule about the host from deciding", () => {
    const { considered, reason } = Explanation.explain(policy, { host: "a.example", port: 8080 })
    assert.strictEqual(reason, "port-not-allowed")
    assert.deepStrictEqual(considered, [
      { list: "allow", rule: "a.example", applies: false, why: "it is for port 80, 443" },
      { list: "allow", rule: "a.example:22", applies: false, why: "it is for port 22" }
    ])
  })

  it("names the credentials by which the guest reaches the host through the bundle", () => {
    const source = { env: "KEY" }
    const upstream = "https://a.example/v1"
    const served = Either.getOrThrow(
      Policy.make({
        credentials: { one: { source, header: "x-key", upstream }, two: { source, header: "x", upstream } }
      })
    )
    const explain = (port: number) => Explanation.explain(served, { host: "A.example.", port })
    assert.deepStrictEqual([explain(443).verdict, explain(443).credentials], ["deny", ["one", "two"]])
    assert.include(Explanation.lines(explain(443)), "  the bundle serves it with credentials.one, at /credentials/one")
    assert.deepStrictEqual(explain(80).credentials, [])
  })

  it("prints no more rules than anybody reads", () => {
    const ports = Array.from({ length: 64 }, (_, index) => `a.example:${index + 1000}`)
    const many = Either.getOrThrow(Policy.make({ allow: ports }))
    const lines = Explanation.lines(Explanation.explain(many, { host: "a.example", port: 443 }))
    assert.include(lines, "    and 44 more")
    assert.isBelow(lines.length, 30)
  })
})
