import * as Line from "@bottle/smolvm/Line"
import * as Grammar from "@bottle/smolvm/Grammar"
import { assert, describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { LaunchOptions } from "../src/LaunchOptions.js"
import { LaunchPlan } from "../src/LaunchPlan.js"
import { bare, planOf, refusal, shown } from "./fixtures/plans.js"

const everything: LaunchOptions = {
  source: { _tag: "Image", reference: "registry.example/library/alpine:3.20" },
  allow: ["*.Example.com", "api.example.org:8443", "example.com"],
  resolve: ["api.example.org=127.0.0.1"],
  env: [
    ["A", "1"],
    ["HTTP_PROXY", "http://mine:1"],
    ["A", "2"]
  ],
  secrets: ["TOKEN"],
  mounts: [
    { host: "/home/me/project", guest: "/workspace", readonly: false },
    { host: "/opt/data", guest: "/data", readonly: true }
  ],
  workdir: "/workspace",
  cpus: 2,
  memMib: 512,
  keepOnFailure: true
}

describe("LaunchPlan", () => {
  it("plans a bare bottle without any egress", () => {
    expect(shown(planOf(bare))).toMatchSnapshot()
  })

  it("plans everything that can be asked for", () => {
    expect(shown(planOf(everything))).toMatchSnapshot()
  })

  it("plans for the local runtime, as root", () => {
    const plan = planOf({ ...bare, allow: ["example.com"] }, "1.9.3", { runtime: "local", superuser: true })
    expect(shown(plan)).toMatchSnapshot()
  })

  it("plans a bottle without any network on the oldest release line", () => {
    expect(shown(planOf(bare, "0.8.0"))).toMatchSnapshot()
  })

  it("is the same value after a way through JSON", () => {
    const plan = planOf(everything)
    const text = JSON.stringify(Schema.encodeSync(LaunchPlan)(plan))
    assert.deepStrictEqual(Schema.decodeUnknownSync(LaunchPlan)(JSON.parse(text)), plan)
  })

  it("is a pure function", () => {
    assert.deepStrictEqual(planOf(everything), planOf(everything))
  })

  for (const line of Line.lines) {
    it(`has only commands that smolvm ${line} takes`, () => {
      const options: LaunchOptions = { ...everything, allow: [], secrets: [] }
      for (const plan of [planOf(bare, line), planOf(options, line)]) {
        for (const step of plan.steps) {
          const parsed = Grammar.parse(line, step.argv.slice(1))
          assert.isTrue(Either.isRight(parsed), `${step.argv.join(" ")}: ${JSON.stringify(parsed)}`)
        }
      }
    })
  }

  it("prints the complete effective allowlist, and no hidden allow", () => {
    assert.deepStrictEqual(planOf(bare).egress, { allow: [], resolve: {} })
    assert.deepStrictEqual(planOf(everything).egress.allow, ["*.example.com", "api.example.org:8443", "example.com"])
  })

  it("holds the document, what was said beside it, what is denied and the upstream", () => {
    const policy = {
      allow: ["*.Example.com", { host: "db.example.org", ports: [5432], addresses: ["10.0.0.0/8"] }],
      deny: ["bad.example.com"],
      resolve: { "db.example.org": "10.0.0.7" },
      upstream: "http://proxy.example.com:3128"
    }
    const { egress } = planOf({
      ...bare,
      policy,
      allow: ["example.com"],
      deny: ["192.0.2.0/24"],
      resolve: ["example.com=192.0.2.9"]
    })
    assert.deepStrictEqual(egress, {
      allow: ["*.example.com", { host: "db.example.org", addresses: ["10.0.0.0/8"], ports: [5432] }, "example.com"],
      deny: ["bad.example.com", "192.0.2.0/24"],
      resolve: { "db.example.org": "10.0.0.7", "example.com": "192.0.2.9" },
      upstream: "http://proxy.example.com:3128"
    })
    assert.strictEqual(planOf({ ...bare, policy: {} }).bundle._tag, "Process")
  })

  it("says whether the document or a flag is wrong", () => {
    const inDocument = refusal({ ...bare, policy: { deny: ["https://example.com"] } })
    assert.include(inDocument.message, "policy: deny[0]: ")
    const beside = refusal({ ...bare, policy: {}, deny: ["https://example.com"] })
    assert.include(beside.message, "deny: ")
    assert.notInclude(beside.message, "policy")
  })

  it("holds the names of secrets only, and passes none by argv", () => {
    const plan = planOf({ ...bare, secrets: ["TOKEN", "TOKEN"] })
    assert.deepStrictEqual(plan.guest.secrets, ["TOKEN"])
    assert.notInclude(JSON.stringify(plan.steps), "TOKEN")
  })

  it("lets the last of two values win, and the user's over the proxy's", () => {
    const env = new Map(planOf(everything).guest.env)
    assert.strictEqual(env.get("A"), "2")
    assert.strictEqual(env.get("HTTP_PROXY"), "http://mine:1")
    assert.strictEqual(env.get("https_proxy"), "http://127.0.0.1:3128")
  })

  describe("refuses an allowlist where the socket does not reach the guest, and plans it where it does", () => {
    const allowing: LaunchOptions = { ...bare, allow: ["example.com"] }
    const packed: LaunchOptions = { ...allowing, source: { _tag: "Pack", path: "/p/x.smolmachine" } }
    for (const [options, refused, planned] of [
      [allowing, "1.6.3", "1.6.4"],
      [packed, "1.7.7", "1.8.0"]
    ] as const) {
      it(`${options.source._tag}: not on ${refused}, on ${planned}`, () => {
        const error = refusal(options, refused)
        assert.strictEqual(error._tag, "RuntimeUnfit")
        assert.include(error.message, refused)
        assert.include(error.suggestion, "1.8.0")
        assert.strictEqual(planOf(options, planned).bundle._tag, "Process")
      })
    }

    it("goes without a bundle where nothing is allowed and none was asked for", () => {
      assert.strictEqual(planOf(bare, "1.6.3").bundle._tag, "None")
      assert.strictEqual(refusal({ ...bare, bundle: "process" }, "1.6.3")._tag, "RuntimeUnfit")
      assert.strictEqual(planOf({ ...bare, bundle: "process" }, "1.6.4").bundle._tag, "Process")
    })
  })

  it("refuses a secret below 1.0.0, and takes it from there on", () => {
    const options: LaunchOptions = { ...bare, secrets: ["TOKEN"] }
    assert.strictEqual(refusal(options, "0.9.0")._tag, "RuntimeUnfit")
    assert.deepStrictEqual(planOf(options, "1.0.0").guest.secrets, ["TOKEN"])
  })

  it("refuses the local runtime where a microVM is demanded, and takes smolvm", () => {
    const options: LaunchOptions = { ...bare, isolation: "microvm" }
    assert.strictEqual(refusal(options, "1.9.3", { runtime: "local" })._tag, "RuntimeUnfit")
    assert.strictEqual(planOf(options).runtime.isolation, "microvm")
    assert.strictEqual(planOf(bare, "1.9.3", { runtime: "local" }).runtime.isolation, "namespaces")
  })

  it("refuses a registry's image on the local runtime, and takes a directory", () => {
    const of = (reference: string): LaunchOptions => ({ source: { _tag: "Image", reference } })
    assert.strictEqual(refusal(of("alpine"), "1.9.3", { runtime: "local" })._tag, "RuntimeUnfit")
    assert.deepStrictEqual(planOf(of("./rootfs"), "1.9.3", { runtime: "local" }).source, {
      _tag: "Image",
      reference: "./rootfs"
    })
  })

  it("refuses a local image below 1.1.0, and takes it from there on", () => {
    const options: LaunchOptions = { source: { _tag: "Image", reference: "./rootfs" } }
    assert.include(refusal(options, "1.0.4").message, "--image")
    assert.strictEqual(planOf(options, "1.1.0").source._tag, "Image")
  })

  it("keeps packs of different runtimes, architectures and images apart", () => {
    const source = { _tag: "Image", reference: "alpine" } as const
    const paths = [
      planOf({ source }, "1.9.3"),
      planOf({ source }, "1.9.2"),
      planOf({ source }, "1.9.3", { arch: "arm64" }),
      planOf({ source: { ...source, reference: "debian" } })
    ].map((plan) => (plan.source._tag === "Pack" ? plan.source.path : "none"))
    assert.strictEqual(new Set(paths).size, 4)
    for (const path of paths) assert.match(path, /^\/c\/bottle\/packs\/[a-z0-9-]+\.smolmachine$/)
  })

  for (const [what, options] of [
    ["a rule that is a URL", { ...bare, allow: ["https://example.com/x"] }],
    ["a pin without an address", { ...bare, resolve: ["example.com"] }],
    ["an allowlist with no bundle", { ...bare, allow: ["example.com"], bundle: "none" }],
    ["a variable without a name", { ...bare, env: [["", "x"]] }],
    ["a variable with a strange name", { ...bare, env: [["A B", "x"]] }],
    ["a secret with a strange name", { ...bare, secrets: ["A=B"] }],
    ["a literal that is a secret too", { ...bare, env: [["A", "x"]], secrets: ["A"] }],
    ["a secret in the place of the proxy's variable", { ...bare, secrets: ["HTTPS_PROXY"] }],
    ["a relative mount", { ...bare, mounts: [{ host: "x", guest: "/x", readonly: true }] }],
    ["a mount over the root", { ...bare, mounts: [{ host: "/x", guest: "/", readonly: true }] }],
    ["a mount that climbs", { ...bare, mounts: [{ host: "/x", guest: "/a/../b", readonly: true }] }],
    [
      "two mounts at one place",
      {
        ...bare,
        mounts: [
          { host: "/x", guest: "/a", readonly: true },
          { host: "/y", guest: "/a/", readonly: true }
        ]
      }
    ],
    ["a mount of our own files", { ...bare, mounts: [{ host: "/s/bottle/", guest: "/a", readonly: false }] }],
    ["a mount below them", { ...bare, mounts: [{ host: "/r/bottle/demo-abc12", guest: "/a", readonly: false }] }],
    ["a mount above them", { ...bare, mounts: [{ host: "/", guest: "/a", readonly: false }] }],
    ["a relative working directory", { ...bare, workdir: "x" }],
    ["no processor", { ...bare, cpus: 0 }],
    ["half a processor", { ...bare, cpus: 0.5 }],
    ["too little memory", { ...bare, memMib: 63 }]
  ] satisfies ReadonlyArray<readonly [string, LaunchOptions]>) {
    it(`refuses ${what}`, () => {
      assert.strictEqual(refusal(options)._tag, "OptionRefused")
    })
  }

  it("takes a mount beside our own files, and one of them that is read-only", () => {
    const mounts = [
      { host: "/s/bottles", guest: "/a", readonly: false },
      { host: "/s/bottle", guest: "/b", readonly: true }
    ]
    assert.deepStrictEqual(planOf({ ...bare, mounts }).guest.mounts, mounts)
  })
})
