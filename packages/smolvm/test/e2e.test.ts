import * as Capture from "@bottle/process/Capture"
import * as Executor from "@bottle/process/Executor"
import * as Program from "@bottle/process/Program"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Capabilities from "../src/Capabilities.js"
import * as Smolvm from "../src/Smolvm.js"

// SMOLVM_E2E names the program to try, or is 1 for the one on PATH. Nothing is created.
const asked = process.env["SMOLVM_E2E"]
const program = asked === undefined || asked === "1" ? "smolvm" : asked

const smoke = Smolvm.layer({ program }).pipe(Layer.provideMerge(Executor.layer))

describe.skipIf(asked === undefined || asked === "")("a real smolvm (SMOLVM_E2E)", () => {
  const help = (...words: ReadonlyArray<string>) =>
    Effect.map(Capture.capture(Program.make(program, ...words, "--help"), { timeoutMillis: 15_000 }), (captured) => {
      assert.strictEqual(captured.exit.code, 0)
      return Capture.stdoutText(captured)
    })

  it.live("answers --help", () =>
    Effect.gen(function* () {
      assert.include(yield* help(), "machine")
    }).pipe(Effect.provide(smoke))
  )

  it.live("lists the machines as JSON", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm.Smolvm
      assert.isTrue(yield* smolvm.isAvailable)
      assert.isArray(yield* smolvm.machineLs)
    }).pipe(Effect.provide(smoke))
  )

  it.live("has the options that its version promises", () =>
    Effect.gen(function* () {
      const smolvm = yield* Smolvm.Smolvm
      const capabilities = yield* smolvm.capabilities
      const commands = Object.keys(capabilities.options)
      const texts = yield* Effect.forEach(commands, (command) => help(...command.split(" ")))
      const helps = Object.fromEntries(commands.map((command, index) => [command, texts[index] ?? ""]))
      const { options, ...rest } = capabilities
      const { options: listed, ...others } = Capabilities.withHelp(capabilities, helps)
      assert.deepStrictEqual(others, rest)
      for (const command of commands) assert.includeMembers([...(options[command] ?? [])], [...(listed[command] ?? [])])
    }).pipe(Effect.provide(smoke))
  )
})
