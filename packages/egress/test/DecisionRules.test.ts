import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Address from "../src/Address.js"
import * as Decision from "../src/Decision.js"
import * as Policy from "../src/Policy.js"

const policyOf = (document: unknown): Policy.Policy =>
  Either.getOrThrowWith(Policy.fromJson(document), (error) => error)

const policy = policyOf({
  allow: [
    "*.example.com",
    "example.com",
    "8.8.8.8",
    "10.0.0.0/8:5432",
    "fd00::/8",
    "0.0.0.0/0:9",
    "169.254.169.254:80",
    { host: "listed.example.com", addresses: ["10.0.0.0/8"] },
    { host: "http.example", methods: ["GET", "HEAD"], paths: ["/v1/*", "/health"] },
    { host: "posts.example", methods: ["POST"] },
    { host: "paths.example", ports: [80, 443, 8080], paths: ["/public/*"] },
    "half.example",
    { cidr: "192.0.2.0/24", methods: ["GET"] },
    "pinned.example",
    "inside.example"
  ],
  deny: [
    "bad.example.com",
    "*.evil.example.com",
    "nossh.example.com:22",
    "8.8.8.9",
    "10.9.0.0/16",
    "fd00:1::/32",
    { host: "half.example", methods: ["PUT", "DELETE"] },
    { host: "half.example", paths: ["/admin/*"] },
    { cidr: "10.8.0.0/16", ports: [5432], methods: ["POST"] }
  ],
  resolve: { "pinned.example": "10.9.1.1", "inside.example": "10.1.1.1" }
})

const decide = (host: string, port: number, method?: string, path?: string): string => {
  const verdict = Decision.decide(policy, { host, port, method, path })
  if (verdict._tag === "Allow") return `allowed by ${verdict.rule.text}`
  return `${verdict.reason}${verdict.rule === null ? "" : ` (${verdict.rule.text})`}`
}

describe("Decision.decide, with rules that deny", () => {
  const cases: ReadonlyArray<readonly [host: string, port: number, decided: string]> = [
    ["good.example.com", 443, "allowed by *.example.com"],
    ["bad.example.com", 443, "denied-by-rule (bad.example.com)"],
    ["BAD.example.com.", 80, "denied-by-rule (bad.example.com)"],
    ["bad.example.com", 8443, "denied-by-rule (bad.example.com)"],
    ["worse.bad.example.com", 443, "allowed by *.example.com"],
    ["a.evil.example.com", 443, "denied-by-rule (*.evil.example.com)"],
    ["a.b.evil.example.com", 443, "denied-by-rule (*.evil.example.com)"],
    ["evil.example.com", 443, "allowed by *.example.com"],
    ["notevil.example.com", 443, "allowed by *.example.com"],
    ["nossh.example.com", 443, "allowed by *.example.com"],
    ["nossh.example.com", 22, "denied-by-rule (nossh.example.com:22)"],
    ["nobody.example", 443, "no-rule"],
    ["8.8.8.8", 443, "allowed by 8.8.8.8"],
    ["8.8.8.9", 443, "denied-by-rule (8.8.8.9)"],
    ["0x08080809", 443, "denied-by-rule (8.8.8.9)"],
    ["[::ffff:8.8.8.9]", 443, "denied-by-rule (8.8.8.9)"],
    ["[64:ff9b::8.8.8.9]", 443, "denied-by-rule (8.8.8.9)"],
    ["[64:ff9b::8.8.8.8]", 443, "no-rule"],
    ["[2002:808:809::1]", 443, "denied-by-rule (8.8.8.9)"],
    ["10.1.2.3", 5432, "allowed by 10.0.0.0/8:5432"],
    ["10.1.2.3", 443, "port-not-allowed (10.0.0.0/8:5432)"],
    ["11.1.2.3", 5432, "port-not-allowed (0.0.0.0/0:9)"],
    ["10.9.2.3", 5432, "denied-by-rule (10.9.0.0/16)"],
    ["10.9.2.3", 443, "denied-by-rule (10.9.0.0/16)"],
    ["[fd00::1]", 443, "allowed by [fd00::/8]"],
    ["[fd00:1::1]", 443, "denied-by-rule ([fd00:1::/32])"],
    ["169.254.169.254", 80, "allowed by 169.254.169.254:80"],
    ["169.254.169.254", 9, "port-not-allowed (169.254.169.254:80)"],
    ["100.100.100.200", 9, "no-rule"],
    ["[::ffff:a9fe:a9fe]", 9, "port-not-allowed (169.254.169.254:80)"],
    ["127.0.0.1", 9, "allowed by 0.0.0.0/0:9"],
    ["pinned.example", 443, "denied-by-rule (10.9.0.0/16)"],
    ["inside.example", 443, "allowed by inside.example"]
  ]
  it.each(cases)("%s:%d: %s", (host, port, expected) => {
    assert.strictEqual(decide(host, port), expected)
  })

  it("says what denies it, and to take that away", () => {
    const verdict = Decision.decide(policy, { host: "pinned.example", port: 443 })
    assert(verdict._tag === "Deny", "it is denied")
    assert.strictEqual(verdict.detail, "the rule 10.9.0.0/16 denies its address 10.9.1.1")
    assert.strictEqual(verdict.address, "10.9.1.1")
    assert.deepStrictEqual(verdict.remedy, { _tag: "DropDenial", rule: "10.9.0.0/16" })
  })
})

