import * as Exits from "@bottle/cli/Exits"
import { bySignal, ExitStatus } from "@bottle/cli/ExitStatus"
import * as Flags from "@bottle/cli/Flags"
import * as Help from "@bottle/cli/Help"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"

const all = [Exits.common, ...Object.values(Exits.bySubcommand)].flat()

describe("Exits", () => {
  it("are what docs/reference/exit-codes.md says", async () => {
    const file = fileURLToPath(new URL("../../../docs/reference/exit-codes.md", import.meta.url))
    await expect(Exits.page()).toMatchFileSnapshot(file)
  })

  it("are codes that the program has, each of them, and of no command more than once", () => {
    const known: ReadonlySet<number> = new Set([...Object.values(ExitStatus), ...Object.values(bySignal)])
    const named = new Set(all.flatMap(({ codes }) => (codes === "own" ? [] : codes)))
    expect([...named].toSorted()).toEqual([...known].toSorted())
    for (const exits of Object.values(Exits.bySubcommand)) {
      expect(new Set(exits.map(Exits.codesOf)).size).toBe(exits.length)
    }
  })

  it("are in the help of each command", () => {
    for (const subcommand of Flags.subcommands) {
      const help = Help.render(subcommand)
      for (const exit of Exits.bySubcommand[subcommand]) {
        expect(help).toMatch(new RegExp(`^ {2}${Exits.codesOf(exit)} +${exit.meaning.slice(0, 20)}`, "m"))
      }
    }
  })
})
