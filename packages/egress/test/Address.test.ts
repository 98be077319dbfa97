import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as Address from "../src/Address.js"
import * as Host from "../src/Host.js"

const address = (text: string): Host.Address => {
  const host = Either.getOrThrow(Host.parse(text))
  assert(host._tag === "Address", `${text} is an address`)
  return host
}

const kindOf = (text: string): Address.AddressKind => Address.kind(address(text))

const kinds: ReadonlyArray<readonly [string, Address.AddressKind]> = [
  ["8.8.8.8", "public"],
  ["1.1.1.1", "public"],
  ["9.255.255.255", "public"],
  ["11.0.0.0", "public"],
  ["100.63.255.255", "public"],
  ["100.128.0.0", "public"],
  ["126.255.255.255", "public"],
  ["128.0.0.0", "public"],
  ["169.253.255.255", "public"],
  ["172.15.255.255", "public"],
  ["172.32.0.0", "public"],
  ["192.167.255.255", "public"],
  ["192.169.0.0", "public"],
  ["223.255.255.255", "public"],
  ["10.0.0.0", "private"],
  ["10.255.255.255", "private"],
  ["172.16.0.0", "private"],
  ["172.31.255.255", "private"],
  ["192.168.0.0", "private"],
  ["192.168.255.255", "private"],
  ["127.0.0.1", "loopback"],
  ["127.255.255.255", "loopback"],
  ["169.254.0.1", "link-local"],
  ["100.64.0.0", "carrier-nat"],
  ["100.127.255.255", "carrier-nat"],
  ["0.0.0.0", "unspecified"],
  ["0.255.255.255", "unspecified"],
  ["224.0.0.1", "multicast"],
  ["239.255.255.255", "multicast"],
  ["255.255.255.255", "broadcast"],
  ["240.0.0.1", "reserved"],
  ["192.0.0.1", "reserved"],
  ["192.0.2.1", "reserved"],
  ["192.88.99.1", "reserved"],
  ["198.18.0.1", "reserved"],
  ["198.19.255.255", "reserved"],
  ["198.51.100.1", "reserved"],
  ["203.0.113.1", "reserved"],
  ["169.254.169.254", "metadata"],
  ["169.254.170.2", "metadata"],
  ["168.63.129.16", "metadata"],
  ["100.100.100.200", "metadata"],
  ["192.0.0.192", "metadata"],
  ["2606:4700:4700::1111", "public"],
  ["2a00:1450::1", "public"],
  ["::", "unspecified"],
  ["::1", "loopback"],
  ["::2", "unspecified"],
  ["::ffff:127.0.0.1", "loopback"],
  ["::ffff:8.8.8.8", "public"],
  ["::127.0.0.1", "loopback"],
  ["::8.8.8.8", "reserved"],
  ["::ffff:0:10.0.0.1", "private"],
  ["::ffff:0:8.8.8.8", "reserved"],
  ["64:ff9b::8.8.8.8", "public"],
  ["64:ff9b::10.0.0.1", "private"],
  ["64:ff9b::169.254.169.254", "metadata"],
  ["64:ff9b::0.0.0.0", "unspecified"],
  ["64:ff9b:1::8.8.8.8", "reserved"],
  ["2002:808:808::1", "public"],
  ["2002:7f00:1::1", "loopback"],
  ["2002:c0a8:1::", "private"],
  ["2002:a9fe:a9fe::", "metadata"],
  ["2001::1", "reserved"],
  ["2001:0:4136:e378:8000:63bf:3fff:fdd2", "reserved"],
  ["2001:db8::1", "reserved"],
  ["3fff::1", "reserved"],
  ["5f00::1", "reserved"],
  ["100::1", "reserved"],
  ["400::1", "reserved"],
  ["4000::1", "reserved"],
  ["2a00:1450::5efe:10.0.0.1", "private"],
  ["2a00:1450::200:5efe:127.0.0.1", "loopback"],
  ["2a00:1450::5efe:8.8.8.8", "public"],
  ["fe80::1", "link-local"],
  ["febf::1", "link-local"],
  ["fec0::1", "private"],
  ["fc00::1", "unique-local"],
  ["fdff::1", "unique-local"],
  ["fd00:ec2::254", "metadata"],
  ["169.254.42.42", "metadata"],
  ["FD00:42:0::42", "metadata"],
  ["64:ff9b::169.254.0.23", "metadata"],
  ["ff02::1", "multicast"]
]

