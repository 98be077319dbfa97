import { assert, describe, it } from "@effect/vitest"
import { contract } from "../src/internal/contract.js"
import { firstVersion, optionsOf, releaseOf } from "../src/internal/releases.js"
import * as Line from "../src/Line.js"

const options = (version: string, command: string) => optionsOf(version)[command] ?? []
const members = (version: string, command: string) => releaseOf(version)[command] ?? []

describe("what a version has", () => {
  for (const line of Line.lines) {
    it(`is at ${line} what its grammar says`, () => {
      const release = releaseOf(line)
      const { commands } = contract.dialects[line]
      assert.deepStrictEqual(Object.keys(release).toSorted(), Object.keys(commands).toSorted())
      for (const [command, index] of Object.entries(commands)) {
        const { options, positionals } = contract.definitions[index] ?? { options: [], positionals: [] }
        const declared = [...options.map(({ long }) => long), ...positionals.map(({ name }) => `<${name}>`)]
        assert.deepStrictEqual(release[command]?.toSorted(), declared.toSorted(), `${line}: ${command}`)
      }
    })
  }

  it("is right between the lines", () => {
    assert.notInclude(options("1.2.4", "machine create"), "--dns")
    assert.include(options("1.2.5", "machine create"), "--dns")
    assert.notInclude(options("1.0.1", "machine create"), "--name")
    assert.include(options("1.0.2", "machine create"), "--name")
    assert.isUndefined(optionsOf("0.9.0")["machine fork"])
    assert.deepStrictEqual(options("1.0.0", "machine fork"), ["--forkable", "--port"])
    assert.include(members("1.0.0", "machine fork"), "<CLONE>")
    assert.deepStrictEqual(optionsOf("99.0.0"), optionsOf("1.9.3"))
    assert.deepStrictEqual(optionsOf("0.1.0"), optionsOf("0.8.0-rc1"))
    assert.notProperty(optionsOf("0.9.0"), "secret set")
  })

  it("is known since its first version", () => {
    assert.strictEqual(firstVersion("machine create", "--label"), "1.8.0")
    assert.strictEqual(firstVersion("machine create", "--name"), "1.0.2")
    assert.strictEqual(firstVersion("machine create", "<COMMAND>"), "1.0.0")
    assert.strictEqual(firstVersion("machine fork"), "1.0.0")
    assert.strictEqual(firstVersion("machine egress-events"), "1.8.1")
    assert.strictEqual(firstVersion("machine create", "--image"), "0.8.0")
    assert.isNull(firstVersion("machine create", "<NAME>"))
    assert.isNull(firstVersion("machine create", "--egress-proxy"))
    assert.isNull(firstVersion("machine branch"))
  })
})
