import { assert, describe, it } from "@effect/vitest"
import type { NetworkInterfaceInfo } from "node:os"
import * as OwnRanges from "../src/OwnRanges.js"

const info = (
  cidr: string,
  fields: { readonly internal?: boolean; readonly isOdd?: boolean } = {}
): NetworkInterfaceInfo => {
  const rest = {
    address: cidr.slice(0, cidr.indexOf("/")),
    cidr: fields.isOdd === true ? null : cidr,
    mac: "00:00:00:00:00:00",
    internal: fields.internal === true,
    netmask: ""
  }
  return cidr.includes(":") ? { ...rest, family: "IPv6", scopeid: 0 } : { ...rest, family: "IPv4" }
}

const texts = (...interfaces: ReadonlyArray<NetworkInterfaceInfo>) =>
  OwnRanges.fromInterfaces({ eth0: [...interfaces], eth1: undefined }).map(({ text }) => text)

describe("OwnRanges", () => {
  it("are the networks of the addresses", () => {
    assert.deepStrictEqual(texts(info("192.168.7.2/24"), info("10.1.2.3/8"), info("fd00:1:2::3/64")), [
      "192.168.7.0/24",
      "10.0.0.0/8",
      "fd00:1:2::/64"
    ])
    assert.deepStrictEqual(texts(info("192.0.2.9/32"), info("172.16.5.4/12")), ["192.0.2.9/32", "172.16.0.0/12"])
  })

  it("leave the loopback out", () => {
    assert.deepStrictEqual(texts(info("127.0.0.1/8", { internal: true }), info("192.168.7.2/24")), ["192.168.7.0/24"])
  })

  it("name each network once", () => {
    assert.deepStrictEqual(texts(info("192.168.7.2/24"), info("192.168.7.3/24")), ["192.168.7.0/24"])
  })

  it("hold an address alone whose mask has no prefix", () => {
    assert.deepStrictEqual(texts(info("192.168.7.2/24", { isOdd: true })), ["192.168.7.2/32"])
  })
})
