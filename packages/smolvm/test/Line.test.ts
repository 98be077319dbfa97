import { assert, describe, it } from "@effect/vitest"
import * as Line from "../src/Line.js"

describe("Line", () => {
  it("compares versions by number, not by text", () => {
    assert.isBelow(Line.compare("1.9.3", "1.10.0"), 0)
    assert.isAbove(Line.compare("1.0.0", "0.9.9"), 0)
    assert.strictEqual(Line.compare("v1.2.3-rc1", "1.2.3"), 0)
    assert.isBelow(Line.compare("nonsense", "0.0.1"), 0)
  })

  it("gives a version the line whose grammar it has", () => {
    const expected: ReadonlyArray<readonly [string, Line.Line]> = [
      ["0.7.2", "0.8.0"],
      ["0.8.0", "0.8.0"],
      ["0.8.1", "0.8.0"],
      ["0.8.2", "0.8.2"],
      ["0.9.0", "0.9.0"],
      ["1.0.0", "0.9.0"],
      ["1.0.1", "0.9.0"],
      ["1.0.2", "1.0.4"],
      ["1.0.4", "1.0.4"],
      ["1.1.0", "1.1.0"],
      ["1.1.3", "1.1.0"],
      ["1.4.0", "1.1.0"],
      ["1.5.0", "1.5.2"],
      ["1.8.3", "1.5.2"],
      ["1.9.0", "1.9.3"],
      ["1.9.3", "1.9.3"],
      ["2.0.0", "1.9.3"]
    ]
    for (const [version, line] of expected) assert.strictEqual(Line.ofVersion(version), line, version)
    for (const line of Line.lines) assert.strictEqual(Line.ofVersion(line), line)
  })
})
