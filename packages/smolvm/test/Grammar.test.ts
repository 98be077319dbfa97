import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Grammar from "../src/Grammar.js"
import { contract } from "../src/internal/contract.js"
import { refusal } from "../src/internal/valueTypes.js"

const accepted = (line: Grammar.Line, ...argv: ReadonlyArray<string>): Grammar.Invocation =>
  Either.getOrThrowWith(Grammar.parse(line, argv), (error) => new Error(`${argv.join(" ")}: ${error.message}`))

const refused = (line: Grammar.Line, ...argv: ReadonlyArray<string>): string => {
  const parsed = Grammar.parse(line, argv)
  return Either.isLeft(parsed) ? parsed.left.message : `accepted: ${argv.join(" ")}`
}

describe("the data", () => {
  it("is what the contract says for every line", () => {
    const json = JSON.parse(readFileSync(new URL("../src/grammar/contract.json", import.meta.url), "utf8"))
    assert.deepStrictEqual(Object.keys(json.dialects), [...Grammar.lines])
    for (const line of Grammar.lines) {
      const dialect = contract.dialects[line]
      assert.deepStrictEqual(dialect.groups, json.dialects[line].commandGroups)
      assert.deepStrictEqual(Object.keys(dialect.commands), Object.keys(json.dialects[line].commands))
      for (const [name, index] of Object.entries(dialect.commands)) {
        assert.deepStrictEqual<unknown>(contract.definitions[index], json.dialects[line].commands[name], name)
      }
    }
    const deltas: ReadonlyArray<{ readonly tag: string }> = json.grammarDeltasAllTags
    assert.deepStrictEqual<unknown>(
      contract.deltas,
      deltas.map(({ tag, ...delta }) => ({ version: tag.slice(1), ...delta }))
    )
  })

  it("names only value types that are understood", () => {
    for (const definition of contract.definitions) {
      for (const option of definition.options) {
        if (option.type === "flag") continue
        const samples = ["x", "1", "30s", "10.0.0.1", "80", "tsi", "4G"]
        assert.isTrue(
          samples.some((value) => refusal(option.type, value) === undefined),
          `${option.long}: ${option.type}`
        )
      }
    }
  })
})

describe("names", () => {
  it("are positional up to 0.9.0 and flags from 1.0.2", () => {
    for (const line of ["0.8.0", "0.8.2", "0.9.0"] as const) {
      assert.deepStrictEqual(accepted(line, "machine", "create", "box").positionals, ["box"])
      assert.deepStrictEqual(accepted(line, "machine", "delete", "-f", "box").positionals, ["box"])
      assert.strictEqual(
        refused(line, "machine", "create", "--name", "box"),
        "error: unexpected argument '--name' found"
      )
    }
    for (const line of ["1.0.4", "1.1.0", "1.5.2", "1.9.3"] as const) {
      assert.deepStrictEqual(accepted(line, "machine", "create", "--name", "box").options.get("--name"), ["box"])
      assert.strictEqual(refused(line, "machine", "create", "box"), "error: unexpected argument 'box' found")
      assert.strictEqual(
        refused(line, "machine", "delete", "-f"),
        "error: the following required arguments were not provided: --name <NAME>"
      )
    }
  })

  it("resolve aliases of groups and commands", () => {
    assert.strictEqual(accepted("1.9.3", "vm", "rm", "--name", "a", "-f").command, "machine delete")
    assert.strictEqual(accepted("0.8.0", "machine", "list").command, "machine ls")
    assert.strictEqual(accepted("0.8.0", "vm", "sh", "--name", "a").command, "machine shell")
    assert.strictEqual(refused("1.9.3", "machine", "crea"), "error: unrecognized subcommand 'crea'")
    assert.strictEqual(refused("1.9.3", "rm"), "error: unrecognized subcommand 'rm'")
    assert.strictEqual(
      refused("1.9.3", "machine"),
      "error: 'smolvm machine' requires a subcommand but one was not provided"
    )
    assert.strictEqual(refused("1.9.3"), "error: 'smolvm' requires a subcommand but one was not provided")
  })

  it("do not come from the prototype of an object", () => {
    assert.strictEqual(refused("1.9.3", "constructor"), "error: unrecognized subcommand 'constructor'")
    assert.strictEqual(refused("1.9.3", "machine", "__proto__"), "error: unrecognized subcommand '__proto__'")
  })
})

