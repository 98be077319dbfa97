import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Grammar from "../src/Grammar.js"
import * as HelpText from "../src/HelpText.js"
import { contract } from "../src/internal/contract.js"
import * as Line from "../src/Line.js"

const bare = { short: null, value: null, repeatable: false, aliases: [], possibleValues: [], default: null }

describe("HelpText", () => {
  for (const line of Line.lines) {
    it(`reads the help of every subcommand of ${line}`, () => {
      for (const [command, index] of Object.entries(contract.dialects[line].commands)) {
        const { options, positionals } = contract.definitions[index] ?? { options: [], positionals: [] }
        const help = HelpText.parse(Grammar.help(line, command) ?? "")
        assert.deepStrictEqual(
          help.options.map(({ long, short, value }) => [long, short, value]),
          options
            .filter(({ hidden }) => hidden !== true)
            .map(({ long, short, type, value }) => [long, short ?? null, type === "flag" ? null : (value ?? "VALUE")]),
          command
        )
        assert.deepStrictEqual(
          help.positionals,
          positionals.map(({ name, required, variadic }) => ({ name, required, variadic })),
          command
        )
        assert.deepStrictEqual(help.subcommands, [], command)
        assert.match(help.usage ?? "", new RegExp(`^smolvm ${command}`))
      }
    })

    it(`reads the help of every group of ${line}`, () => {
      for (const group of ["machine", "pack"]) {
        const { subcommands } = HelpText.parse(Grammar.help(line, group) ?? "")
        const known = Object.keys(contract.dialects[line].commands).filter((name) => name.startsWith(`${group} `))
        assert.deepStrictEqual(
          subcommands.map(({ name }) => `${group} ${name}`),
          known
        )
      }
    })
  }

  it("reads options beside their descriptions, wrapped ones too", () => {
    const text = `Create a machine

Usage: smolvm machine create [OPTIONS]
                             [-- <COMMAND>...]

Arguments:
  [COMMAND]...  What to run

Options:
  -n, --name <NAME>            The name of the machine, as in the list of
                               --all machines, or
                               --none
      --net-backend <BACKEND>  How [default: tsi] [possible values: tsi,
                               virtio-net]
  -v, --volume <HOST:GUEST[:ro]>...  A directory
      --colour[=<WHEN>]        When
      --verbose...             More
      --size=<MiB>             How much
  -h, --help                   Print help (see a summary with '-h')
  -V, --version                Print version

Networking:
      --allow-host <HOST>      A host [aliases: --host, --allow] [short aliases: H]
`
    const help = HelpText.parse(text)
    assert.strictEqual(help.usage, "smolvm machine create [OPTIONS] [-- <COMMAND>...]")
    assert.deepStrictEqual(help.positionals, [{ name: "COMMAND", required: false, variadic: true }])
    assert.deepStrictEqual(help.options, [
      { ...bare, long: "--name", short: "-n", value: "NAME" },
      {
        ...bare,
        long: "--net-backend",
        value: "BACKEND",
        default: "tsi",
        possibleValues: ["tsi", "virtio-net"]
      },
      { ...bare, long: "--volume", short: "-v", value: "HOST:GUEST[:ro]", repeatable: true },
      { ...bare, long: "--colour", value: "WHEN" },
      { ...bare, long: "--verbose", repeatable: true },
      { ...bare, long: "--size", value: "MiB" },
      { ...bare, long: "--allow-host", value: "HOST", aliases: ["--host", "--allow", "-H"] }
    ])
    assert.deepStrictEqual(HelpText.longs(help).slice(-3), ["--allow-host", "--host", "--allow"])
  })

  it("reads options above their descriptions, in the long form", () => {
    const text = `Usage: smolvm machine create [OPTIONS]

Options:
      --net-backend <BACKEND>
          The backend. Instead of this,
          --net is enough.

          --mount-socket goes another way

          Possible values:
          - tsi:        none
          - virtio-net: one of its own

          [default: tsi]

  -d, --detach
          Runs on

      --smolfile <PATH>
          A file
          \u0020
          [aliases: -s]

Machine source:
  -p, --port <PORT[-END]|HOST[-END]:GUEST[-END]>
          Which (see --net), so that [default: none, or the pack's]

  -h, --help
          Print help
`
    assert.deepStrictEqual(HelpText.parse(text).options, [
      {
        ...bare,
        long: "--net-backend",
        value: "BACKEND",
        default: "tsi",
        possibleValues: ["tsi", "virtio-net"]
      },
      { ...bare, long: "--detach", short: "-d" },
      { ...bare, long: "--smolfile", value: "PATH", aliases: ["-s"] },
      {
        ...bare,
        long: "--port",
        short: "-p",
        value: "PORT[-END]|HOST[-END]:GUEST[-END]",
        default: "none, or the pack's"
      }
    ])
  })

  it("reads subcommands with their aliases, and takes no description for one", () => {
    const text = `Manage machines

Usage: smolvm machine <COMMAND>

Commands:
  branch  Copies a machine [aliases: fork, split]
  rm, remove
          Removes it, and
          nothing else
  help    Print this message or the help of the given subcommand(s)

Options:
  -h, --help  Print help
`
    assert.deepStrictEqual(HelpText.parse(text).subcommands, [
      { name: "branch", aliases: ["fork", "split"] },
      { name: "rm", aliases: ["remove"] }
    ])
    assert.deepStrictEqual(HelpText.parse(text).options, [])
  })

  it("reads through colours and other line ends", () => {
    const text =
      "\u001b[1m\u001b[4mUsage:\u001b[0m \u001b[1msmolvm\u001b[0m x\r\n\r\n" +
      "\u001b[1;4mOptions:\u001b[0m\r\n" +
      "  \u001b[1m-e\u001b[0m, \u001b[1m--env\u001b[0m \u001b[36m<KEY=VALUE>\u001b[0m  A variable\r\n"
    assert.deepStrictEqual(HelpText.parse(text), {
      usage: "smolvm x",
      options: [{ ...bare, long: "--env", short: "-e", value: "KEY=VALUE" }],
      positionals: [],
      subcommands: []
    })
  })

  it("takes an option from a list of options only", () => {
    const text = `Usage: smolvm machine create [OPTIONS]

Options:
      --name <NAME>  The name
Examples:
      --egress-proxy socks5://127.0.0.1:1080
Note that
      --credential is for another day
`
    assert.deepStrictEqual(HelpText.longs(HelpText.parse(text)), ["--name"])
  })

  for (const [what, text] of [
    ["nothing", ""],
    ["an error", "error: unrecognized subcommand 'branch'\n\n  tip: see\n      --help\n"],
    ["noise", "\u0000\u001b[\n  --\n  -- x\n      --\n"]
  ] as const) {
    it(`makes nothing of ${what}`, () => {
      assert.deepStrictEqual(HelpText.parse(text), { usage: null, options: [], positionals: [], subcommands: [] })
    })
  }

  it("does not lose itself in long lines", () => {
    const lines = [
      "<".repeat(200_000),
      "[aliases: ".repeat(100_000),
      "[default: ".repeat(100_000),
      "a: ".repeat(200_000)
    ]
    const text = `Options:\n      --a ${lines.join("\n          ")}\n${" ".repeat(200_000)}\n  ${"a, ".repeat(100_000)}`
    assert.deepStrictEqual(HelpText.longs(HelpText.parse(text)), ["--a"])
  })

  const word = fc.stringMatching(/^[a-z]{1,8}$/)
  const prose = fc.array(fc.oneof(word, fc.constantFrom("--net", "-n,", "--name", "<NAME>", "Options", "...")), {
    maxLength: 30
  })
  const options = fc
    .uniqueArray(
      fc.record({
        long: fc.stringMatching(/^--[a-z][a-z-]{0,15}[a-z]$/),
        short: fc.option(fc.stringMatching(/^-[a-zA-Z]$/)),
        value: fc.option(fc.constantFrom("NAME", "KEY=VALUE", "HOST:GUEST[:ro]", "PORT[-END]|HOST:GUEST", "OS/ARCH")),
        prose
      }),
      { selector: ({ long }) => long }
    )
    .map((all) => all.filter(({ long }) => long !== "--help" && long !== "--version"))
  type Option = (typeof options extends fc.Arbitrary<infer A> ? A : never)[number]

  const head = ({ long, short, value }: Option) =>
    `  ${short === null ? "    " : `${short}, `}${long}${value === null ? "" : ` <${value}>`}`
  /** The words in lines of some width, from some column on. */
  const wrapped = (words: ReadonlyArray<string>, column: number, width: number): ReadonlyArray<string> => {
    const lines: Array<string> = []
    for (const it of words) {
      const last = lines.at(-1)
      if (last === undefined || last.length + it.length >= width) lines.push(`${" ".repeat(column)}${it}`)
      else lines[lines.length - 1] = `${last} ${it}`
    }
    return lines
  }
  /** As clap does it with short descriptions: beside the options. */
  const beside = (all: ReadonlyArray<Option>, width: number): string => {
    const column = Math.max(...all.map((option) => head(option).length)) + 2
    return all
      .flatMap((option) => {
        const [first = "", ...rest] = wrapped(option.prose, column, column + width)
        return [`${head(option).padEnd(column)}${first.trimStart()}`, ...rest]
      })
      .join("\n")
  }
  /** As clap does it with long ones: below. */
  const below = (all: ReadonlyArray<Option>, width: number): string =>
    all.map((option) => `${[head(option), ...wrapped(option.prose, 10, 10 + width)].join("\n")}\n`).join("\n")

  for (const [form, render] of [
    ["beside", beside],
    ["above", below]
  ] as const) {
    it(`finds every option that stands ${form} its description, and nothing else, at any width`, () =>
      fc.assert(
        fc.property(options, fc.integer({ min: 10, max: 100 }), (all, width) => {
          const text = `About\n\nUsage: smolvm x [OPTIONS]\n\nOptions:\n${render(all, width)}\n  -h, --help  Print help\n`
          assert.deepStrictEqual(
            HelpText.parse(text).options.map(({ long, short, value }) => ({ long, short, value })),
            all.map(({ long, short, value }) => ({ long, short, value }))
          )
        })
      ))
  }

  it("reads any text", () =>
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."-<[>]:=.,ao \n\u001b"), maxLength: 200 }), (noise) => {
        const { options } = HelpText.parse(`Options:\n${noise}`)
        assert.isTrue(options.every(({ long }) => /^--[A-Za-z0-9][\w-]*$/.test(long)))
      })
    ))
})
