import * as Capture from "@bottle/process/Capture"
import * as Executor from "@bottle/process/Executor"
import * as Conformance from "@bottle/testing/Conformance"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Scope from "effect/Scope"
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Capabilities from "../src/Capabilities.js"
import * as Grammar from "../src/Grammar.js"
import * as Machines from "../src/Machines.js"
import * as Smolvm from "../src/Smolvm.js"

// SMOLVM_E2E names the program to try, or is 1 for the one on PATH. Its machines are kept apart from the user's own.
const asked = process.env["SMOLVM_E2E"] ?? ""
const program = asked === "1" ? "smolvm" : asked

const directory = asked === "" ? "" : mkdtempSync(Path.join(realpathSync(Os.tmpdir()), "bottle-e2e-"))
const env = Conformance.isolated(directory, process.env)

const runtime = ManagedRuntime.make(
  Conformance.layer({ program, env }).pipe(
    Layer.merge(Smolvm.layer({ program, env })),
    Layer.provideMerge(Executor.layer),
    Layer.orDie
  )
)

/** What its version promises, and what it lacks here: a test that has to be skipped says so in its name. */
const found: { readonly cases: ReadonlyArray<Conformance.Case>; readonly lacking: Conformance.Lacking } =
  asked === ""
    ? { cases: [], lacking: {} }
    : await runtime.runPromise(
        Effect.flatMap(Conformance.Subject, ({ capabilities: { version } }) =>
          Effect.map(Conformance.probe, (lacking) => ({ cases: Conformance.casesOf(version), lacking }))
        )
      )

afterAll(async () => {
  await runtime.dispose()
  if (asked !== "") rmSync(directory, { recursive: true, force: true })
})

const minutes = 10 * 60_000

describe.skipIf(asked === "")("a real smolvm (SMOLVM_E2E)", () => {
  const test = (
    name: string,
    effect: Effect.Effect<void, unknown, ManagedRuntime.ManagedRuntime.Context<typeof runtime> | Scope.Scope>,
    isSkipped = false
  ) => it.skipIf(isSkipped)(name, () => runtime.runPromise(Effect.scoped(effect)), minutes)

  test(
    "lists its machines",
    Effect.gen(function* () {
      const smolvm = yield* Smolvm.Smolvm
      assert.isTrue(yield* smolvm.isAvailable)
      assert.deepStrictEqual(yield* smolvm.machineLs, [])
    })
  )

  test(
    "has the options that its version promises",
    Effect.gen(function* () {
      const capabilities = yield* Effect.flatMap(Smolvm.Smolvm, (smolvm) => smolvm.capabilities)
      const texts: Record<string, string> = {}
      for (const command of Object.keys(capabilities.options)) {
        const captured = yield* Capture.capture({ program, args: [...command.split(" "), "--help"], env })
        assert.strictEqual(captured.exit.code, 0, command)
        texts[command] = Capture.stdoutText(captured)
      }
      const listed = Capabilities.optionsFromHelp(texts)
      for (const [command, promised] of Object.entries(capabilities.options)) {
        const has = listed[command] ?? []
        // Some options are hidden: no help of any release lists them.
        const shown = Capabilities.optionsFromHelp({ [command]: Grammar.help(capabilities.line, command) ?? "" })
        const lost = promised.filter((option) => !has.includes(option) && shown[command]?.includes(option))
        const unknown = has.filter((option) => !promised.includes(option))
        assert.deepStrictEqual({ lost, unknown }, { lost: [], unknown: [] }, command)
      }
    })
  )

  describe("does as every smolvm does:", () => {
    for (const one of found.cases) {
      const lack = Conformance.lack(one, found.lacking)
      test(lack === undefined ? one.name : `${one.name} (${lack})`, one.run, lack !== undefined)
    }
  })

  const { guest } = found.lacking
  test(
    `gives a machine to a scope, and takes it back${guest === undefined ? "" : ` (no guest: ${guest})`}`,
    Effect.gen(function* () {
      const smolvm = yield* Smolvm.Smolvm
      const name = yield* Effect.scoped(
        Effect.gen(function* () {
          const machine = yield* Machines.acquire({ create: { name: `bottle-conf-${process.pid}-scoped` } })
          const { exit, stdout } = yield* machine.exec.run({ command: ["sh", "-c", "echo said; exit 3"] })
          assert.deepStrictEqual([new TextDecoder().decode(stdout), exit.exitCode, exit.origin], ["said\n", 3, "guest"])
          return machine.name
        })
      )
      const error = yield* Effect.flip(smolvm.machineStatus({ name }))
      assert.strictEqual(error._tag, "MachineNotFound")
    }),
    guest !== undefined
  )

  test(
    "leaves no machine behind",
    Effect.gen(function* () {
      const smolvm = yield* Smolvm.Smolvm
      assert.deepStrictEqual(yield* smolvm.machineLs, [])
    })
  )
})
