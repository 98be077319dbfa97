import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Resolver from "../src/Resolver.js"

describe("Resolver", () => {
  it.live("of the system knows localhost, and none of the names that never exist", () =>
    Effect.gen(function* () {
      const addresses = yield* Resolver.system.resolve("localhost")
      assert.isNotEmpty(addresses)
      for (const address of addresses) assert.include(["127.0.0.1", "::1"], address)
      const error = yield* Effect.flip(Resolver.system.resolve("nothing.invalid"))
      assert.strictEqual(error._tag, "ResolveFailed")
      assert.match(error.message, /^nothing\.invalid [\x20-\x7e]+$/)
      assert.strictEqual(error.suggestion, "Check the name, or give it its address: --resolve nothing.invalid=IP")
    })
  )

  it.live("of the system is not let go before its look-up has ended", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(Resolver.system.resolve("localhost"))
      yield* Effect.yieldNow()
      assert.include(process.getActiveResourcesInfo(), "GetAddrInfoReqWrap")
      yield* Fiber.interrupt(fiber)
      // What is calling back counts as well.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      assert.notInclude(process.getActiveResourcesInfo(), "GetAddrInfoReqWrap")
    })
  )

  it.effect("of a record knows what is in it, and nothing that objects bring along", () =>
    Effect.gen(function* () {
      const resolver = Resolver.fromRecord({ "web.test": ["192.0.2.1"] })
      assert.deepStrictEqual(yield* resolver.resolve("web.test"), ["192.0.2.1"])
      for (const name of ["other.test", "constructor", "__proto__"]) {
        assert.strictEqual((yield* Effect.flip(resolver.resolve(name))).reason, "not-found")
      }
    })
  )
})
