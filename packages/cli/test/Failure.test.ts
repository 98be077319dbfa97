import * as Failure from "@bottle/cli/Failure"
import { CommandTimedOut, RuntimeFailed } from "@bottle/cli/GuestCommand"
import { ReportUnwritable } from "@bottle/cli/Report"
import { OutputClosed } from "@bottle/cli/Stdio"
import { UsageError } from "@bottle/cli/UsageError"
import { NoRecord } from "@bottle/cli/commands/Logs"
import { WaitTimedOut } from "@bottle/cli/commands/Wait"
import * as Bottles from "@bottle/engine/Bottles"
import { BottleNotFound } from "@bottle/engine/Bottles"
import * as ControlError from "@bottle/engine/ControlError"
import * as LaunchError from "@bottle/engine/LaunchError"
import * as LedgerError from "@bottle/engine/LedgerError"
import { NameTaken } from "@bottle/engine/LedgerError"
import { DockerCommandFailed } from "@bottle/docker/DockerError"
import * as SmolvmError from "@bottle/smolvm/SmolvmError"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as FiberId from "effect/FiberId"
import * as Schema from "effect/Schema"
import * as FastCheck from "fast-check"

const failed = {
  program: "smolvm",
  command: "machine start",
  argv: ["machine", "start", "--name", "bottle-x"],
  exitCode: 1,
  stdout: "",
  stderr: "Error: agent operation failed: boot: no KVM"
}

const errors: ReadonlyArray<readonly [error: unknown, exitCode: number, text: RegExp]> = [
  [new UsageError({ problem: "p", advice: "a" }), 2, /^bottle: p\ntry: a$/],
  [
    new LaunchError.OptionRefused({ option: "memMib", reason: "3 is not enough", advice: "64" }),
    2,
    /^bottle: --mem: 3 is not enough\ntry: 64$/
  ],
  [
    new LaunchError.OptionRefused({ option: "other", reason: "bad", advice: "good" }),
    2,
    /^bottle: other: bad\ntry: good$/
  ],
  [
    new LaunchError.RuntimeUnfit({ version: "1.5.2", demand: "--allow", reason: "too old", advice: "1.8.0 or newer" }),
    125,
    /^bottle: .*1\.5\.2.*too old\ntry: 1\.8\.0 or newer\nmore: docs\/reference\/errors\.md#runtimeunfit$/
  ],
  [new WaitTimedOut({ bottle: "a", timeoutMillis: 2000 }), 124, /^bottle: a was not down within 2\.0 s\ntry: /],
  [new BottleNotFound({ name: "agnet", nearest: "agent" }), 125, /^bottle: there is no bottle agnet\ntry: .*agent/],
  [new NameTaken({ name: "agent", id: "agent-1a2b3" }), 125, /^bottle: the name agent is taken/],
  [new NoRecord({ id: "a-1a2b3" }), 125, /^bottle: there is no record of a-1a2b3\ntry: /],
  [new LaunchError.SecretMissing({ name: "TOKEN" }), 125, /^bottle: .*TOKEN\ntry: Set TOKEN/],
  [
    new LaunchError.HostFileFailed({ path: "/x", reason: "PermissionDenied" }),
    125,
    /^bottle: \/x: PermissionDenied\ntry: /
  ],
  [
    new LaunchError.BundleFailed({ reason: "in use", advice: "wait" }),
    125,
    /^bottle: .*in use\ntry: wait\nmore: .*#bundlefailed$/
  ],
  [new LaunchError.BundleDied({ reason: "gone" }), 125, /^bottle: .*gone\ntry: Launch again/],
  [
    new LaunchError.StageFailed({ stage: "start", reason: "no KVM", advice: "load kvm", cause: null }),
    125,
    /^bottle: start: no KVM\ntry: load kvm\nmore: .*#stagefailed$/
  ],
  [
    new LaunchError.RelayFailed({ reason: "no-program", exitCode: 65, output: "" }),
    125,
    /^bottle: relay: .*socat.*\ntry: /
  ],
  [new SmolvmError.SmolvmNotInstalled({ program: "smolvm" }), 125, /^bottle: smolvm is not installed.*\ntry: /],
  [
    new SmolvmError.CommandFailed(failed),
    125,
    /^bottle: .*no KVM.*\n {2}ran {3}smolvm machine start --name bottle-x\ntry: .*\nmore: .*#commandfailed$/
  ],
  [
    new CommandTimedOut({ timeoutMillis: 30_000 }),
    124,
    /^bottle: the command took longer than 30\.0 s and was ended\ntry: /
  ],
  [
    new RuntimeFailed({ program: "smolvm", exitCode: 1 }),
    125,
    /^bottle: smolvm failed while it ran the command.*\ntry: /
  ],
  [
    new ReportUnwritable({ file: "/x", reason: "NotFound" }),
    125,
    /^bottle: the report \/x cannot be written: NotFound\ntry: /
  ],
  [new OutputClosed(), 141, /^bottle: /]
]

