import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as Host from "../src/Host.js"

const canonical = (text: string): string => {
  const host = Host.parse(text)
  return Either.isRight(host) ? `${host.right._tag} ${Host.text(host.right)}` : `refused: ${host.left.reason}`
}

/** Spellings of an IPv4 address that some resolver somewhere takes for it. */
const spellings = (address: number): ReadonlyArray<string> => {
  const octets = [24, 16, 8, 0].map((shift) => (address >>> shift) & 255)
  const [a = 0, b = 0, c = 0, d = 0] = octets
  const hex = (value: number): string => `0x${value.toString(16)}`
  const octal = (value: number): string => `0${value.toString(8)}`
  const dotted = octets.join(".")
  const group = (high: number, low: number): string => ((high << 8) | low).toString(16)
  return [
    dotted,
    `${dotted}.`,
    octets.map(hex).join("."),
    octets.map((value) => `0X${value.toString(16).toUpperCase()}`).join("."),
    octets.map(octal).join("."),
    `${hex(a)}.${octal(b)}.${c}.${hex(d)}`,
    `${a}.${b}.${c * 256 + d}`,
    `${a}.${(b * 256 + c) * 256 + d}`,
    `${hex(a)}.${octal((b * 256 + c) * 256 + d)}`,
    String(address),
    hex(address),
    octal(address),
    dotted.replace(/\./g, "\u3002"),
    dotted.replace(/[0-9]/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
    `[::ffff:${dotted}]`,
    `::FFFF:${dotted}`,
    `[::ffff:${group(a, b)}:${group(c, d)}]`,
    `[0:0:0:0:0:ffff:${group(a, b)}:${group(c, d)}]`,
    `[0000:0000:0000:0000:0000:FFFF:${dotted}]`
  ]
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
    ["127.0.0.1.", "Address 127.0.0.1"],
    ["１２７.0.0.1", "Address 127.0.0.1"],
    ["::1", "Address ::1"],
    ["[::1]", "Address ::1"],
    ["[0:0:0:0:0:0:0:1]", "Address ::1"],
    ["[2001:DB8::0:1]", "Address 2001:db8::1"],
    ["[::ffff:10.0.0.1]", "Address 10.0.0.1"],
    ["[::ffff:a00:1]", "Address 10.0.0.1"],
    ["[::8.8.8.8]", "Address ::808:808"],
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
    ["%31%32%37.0.0.1", "percent-encoding"],
    ["example%2ecom", "percent-encoding"],
    ["user@example.com", "userinfo"],
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
    ["[::1%lo]", "zone"],
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
        const found = new Set(spellings(address).map(canonical))
        assert.deepStrictEqual([...found], [`Address ${spellings(address)[0]}`])
      }),
      { examples: [[0], [1], [0x7f000001], [0xa9fea9fe], [0xffffffff]] }
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
