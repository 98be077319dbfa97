import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import * as Capabilities from "../src/Capabilities.js"
import * as Grammar from "../src/Grammar.js"
import * as MachineCreate from "../src/MachineCreate.js"
import * as MachineCp from "../src/MachineCp.js"
import * as MachineExec from "../src/MachineExec.js"
import * as MachineName from "../src/MachineName.js"
import * as PackCreate from "../src/PackCreate.js"
import type { ArgumentError } from "../src/SmolvmError.js"
import * as Subcommand from "../src/Subcommand.js"
import * as Subcommands from "../src/Subcommands.js"
import { anyOptions } from "./fixtures/anyOptions.js"

const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom("-", "--", "-x", "--name", "--name=x", "=", "a=b", "", " ", "\0", "a\nb", "ü", "-e", "--from=x")
)
const name = fc.oneof(
  { weight: 3, arbitrary: fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,6}$/) },
  { weight: 1, arbitrary: text }
)
const pair = fc.tuple(text, text)
const path = fc.oneof({ weight: 3, arbitrary: fc.stringMatching(/^\/[a-z.-]{0,5}$/) }, { weight: 1, arbitrary: text })
const mapping = fc.record({ host: path, guest: path, readonly: fc.boolean() })
const secret = fc.record({ guest: text, host: text })
const some = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined })
const list = <A>(arbitrary: fc.Arbitrary<A>) => some(fc.array(arbitrary, { maxLength: 3 }))
const address = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom("10.0.0.0/8", "::/0", "x", "-1"))

const create: fc.Arbitrary<MachineCreate.MachineCreateOptions & { readonly name: string }> = fc.record({
  name,
  image: some(text),
  from: some(text),
  cpus: some(fc.integer({ min: -1, max: 300 })),
  memMib: some(fc.integer({ min: 0, max: 100_000 })),
  overlayGib: some(fc.integer({ min: 0, max: 100 })),
  workdir: some(text),
  volumes: list(mapping),
  net: some(fc.boolean()),
  netBackend: some(fc.constantFrom("tsi", "virtio-net")),
  allowCidrs: list(address),
  allowHosts: list(fc.oneof(fc.domain(), text)),
  mountSockets: list(mapping),
  env: list(pair),
  secretEnv: list(secret),
  labels: list(pair)
})

const exec: fc.Arbitrary<MachineExec.MachineExecOptions> = fc.record({
  name,
  command: fc.array(text, { maxLength: 4 }),
  env: list(pair),
  secretEnv: list(secret),
  workdir: some(text),
  timeoutMillis: some(fc.oneof(fc.integer({ min: -1, max: 10_000_000 }), fc.double())),
  interactive: some(fc.boolean()),
  tty: some(fc.boolean()),
  stream: some(fc.boolean()),
  detach: some(fc.boolean())
})

/**
 * Whatever the options: either a typed refusal, or an argv that the line's grammar accepts and reads back as meant.
 * Returns whether it was built.
 */
const holds = (
  line: Grammar.Line,
  built: Either.Either<ReadonlyArray<string>, ArgumentError>,
  meant: (invocation: Grammar.Invocation) => void
): boolean => {
  if (Either.isLeft(built)) {
    assert.notInclude(built.left.message, "\n")
    return false
  }
  const parsed = Grammar.parse(line, built.right)
  if (Either.isLeft(parsed)) throw new Error(`${line}: ${JSON.stringify(built.right)}: ${parsed.left.message}`)
  meant(parsed.right)
  return true
}

const plain = (value: string): boolean => value.trim() !== "" && !value.includes("\0")
const assigned = (pairs: ReadonlyArray<readonly [string, string]> | undefined) =>
  (pairs ?? []).map(([key, value]) => `${key}=${value}`)

