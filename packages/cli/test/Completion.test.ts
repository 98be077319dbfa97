import * as Bash from "@bottle/cli/completions/Bash"
import * as Fish from "@bottle/cli/completions/Fish"
import * as Zsh from "@bottle/cli/completions/Zsh"
import * as Flags from "@bottle/cli/Flags"
import * as Help from "@bottle/cli/Help"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const has = (program: string): boolean => spawnSync(program, ["-c", "exit 0"]).status === 0

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

let directory = ""

// What it lists may be anything: whoever wrote it may be somebody else than who presses TAB.
const program = `#!/bin/sh
printf '%s ' "$@" >>"$0.asked"
case $2 in
  bottles) printf '%s\\n' agent agent-1a2b3 build-4c5d6 '$(touch pwned)' 'a b' '\`touch pwned\`' 'agent;touch pwned' '-rf' "agent'" ;;
  records) printf '%s\\n' agent-1a2b3 old-7e8f9 ;;
  manifest-bottles) printf '%s\\n' tools ;;
  manifest-agents) printf '%s\\n' claude codex ;;
esac
echo noise >&2
`

beforeAll(() => {
  directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "bottle-completion-"))
  Fs.writeFileSync(Path.join(directory, "bottle"), program, { mode: 0o755 })
  Fs.writeFileSync(Path.join(directory, "bottle.bash"), Bash.script())
  Fs.writeFileSync(Path.join(directory, "policy.json"), "{}")
  Fs.writeFileSync(Path.join(directory, "policy two.json"), "{}")
  Fs.mkdirSync(Path.join(directory, "project"))
})

afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))

