import { assert, describe, it } from "@effect/vitest"
import * as RuntimeEnvironment from "../src/RuntimeEnvironment.js"

describe("RuntimeEnvironment", () => {
  it("drops what weakens the policy, and proxies in both cases, and keeps the rest", () => {
    const kept = {
      PATH: "/bin",
      HOME: "/h",
      SMOLVM_CONFIG: "/c",
      SMOLVM_DATA_DIR: "/d",
      XDG_DATA_HOME: "/x",
      MY_PROXY_LIST: "y"
    }
    const dropped = Object.fromEntries(
      [
        "SMOLVM_PUBLISH_ADDR",
        "SMOLVM_EGRESS_FLOOR",
        "SMOLVM_EGRESS_ALLOW_PRIVATE",
        "SMOLVM_ALLOW_HOST_LOOPBACK",
        "SMOLVM_GUEST_HOST_SERVICE",
        "SMOLVM_BOOT_BINARY",
        "HTTP_PROXY",
        "https_proxy",
        "All_Proxy",
        "no_proxy"
      ].map((name) => [name, "1"])
    )
    assert.deepStrictEqual(RuntimeEnvironment.scrub({ ...dropped, ...kept }), kept)
  })
})
