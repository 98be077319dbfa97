import * as Effect from "effect/Effect"
import * as Checks from "./checks.js"
import type { Case } from "./model.js"
import { Subject } from "./model.js"

/** What is decided before any machine is looked at: versions, help, and lines that make no sense. */

const absent = "bottle-conf-absent"

const versions: ReadonlyArray<Case> = [
  {
    name: "--version and -V begin with smolvm's name and version, on stdout",
    needs: [],
    run: Effect.gen(function* () {
      const { capabilities } = yield* Subject
      for (const flag of ["--version", "-V"]) {
        const called = yield* Checks.answers([flag], { code: 0, stdout: /^smolvm \d+\.\d+\.\d+/ })
        yield* Checks.verify(
          Checks.stdoutOf(called).startsWith(`smolvm ${capabilities.version}`) &&
            Checks.stdoutOf(called).endsWith("\n"),
          `expected the version ${capabilities.version} and a newline at the end`,
          called
        )
      }
      yield* Checks.isUsageError(["machine", "--version"])
    })
  },
  {
    name: "--help is answered on stdout, of the program, a group and a subcommand",
    needs: [],
    run: Effect.gen(function* () {
      yield* Checks.answers(["--help"], { code: 0, stdout: /^\s+machine\b/m })
      yield* Checks.answers(["machine", "--help"], { code: 0, stdout: /^\s+create\b/m })
      yield* Checks.answers(["machine", "-h"], { code: 0, stdout: /^\s+exec\b/m })
      yield* Checks.answers(["machine", "create", "--help"], { code: 0, stdout: /--image\b/ })
      yield* Checks.answers(["pack", "create", "--help"], { code: 0, stdout: /--output\b/ })
      // Words of the guest's command are its own.
      yield* Checks.fails(["machine", "exec", "--name", absent, "--", "ls", "--help"], /vm not found: /)
    })
  },
  {
    name: "vm is another word for machine",
    needs: [],
    run: Effect.gen(function* () {
      yield* Checks.succeeds(["vm", "ls", "--json"])
      yield* Checks.isUsageError(["vms", "ls", "--json"])
    })
  }
]

/** Lines that clap refuses in every version, each beside one that it takes; none of the second kind has an effect. */
const refusals: ReadonlyArray<readonly [what: string, refused: ReadonlyArray<string>, taken: ReadonlyArray<string>]> = [
  ["an unknown subcommand", ["machine", "frobnicate"], ["machine", "ls"]],
  ["a beginning of a subcommand", ["machine", "stat", "--name", absent], ["machine", "status", "--name", absent]],
  ["an unknown option", ["machine", "ls", "--jsonl"], ["machine", "ls", "--json"]],
  ["a beginning of an option", ["machine", "ls", "--js"], ["machine", "ls", "--json"]],
  ["a flag with a value", ["machine", "ls", "--json=yes"], ["machine", "ls", "--json"]],
  ["a flag twice", ["machine", "ls", "--json", "--json"], ["machine", "ls", "--json"]],
  ["an option without its value", ["machine", "status", "--name"], ["machine", "status", "--name", absent]],
  ["an option twice", ["machine", "stop", "--name", absent, "--name", absent], ["machine", "stop", "--name", absent]],
  ["a word too many", ["machine", "ls", "all"], ["machine", "ls"]],
  [
    "exec without a command",
    ["machine", "exec", "--name", absent],
    ["machine", "exec", "--name", absent, "--", "true"]
  ],
  [
    "a timeout without a unit",
    ["machine", "exec", "--name", absent, "--timeout", "30", "--", "true"],
    ["machine", "exec", "--name", absent, "--timeout", "30s", "--", "true"]
  ],
  [
    "a timeout of nothing",
    ["machine", "exec", "--name", absent, "--timeout", "0s", "--", "true"],
    ["machine", "exec", "--name", absent, "--timeout", "1ms", "--", "true"]
  ],
  ["cp with one side", ["machine", "cp", `${absent}:/f`], ["machine", "cp", `${absent}:/f`, "f"]],
  ["pack create without an output", ["pack", "create", "--image", "alpine"], ["pack", "create", "--help"]],
  ["no subcommand", ["machine"], ["machine", "--help"]]
]

const usage: ReadonlyArray<Case> = refusals.map(([what, refused, taken]) => ({
  name: `a usage error, exit code 2, is ${what}`,
  needs: [],
  run: Effect.gen(function* () {
    yield* Checks.isUsageError(refused)
    const called = yield* Checks.call(taken)
    yield* Checks.verify(called.code !== 2, "expected no usage error", called)
  })
}))

const sources: ReadonlyArray<Case> = [
  {
    name: "machine create refuses two sources of a machine, and numbers that are none, and makes nothing",
    needs: [],
    run: Effect.gen(function* () {
      const name = yield* Checks.freshName
      yield* Checks.removeLater(name)
      for (const options of [
        ["--image", "alpine", "--from", "x.smolmachine"],
        ["--cpus", "many"],
        ["--cpus", "256"],
        ["--mem", "-1"],
        ["--allow-cidr", "10.0.0.0/33"],
        ["--net-backend", "bridge"]
      ]) {
        yield* Checks.isUsageError(yield* Checks.createLine(name, options))
      }
      yield* Checks.isListed(name, false)
      yield* Checks.isListed(yield* Checks.created(["--cpus", "2", "--mem", "512"]), true)
    })
  },
  {
    name: "machine create, delete and update take names by position only",
    needs: [],
    before: "1.0.2",
    run: Effect.gen(function* () {
      const name = yield* Checks.freshName
      yield* Checks.removeLater(name)
      yield* Checks.isUsageError(["machine", "create", "--name", name])
      yield* Checks.isUsageError(["machine", "delete", "-f", "--name", name])
      yield* Checks.isUsageError(["machine", "delete", "-f"])
      yield* Checks.isListed(name, false)
      yield* Checks.isListed(yield* Checks.created(), true)
    })
  },
  {
    name: "machine create and delete take names by --name and -n only",
    needs: [],
    since: "1.0.2",
    run: Effect.gen(function* () {
      const name = yield* Checks.freshName
      const { createArguments } = yield* Subject
      yield* Checks.removeLater(name)
      yield* Checks.isUsageError(["machine", "create", name])
      yield* Checks.isUsageError(["machine", "delete", "-f", name])
      yield* Checks.isUsageError(["machine", "delete", "-f"])
      yield* Checks.isListed(name, false)
      yield* Checks.succeeds(["machine", "create", ...createArguments, "-n", name])
      yield* Checks.isListed(name, true)
      yield* Checks.succeeds(["machine", "delete", "-f", "-n", name])
      yield* Checks.isListed(name, false)
    })
  },
  {
    name: "machine exec has no -n",
    needs: [],
    run: Effect.gen(function* () {
      yield* Checks.isUsageError(["machine", "exec", "-n", absent, "--", "true"])
      yield* Checks.fails(["machine", "exec", "--name", absent, "--", "true"], /vm not found: /)
      yield* Checks.fails(["machine", "start", "-n", absent], /vm not found: /)
    })
  }
]

export const cases: ReadonlyArray<Case> = [...versions, ...usage, ...sources]
