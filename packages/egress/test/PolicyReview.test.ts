import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import type { PolicyDocument } from "../src/PolicyDocument.js"
import * as PolicyReview from "../src/PolicyReview.js"

const warnings = (document: PolicyDocument): ReadonlyArray<string> =>
  Either.getOrThrow(PolicyReview.review(document)).warnings.map(({ message, place }) => `${place}: ${message}`)

describe("PolicyReview.review", () => {
  const cases: ReadonlyArray<readonly [document: PolicyDocument, warnings: ReadonlyArray<string>]> = [
    [{}, []],
    [{ allow: ["a.example", "*.a.example", "a.example:22"], deny: ["b.example", "a.example:25"] }, []],
    [
      { allow: ["a.example", "b.example", "A.example."], deny: ["c.example", "c.example"] },
      ["allow[2]: a.example stands in allow[0] already", "deny[1]: c.example stands in deny[0] already"]
    ],
    [
      { allow: ["a.b.example", "*.c.b.example", "*.b.example", "b.example"], deny: ["*.b.example"] },
      [
        "allow[0]: a.b.example never allows anything: *.b.example in deny[0] denies all of it",
        "allow[1]: *.c.b.example never allows anything: *.b.example in deny[0] denies all of it",
        "allow[2]: *.b.example never allows anything: *.b.example in deny[0] denies all of it"
      ]
    ],
    [
      { allow: ["10.1.0.0/16", "10.1.1.1", "10.0.0.0/7"], deny: ["10.0.0.0/8"] },
      [
        "allow[0]: 10.1.0.0/16 never allows anything: 10.0.0.0/8 in deny[0] denies all of it",
        "allow[1]: 10.1.1.1 never allows anything: 10.0.0.0/8 in deny[0] denies all of it"
      ]
    ],
    [
      { allow: ["a.example", "a.example:443"], deny: ["a.example:443"] },
      ["allow[1]: a.example:443 never allows anything: a.example:443 in deny[0] denies all of it"]
    ],
    [
      { allow: ["b.example", "a.example"], deny: [{ host: "a.example", methods: ["PUT"] }] },
      [
        "deny[0]: PUT a.example denies no https: a.example in allow[1] allows tunnels, in which no method and no path can be seen"
      ]
    ],
    [
      { allow: ["x.a.example:443"], deny: [{ host: "*.a.example", paths: ["/x"] }] },
      [
        "deny[0]: *.a.example /x denies no https: x.a.example:443 in allow[0] allows tunnels, in which no method and no path can be seen"
      ]
    ],
    [{ allow: ["a.example:80", "b.example"], deny: [{ host: "a.example", methods: ["PUT"] }] }, []],
    [{ allow: ["a.example"], deny: [{ host: "a.example", methods: ["PUT"] }, "a.example:443"] }, []],
    [
      { allow: [{ host: "a.example", ports: [443], methods: ["GET"] }] },
      ["allow[0]: GET a.example:443 allows no https: that is a tunnel, in which no method and no path can be seen"]
    ],
    [
      { deny: [{ host: "a.example", ports: [443], methods: ["GET"] }] },
      ["deny[0]: GET a.example:443 denies every tunnel to its ports: in one, no method and no path can be seen"]
    ],
    [{ allow: ["*.example"] }, ["allow[0]: *.example allows every name below example, whoever has it"]],
    [{ allow: ["169.254.169.254"] }, ["allow[0]: 169.254.169.254 hands out credentials of the machine on many clouds"]],
    [{ allow: ["0.0.0.0/0"] }, ["allow[0]: 0.0.0.0/0 allows this machine's own services too"]],
    [{ allow: ["[::/0]"] }, ["allow[0]: [::/0] allows this machine's own services too"]],
    [{ allow: ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8", "2000::/3", "128.0.0.0/1"] }, []],
    [{ resolve: { "a.example": "10.0.0.1" } }, ["resolve: no rule allows a.example, so that its address says nothing"]],
    [
      { allow: ["a.example"], resolve: { "a.example": "169.254.169.254" } },
      ["resolve: a.example is at 169.254.169.254, which hands out credentials on many clouds"]
    ]
  ]
  const key = { source: { env: "KEY" }, header: "x-api-key" } as const
  const ofCredentials: typeof cases = [
    [{ credentials: { a: { ...key, upstream: "https://a.example", paths: ["/v1/*", "/", "/*"] } } }, []],
    [
      { credentials: { a: { ...key, header: "authorization", prefix: "Bearer ", upstream: "https://a.example/v1" } } },
      []
    ],
    [
      { credentials: { a: { ...key, header: "authorization", upstream: "https://a.example" } } },
      ['credentials.a: authorization has the name of a scheme in front of most keys: "prefix": "Bearer "']
    ],
    [
      {
        deny: ["*.example:8443", { host: "b.example", ports: [443], methods: ["PUT"] }],
        credentials: {
          a: { ...key, upstream: "https://a.example:8443" },
          b: { ...key, upstream: "https://b.example" }
        }
      },
      [
        "deny[1]: PUT b.example:443 denies every tunnel to its ports: in one, no method and no path can be seen",
        "credentials.a: it is never used: *.example:8443 in deny[0] denies a.example:8443"
      ]
    ],
    [
      {
        allow: ["a.example", "b.example:80"],
        credentials: { a: { ...key, upstream: "https://a.example" }, b: { ...key, upstream: "https://b.example" } }
      },
      ["credentials.a: the guest reaches a.example:443 by itself too, by a.example, and there with any key it has"]
    ],
    [
      { resolve: { "a.example": "10.0.0.1" }, credentials: { a: { ...key, upstream: "http://a.example:8080" } } },
      ["credentials.a: it goes to a.example:8080 in the clear: whoever is on the way reads it"]
    ],
    [
      {
        credentials: {
          a: { ...key, upstream: "https://a.example/v1", paths: ["/v1/*", "/v1", "/*", "/models", "/v11/x", "/v2/*"] }
        }
      },
      ["/models", "/v11/x", "/v2/*"].map(
        (path) => `credentials.a: ${path} is never asked for: every path of this upstream begins with /v1/`
      )
    ]
  ]
  it.each([...cases, ...ofCredentials])("warns of %j", (document, expected) => {
    assert.deepStrictEqual(warnings(document), expected)
  })

  it("refuses what is no policy", () => {
    assert.isTrue(Either.isLeft(PolicyReview.review({ allow: ["a..b"] })))
  })
})
