import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as Host from "../src/Host.js"
import { spellingsOfFour, spellingsOfSix } from "./fixtures/spellings.js"

const canonical = (text: string): string => {
  const host = Host.parse(text)
  return Either.isRight(host) ? `${host.right._tag} ${Host.text(host.right)}` : `refused: ${host.left.reason}`
}

describe("Host.parse", () => {
  const names: ReadonlyArray<readonly [string, string]> = [
    ["example.com", "Name example.com"],
    ["EXAMPLE.Com", "Name example.com"],
    ["example.com.", "Name example.com"],
    ["localhost", "Name localhost"],
    ["a_b.example.com", "Name a_b.example.com"],
    ["xn--bcher-kva.de", "Name xn--bcher-kva.de"],
    ["bücher.de", "Name xn--bcher-kva.de"],
    ["BÜCHER.de", "Name xn--bcher-kva.de"],
    ["example\u3002com", "Name example.com"],
    ["ｅｘａｍｐｌｅ.com", "Name example.com"],
    ["example\uff0ecom", "Name example.com"],
    ["example\uff61com", "Name example.com"],
    ["exa\u00admple.com", "Name example.com"],
    ["exam\u2060ple.com", "Name example.com"],
    ["\u212aelvin.example", "Name kelvin.example"],
    ["fa\u00df.example", "Name xn--fa-hia.example"],
    ["XN--BCHER-KVA.DE", "Name xn--bcher-kva.de"],
    ["1e3.example", "Name 1e3.example"],
    ["3com.com", "Name 3com.com"],
    [`${"a".repeat(63)}.com`, `Name ${"a".repeat(63)}.com`],
    [`${"abcdefg.".repeat(31)}abcde`, `Name ${"abcdefg.".repeat(31)}abcde`]
  ]
  const addresses: ReadonlyArray<readonly [string, string]> = [
    ["127.1", "Address 127.0.0.1"],
    ["0x7f000001", "Address 127.0.0.1"],
    ["2130706433", "Address 127.0.0.1"],
    ["017700000001", "Address 127.0.0.1"],
    ["0177.0.0.1", "Address 127.0.0.1"],
    ["0", "Address 0.0.0.0"],
    ["0x", "Address 0.0.0.0"],
    ["0x.0x0.0", "Address 0.0.0.0"],
    ["00000000177.1", "Address 127.0.0.1"],
    ["127.0x000001", "Address 127.0.0.1"],
    ["127\u30020\uff0e0\uff611", "Address 127.0.0.1"],
    ["\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "Address 127.0.0.1"],
    ["12\u00ad7.0.0.1", "Address 127.0.0.1"],
    ["127.0.0.1.", "Address 127.0.0.1"],
    ["１２７.0.0.1", "Address 127.0.0.1"],
    ["::1", "Address ::1"],
    ["[::1]", "Address ::1"],
    ["[0:0:0:0:0:0:0:1]", "Address ::1"],
    ["[2001:DB8::0:1]", "Address 2001:db8::1"],
    ["[::ffff:10.0.0.1]", "Address 10.0.0.1"],
    ["[::ffff:a00:1]", "Address 10.0.0.1"],
    ["[::8.8.8.8]", "Address ::808:808"],
    ["[::ffff:0:8.8.8.8]", "Address ::ffff:0:808:808"],
    ["[2002:808:808::]", "Address 2002:808:808::"],
    ["[64:FF9B::8.8.8.8]", "Address 64:ff9b::808:808"],
    ["[64:ff9b::10.0.0.1]", "Address 64:ff9b::a00:1"]
  ]
  const refused: ReadonlyArray<readonly [string, Host.InvalidReason]> = [
    ["", "empty"],
    [".", "empty-label"],
    ["a..b", "empty-label"],
    [".a", "empty-label"],
    ["a.com..", "empty-label"],
    [`${"a".repeat(64)}.com`, "too-long"],
    [`${"abcdefg.".repeat(31)}abcdef`, "too-long"],
    ["a".repeat(2000), "too-long"],
    ["a b", "control-character"],
    ["a\tb", "control-character"],
    ["a\nb", "control-character"],
    ["a\r\nHost: b", "control-character"],
    ["a\u0000b", "control-character"],
    ["example.com\u0000.evil.com", "control-character"],
    ["a\u007fb", "control-character"],
    ["a\u0085b", "control-character"],
    ["a\u2028b", "control-character"],
    ["a\u00a0b", "control-character"],
    [" example.com", "control-character"],
    ["example.com\u0000", "control-character"],
    ["%31%32%37.0.0.1", "percent-encoding"],
    ["example.com%2e", "percent-encoding"],
    ["example.com%00.evil.com", "percent-encoding"],
    ["example%2ecom", "percent-encoding"],
    ["user@example.com", "userinfo"],
    ["user:password@example.com", "userinfo"],
    ["@example.com", "userinfo"],
    ["example.com\uff20evil.com", "name"],
    ["example.com\uff0fevil.com", "name"],
    ["a/b", "character"],
    ["a\\b", "character"],
    ["a?b", "character"],
    ["a#b", "character"],
    ["*.a", "character"],
    ["a,b", "character"],
    ["-a.com", "character"],
    ["a-.com", "character"],
    ["1.2.3.-4", "character"],
    ["08", "number"],
    ["256.1.1.1", "number"],
    ["1.2.3.256", "number"],
    ["1.2.3.4.5", "number"],
    ["4294967296", "number"],
    ["a.1", "number"],
    ["a.0x4", "number"],
    ["xn--a", "name"],
    ["\u200d.com", "name"],
    ["a:80", "address"],
    ["[127.0.0.1]", "address"],
    ["[::1", "address"],
    ["[]", "address"],
    ["[::1]]", "address"],
    ["[[::1]]", "address"],
    ["[::1].", "address"],
    ["[v1.fe80::a]", "address"],
    ["[::ffff:0x7f.1]", "address"],
    ["::1.", "address"],
    ["[::1%lo]", "zone"],
    ["fe80::1%eth0", "zone"],
    ["%5b::1%5d", "zone"],
    ["[::ffff:127.0.0.1%1]", "zone"],
    ["[fe80::1%25eth0]", "zone"],
    ["::ffff:127.0.0.01", "address"],
    ["1:2:3:4:5:6:7:8:9", "address"]
  ]

  it.each([...names, ...addresses])("reads %j as %s", (text, expected) => {
    assert.strictEqual(canonical(text), expected)
  })

  it.each(refused)("refuses %j: %s", (text, reason) => {
    assert.strictEqual(canonical(text), `refused: ${reason}`)
  })

  it("takes every spelling of an IPv4 address for that address", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), (address) => {
        const found = new Set(spellingsOfFour(address).map(canonical))
        assert.deepStrictEqual([...found], [`Address ${spellingsOfFour(address)[0]}`])
      }),
      { seed: 1, examples: [[0], [1], [0x7f000001], [0xa9fea9fe], [0xffffffff]] }
    )
  })

  it("takes every spelling of an IPv6 address for that address", () => {
    const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }))
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        assert.strictEqual(new Set(spellingsOfSix(groups).map(canonical)).size, 1)
      }),
      {
        seed: 1,
        numRuns: 500,
        examples: [[[0, 0, 0, 0, 0, 0, 0, 0]], [[0, 0, 0, 0, 0, 0, 0, 1]], [[0, 0, 0, 0, 0, 0xffff, 0x7f00, 1]]]
      }
    )
  })

  it("is its own canonical form", () => {
    const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV4Extended(), fc.ipV6(), fc.string(), fc.fullUnicodeString())
    fc.assert(
      fc.property(host, (text) => {
        const first = Host.parse(text)
        if (Either.isLeft(first)) return
        const again = Host.parse(Host.text(first.right))
        assert.deepStrictEqual(Either.getOrUndefined(again), first.right)
      })
    )
  })

  it("gives no name that ends in a number, nor one with anything but letters, digits, hyphens, underscores", () => {
    const pieces = fc.constantFrom(
      "0x",
      "0",
      "1",
      "127",
      ".",
      "a",
      "x",
      "-",
      "_",
      "%",
      "@",
      "[",
      ":",
      "\u3002",
      "７",
      "ß"
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const host = Either.getOrUndefined(Host.parse(parts.join("")))
        if (host?._tag !== "Name") return
        assert.match(host.name, /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/)
        assert.notMatch(host.name, /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/)
      }),
      { numRuns: 1000 }
    )
  })

  it("shows no password", () => {
    for (const text of [
      "me:s3cret@a.example",
      "me:s3cret@b@a.example",
      "s3cret@a.example\n",
      "https://me:s3cret@a.example"
    ]) {
      const error = Either.getOrThrow(Either.flip(Host.parse(text)))
      assert.notInclude(error.message, "s3cret")
      assert.include(error.message, "...@")
    }
  })

  it("says why in one printable line", () => {
    for (const [text] of refused) {
      const error = Either.getOrThrow(Either.flip(Host.parse(text)))
      assert.match(error.message, /^[\x20-\x7e]+$/)
      assert.match(error.suggestion, /^[\x20-\x7e]+$/)
    }
  })
})