describe("Failure", () => {
  for (const [error, exitCode, text] of errors) {
    const failure = Failure.fromError(error)
    it(`tells ${failure.error} in a line, a suggestion and a reference, and as JSON`, () => {
      assert.strictEqual(failure.exitCode, exitCode)
      assert.match(Failure.toText(failure), text)
      const lines = Failure.toText(failure).split("\n")
      assert.lengthOf(lines, 1 + 1 + (failure.kind === "usage" ? 0 : 1) + (failure.command === null ? 0 : 1))
      const json = Failure.toJson(failure)
      assert.notInclude(json, "\n")
      const decoded = Schema.decodeUnknownSync(Schema.parseJson(Failure.FailureDocument))(json)
      assert.deepStrictEqual(decoded.failure, failure)
    })
  }

  it("tells what failed in the process that holds a bottle as if it had failed here", () => {
    const of = (error: string) =>
      Failure.fromError(
        new ControlError.OwnerFailed({ id: "a-1a2b3", error, reason: "r", advice: "a", stage: "ready" })
      )
    assert.deepInclude(of("StageFailed"), { error: "StageFailed", stage: "ready", exitCode: 125, suggestion: "a" })
    assert.strictEqual(
      Failure.toText(of("StageFailed")),
      "bottle: r\ntry: a\nmore: docs/reference/errors.md#stagefailed"
    )
    assert.strictEqual(of("OptionRefused").exitCode, 2)
  })

  it("names the stage that failed", () => {
    const error = new LaunchError.StageFailed({ stage: "ready", reason: "r", advice: "a", cause: null })
    assert.strictEqual(Failure.fromError(error).stage, "ready")
  })

  it("lets no control character of a guest or a runtime through", () => {
    const failure = Failure.fromError(
      new SmolvmError.CommandFailed({ ...failed, stderr: "Error: a\u001b[2Jb\u202e\u0007" })
    )
    // oxlint-disable-next-line no-control-regex
    assert.notMatch(Failure.toText(failure).replaceAll("\n", ""), /[\u0000-\u001f\u202e]/)
  })

  it("tells of a defect that there is one, and nothing it holds", () => {
    const failure = Failure.fromCause(Cause.die(new TypeError("argv: --token s3cret")), null)
    assert.strictEqual(failure.exitCode, 70)
    assert.strictEqual(failure.kind, "defect")
    assert.notInclude(Failure.toText(failure) + Failure.toJson(failure), "s3cret")
  })

  it("takes the exit code of an interruption from its signal", () => {
    const cause = Cause.interrupt(FiberId.none)
    const codes = (["SIGHUP", "SIGINT", "SIGTERM"] as const).map((signal) => Failure.fromCause(cause, signal).exitCode)
    assert.deepStrictEqual(codes, [129, 130, 143])
    assert.strictEqual(Failure.fromCause(Cause.sequential(Cause.fail("x"), cause), "SIGTERM").exitCode, 143)
  })

  it("prefers an error to the signal that came after it had failed", () => {
    const cause = Cause.fail(new UsageError({ problem: "p", advice: "a" }))
    assert.strictEqual(Failure.fromCause(cause, "SIGTERM").exitCode, 2)
  })
})

