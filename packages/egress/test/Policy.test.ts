import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Host from "../src/Host.js"
import * as Policy from "../src/Policy.js"
import * as Rule from "../src/Rule.js"

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

describe("Policy.parseAllow, of what is more than a host", () => {
  const read = (entry: Parameters<typeof Policy.parseAllow>[0], parse = Policy.parseAllow): string => {
    const parsed = parse(entry)
    if (Either.isLeft(parsed)) return `refused: ${parsed.left.reason}`
    return `${parsed.right.host._tag} ${parsed.right.text} ${parsed.right.ports?.join("+") ?? "every port"}`
  }
  const allowed: ReadonlyArray<readonly [Parameters<typeof Policy.parseAllow>[0], string]> = [
    ["10.0.0.0/8", "Range 10.0.0.0/8 80+443"],
    ["10.0.0.0/8:5432", "Range 10.0.0.0/8:5432 5432"],
    ["0xa.0.0.0/8", "Range 10.0.0.0/8 80+443"],
    ["10.0.0.5/32", "Address 10.0.0.5 80+443"],
    ["[fd00::/8]", "Range [fd00::/8] 80+443"],
    ["fd00::/8", "Range [fd00::/8] 80+443"],
    ["[FD00::/8]:443", "Range [fd00::/8]:443 443"],
    ["[2001:db8::1/128]:22", "Address [2001:db8::1]:22 22"],
    ["10.0.0.1/8", "refused: range"],
    ["10.0.0.0/33", "refused: range"],
    ["10.0.0.0/8:0", "refused: host"],
    ["10.0.0.0/8:5432/tcp", "refused: url"],
    ["fd00::/8:443", "refused: range"],
    ["[::ffff:10.0.0.0/104]", "refused: range"],
    ["*.10.0.0.0/8", "refused: url"],
    ["example.com/24", "refused: url"],
    [{ cidr: "10.0.0.0/8" }, "Range 10.0.0.0/8 80+443"],
    [{ cidr: "fd00::/8", ports: [22] }, "Range [fd00::/8]:22 22"],
    [{ cidr: "10.0.0.5" }, "Address 10.0.0.5 80+443"],
    [{ cidr: "example.com" }, "refused: range"],
    [{ cidr: "224.0.0.1" }, "refused: address-kind"],
    [{ host: "10.0.0.0/8" }, "refused: range"],
    [{ host: "10.0.0.5" }, "Address 10.0.0.5 80+443"],
    [{ host: "a.example", ports: [443, 80, 443] }, "Exact a.example 80+443"],
    [{ host: "a.example", ports: [8443, 443] }, "Exact a.example:443,8443 443+8443"],
    [{ host: "a.example:443" }, "Exact a.example:443 443"],
    [{ host: "a.example:443", ports: [443] }, "refused: ports-twice"],
    [{ host: "a.example", ports: [0] }, "refused: host"],
    [{ host: "a.example", ports: [] }, "refused: empty"],
    [{ host: "a.example", methods: [] }, "refused: empty"],
    [{ host: "a.example", paths: [] }, "refused: empty"],
    [{ host: "a.example", methods: ["POST", "GET", "GET"] }, "Exact GET,POST a.example 80"],
    [{ host: "a.example", paths: ["/v1/*", "/caf%c3%a9"] }, "Exact a.example /caf%C3%A9,/v1/* 80"],
    [{ host: "a.example:8080", methods: ["GET"], paths: ["/"] }, "Exact GET a.example:8080 / 8080"],
    [{ host: "a.example", paths: ["/a/../b"] }, "refused: path"],
    [{ host: "a.example", paths: ["/a*"] }, "refused: path"]
  ]
  it.each(allowed)("reads %j as %s", (entry, expected) => {
    assert.strictEqual(read(entry), expected)
  })

  const denied: ReadonlyArray<readonly [Parameters<typeof Policy.parseDeny>[0], string]> = [
    ["a.example", "Exact a.example every port"],
    ["*.example", "Suffix *.example every port"],
    ["a.example:443", "Exact a.example:443 443"],
    ["10.0.0.0/8", "Range 10.0.0.0/8 every port"],
    ["0.0.0.0", "Address 0.0.0.0 every port"],
    ["ff00::/8", "Range [ff00::/8] every port"],
    [{ host: "a.example", ports: [80, 443] }, "Exact a.example:80,443 80+443"],
    [{ host: "a.example", methods: ["PUT"] }, "Exact PUT a.example 80"],
    [{ cidr: "10.0.0.0/8", paths: ["/*"], ports: [8080] }, "Range 10.0.0.0/8:8080 /* 8080"],
    [{ host: "a.example", ports: [] }, "refused: empty"],
    [{ cidr: "10.0.0.0/8", methods: [] }, "refused: empty"],
    ["*", "refused: wildcard"],
    ["a..example", "refused: host"]
  ]
  it.each(denied)("reads %j as denying %s", (entry, expected) => {
    assert.strictEqual(read(entry, Policy.parseDeny), expected)
  })

  it("refuses an entry that has both host and cidr", () => {
    const both = { host: "a.example", cidr: "10.0.0.0/8" }
    assert.strictEqual(read(both), "refused: range")
    assert.strictEqual(read({ ...both, host: "10.0.0.0/8" }, Policy.parseDeny), "refused: range")
  })

  it("shows a rule in a bounded text, and tells two that look alike apart", () => {
    const paths = Array.from({ length: 64 }, (_, index) => `/${"a".repeat(500)}${index}`)
    const one = Either.getOrThrow(Policy.parseAllow({ host: "a.example", paths }))
    const other = Either.getOrThrow(Policy.parseAllow({ host: "a.example", paths: [...paths, "/b"] }))
    assert.strictEqual(one.text, other.text)
    assert.isBelow(one.text.length, 600)
    assert.notStrictEqual(Rule.identity(one), Rule.identity(other))
  })
})