describe("Address.kind", () => {
  it.each(kinds)("%s is %s", (text, kind) => {
    assert.strictEqual(kindOf(text), kind)
  })

  const own = new Set(["8.8.8.8", "2a00:1450::1", "2002:808:404::1", "10.0.0.1", "127.0.0.1"])
  const ownKinds: ReadonlyArray<readonly [string, Address.AddressKind]> = [
    ["8.8.8.8", "own"],
    ["8.8.8.9", "public"],
    ["2a00:1450::1", "own"],
    ["2a00:1450::2", "public"],
    ["::ffff:8.8.8.8", "own"],
    ["::8.8.8.8", "own"],
    ["64:ff9b::8.8.8.8", "own"],
    ["64:ff9b::8.8.8.9", "public"],
    ["2002:808:808::1", "own"],
    ["2002:808:404::1", "own"],
    ["2002:808:404::2", "public"],
    ["2a00::5efe:8.8.8.8", "own"],
    ["10.0.0.1", "private"],
    ["127.0.0.1", "loopback"]
  ]

  it.each(ownKinds)("%s is %s to a machine that has 8.8.8.8 and 2a00:1450::1", (text, kind) => {
    assert.strictEqual(Address.kind(address(text), own), kind)
  })

  it("judges the IPv4 address inside an IPv6 address as strictly as that address", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.constantFrom("::ffff:", "::", "::ffff:0:", "64:ff9b::"), (four, prefix) => {
        const inner = kindOf(four)
        const outer = kindOf(`${prefix}${four}`)
        // ::1 is the one address of these that has a meaning of its own.
        if (prefix === "::" && four === "0.0.0.1") assert.strictEqual(outer, "loopback")
        else if (inner === "public") assert.include(["public", "reserved"], outer)
        else assert.strictEqual(outer, inner)
      }),
      { numRuns: 500 }
    )
  })

  it("is public for no address of the user's own networks, however it is embedded", () => {
    const inside = fc
      .tuple(
        fc.constantFrom("10", "127", "192.168", "172.16", "172.31", "169.254", "100.64", "0", "224"),
        fc.nat(255),
        fc.nat(255),
        fc.nat(255)
      )
      .map(([start, b, c, d]) => [...start.split("."), b, c, d].slice(0, 4).join("."))
    fc.assert(
      fc.property(inside, (four) => {
        const [a = 0, b = 0, c = 0, d = 0] = four.split(".").map(Number)
        const groups = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
        for (const text of [four, `::${four}`, `64:ff9b::${four}`, `2002:${groups}::1`, `2a00::5efe:${four}`]) {
          assert.notStrictEqual(kindOf(text), "public", text)
        }
      })
    )
  })
})

describe("Address.parseCidr", () => {
  const parsed = (text: string): string => {
    const cidr = Address.parseCidr(text)
    return Either.isRight(cidr) ? cidr.right.text : `refused: ${cidr.left.reason}`
  }
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["10.0.0.5", "10.0.0.5/32"],
    ["fd00::/8", "fd00::/8"],
    ["::1", "::1/128"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["10.0.0.5/8", "refused: host-bits"],
    ["fd00::1/8", "refused: host-bits"],
    ["10.0.0.0/33", "refused: prefix"],
    ["10.0.0.0/08", "refused: prefix"],
    ["10.0.0.0/", "refused: prefix"],
    ["10.0.0.0/8/8", "refused: prefix"],
    ["fd00::/129", "refused: prefix"],
    ["example.com/8", "refused: address"],
    ["::ffff:10.0.0.0/104", "refused: address"],
    ["", "refused: address"]
  ]

  it.each(cases)("reads %j as %s", (text, expected) => {
    assert.strictEqual(parsed(text), expected)
  })

  it("says why in one line", () => {
    for (const [text, expected] of cases) {
      if (!expected.startsWith("refused")) continue
      const error = Either.getOrThrow(Either.flip(Address.parseCidr(text)))
      assert.match(error.message, /^[\x20-\x7e]+$/)
      assert.match(error.suggestion, /^[\x20-\x7e]+$/)
    }
  })
})

