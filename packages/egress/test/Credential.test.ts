import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Credential from "../src/Credential.js"
import * as Injection from "../src/internal/injection.js"
import * as Policy from "../src/Policy.js"
import type { CredentialEntry } from "../src/PolicyDocument.js"

const entry: CredentialEntry = { source: { env: "KEY" }, header: "x-api-key", upstream: "https://api.example" }

const parsed = (more: Partial<CredentialEntry>, name = "a"): Credential.Credential =>
  Either.getOrThrow(
    Policy.fromDocument(
      { resolve: { "in.example": "10.0.0.1", "out.example": "8.8.8.8" } },
      {
        credentials: { [name]: { ...entry, ...more } }
      }
    )
  ).credentials.get(name) ?? assert.fail("it is not there")

const told = (more: Partial<CredentialEntry>, name = "a"): string => {
  const made = Policy.fromDocument(
    { resolve: { "in.example": "10.0.0.1", "out.example": "8.8.8.8" } },
    { credentials: { [name]: { ...entry, ...more } } }
  )
  return Either.isRight(made) ? "(a policy)" : `${made.left.reason}: ${made.left.message}`
}

describe("a credential", () => {
  it("is told by its name alone in what the guest sees", () => {
    assert.deepStrictEqual(
      [Credential.path("open-ai"), Credential.placeholder("open-ai"), Credential.ruleText("open-ai")],
      ["/credentials/open-ai", "bottle-placeholder-open-ai", "credentials.open-ai"]
    )
  })

  it("is read with what it may be used for, and comes back from its document", () => {
    const read = parsed({
      source: { command: ["pass", "show", "x"] },
      header: "Authorization",
      prefix: "Bearer ",
      upstream: "HTTPS://API.Example.:8443/v1/",
      baseUrlVariable: "BASE",
      placeholderVariable: "_KEY2",
      methods: ["POST", "GET", "POST"],
      paths: ["/v1/b", "/v1/%c3%a4/*"]
    })
    assert.deepStrictEqual(read, {
      name: "a",
      source: { command: ["pass", "show", "x"] },
      header: "authorization",
      prefix: "Bearer ",
      upstream: { scheme: "https", host: { _tag: "Name", name: "api.example" }, port: 8443, path: "/v1" },
      baseUrlVariable: "BASE",
      placeholderVariable: "_KEY2",
      methods: ["GET", "POST"],
      paths: ["/v1/%C3%A4/*", "/v1/b"]
    })
    const again = Either.getOrThrow(Policy.fromDocument({ credentials: { a: Credential.toEntry(read) } }))
    assert.deepStrictEqual(again.credentials.get("a"), read)
    assert.isTrue(Credential.isSame(read, parsed(Credential.toEntry(read))))
    assert.isFalse(Credential.isSame(read, parsed({ ...Credential.toEntry(read), prefix: "" })))
    const through = Either.flatMap(
      Policy.fromJson(JSON.stringify(Policy.toDocument({ ...Policy.empty, credentials: new Map([["a", read]]) }))),
      ({ credentials }) => Either.right([...credentials])
    )
    assert.deepStrictEqual(Either.getOrThrow(through), [["a", read]])
  })

  const upstreams: ReadonlyArray<readonly [text: string, canonical: string]> = [
    ["https://api.example", "https://api.example"],
    ["https://api.example/", "https://api.example"],
    ["https://api.example:443/v1", "https://api.example/v1"],
    ["https://api.example:80/v1/a/", "https://api.example:80/v1/a"],
    ["https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"],
    ["https://10.0.0.1/x", "https://10.0.0.1/x"],
    ["http://10.0.0.1:8080/x", "http://10.0.0.1:8080/x"],
    ["http://127.1", "http://127.0.0.1"],
    ["http://[::1]:80", "http://[::1]"],
    ["http://in.example", "http://in.example"]
  ]
  it.each(upstreams)("is for %s", (text, canonical) => {
    assert.strictEqual(Credential.upstreamText(parsed({ upstream: text }).upstream), canonical)
  })

  const refused: ReadonlyArray<readonly [more: Partial<CredentialEntry>, told: string]> = [
    [
      { upstream: "api.example" },
      'credential-upstream: credentials.a.upstream: "api.example" cannot be part of a credential: it is not https://HOST'
    ],
    [{ upstream: "ftp://api.example" }, "it is not https://HOST"],
    [{ upstream: "https://" }, "it is empty"],
    [
      { upstream: "https://me:pw@api.example" },
      '"https://...@api.example" cannot be part of a credential: it holds a user name'
    ],
    [{ upstream: "https://api.example?a" }, "it has a query or a fragment"],
    [{ upstream: "https://api.example/v1#a" }, "it has a query or a fragment"],
    [{ upstream: "https://api.example/v1/../x" }, "servers could take its path"],
    [{ upstream: "https://api.example/v1//" }, "servers could take its path"],
    [{ upstream: "https://api.example\\v1" }, "servers could take its path"],
    [{ upstream: "https://api.example:0" }, "its port is not a number"],
    [{ upstream: "https://*.example" }, "it holds a character that no host name has"],
    [{ upstream: "https://0.0.0.0" }, "it is an unspecified address"],
    [{ upstream: "http://api.example" }, "plain http shows the key to everybody on the way"],
    [{ upstream: "http://localhost" }, "plain http shows the key to everybody on the way"],
    [{ upstream: "http://8.8.8.8" }, "plain http shows the key to everybody on the way"],
    [{ upstream: "http://out.example" }, "plain http shows the key to everybody on the way"],
    [
      { header: "x api" },
      'credential-header: credentials.a.header: "x api" cannot be part of a credential: it is not the name of a header'
    ],
    [{ header: "x-key:" }, "it is not the name of a header"],
    [{ header: "x-key\r\nhost" }, "it is not the name of a header"],
    ...[
      "Host",
      "content-length",
      "Content_Length",
      "transfer-encoding",
      "connection",
      "keep-alive",
      "proxy-authorization",
      "proxy-connection",
      "te",
      "trailer",
      "upgrade",
      "http2-settings",
      "expect",
      "cookie",
      "set-cookie",
      "via",
      "forwarded",
      "x-forwarded-for",
      "sec-websocket-key",
      "x-bottle-refused",
      "accept-encoding",
      "range"
    ].map((header): readonly [Partial<CredentialEntry>, string] => [{ header }, "that header is about the connection"]),
    [{ prefix: "Bearer\r\nX: " }, "credential-prefix: "],
    [{ prefix: "B\u00e4rer " }, "credential-prefix: "],
    [{ prefix: "\u0000" }, "credential-prefix: "],
    [{ source: { env: "1KEY" } }, "credential-source: credentials.a.source.env: "],
    [{ source: { env: "A=B" } }, "it is not the name of a variable"],
    [{ source: { file: "keys/a" } }, "its path is neither absolute nor below ~/"],
    [{ source: { file: "~/" } }, "its path is neither absolute nor below ~/"],
    [{ source: { file: "~me/a" } }, "its path is neither absolute nor below ~/"],
    [{ source: { file: "/a\u0000b" } }, "it holds a NUL"],
    [{ source: { command: [] } }, "it names no program"],
    [{ source: { command: [""] } }, "it names no program"],
    [{ source: { command: ["a", "\u0000"] } }, "it holds a NUL"],
    [{ baseUrlVariable: "A B" }, "credential-variable: credentials.a.baseUrlVariable: "],
    [{ placeholderVariable: "" }, "credential-variable: credentials.a.placeholderVariable: "],
    [{ baseUrlVariable: "A", placeholderVariable: "A" }, "credentials.a.baseUrlVariable sets it already"],
    [{ methods: [] }, "its methods are an empty list"],
    [{ methods: ["TRACE"] }, "its answer would hold the credential"],
    [{ paths: [] }, "its paths are an empty list"],
    [{ paths: ["/v1/../x"] }, "path: credentials.a.paths[0]: "]
  ]
  it.each(refused)("refuses %j: %s", (more, expected) => {
    assert.include(told(more), expected)
    assert.match(told(more), /^[\x20-\x7e]+$/)
  })

  it.each(["", "A", "a_b", "a/b", "a.b", "a".repeat(64), "\u00e4", "__proto__"])("refuses the name %j", (name) => {
    const made = Policy.fromDocument({ credentials: Object.fromEntries([[name, entry]]) })
    assert.strictEqual(
      Either.match(made, { onLeft: ({ reason }) => reason, onRight: () => "(a policy)" }),
      "credential-name"
    )
    assert.strictEqual(told({}, "a".repeat(63)), "(a policy)")
  })

  it("sets no variable that another one sets", () => {
    const two = (second: string) =>
      Policy.fromDocument({
        credentials: { a: { ...entry, baseUrlVariable: "BASE" }, b: { ...entry, placeholderVariable: second } }
      })
    assert.isTrue(Either.isRight(two("KEY")))
    const refused = Either.getOrThrow(Either.flip(two("BASE")))
    assert.strictEqual(
      refused.message,
      'credentials.b.placeholderVariable: "BASE" cannot be part of a credential: credentials.a.baseUrlVariable sets it already'
    )
  })

  it("does not go in the clear through an upstream proxy that may be anywhere", () => {
    const parsed = (proxy: string, upstream: string) =>
      Policy.fromDocument({ upstream: proxy }, { credentials: { api: { ...entry, upstream } } })
    for (const [proxy, upstream] of [
      ["http://10.0.0.1:3128", "http://10.0.0.2"],
      ["http://127.0.0.1:3128", "http://10.0.0.2"],
      ["http://proxy.example:3128", "https://api.example"]
    ] as const) {
      assert.isTrue(Either.isRight(parsed(proxy, upstream)), proxy)
    }
    for (const proxy of ["http://8.8.8.8:3128", "http://proxy.example:3128"]) {
      const refused = Either.flip(parsed(proxy, "http://10.0.0.2"))
      assert.isTrue(Either.isRight(refused))
      assert.include(Either.getOrThrow(refused).message, "plain http shows the key to the upstream proxy")
    }
  })

  it("takes the place of the document's one when it is said beside it", () => {
    const beside = { a: { ...entry, upstream: "https://b.example" } }
    const made = Either.getOrThrow(
      Policy.fromDocument({ credentials: { a: entry, c: entry } }, { credentials: beside })
    )
    assert.deepStrictEqual(
      [...made.credentials].map(([name, { upstream }]) => [name, Credential.upstreamText(upstream)]),
      [
        ["a", "https://b.example"],
        ["c", "https://api.example"]
      ]
    )
  })
})

