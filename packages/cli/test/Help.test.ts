import * as Flags from "@bottle/cli/Flags"
import * as Help from "@bottle/cli/Help"
import * as Tail from "@bottle/cli/Tail"
import * as Words from "@bottle/cli/Words"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Fs from "node:fs"

const page = Fs.readFileSync(new URL("../../../docs/reference/cli.md", import.meta.url), "utf8")

describe("Help.render", () => {
  for (const subcommand of [null, ...Flags.subcommands]) {
    it(`is plain lines that fit, for ${subcommand ?? "the program"}`, () => {
      for (const line of Help.render(subcommand).split("\n")) {
        assert.match(line, /^[\x20-\x7e]*$/)
        assert.isAtMost(line.length, 80)
      }
    })
  }

  it("has every command on the first page, which fits a terminal", () => {
    const lines = Help.render(null).split("\n")
    assert.isAtMost(lines.length, 32)
    for (const line of lines) assert.isAtMost(line.length, 80)
    for (const subcommand of Flags.subcommands) {
      const [first = "", second = ""] = subcommand.split(" ")
      assert.isTrue(
        lines.some((line) => line.includes(` ${first} `) && line.includes(second)),
        subcommand
      )
    }
  })

  it("has examples that can be read, for every command", () => {
    for (const subcommand of Flags.subcommands) {
      const [, rest = ""] = Help.render(subcommand).split("\nExamples:\n")
      const examples = rest.split("\n\n")[0]?.split("\n") ?? []
      assert.isNotEmpty(examples)
      const lines = examples.flatMap((line) => line.split(/ && |; | \| |\$\(|\)| > | >> /)).map((line) => line.trim())
      const ours = lines.filter((line) => line.startsWith("bottle "))
      assert.isTrue(ours.some((line) => line.startsWith(`bottle ${subcommand}`)))
      for (const line of ours) {
        const { tail, words } = Tail.split(line.split(" ").slice(1))
        assert.isTrue(Either.isRight(Words.read(words, tail)), line)
      }
    }
  })

  it("has the commands of a group", () => {
    const help = Help.render(null, "policy")
    for (const name of ["policy check", "policy explain", "policy watch"]) assert.include(help, `  ${name} `)
    assert.notInclude(help, "bottle run")
  })

  it("has every flag, and so has the page in docs/reference", () => {
    for (const subcommand of Flags.subcommands) {
      for (const flag of Flags.bySubcommand[subcommand]) {
        assert.include(Help.render(subcommand), `--${flag.name}`)
        assert.include(page, `--${flag.name}`)
      }
    }
  })
})