describe("Address.compare", () => {
  const range = (text: string): Address.Cidr => Either.getOrThrow(Address.parseCidr(text))
  const held: ReadonlyArray<readonly [string, string, boolean]> = [
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["10.0.0.0/8", "::ffff:10.0.0.1", true],
    ["10.0.0.0/8", "64:ff9b::10.0.0.1", false],
    ["10.0.0.5", "10.0.0.5", true],
    ["10.0.0.5", "10.0.0.6", false],
    ["10.0.0.4/31", "10.0.0.5", true],
    ["10.0.0.4/31", "10.0.0.6", false],
    ["172.16.0.0/12", "172.31.255.255", true],
    ["172.16.0.0/12", "172.32.0.0", false],
    ["0.0.0.0/0", "8.8.8.8", true],
    ["fd00::/8", "fd12::1", true],
    ["fd00::/8", "fc12::1", false],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false],
    ["0.0.0.0/0", "::1", false],
    ["::/0", "127.0.0.1", false],
    ["169.254.0.0/16", "169.254.1.1", true],
    ["169.254.0.0/16", "169.254.169.254", false],
    ["0.0.0.0/0", "169.254.169.254", false],
    ["169.254.169.254", "169.254.169.254", true],
    ["fd00::/8", "fd00:ec2::254", false],
    ["64:ff9b::/96", "64:ff9b::169.254.169.254", false]
  ]

  it.each(held)("%s holds %s: %s", (cidr, text, expected) => {
    assert.strictEqual(Address.compare(address(text)).isHeldBy(range(cidr)), expected)
  })

  const touched: ReadonlyArray<readonly [string, string, boolean]> = [
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["169.254.0.0/16", "169.254.169.254", true],
    ["10.0.0.0/8", "::10.0.0.1", true],
    ["10.0.0.0/8", "::ffff:0:10.0.0.1", true],
    ["10.0.0.0/8", "64:ff9b::10.0.0.1", true],
    ["10.0.0.0/8", "64:ff9b::11.0.0.1", false],
    ["10.0.0.0/8", "64:ff9b:1::10.0.0.1", true],
    ["10.0.0.0/8", "2002:a00:1::1", true],
    ["10.0.0.0/8", "2002:b00:1::1", false],
    ["10.0.0.0/8", "2a00::5efe:10.0.0.1", true],
    ["10.0.0.0/8", "2a00::200:5efe:10.0.0.1", true],
    ["10.0.0.0/8", "2001:0:a00:1::1", true],
    ["10.0.0.0/8", "2001:0:808:808:0:0:f5ff:fffe", true],
    ["0.0.0.0/8", "::1", false],
    ["10.0.0.0/8", "2a00::10.0.0.1", false],
    ["64:ff9b::/96", "10.0.0.1", false]
  ]

  it.each(touched)("%s touches %s: %s", (cidr, text, expected) => {
    assert.strictEqual(Address.compare(address(text)).touches(range(cidr)), expected)
  })

  it("touches whatever it holds", () => {
    const bits = fc.integer({ min: 0, max: 32 })
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), bits, (one, other, prefix) => {
        const first = one.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0)
        const masked = prefix === 0 ? 0 : (first >>> (32 - prefix)) << (32 - prefix)
        const network = [24, 16, 8, 0].map((shift) => (masked >>> shift) & 255).join(".")
        const cidr = range(`${network}/${prefix}`)
        assert.isTrue(Address.compare(address(one)).touches(cidr))
        const compared = Address.compare(address(other))
        if (compared.isHeldBy(cidr)) assert.isTrue(compared.touches(cidr))
      }),
      { seed: 1, numRuns: 500 }
    )
  })
})
