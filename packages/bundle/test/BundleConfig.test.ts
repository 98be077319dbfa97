import * as Interfaces from "@bottle/egress/Interfaces"
import { directory } from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as BundleConfig from "../src/BundleConfig.js"

const withFile = (name: string, content: string | Uint8Array) =>
  Effect.map(directory, (path) => {
    Fs.writeFileSync(`${path}/${name}`, content)
    return path
  })

describe("BundleConfig", () => {
  it.scoped("reads the policy as it stands", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* BundleConfig.policyText(yield* withFile("policy.json", '{ "allow": [] }\n')),
        '{ "allow": [] }\n'
      )
    })
  )

  it.scoped("names the file that is not there, and why it cannot be read", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const error = yield* Effect.flip(BundleConfig.policyText(path))
      assert.strictEqual(error.message, `${path}/policy.json cannot be used: it cannot be read: the system says ENOENT`)
      Fs.mkdirSync(`${path}/policy.json`)
      assert.strictEqual((yield* Effect.flip(BundleConfig.policyText(path))).code, "EISDIR")
    })
  )

  it.scoped("takes a policy up to its limit and none beyond", () =>
    Effect.gen(function* () {
      const limit = 1024 * 1024
      assert.lengthOf(yield* BundleConfig.policyText(yield* withFile("policy.json", " ".repeat(limit))), limit)
      const tooLong = yield* withFile("policy.json", " ".repeat(limit + 1))
      assert.strictEqual((yield* Effect.flip(BundleConfig.policyText(tooLong))).reason, "too-large")
    })
  )

  it.scoped("takes one visible word as a proof", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* BundleConfig.proof(yield* withFile("proof", "word\n")), "word")
      for (const text of ["", "\n", "two words", "two\nlines", "w\u00f6rd", "w\u0000rd"]) {
        assert.strictEqual(
          (yield* Effect.flip(BundleConfig.proof(yield* withFile("proof", text)))).reason,
          "not-a-proof"
        )
      }
      const long = yield* withFile("proof", "x".repeat(300))
      assert.strictEqual((yield* Effect.flip(BundleConfig.proof(long))).reason, "too-large")
    })
  )

  it.scoped("adds the host's addresses to its own, and takes their absence for none", () =>
    Effect.gen(function* () {
      const own = yield* Interfaces.system.addresses
      const some = yield* withFile("host-addresses", "192.0.2.1/24\n\n 2001:db8::1 \n")
      assert.deepStrictEqual(yield* BundleConfig.interfaces(some).addresses, [...own, "192.0.2.1/24", "2001:db8::1"])
      assert.deepStrictEqual(yield* BundleConfig.interfaces(yield* directory).addresses, own)
      const path = yield* directory
      Fs.mkdirSync(`${path}/host-addresses`)
      assert.strictEqual((yield* Effect.flip(BundleConfig.interfaces(path).addresses))._tag, "InterfacesUnreadable")
    })
  )
})
