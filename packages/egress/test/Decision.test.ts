import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as Address from "../src/Address.js"
import * as Decision from "../src/Decision.js"
import * as Host from "../src/Host.js"
import * as Policy from "../src/Policy.js"

const policy = Either.getOrThrow(
  Policy.make({
    allow: [
      "example.com",
      "*.wild.com",
      "only.com:8443",
      "*.deep.only.com:9000",
      "192.0.2.1",
      "[2001:db8::1]:8443",
      "127.0.0.1:3000",
      "name.com:3000",
      { host: "api.corp", addresses: ["10.0.0.0/8", "fd00::/8"] },
      "*.corp",
      "pinned.com"
    ],
    resolve: ["pinned.com=127.0.0.1", "unlisted.com=127.0.0.1"]
  })
)

const decide = (host: string, port: number): string => {
  const verdict = Decision.decide(policy, { host, port })
  return verdict._tag === "Allow" ? `${verdict.target._tag} by ${verdict.rule.text}` : verdict.reason
}

describe("Decision.decide", () => {
  const cases: ReadonlyArray<readonly [string, number, string]> = [
    ["example.com", 443, "Resolve by example.com"],
    ["example.com", 80, "Resolve by example.com"],
    ["EXAMPLE.COM.", 443, "Resolve by example.com"],
    ["example.com", 8080, "port-not-allowed"],
    ["example.com", 22, "port-not-allowed"],
    ["www.example.com", 443, "no-rule"],
    ["evilexample.com", 443, "no-rule"],
    ["example.com.evil.com", 443, "no-rule"],
    ["example.co", 443, "no-rule"],
    ["a.wild.com", 443, "Resolve by *.wild.com"],
    ["a.b.wild.com", 80, "Resolve by *.wild.com"],
    ["wild.com", 443, "no-rule"],
    ["evilwild.com", 443, "no-rule"],
    ["a.wild.com.evil.com", 443, "no-rule"],
    ["only.com", 8443, "Resolve by only.com:8443"],
    ["only.com", 443, "port-not-allowed"],
    ["a.deep.only.com", 9000, "Resolve by *.deep.only.com:9000"],
    ["a.deep.only.com", 8443, "port-not-allowed"],
    ["192.0.2.1", 443, "Literal by 192.0.2.1"],
    ["0xc0000201", 443, "Literal by 192.0.2.1"],
    ["::ffff:192.0.2.1", 443, "Literal by 192.0.2.1"],
    ["192.0.2.2", 443, "no-rule"],
    ["[2001:DB8:0::1]", 8443, "Literal by [2001:db8::1]:8443"],
    ["[2001:db8::1]", 443, "port-not-allowed"],
    ["[::192.0.2.1]", 443, "no-rule"],
    ["[64:ff9b::192.0.2.1]", 443, "no-rule"],
    ["127.1", 3000, "Literal by 127.0.0.1:3000"],
    ["127.1", 80, "port-not-allowed"],
    ["127.0.0.2", 3000, "no-rule"],
    ["localhost", 3000, "no-rule"],
    ["pinned.com", 443, "Pinned by pinned.com"],
    ["unlisted.com", 443, "no-rule"],
    ["api.corp", 443, "Resolve by api.corp"],
    ["b.corp", 443, "Resolve by *.corp"],
    ["8.8.8.8", 53, "no-rule"],
    ["169.254.169.254", 80, "no-rule"],
    ["0", 80, "no-rule"],
    ["user@example.com", 443, "host-invalid"],
    ["example%2ecom", 443, "host-invalid"],
    ["example.com\u0000", 443, "host-invalid"],
    ["*.wild.com", 443, "host-invalid"],
    ["", 443, "host-invalid"],
    ["example.com", 0, "host-invalid"],
    ["example.com", 65536, "host-invalid"],
    ["example.com", 80.5, "host-invalid"],
    ["example.com", Number.NaN, "host-invalid"]
  ]

  it.each(cases)("%j %d: %s", (host, port, expected) => {
    assert.strictEqual(decide(host, port), expected)
  })

  it("allows nothing when the policy is empty", () => {
    fc.assert(
      fc.property(fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6(), fc.string()), fc.integer(), (host, port) => {
        assert.strictEqual(Decision.decide(Policy.empty, { host, port })._tag, "Deny")
      })
    )
  })

  it("decides every spelling of a host alike", () => {
    const flip = fc.func(fc.boolean())
    const known = fc.constantFrom(...cases.map(([host]) => host).filter((host) => /^[a-z0-9.]+$/i.test(host)))
    fc.assert(
      fc.property(known, fc.constantFrom(80, 443, 3000, 8443), flip, fc.boolean(), (host, port, isUpper, hasDot) => {
        const mixed = [...host].map((char, index) => (isUpper(index) ? char.toUpperCase() : char)).join("")
        const spelled = hasDot && !mixed.endsWith(".") ? `${mixed}.` : mixed
        assert.strictEqual(decide(spelled, port), decide(host, port))
      })
    )
  })

  it("names what was refused in visible ASCII", () => {
    fc.assert(
      fc.property(fc.fullUnicodeString({ maxLength: 400 }), fc.nat(70_000), (host, port) => {
        const verdict = Decision.decide(policy, { host, port })
        if (verdict._tag === "Allow") return
        for (const text of [verdict.host, verdict.authority, verdict.detail]) assert.match(text, /^[\x20-\x7e]*$/)
        assert.isBelow(verdict.host.length, 300)
      })
    )
  })
})