describe("Credential.upstreamPath", () => {
  const cases: ReadonlyArray<readonly [upstream: string, rest: string, path: string]> = [
    ["https://a.example", "", "/"],
    ["https://a.example", "/", "/"],
    ["https://a.example", "/v1?b", "/v1?b"],
    ["https://a.example", "?b=/c", "/?b=/c"],
    ["https://a.example/v1", "", "/v1"],
    ["https://a.example/v1", "/", "/v1/"],
    ["https://a.example/v1", "?b", "/v1?b"],
    ["https://a.example/v1", "/x/y", "/v1/x/y"]
  ]
  it.each(cases)("of %s and %j is %s", (upstream, rest, path) => {
    assert.strictEqual(Credential.upstreamPath(parsed({ upstream }).upstream, rest), path)
  })
})

describe("a redirect of an upstream", () => {
  const cases: ReadonlyArray<readonly [upstream: string, location: string, relocated: string]> = [
    ["https://a.example", "https://a.example/x?y#z", "/credentials/a/x?y#z"],
    ["https://a.example", "https://A.example:443", "/credentials/a/"],
    ["https://a.example", "/x", "/credentials/a/x"],
    ["https://a.example", "x", "/credentials/a/v1/x"],
    ["https://a.example", "?again", "/credentials/a/v1/here?again"],
    ["https://a.example", "//a.example/x", "/credentials/a/x"],
    ["https://a.example", "http://a.example/x", "http://a.example/x"],
    ["https://a.example", "https://a.example:8443/x", "https://a.example:8443/x"],
    ["https://a.example", "https://b.example/x", "https://b.example/x"],
    ["https://a.example", "//b.example/x", "https://b.example/x"],
    ["https://a.example", "https://a.example@b.example/", "https://a.example@b.example/"],
    ["https://a.example", "https://me@a.example/", "https://me@a.example/"],
    ["https://a.example", "mailto:a@b.example", "mailto:a@b.example"],
    ["https://a.example", "http://[", "http://["],
    ["https://a.example/v1", "https://a.example/v1/x", "/credentials/a/x"],
    ["https://a.example/v1", "../v1/x", "/credentials/a/x"],
    ["https://a.example/v1", "/v1", "/credentials/a"],
    ["https://a.example/v1", "/v11", "https://a.example/v11"],
    ["https://a.example/v1", "/login", "https://a.example/login"],
    ["https://a.example/v1", "../login", "https://a.example/login"],
    ["https://a.example:8443/v1", "https://a.example:8443/v1/x", "/credentials/a/x"],
    ["http://10.0.0.1:80", "http://10.0.0.1/x", "/credentials/a/x"],
    ["http://[::1]:8080", "http://[::1]:8080/x", "/credentials/a/x"]
  ]
  it.each(cases)("of %s to %s leads the guest to %s", (upstream, location, relocated) => {
    assert.strictEqual(Injection.relocated(parsed({ upstream }), "/v1/here", location), relocated)
  })
})