describe("Decision.decide, with rules for plain HTTP", () => {
  const http = "GET,HEAD http.example /health,/v1/*"
  const cases: ReadonlyArray<
    readonly [host: string, port: number, method: string | undefined, path: string, decided: string]
  > = [
    ["http.example", 80, "GET", "/v1/models", `allowed by ${http}`],
    ["http.example", 80, "HEAD", "/health", `allowed by ${http}`],
    ["http.example", 80, "GET", "/v1/models?q=/../x", `allowed by ${http}`],
    ["http.example", 80, "POST", "/v1/models", `request-not-allowed (${http})`],
    ["http.example", 80, "get", "/v1/models", `request-not-allowed (${http})`],
    ["http.example", 80, "GET", "/v2", `request-not-allowed (${http})`],
    ["http.example", 80, "GET", "/v1", `request-not-allowed (${http})`],
    ["http.example", 80, "GET", "/v1/../v2", `request-not-allowed (${http})`],
    ["http.example", 80, "GET", "/v1/%2e%2e/v2", `request-not-allowed (${http})`],
    ["http.example", 80, "GET", "/v1/..%2fv2", `request-not-allowed (${http})`],
    ["http.example", 80, "GET", "/v1/..;/v2", `request-not-allowed (${http})`],
    ["http.example", 80, "GET", "/v1//x", `request-not-allowed (${http})`],
    ["http.example", 80, "GET", "/v1/\\..\\v2", `request-not-allowed (${http})`],
    ["http.example", 80, "OPTIONS", "*", `request-not-allowed (${http})`],
    ["http.example", 80, undefined, "", `request-not-allowed (${http})`],
    ["http.example", 443, undefined, "", `port-not-allowed (${http})`],
    ["http.example", 8080, "GET", "/v1/models", `port-not-allowed (${http})`],
    ["posts.example", 80, "POST", "/%2e%2e/x", "allowed by POST posts.example"],
    ["posts.example", 80, "GET", "/", "request-not-allowed (POST posts.example)"],
    ["paths.example", 8080, "PUT", "/public/x", "allowed by paths.example:80,443,8080 /public/*"],
    ["paths.example", 443, undefined, "", "request-not-allowed (paths.example:80,443,8080 /public/*)"],
    ["192.0.2.7", 80, "GET", "/", "allowed by GET 192.0.2.0/24"],
    ["192.0.2.7", 80, "POST", "/", "request-not-allowed (GET 192.0.2.0/24)"],
    ["192.0.2.7", 80, undefined, "", "request-not-allowed (GET 192.0.2.0/24)"],
    ["half.example", 80, "GET", "/", "allowed by half.example"],
    ["half.example", 80, "GET", "/admin", "allowed by half.example"],
    ["half.example", 80, "PUT", "/", "denied-by-rule (DELETE,PUT half.example)"],
    ["half.example", 80, "GET", "/admin/x", "denied-by-rule (half.example /admin/*)"],
    ["half.example", 80, "GET", "/a/%2e%2e/admin/x", "denied-by-rule (half.example /admin/*)"],
    ["half.example", 80, "GET", "/%61dmin/x", "denied-by-rule (half.example /admin/*)"],
    ["half.example", 80, "GET", "/admin;x/x", "denied-by-rule (half.example /admin/*)"],
    ["half.example", 80, undefined, "", "denied-by-rule (DELETE,PUT half.example)"],
    ["half.example", 443, undefined, "", "allowed by half.example"],
    ["10.8.1.1", 5432, "GET", "/", "allowed by 10.0.0.0/8:5432"],
    ["10.8.1.1", 5432, "POST", "/", "denied-by-rule (POST 10.8.0.0/16:5432)"],
    ["10.8.1.1", 5432, undefined, "", "denied-by-rule (POST 10.8.0.0/16:5432)"]
  ]
  it.each(cases)("%s:%d %s %s: %s", (host, port, method, path, expected) => {
    assert.strictEqual(decide(host, port, method, path), expected)
  })

  const details: ReadonlyArray<readonly [host: string, method: string | undefined, path: string, detail: string]> = [
    [
      "http.example",
      undefined,
      "",
      `this host is allowed for plain HTTP only, and what is inside a tunnel cannot be judged; the rules are ${http}`
    ],
    [
      "http.example",
      "GET",
      "/v1/../x",
      `this host is allowed for some requests only, and servers could take this path for different ones; the rules are ${http}`
    ],
    ["http.example", "POST", "/v1/x", `this host is allowed for other requests only; the rules are ${http}`],
    [
      "half.example",
      undefined,
      "",
      "the rule DELETE,PUT half.example denies it, and what is inside a tunnel cannot be judged"
    ],
    ["half.example", "PUT", "/", "the rule DELETE,PUT half.example denies it"]
  ]
  it.each(details)("says why %s %s %s is refused", (host, method, path, expected) => {
    const verdict = Decision.decide(policy, { host, port: 80, method, path })
    assert(verdict._tag === "Deny", "it is refused")
    assert.strictEqual(verdict.detail, expected)
  })
})

