import { assert, describe, it } from "@effect/vitest"
import * as Redact from "../src/internal/redact.js"
import { plain, tail } from "../src/internal/tail.js"

const bytes = (text: string) => new TextEncoder().encode(text)

describe("redaction", () => {
  it("takes the values of variables and the guest's arguments out of an argv", () => {
    assert.deepStrictEqual(
      Redact.argv([
        "machine",
        "exec",
        "--name",
        "a",
        "-e",
        "K=secret=x",
        "--secret-env",
        "G=H",
        "--",
        "curl",
        "-H",
        "k"
      ]),
      [
        "machine",
        "exec",
        "--name",
        "a",
        "-e",
        "K=<redacted>",
        "--secret-env",
        "G=H",
        "--",
        "curl",
        "<redacted>",
        "<redacted>"
      ]
    )
    assert.deepStrictEqual(Redact.argv(["machine", "create", "-e", "A=1", "-e", "B=", "box"]), [
      "machine",
      "create",
      "-e",
      "A=<redacted>",
      "-e",
      "B=<redacted>",
      "box"
    ])
  })

  it("takes commands in options, variables that are attached, and logins of URLs out of an argv", () => {
    const shown = (...words: ReadonlyArray<string>) => Redact.argv(words).join(" ")
    assert.strictEqual(shown("--init", "curl -H k", "-n", "a"), "--init <redacted> -n a")
    assert.strictEqual(shown("--init=-x k"), "--init=<redacted>")
    assert.strictEqual(shown("--health-cmd", "curl k"), "--health-cmd <redacted>")
    assert.strictEqual(shown("--entrypoint", "sh -c k"), "--entrypoint <redacted>")
    assert.strictEqual(shown("--env", "A=b"), "--env A=<redacted>")
    assert.strictEqual(shown("--env=A=b"), "--env=<redacted>")
    assert.strictEqual(shown("--proxy", "http://u:p@h:1/x"), "--proxy http://<redacted>@h:1/x")
    assert.strictEqual(shown("--proxy=http://u:p@h"), "--proxy=http://<redacted>@h")
    assert.strictEqual(shown("--from", "http://u:p@q@h:1/x"), "--from http://<redacted>@h:1/x")
    const plain = "machine run --proxy http://h:1/a@b --workdir=-x --image a@sha256:0 -v /a:/b"
    assert.strictEqual(shown(...plain.split(" ")), plain)
  })

  it("takes out the longer of two secrets that begin alike, and every line of one that has several", () => {
    assert.strictEqual(Redact.secrets("a abcdefgh b", ["abcd", "abcdefgh"]), "a <redacted> b")
    assert.strictEqual(Redact.secrets("x line-two-2 y", ["line-one-1\nline-two-2\nab"]), "x <redacted> y")
  })

  it("takes secrets out before lines are cut off and characters cleaned", () => {
    const key = Array.from({ length: 40 }, (_, index) => `key-material-${index}`).join("\n")
    const shown = tail(new TextEncoder().encode(`${key}\nab\tcdef\nthe end`), [key, "ab\tcdef"])
    assert.notInclude(shown, "key-material")
    assert.notInclude(shown, "cdef")
    assert.include(shown, "the end")
  })

  it("takes secrets out of a text", () => {
    assert.strictEqual(Redact.secrets("a hunter22 b hunter22", ["hunter22"]), "a <redacted> b <redacted>")
    assert.strictEqual(Redact.secrets("a b", ["", "a"]), "a b")
  })
})

describe("tail", () => {
  it("keeps the last lines, bounded", () => {
    const lines = Array.from({ length: 30 }, (_, index) => `line ${index}`).join("\n")
    assert.strictEqual(
      tail(bytes(`${lines}\n`))
        .split("\n")
        .at(-1),
      "line 29"
    )
    assert.isAtMost(tail(bytes(lines)).split("\n").length, 20)
    assert.isAtMost(tail(bytes("x".repeat(1_000_000))).length, 4_096)
    assert.strictEqual(tail(bytes("")), "")
  })

  it("shows no part of a secret that begins before what is looked at", () => {
    const secret = Array.from({ length: 1000 }, (_, index) => `${index}-`).join("")
    const shown = tail(bytes(`${secret}\n`.repeat(9)), [secret])
    assert.notInclude(shown, secret.slice(-8))
    assert.include(shown, "<redacted>\n<redacted>")
    assert.strictEqual(tail(bytes(`${secret} said`), [secret]), "<redacted> said")
  })

  it("strips terminal sequences, control characters and marks of direction", () => {
    assert.strictEqual(plain("\u001b[31mred\u001b[0m \u001b]0;title\u0007x\u0000\u0008y\u009b z\u202e"), "red xy z")
    assert.strictEqual(plain("a\r\nb\tc"), "a\nb c")
    assert.strictEqual(tail(bytes("\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\")), "link")
  })
})
