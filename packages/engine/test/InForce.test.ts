import * as Policy from "@bottle/egress/Policy"
import { limits } from "@bottle/egress/PolicyDocument"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as InForce from "../src/internal/inForce.js"

const policyOf = (...allow: ReadonlyArray<string>): Policy.Policy => Either.getOrThrow(Policy.make({ allow }))

const textsOf = ({ allow }: Policy.Policy): ReadonlyArray<string> => allow.map(({ text }) => text)

describe("the policy in force", () => {
  it.effect("keeps what was allowed by hand through a reload that says so, and not through another", () =>
    Effect.gen(function* () {
      const put: Array<ReadonlyArray<string>> = []
      const inForce = yield* InForce.make(policyOf("a.example"), (policy) =>
        Effect.sync(() => void put.push(textsOf(policy)))
      )
      yield* inForce.allow(["b.example:443"])
      yield* inForce.reload(policyOf("c.example"), { keepAllowed: true })
      assert.deepStrictEqual(textsOf(yield* inForce.policy), ["c.example", "b.example:443"])
      yield* inForce.reload(policyOf("d.example"))
      assert.deepStrictEqual(textsOf(yield* inForce.policy), ["d.example"])
      assert.deepStrictEqual(put, [["a.example", "b.example:443"], ["c.example", "b.example:443"], ["d.example"]])
      // What is in force already changes nothing.
      yield* inForce.allow(["d.example"])
      assert.strictEqual(put.length, 3)
    })
  )

  it.effect("takes no more rules than a policy may have", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: limits.rules - 1 }, (_, at) => `h${at}.example`)
      const inForce = yield* InForce.make(policyOf(...names), () => Effect.void)
      yield* inForce.allow(["last.example"])
      assert.strictEqual((yield* Effect.flip(inForce.allow(["more.example"]))).reason, "too-many")
      assert.strictEqual((yield* inForce.policy).allow.length, limits.rules)
    })
  )

  it.effect("keeps all else that a policy says", () =>
    Effect.gen(function* () {
      const document: Policy.PolicyDocument = {
        allow: ["a.example"],
        deny: ["bad.example"],
        resolve: { "a.example": "10.0.0.7" },
        upstream: "http://proxy.example:3128",
        credentials: {
          api: { source: { env: "KEY" }, header: "x-api-key", upstream: "https://api.example" }
        }
      }
      const before = Either.getOrThrow(Policy.fromDocument(document))
      const inForce = yield* InForce.make(before, () => Effect.void)
      const after = yield* inForce.allow(["b.example:8443"])
      assert.deepStrictEqual(Policy.toDocument(after), {
        ...Policy.toDocument(before),
        allow: ["a.example", "b.example:8443"]
      })
    })
  )

  it.effect("ends a change that nobody waits for any more, before the next", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const inForce = yield* InForce.make(Policy.empty, () =>
        Effect.zipRight(Deferred.succeed(begun, undefined), Deferred.await(goOn))
      )
      const first = yield* Effect.fork(inForce.allow(["a.example:443"]))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(first)
      const second = yield* Effect.fork(inForce.allow(["b.example:443"]))
      assert.deepStrictEqual(textsOf(yield* inForce.policy), [])
      yield* Deferred.succeed(goOn, undefined)
      assert.deepStrictEqual(textsOf(yield* Fiber.join(second)), ["a.example:443", "b.example:443"])
    })
  )
})