describe("generated options", () => {
  for (const line of Grammar.lines) {
    const capabilities = Capabilities.fromVersion(line)

    it(`of machine create are refused or accepted as meant by ${line}`, () => {
      let count = 0
      const property = fc.property(create, (options) => {
        const built = holds(line, MachineCreate.argv(options, capabilities), (invocation) => {
          assert.strictEqual(invocation.command, "machine create")
          assert.deepStrictEqual(invocation.options.get("--name") ?? invocation.positionals, [options.name])
          assert.deepStrictEqual(invocation.options.get("--image")?.[0], options.image)
          assert.deepStrictEqual(invocation.options.get("--from")?.[0], options.from)
          assert.deepStrictEqual(invocation.options.get("--env") ?? [], assigned(options.env))
          assert.deepStrictEqual(invocation.options.get("--allow-cidr") ?? [], options.allowCidrs ?? [])
          assert.strictEqual(
            invocation.flags.has("--net"),
            options.net === true || (options.allowCidrs ?? []).length > 0
          )
          assert.deepStrictEqual(invocation.trailing, [])
        })
        if (built) count++
      })
      fc.assert(property, { numRuns: 400 })
      const sparse = fc.property(create, text, ({ name }, workdir) => {
        fc.pre(MachineName.isValid(name) && plain(workdir))
        if (holds(line, MachineCreate.argv({ name, workdir }, capabilities), () => {})) count++
      })
      fc.assert(sparse, { numRuns: 50 })
      assert.isAtLeast(count, 50)
    })

    it(`of machine exec are refused or accepted as meant by ${line}`, () => {
      let count = 0
      const property = fc.property(exec, (options) => {
        const built = holds(line, MachineExec.argv(options, capabilities), (invocation) => {
          assert.strictEqual(invocation.command, "machine exec")
          assert.deepStrictEqual(invocation.trailing, options.command)
          assert.deepStrictEqual(invocation.options.get("--name"), [options.name])
          assert.deepStrictEqual(invocation.options.get("--workdir")?.[0], options.workdir)
          assert.deepStrictEqual(invocation.options.get("--env") ?? [], assigned(options.env))
        })
        if (built) count++
      })
      fc.assert(property, { numRuns: 400 })
      const sparse = fc.property(exec, ({ command, name }) => {
        fc.pre(MachineName.isValid(name) && command.length > 0 && !command.some((word) => word.includes("\0")))
        if (holds(line, MachineExec.argv({ name, command }, capabilities), () => {})) count++
      })
      fc.assert(sparse, { numRuns: 50 })
      assert.isAtLeast(count, 50)
    })

    it(`of packs and copies are refused or accepted as meant by ${line}`, () => {
      fc.assert(
        fc.property(text, path, name, (source, output, machine) => {
          holds(line, PackCreate.argv({ image: source, output }, capabilities), (invocation) => {
            assert.deepStrictEqual(invocation.options.get("--image"), [source])
            assert.deepStrictEqual(invocation.options.get("--output"), [output])
          })
          holds(line, MachineCp.argv({ src: source, dst: `${machine}:${output}` }, capabilities), (invocation) => {
            assert.strictEqual(invocation.positionals.length, 2)
          })
        }),
        { numRuns: 200 }
      )
    })
  }
})

/** What a subcommand's options come to on the line, each read back by its own schema. */
const readBack = (subcommand: Subcommand.Subcommand, invocation: Grammar.Invocation): Record<string, unknown> => {
  const read: Record<string, unknown> = {}
  const positionals = [...invocation.positionals]
  for (const { key, kind, long, negated, positional, schema } of subcommand.options) {
    if (key === null) continue
    if (kind === "flag" || kind === "toggle") {
      if (invocation.flags.has(long)) read[key] = true
      if (negated !== undefined && invocation.flags.has(negated)) read[key] = false
      continue
    }
    const bare = positional !== undefined && positionals.length > 0 ? [positionals.shift() ?? ""] : undefined
    const texts = bare ?? invocation.options.get(long)
    if (texts === undefined) continue
    const values = texts.map((each) => Schema.decodeUnknownSync(schema ?? Schema.String)(each))
    read[key] = kind === "list" ? values : values[0]
  }
  for (const { key, kind, schema } of subcommand.positionals) {
    const given = positionals.shift()
    if (kind === "one" && given !== undefined) read[key] = Schema.decodeUnknownSync(schema ?? Schema.String)(given)
    if (kind === "trailing" && invocation.trailing.length > 0) read[key] = invocation.trailing
  }
  return read
}

/**
 * What was asked for: a flag that is `false` and an empty list were not. A host's path is written behind `./`, a part of a
 * millisecond as a whole one, and -0 as 0.
 */
const asked = (subcommand: Subcommand.Subcommand, options: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(
    Object.entries(options).flatMap(([key, value]) => {
      const isFlag = subcommand.options.some((option) => option.key === key && option.kind === "flag")
      if ((isFlag && value === false) || (Array.isArray(value) && value.length === 0)) return []
      const isSide = subcommand.command === "machine cp" && typeof value === "string" && value.startsWith("-")
      return [[key, isSide ? `./${value}` : typeof value === "number" ? Math.ceil(value) + 0 : value]]
    })
  )

describe("generated options of every subcommand", () => {
  for (const line of Grammar.lines) {
    const capabilities = Capabilities.fromVersion(line)

    it(`are refused or accepted as meant by ${line}`, () => {
      for (const subcommand of Subcommands.all) {
        const { command } = subcommand
        let count = 0
        const property = fc.property(
          anyOptions(subcommand, (long) => Capabilities.has(capabilities, command, long)),
          (options) => {
            // The options are made from the subcommand's own keys, of whatever type the checks must tell.
            const argv = Subcommand.argv(subcommand, options as never, capabilities)
            const built = holds(line, argv, (invocation) => {
              assert.strictEqual(invocation.command, command)
              assert.deepStrictEqual(readBack(subcommand, invocation), asked(subcommand, options))
            })
            if (built) count++
            if (!Capabilities.has(capabilities, command)) {
              assert.include(["UnsupportedCommand", "InvalidArgument"], Either.isLeft(argv) ? argv.left._tag : "")
            }
          }
        )
        fc.assert(property, { numRuns: 150 })
        assert.strictEqual(count > 10, Capabilities.has(capabilities, command), `${line}: ${command}: ${count}`)
      }
    })
  }
})
