/**
 * The help, from the table of flags: plain text, the same on a terminal and in a pipe.
 *
 * @since 0.1.0
 */
import * as Exits from "./Exits.js"
import * as Flags from "./Flags.js"
import { VERSION } from "./Version.js"

/** A terminal is this wide until somebody makes it wider. */
const WIDTH = 80
/** Where the text begins at the latest: it goes below what is longer. */
const LEFT_MAX = 26
const INDENT = 2

/**
 * What each subcommand does, in one line.
 *
 * @since 0.1.0
 * @category constants
 */
export const summaries: Readonly<Record<Flags.Subcommand, string>> = {
  run: "Run a command in a new bottle, and take the bottle down after it",
  plan: "Print what run would do, and create nothing; the same as run --dry-run",
  up: "Launch a bottle and leave it running in the background; prints its id",
  exec: "Run a command in a bottle that is up",
  shell: "Open a shell in a bottle that is up",
  attach: "Follow the command that a bottle was launched with; Ctrl-C lets go of it",
  cp: "Copy files and directories between a bottle and this machine",
  logs: "Print what a bottle's launch, its bundle and its proxy had to say, of bottles that are down too",
  ls: "List the bottles",
  inspect: "Print all that is known of a bottle",
  down: "Take bottles down",
  wait: "Wait until a bottle is down, and exit as its command did",
  commit: "Save a bottle's disk as a pack to launch from",
  prune: "Remove packs, records and copies that are old",
  cleanup: "Remove what bottles left behind whose owner is gone",
  doctor: "Say whether this machine can run a bottle, and what is missing",
  "policy check": "Say what a policy document allows in effect, and what in it looks like a mistake",
  "policy explain": "Say which rule of a policy document decides about a host, and why",
  "policy watch": "Show what a bottle is refused as it happens, and allow it from the terminal",
  diff: "Show what was changed in a bottle's copy of a workspace",
  apply: "Take back what was changed in a bottle's copy of a workspace",
  init: "Write a manifest to begin with",
  config: "Print what the manifest says in effect, and where each value comes from",
  schema: "Print the JSON Schema of a document that bottle reads or writes",
  completion: "Print the completions for a shell"
}

const usages: Readonly<Record<Flags.Subcommand, string>> = {
  run: "bottle run [flags] -- COMMAND [ARGUMENT ...]",
  plan: "bottle plan [flags] [-- COMMAND [ARGUMENT ...]]",
  up: "bottle up [flags] [-- COMMAND [ARGUMENT ...]]",
  exec: "bottle exec NAME [flags] -- COMMAND [ARGUMENT ...]",
  shell: "bottle shell NAME [flags]",
  attach: "bottle attach NAME [flags]",
  cp: "bottle cp SOURCE DESTINATION [flags]",
  logs: "bottle logs NAME [flags]",
  ls: "bottle ls [flags]",
  inspect: "bottle inspect NAME [flags]",
  down: "bottle down NAME ... | --all",
  wait: "bottle wait NAME [flags]",
  commit: "bottle commit NAME -o PACK [flags]",
  prune: "bottle prune [flags]",
  cleanup: "bottle cleanup [flags]",
  doctor: "bottle doctor [flags]",
  "policy check": "bottle policy check FILE [flags]",
  "policy explain": "bottle policy explain FILE HOST[:PORT] [flags]",
  "policy watch": "bottle policy watch NAME [flags]",
  diff: "bottle diff NAME [flags]",
  apply: "bottle apply NAME [flags]",
  init: "bottle init [flags]",
  config: "bottle config [flags]",
  schema: "bottle schema DOCUMENT",
  completion: "bottle completion bash|zsh|fish"
}

