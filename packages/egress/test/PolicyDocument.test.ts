import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as Fs from "node:fs"
import * as Http from "node:http"
import * as Policy from "../src/Policy.js"
import { limits, methods } from "../src/PolicyDocument.js"
import { schema } from "../src/PolicySchema.js"
import { accepts } from "./fixtures/jsonSchema.js"

const whole = {
  $schema: "./policy.schema.json",
  version: 1,
  allow: [
    "example.com",
    "*.example.com:8443",
    "10.0.0.0/8:5432",
    "[fd00::/8]:443",
    { host: "api.example", ports: [443], addresses: ["10.0.0.0/8"] },
    { host: "mirror.example", methods: ["GET", "HEAD"], paths: ["/debian/*"] },
    { cidr: "192.0.2.0/24", ports: [22] }
  ],
  deny: ["uploads.example", { cidr: "10.9.0.0/16" }, { host: "*.example", methods: ["PUT"] }],
  resolve: { "pinned.example": "10.0.0.1" },
  upstream: "http://10.0.0.9:3128",
  credentials: {
    anthropic: {
      source: { env: "ANTHROPIC_API_KEY" },
      header: "x-api-key",
      upstream: "https://api.anthropic.example",
      baseUrlVariable: "ANTHROPIC_BASE_URL",
      placeholderVariable: "ANTHROPIC_API_KEY",
      methods: ["POST", "GET"],
      paths: ["/v1/*"]
    },
    "open-ai": {
      source: { file: "~/.keys/openai" },
      header: "Authorization",
      prefix: "Bearer ",
      upstream: "https://api.openai.example:8443/v1/"
    },
    inside: { source: { command: ["pass", "show", "x"] }, header: "x-key", upstream: "http://pinned.example" }
  }
}

const credential = { source: { env: "KEY" }, header: "x-api-key", upstream: "https://api.example" }

const many = <A>(count: number, item: (index: number) => A): ReadonlyArray<A> =>
  Array.from({ length: count }, (_, index) => item(index))

const names = (count: number): unknown => Object.fromEntries(many(count, (index) => [`a${index}.example`, "192.0.2.1"]))

/** What has the shape of a document, by both readings. */
const shaped: ReadonlyArray<unknown> = [
  {},
  whole,
  { allow: [] },
  { deny: [] },
  { allow: [{ host: "a.example", addresses: [] }] },
  { version: 1 },
  { allow: many(limits.rules, (index) => `a${index}.example`) },
  { allow: [{ host: "a.example", ports: many(limits.items, (index) => index + 1) }] },
  { resolve: names(limits.names) },
  { credentials: {} },
  { credentials: { a: credential } },
  {
    credentials: Object.fromEntries(many(limits.credentials, (index) => [`a${index}`, credential]))
  }
]

