import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import type { SmolvmError } from "../src/SmolvmError.js"
import { errorOf, refusalOf, reply, using } from "./fixtures/scripted.js"
import type { Service } from "./fixtures/scripted.js"

const reference = "registry.example/a:1"

/** One call of each kind, with its argv. */
const calls: ReadonlyArray<readonly [argv: string, call: (smolvm: Service) => Effect.Effect<unknown, SmolvmError>]> = [
  [
    "pack create --image alpine -o out --cpus 2 --single-file",
    (smolvm) => smolvm.packCreate({ image: "alpine", output: "out", cpus: 2, singleFile: true })
  ],
  ["pack create --from-vm box -o out", (smolvm) => smolvm.packCreate({ fromVm: "box", output: "out" })],
  [`pack push -f p.smolmachine ${reference}`, (smolvm) => smolvm.packPush({ reference, file: "p.smolmachine" })],
  [`pack pull -o p ${reference}`, (smolvm) => smolvm.packPull({ reference, output: "p" })],
  ["pack prune --keep 1 --dry-run", (smolvm) => smolvm.packPrune({ keep: 1, dryRun: true })]
]

describe("calls about packs", () => {
  for (const [argv, call] of calls) {
    for (const release of ["0.8.0", "1.9.3"]) {
      it.effect(`run ${argv} on ${release}`, () => using(release, [reply(argv)], call))
    }

    it.effect(`fail with what smolvm says: ${argv}`, () =>
      Effect.gen(function* () {
        const error = yield* errorOf(
          "1.9.3",
          argv,
          { exit: 1, stderr: "Error: storage operation failed: x: full\n" },
          call
        )
        assert.strictEqual(error._tag, "CommandFailed")
        assert.include(error.message, "storage operation failed: x: full")
      })
    )

    it.effect(`are ended at their deadline: ${argv}`, () =>
      using("1.9.3", [reply(argv, { hang: true })], (smolvm) =>
        Effect.gen(function* () {
          yield* smolvm.capabilities
          const calling = yield* Effect.fork(Effect.flip(call(smolvm)))
          yield* TestClock.adjust("2 hours")
          assert.strictEqual((yield* Fiber.join(calling))._tag, "SmolvmTimedOut")
        })
      )
    )
  }
})

describe("packCreate", () => {
  it.effect("of a machine says that it is missing, or in which state it must be", () =>
    Effect.gen(function* () {
      const of = (stderr: string) =>
        errorOf("1.9.3", "pack create --from-vm box -o out", { exit: 1, stderr }, (smolvm) =>
          smolvm.packCreate({ fromVm: "box", output: "out" })
        )
      assert.strictEqual((yield* of("Error: vm not found: box\n"))._tag, "MachineNotFound")
      const state = yield* of("Error: invalid vm state: expected stopped, got running\n")
      assert.strictEqual(state._tag, "MachineInWrongState")
      assert.include(state.message, "machine 'box' is running, and must be stopped")
    })
  )

  it.effect("says so of a machine that nobody has named", () =>
    Effect.gen(function* () {
      const stderr = "Error: invalid vm state: expected stopped, got running\n"
      const error = yield* errorOf("1.9.3", "pack create --smolfile s -o out", { exit: 1, stderr }, (smolvm) =>
        smolvm.packCreate({ smolfile: "s", output: "out" })
      )
      assert.strictEqual(error.message, "the machine is running, and must be stopped (smolvm pack create)")
    })
  )

  it.effect("is refused without a source, and for what the release lacks", () =>
    Effect.gen(function* () {
      const none = yield* refusalOf("1.9.3", (smolvm) =>
        Effect.zipRight(smolvm.capabilities, smolvm.packCreate({ output: "out" }))
      )
      assert.strictEqual(none._tag, "InvalidArgument")
      const rebase = (smolvm: Service) => smolvm.packCreate({ fromVm: "box", output: "out", rebaseFromImage: true })
      assert.strictEqual((yield* refusalOf("1.1.0", rebase))._tag, "UnsupportedOption")
      yield* using("1.9.3", [reply("pack create --from-vm box -o out --rebase-from-image")], rebase)
    })
  )
})

describe("packInspect", () => {
  const argv = `pack inspect --json ${reference}`
  const inspect = (smolvm: Service) => smolvm.packInspect({ reference })

  it.effect("gives the manifest", () =>
    using("1.9.3", [reply(argv, { stdout: '{"image":"alpine","layer_size":9,"novelty":[1]}' })], (smolvm) =>
      Effect.gen(function* () {
        const manifest = yield* inspect(smolvm)
        assert.deepInclude(manifest, { image: "alpine", layerSizeBytes: 9, layerDigest: null })
        assert.deepStrictEqual(manifest.raw["novelty"], [1])
      })
    )
  )

  it.effect("says what it does not understand, and what smolvm says", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* errorOf("1.9.3", argv, { stdout: "Image: a\n" }, inspect))._tag, "OutputNotUnderstood")
      const failed = yield* errorOf(
        "1.9.3",
        argv,
        { exit: 1, stderr: "Error: agent operation failed: x: 404\n" },
        inspect
      )
      assert.strictEqual(failed._tag, "CommandFailed")
    })
  )
})

describe("packPrune", () => {
  it.effect("gives what smolvm says", () =>
    using("1.9.3", [reply("pack prune --all", { stdout: "Removed 2\n" })], (smolvm) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* smolvm.packPrune({ all: true }), "Removed 2")
      })
    )
  )
})