describe("Decision.decide's detail", () => {
  it("is bounded, however many rules there are", () => {
    const ports = Array.from({ length: 1000 }, (_, index) => `many.example:${index + 1000}`)
    const paths = Array.from({ length: 1000 }, (_, index) => ({
      host: "many.example",
      paths: [`/${"a".repeat(900)}${index}`]
    }))
    const many = policyOf({ allow: [...ports, ...paths] })
    for (const port of [80, 443]) {
      const verdict = Decision.decide(many, { host: "many.example", port, method: "GET", path: "/" })
      assert(verdict._tag === "Deny", "it is refused")
      assert.isBelow(verdict.detail.length, 2300)
      assert.match(verdict.detail, port === 443 ? /on port 80, 1000, .* and 993 more only/ : /\.\.\.$/)
    }
  })
})

describe("Decision.decide's remedy", () => {
  const remedies: ReadonlyArray<readonly [host: string, port: number, remedy: Decision.Remedy]> = [
    ["nobody.example", 443, { _tag: "Allow", entry: "nobody.example", resolve: null }],
    ["nobody.example", 8443, { _tag: "Allow", entry: "nobody.example:8443", resolve: null }],
    ["[2001:db8::1]", 443, { _tag: "Allow", entry: "[2001:db8::1]", resolve: null }],
    ["example.com", 8443, { _tag: "Allow", entry: "example.com:8443", resolve: null }],
    ["http.example", 80, { _tag: "Allow", entry: "http.example:80", resolve: null }],
    ["bad.example.com", 443, { _tag: "DropDenial", rule: "bad.example.com" }],
    ["a..b", 443, { _tag: "Nothing" }]
  ]
  it.each(remedies)("%s:%d: %j", (host, port, expected) => {
    const verdict = Decision.decide(policy, { host, port })
    assert(verdict._tag === "Deny", "it is refused")
    assert.deepStrictEqual(verdict.remedy, expected)
    // What it says helps: with it, the same request is allowed.
    if (expected._tag !== "Allow") return
    const document = Policy.toDocument(policy)
    const more = policyOf({ ...document, allow: [...(document.allow ?? []), expected.entry] })
    assert.strictEqual(Decision.decide(more, { host, port })._tag, "Allow")
  })
})