/** What has not, and what is said of it. */
const unshaped: ReadonlyArray<readonly [document: unknown, told: string]> = [
  [null, "the policy: it is null, and not an object | Write an object there"],
  [[], "the policy: it is a list, and not an object | Write an object there"],
  [3, "the policy: it is 3, and not an object | Write an object there"],
  [{ alow: [] }, 'the policy: it has the unknown key "alow" | Write "allow"'],
  [{ dney: [] }, 'the policy: it has the unknown key "dney" | Write "deny"'],
  [
    { rules: [] },
    'the policy: it has the unknown key "rules" | Its keys are $schema, version, allow, deny, resolve, upstream, credentials'
  ],
  [{ "al\u001blow": [] }, 'the policy: it has the unknown key "al?low" | Write "allow"'],
  [{ version: 2 }, "version: it is 2, and not 1 | Write 1 there"],
  [{ version: "1" }, "version: it is a text, and not 1 | Write 1 there"],
  [{ allow: "example.com" }, "allow: it is a text, and not a list | Write a list there"],
  [{ allow: null }, "allow: it is null, and not a list | Write a list there"],
  [{ allow: [true] }, "allow[0]: it is true or false, and not a text or an object | Write a text or an object there"],
  [{ allow: ["a.example", 3] }, "allow[1]: it is 3, and not a text or an object | Write a text or an object there"],
  [{ allow: [""] }, "allow[0]: it is empty | Write what is meant"],
  [{ allow: ["a".repeat(1025)] }, "allow[0]: it is longer than 1024 characters | Write a shorter one"],
  [{ allow: [{}] }, 'allow[0]: it has neither host nor cidr | Write {"host": "example.com"}'],
  [{ allow: [{ ports: [80] }] }, 'allow[0]: it has neither host nor cidr | Write {"host": "example.com"}'],
  [
    { allow: [{ host: "a.example", cidr: "10.0.0.0/8" }] },
    "allow[0]: it has both host and cidr | Write two entries, one for each"
  ],
  [{ allow: [{ host: "a.example", prots: [1] }] }, 'allow[0]: it has the unknown key "prots" | Write "ports"'],
  [{ allow: [{ host: 3 }] }, "allow[0].host: it is 3, and not a text | Write a text there"],
  [{ allow: [{ cidr: [] }] }, "allow[0].cidr: it is a list, and not a text | Write a text there"],
  [{ allow: [{ host: "a.example", ports: 80 }] }, "allow[0].ports: it is 80, and not a list | Write a list there"],
  [{ allow: [{ host: "a.example", ports: [] }] }, "allow[0].ports: it is empty | Leave it out where it says nothing"],
  [
    { allow: [{ host: "a.example", ports: ["80"] }] },
    "allow[0].ports[0]: it is a text, and not a number | Write a number there"
  ],
  [
    { allow: [{ host: "a.example", ports: [80, 0] }] },
    "allow[0].ports[1]: 0 is not a port | Write a whole number from 1 to 65535"
  ],
  [
    { deny: [{ host: "a.example", ports: [65536] }] },
    "deny[0].ports[0]: 65536 is not a port | Write a whole number from 1 to 65535"
  ],
  [
    { allow: [{ host: "a.example", ports: [80.5] }] },
    "allow[0].ports[0]: 80.5 is not a port | Write a whole number from 1 to 65535"
  ],
  [
    { allow: [{ host: "a.example", ports: many(65, (index) => index + 1) }] },
    "allow[0].ports: it has more than 64 entries | Write fewer, such as one *.HOST for many hosts below it"
  ],
  [
    { allow: [{ host: "a.example", methods: ["get"] }] },
    'allow[0].methods[0]: "get" is not a method of plain HTTP | Write "GET"'
  ],
  [
    { allow: [{ host: "a.example", methods: ["CONNECT"] }] },
    'allow[0].methods[0]: "CONNECT" is not a method of plain HTTP | Write a method such as GET or POST'
  ],
  [
    { allow: [{ host: "a.example", methods: [1] }] },
    "allow[0].methods[0]: it is 1, and not a text | Write a text there"
  ],
  [
    { allow: [{ host: "a.example", methods: [] }] },
    "allow[0].methods: it is empty | Leave it out where it says nothing"
  ],
  [{ allow: [{ host: "a.example", paths: [] }] }, "allow[0].paths: it is empty | Leave it out where it says nothing"],
  [{ allow: [{ host: "a.example", paths: [""] }] }, "allow[0].paths[0]: it is empty | Write what is meant"],
  [
    { deny: [{ host: "a.example", addresses: ["10.0.0.0/8"] }] },
    'deny[0]: it has the unknown key "addresses" | Only an entry of allow that has a host can list addresses'
  ],
  [
    { allow: [{ cidr: "10.0.0.0/8", addresses: ["10.0.0.0/8"] }] },
    'allow[0]: it has the unknown key "addresses" | Only an entry of allow that has a host can list addresses'
  ],
  [{ resolve: [] }, "resolve: it is a list, and not an object | Write an object there"],
  [{ resolve: { "a.example": 1 } }, "resolve.a.example: it is 1, and not a text | Write a text there"],
  [
    { resolve: names(limits.names + 1) },
    "resolve: it has more than 1024 entries | Write fewer, such as one *.HOST for many hosts below it"
  ],
  [
    { allow: many(limits.rules + 1, () => "a.example") },
    "allow: it has more than 4096 entries | Write fewer, such as one *.HOST for many hosts below it"
  ],
  [{ upstream: 5 }, "upstream: it is 5, and not a text | Write a text there"],
  [{ credentials: [] }, "credentials: it is a list, and not an object | Write an object there"],
  [{ credentials: { a: "KEY" } }, "credentials.a: it is a text, and not an object | Write an object there"],
  [{ credentials: { a: {} } }, 'credentials.a: it has no source | Write "source" there'],
  [
    { credentials: { a: { source: { env: "KEY" }, upstream: "https://a.example" } } },
    'credentials.a: it has no header | Write "header" there'
  ],
  [
    { credentials: { a: { ...credential, heder: "x" } } },
    'credentials.a: it has the unknown key "heder" | Write "header"'
  ],
  [
    { credentials: { a: { ...credential, value: "sk-1" } } },
    'credentials.a: it has the unknown key "value" | Its keys are source, header, prefix, upstream, baseUrlVariable, placeholderVariable, methods, paths'
  ],
  [
    { credentials: { a: { ...credential, source: "KEY" } } },
    "credentials.a.source: it is a text, and not an object | Write an object there"
  ],
  [
    { credentials: { a: { ...credential, source: {} } } },
    'credentials.a.source: it has neither env, file nor command | Write {"env": "NAME_OF_A_VARIABLE"}'
  ],
  [
    { credentials: { a: { ...credential, source: { env: "A", file: "/a" } } } },
    "credentials.a.source: it has both env and file | Write one of them"
  ],
  [
    { credentials: { a: { ...credential, source: { file: 3 } } } },
    "credentials.a.source.file: it is 3, and not a text | Write a text there"
  ],
  [
    { credentials: { a: { ...credential, source: { command: [] } } } },
    "credentials.a.source.command: it is empty | Leave it out where it says nothing"
  ],
  [
    { credentials: { a: { ...credential, source: { command: "pass" } } } },
    "credentials.a.source.command: it is a text, and not a list | Write a list there"
  ],
  [
    { credentials: { a: { ...credential, methods: ["get"] } } },
    'credentials.a.methods[0]: "get" is not a method of plain HTTP | Write "GET"'
  ],
  [
    { credentials: Object.fromEntries(many(limits.credentials + 1, (index) => [`a${index}`, credential])) },
    "credentials: it has more than 64 entries | Write fewer"
  ]
]