describe("Host.parseAuthority", () => {
  const authority = (text: string, port?: number): string => {
    const found = Host.parseAuthority(text, port)
    return Either.isRight(found)
      ? Host.formatAuthority(found.right.host, found.right.port)
      : `refused: ${found.left.reason}`
  }
  const accepted: ReadonlyArray<readonly [string, number | undefined, string]> = [
    ["example.com:443", undefined, "example.com:443"],
    ["EXAMPLE.com.:443", undefined, "example.com:443"],
    ["example.com", 80, "example.com:80"],
    ["[::1]:8443", undefined, "[::1]:8443"],
    ["[::1]", 80, "[::1]:80"],
    ["[::ffff:127.0.0.1]:80", undefined, "127.0.0.1:80"],
    ["0x7f.1:65535", undefined, "127.0.0.1:65535"]
  ]
  const refused: ReadonlyArray<readonly [string, number | undefined, Host.InvalidReason]> = [
    ["example.com", undefined, "port"],
    ["example.com:", 80, "port"],
    ["example.com:0", undefined, "port"],
    ["example.com:65536", undefined, "port"],
    ["example.com:080", undefined, "port"],
    ["[::1]:0443", undefined, "port"],
    ["example.com:+80", undefined, "port"],
    ["example.com:80a", undefined, "port"],
    ["example.com:0x50", undefined, "port"],
    ["example.com:80:90", undefined, "address"],
    ["::1:80", undefined, "address"],
    ["::1", 80, "address"],
    ["a[::1]:80", undefined, "address"],
    ["[::1]a:80", undefined, "address"],
    ["[::1]80", undefined, "address"],
    [":80", undefined, "empty"],
    ["", 80, "empty"],
    ["user@example.com:80", undefined, "userinfo"],
    ["user:pass@example.com:80", undefined, "userinfo"],
    ["allowed.com:80@evil.com:80", undefined, "userinfo"]
  ]

  it.each(accepted)("reads %j with %s as %s", (text, port, expected) => {
    assert.strictEqual(authority(text, port), expected)
  })

  it.each(refused)("refuses %j with %s: %s", (text, port, reason) => {
    assert.strictEqual(authority(text, port), `refused: ${reason}`)
  })
})