const examples: Readonly<Record<Flags.Subcommand, ReadonlyArray<string>>> = {
  run: [
    "bottle run -- uname -a",
    "bottle run --allow api.example.com -v .:/work -w /work -- ./agent",
    "bottle run --timeout 5m --report run.json -e API_TOKEN -- ./agent"
  ],
  plan: ["bottle plan --allow example.com", "bottle plan --format json --allow example.com -- curl http://example.com"],
  up: [
    "bottle up --name agent --allow api.example.com -v .:/work",
    "bottle up --name build --ttl 2h --idle 30m -- make -C /work",
    "id=$(bottle up) && bottle exec $id -- uname -a; bottle down $id"
  ],
  exec: [
    "bottle exec agent -- ls -l /work",
    "bottle exec agent -e API_TOKEN -w /work --timeout 5m -- ./agent",
    "tar c . | bottle exec agent -i -- tar x -C /tmp"
  ],
  shell: ["bottle shell agent", "bottle shell agent -w /work"],
  attach: ["bottle attach build"],
  cp: ["bottle cp ./data agent:/data", "bottle cp agent:/data/out ./out"],
  logs: ["bottle logs agent", "bottle logs agent -f --only decisions", "bottle logs build --only output"],
  ls: ["bottle ls", "bottle ls -a --format json", "bottle ls -q"],
  inspect: ["bottle inspect agent", "bottle inspect agent --format json"],
  down: ["bottle down agent", "bottle down agent build", "bottle down --all"],
  wait: ["bottle wait build", "bottle wait build --timeout 10m"],
  commit: [
    "bottle commit agent -o agent.smolmachine",
    "bottle commit agent -o agent.pack && bottle run --from agent.pack -- ls /work"
  ],
  prune: [
    "bottle prune --dry-run --older 30d",
    "bottle prune --packs --max-size 5G",
    "bottle prune --records --older 2w"
  ],
  cleanup: ["bottle cleanup --dry-run", "bottle cleanup"],
  doctor: ["bottle doctor", "bottle doctor --format json"],
  "policy check": ["bottle policy check agent.json"],
  "policy explain": [
    "bottle policy explain agent.json api.example.com",
    "bottle policy explain agent.json mirror.example:80 --path /debian/"
  ],
  "policy watch": ["bottle policy watch agent", "bottle policy watch agent --save agent.json"],
  diff: ["bottle diff agent", "bottle diff agent --stat"],
  apply: ["bottle apply agent", "bottle apply agent --dry-run", "bottle apply agent --discard"],
  init: ["bottle init", "bottle init --manifest ./bottle.json"],
  config: ["bottle config", "bottle config --agent claude --format json"],
  schema: ["bottle schema manifest > manifest.schema.json", "bottle schema error"],
  completion: [
    "bottle completion bash > ~/.local/share/bash-completion/completions/bottle",
    'bottle completion zsh > "${fpath[1]}/_bottle"',
    "bottle completion fish > ~/.config/fish/completions/bottle.fish"
  ]
}

/** What a NAME is, where a subcommand takes one. */
const NAME_LINES = ["NAME is the bottle's id, its name, or what only one bottle's begins with."]

const CP_LINES = [
  "One side is a path in a bottle, NAME:path, where a relative one begins in the",
  "bottle's working directory; the other is one of this machine. One of this",
  "machine that has a colon in it is written with a slash before it: ./a:b."
]

/** The commands as the program's own help has them, a line each: it is read on a terminal of 80 columns. */
const groups: ReadonlyArray<readonly [title: string, rows: ReadonlyArray<readonly [command: string, text: string]>]> = [
  [
    "Launch",
    [
      ["run", "Run a command in a new bottle, then take it down"],
      ["plan", "Print what run would do, and create nothing"],
      ["up", "Launch a bottle that stays, and print its id"]
    ]
  ],
  [
    "Bottles",
    [
      ["exec", "Run a command in a bottle that is up"],
      ["shell", "Open a shell in it"],
      ["attach", "Follow the command that it was launched with"],
      ["cp", "Copy files and directories into it and out of it"],
      ["logs", "Print what its launch, bundle and proxy had to say"],
      ["ls", "List the bottles"],
      ["inspect", "Print all that is known of one"],
      ["down", "Take bottles down"],
      ["wait", "Wait until one is down, and exit as its command did"],
      ["commit", "Save its disk as a pack to launch from"]
    ]
  ],
  [
    "Workspace",
    [
      ["diff", "Show what was changed in a bottle's copy of a workspace"],
      ["apply", "Take it back"]
    ]
  ],
  ["Policy", [["policy", "check, explain or watch what a bottle may reach"]]],
  [
    "Configure",
    [
      ["init", "Write a manifest to begin with"],
      ["config", "Print what it says in effect, and where that comes from"]
    ]
  ],
  [
    "Program",
    [
      ["doctor", "Say whether a bottle can run here, and what is missing"],
      ["prune", "Remove packs, records and copies that are old"],
      ["cleanup", "Remove what bottles left behind whose owner is gone"],
      ["schema", "Print the JSON Schema of a document"],
      ["completion", "Print the completions for a shell"]
    ]
  ]
]