/** What has the shape of a document and is none. */
const meaningless: ReadonlyArray<readonly [document: unknown, told: RegExp]> = [
  [{ allow: ["a.example", "https://a.example"] }, /^allow\[1\]: "https:\/\/a\.example" cannot be allowed: /],
  [{ deny: ["a..example"] }, /^deny\[0\]: "a\.\.example" cannot be denied: .*one of its labels is empty/],
  [{ allow: [{ host: "10.0.0.0/8" }] }, /^allow\[0\]: .*a range is named by cidr/],
  [{ allow: [{ cidr: "a.example" }] }, /^allow\[0\]: .*is not a range/],
  [{ allow: [{ cidr: "10.0.0.1/8" }] }, /^allow\[0\]: .*bits are set behind its prefix/],
  [{ allow: [{ host: "a.example:80", ports: [80] }] }, /^allow\[0\]: .*a port of its own beside ports/],
  [{ allow: [{ host: "a.example", paths: ["/a", "b"] }] }, /^allow\[0\]\.paths\[1\]: "b" /],
  [{ allow: [{ host: "a.example", addresses: ["10.0.0.1/8"] }] }, /^allow\[0\]\.addresses\[0\]: "10\.0\.0\.1\/8" /],
  [{ allow: [{ host: "0.0.0.0" }] }, /^allow\[0\]: .*it is an unspecified address/],
  [{ resolve: { "a.example": "b.example" } }, /^resolve: "a\.example=b\.example" cannot be given an address: /],
  [
    { resolve: { "a.example": "192.0.2.1", "A.example": "192.0.2.2" } },
    /^resolve: .*a\.example is 192\.0\.2\.1 already/
  ],
  [{ upstream: "proxy.example:3128" }, /^upstream: .*it is not http:\/\/HOST:PORT/],
  [{ upstream: "https://proxy.example:3128" }, /^upstream: .*it is not http:\/\/HOST:PORT/],
  [{ upstream: "http://proxy.example" }, /^upstream: .*its port is not a number/],
  [{ upstream: "http://me@proxy.example:1" }, /^upstream: .*user name or a password/],
  [{ upstream: "http://proxy.example:1/x" }, /^upstream: .*it is not http:\/\/HOST:PORT/],
  [{ upstream: "http://224.0.0.1:1" }, /^upstream: .*multicast/],
  [{ credentials: { A: credential } }, /^credentials: "A" cannot be part of a credential: its name holds/],
  [
    { credentials: { a: { ...credential, header: "Host" } } },
    /^credentials\.a\.header: "Host" .*about the connection or the message.* \| /
  ]
]

