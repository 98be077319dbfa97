import * as DiffText from "@bottle/cli/DiffText"
import type { Change, Side } from "@bottle/engine/Workspace"
import { assert, describe, it } from "@effect/vitest"

const file = (mode = 0o644, size = 4): Side => ({ kind: "file", mode, size, target: null })

const change = (more: Partial<Change> = {}): Change => ({
  path: "a.txt",
  kind: "modified",
  before: file(),
  after: file(),
  here: "as-before",
  refused: null,
  guarded: null,
  acting: null,
  ...more
})

const contents = (text: string | Uint8Array, cut = false) => ({
  bytes: typeof text === "string" ? Buffer.from(text) : text,
  cut
})

describe("compare", () => {
  it("tells lines from what is no text, and from what is too large", () => {
    const lines = DiffText.compare(contents("one\ntwo\n"), contents("one\nthree"))
    assert.deepStrictEqual(lines, {
      _tag: "Lines",
      lines: ["@@ -1,2 +1,2 @@", " one", "-two", "+three", "\\ No newline at end of file"],
      added: 1,
      removed: 1,
      cut: 0
    })
    assert.deepStrictEqual(DiffText.compare(contents("a"), contents("a\0b")), { _tag: "Binary" })
    assert.deepStrictEqual(DiffText.compare(null, contents(Buffer.from([0xff, 0xfe]))), { _tag: "Binary" })
    assert.deepStrictEqual(DiffText.compare(null, contents("a", true)), { _tag: "Large" })
  })

  it("shows no more lines than are looked at, and counts all", () => {
    const many = DiffText.compare(null, contents("x\n".repeat(3000)))
    assert.strictEqual(many._tag === "Lines" ? many.lines.length : 0, 2000)
    assert.strictEqual(many._tag === "Lines" ? many.added : 0, 3000)
    assert.strictEqual(many._tag === "Lines" ? many.cut : 0, 1001)
    const few = DiffText.compare(null, contents("x\n"))
    assert.deepStrictEqual(few._tag === "Lines" ? few.lines : [], ["@@ -0,0 +1,1 @@", "+x"])
  })

  it("leaves nothing in a line that steers a terminal, and tabs as they are", () => {
    const shown = DiffText.compare(null, contents("\tplain\n\u001b[2J\u202ereversed\r\n"))
    assert.deepStrictEqual(shown._tag === "Lines" ? shown.lines : [], [
      "@@ -0,0 +1,2 @@",
      "+\tplain",
      "+\\u{1b}[2J\\u{202e}reversed\\u{d}"
    ])
  })
})

describe("visible", () => {
  it("shows what has no ink, and leaves letters of every script and pictures as they are", () => {
    for (const hidden of [
      "\u034f",
      "\u17b4",
      "\u17b5",
      "\u2800",
      "\u200b",
      "\u3164",
      "\u{e0100}",
      "\u{e01ef}",
      "\u{e0041}"
    ]) {
      assert.strictEqual(DiffText.visible(`a${hidden}b`), `a\\u{${hidden.codePointAt(0)?.toString(16)}}b`)
    }
    const plain = "Ünï 漢字 \u0e44\u0e17\u0e22 e\u0301 \u2764\ufe0f"
    assert.strictEqual(DiffText.visible(plain), plain)
  })
})

describe("render", () => {
  it("writes a change as git does, with what there is to say of it", () => {
    const difference = DiffText.compare(contents("1\n"), contents("2\n"))
    assert.deepStrictEqual(DiffText.render(change({ after: file(0o755), acting: "it acts" }), difference), [
      "diff --git a/a.txt b/a.txt",
      "# mind that it acts",
      "old mode 100644",
      "new mode 100755",
      "--- a/a.txt",
      "+++ b/a.txt",
      "@@ -1,1 +1,1 @@",
      "-1",
      "+2"
    ])
    const gone = change({ kind: "deleted", after: null, here: "changed" })
    assert.deepStrictEqual(DiffText.render(gone, { _tag: "Binary" }), [
      "diff --git a/a.txt b/a.txt",
      "# changed here too, since the copy was made",
      "deleted file mode 100644",
      "Binary files differ: 4 bytes to nothing"
    ])
    const link = { kind: "link", mode: null, size: null, target: "x\u0007" } as const
    assert.deepStrictEqual(DiffText.render(change({ path: "l", kind: "added", before: null, after: link }), null), [
      "diff --git a/l b/l",
      "new file mode 120000",
      "+x\\u{7}"
    ])
  })

  it("puts a name in quotes that could be taken for something else", () => {
    assert.strictEqual(DiffText.nameOf("plain name"), "plain name")
    assert.strictEqual(DiffText.nameOf("a\nb"), '"a\\u{a}b"')
    assert.strictEqual(DiffText.nameOf('a"b'), '"a\\"b"')
  })

  it("says in a table what is never taken, and what is only with force", () => {
    const never = change({ refused: "it is a named pipe", after: null, guarded: "x" })
    assert.deepStrictEqual(DiffText.statOf(never, null), ["M", "file", "a.txt  (never taken: it is a named pipe)"])
    const forced = change({ guarded: "git runs it" })
    assert.deepStrictEqual(DiffText.statOf(forced, { _tag: "Large" }), [
      "M",
      "large",
      "a.txt  (taken only with --force: git runs it)"
    ])
  })
})
