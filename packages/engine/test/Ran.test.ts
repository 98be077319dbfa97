import { BuildFailed, DockerCommandFailed } from "@bottle/docker/DockerError"
import { CommandFailed, SmolvmNotInstalled } from "@bottle/smolvm/SmolvmError"
import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { StageFailed } from "../src/LaunchError.js"
import * as Ran from "../src/Ran.js"

const failed = new CommandFailed({
  program: "smolvm",
  command: "machine start",
  argv: ["machine", "start", "--name", "x"],
  exitCode: 1,
  stdout: "",
  stderr: "one\ntwo"
})

describe("what was run", () => {
  it("is told by the errors that know it", () => {
    assert.deepStrictEqual(Ran.of(failed), {
      command: ["smolvm", "machine", "start", "--name", "x"],
      stderr: "one\ntwo"
    })
    const docker = { program: "docker", command: "network create", exitCode: 1, reason: "r" }
    assert.deepStrictEqual(Ran.of(new DockerCommandFailed({ ...docker, stderr: "why" })), {
      command: ["docker", "network", "create"],
      stderr: "why"
    })
    assert.deepStrictEqual(Ran.of(new BuildFailed({ tag: "t", reason: "r", output: "step 3" })).stderr, "step 3")
  })

  it("is unknown to the others", () => {
    const nothing = { command: null, stderr: null }
    for (const error of [new SmolvmNotInstalled({ program: "smolvm" }), new Error("x"), "x", null, undefined]) {
      assert.deepStrictEqual(Ran.of(error), nothing)
    }
    assert.isNull(Ran.of(new DockerCommandFailed({ program: "d", command: "c", exitCode: 1, reason: "" })).stderr)
  })

  it("is bounded: a script is only counted, and only the end of what was said is kept", () => {
    const { command, stderr } = Ran.of(
      new CommandFailed({
        ...failed,
        argv: ["a\nb", "x".repeat(161), "y".repeat(160), ...Array.from({ length: 100 }, () => "z")],
        stderr: `begin${"w".repeat(5000)}`
      })
    )
    assert.deepStrictEqual(command?.slice(1, 4), ["<3 characters>", "<161 characters>", "y".repeat(160)])
    assert.lengthOf(command ?? [], 64)
    assert.lengthOf(stderr ?? "", 4096)
  })
})

describe("values that a launch was given", () => {
  const clean = Ran.without([Redacted.make("hunter2"), Redacted.make("hunter2-long"), Redacted.make("abc")])

  it("are taken out, the longest first; those that are too short to be told apart stay", () => {
    assert.strictEqual(clean("hunter2-long hunter2 abc"), "<redacted> <redacted> abc")
    const lines = Ran.without([Redacted.make("-----BEGIN-----\nMIIEvQ-line-two\nx")])
    assert.strictEqual(lines("it has MIIEvQ-line-two in it"), "it has <redacted> in it")
  })

  it("are in no field of a failed stage, and the failure is the same where it holds none", () => {
    const of = (stderr: string) =>
      StageFailed.of("start")(new CommandFailed({ ...failed, argv: ["--label=hunter2"], stderr }))
    const cleaned = of("Error: hunter2 is wrong").without(clean)
    assert.notInclude(JSON.stringify(Schema.encodeSync(StageFailed)(cleaned)), "hunter2")
    assert.strictEqual(cleaned.stage, "start")
    assert.strictEqual(cleaned.cause, "CommandFailed")
    const other = StageFailed.of("start")(failed)
    assert.strictEqual(other.without(clean), other)
  })
})