const shown = (value: unknown): string => JSON.stringify(value).slice(0, 80)

const told = (json: unknown): string => {
  const policy = Policy.fromJson(json)
  return Either.isRight(policy) ? "(a policy)" : `${policy.left.message} | ${policy.left.suggestion}`
}

describe("Policy.fromJson", () => {
  for (const document of shaped) {
    it(`reads ${shown(document)}`, () => {
      assert.strictEqual(told(document), "(a policy)")
      assert.strictEqual(told(JSON.stringify(document)), "(a policy)")
    })
  }

  for (const [document, expected] of unshaped) {
    it(`refuses ${shown(document)}: ${expected}`, () => {
      assert.strictEqual(told(document), expected)
      assert.strictEqual(told(JSON.stringify(document)), expected)
    })
  }

  for (const [document, expected] of meaningless) {
    it(`refuses ${shown(document)}`, () => {
      assert.match(told(document), expected)
      assert.match(told(document), /^[\x20-\x7e]+$/)
    })
  }

  const texts: ReadonlyArray<readonly [text: string, told: string]> = [
    ["", 'the policy: it is not JSON | Write a document such as {"allow": ["example.com"]}'],
    ["allow: []", 'the policy: it is not JSON | Write a document such as {"allow": ["example.com"]}'],
    [
      '{\n  "allow": [\n    "a.example",\n  ]\n}',
      'the policy: it is not JSON | Write a document such as {"allow": ["example.com"]}'
    ],
    [
      '{"deny":["a.example"],"deny":[]}',
      'the policy: one object has the key "deny" twice | Write each key once, and no such one'
    ],
    [
      '{"d\\u0065ny":["a.example"],"deny" : []}',
      'the policy: one object has the key "deny" twice | Write each key once, and no such one'
    ],
    [
      '{"allow":[{"host":"a.example","ports":[80],"ports":[443]}]}',
      'the policy: one object has the key "ports" twice | Write each key once, and no such one'
    ],
    [
      '{"__proto__":{"allow":["a.example"]}}',
      "the policy: it has the key __proto__ | Write each key once, and no such one"
    ],
    [
      '{"resolve":{"__proto__":"192.0.2.1"}}',
      "the policy: it has the key __proto__ | Write each key once, and no such one"
    ],
    [
      `{}${" ".repeat(limits.bytes)}`,
      "the policy: it is longer than 1048576 bytes | Allow *.HOST instead of every host below it"
    ]
  ]
  for (const [text, expected] of texts) {
    it(`refuses the text ${shown(text)}`, () => {
      // Where the mistake is, not every version of the JSON reader tells.
      assert.strictEqual(told(text).replace(/^line [0-9]+, column [0-9]+/, "the policy"), expected)
    })
  }

  it("takes a key that another object has too, and quotes and braces in texts", () => {
    const text =
      '{"allow":[{"host":"a.example"},{"host":"b.example","paths":["/\\u007b%22x"]}],"$schema":"{\\"allow\\":"}'
    assert.match(told(text), /^allow\[1\]\.paths\[0\]/)
    assert.strictEqual(told(text.replace("\\u007b", "")), "(a policy)")
  })

  it("says nothing that a terminal would take for more than a line", () => {
    fc.assert(
      fc.property(fc.fullUnicodeString({ maxLength: 2000 }), fc.fullUnicodeString({ maxLength: 50 }), (value, key) => {
        const documents = [{ [key]: value }, { allow: [value] }, { resolve: { [key]: value } }, { upstream: value }]
        for (const document of documents) {
          const error = Either.getLeft(Policy.fromJson(document))
          if (error._tag === "None") continue
          assert.match(error.value.message, /^[\x20-\x7e]{1,1024}$/)
          assert.match(error.value.suggestion, /^[\x20-\x7e]{1,1024}$/)
        }
      }),
      { seed: 1, numRuns: 300 }
    )
  })
})

