import * as Smolvm from "@bottle/smolvm/Smolvm"
import * as CommandScript from "@bottle/testing/CommandScript"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Bundle, none } from "../src/Bundle.js"
import { Prover } from "../src/EgressProof.js"
import * as Launch from "../src/Launch.js"
import type { MachineSource } from "../src/LaunchOptions.js"
import * as LaunchPlan from "../src/LaunchPlan.js"
import { proven, settingsIn, status } from "./fixtures/launching.js"
import { planOf, withContainer } from "./fixtures/plans.js"

const ENV = { PATH: "/bin" }

/** A bundle whose network was taken, so that it has the next one. */
const bundle = Layer.succeed(Bundle, {
  prepare: (plan: LaunchPlan.LaunchPlan) => Effect.succeed(LaunchPlan.withSubnet(plan, 1)),
  start: () => Effect.succeed(none)
})

const prover = {
  prove: ({ plan }: { readonly plan: LaunchPlan.LaunchPlan }) =>
    Effect.flatMap(Smolvm.Smolvm, (smolvm) => Effect.as(smolvm.machineExec(LaunchPlan.proofOptions(plan)), proven(0)))
}

const machineSteps = (plan: LaunchPlan.LaunchPlan) => plan.steps.filter((step) => step.argv[0] === "smolvm")

/** Launches at an address on a scripted smolvm, whose machine has a network or not; the plan, and what was run. */
const launched = (version: string, source: MachineSource, network: boolean) =>
  Temp.withTempDir((directory) => {
    const settings = { ...settingsIn(directory), ...withContainer }
    const plan = planOf({ source, allow: ["example.com"], bundle: "container", topology: "address" }, version, settings)
    const moved = LaunchPlan.withSubnet(plan, 1)
    const isRefused = source._tag === "Pack" && !network
    const steps = machineSteps(moved).filter(({ stage }) => !isRefused || stage === "create" || stage === "release")
    const replies = steps.map(({ argv }) => ({
      match: argv,
      ...(argv.includes("status") ? { stdout: status(plan.machine, network) } : {})
    }))
    return Effect.gen(function* () {
      const result = yield* Effect.either(Effect.scoped(Launch.launch(plan)))
      const { recorded } = yield* CommandScript.CommandScript
      return { moved, result, runs: (yield* recorded).filter((run) => run.argv[1] !== "--version") }
    }).pipe(
      Effect.provide(bundle),
      Effect.provideService(Prover, prover),
      Effect.provide(Smolvm.layer({ program: "smolvm", env: ENV })),
      Effect.provide(NodeFileSystem.layer),
      Effect.provide(
        CommandScript.layer(
          [{ match: ["smolvm", "--version"], stdout: `smolvm ${version}\n`, times: "any" }, ...replies],
          { ordered: true }
        )
      )
    )
  })

describe("a launch at an address", () => {
  for (const [version, variables] of [
    ["1.0.2", {}],
    ["1.0.4", { SMOLVM_EGRESS_ALLOW_PRIVATE: "1" }],
    ["1.1.3", {}]
  ] as const) {
    it.live(`runs what the plan says of the network that was taken, with the variables it says: ${version}`, () =>
      Effect.gen(function* () {
        const { moved, result, runs } = yield* launched(version, { _tag: "Bare" }, true)
        assert.isTrue(result._tag === "Right" && result.right.plan.bundle._tag === "Container")
        assert.deepStrictEqual(
          runs.map(({ argv, env }) => ({ argv, env })),
          machineSteps(moved).map(({ argv, stage }) => ({
            argv,
            env: stage === "start" ? { ...ENV, ...variables } : ENV
          }))
        )
      })
    )
  }

  it.live("refuses a pack's machine that has no network, and takes one that has", () =>
    Effect.gen(function* () {
      const pack = { _tag: "Pack", path: "/p/x.smolmachine" } as const
      const refused = yield* launched("1.8.0", pack, false)
      assert.strictEqual(refused.result._tag === "Left" ? refused.result.left._tag : "launched", "NetworkMissing")
      const taken = yield* launched("1.8.0", pack, true)
      assert.strictEqual(taken.result._tag, "Right")
    })
  )
})
