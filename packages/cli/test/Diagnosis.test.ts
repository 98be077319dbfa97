import * as Diagnosis from "@bottle/cli/Diagnosis"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"

const subject = (id: string, need: Diagnosis.Finding["need"], more: Partial<Diagnosis.Subject> = {}) => ({
  id,
  group: "things",
  name: `the ${id}`,
  need,
  ...more
})

const local = { kind: "local", program: "smolvm-local", version: "smolvm 1.9.3", isolation: "namespaces" } as const
const smolvm = { kind: "smolvm", program: "smolvm", version: "smolvm 1.9.3", isolation: "microvm" } as const

const problems = [
  Diagnosis.ill(subject("common", "any"), "broken", "mend it"),
  Diagnosis.ill(subject("kvm", "microvm"), "broken", "mend it"),
  Diagnosis.ill(subject("spaces", "namespaces"), "broken", "mend it"),
  Diagnosis.ill(subject("docker", "none"), "broken", "mend it")
]

describe("the verdict", () => {
  const cases = [
    [local, "namespaces", ["missing", "optional", "missing", "optional"]],
    [smolvm, "microvm", ["missing", "missing", "optional", "optional"]]
  ] as const
  for (const [runtime, expected, verdicts] of cases) {
    it(`is missing for what bottles of ${expected} need, and optional for the rest`, () => {
      const { checks, isolation, ok } = Diagnosis.decide(problems, runtime, expected)
      assert.deepStrictEqual(
        checks.map(({ verdict }) => verdict),
        [...verdicts]
      )
      assert.deepStrictEqual([ok, isolation], [false, "none"])
    })

    it(`is that a bottle runs with ${expected} where only others lack something`, () => {
      const others = problems.filter(({ need }) => need !== "any" && need !== expected)
      const diagnosis = Diagnosis.decide(others, runtime, expected)
      assert.deepStrictEqual([diagnosis.ok, diagnosis.isolation], [true, expected])
      const fixes = diagnosis.checks.map(({ fix }) => fix)
      assert.include(fixes, "mend it")
      assert.isTrue(fixes.some((fix) => fix?.startsWith("nothing, unless you want ")))
    })
  }

  it("is that none runs where the runtime does not answer, and all else is well", () => {
    const found = [Diagnosis.well(subject("a", "any"), "there")]
    assert.isFalse(Diagnosis.decide(found, null, "microvm").ok)
    assert.isTrue(Diagnosis.decide(found, smolvm, "microvm").ok)
  })

  it("reads back from its document", () => {
    const diagnosis = Diagnosis.decide(problems, local, "namespaces")
    const json = JSON.stringify(Schema.encodeSync(Diagnosis.Diagnosis)(diagnosis))
    assert.deepStrictEqual(Schema.decodeUnknownSync(Schema.parseJson(Diagnosis.Diagnosis))(json), diagnosis)
  })
})