describe("values", () => {
  it("are separate, attached with = or attached to a short option", () => {
    for (const form of [["--name", "a"], ["--name=a"], ["-n", "a"], ["-n=a"], ["-na"]]) {
      assert.deepStrictEqual(accepted("1.9.3", "machine", "start", ...form).options.get("--name"), ["a"])
    }
    assert.deepStrictEqual(accepted("0.8.0", "machine", "create", "-s=x").options.get("--smolfile"), ["x"])
    assert.deepStrictEqual(accepted("1.9.3", "machine", "create", "-ea=b=c").options.get("--env"), ["a=b=c"])
  })

  it("that begin with a dash are attached or refused, and a lone dash is a value", () => {
    assert.deepStrictEqual(accepted("1.9.3", "machine", "create", "--workdir=-x").options.get("--workdir"), ["-x"])
    assert.deepStrictEqual(accepted("1.9.3", "machine", "create", "--image", "-").options.get("--image"), ["-"])
    assert.strictEqual(
      refused("1.9.3", "machine", "create", "--workdir", "-x"),
      "error: unexpected argument '-x' found"
    )
    assert.strictEqual(
      refused("1.9.3", "machine", "create", "--workdir", "--net"),
      "error: a value is required for '--workdir <DIR>' but none was supplied"
    )
    assert.strictEqual(
      refused("1.9.3", "machine", "exec", "--name", "--", "true"),
      "error: a value is required for '--name <NAME>' but none was supplied"
    )
    assert.strictEqual(
      refused("1.9.3", "machine", "start", "--name"),
      "error: a value is required for '--name <NAME>' but none was supplied"
    )
  })

  it("are refused by type", () => {
    const create = (...argv: ReadonlyArray<string>) => refused("1.9.3", "machine", "create", ...argv)
    assert.strictEqual(
      create("--cpus", "x"),
      "error: invalid value 'x' for '--cpus <N>': invalid digit found in string"
    )
    assert.strictEqual(create("--cpus", "256"), "error: invalid value '256' for '--cpus <N>': 256 is not in 0..=255")
    assert.include(create("--mem", "4294967296"), "is not in 0..=4294967295")
    assert.include(create("--gpu-vram", "0"), "0 is not in 1..=4294967295")
    assert.include(create("--image", " "), "value must not be empty")
    assert.include(create("--allow-cidr", "10.0.0.0/33"), "33 is not in 0..=32")
    assert.include(create("--allow-cidr", "host"), "expected an IP address")
    assert.include(create("--allow-cidr", "fe80::1%eth0"), "expected an IP address")
    assert.include(create("--net-backend", "nat"), "[possible values: tsi, virtio-net]")
    assert.include(create("-p", "0:80"), "0 is not in 1..=65535")
    assert.include(create("--dns", "::1"), "invalid IPv4")
    assert.include(create("--max-image-size", "0"), "greater than 0")
    const exec = (value: string) => refused("1.9.3", "machine", "exec", "--timeout", value, "--", "true")
    for (const value of ["30", "0s", "", "-1s", "1x", "s"]) assert.include(exec(value), "error: ", value)
  })

  it("are accepted by type", () => {
    accepted("1.9.3", "machine", "create", "--cpus", "255", "--mem", "4294967295", "--allow-cidr", "10.0.0.0/32")
    accepted("1.9.3", "machine", "create", "--allow-cidr", "::/0", "--net-backend", "virtio-net", "-p", "80")
    accepted("1.9.3", "machine", "create", "-p", "80:8080", "--dns", "1.1.1.1", "--max-image-size", "4GiB")
    for (const value of ["500ms", "30s", "5m", "1h 30m", "1h30m"]) {
      accepted("0.8.0", "machine", "exec", "--timeout", value, "--", "true")
    }
    assert.strictEqual(accepted("0.8.0", "machine", "create", "--image", "").options.get("--image")?.[0], "")
    assert.include(refused("0.8.2", "machine", "create", "--image", ""), "value must not be empty")
  })
})

