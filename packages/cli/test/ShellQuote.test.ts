import * as ShellQuote from "@bottle/cli/ShellQuote"
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "fast-check"
import { execFileSync } from "node:child_process"

describe("ShellQuote.words", () => {
  it("leaves plain words alone and quotes the rest", () => {
    assert.strictEqual(
      ShellQuote.words(["ls", "-l", "a b", "it's", "", "$HOME", "a=b", "*.x"]),
      "ls -l 'a b' 'it'\\''s' '' '$HOME' a=b '*.x'"
    )
  })

  it("writes control and bidirectional characters as escapes", () => {
    assert.strictEqual(ShellQuote.word("a\nb\u001b[31m'c\u202e"), "$'a\\nb\\x1b[31m\\'c\\u202e'")
  })

  it("gives a shell the same words back", () => {
    const word = FastCheck.string({ unit: "grapheme", maxLength: 20 }).map((text) => text.replaceAll("\0", ""))
    const argvs = FastCheck.sample(FastCheck.array(word, { minLength: 1, maxLength: 5 }), 40)
    const script = argvs.map((argv) => `printf '%s\\0' ${ShellQuote.words(argv)}`).join("\n")
    const output = execFileSync("bash", ["-c", script], { env: { LC_ALL: "C.UTF-8", PATH: "/usr/bin:/bin" } })
    assert.deepStrictEqual(output.toString().split("\0").slice(0, -1), argvs.flat())
  })
})