describe("Decision.decideAddresses, with ranges", () => {
  const own: Decision.Own = {
    addresses: new Set(["9.9.9.9"]),
    networks: [],
    ranges: [Either.getOrThrow(Address.parseCidr("172.20.0.0/24")), Either.getOrThrow(Address.parseCidr("fd20::/64"))]
  }
  const home = policyOf({
    allow: ["a.example:5432", "172.20.0.1:5432", "172.16.0.0/12:5432", "10.0.0.0/8:5432", "fd20::/16", "64:ff9b::/96"],
    deny: ["10.9.0.0/16", "1.1.1.1"],
    resolve: {}
  })
  const judge = (
    from: Policy.Policy,
    host: string,
    port: number,
    answers: ReadonlyArray<string>,
    http?: Decision.HttpRequest
  ): string => {
    const verdict = Decision.decide(from, { host, port, ...http })
    assert(verdict._tag === "Allow", `${host} is allowed`)
    return Either.match(Decision.decideAddresses(from, verdict, answers, own), {
      onLeft: (deny) => `${deny.reason} ${deny.address} ${deny.remedy._tag}`,
      onRight: (addresses) => addresses.map(({ address }) => address).join(" ")
    })
  }
  const cases: ReadonlyArray<readonly [answers: ReadonlyArray<string>, judged: string]> = [
    [["10.1.1.1"], "10.1.1.1"],
    [["172.16.1.1", "8.8.8.8"], "172.16.1.1 8.8.8.8"],
    [["192.168.1.1"], "address-not-public 192.168.1.1 Allow"],
    [["10.9.1.1"], "denied-by-rule 10.9.1.1 DropDenial"],
    [["8.8.8.8", "10.9.1.1"], "denied-by-rule 10.9.1.1 DropDenial"],
    [["1.1.1.1"], "denied-by-rule 1.1.1.1 DropDenial"],
    [["64:ff9b::1.1.1.1"], "denied-by-rule 64:ff9b::101:101 DropDenial"],
    [["2002:101:101::1"], "denied-by-rule 2002:101:101::1 DropDenial"],
    [["172.20.0.1"], "address-not-public 172.20.0.1 Nothing"],
    [["::ffff:172.20.0.2"], "address-not-public 172.20.0.2 Nothing"],
    [["64:ff9b::172.20.0.2"], "address-not-public 64:ff9b::ac14:2 Nothing"],
    [["172.20.1.1"], "172.20.1.1"],
    [["fd20::5"], "address-not-public fd20::5 Nothing"],
    [["9.9.9.9"], "address-not-public 9.9.9.9 Allow"],
    [["0.0.0.0"], "address-not-public 0.0.0.0 Nothing"],
    [["224.0.0.1"], "address-not-public 224.0.0.1 Nothing"],
    [["169.254.169.254"], "address-not-public 169.254.169.254 Allow"],
    [["64:ff9b::169.254.169.254"], "address-not-public 64:ff9b::a9fe:a9fe Allow"]
  ]
  it.each(cases)("a name with %j: %s", (answers, expected) => {
    assert.strictEqual(judge(home, "a.example", 5432, answers), expected)
  })

  it("takes no address of the proxy's own network, however it is asked for", () => {
    assert.strictEqual(judge(home, "172.20.0.1", 5432, []), "address-not-public 172.20.0.1 Nothing")
    assert.strictEqual(judge(home, "172.20.1.1", 5432, []), "172.20.1.1")
    const pinned = policyOf({
      allow: ["a.example", "b.example"],
      resolve: { "a.example": "172.20.0.9", "b.example": "10.0.0.9" }
    })
    assert.strictEqual(judge(pinned, "a.example", 443, []), "address-not-public 172.20.0.9 Nothing")
    assert.strictEqual(judge(pinned, "b.example", 443, []), "10.0.0.9")
  })

  it("dials nothing in a range that cannot be dialled", () => {
    const all = policyOf({ allow: ["0.0.0.0/0"] })
    assert.strictEqual(judge(all, "0.0.0.0", 80, []), "address-not-public 0.0.0.0 Nothing")
    assert.strictEqual(judge(all, "224.0.0.1", 80, []), "address-not-public 224.0.0.1 Nothing")
    assert.strictEqual(judge(all, "192.168.0.1", 80, []), "192.168.0.1")
  })

  it("judges addresses by the request that they are for", () => {
    const posts = policyOf({
      allow: ["a.example", { cidr: "10.1.0.0/16", methods: ["GET"] }],
      deny: [{ cidr: "8.8.8.0/24", methods: ["POST"] }]
    })
    const get = { method: "GET", path: "/" }
    const post = { method: "POST", path: "/" }
    assert.strictEqual(judge(posts, "a.example", 80, ["10.1.0.1"], get), "10.1.0.1")
    assert.strictEqual(judge(posts, "a.example", 80, ["10.1.0.1"], post), "address-not-public 10.1.0.1 Allow")
    assert.strictEqual(judge(posts, "a.example", 80, ["10.1.0.1"]), "address-not-public 10.1.0.1 Allow")
    assert.strictEqual(judge(posts, "a.example", 80, ["8.8.8.8"], get), "8.8.8.8")
    assert.strictEqual(judge(posts, "a.example", 80, ["8.8.8.8"], post), "denied-by-rule 8.8.8.8 DropDenial")
    assert.strictEqual(judge(posts, "a.example", 80, ["8.8.8.8"]), "denied-by-rule 8.8.8.8 DropDenial")
    assert.strictEqual(judge(posts, "a.example", 443, ["8.8.8.8"]), "8.8.8.8")
  })

  it("says how an address that is not listed could be", () => {
    const verdict = Decision.decide(home, { host: "a.example", port: 5432 })
    assert(verdict._tag === "Allow", "it is allowed")
    const judged = Either.getOrThrow(Either.flip(Decision.decideAddresses(home, verdict, ["192.168.1.1"])))
    assert.deepStrictEqual(judged.remedy, {
      _tag: "Allow",
      entry: "a.example:5432",
      resolve: "a.example=192.168.1.1"
    })
  })
})