/** What bash offers for lines as readline splits them; the last word is the one that is being written. */
const offered = (lines: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<ReadonlyArray<string>> => {
  const driver = [
    "set -u",
    "source ./bottle.bash",
    ...lines.map((words) =>
      [
        `COMP_WORDS=(${words.map(quoted).join(" ")})`,
        `COMP_CWORD=${words.length - 1}`,
        "COMPREPLY=()",
        '_bottle bottle "" ""',
        `printf '%s\\0' "\${COMPREPLY[@]+"\${COMPREPLY[@]}"}"`,
        "printf '\\1'"
      ].join("\n")
    )
  ].join("\n")
  const env = { PATH: `${directory}:${process.env["PATH"] ?? ""}`, MY_TOKEN: "x" }
  const { status, stderr, stdout } = spawnSync("bash", ["--noprofile", "--norc"], {
    cwd: directory,
    env,
    input: driver,
    encoding: "utf8"
  })
  expect(stderr).toBe("")
  expect(status).toBe(0)
  return stdout
    .split("\u0001")
    .slice(0, -1)
    .map((words) => words.split("\0").filter((word) => word !== ""))
}

const cases: ReadonlyArray<readonly [line: string, offered: ReadonlyArray<string>]> = [
  ["bottle ru", ["run"]],
  ["bottle po", ["policy"]],
  ["bottle policy ", ["check", "explain", "watch"]],
  ["bottle policy w", ["watch"]],
  ["bottle policy watch ag", ["agent", "agent-1a2b3"]],
  ["bottle policy watch --save p", ["policy two.json", "policy.json", "project"]],
  ["bottle help policy ch", ["check"]],
  ["bottle run --im", ["--image"]],
  ["bottle run --bundle ", ["container", "none", "process"]],
  ["bottle run --format = j", ["json"]],
  ["bottle run --format =", ["json", "text"]],
  ["bottle run --workspace p", ["project"]],
  ["bottle run --workspace project : r", []],
  ["bottle run -v p", ["project"]],
  ["bottle run -e MY_T", ["MY_TOKEN"]],
  ["bottle run -e A = b --top", ["--topology"]],
  ["bottle run --runtime l", ["local"]],
  ["bottle run --runtime ./pro", ["./project"]],
  ["bottle run --agent c", ["claude", "codex"]],
  ["bottle run --bottle ", ["tools"]],
  ["bottle run --policy policy.", ["policy.json"]],
  ["bottle run --image alpine -- ./pro", ["./project"]],
  ["bottle run -- ls --im", []],
  ["bottle run -- ls policy.", ["policy.json"]],
  ["bottle run pol", []],
  ["bottle down ", ["agent", "agent-1a2b3", "build-4c5d6"]],
  ["bottle down agent bu", ["build-4c5d6"]],
  ["bottle down -- a", []],
  ["bottle exec a", ["agent", "agent-1a2b3"]],
  ["bottle exec agent a", []],
  ["bottle exec agent --ti", ["--timeout"]],
  ["bottle logs old", ["old-7e8f9"]],
  ["bottle logs agent --only d", ["decisions"]],
  ["bottle cp bu", ["build-4c5d6:"]],
  ["bottle cp ./pol", ["./policy two.json", "./policy.json"]],
  ["bottle cp pol", ["policy two.json", "policy.json"]],
  ["bottle cp agent : /e", []],
  ["bottle cp policy.json bu", ["build-4c5d6:"]],
  ["bottle commit agent -o proj", ["project"]],
  ["bottle schema ma", ["manifest"]],
  ["bottle completion z", ["zsh"]],
  ["bottle nonsense ", []],
  ["bottle ls --", ["--all", "--format", "--help", "--quiet"]]
]

describe.skipIf(!has("bash"))(`the completions for bash${has("bash") ? "" : " (no bash here)"}`, () => {
  it("offer what stands in the table, names of bottles, and files", () => {
    const found = offered(cases.map(([line]) => line.split(" ")))
    expect(cases.map(([line], at) => [line, [...new Set(found[at])].toSorted()])).toEqual(cases)
  })

  it("offer each flag of each command", () => {
    const found = offered(Flags.subcommands.map((name) => ["bottle", ...name.split(" "), "--"]))
    expect(found.map((words) => words.filter((word) => word !== "--"))).toEqual(
      Flags.subcommands.map((name) => [...Flags.bySubcommand[name].map((flag) => `--${flag.name}`), "--help"])
    )
  })

  it("expand nothing of what was written, nor of what the program lists", () => {
    const words = ["$(touch pwned)", "`touch pwned`", "'; touch pwned; '", "*", '"']
    const lines = words.flatMap((word) => [
      ["bottle", word],
      ["bottle", word, ""],
      ["bottle", "down", word],
      ["bottle", "run", "--policy", word],
      ["bottle", "run", word, "--", word]
    ])
    expect(offered([...lines, ["bottle", "down", "age"]]).at(-1)).toEqual(["agent", "agent-1a2b3"])
    expect(Fs.existsSync(Path.join(directory, "pwned"))).toBe(false)
  })
})

/** What zsh is told to offer for lines; what would offer it is replaced by what says so. */
const told = (lines: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const driver = [
    "compadd() { local -a all; [[ $1 == -S ]] && shift 2; if [[ $1 == -a ]]; then all=(${(P)2}); else shift; all=($@); fi; print -r -- words $all }",
    "_describe() { local -a all; all=(${(P)4}); print -r -- words ${all%%:*} }",
    "_files() { print -r -- files $@ }",
    "_command_names() { print -r -- commands }",
    "compset() { PREFIX=${PREFIX#*=} }",
    "_call_program() { shift; eval $1 }",
    ...lines.map((words) =>
      [
        `words=(${words.map(quoted).join(" ")})`,
        "CURRENT=$#words PREFIX=$words[-1]",
        "source ./_bottle",
        "print -- ="
      ].join("\n")
    )
  ].join("\n")
  Fs.writeFileSync(Path.join(directory, "driver.zsh"), driver)
  const env = { PATH: `${directory}:${process.env["PATH"] ?? ""}` }
  const { stderr, stdout } = spawnSync("zsh", ["-f", "driver.zsh"], { cwd: directory, env, encoding: "utf8" })
  expect(stderr).toBe("")
  return stdout.split("\n=\n").slice(0, -1)
}

describe.skipIf(!has("zsh"))(`the completions for zsh${has("zsh") ? "" : " (no zsh here to read them)"}`, () => {
  it("offer what stands in the table, names of bottles, and files", () => {
    Fs.writeFileSync(Path.join(directory, "_bottle"), Zsh.script(Help.summaries))
    const lines: ReadonlyArray<readonly [string, string]> = [
      ["bottle policy ", "words check explain watch"],
      ["bottle run --bundle ", "words process container none"],
      ["bottle run --format=", "words text json"],
      ["bottle run --policy ", "files"],
      ["bottle run --workspace ", "files -/"],
      ["bottle run --agent ", "words claude codex"],
      ["bottle run -- ", "commands"],
      ["bottle run -- ls ", "files"],
      ["bottle ls --", "words --all --quiet --format --help"],
      ["bottle logs ", "words agent-1a2b3 old-7e8f9"],
      ["bottle schema --format json ", `words ${Flags.documents.join(" ")}`]
    ]
    expect(told(lines.map(([line]) => line.split(" ")))).toEqual(lines.map(([, words]) => words))
  })
})

describe.skipIf(!has("fish"))(`the completions for fish${has("fish") ? "" : " (no fish here to read them)"}`, () => {
  it("offer what stands in the table, and names of bottles", () => {
    const lines: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
      ["bottle ru", ["run"]],
      ["bottle policy w", ["watch"]],
      ["bottle run --bundle co", ["container"]],
      ["bottle logs o", ["old-7e8f9"]],
      ["bottle logs agent o", []],
      ["bottle down agent bu", ["build-4c5d6"]],
      ["bottle cp bui", ["build-4c5d6:"]],
      ["bottle run --im", ["--image"]]
    ]
    const asked = lines.map(([line]) => `complete -C ${quoted(line)}\necho =`)
    Fs.writeFileSync(Path.join(directory, "driver.fish"), [Fish.script(Help.summaries), ...asked].join("\n"))
    const env = { PATH: `${directory}:${process.env["PATH"] ?? ""}`, HOME: directory }
    const { status, stderr, stdout } = spawnSync("fish", ["--no-config", "driver.fish"], {
      cwd: directory,
      env,
      encoding: "utf8"
    })
    expect([status, stderr]).toEqual([0, ""])
    const found = stdout.split("=\n").slice(0, -1)
    expect(found.map((text) => text.split("\n").flatMap((line) => (line === "" ? [] : line.split("\t")[0])))).toEqual(
      lines.map(([, words]) => words)
    )
  })
})

describe("the completions", () => {
  it("name every command, and every flag, in each shell", () => {
    for (const script of [Bash.script(), Zsh.script(Help.summaries), Fish.script(Help.summaries)]) {
      for (const name of Flags.subcommands) {
        for (const word of name.split(" ")) expect(script).toContain(word)
        for (const flag of Flags.bySubcommand[name]) expect(script).toContain(flag.name)
      }
    }
  })
})
