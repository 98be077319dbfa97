import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Capabilities from "../src/Capabilities.js"
import { contract } from "../src/internal/contract.js"
import type { Definition } from "../src/internal/contractTypes.js"
import { releaseOf } from "../src/internal/releases.js"
import * as Line from "../src/Line.js"
import type { Option, Subcommand } from "../src/Subcommand.js"
import { argv } from "../src/Subcommand.js"
import * as Subcommands from "../src/Subcommands.js"

/** What no known release has; it is sent where `--help` shows it. */
const unreleased = new Set(["--egress-proxy", "--egress-interceptor"])

const definitionOf = (line: Line.Line, command: string): Definition | undefined => {
  const index = contract.dialects[line].commands[command]
  return index === undefined ? undefined : contract.definitions[index]
}

const named = (command: string): Subcommand => {
  const found = Subcommands.named(command)
  if (found === undefined) throw new Error(`no ${command}`)
  return found
}

/** Values for what a subcommand cannot do without, so that nothing else is missed first. */
const needed = ({ options, positionals }: Subcommand): Record<string, unknown> =>
  Object.fromEntries(
    [...options, ...positionals].flatMap(({ key, kind, required }) =>
      key === null || required !== true ? [] : [[key, kind === "trailing" ? ["true"] : key === "dst" ? "a:/x" : "a"]]
    )
  )

const ofLong = ({ options }: Subcommand, long: string): Option | undefined =>
  options.find((option) => option.long === long || option.negated === long)

describe("the subcommands", () => {
  it("are all that any release line has, each once", () => {
    const known = new Set(Line.lines.flatMap((line) => Object.keys(contract.dialects[line].commands)))
    const commands = Subcommands.all.map(({ command }) => command)
    assert.deepStrictEqual(commands.toSorted(), [...known].toSorted())
    assert.strictEqual(commands.length, 24)
    assert.isUndefined(Subcommands.named("machine"))
    for (const { summary } of Subcommands.all) assert.match(summary, /^[A-Z].+\.$/)
  })

  for (const line of Line.lines) {
    it(`reach every option and positional of ${line}, as what it is there`, () => {
      for (const command of Object.keys(contract.dialects[line].commands)) {
        const definition = definitionOf(line, command)
        const subcommand = named(command)
        for (const option of definition?.options ?? []) {
          const at = `${line}: ${command} ${option.long}`
          const ours = ofLong(subcommand, option.long)
          assert.isDefined(ours, at)
          assert.strictEqual(ours?.kind === "flag" || ours?.kind === "toggle", option.type === "flag", at)
          assert.strictEqual(ours?.kind === "list", option.repeatable === true, at)
          assert.include([option.long, option.short, ours?.long], ours?.written, at)
        }
        for (const { name, trailing, variadic } of definition?.positionals ?? []) {
          const at = `${line}: ${command} <${name}>`
          const ours = subcommand.positionals.find((positional) => positional.name === name)
          const asOption = subcommand.options.find((option) => option.positional === name)
          assert.isTrue(ours !== undefined || asOption !== undefined, at)
          assert.strictEqual(ours?.kind === "trailing", trailing || variadic, at)
        }
      }
    })
  }

  it("have no key that is unknown to every line, but those of options that are looked for in --help", () => {
    const versions = contract.deltas.map(({ version }) => version)
    for (const { command, options, positionals } of Subcommands.all) {
      const has = (member: string): boolean => versions.some((each) => releaseOf(each)[command]?.includes(member))
      for (const { long, negated, positional } of options) {
        assert.strictEqual(has(long), !unreleased.has(long), `${command} ${long}`)
        if (negated !== undefined) assert.isTrue(has(negated), `${command} ${negated}`)
        if (positional !== undefined) assert.isTrue(has(`<${positional}>`), `${command} <${positional}>`)
      }
      for (const { name } of positionals) assert.isTrue(has(`<${name}>`), `${command} <${name}>`)
      const keys = [...options, ...positionals].flatMap(({ key }) => key ?? [])
      assert.strictEqual(new Set(keys).size, keys.length, command)
    }
  })

  it("send without being asked only what every release with the subcommand has", () => {
    const always = Subcommands.all.flatMap(({ command, options }) =>
      options.filter(({ key }) => key === null).map(({ long }) => [command, long] as const)
    )
    assert.isNotEmpty(always)
    for (const [command, long] of always) {
      assert.strictEqual(Capabilities.neededVersion(command, long), Capabilities.neededVersion(command), command)
    }
  })

  it("leave out nothing that is of a wrong type", () => {
    const refusal = (subcommand: Subcommand, key: string, value: unknown): string => {
      // What a program without types can give.
      const built = argv(
        subcommand,
        { ...needed(subcommand), [key]: value } as never,
        Capabilities.fromVersion("1.9.3")
      )
      return Either.isLeft(built) ? `${built.left._tag} ${built.left.message}` : "accepted"
    }
    for (const subcommand of Subcommands.all) {
      for (const { key, kind, long } of subcommand.options) {
        if (key === null) continue
        for (const value of [null, {}, Symbol("x"), kind === "flag" || kind === "toggle" ? "true" : true]) {
          assert.include(refusal(subcommand, key, value), `InvalidArgument ${subcommand.command}: ${long} must`, key)
        }
      }
      for (const { key, kind, name } of subcommand.positionals) {
        for (const value of [null, {}, kind === "trailing" ? "true" : ["true"], [7]]) {
          const shown = kind === "trailing" ? "the command" : name
          assert.include(refusal(subcommand, key, value), `InvalidArgument ${subcommand.command}: ${shown} must`, key)
        }
      }
    }
  })
})
