import * as Flags from "@bottle/cli/Flags"
import * as Words from "@bottle/cli/Words"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"

const canonical = (...line: ReadonlyArray<string>): string => {
  const reading = Either.getOrThrow(Words.read(line))
  if (reading._tag !== "Command") return reading._tag
  const flags = reading.given.flatMap(({ name, value }) => (value === null ? [`--${name}`] : [`--${name}`, value]))
  return [reading.subcommand, ...flags, ...reading.operands].join(" ")
}

const refusal = (...line: ReadonlyArray<string>): string => {
  const reading = Words.read(line)
  return Either.isRight(reading) ? "(read)" : `${reading.left.message} | ${reading.left.suggestion}`
}

describe("Words.read", () => {
  const accepted: ReadonlyArray<readonly [line: ReadonlyArray<string>, canonical: string]> = [
    [["--version"], "Version"],
    [["--help"], "Help"],
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
    [["policy"], "bottle policy needs to know what to do | bottle policy check or bottle policy explain"],
    [["policy", "chekc", "x"], 'unknown command "policy chekc" | bottle policy check'],
    [["policy", "run"], 'unknown command "policy run" | bottle policy check or bottle policy explain'],
    [["polcy", "check"], 'unknown command "polcy" | bottle policy'],
    [["policy check", "x"], 'unknown command "policy check" | to run it in a bottle: bottle run -- policy check ...'],
    [["policy", "check"], "bottle policy check needs FILE | bottle policy check FILE"],
    [["policy", "check", ""], 'unexpected word "" | bottle policy check FILE takes no other word'],
    [["policy", "check", "a", "b"], 'unexpected word "b" | bottle policy check FILE takes no other word'],
    [["policy", "explain", "a"], "bottle policy explain needs HOST[:PORT] | bottle policy explain FILE HOST[:PORT]"],
    [
      ["policy", "check", "a", "--method", "GET"],
      "unknown flag --method | bottle policy check --help lists the flags; the guest's own go after --"
    ],
    [
      ["doctor", "--allow", "x"],
      "unknown flag --allow | bottle doctor --help lists the flags; the guest's own go after --"
    ],
    [
      ["run", "--bundle", "docker"],
      '--bundle does not take "docker" | --bundle process or --bundle container or --bundle none'
    ],
    [["run", "--format", "jsn"], '--format does not take "jsn" | --format json'],
    [["plan", "--dry-run"], "unknown flag --dry-run | bottle plan --help lists the flags; the guest's own go after --"],
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
