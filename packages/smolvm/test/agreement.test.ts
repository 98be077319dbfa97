/** What this package builds beside what a smolvm in memory, with rules of its own reading, takes. */
import * as FakeSmolvm from "@bottle/testing/FakeSmolvm"
import { assert, describe, it } from "@effect/vitest"
import * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import * as Capabilities from "../src/Capabilities.js"
import * as Line from "../src/Line.js"
import * as Subcommand from "../src/Subcommand.js"
import * as Subcommands from "../src/Subcommands.js"
import { anyOptions } from "./fixtures/anyOptions.js"

/** Commands whose options exclude or need each other. */
const commands = [
  "machine create",
  "machine run",
  "machine fork",
  "machine update",
  "machine cp",
  "pack create",
  "pack run"
]

/** What such a smolvm says against options themselves, not against what is there or is not. */
const refuses = /^Error: config operation failed: (?:machine|pack) \S+: |^error: /m
const lacks = /already exists|there is no (?:pack|port)|failed to resolve|must be pulled/

/** Whether a pack or a Smolfile might ask for the network that virtio-net needs: the one rule that is left to smolvm. */
const mayBeNetworked = (argv: ReadonlyArray<string>): boolean => argv.some((word) => /^--(?:from|smolfile)/.test(word))

/** The exit code and stderr of one run of the fake; neither a machine, nor a file of the host, nor an image is there. */
const ran = (argv: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const executor = yield* CommandExecutor.CommandExecutor
      const child = yield* executor.start(Command.make("smolvm", ...argv).pipe(Command.feed("")))
      const [, stderr, code] = yield* Effect.all(
        [Stream.runDrain(child.stdout), Stream.mkString(Stream.decodeText(child.stderr)), child.exitCode],
        { concurrency: "unbounded" }
      )
      return { code: Number(code), stderr }
    })
  )

describe("what is built", () => {
  for (const version of [...Line.lines, "1.0.2", "1.1.3"]) {
    it.effect(`is refused by no rule of a smolvm ${version} in memory`, () =>
      Effect.gen(function* () {
        const capabilities = Capabilities.fromVersion(version)
        let count = 0
        for (const command of commands) {
          const subcommand = Subcommands.named(command)
          if (subcommand === undefined) throw new Error(command)
          const has = (long: string) => Capabilities.has(capabilities, command, long)
          for (const options of fc.sample(anyOptions(subcommand, has), { numRuns: 12, seed: 7 })) {
            const argv = Subcommand.argv(subcommand, options as never, capabilities)
            if (Either.isLeft(argv)) continue
            const { code, stderr } = yield* ran(argv.right)
            assert.notStrictEqual(code, 2, `${argv.right.join(" ")}: ${stderr}`)
            if (stderr.includes("virtio-net needs a network") && mayBeNetworked(argv.right)) continue
            assert.isFalse(refuses.test(stderr) && !lacks.test(stderr), `${argv.right.join(" ")}: ${stderr}`)
            count++
          }
        }
        assert.isAbove(count, 20)
      }).pipe(Effect.provide(FakeSmolvm.layer({ version })))
    )
  }
})
