import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Decision from "../src/Decision.js"
import * as Policy from "../src/Policy.js"
import type { CredentialEntry } from "../src/PolicyDocument.js"

const entry: CredentialEntry = { source: { env: "KEY" }, header: "x-api-key", upstream: "https://api.example/v1" }

const policyOf = (more: Partial<CredentialEntry>, entries: Policy.Entries = {}): Policy.Policy =>
  Either.getOrThrow(Policy.make({ credentials: { a: { ...entry, ...more } }, ...entries }))

const decide = (policy: Policy.Policy, method: string, path: string, of = policy): Decision.Verdict => {
  const credential = of.credentials.get("a") ?? assert.fail("it has no such credential")
  return Decision.decideCredential(policy, credential, { method, path })
}

const shown = (verdict: Decision.Verdict): string =>
  verdict._tag === "Allow"
    ? `allowed by ${verdict.rule.text}`
    : `${verdict.reason} by ${verdict.rule?.text ?? "no rule"}: ${verdict.detail}`

describe("Decision.decideCredential", () => {
  const cases: ReadonlyArray<
    readonly [more: Partial<CredentialEntry>, entries: Policy.Entries, request: string, verdict: RegExp]
  > = [
    [{}, {}, "POST /v1/messages?a=/..", /^allowed by credentials\.a$/],
    [{}, {}, "POST /v1", /^allowed/],
    [{}, {}, "POST /v1?x", /^allowed/],
    [{}, {}, "GET /v1/group%2Fproject", /^allowed/],
    [{}, {}, "GET /v11/x", /^credential-not-for-this by credentials\.a: servers could take this path/],
    [{}, {}, "GET /v1/../x", /^credential-not-for-this/],
    [{}, {}, "GET /v1/%2e%2e/x", /^credential-not-for-this/],
    [{}, {}, "GET /", /^credential-not-for-this/],
    [
      {},
      {},
      "TRACE /v1/x",
      /^credential-not-for-this by credentials\.a: the answer to TRACE would hold the credential/
    ],
    [{ upstream: "https://api.example" }, {}, "GET /", /^allowed/],
    [{ upstream: "https://api.example" }, {}, "GET /?a", /^allowed/],
    [{ upstream: "https://api.example" }, {}, "GET //x", /^credential-not-for-this/],
    [{ methods: ["POST"] }, {}, "POST /v1/x", /^allowed/],
    [{ methods: ["POST"] }, {}, "GET /v1/x", /^credential-not-for-this by .*: this credential is for POST only$/],
    [{ paths: ["/v1/messages", "/v1/a/*"] }, {}, "GET /v1/messages?x", /^allowed/],
    [{ paths: ["/v1/messages", "/v1/a/*"] }, {}, "GET /v1/a/b", /^allowed/],
    [{ paths: ["/v1/messages", "/v1/a/*"] }, {}, "GET /v1/b", /^credential-not-for-this by .*: .* the paths \/v1\/a/],
    [{ paths: ["/v1/a/*"] }, {}, "GET /v1/a/b%2Fc", /^credential-not-for-this/],
    // A rule that allows is not needed, and one that denies wins.
    [{}, { deny: ["b.example", "api.example:80"] }, "GET /v1/x", /^allowed/],
    [{}, { deny: ["api.example"] }, "GET /v1/x", /^denied-by-rule by api\.example: /],
    [{}, { allow: ["api.example"], deny: ["*.example:443"] }, "GET /v1/x", /^denied-by-rule by \*\.example:443: /],
    [{}, { deny: [{ host: "api.example", ports: [443], paths: ["/v1/admin/*"] }] }, "GET /v1/x", /^allowed/],
    [
      {},
      { deny: [{ host: "api.example", ports: [443], paths: ["/v1/admin/*"] }] },
      "GET /v1/admin/x",
      /^denied-by-rule/
    ],
    [{}, { deny: [{ host: "api.example", ports: [443], methods: ["PUT"] }] }, "PUT /v1/x", /^denied-by-rule/],
    [{}, { deny: [{ host: "api.example", ports: [443], methods: ["PUT"] }] }, "GET /v1/x", /^allowed/],
    [
      {},
      { resolve: ["api.example=10.0.0.1"], deny: ["10.0.0.0/8"] },
      "GET /v1/x",
      /^denied-by-rule by 10\.0\.0\.0\/8: /
    ],
    [{}, { resolve: ["api.example=10.0.0.1"], deny: ["10.1.0.0/16"] }, "GET /v1/x", /^allowed/]
  ]
  it.each(cases)("of %j in %j: %s", (more, entries, request, verdict) => {
    const [method = "", path = ""] = request.split(" ")
    assert.match(shown(decide(policyOf(more, entries), method, path)), verdict)
  })

  it("lets nobody reach the upstream by itself", () => {
    const policy = policyOf({})
    for (const method of [undefined, "GET"]) {
      const verdict = Decision.decide(policy, { host: "api.example", port: 443, method })
      assert.strictEqual(verdict._tag === "Deny" && verdict.reason, "no-rule")
    }
  })

  it("knows a credential again in another policy by what it says, and none that has changed", () => {
    const old = policyOf({})
    assert.match(shown(decide(policyOf({}), "GET", "/v1/x", old)), /^allowed/)
    assert.match(shown(decide(policyOf({ header: "x-other" }), "GET", "/v1/x", old)), /^credential-unknown/)
    assert.match(shown(decide(Policy.empty, "GET", "/v1/x", old)), /^credential-unknown by credentials\.a: /)
  })

  const addresses: ReadonlyArray<readonly [entries: Policy.Entries, answers: ReadonlyArray<string>, told: RegExp]> = [
    [{}, ["8.8.8.8"], /^8\.8\.8\.8$/],
    [{}, ["10.0.0.1"], /^address-not-public: .* \| \{"_tag":"Resolve","resolve":"api\.example=10\.0\.0\.1"\}$/],
    [{}, ["8.8.8.8", "10.0.0.1"], /^address-not-public/],
    [{}, ["127.0.0.1"], /^address-not-public/],
    [{ allow: [{ host: "api.example", addresses: ["10.0.0.0/8"] }] }, ["10.0.0.1"], /^10\.0\.0\.1$/],
    [{ allow: [{ host: "b.example", addresses: ["10.0.0.0/8"] }] }, ["10.0.0.1"], /^address-not-public/],
    [{ allow: ["10.0.0.0/8"] }, ["10.0.0.1"], /^10\.0\.0\.1$/],
    [{ allow: ["10.0.0.0/8"], deny: ["10.0.0.0/16"] }, ["10.0.0.1"], /^denied-by-rule/],
    [{ resolve: ["api.example=10.0.0.1"] }, [], /^10\.0\.0\.1$/]
  ]
  it.each(addresses)("with %j judges the addresses %j", (entries, answers, told) => {
    const policy = policyOf({}, entries)
    const verdict = decide(policy, "GET", "/v1/x")
    assert(verdict._tag === "Allow")
    const judged = Decision.decideAddresses(policy, verdict, answers)
    assert.match(
      Either.match(judged, {
        onLeft: ({ detail, reason, remedy }) => `${reason}: ${detail} | ${JSON.stringify(remedy)}`,
        onRight: (found) => found.map(({ address }) => address).join()
      }),
      told
    )
  })
})
