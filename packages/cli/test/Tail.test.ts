import * as Tail from "@bottle/cli/Tail"
import { assert, describe, it } from "@effect/vitest"

describe("Tail.split", () => {
  const lines: ReadonlyArray<readonly [argv: ReadonlyArray<string>, parts: Tail.Parts]> = [
    [["run"], { words: ["run"], tail: null }],
    [["run", "--"], { words: ["run"], tail: [] }],
    [["run", "--", "ls", "--version"], { words: ["run"], tail: ["ls", "--version"] }],
    [["run", "-q", "--", "x", "-h"], { words: ["run", "-q"], tail: ["x", "-h"] }],
    [["run", "--", "a", "--", "b"], { words: ["run"], tail: ["a", "--", "b"] }],
    [["run", "--", "--", "b"], { words: ["run"], tail: ["--", "b"] }],
    [["--", "run"], { words: [], tail: ["run"] }]
  ]
  for (const [argv, parts] of lines) {
    it(`splits ${JSON.stringify(argv)}`, () => assert.deepStrictEqual(Tail.split(argv), parts))
  }
})