describe("what was run, and what it said", () => {
  const stage = (fields: Partial<{ command: ReadonlyArray<string> | null; stderr: string | null; reason: string }>) =>
    Failure.fromError(
      new LaunchError.StageFailed({ stage: "create", reason: "it failed", advice: "a", cause: null, ...fields })
    )

  it("is shown with a word that a shell takes, and the last six lines as they were laid out", () => {
    const stderr = Array.from({ length: 9 }, (_, at) => `${at % 2 === 0 ? "" : "  "}line ${at}`).join("\n")
    assert.deepStrictEqual(
      Failure.toText(stage({ command: ["smolvm", "machine", "create", "--name", "a b"], stderr })).split("\n"),
      [
        "bottle: create: it failed",
        "  ran   smolvm machine create --name 'a b'",
        "  said    line 3",
        "        line 4",
        "          line 5",
        "        line 6",
        "          line 7",
        "        line 8",
        "try: a",
        "more: docs/reference/errors.md#stagefailed"
      ]
    )
  })

  it("is left out where it is not known, and where the message says it already", () => {
    const none = "bottle: create: it failed\ntry: a\nmore: docs/reference/errors.md#stagefailed"
    assert.strictEqual(Failure.toText(stage({})), none)
    assert.strictEqual(Failure.toText(stage({ stderr: "Error: it failed" })), none)
    assert.include(Failure.toText(stage({ stderr: "Error: the disk is full" })), "  said  Error: the disk is full\n")
  })

  it("steers no terminal, counts a script, and ends before it is a wall", () => {
    const failure = stage({
      command: [
        "smolvm",
        "a\u001b[2Jb",
        `${"x".repeat(500)}`,
        ...Array.from({ length: 90 }, (_, at) => `--label=${at}`)
      ],
      stderr: `\u001b]0;title\u0007red\u202e\n${"y".repeat(3000)}`
    })
    const text = Failure.toText(failure)
    // oxlint-disable-next-line no-control-regex
    assert.notMatch(text.replaceAll("\n", ""), /[\u0000-\u001f\u202e]/)
    assert.include(text, "  ran   smolvm ab <500 characters> --label=0")
    assert.isBelow(Math.max(...text.split("\n").map((line) => line.length)), 460)
    assert.include(text, "said  red\n")
  })

  it("holds no value of a variable, and shows its name", () => {
    const error = new SmolvmError.CommandFailed({ ...failed, argv: ["machine", "create", "-e", "TOKEN=<redacted>"] })
    assert.include(Failure.toText(Failure.fromError(error)), "  ran   smolvm machine create -e TOKEN=...\n")
  })

  it("names two variables of many, and all that is behind them", () => {
    const names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]
    const argv = ["create", ...names.flatMap((name) => ["-e", `${name}=<redacted>`]), "--name", "x"]
    const of = (words: ReadonlyArray<string>) =>
      Failure.toText(Failure.fromError(new SmolvmError.CommandFailed({ ...failed, argv: words })))
    assert.include(of(argv), "smolvm create -e HTTP_PROXY=... -e HTTPS_PROXY=... <2 more variables> --name x\n")
    assert.include(of(argv.slice(0, 5)), "smolvm create -e HTTP_PROXY=... -e HTTPS_PROXY=...\n")
  })

  it("comes from docker too", () => {
    const error = LaunchError.StageFailed.of("network")(
      new DockerCommandFailed({
        program: "docker",
        command: "network create",
        exitCode: 1,
        reason: "no space",
        stderr: "warning: slow\nno space"
      })
    )
    assert.deepInclude(Failure.fromError(error), {
      stage: "network",
      command: ["docker", "network", "create"],
      stderr: "warning: slow\nno space"
    })
  })

  it("is coloured for who wants it, and says the same", () => {
    const failure = stage({ command: ["smolvm"], stderr: "x" })
    const colored = Failure.toText(failure, { colors: true })
    assert.include(colored, "\u001b[1;31mbottle:\u001b[0m")
    // oxlint-disable-next-line no-control-regex
    assert.strictEqual(colored.replace(/\u001b\[[0-9;]*m/g, ""), Failure.toText(failure))
  })
})

describe("a text that shows nothing", () => {
  it("is no suggestion, and one that shows something is", () => {
    const of = (advice: string) => Failure.fromError(new UsageError({ problem: "p", advice }))
    assert.strictEqual(Failure.toText(of("\u0007 ")), "bottle: p")
    assert.strictEqual(Failure.toText(of("a")), "bottle: p\ntry: a")
  })
})

/** Every error class that a module exports. */
const errorsOf = (module: object): ReadonlyArray<Schema.Schema.AnyNoContext> =>
  Object.values(module).filter(
    (value) => typeof value === "function" && value.prototype instanceof Error && Schema.isSchema(value)
  )

describe("every error of the launch, of the runtime and of bottles of other processes", () => {
  // What failed in the process that holds a bottle has a test of its own.
  const classes = [LaunchError, SmolvmError, LedgerError, ControlError, Bottles]
    .flatMap(errorsOf)
    .filter((errorClass) => Reflect.get(errorClass, "name") !== "OwnerFailed")

  it("is known here", () => assert.isAbove(classes.length, 20))

  for (const errorClass of classes) {
    it(`is told in one line with a suggestion, and as JSON: ${Reflect.get(errorClass, "name")}`, () => {
      for (const error of FastCheck.sample(Arbitrary.make(errorClass), 20)) {
        const failure = Failure.fromError(error)
        assert.include([2, 125], failure.exitCode)
        const text = Failure.toText(failure)
        assert.match(text, /^bottle: .*(\n {2}ran {3}.*)?(\n {2}(said| {4}) {2}.*){0,6}(\ntry: .+)?(\nmore: .+)?$/u)
        // oxlint-disable-next-line no-control-regex
        assert.notMatch(text.replaceAll("\n", ""), /[\u0000-\u001f\u007f-\u009f]/)
        assert.strictEqual(JSON.parse(Failure.toJson(failure)).failure.error, error._tag)
      }
    })
  }
})
