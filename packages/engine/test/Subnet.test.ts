import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "fast-check"
import * as Net from "node:net"
import * as BottleId from "../src/BottleId.js"
import * as Subnet from "../src/Subnet.js"

const HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"

/** A line as the kernel prints it, padded with spaces at its end. */
const line = (destination: string, mask: string): string =>
  `eth0\t${destination}\t00000000\t0001\t0\t0\t0\t${mask}\t0\t0\t0      `

const table = (...lines: ReadonlyArray<string>): string => [HEADER, ...lines, ""].join("\n")

const id = BottleId.fromParts("demo", "abc12")

/** Judged by Node's own reading of ranges, not by the code under test. */
const holds = (range: string, address: string): boolean => {
  const [base = "", prefix = ""] = range.split("/")
  const list = new Net.BlockList()
  list.addSubnet(base, Number(prefix))
  return list.check(address)
}

const baseOf = (range: string): string => range.split("/")[0] ?? ""

const overlap = (one: string, other: string): boolean => holds(one, baseOf(other)) || holds(other, baseOf(one))

const ids = FastCheck.tuple(
  FastCheck.stringMatching(/^[a-z0-9]{1,20}$/),
  FastCheck.stringMatching(/^[a-z0-9]{5}$/)
).map(([base, suffix]) => BottleId.fromParts(base, suffix))

const privateParts = FastCheck.oneof(
  FastCheck.tuple(FastCheck.constant(192), FastCheck.constant(168)),
  FastCheck.tuple(FastCheck.constant(10), FastCheck.nat(255)),
  FastCheck.tuple(FastCheck.constant(172), FastCheck.integer({ min: 16, max: 31 }))
)

/** Routes in the private ranges, from /8 to /32. */
const routes = FastCheck.array(
  FastCheck.tuple(privateParts, FastCheck.nat(255), FastCheck.nat(255), FastCheck.integer({ min: 8, max: 32 })).map(
    ([[a, b], c, d, prefix]) => {
      const base = ((((a << 24) | (b << 16) | (c << 8) | d) >>> (32 - prefix)) << (32 - prefix)) >>> 0
      return `${[base >>> 24, (base >>> 16) & 255, (base >>> 8) & 255, base & 255].join(".")}/${prefix}`
    }
  ),
  { maxLength: 12 }
)

describe("Subnet.parseRoutes", () => {
  it("reads what the kernel prints, and leaves the header and the default route out", () => {
    const text = table(
      line("00000000", "00000000"),
      line("000011AC", "0000FFFF"),
      line("000200C0", "00FFFFFF"),
      line("0101A8C0", "FFFFFFFF"),
      line("0000000A", "000000FF")
    )
    assert.deepStrictEqual(Subnet.parseRoutes(text), ["172.17.0.0/16", "192.0.2.0/24", "192.168.1.1/32", "10.0.0.0/8"])
  })

  it("leaves a default route in two halves out too, and keeps one route of two interfaces once", () => {
    const text = table(
      line("00000000", "00000080"),
      line("00000080", "00000080"),
      line("000200C0", "00FFFFFF"),
      line("000200C0", "00FFFFFF")
    )
    assert.deepStrictEqual(Subnet.parseRoutes(text), ["192.0.2.0/24"])
  })

  it("takes nothing for no routes, and does not trip over what is no table", () => {
    assert.deepStrictEqual(Subnet.parseRoutes(""), [])
    FastCheck.assert(FastCheck.property(FastCheck.string(), (text) => Subnet.parseRoutes(text).length <= text.length))
  })
})

describe("Subnet.candidates", () => {
  it("begins in 192.168.0.0/16, and goes on in 10.0.0.0/8 and 172.16.0.0/16", () => {
    const found = Subnet.candidates(id, [])
    assert.deepStrictEqual(
      found.map(({ subnet }) => subnet.split(".")[0]),
      ["192", "192", "192", "192", "10", "10", "172", "172"]
    )
    assert.deepStrictEqual(
      { ...found[0] },
      { subnet: "192.168.164.0/24", gateway: "192.168.164.1", address: "192.168.164.2" }
    )
  })

  it("leaves the networks out that docker takes by default, and Docker Desktop's own", () => {
    FastCheck.assert(
      FastCheck.property(ids, (some) => {
        for (const { subnet } of Subnet.candidates(some, [])) {
          for (const defaults of ["172.17.0.0/16", "172.18.0.0/15", "192.168.0.0/20", "192.168.65.0/24"]) {
            assert.isFalse(overlap(subnet, defaults), `${subnet} in ${defaults}`)
          }
        }
      })
    )
  })

  it("are private, of 256 addresses, with the first for the gateway and the second for the bundle", () => {
    FastCheck.assert(
      FastCheck.property(ids, routes, (some, taken) => {
        const found = Subnet.candidates(some, taken)
        assert.isAtMost(found.length, Subnet.CANDIDATES_MAX)
        assert.deepStrictEqual(Subnet.candidates(some, taken), found)
        for (const { address: bundle, gateway, subnet } of found) {
          assert.isTrue(["192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12"].some((range) => holds(range, bundle)))
          assert.strictEqual(gateway, subnet.replace(/0\/24$/, "1"))
          assert.strictEqual(bundle, subnet.replace(/0\/24$/, "2"))
        }
      })
    )
  })

  it("overlap no route, and not one another", () => {
    FastCheck.assert(
      FastCheck.property(ids, routes, (some, taken) => {
        const found = Subnet.candidates(some, taken).map(({ subnet }) => subnet)
        for (const [index, subnet] of found.entries()) {
          for (const other of [...taken, ...found.slice(index + 1)]) {
            assert.isFalse(overlap(subnet, other), `${subnet} and ${other}`)
          }
        }
      })
    )
  })

  it("find the last free network of a range", () => {
    const all = Array.from({ length: 256 }, (_, third) => `192.168.${third}.0/24`)
    const taken = ["10.0.0.0/8", "172.16.0.0/12", ...all.filter((subnet) => subnet !== "192.168.200.0/24")]
    assert.deepStrictEqual(
      Subnet.candidates(id, taken).map(({ subnet }) => subnet),
      ["192.168.200.0/24"]
    )
    assert.deepStrictEqual(Subnet.candidates(id, [...taken, "192.168.200.0/24"]), [])
  })

  it("are spread: fifty bottles rarely ask for the same first network", () => {
    const first = Array.from(
      { length: 50 },
      (_, index) => Subnet.candidates(BottleId.fromParts("demo", `aa${String(index).padStart(3, "0")}`), [])[0]?.subnet
    )
    assert.isAtLeast(new Set(first).size, 35)
  })
})
