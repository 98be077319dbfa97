import * as Flags from "@bottle/cli/Flags"
import * as Tail from "@bottle/cli/Tail"
import * as Words from "@bottle/cli/Words"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"

/** A line whose command of the guest's, where one is needed, is there. */
const readLine = (line: ReadonlyArray<string>) => {
  const { tail, words } = Tail.split(line)
  const isLaunch = words[0] === "run" || words[0] === "exec"
  return Words.read(words, tail ?? (isLaunch ? ["true"] : null))
}

const canonical = (...line: ReadonlyArray<string>): string => {
  const reading = Either.getOrThrow(readLine(line))
  if (reading._tag !== "Command") return reading._tag
  const flags = reading.given.flatMap(({ name, value }) => (value === null ? [`--${name}`] : [`--${name}`, value]))
  return [reading.subcommand, ...flags, ...reading.operands].join(" ")
}

const refusal = (...line: ReadonlyArray<string>): string => {
  const reading = readLine(line)
  return Either.isRight(reading) ? "(read)" : `${reading.left.message} | ${reading.left.suggestion}`
}

describe("Words.read", () => {
  const accepted: ReadonlyArray<readonly [line: ReadonlyArray<string>, canonical: string]> = [
    [["--version"], "Version"],
    [["--version", "--format", "json"], "Version"],
    [["--version", "--format=text"], "Version"],
    [["--help"], "Help"],
    [["help"], "Help"],
    [["help", "run"], "Help"],
    [["help", "policy", "check"], "Help"],
    [["-h"], "Help"],
    [["run", "--help"], "Help"],
    [["run", "--image", "--help"], "Help"],
    [["doctor", "-h"], "Help"],
    [["run"], "run"],
    [["plan", "--allow=a", "--allow", "b"], "plan --allow a --allow b"],
    [["run", "-e", "A=--x", "-e", "B"], "run --env A=--x --env B"],
    [["run", "-e", "A="], "run --env A="],
    [["run", "--env=A=B=C"], "run --env A=B=C"],
    [["run", "-it", "-q"], "run --interactive --tty --quiet"],
    [["run", "-v", "a:/b:ro", "-w", "/b"], "run --volume a:/b:ro --workdir /b"],
    [["run", "--name", "run"], "run --name run"],
    [["run", "--name", "doctor", "--no-tty"], "run --name doctor --no-tty"],
    [["run", "--bundle", "none", "--format=json"], "run --bundle none --format json"],
    [["doctor", "--format", "json", "--runtime", "local"], "doctor --format json --runtime local"],
    [["policy", "--help"], "Help"],
    [["policy", "check", "-h"], "Help"],
    [["policy", "check", "a.json"], "policy check a.json"],
    [["policy", "check", "--format=json", "a.json"], "policy check --format json a.json"],
    [["up"], "up"],
    [["up", "--name", "a", "--ttl=2h", "--idle", "30m", "-q"], "up --name a --ttl 2h --idle 30m --quiet"],
    [["up", "-i", "--", "sleep", "--help"], "up --interactive"],
    [["up", "--dry-run", "--"], "up --dry-run"],
    [["exec", "a", "-e", "B", "-it"], "exec --env B --interactive --tty a"],
    [["exec", "-w", "/x", "a", "--timeout", "1s", "--", "-x"], "exec --workdir /x --timeout 1s a"],
    [["shell", "a"], "shell a"],
    [["attach", "a", "-i"], "attach --interactive a"],
    [["cp", "a:/x", "./y"], "cp a:/x ./y"],
    [["logs", "a", "-f", "--only", "launch", "--only", "output"], "logs --follow --only launch --only output a"],
    [["ls"], "ls"],
    [["ls", "-aq"], "ls --all --quiet"],
    [["inspect", "a", "--format", "json"], "inspect --format json a"],
    [["down", "a"], "down a"],
    [["down", "a", "--format=json", "b", "c"], "down --format json a b c"],
    [["down", "--all"], "down --all"],
    [["wait", "a", "--timeout", "1s"], "wait --timeout 1s a"],
    [["commit", "a", "-o", "b"], "commit --output b a"],
    [["commit", "--force", "--output=b", "a"], "commit --force --output b a"],
    [
      ["prune", "--older", "30d", "--max-size", "5G", "--packs", "--records", "--dry-run"],
      "prune --older 30d --max-size 5G --packs --records --dry-run"
    ],
    [["cleanup", "--dry-run", "--all"], "cleanup --dry-run --all"],
    [["down", "--help"], "Help"],
    [["exec", "-h"], "Help"],
    [
      ["policy", "explain", "check", "--path", "/v1", "a.example", "--method", "GET"],
      "policy explain --path /v1 --method GET check a.example"
    ]
  ]
  for (const [line, expected] of accepted) {
    it(`reads ${line.join(" ")}`, () => assert.strictEqual(canonical(...line), expected))
  }

  const refused: ReadonlyArray<readonly [line: ReadonlyArray<string>, refusal: string]> = [
    [[], "no command was given | bottle run -- COMMAND, or bottle --help"],
    [["rum"], 'unknown command "rum" | bottle run'],
    [["curl"], 'unknown command "curl" | to run it in a bottle: bottle run -- curl ...'],
    [["--allow", "x"], "unknown flag --allow | name the command first: bottle run ..."],
    [["run", "--alow", "x"], "unknown flag --alow | --allow"],
    [["run", "--Allow", "x"], "unknown flag --Allow | --allow"],
    [["run", "--IMAGE", "x"], "unknown flag --IMAGE | --image"],
    [["run", "--memory", "1G"], "unknown flag --memory | --mem"],
    [
      ["run", "--frobnicate"],
      "unknown flag --frobnicate | bottle run --help lists the flags; the guest's own go after --"
    ],
    [["run", "-x"], "unknown flag -x | bottle run --help lists the flags; the guest's own go after --"],
    [["run", "-iz"], "unknown flag -z | bottle run --help lists the flags; the guest's own go after --"],
    [["run", "-i=z"], "unknown flag -= | bottle run --help lists the flags; the guest's own go after --"],
    [["run", "-eA=1"], "-e takes its value as the next word | -e K[=V]"],
    [["run", "--quiet=yes"], "--quiet takes no value | --quiet alone"],
    [["run", "--image"], "--image needs a value | --image REF"],
    [["run", "--image="], "--image needs a value | --image REF"],
    [["run", "--image", "--allow", "x"], "--image needs a value, and --allow follows | --image REF"],
    [["run", "-e", "-q"], "-e needs a value, and a flag follows | -e K[=V]"],
    [["run", "--cpus", "3", "--cpus", "4"], "--cpus was given twice | give --cpus once"],
    [["run", "-q", "--quiet"], "--quiet was given twice | give --quiet once"],
    [["run", "ls"], 'unexpected word "ls" before -- | the command goes after --: bottle run [flags] -- ls ...'],
    [["run", "allow"], 'unexpected word "allow" | --allow, if that is what you mean'],
    [["run", "-"], 'unexpected word "-" before -- | the command goes after --: bottle run [flags] -- - ...'],
    [["doctor", "x"], 'unexpected word "x" | bottle doctor takes flags only'],
    [
      ["policy"],
      "bottle policy needs to know what to do | bottle policy check or bottle policy explain or bottle policy watch"
    ],
    [["policy", "chekc", "x"], 'unknown command "policy chekc" | bottle policy check'],
    [
      ["policy", "run"],
      'unknown command "policy run" | bottle policy check or bottle policy explain or bottle policy watch'
    ],
    [["polcy", "check"], 'unknown command "polcy" | bottle policy'],
    [["policy check", "x"], 'unknown command "policy check" | to run it in a bottle: bottle run -- policy check ...'],
    [["policy", "check"], "bottle policy check needs FILE | bottle policy check FILE"],
    [["ps"], 'unknown command "ps" | bottle ls'],
    [["rm", "a"], 'unknown command "rm" | bottle down'],
    [["help", "rum"], 'unknown command "rum" | bottle run'],
    [["--version", "now"], 'unexpected word "now" | bottle --version, or bottle --version --format json'],
    [
      ["--version", "--format=json", "now"],
      'unexpected word "now" | bottle --version, or bottle --version --format json'
    ],
    [["--version", "--format", "jsn"], '--format does not take "jsn" | --format json'],
    [["inspct", "a"], 'unknown command "inspct" | bottle inspect'],
    [["constructor"], 'unknown command "constructor" | to run it in a bottle: bottle run -- constructor ...'],
    [["run", "-d"], "unknown flag -d | bottle up [flags] leaves a bottle running in the background"],
    [["run", "--detach"], "unknown flag --detach | bottle up [flags] leaves a bottle running in the background"],
    [["run", "--"], "no command was given to run | bottle run [flags] -- COMMAND"],
    [["run", "--", ""], "no command was given to run | bottle run [flags] -- COMMAND"],
    [["exec", "a", "--"], "no command was given to run | bottle exec NAME [flags] -- COMMAND"],
    [["exec"], "bottle exec needs NAME | bottle exec NAME -- COMMAND"],
    [
      ["exec", "a", "env"],
      'unexpected word "env" before -- | the command goes after --: bottle exec NAME [flags] -- env ...'
    ],
    [["exec", "a", "--allow", "x"], "unknown flag --allow | bottle run and bottle up have it"],
    [["exec", "a", "--cwd", "/x"], "unknown flag --cwd | --workdir"],
    [["up", "--"], "no command follows -- | leave out --, or bottle up [flags] -- COMMAND"],
    [["up", "a"], 'unexpected word "a" before -- | the command goes after --: bottle up [flags] -- a ...'],
    [["up", "-t"], "unknown flag -t | bottle run and bottle exec have it"],
    [["up", "--timeout", "1s"], "unknown flag --timeout | bottle run and bottle exec have it"],
    [["up", "--report", "x"], "unknown flag --report | bottle run has it"],
    [["up", "--ttl"], "--ttl needs a value | --ttl 2h"],
    [["shell"], "bottle shell needs NAME | bottle shell NAME"],
    [["completion"], "bottle completion needs SHELL, which is one of bash, zsh, fish | bottle completion SHELL"],
    [["shell", "a", "--", "ls"], "bottle shell runs no command of yours | leave out -- and what follows it"],
    [["shell", "a", "-t"], "unknown flag -t | bottle run and bottle exec have it"],
    [["attach"], "bottle attach needs NAME | bottle attach NAME"],
    [["attach", "a", "b"], 'unexpected word "b" | bottle attach NAME takes no other word'],
    [["cp", "a:/x"], "bottle cp needs DESTINATION | bottle cp SOURCE DESTINATION"],
    [["cp", "a", "b", "c"], 'unexpected word "c" | bottle cp SOURCE DESTINATION takes no other word'],
    [["cp", "-r", "a", "b"], "unknown flag -r | leave it out: directories are copied with all that is in them"],
    [["run", "--ttl", "2h"], "unknown flag --ttl | bottle up has it"],
    [["run", "--tti"], "unknown flag --tti | --tty"],
    [["logs"], "bottle logs needs NAME | bottle logs NAME"],
    [["logs", "a", "--only", "lanch"], '--only does not take "lanch" | --only launch'],
    [["logs", "a", "-f", "--follow"], "--follow was given twice | give --follow once"],
    [["logs", "a", "--folow"], "unknown flag --folow | --follow"],
    [["ls", "a"], 'unexpected word "a" | bottle ls takes flags only'],
    [["ls", "all"], 'unexpected word "all" | --all, if that is what you mean'],
    [["ls", "--al"], "unknown flag --al | --all"],
    [["inspect", "a", "b"], 'unexpected word "b" | bottle inspect NAME takes no other word'],
    [["inspect"], "bottle inspect needs NAME | bottle inspect NAME"],
    [["down"], "bottle down needs NAME | bottle down NAME ..., or bottle down --all"],
    [["down", "a", "--all"], "--all takes no NAME | leave out --all, or the names"],
    [["down", "a", ""], 'unexpected word "" | bottle down NAME ... takes no other word'],
    [["down", "-f", "a"], "unknown flag -f | bottle down --help lists the flags"],
    [["wait"], "bottle wait needs NAME | bottle wait NAME"],
    [["wait", "a", "--timeout="], "--timeout needs a value | --timeout 30s"],
    [["commit", "a"], "bottle commit needs --output | bottle commit NAME --output PACK"],
    [["commit", "-o", "b"], "bottle commit needs NAME | bottle commit NAME --output PACK"],
    [["commit", "a", "-o"], "-o needs a value | -o PACK"],
    [["prune", "x"], 'unexpected word "x" | bottle prune takes flags only'],
    [["prune", "--older-than", "1d"], "unknown flag --older-than | --older"],
    [["cleanup", "--dryrun"], "unknown flag --dryrun | --dry-run"],
    [["cleanup", "--", "x"], "bottle cleanup runs no command of yours | leave out -- and what follows it"],
    [["doctor", "--", "x"], "bottle doctor runs no command of yours | leave out -- and what follows it"],
    [["policy", "check", ""], 'unexpected word "" | bottle policy check FILE takes no other word'],
    [["policy", "check", "a", "b"], 'unexpected word "b" | bottle policy check FILE takes no other word'],
    [["policy", "explain", "a"], "bottle policy explain needs HOST[:PORT] | bottle policy explain FILE HOST[:PORT]"],
    [["policy", "check", "a", "--method", "GET"], "unknown flag --method | bottle policy check --help lists the flags"],
    [["doctor", "--allow", "x"], "unknown flag --allow | bottle run and bottle up have it"],
    [
      ["run", "--bundle", "docker"],
      '--bundle does not take "docker" | --bundle process or --bundle container or --bundle none'
    ],
    [["run", "--format", "jsn"], '--format does not take "jsn" | --format json'],
    [["plan", "--dry-run"], "unknown flag --dry-run | leave it out: bottle plan creates nothing"],
    [
      ["run", "--log-level", "debug"],
      "unknown flag --log-level | bottle run --help lists the flags; the guest's own go after --"
    ],
    [["run", "--wizard"], "unknown flag --wizard | bottle run --help lists the flags; the guest's own go after --"],
    [
      ["run", "--completions", "bash"],
      "unknown flag --completions | bottle run --help lists the flags; the guest's own go after --"
    ],
    [
      ["run", "a\u001b[2Jb\nc"],
      'unexpected word "ab c" before -- | the command goes after --: bottle run [flags] -- ab c ...'
    ]
  ]
  for (const [line, expected] of refused) {
    it(`refuses ${JSON.stringify(line)}`, () => assert.strictEqual(refusal(...line), expected))
  }

  it("takes a plan and a dry run without a command, and hands the command on", () => {
    for (const line of [["plan"], ["run", "--dry-run"], ["up"], ["up", "--dry-run"]]) {
      assert.isTrue(Either.isRight(Words.read(line, null)))
    }
    const { tail, words } = Tail.split(["exec", "a", "--", "ls", "--", "--all"])
    const reading = Either.getOrThrow(Words.read(words, tail))
    assert.deepStrictEqual(reading._tag === "Command" ? reading.tail : null, ["ls", "--", "--all"])
  })

  it("knows no two flags of one name, and no letter twice", () => {
    for (const subcommand of Flags.subcommands) {
      const flags: ReadonlyArray<Flags.Flag> = Flags.bySubcommand[subcommand]
      const names = flags.map((flag) => flag.name)
      const letters = flags.flatMap((flag) => (flag.short === undefined ? [] : [flag.short]))
      assert.strictEqual(new Set(names).size, names.length)
      assert.strictEqual(new Set(letters).size, letters.length)
    }
  })
})
