import * as Denials from "@bottle/cli/Denials"
import * as Decision from "@bottle/egress/Decision"
import * as Policy from "@bottle/egress/Policy"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { denied, type Fields } from "./fixtures/denied.js"

/** What is said of example.com when its name turns out to have this address. */
const answered = (answer: string): Fields => {
  const policy = Either.getOrThrow(Policy.make({ allow: ["example.com"] }))
  const allow = Decision.decide(policy, { host: "example.com", port: 443 })
  assert(allow._tag === "Allow")
  const { address, detail, reason } = Either.getOrThrow(Either.flip(Decision.decideAddresses(policy, allow, [answer])))
  return { address, detail, reason }
}

describe("Denials.toLine", () => {
  const lines: ReadonlyArray<readonly [fields: Fields, line: string]> = [
    [{}, "bottle: refused example.com:443 (no rule allows it); allow it with --allow example.com"],
    [{ port: 8443 }, "bottle: refused example.com:8443 (no rule allows it); allow it with --allow example.com:8443"],
    [
      { host: "192.0.2.1", port: 80 },
      "bottle: refused 192.0.2.1:80 (no rule allows it); allow it with --allow 192.0.2.1"
    ],
    [
      { host: "2001:db8::1", port: 80 },
      "bottle: refused [2001:db8::1]:80 (no rule allows it); allow it with --allow [2001:db8::1]"
    ],
    [
      { reason: "port-not-allowed", port: 22 },
      "bottle: refused example.com:22 (it is allowed on other ports only); allow it with --allow example.com:22"
    ],
    [
      answered("10.0.0.1"),
      "bottle: refused example.com:443 (its name resolves to 10.0.0.1, a private address that no rule lists); allow it with --resolve example.com=10.0.0.1"
    ],
    [answered("224.0.0.1"), "bottle: refused example.com:443 (224.0.0.1 is a multicast address, and never reached)"],
    [
      { reason: "denied-by-rule", rule: "*.example.com" },
      "bottle: refused example.com:443 (the rule *.example.com denies it); to allow it, take that rule away: denying wins"
    ],
    [
      { reason: "request-not-allowed", method: "POST", port: 80 },
      "bottle: refused example.com:80 (it is allowed for other requests than this POST only); to allow it, add its method and path to the policy"
    ],
    [
      { reason: "request-not-allowed" },
      "bottle: refused example.com:443 (only plain HTTP requests to it are allowed); to allow it, add its method and path to the policy"
    ],
    [
      { reason: "framing-ambiguous", host: null, port: null, detail: "length twice" },
      "bottle: refused a request (length twice)"
    ],
    [
      { host: "a\u001b[2J\u202e\nbottle forged", port: 80 },
      "bottle: refused a bottle forged:80 (no rule allows it); allow it with --allow a bottle forged"
    ]
  ]
  for (const [fields, line] of lines) it(line, () => assert.strictEqual(Denials.toLine(denied(fields)), line))
})

describe("Denials.makeFilter", () => {
  it("shows each host once", () => {
    const news = Denials.makeFilter()
    assert.isDefined(news(denied({})))
    assert.isUndefined(news(denied({ port: 80 })))
    assert.isDefined(news(denied({ host: "other.example" })))
    assert.isUndefined(news(denied({ host: "other.example" })))
  })

  it("names no flag that the command which tells it has not", () => {
    const there = Denials.makeFilter({ bottle: "box-abc12" })(denied({}))
    assert.strictEqual(
      there,
      "bottle: refused example.com:443 (no rule allows it); to decide on it: bottle policy watch box-abc12"
    )
    assert.include(Denials.makeFilter()(denied({})) ?? "", "; allow it with --allow example.com")
  })

  it("stops when there are more than anybody reads, and says so once", () => {
    const news = Denials.makeFilter()
    const lines = Array.from({ length: 1000 }, (_, index) => news(denied({ host: `h${index}.example` })))
    const shown = lines.filter((line) => line !== undefined)
    assert.lengthOf(shown, 101)
    assert.include(shown.at(-1) ?? "", "more hosts than are shown")
  })
})