describe("the methods of a document", () => {
  it("are those of plain HTTP that the proxy's parser knows", () => {
    const parsed = new Set(Http.METHODS)
    for (const method of methods) assert.isTrue(parsed.has(method), method)
    assert.isFalse(methods.some((method: string) => method === "CONNECT"))
  })
})

describe("docs/reference/policy.schema.json", () => {
  it("is what packages/egress/scripts/policySchema.mjs writes", () => {
    const file = new URL("../../../docs/reference/policy.schema.json", import.meta.url)
    assert.deepStrictEqual(JSON.parse(Fs.readFileSync(file, "utf8")), schema)
  })

  it("accepts and refuses what the decoder does", () => {
    for (const document of shaped) assert.isTrue(accepts(schema, document), shown(document))
    for (const [document] of unshaped) assert.isFalse(accepts(schema, document), shown(document))
    for (const [document] of meaningless) assert.isTrue(accepts(schema, document), shown(document))
  })

  it("accepts and refuses what the decoder does, however a document is broken", () => {
    const junk = fc.oneof(
      fc.constantFrom<unknown>(null, true, 0, 1, 443, 65536, 1.5, "", "a.example", "GET", [], {}, [443], ["GET"]),
      fc.constantFrom<unknown>({ host: "a.example" }, { cidr: "10.0.0.0/8" }, ["a.example"], "a".repeat(2000)),
      fc.constantFrom<unknown>({ env: "A" }, { file: "/a" }, { command: ["a"] }, credential)
    )
    const keys = [
      "allow",
      "deny",
      "host",
      "cidr",
      "ports",
      "methods",
      "paths",
      "addresses",
      "resolve",
      "version",
      "x"
    ].concat("credentials", "source", "env", "file", "header", "a")
    const key = fc.constantFrom(...keys)
    const step = fc.record({ at: fc.nat(), key, value: junk, how: fc.constantFrom("replace", "add", "remove") })
    const seen = new Set<boolean>()
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 3 }), (steps) => {
        const document = steps.reduce((broken, change) => mutate(broken, change), structuredClone<unknown>(whole))
        const isDecoded = Either.isRight(Policy.documentFromJson(document))
        seen.add(isDecoded)
        assert.strictEqual(accepts(schema, document), isDecoded, JSON.stringify(document))
      }),
      { seed: 1, numRuns: 2000 }
    )
    assert.strictEqual(seen.size, 2)
  })
})

interface Change {
  readonly at: number
  readonly key: string
  readonly value: unknown
  readonly how: string
}

/** The document with one thing in it replaced, added or removed. */
const mutate = (document: unknown, change: Change): unknown => {
  const count = sizeOf(document)
  const walk = (value: unknown, at: number): unknown => {
    if (at === 0) return change.how === "replace" ? change.value : changed(value, change)
    if (typeof value !== "object" || value === null) return value
    let left = at - 1
    const entries = Object.entries(value).map(([key, inner]) => {
      const size = sizeOf(inner)
      const next = left >= 0 && left < size ? walk(inner, left) : inner
      left -= size
      return [key, next] as const
    })
    return Array.isArray(value) ? entries.map(([, inner]) => inner) : Object.fromEntries(entries)
  }
  return walk(document, change.at % count)
}

const sizeOf = (value: unknown): number =>
  typeof value === "object" && value !== null
    ? Object.values(value).reduce((sum: number, inner) => sum + sizeOf(inner), 1)
    : 1

const changed = (value: unknown, { how, key, value: other }: Change): unknown => {
  if (Array.isArray(value)) return how === "add" ? [...value, other] : value.slice(1)
  if (typeof value !== "object" || value === null) return other
  return how === "add"
    ? { ...value, [key]: other }
    : Object.fromEntries(Object.entries(value).filter(([known]) => known !== key))
}
