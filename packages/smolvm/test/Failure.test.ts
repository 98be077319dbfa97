import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as ExecOrigin from "../src/ExecOrigin.js"
import * as Failure from "../src/Failure.js"
import * as Grammar from "../src/Grammar.js"

const failed = (stderr: string, exitCode = 1): Failure.Outcome => ({ exitCode, stderr })

const texts = {
  missing: "Error: vm not found: box\n",
  missingStatus: "Error: config operation failed: machine status: machine 'box' not found\n",
  exists: "Error: config operation failed: create: machine 'box' already exists\n",
  beingCreated: "Error: config operation failed: create: machine 'box' already exists or is being created\n",
  stopped:
    "Error: agent operation failed: connect: machine 'box' is not running. Use 'smolvm machine start --name box' first.\n",
  state: "Error: invalid vm state: expected running, got stopped\n",
  port: "Error: agent operation failed: start: host port 80 is already in use by running machine 'other'\n",
  portElsewhere:
    "Error: agent operation failed: start: cannot publish host TCP 127.0.0.1:9222 to guest TCP 9222: Address already in use (os error 98)\n",
  offline:
    "Error: config operation failed: create machine: image 'alpine' must be pulled from a registry, but this machine has no network, so the pull can never succeed. Add --net (or publish a port with -p)\n",
  noKvm: "Error: kvm not available: /dev/kvm: No such file or directory\n",
  noHypervisor: "Error: hypervisor not available: not entitled\n",
  forbiddenKvm: "Error: kvm permission denied: /dev/kvm\n",
  locked: "Error: agent operation failed: start: another process is already starting or running this VM\n",
  timedOut: "Error: agent operation failed: exec: timed out after 30000ms\n",
  usage:
    "error: unexpected argument '--nope' found\n\nUsage: smolvm machine exec [OPTIONS]\n\nFor more information, try '--help'.\n",
  value:
    "error: invalid value 'x' for '--cpus <N>': invalid digit found in string\n\nFor more information, try '--help'.\n"
}

/** Each predicate with the texts that it must know; it must know none of the others. */
const predicates: ReadonlyArray<
  readonly [string, (outcome: Failure.Outcome) => boolean, ReadonlyArray<keyof typeof texts>]
> = [
  ["isMachineNotFound", Failure.isMachineNotFound, ["missing", "missingStatus"]],
  ["isMachineAlreadyExists", Failure.isMachineAlreadyExists, ["exists", "beingCreated"]],
  ["isMachineNotRunning", Failure.isMachineNotRunning, ["stopped"]],
  ["isTimedOut", Failure.isTimedOut, ["timedOut"]],
  ["takenName", (outcome) => Failure.takenName(outcome) !== undefined, ["exists", "beingCreated"]],
  ["isMachineBusy", Failure.isMachineBusy, ["locked"]],
  ["wrongState", (outcome) => Failure.wrongState(outcome) !== undefined, ["state"]],
  ["portInUse", (outcome) => Failure.portInUse(outcome) !== undefined, ["port", "portElsewhere"]],
  [
    "hypervisorProblem",
    (outcome) => Failure.hypervisorProblem(outcome) !== undefined,
    ["noKvm", "noHypervisor", "forbiddenKvm"]
  ],
  ["imageNeedsNetwork", (outcome) => Failure.imageNeedsNetwork(outcome) !== undefined, ["offline"]],
  [
    "isRuntimeFailure",
    Failure.isRuntimeFailure,
    [
      "missing",
      "missingStatus",
      "exists",
      "beingCreated",
      "stopped",
      "state",
      "port",
      "portElsewhere",
      "offline",
      "noKvm",
      "noHypervisor",
      "forbiddenKvm",
      "locked",
      "timedOut"
    ]
  ]
]

