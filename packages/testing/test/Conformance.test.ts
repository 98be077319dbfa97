import * as Line from "@bottle/smolvm/Line"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CommandScript from "../src/CommandScript.js"
import * as Conformance from "../src/Conformance.js"
import * as FakeSmolvm from "../src/FakeSmolvm.js"
import type { Misbehaviour } from "../src/Misbehaviour.js"

const version = "1.9.3"
const options = { program: "smolvm", env: {} }

const fake = Layer.provideMerge(Conformance.layer(options), FakeSmolvm.layer({ host: "real" }))

/** A program that says its version, and answers everything else in one way. */
const stubborn = (release: string, answer: Pick<CommandScript.Reply, "exit" | "stdout" | "stderr">) =>
  Conformance.layer(options).pipe(
    Layer.provide(
      CommandScript.layer([
        { match: ["smolvm", "--version"], stdout: `smolvm ${release}\n`, times: "any" },
        { match: () => true, times: "any", ...answer }
      ])
    )
  )

const answers: ReadonlyArray<readonly [what: string, answer: Pick<CommandScript.Reply, "exit" | "stdout" | "stderr">]> =
  [
    ["succeeds at everything", {}],
    ["fails at everything", { exit: 1, stderr: "Error: config operation failed: machine: no\n" }],
    ["takes everything for a usage error", { exit: 2, stderr: "error: no\n\nUsage: smolvm\n" }],
    ["has no machine", { exit: 1, stderr: "Error: vm not found: x\n" }],
    ["lists nothing, whatever it is asked", { stdout: "[]\n" }]
  ]

describe("the cases", () => {
  it("have a name each, and hold for some known version", () => {
    const names = Conformance.cases.map(({ name }) => name)
    // Before and after a change the same sentence would be two cases.
    assert.strictEqual(new Set(names).size, names.length)
    for (const one of Conformance.cases) {
      assert.isTrue(
        Line.lines.some((line) => Conformance.casesOf(line).includes(one)),
        one.name
      )
    }
  })

  it("are those of a version", () => {
    const { length } = Conformance.cases
    const names = (release: string) => Conformance.casesOf(release).map(({ name }) => name)
    assert.isBelow(names("0.8.0").length, length)
    assert.isBelow(names(version).length, length)
    const missing = "machine stop of one that is missing is a"
    assert.include(names("0.8.0"), `${missing} success`)
    assert.notInclude(names("0.8.1"), `${missing} success`)
    assert.include(names("0.8.1"), `${missing} failure`)
  })

  // A case that such a program passes would say nothing of any program.
  it.scopedLive.each(answers)("fail, every one of them, for a program that %s", ([, answer]) =>
    Effect.gen(function* () {
      const newest = Conformance.casesOf(version)
      const older = Line.lines.flatMap((line) =>
        Conformance.casesOf(line).flatMap((one) => (newest.includes(one) ? [] : [{ one, release: line }]))
      )
      const passed: Array<string> = []
      for (const { one, release } of [...newest.map((one) => ({ one, release: version })), ...older]) {
        const result = yield* Effect.either(Effect.scoped(Effect.provide(one.run, stubborn(release, answer))))
        if (result._tag === "Right") passed.push(`${release}: ${one.name}`)
      }
      assert.deepStrictEqual(passed, [])
    })
  )
})

describe("a program that does one thing wrong", () => {
  const wrong: ReadonlyArray<readonly [what: string, wrong: Misbehaviour, caught: RegExp]> = [
    ["makes no machine", { when: "machine create", how: "pretend" }, /^machine create registers/],
    ["keeps what it deletes", { when: "machine delete", how: "pretend" }, /^machine delete -f removes/],
    ["goes on with what it stops", { when: "machine stop", how: "pretend" }, /^machine stop stops/],
    ["does not start", { when: "machine start", how: "fail" }, /^machine start boots/],
    ["says more than JSON", { when: "machine ls", how: "garble", as: "banner" }, /^machine ls --json lists nothing/],
    ["has other types", { when: "machine status", how: "garble", as: "wrong-types" }, /^machine status --json and ls/],
    [
      "says something of its own",
      { when: "machine exec", how: "noise" },
      /^machine exec keeps stdout and stderr apart/
    ],
    ["runs no command", { when: "machine exec", how: "fail", exitCode: 0, stderr: "" }, /^machine exec passes/],
    ["copies nothing", { when: "machine cp", how: "pretend" }, /^machine cp carries a file/],
    ["packs nothing", { when: "pack create", how: "pretend" }, /^pack create --from-vm/],
    ["dies of a signal", { when: "machine status", how: "die" }, /^machine status fails for a machine/]
  ]

  it.scopedLive.each(wrong)("%s, and is caught at it", ([, misbehaviour, caught]) =>
    Effect.gen(function* () {
      const one = Conformance.casesOf(version).find(({ name }) => caught.test(name))
      if (one === undefined) return assert.fail(`no case is ${caught}`)
      const { misbehave } = yield* FakeSmolvm.FakeSmolvm
      yield* Effect.scoped(one.run)
      yield* misbehave({ ...misbehaviour, times: "any" })
      const failure = yield* Effect.flip(Effect.scoped(one.run))
      assert.strictEqual(failure._tag, "ConformanceFailure")
    }).pipe(Effect.provide(fake))
  )
})

