import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Path from "../src/internal/path.js"

describe("Path.ofTarget", () => {
  const accepted: ReadonlyArray<readonly [target: string, path: string]> = [
    ["/", "/"],
    ["/v1/models", "/v1/models"],
    ["/v1/models/", "/v1/models/"],
    ["/v1/models?a=/../b", "/v1/models"],
    ["/v1?%2e%2e", "/v1"],
    ["/a-b.c_d~e!$&'()*+,=:@f", "/a-b.c_d~e!$&'()*+,=:@f"],
    ["/caf%c3%a9", "/caf%C3%A9"],
    ["/a%20b", "/a%20b"],
    ["/a%3Fb", "/a%3Fb"],
    ["/.well-known/x", "/.well-known/x"],
    ["/...", "/..."],
    ["/a..b/c", "/a..b/c"]
  ]
  it.each(accepted)("reads %s as %s", (target, path) => {
    assert.strictEqual(Path.ofTarget(target), path)
  })

  const refused: ReadonlyArray<string> = [
    "",
    "*",
    "v1",
    "http://a/",
    "//",
    "/a//b",
    "//a",
    "/a//",
    "/.",
    "/..",
    "/./a",
    "/../a",
    "/a/.",
    "/a/..",
    "/a/./b",
    "/a/../b",
    "/%2e%2e/a",
    "/%2E/a",
    "/.%2e/a",
    "/a%2fb",
    "/a%2Fb",
    "/a%5cb",
    "/a\\b",
    "/a;b",
    "/..;/a",
    "/a%3bb",
    "/%61",
    "/%7e",
    "/%2a",
    "/%25",
    "/%252e",
    "/%00",
    "/%0a",
    "/%7f",
    "/a\u0000",
    "/a b",
    "/a\tb",
    "/a#b",
    '/a"b',
    "/a<b>",
    "/a[b]",
    "/a{b}",
    "/a^b",
    "/a|b",
    "/a`b",
    "/caf\u00e9",
    "/caf\u00c3\u00a9",
    "/%",
    "/%4",
    "/%zz",
    "/%c3",
    "/%c3/%a9",
    "/%ff",
    "/%c0%ae",
    "/%ed%a0%80",
    "/%e2%82"
  ]
  it.each(refused)("gives nothing for %j", (target) => {
    assert.isUndefined(Path.ofTarget(target))
  })

  it("gives only what every server reads as it stands", () => {
    const piece = fc.constantFrom(
      "/",
      ".",
      "..",
      "a",
      "%",
      "2e",
      "2f",
      "%2e",
      "%2F",
      "%61",
      "%c3%a9",
      ";",
      "\\",
      "*",
      "?"
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const path = Path.ofTarget(`/${pieces.join("")}`)
        if (path === undefined) return
        assert.strictEqual(Path.ofTarget(path), path)
        assert.strictEqual(new URL(path, "http://a.example").pathname, path)
        assert.strictEqual(decodeURIComponent(path).split("/").length, path.split("/").length)
      }),
      { seed: 1, numRuns: 2000 }
    )
  })

  it("reads a path as long as a header", () => {
    const long = `/${"a%c3%a9/".repeat(8000)}`
    assert.strictEqual(Path.ofTarget(long)?.length, long.length)
    assert.isUndefined(Path.ofTarget(`${long}/`))
  })
})

describe("Path.matches", () => {
  const cases: ReadonlyArray<readonly [pattern: string, path: string, matches: boolean]> = [
    ["/v1/models", "/v1/models", true],
    ["/v1/models", "/v1/models/", false],
    ["/v1/models", "/v1/model", false],
    ["/v1/models", "/V1/models", false],
    ["/v1/*", "/v1/models", true],
    ["/v1/*", "/v1/models/gpt", true],
    ["/v1/*", "/v1/", true],
    ["/v1/*", "/v1", false],
    ["/v1/*", "/v11/models", false],
    ["/*", "/", true],
    ["/*", "/a/b", true],
    ["/caf%c3%a9", "/caf%C3%A9", true]
  ]
  it.each(cases)("%s matches %s: %s", (pattern, path, expected) => {
    const parsed = Path.parsePattern(pattern)
    assert.isDefined(parsed)
    assert.strictEqual(Path.matches(parsed ?? "", path), expected)
  })

  it.each(["", "*", "v1/*", "/a*", "/a/*/b", "/*/*", "/../*", "/a?b", "/a?b/*", "/%2e/*", "//*", "/a;b"])(
    "refuses the pattern %j",
    (pattern) => {
      assert.isUndefined(Path.parsePattern(pattern))
    }
  )
})

describe("Path.stays", () => {
  const staying = [
    "/",
    "/v1/messages",
    "/v1/messages/",
    "/v1/messages?a=/../b&c=%2e%2e//",
    "/v4/projects/group%2Fproject",
    "/v1/files/a%20b%C3%A4.txt",
    "/100%25",
    "/a..b/...",
    "/v1/x;a=b"
  ]
  const leaving = [
    "",
    "v1",
    "//v1",
    "/v1//x",
    "/v1/..",
    "/v1/../x",
    "/v1/./x",
    "/v1/%2e%2e/x",
    "/v1/%2E./x",
    "/v1/%252e%252e/x",
    "/v1/%25252e%25252e/x",
    "/v1/%252525252e%252525252e/x",
    "/v1/..%2fx",
    "/v1/..%5cx",
    "/v1/a%2f..%2f..%2fx",
    "/v1/a%2f%2fx",
    "/v1\\..\\x",
    "/v1/..;/x",
    "/v1/..;a=b/x",
    "/v1/%2e%2e%3b/x",
    "/v1/%c0%ae%c0%ae/x",
    "/v1/%ef%bc%8e%ef%bc%8e/x",
    "/v1/\u00e4",
    "/v1/%00",
    "/v1/%0d%0a",
    "/v1/%250a",
    "/v1/%zz",
    "/v1/%",
    "/v1/x#y",
    "/v1/x y"
  ]
  it.each(staying)("takes %s", (target) => assert.isTrue(Path.stays(target)))
  it.each(leaving)("refuses %s", (target) => assert.isFalse(Path.stays(target)))

  it("takes nothing that leaves its base, however often a server decodes it, by the reading of a browser", () => {
    const piece = fc.constantFrom("..", ".", "/", "%2e", "%2F", "%5c", "%25", "2e", "2f", "\\", ";", "a", "%c3%a4", "?")
    let taken = 0
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const target = `/base/${pieces.join("")}`
        if (!Path.stays(target)) return
        taken += 1
        let path = target.split("?")[0] ?? ""
        for (let round = 0; round < 6; round++) {
          assert.isTrue(new URL(path, "https://a.example").pathname.startsWith("/base/"), `${target} as ${path}`)
          path = path.replace(/%[0-9A-Fa-f]{2}/g, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)))
        }
      }),
      { seed: 1, numRuns: 3000 }
    )
    assert.isAbove(taken, 300)
  })

  it("looks through a path as long as a header", () => {
    assert.isTrue(Path.stays(`/${"a%c3%a9/".repeat(8000)}`))
    assert.isFalse(Path.stays(`/${"a%c3%a9/".repeat(8000)}%2e%2e`))
  })
})
