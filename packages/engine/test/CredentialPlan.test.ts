import type { PolicyDocument } from "@bottle/egress/Policy"
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import type { LaunchOptions } from "../src/LaunchOptions.js"
import * as LaunchPlan from "../src/LaunchPlan.js"
import { argvOf, bare, container, planOf, refusal, tryPlan, withContainer } from "./fixtures/plans.js"

type Credential = NonNullable<PolicyDocument["credentials"]>[string]

const api: Credential = {
  source: { env: "API_KEY" },
  header: "x-api-key",
  upstream: "https://api.example.com",
  baseUrlVariable: "API_BASE_URL",
  placeholderVariable: "API_KEY"
}

const git: Credential = {
  source: { command: ["pass", "git"] },
  header: "authorization",
  prefix: "Bearer ",
  upstream: "https://git.example.com/api"
}

const withApi: LaunchOptions = { ...bare, policy: { credentials: { api } } }

const variable = (plan: LaunchPlan.LaunchPlan, name: string) => new Map(plan.guest.env).get(name)

describe("a plan with credentials", () => {
  it("holds them without a value, and gives the guest base URL and placeholder through its relay", () => {
    const plan = planOf({ ...withApi, credentials: { git } })
    assert.deepStrictEqual(plan.egress.credentials, { api, git })
    assert.strictEqual(variable(plan, "API_BASE_URL"), "http://127.0.0.1:3128/credentials/api")
    assert.strictEqual(variable(plan, "API_KEY"), "bottle-placeholder-api")
    assert.include(variable(plan, "NO_PROXY")?.split(",") ?? [], "127.0.0.1")
    const [create = []] = argvOf(plan, "create")
    assert.include(create, "API_BASE_URL=http://127.0.0.1:3128/credentials/api")
    const text = JSON.stringify(Schema.encodeSync(LaunchPlan.LaunchPlan)(plan))
    assert.deepStrictEqual(Schema.decodeUnknownSync(LaunchPlan.LaunchPlan)(JSON.parse(text)), plan)
  })

  it("takes one that was given beside the document in the place of the document's", () => {
    const plan = planOf({ ...withApi, credentials: { api: { ...git, baseUrlVariable: "GIT_URL" } } })
    assert.deepStrictEqual(plan.egress.credentials?.["api"]?.source, git.source)
    assert.isUndefined(variable(plan, "API_BASE_URL"))
    assert.strictEqual(variable(plan, "GIT_URL"), "http://127.0.0.1:3128/credentials/api")
  })

  it("hands them over to a container in a step of its own, which is the only other one", () => {
    const options: LaunchOptions = { ...withApi, bundle: "container" }
    const commands = (of: LaunchOptions) => argvOf(planOf(of, "1.9.3", withContainer), "bundle").map((argv) => argv[1])
    assert.deepStrictEqual(commands({ ...bare, bundle: "container" }), ["run"])
    assert.deepStrictEqual(commands(options), ["run", "exec"])
    const plan = planOf(options, "1.9.3", withContainer)
    assert.deepStrictEqual(argvOf(plan, "bundle")[1]?.slice(1), [
      "exec",
      "--interactive",
      "bottle-demo-abc12",
      "node",
      "/opt/bottle/bottle-bundle.mjs",
      "credentials"
    ])
  })

  it("has its base URLs at the bundle's address where that is how it is reached, in whichever network", () => {
    const plan = planOf({ ...withApi, bundle: "container", topology: "address" }, "1.9.3", { container })
    assert.strictEqual(variable(plan, "API_BASE_URL"), "http://192.168.164.2:3128/credentials/api")
    const moved = LaunchPlan.withSubnet(plan, 1)
    if (moved.bundle._tag !== "Container") return assert.fail("no container")
    const { address } = LaunchPlan.subnetOf(moved.bundle)
    assert.notStrictEqual(address, "192.168.164.2")
    assert.strictEqual(variable(moved, "API_BASE_URL"), `http://${address}:3128/credentials/api`)
    assert.include(variable(moved, "NO_PROXY")?.split(",") ?? [], address)
    assert.include(argvOf(moved, "create")[0] ?? [], `API_BASE_URL=http://${address}:3128/credentials/api`)
    assert.notInclude(JSON.stringify(moved.steps), "192.168.164.2")
    assert.deepStrictEqual(LaunchPlan.withSubnet(moved, 0), plan)
  })

  it("needs a bundle, also where the runtime could do without one", () => {
    assert.strictEqual(
      refusal({ ...withApi, bundle: "none" }).message,
      "bundle: none leaves nobody to hold the credential api"
    )
    assert.strictEqual(planOf({ ...bare, bundle: "none" }).bundle._tag, "None")
    assert.strictEqual(planOf(bare, "0.8.0").bundle._tag, "None")
    const old = refusal({ ...bare, credentials: { api } }, "0.8.0")
    assert.match(old.message, /^a credential in the bundle cannot be had from smolvm 0\.8\.0: /)
  })

  it("refuses to give the guest the very value", () => {
    assert.strictEqual(
      refusal({ ...withApi, secrets: ["API_KEY"] }).message,
      "env: API_KEY would give the guest the value that the credential api keeps from it"
    )
    assert.deepStrictEqual(planOf({ ...withApi, secrets: ["OTHER_KEY"] }).guest.secrets, ["OTHER_KEY"])
  })

  it("refuses a variable that two set, whoever the other one is", () => {
    for (const name of ["API_BASE_URL", "API_KEY"]) {
      const { message, suggestion } = refusal({ ...withApi, env: [[name, "mine"]] })
      assert.match(message, new RegExp(`^env: ${name} is given, and the credential api sets it to its `))
      assert.include(suggestion, `-e ${name}`)
    }
    const secret = { ...withApi, credentials: { git: { ...git, placeholderVariable: "GIT_TOKEN" } } }
    assert.match(refusal({ ...secret, secrets: ["GIT_TOKEN"] }).message, /GIT_TOKEN is given, and the credential git/)
    assert.strictEqual(variable(planOf({ ...secret, env: [["OTHER", "mine"]] }), "OTHER"), "mine")
    const proxy = { ...bare, credentials: { git: { ...git, baseUrlVariable: "https_proxy" } } }
    assert.match(refusal(proxy).message, /the credential git sets https_proxy, which points at the bottle's own proxy/)
  })

  it("refuses an upstream that a container would look for in itself, and takes it beside the launch", () => {
    for (const upstream of ["https://localhost", "http://127.0.0.1:8080", "https://[::1]"]) {
      const options: LaunchOptions = { ...bare, credentials: { api: { ...api, upstream } } }
      assert.match(
        refusal({ ...options, bundle: "container" }, "1.9.3", withContainer).message,
        /the upstream of the credential api is the bundle's container itself/
      )
      assert.strictEqual(tryPlan({ ...options, bundle: "process" })._tag, "Right")
    }
    const pinned: LaunchOptions = { ...withApi, resolve: ["api.example.com=127.0.0.1"], bundle: "container" }
    assert.match(refusal(pinned, "1.9.3", withContainer).message, /the upstream of the credential api/)
    assert.strictEqual(tryPlan({ ...withApi, bundle: "container" }, "1.9.3", withContainer)._tag, "Right")
  })
})