describe("repetition and conflicts", () => {
  it("refuses a second option or flag unless it is repeatable", () => {
    assert.strictEqual(
      refused("1.9.3", "machine", "start", "--name", "a", "-n", "b"),
      "error: the argument '--name <NAME>' cannot be used multiple times"
    )
    assert.strictEqual(
      refused("0.8.0", "machine", "delete", "-ff", "a"),
      "error: the argument '--force' cannot be used multiple times"
    )
    const env = accepted("0.8.0", "machine", "create", "-e", "A=1", "--env", "B=2", "--env=C=3").options.get("--env")
    assert.deepStrictEqual(env, ["A=1", "B=2", "C=3"])
  })

  it("refuses what conflicts", () => {
    assert.strictEqual(
      refused("0.8.0", "machine", "create", "--from", "p", "--image", "i"),
      "error: the argument '--from <PATH>' cannot be used with '--image <IMAGE>'"
    )
    assert.strictEqual(
      refused("1.5.2", "machine", "exec", "-dit", "--", "true"),
      "error: the argument '--detach' cannot be used with: --interactive --tty"
    )
    assert.strictEqual(
      refused("1.9.3", "machine", "run", "--from", "p", "--detach", "--gpu"),
      "error: the argument '--from <PATH>' cannot be used with: --detach --gpu"
    )
    accepted("1.9.3", "machine", "create", "--image", "i", "--smolfile", "f")
    accepted("1.9.3", "machine", "exec", "-it", "--", "sh")
  })

  it("asks for what is required, alone or by another option", () => {
    assert.strictEqual(
      refused("0.8.0", "pack", "create", "-o", "x"),
      "error: the following required arguments were not provided: --image <IMAGE>"
    )
    accepted("0.8.0", "pack", "create", "--from-vm", "a", "-o", "x")
    accepted("0.8.0", "pack", "create", "-I", "i", "--output=x")
    assert.strictEqual(
      refused("1.5.2", "pack", "create", "--image", "i", "-o", "x", "--rebase-from-image"),
      "error: the following required arguments were not provided: --from-vm <VM_NAME>"
    )
    accepted("1.5.2", "pack", "create", "--from-vm", "a", "-o", "x", "--rebase-from-image")
    assert.strictEqual(
      refused("1.9.3", "machine", "cp", "a:/x"),
      "error: the following required arguments were not provided: <DST>"
    )
    assert.strictEqual(
      refused("0.8.0", "machine", "exec", "--name", "a"),
      "error: the following required arguments were not provided: <COMMAND>..."
    )
  })

  it("writes clap's text to stderr", () => {
    const parsed = Grammar.parse("1.9.3", ["machine", "cp"])
    assert.isTrue(Either.isLeft(parsed))
    if (Either.isLeft(parsed)) {
      assert.strictEqual(
        parsed.left.stderr,
        "error: the following required arguments were not provided:\n  <SRC>\n  <DST>\n\n" +
          "Usage: smolvm machine cp [OPTIONS] <SRC> <DST>\n\nFor more information, try '--help'.\n"
      )
    }
  })
})

describe("flags", () => {
  it("bundle, and take no value", () => {
    assert.deepStrictEqual(
      [...accepted("0.8.0", "machine", "exec", "-it", "--", "sh").flags],
      ["--interactive", "--tty"]
    )
    assert.deepStrictEqual(accepted("1.9.3", "machine", "delete", "-fn", "a").options.get("--name"), ["a"])
    assert.strictEqual(
      refused("0.8.0", "machine", "create", "--net=true"),
      "error: unexpected value 'true' for '--net' found; no more were expected"
    )
    assert.strictEqual(refused("0.8.0", "machine", "exec", "-i=x"), "error: unexpected argument '-=' found")
    assert.strictEqual(refused("0.8.0", "machine", "exec", "-ix"), "error: unexpected argument '-x' found")
  })

  it("are not matched by prefix", () => {
    assert.strictEqual(
      refused("1.9.3", "machine", "create", "--mount", "x"),
      "error: unexpected argument '--mount' found"
    )
    assert.strictEqual(refused("1.9.3", "machine", "exec", "-n", "a"), "error: unexpected argument '-n' found")
  })

  it("exist from the line that has them", () => {
    const socket = ["machine", "create", "--mount-socket", "/a:/b"]
    assert.strictEqual(refused("1.5.2", ...socket), "error: unexpected argument '--mount-socket' found")
    accepted("1.9.3", ...socket)
    const secret = ["machine", "exec", "--secret-env", "A=B", "--", "true"]
    assert.strictEqual(refused("0.9.0", ...secret), "error: unexpected argument '--secret-env' found")
    accepted("1.0.4", ...secret)
  })
})

