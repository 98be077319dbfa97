import * as Printable from "@bottle/cli/Printable"
import { assert, describe, it } from "@effect/vitest"

describe("Printable.line", () => {
  const cases: ReadonlyArray<readonly [what: string, text: string, expected: string]> = [
    ["leaves plain text alone", "example.com:443", "example.com:443"],
    ["leaves other scripts alone", "bücher.example 日本 🙂", "bücher.example 日本 🙂"],
    ["drops colours and cursor movements", "a\u001b[31mb\u001b[2J\u001b[1;1Hc", "abc"],
    ["drops the 8-bit forms too", "a\u009b31mb", "ab"],
    ["drops a title, with either end", "a\u001b]0;evil\u0007b\u001b]8;;http://x\u001b\\c", "abc"],
    ["drops an unfinished sequence", "a\u001b[", "a"],
    ["drops a lone escape", "a\u001bb", "a"],
    ["makes one line of many", "a\r\nbottle: forged\u2028b\tc", "a bottle: forged b c"],
    ["drops control characters", "a\u0000\u0008\u007f\u0084b", "ab"],
    ["drops what turns the direction", "a\u202etxt.exe\u2066b\u200fc\u061cd", "atxt.exebcd"],
    ["drops what cannot be seen", "a\u200bb\ufeffc\u00add\u2060e", "abcde"],
    ["drops half a character", "a\ud83db\ude42c", "abc"]
  ]
  for (const [what, text, expected] of cases) it(what, () => assert.strictEqual(Printable.line(text), expected))

  it("cuts what is too long, and says so", () => {
    assert.strictEqual(Printable.line("abcdef", 3), "abc...")
    assert.strictEqual(Printable.line("abc", 3), "abc")
    assert.isAtMost(Printable.line("x".repeat(10_000_000)).length, 515)
    assert.strictEqual(Printable.line("🙂🙂", 3), "🙂...")
  })
})