describe("a refused entry", () => {
  it("shows no password", () => {
    const errors = [
      Policy.parseAllow("https://me:s3cret@a.example/x"),
      Policy.parseAllow({ host: "me:s3cret@a.example:80" }),
      Policy.parseDeny("me:s3cret@a.example"),
      Policy.parseDeny({ cidr: "me:s3cret@10.0.0.0/8" }),
      Policy.parseResolve("me:s3cret@a.example=10.0.0.1"),
      Policy.parseUpstream("http://me:s3cret@a.example:3128")
    ].map((parsed) => Either.getOrThrow(Either.flip<unknown, Policy.PolicyError>(parsed)))
    for (const error of errors) assert.notInclude(error.message, "s3cret")
  })
})

describe("Policy.parseUpstream", () => {
  const upstream = (text: string): string =>
    Either.match(Policy.parseUpstream(text), {
      onLeft: (error) => `refused: ${error.reason}`,
      onRight: ({ host, port }) => Host.formatAuthority(host, port)
    })
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["http://Proxy.example.:3128", "proxy.example:3128"],
    ["http://10.0.0.1:3128/", "10.0.0.1:3128"],
    ["HTTP://[::1]:1", "[::1]:1"],
    ["http://proxy.example", "refused: upstream"],
    ["http://proxy.example:3128/path", "refused: upstream"],
    ["http://proxy.example:3128?x", "refused: upstream"],
    ["http://me:secret@proxy.example:3128", "refused: upstream"],
    ["https://proxy.example:3128", "refused: upstream"],
    ["proxy.example:3128", "refused: upstream"],
    ["socks5://proxy.example:3128", "refused: upstream"],
    ["http://0.0.0.0:3128", "refused: address-kind"],
    ["", "refused: upstream"]
  ]
  it.each(cases)("reads %j as %s", (text, expected) => {
    assert.strictEqual(upstream(text), expected)
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

  it("keeps what allows and what denies apart, and the same host with other requests", () => {
    const policy = Either.getOrThrow(
      Policy.make({
        allow: [
          "a.example",
          { host: "a.example", methods: ["GET"] },
          { host: "a.example", methods: ["GET"], ports: [80] }
        ],
        deny: ["a.example", "a.example.", "a.example:80"]
      })
    )
    assert.deepStrictEqual(Policy.toDocument(policy), {
      allow: ["a.example", { host: "a.example", methods: ["GET"] }],
      deny: ["a.example", "a.example:80"],
      resolve: {}
    })
  })

  it("adds to a document what is said beside it, and says where only the document is at fault", () => {
    const document = { allow: ["a.example"], deny: ["b.example"], resolve: { "a.example": "10.0.0.1" } }
    const beside = { allow: ["c.example"], deny: ["d.example"], resolve: ["c.example=10.0.0.2"] }
    assert.deepStrictEqual(Policy.toDocument(Either.getOrThrow(Policy.fromDocument(document, beside))), {
      allow: ["a.example", "c.example"],
      deny: ["b.example", "d.example"],
      resolve: { "a.example": "10.0.0.1", "c.example": "10.0.0.2" }
    })
    const placeOf = (...given: Parameters<typeof Policy.fromDocument>) =>
      Either.getOrThrow(Either.flip(Policy.fromDocument(...given))).place
    assert.strictEqual(placeOf({ allow: ["a.example", "*"] }, beside), "allow[1]")
    assert.strictEqual(placeOf(document, { allow: ["*"] }), null)
    assert.strictEqual(placeOf(document, { resolve: ["a.example=10.0.0.9"] }), null)
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