describe("Failure", () => {
  for (const [name, predicate, own] of predicates) {
    it(`${name} knows its texts and no others`, () => {
      for (const [key, text] of Object.entries(texts)) {
        const exitCode = key === "usage" || key === "value" ? 2 : 1
        const expected = own.some((candidate) => candidate === key)
        assert.strictEqual(predicate(failed(text, exitCode)), expected, key)
      }
    })
  }

  it("reads the last line that smolvm marks, after its progress", () => {
    assert.isTrue(Failure.isMachineNotFound(failed(`Starting ...\nError: io\n${texts.missing}`)))
    assert.isFalse(Failure.isMachineNotFound(failed(`${texts.missing}Error: io operation failed: x\n`)))
    assert.isTrue(Failure.isMachineNotFound(failed("Error: vm not found: box\r\n")))
  })

  it("takes names, states, ports and images out of its texts", () => {
    assert.strictEqual(Failure.takenName(failed(texts.beingCreated)), "box")
    assert.isUndefined(Failure.takenName(failed("Error: x: already exists\n")))
    assert.deepStrictEqual(Failure.wrongState(failed(texts.state)), { expected: "running", actual: "stopped" })
    assert.deepStrictEqual(Failure.portInUse(failed(texts.port)), { port: 80, holder: "other" })
    assert.deepStrictEqual(Failure.portInUse(failed(texts.portElsewhere)), { port: 9222, holder: null })
    assert.strictEqual(Failure.imageNeedsNetwork(failed(texts.offline)), "alpine")
    assert.strictEqual(Failure.hypervisorProblem(failed(texts.noKvm)), "missing")
    assert.strictEqual(Failure.hypervisorProblem(failed(texts.forbiddenKvm)), "forbidden")
  })

  it("minds the exit code", () => {
    for (const exitCode of [0, 2, 3, 137]) {
      assert.isFalse(Failure.isMachineNotFound(failed(texts.missing, exitCode)))
      assert.isFalse(Failure.isMachineAlreadyExists(failed(texts.exists, exitCode)))
      assert.isFalse(Failure.isMachineNotRunning(failed(texts.stopped, exitCode)))
      assert.isFalse(Failure.isRuntimeFailure(failed(texts.state, exitCode)))
      assert.isFalse(Failure.isMachineBusy(failed(texts.locked, exitCode)))
      assert.isUndefined(Failure.wrongState(failed(texts.state, exitCode)))
      assert.isUndefined(Failure.portInUse(failed(texts.port, exitCode)))
      assert.isUndefined(Failure.imageNeedsNetwork(failed(texts.offline, exitCode)))
      assert.isUndefined(Failure.hypervisorProblem(failed(texts.noKvm, exitCode)))
    }
    assert.isTrue(Failure.isTimedOut(failed("", 124)))
    assert.isFalse(Failure.isUsageRefused(failed(texts.usage, 1)))
    assert.isTrue(Failure.isUsageRefused(failed(texts.usage, 2)))
    assert.isTrue(Failure.isUsageRefused(failed(texts.value, 2)))
    assert.isFalse(Failure.isUsageRefused(failed("error: no such thing\n", 2)))
  })

  it("knows the refusals of our own parser", () => {
    const refused = Either.flip(Grammar.parse("1.9.3", ["machine", "exec", "--nope"]))
    assert.isTrue(Failure.isUsageRefused(failed(Either.getOrThrow(refused).stderr, 2)))
  })
})

describe("ExecOrigin", () => {
  const of = (exitCode: number, stderr = "", hasTimeout = false) => ExecOrigin.of({ exitCode, stderr, hasTimeout })

  it("is the guest for codes that smolvm never ends with", () => {
    for (const code of [0, 3, 42, 125, 126, 127, 130, 137, 141, 255]) assert.strictEqual(of(code), "guest", `${code}`)
    assert.strictEqual(of(124), "guest")
    assert.strictEqual(of(42, texts.missing), "guest")
  })

  it("is the runtime where its own text says so", () => {
    for (const key of ["missing", "state", "port", "timedOut", "stopped"] as const) {
      assert.strictEqual(of(1, `out\n${texts[key]}`), "runtime", key)
    }
    for (const family of ["agent", "config", "vm", "io", "storage", "mount", "database"]) {
      assert.strictEqual(of(1, `Error: ${family} operation failed: x: y\n`), "runtime", family)
    }
    assert.strictEqual(of(2, texts.usage), "runtime")
    assert.strictEqual(of(124, "timed out after 30000ms\n", true), "runtime")
  })

  it("knows the usage text of the subcommand that was run, and of no other", () => {
    const usage = (command: string) => `error: x\n\nUsage: smolvm ${command} [OPTIONS]\n`
    const commands = ["machine exec", "machine run", "pack run"] as const
    for (const command of commands) {
      for (const other of commands) {
        const origin = ExecOrigin.of({ exitCode: 2, stderr: usage(other), hasTimeout: false, command })
        assert.strictEqual(origin, command === other ? "runtime" : "unknown", `${command}, ${other}`)
      }
    }
    assert.strictEqual(of(2, usage("vm exec")), "runtime")
  })

  it("is unknown where either could have ended so", () => {
    assert.strictEqual(of(1), "unknown")
    assert.strictEqual(of(1, "Error: cannot find module\n"), "unknown")
    for (const said of ["config file is missing", "io timeout", "agent: x", "kvm", "vm2 is gone", "storage full"]) {
      assert.strictEqual(of(1, `Error: ${said}\n`), "unknown", said)
    }
    assert.strictEqual(of(1, `${texts.missing}and more\n`), "unknown")
    assert.strictEqual(of(1, "error: stream failed\n"), "unknown")
    assert.strictEqual(of(2), "unknown")
    assert.strictEqual(of(2, "error: unexpected argument '-x' found\n\nUsage: other [OPTIONS]\n"), "unknown")
    assert.strictEqual(of(101), "unknown")
    assert.strictEqual(of(124, "", true), "unknown")
  })
})

describe("what a guest prints by the megabyte", () => {
  const bytes = 4 * 1024 * 1024
  const repeated = (text: string) => text.repeat(bytes / text.length)

  it("is judged by its end, where smolvm's own words are", () => {
    const own = texts.port
    assert.deepStrictEqual(Failure.portInUse(failed(`${repeated("x")}\n${own}`)), { port: 80, holder: "other" })
    assert.deepStrictEqual(Failure.portInUse(failed(repeated("\n") + own)), { port: 80, holder: "other" })
    assert.isTrue(Failure.isRuntimeFailure(failed(`${repeated("Error: x\n")}${texts.missing}`)))
  })

  // Each took minutes when the whole of it was looked at.
  it("is nobody's words where they would not end", () => {
    const line = `Error: ${repeated("cannot publish host TCP a:1 to ")}`
    assert.isUndefined(Failure.portInUse(failed(line)))
    assert.isUndefined(Failure.portInUse(failed(`${line}\n${repeated("\n")}`)))
    assert.strictEqual(Failure.lastLine(`${repeated("y")}z`), "")
  })
})
