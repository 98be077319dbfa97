import * as Environment from "@bottle/process/Environment"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const variables = {
  PATH: "/bin",
  HOME: "/home/me",
  http_proxy: "x",
  HTTPS_PROXY: "x",
  No_Proxy: "x",
  NODE_OPTIONS: "x",
  NODE_EXTRA_CA_CERTS: "x",
  npm_config_registry: "x",
  SSL_CERT_FILE: "x",
  SSL_CERT_DIR: "x",
  CURL_CA_BUNDLE: "x",
  REQUESTS_CA_BUNDLE: "x",
  GIT_SSL_CAINFO: "x",
  PROXYFOO: "kept",
  ANODE_X: "kept",
  LOCALE: "kept"
}

describe("Environment", () => {
  it("drops proxies, authorities, Node and npm, and nothing else", () => {
    assert.deepStrictEqual(Environment.scrub(variables), {
      PATH: "/bin",
      HOME: "/home/me",
      PROXYFOO: "kept",
      ANODE_X: "kept",
      LOCALE: "kept"
    })
  })

  it("drops and keeps what it is told, by name or pattern; keep wins", () => {
    const options = { drop: ["HOME", "LOC*"], keep: ["HTTPS_PROXY", "SSL_CERT_*", "LOCALE"] }
    assert.deepStrictEqual(Object.keys(Environment.scrub(variables, options)), [
      "PATH",
      "HTTPS_PROXY",
      "SSL_CERT_FILE",
      "SSL_CERT_DIR",
      "PROXYFOO",
      "ANODE_X",
      "LOCALE"
    ])
    assert.deepStrictEqual(Environment.scrub({ "a.b": "1", axb: "2" }, { drop: ["a.b"] }), { axb: "2" })
  })

  it.effect("reads this process's own", () =>
    Effect.map(Environment.host, (host) => assert.strictEqual(host["PATH"], process.env["PATH"]))
  )
})