describe("the diagnosis for people", () => {
  const textOf = (
    findings: ReadonlyArray<Diagnosis.Finding>,
    runtime: Diagnosis.Diagnosis["runtime"] = local,
    expected: "microvm" | "namespaces" = "namespaces",
    colors = false
  ) => Diagnosis.render(findings, Diagnosis.decide(findings, runtime, expected), { colors })

  it("has what is missing first, then what is optional, then a line for each group, and the conclusion", () => {
    const text = textOf([
      Diagnosis.well(subject("node", "any", { group: "system" }), "20.1.2", "Node 20.1.2"),
      Diagnosis.ill(subject("docker", "none"), "not installed", "install it"),
      Diagnosis.well(subject("os", "any", { group: "system" }), "linux", "linux"),
      Diagnosis.ill(subject("state", "any"), "full", "make room"),
      Diagnosis.well(subject("boot", "any", { group: "clock" }), "readable", null)
    ])
    assert.deepStrictEqual(text.split("\n"), [
      "MISSING   the state: full",
      "          try: make room",
      "optional  the docker: not installed",
      "          try: install it",
      "ok        system: Node 20.1.2, linux",
      "A bottle cannot run here."
    ])
  })

  it("tells only the cause of what follows from it, and both where they are unrelated", () => {
    const setting = Diagnosis.ill(subject("setting", "namespaces"), "is 0", "set it")
    const trial = (follows: ReadonlyArray<string>) =>
      Diagnosis.ill(subject("trial", "namespaces", { follows }), "refused", "allow it")
    assert.notInclude(textOf([setting, trial(["setting"])]), "the trial")
    assert.include(textOf([setting, trial(["another"])]), "the trial: refused")
    const { checks } = Diagnosis.decide([setting, trial(["setting"])], local, "namespaces")
    assert.lengthOf(checks, 2)
  })

  it("names the local runtime where that would do, and only there", () => {
    const kvm = Diagnosis.ill(subject("kvm", "microvm"), "not there", "switch it on")
    const spaces = Diagnosis.well(subject("spaces", "namespaces"), "work")
    assert.include(textOf([kvm, spaces], smolvm, "microvm"), "try: --runtime local")
    const broken = Diagnosis.ill(subject("spaces", "namespaces"), "refused", "allow them")
    assert.notInclude(textOf([kvm, broken], smolvm, "microvm"), "try: --runtime local")
    assert.include(textOf([spaces], local), "A bottle can run here, in namespaces")
    assert.include(textOf([spaces], smolvm, "microvm"), "A bottle can run here, in a microVM")
  })

  it("fits into 80 columns, steers no terminal, and is coloured for who wants it", () => {
    const words = Array.from({ length: 60 }, (_, at) => `word${at}`).join(" ")
    const findings = [
      Diagnosis.ill(subject("a", "any"), `${words}\u001b[2J\nforged`, words),
      Diagnosis.well(subject("b", "any"), "x", words)
    ]
    const text = textOf(findings)
    for (const line of text.split("\n")) assert.isAtMost(line.length, 80)
    assert.notInclude(text, "\u001b")
    assert.notMatch(text, /^forged/m)
    const colored = textOf(findings, local, "namespaces", true)
    assert.include(colored, "\u001b[1;31mMISSING")
    // oxlint-disable-next-line no-control-regex
    assert.strictEqual(colored.replace(/\u001b\[[0-9;]*m/g, ""), text)
  })
})

describe("a look", () => {
  const fine = Diagnosis.well(subject("fine", "any"), "there")

  it.effect("that hangs is not as it should be, beside one that answers", () =>
    Effect.gen(function* () {
      const looks = [
        Diagnosis.within(subject("sick", "any"), "see why", Effect.never),
        Diagnosis.within(subject("deaf", "any"), "see why", Effect.uninterruptible(Effect.never)),
        Diagnosis.within(subject("fine", "any"), "see why", Effect.succeed([fine]))
      ]
      const fiber = yield* Effect.fork(Effect.all(looks, { concurrency: "unbounded" }))
      yield* TestClock.adjust(Diagnosis.TIMEOUT_MILLIS)
      const [sick, deaf, well] = yield* Fiber.join(fiber)
      assert.deepInclude(sick?.[0], { id: "sick", ok: false, detail: "no answer within 5 s", fix: "see why" })
      assert.deepInclude(deaf?.[0], { id: "deaf", ok: false })
      assert.deepStrictEqual(well, [fine])
    })
  )

  it.effect("that has a fault hides nothing of the others", () =>
    Effect.gen(function* () {
      const [found] = yield* Diagnosis.within(subject("bad", "any"), "see why", Effect.die(new Error("secret")))
      assert.deepInclude(found, { id: "bad", ok: false, detail: "it could not be looked at" })
      assert.deepStrictEqual(yield* Diagnosis.within(subject("fine", "any"), "see why", Effect.succeed([fine])), [fine])
    })
  )
})
