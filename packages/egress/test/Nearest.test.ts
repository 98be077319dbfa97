import { assert, describe, it } from "@effect/vitest"
import { nearest } from "../src/Nearest.js"

describe("nearest", () => {
  const keys = ["allow", "deny", "ports", "methods", "paths"]
  const cases: ReadonlyArray<readonly [word: string, meant: string | undefined]> = [
    ["alow", "allow"],
    ["allows", "allow"],
    ["prots", "ports"],
    ["port", "ports"],
    ["dney", "deny"],
    ["me", "methods"],
    ["p", undefined],
    ["pa", "paths"],
    ["rules", undefined],
    ["", undefined],
    ["allow".repeat(1000), undefined]
  ]
  it.each(cases)("takes %j for %s", (word, meant) => {
    assert.strictEqual(nearest(word, keys), meant)
  })
})