const TITLE_CHARS = Math.max(...groups.map(([title]) => title.length)) + INDENT
const COMMAND_CHARS = Math.max(...groups.flatMap(([, rows]) => rows.map(([command]) => command.length))) + INDENT

const ofProgram = (): string =>
  [
    `bottle ${VERSION}: runs a command in a machine that reaches only what you allow`,
    "",
    ...groups.flatMap(([title, rows]) =>
      rows.map(
        ([command, text], at) => `${(at === 0 ? title : "").padEnd(TITLE_CHARS)}${command.padEnd(COMMAND_CHARS)}${text}`
      )
    ),
    "",
    "Try: bottle run -- uname -a",
    "bottle COMMAND --help has the flags and exit codes of a command, and examples."
  ].join("\n")

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
  const left = Math.min(LEFT_MAX, Math.max(...rows.map(([text]) => text.length)) + 2 * INDENT)
  return rows.flatMap(([name, text]) => {
    const isLong = name.length + 2 * INDENT > left
    const lines = wrap(text, WIDTH - left)
    return (isLong ? ["", ...lines] : lines).map((line, index) =>
      `${index === 0 ? `${" ".repeat(INDENT)}${name}`.padEnd(left) : " ".repeat(left)}${line}`.trimEnd()
    )
  })
}

const flagText = (flag: Flags.Flag): string => {
  const short = flag.short === undefined ? "    " : `-${flag.short}, `
  return `${short}--${flag.name}${flag.value === undefined ? "" : ` ${flag.value}`}`
}

const section = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> => ["", `${title}:`, ...lines]

const indented = (lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.map((line) => `${" ".repeat(INDENT)}${line}`)

const ofGroup = (group: string): string => {
  const names = Flags.subcommands.filter((name) => name.startsWith(`${group} `))
  return [
    `bottle ${group} does one of these.`,
    ...section("Commands", columns(names.map((name) => [name, summaries[name]]))),
    ...section("Usage", indented(names.map((name) => usages[name]))),
    "",
    `bottle ${group} COMMAND --help has the flags of one, and examples.`
  ].join("\n")
}

/**
 * The help of the program, of one of its subcommands, or of those whose first word is `group`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const render = (subcommand: Flags.Subcommand | null, group?: string): string => {
  if (subcommand === null) return group === undefined ? ofProgram() : ofGroup(group)
  const flags = Flags.bySubcommand[subcommand].map(
    (flag: Flags.Flag) =>
      [flagText(flag), flag.repeated === true ? `${flag.description}. May be repeated` : flag.description] as const
  )
  const operands = Flags.operands[subcommand]
  const exits = [...Exits.bySubcommand[subcommand], ...Exits.common.slice(0, 1)].map(
    (exit) => [Exits.codesOf(exit), exit.meaning] as const
  )
  return [
    ...wrap(`${summaries[subcommand]}.`, WIDTH),
    ...section("Usage", indented([usages[subcommand]])),
    ...(operands.some(({ name }) => name === "NAME") ? ["", ...NAME_LINES] : []),
    ...(subcommand === "cp" ? ["", ...CP_LINES] : []),
    ...(subcommand === "schema" ? ["", ...wrap(`DOCUMENT is one of ${Flags.documents.join(", ")}.`, WIDTH)] : []),
    ...section("Flags", columns(flags)),
    ...section("Examples", indented(examples[subcommand])),
    ...section("Exit codes", columns(exits))
  ].join("\n")
}