describe("Decision.decideAddresses", () => {
  const judge = (host: string, port: number, answers: ReadonlyArray<string>, own?: ReadonlySet<string>): string => {
    const verdict = Decision.decide(policy, { host, port })
    assert(verdict._tag === "Allow", `${host} is allowed`)
    const judged = Decision.decideAddresses(policy, verdict, answers, {
      addresses: own ?? new Set(),
      networks: [
        Either.getOrThrow(Address.parseNetwork("2600:1::7/64")),
        Either.getOrThrow(Address.parseNetwork("9.1.2.3/16"))
      ],
      ranges: []
    })
    return Either.isRight(judged)
      ? judged.right.map((address) => address.address).join(" ")
      : `${judged.left.reason} ${judged.left.address}`
  }
  const cases: ReadonlyArray<readonly [string, number, ReadonlyArray<string>, string]> = [
    ["example.com", 443, ["8.8.8.8", "2606:4700::1"], "8.8.8.8 2606:4700::1"],
    ["example.com", 443, ["8.8.8.8", "8.8.8.8", "::ffff:8.8.8.8"], "8.8.8.8"],
    ["example.com", 443, ["64:ff9b::8.8.8.8"], "64:ff9b::808:808"],
    ["example.com", 443, ["10.0.0.1"], "address-not-public 10.0.0.1"],
    ["example.com", 443, ["8.8.8.8", "10.0.0.1"], "address-not-public 10.0.0.1"],
    ["example.com", 443, ["::ffff:127.0.0.1"], "address-not-public 127.0.0.1"],
    ["example.com", 443, ["64:ff9b::7f00:1"], "address-not-public 64:ff9b::7f00:1"],
    ["example.com", 443, ["::1"], "address-not-public ::1"],
    ["example.com", 443, ["0.0.0.0"], "address-not-public 0.0.0.0"],
    ["example.com", 443, ["169.254.169.254"], "address-not-public 169.254.169.254"],
    ["example.com", 443, ["168.63.129.16"], "address-not-public 168.63.129.16"],
    ["example.com", 443, [], "answer-invalid null"],
    ["example.com", 443, ["example.org"], "answer-invalid null"],
    ["example.com", 443, ["fe80::1%eth0"], "answer-invalid null"],
    ["example.com", 443, ["/run/docker.sock"], "answer-invalid null"],
    ["example.com", 443, [""], "answer-invalid null"],
    ["api.corp", 443, ["10.9.9.9", "fd00::5"], "10.9.9.9 fd00::5"],
    ["api.corp", 443, ["10.9.9.9", "192.168.0.1"], "address-not-public 192.168.0.1"],
    ["api.corp", 443, ["8.8.8.8"], "8.8.8.8"],
    ["api.corp", 443, ["fd00:ec2::254"], "address-not-public fd00:ec2::254"],
    ["b.corp", 443, ["10.9.9.9"], "address-not-public 10.9.9.9"],
    ["name.com", 3000, ["127.0.0.1"], "127.0.0.1"],
    ["name.com", 3000, ["127.0.0.2"], "address-not-public 127.0.0.2"],
    ["example.com", 443, ["127.0.0.1"], "address-not-public 127.0.0.1"],
    ["pinned.com", 443, ["8.8.8.8"], "127.0.0.1"],
    ["127.0.0.1", 3000, [], "127.0.0.1"],
    ["192.0.2.1", 80, ["8.8.8.8"], "192.0.2.1"]
  ]

  it.each(cases)("%s:%d with %j: %s", (host, port, answers, expected) => {
    assert.strictEqual(judge(host, port, answers), expected)
  })

  const machine: ReadonlyArray<readonly [string, ReadonlyArray<string>, string]> = [
    ["example.com", ["9.9.9.9"], "address-not-public 9.9.9.9"],
    ["example.com", ["8.8.8.8", "64:ff9b::9.9.9.9"], "address-not-public 64:ff9b::909:909"],
    ["example.com", ["8.8.8.8"], "8.8.8.8"],
    ["example.com", ["9.1.77.7"], "address-not-public 9.1.77.7"],
    ["example.com", ["9.2.77.7"], "9.2.77.7"],
    ["example.com", ["2600:1::1:2:3:4"], "address-not-public 2600:1::1:2:3:4"],
    ["example.com", ["2600:1:0:1::1"], "2600:1:0:1::1"],
    ["example.com", ["64:ff9b::9.1.77.7"], "address-not-public 64:ff9b::901:4d07"],
    ["example.com", ["2002:901:4d07::1"], "address-not-public 2002:901:4d07::1"],
    ["pinned.com", [], "127.0.0.1"],
    ["api.corp", ["10.9.9.9", "8.8.8.8"], "10.9.9.9 8.8.8.8"],
    ["api.corp", ["9.9.9.9"], "address-not-public 9.9.9.9"]
  ]

  it.each(machine)(
    "%s with %j, to a machine that is 9.9.9.9, beside 9.1.0.0/16 and 2600:1::/64: %s",
    (host, answers, expected) => {
      assert.strictEqual(judge(host, 443, answers, new Set(["9.9.9.9"])), expected)
    }
  )

  it("lets a rule for the address itself list this machine's own, and its network's", () => {
    const listing = Either.getOrThrow(Policy.make({ allow: ["example.com", "9.9.9.9:443"] }))
    const verdict = Decision.decide(listing, { host: "example.com", port: 443 })
    assert(verdict._tag === "Allow", "example.com is allowed")
    const judged = Decision.decideAddresses(listing, verdict, ["9.9.9.9"], {
      addresses: new Set(["9.9.9.9"]),
      networks: [Either.getOrThrow(Address.parseNetwork("9.9.9.9/16"))],
      ranges: []
    })
    assert.deepStrictEqual(Either.getOrThrow(judged), [{ _tag: "Address", address: "9.9.9.9", family: 4 }])
  })

  it("refuses a name with more addresses than are worth judging", () => {
    const answers = Array.from({ length: 257 }, (_, index) => `8.8.${index >> 8}.${index & 255}`)
    assert.strictEqual(judge("example.com", 443, answers), "answer-invalid null")
    assert.strictEqual(judge("example.com", 443, answers.slice(1)).split(" ").length, 256)
  })

  it("gives no address that is neither public nor listed, whatever the answers", () => {
    const answer = fc.oneof(fc.ipV4(), fc.ipV4Extended(), fc.ipV6(), fc.constantFrom("::1", "127.1", "10.1.1.1"))
    fc.assert(
      fc.property(fc.array(answer), (answers) => {
        const verdict = Decision.decide(policy, { host: "example.com", port: 443 })
        assert(verdict._tag === "Allow", "example.com is allowed")
        const judged = Decision.decideAddresses(policy, verdict, answers)
        if (Either.isLeft(judged)) return
        for (const address of judged.right) {
          assert.notMatch(address.address, /^(?:10\.|127\.|192\.168\.|169\.254\.|0\.|f[cd]|fe[89ab]|::)/)
          assert.deepStrictEqual(Either.getOrThrow(Host.parse(address.address)), address)
        }
      }),
      { numRuns: 500 }
    )
  })
})