describe("commands for the machine", () => {
  it("begin at the first word, and everything after it is literal", () => {
    const parsed = accepted("0.8.0", "machine", "exec", "--name", "a", "echo", "-e", "--", "--name", "b", "--help")
    assert.deepStrictEqual(parsed.trailing, ["echo", "-e", "--", "--name", "b", "--help"])
    assert.deepStrictEqual(parsed.options.get("--name"), ["a"])
  })

  it("begin after -- where they look like options", () => {
    const parsed = accepted("1.9.3", "machine", "exec", "--name", "a", "--", "--help", "--", "x")
    assert.deepStrictEqual(parsed.trailing, ["--help", "--", "x"])
    assert.strictEqual(
      refused("1.9.3", "machine", "exec", "--").slice(0, 40),
      "error: the following required arguments "
    )
  })

  it("need -- on create", () => {
    assert.deepStrictEqual(accepted("1.9.3", "machine", "create", "--", "sleep", "1").trailing, ["sleep", "1"])
    assert.strictEqual(refused("1.9.3", "machine", "create", "sleep"), "error: unexpected argument 'sleep' found")
    assert.strictEqual(refused("0.8.0", "machine", "create", "a", "--", "b"), "error: unexpected argument 'b' found")
    assert.deepStrictEqual(accepted("0.8.0", "machine", "create", "--", "-a").positionals, ["-a"])
  })

  it("are no part of commands without one", () => {
    assert.strictEqual(refused("0.8.0", "machine", "ls", "x"), "error: unexpected argument 'x' found")
    assert.strictEqual(refused("0.8.0", "machine", "ls", "--", "x"), "error: unexpected argument 'x' found")
    accepted("0.8.0", "machine", "ls", "--")
    assert.strictEqual(refused("0.8.0", "machine", "cp", "a", "b", "c"), "error: unexpected argument 'c' found")
  })
})

describe("help and version", () => {
  it("are special where smolvm answers them", () => {
    for (const word of ["--version", "-V"]) assert.strictEqual(accepted("1.9.3", word).special, "version")
    for (const argv of [["--help"], ["-h"], ["help"], ["machine", "--help"], ["help", "machine", "create"]]) {
      assert.strictEqual(accepted("1.9.3", ...argv).special, "help", argv.join(" "))
    }
    const help = accepted("1.9.3", "machine", "create", "--cpus", "1", "-h")
    assert.strictEqual(help.special, "help")
    assert.strictEqual(help.command, "machine create")
    assert.strictEqual(refused("1.9.3", "machine", "--version"), "error: unexpected argument '--version' found")
    assert.strictEqual(refused("1.9.3", "machine", "ls", "-V"), "error: unexpected argument '-V' found")
    assert.strictEqual(refused("1.9.3", "help", "nothing"), "error: unrecognized subcommand 'nothing'")
  })

  it("list what a line has, without what it hides", () => {
    assert.include(Grammar.help("1.9.3", "machine create"), "--mount-socket <HOST_PATH:GUEST_PATH>")
    assert.notInclude(Grammar.help("1.5.2", "machine create"), "--mount-socket")
    assert.notInclude(Grammar.help("0.8.0", "machine create"), "--net-backend")
    assert.include(Grammar.help("1.0.4", "machine create"), "--net-backend")
    assert.include(Grammar.help("0.8.0", "machine"), "  create\n")
    assert.include(Grammar.help("0.8.0", ""), "  machine\n")
    assert.isUndefined(Grammar.help("0.8.0", "machine fork"))
  })
})
