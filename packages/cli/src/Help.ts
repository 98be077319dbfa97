/**
 * The help, from the table of flags: plain text, the same on a terminal and in a pipe.
 *
 * @since 0.1.0
 */
import * as Flags from "./Flags.js"
import { VERSION } from "./Version.js"

const WIDTH = 100
const INDENT = 2

const summaries: Readonly<Record<Flags.Subcommand, string>> = {
  run: "Run a command in a new bottle, and take the bottle down after it",
  plan: "Print what run would do, and create nothing; the same as run --dry-run",
  doctor: "Say whether this machine can run a bottle, and what is missing",
  "policy check": "Say what a policy document allows in effect, and what in it looks like a mistake",
  "policy explain": "Say which rule of a policy document decides about a host, and why"
}

const usages: Readonly<Record<Flags.Subcommand, string>> = {
  run: "bottle run [flags] -- COMMAND [ARGUMENT ...]",
  plan: "bottle plan [flags] [-- COMMAND [ARGUMENT ...]]",
  doctor: "bottle doctor [flags]",
  "policy check": "bottle policy check FILE [flags]",
  "policy explain": "bottle policy explain FILE HOST[:PORT] [flags]"
}

const examples: Readonly<Record<Flags.Subcommand, ReadonlyArray<string>>> = {
  run: [
    "bottle run -- uname -a",
    "bottle run --allow api.example.com -v .:/work -w /work -- ./agent",
    "bottle run --timeout 5m --report run.json -e API_TOKEN -- ./agent"
  ],
  plan: ["bottle plan --allow example.com", "bottle plan --format json --allow example.com -- curl http://example.com"],
  doctor: ["bottle doctor", "bottle doctor --format json"],
  "policy check": ["bottle policy check agent.json"],
  "policy explain": [
    "bottle policy explain agent.json api.example.com",
    "bottle policy explain agent.json mirror.example:80 --method GET --path /debian/dists/"
  ]
}

const exits: ReadonlyArray<readonly [string, string]> = [
  ["0-255", "the command's own"],
  ["2", "the command line says nothing that can be done"],
  ["124", "the command took longer than --timeout"],
  ["125", "the launch failed, or the bottle did"],
  ["129, 130, 143", "ended by SIGHUP, SIGINT, SIGTERM, after everything was taken down"]
]

const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, line]
}

const columns = (rows: ReadonlyArray<readonly [left: string, right: string]>): ReadonlyArray<string> => {
  const left = Math.max(...rows.map(([text]) => text.length)) + 2 * INDENT
  return rows.flatMap(([name, text]) =>
    wrap(text, WIDTH - left).map((line, index) =>
      `${index === 0 ? `${" ".repeat(INDENT)}${name}`.padEnd(left) : " ".repeat(left)}${line}`.trimEnd()
    )
  )
}

const flagText = (flag: Flags.Flag): string => {
  const short = flag.short === undefined ? "    " : `-${flag.short}, `
  return `${short}--${flag.name}${flag.value === undefined ? "" : ` ${flag.value}`}`
}

const section = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> => ["", `${title}:`, ...lines]

const indented = (lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.map((line) => `${" ".repeat(INDENT)}${line}`)

/**
 * The help of the program, or of one of its subcommands.
 *
 * @since 0.1.0
 * @category conversions
 */
export const render = (subcommand: Flags.Subcommand | null): string => {
  if (subcommand === null) {
    return [
      `bottle ${VERSION}: runs a command in a disposable machine that reaches only what you allow`,
      ...section("Usage", indented(Object.values(usages))),
      ...section("Commands", columns(Flags.subcommands.map((name) => [name, summaries[name]]))),
      ...section(
        "Flags",
        columns([
          ["--help", "Of the program, or of a command"],
          ["--version", "Of the program"]
        ])
      ),
      "",
      "bottle run --help has the flags of a launch."
    ].join("\n")
  }
  const flags = Flags.bySubcommand[subcommand].map(
    (flag: Flags.Flag) =>
      [flagText(flag), flag.repeated === true ? `${flag.description}. May be repeated` : flag.description] as const
  )
  return [
    `${summaries[subcommand]}.`,
    ...section("Usage", indented([usages[subcommand]])),
    ...section("Flags", columns(flags)),
    ...section("Examples", indented(examples[subcommand])),
    ...(subcommand === "run" ? section("Exit codes", columns(exits)) : [])
  ].join("\n")
}