describe("a failure", () => {
  it.scopedLive("shows the call that it came of", () =>
    Effect.gen(function* () {
      const [first] = Conformance.casesOf(version)
      if (first === undefined) return assert.fail("there is no case")
      const failure = yield* Effect.flip(Effect.provide(first.run, stubborn(version, { exit: 3, stderr: "said\n" })))
      assert.strictEqual(failure.message, 'expected exit code 0\n  of: "-V"\n  exit code: 3\n  stderr: "said\\n"')
      assert.include(failure.suggestion, "Compare with what smolvm does")
    })
  )

  it.scopedLive("is a program that is missing, or that is no smolvm", () =>
    Effect.gen(function* () {
      const use = (reply: Partial<CommandScript.Reply>) =>
        Effect.flip(
          Effect.provide(
            Conformance.Subject,
            Layer.provide(
              Conformance.layer(options),
              CommandScript.layer([{ match: ["smolvm", "--version"], ...reply }])
            )
          )
        )
      assert.include((yield* use({ notFound: true })).message, "program not found")
      assert.include((yield* use({ stdout: "other 1.0.0\n" })).message, "expected smolvm's version")
    })
  )
})

describe("what is lacking", () => {
  it.scopedLive("is found by trying", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Conformance.probe, {})
      const { misbehave } = yield* FakeSmolvm.FakeSmolvm
      yield* misbehave({
        when: "machine start",
        how: "fail",
        stderr: "Error: agent operation failed: start: no KVM\n",
        times: "any"
      })
      assert.deepStrictEqual(yield* Conformance.probe, { guest: "Error: agent operation failed: start: no KVM" })
    }).pipe(Effect.provide(fake))
  )

  it("keeps the cases from being run that need it, and says why", () => {
    const lacks = (lacking: Conformance.Lacking) =>
      Conformance.casesOf(version).flatMap((one) => Conformance.lack(one, lacking) ?? [])
    assert.deepStrictEqual(lacks({}), [])
    assert.strictEqual(new Set(lacks({ guest: "no KVM" })).size, 1)
    assert.include(lacks({ guest: "no KVM" }), "no guest: no KVM")
  })
})

describe("an isolated environment", () => {
  it("keeps the machines in the directory and the agent's root filesystem where it is", () => {
    const env = Conformance.isolated("/t", { PATH: "/bin", HOME: "/h", SMOLVM_EGRESS_ALLOW_PRIVATE: "1", TOKEN: "x" })
    assert.deepStrictEqual(env, {
      PATH: "/bin",
      HOME: "/h",
      SMOLVM_AGENT_ROOTFS: "/h/.local/share/smolvm/agent-rootfs",
      XDG_DATA_HOME: "/t/d",
      XDG_CACHE_HOME: "/t/c",
      XDG_STATE_HOME: "/t/s",
      XDG_CONFIG_HOME: "/t/e",
      SMOLVM_CONFIG: "/t/config.toml",
      SMOLVM_VM_UID_DROP: "off"
    })
    const own = Conformance.isolated("/t", { SMOLVM_AGENT_ROOTFS: "/r", XDG_DATA_HOME: "/x" })
    assert.strictEqual(own["SMOLVM_AGENT_ROOTFS"], "/r")
    assert.strictEqual(
      Conformance.isolated("/t", { XDG_DATA_HOME: "/x" })["SMOLVM_AGENT_ROOTFS"],
      "/x/smolvm/agent-rootfs"
    )
    assert.notProperty(Conformance.isolated("/t", {}), "SMOLVM_AGENT_ROOTFS")
  })
})
