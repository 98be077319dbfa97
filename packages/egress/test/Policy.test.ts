import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Policy from "../src/Policy.js"

const rule = (text: string, addresses?: ReadonlyArray<string>): string => {
  const parsed = Policy.parseAllow(addresses === undefined ? text : { host: text, addresses })
  if (Either.isLeft(parsed)) return `refused: ${parsed.left.reason}`
  const { host, ports } = parsed.right
  return `${host._tag} ${parsed.right.text} ${ports?.join("+")}`
}

describe("Policy.parseAllow", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["example.com", "Exact example.com 80+443"],
    ["EXAMPLE.com.", "Exact example.com 80+443"],
    ["bücher.de:8443", "Exact xn--bcher-kva.de:8443 8443"],
    ["example.com:443", "Exact example.com:443 443"],
    ["*.example.com", "Suffix *.example.com 80+443"],
    ["*.Example.com:8080", "Suffix *.example.com:8080 8080"],
    ["192.0.2.1", "Address 192.0.2.1 80+443"],
    ["192.0.2.1:22", "Address 192.0.2.1:22 22"],
    ["127.1:80", "Address 127.0.0.1:80 80"],
    ["[2001:DB8::1]", "Address [2001:db8::1] 80+443"],
    ["[2001:db8::1]:8443", "Address [2001:db8::1]:8443 8443"],
    ["[::ffff:10.0.0.1]:80", "Address 10.0.0.1:80 80"],
    ["localhost:3000", "Exact localhost:3000 3000"],
    ["", "refused: host"],
    ["::1", "refused: host"],
    ["2001:db8::1", "refused: host"],
    ["example.com:", "refused: host"],
    ["example.com:0", "refused: host"],
    ["example.com:080", "refused: host"],
    ["example.com:65536", "refused: host"],
    ["example.com:*", "refused: host"],
    ["example.com:80,443", "refused: host"],
    ["exa mple.com", "refused: host"],
    ["example.com%00", "refused: host"],
    ["[fe80::1%eth0]", "refused: host"],
    ["*", "refused: wildcard"],
    ["*.*.com", "refused: wildcard"],
    ["a.*.com", "refused: wildcard"],
    ["*example.com", "refused: wildcard"],
    ["*.192.0.2.1", "refused: wildcard"],
    ["*.", "refused: host"],
    ["https://example.com", "refused: url"],
    ["example.com/path", "refused: url"],
    ["user@example.com", "refused: url"],
    ["10.0.0.0/8", "Range 10.0.0.0/8 80+443"],
    ["0.0.0.0", "refused: address-kind"],
    ["0", "refused: address-kind"],
    ["[::]:80", "refused: address-kind"],
    ["224.0.0.1", "refused: address-kind"],
    ["255.255.255.255", "refused: address-kind"]
  ]

  it.each(cases)("reads %j as %s", (text, expected) => {
    assert.strictEqual(rule(text), expected)
  })

  it("refuses a range that is not one, and takes one that is", () => {
    assert.strictEqual(rule("api.corp", ["10.0.0.0/8"]), "Exact api.corp 80+443")
    assert.strictEqual(rule("api.corp", ["10.0.0.1/8"]), "refused: range")
    assert.strictEqual(rule("api.corp", ["api.corp"]), "refused: range")
  })

  it("says why, and what to write, in one line each", () => {
    for (const [text, expected] of cases) {
      if (!expected.startsWith("refused")) continue
      const error = Either.getOrThrow(Either.flip(Policy.parseAllow(text)))
      assert.match(error.message, /^[\x20-\x7e]+$/)
      assert.match(error.suggestion, /^[\x20-\x7e]+$/)
    }
  })
})

describe("Policy.parseResolve", () => {
  const pin = (text: string): string => {
    const parsed = Policy.parseResolve(text)
    return Either.isRight(parsed) ? `${parsed.right[0]} ${parsed.right[1].address}` : `refused: ${parsed.left.reason}`
  }
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["API.corp.=10.0.0.5", "api.corp 10.0.0.5"],
    ["api.corp=0x0a000005", "api.corp 10.0.0.5"],
    ["api.corp=::1", "api.corp ::1"],
    ["api.corp=[::1]", "api.corp ::1"],
    ["api.corp=169.254.169.254", "api.corp 169.254.169.254"],
    ["api.corp", "refused: resolve"],
    ["api.corp=", "refused: resolve"],
    ["=10.0.0.5", "refused: resolve"],
    ["*.corp=10.0.0.5", "refused: resolve"],
    ["api.corp:443=10.0.0.5", "refused: resolve"],
    ["api.corp=other.corp", "refused: resolve"],
    ["api.corp=10.0.0.5:443", "refused: resolve"],
    ["10.0.0.1=10.0.0.5", "refused: resolve"],
    ["api.corp=0.0.0.0", "refused: address-kind"]
  ]

  it.each(cases)("reads %j as %s", (text, expected) => {
    assert.strictEqual(pin(text), expected)
  })
})

describe("Policy.make", () => {
  it("makes one rule of the same rule twice, with the ranges of both", () => {
    const policy = Either.getOrThrow(
      Policy.make({
        allow: [
          "API.corp",
          { host: "api.corp", addresses: ["10.0.0.0/8"] },
          { host: "api.corp.", addresses: ["10.0.0.0/8", "::1"] },
          "api.corp:443"
        ],
        resolve: ["a.corp=10.0.0.1", "A.corp=10.0.0.1"]
      })
    )
    assert.deepStrictEqual(Policy.toDocument(policy), {
      allow: [{ host: "api.corp", addresses: ["10.0.0.0/8", "::1/128"] }, "api.corp:443"],
      resolve: { "a.corp": "10.0.0.1" }
    })
  })

  it("refuses two addresses for one name", () => {
    const error = Either.getOrThrow(
      Either.flip(Policy.make({ allow: [], resolve: ["a.corp=10.0.0.1", "a.corp=10.0.0.2"] }))
    )
    assert.strictEqual(error.reason, "resolve-twice")
    assert.match(error.message, /a\.corp is 10\.0\.0\.1 already/)
  })

  it("allows nothing when nothing is said", () => {
    assert.deepStrictEqual(Either.getOrThrow(Policy.make({ allow: [] })), Policy.empty)
  })

  it("comes back from its document", () => {
    const document = Schema.decodeUnknownSync(Policy.PolicyDocument)({
      allow: ["example.com", "*.example.com:8443", { host: "[2001:db8::1]", addresses: ["fd00::/8"] }],
      resolve: { "six.corp": "::1" }
    })
    const policy = Either.getOrThrow(Policy.fromDocument(document))
    assert.deepStrictEqual(Either.getOrThrow(Policy.fromDocument(Policy.toDocument(policy))), policy)
    assert.deepStrictEqual(Policy.toDocument(policy), document)
  })
})
