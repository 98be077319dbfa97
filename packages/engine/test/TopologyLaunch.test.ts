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

/** A plan at an address, for a release. */
const planAt = (directory: string, version: string, source: MachineSource, unprovenEgress = false) =>
  planOf({ source, allow: ["example.com"], bundle: "container", topology: "address", unprovenEgress }, version, {
    ...settingsIn(directory),
    ...withContainer
  })

/** Launches a plan on a scripted smolvm of a release; what came of it, and what was run. */
const launching = (version: string, plan: LaunchPlan.LaunchPlan, replies: ReadonlyArray<CommandScript.Reply>) =>
  Effect.gen(function* () {
    const result = yield* Effect.either(Effect.scoped(Launch.launch(plan)))
    const { recorded } = yield* CommandScript.CommandScript
    return { result, runs: (yield* recorded).filter((run) => run.argv[1] !== "--version") }
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

/** Launches at an address on a scripted smolvm, whose machine has a network or not; the plan, and what was run. */
const launched = (version: string, source: MachineSource, network: boolean, unprovenEgress = false) =>
  Temp.withTempDir((directory) => {
    const plan = planAt(directory, version, source, unprovenEgress)
    const moved = LaunchPlan.withSubnet(plan, 1)
    const isRefused = source._tag === "Pack" && !network
    const steps = machineSteps(moved).filter(({ stage }) => !isRefused || stage === "create" || stage === "release")
    const replies = steps.map(({ argv }) => ({
      match: argv,
      ...(argv.includes("status") ? { stdout: status(plan.machine, network) } : {})
    }))
    return Effect.map(launching(version, plan, replies), (done) => ({ ...done, moved }))
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

  it.live("refuses a machine whose policy the runtime dropped unknown to the plan, and leaves nothing of it", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const pack = { _tag: "Pack", path: "/p/x.smolmachine" } as const
        // The runtime was another one when the launch was planned: 1.8.0 is the first that holds a pack's policy.
        const plan = planAt(directory, "1.8.0", pack)
        const { result, runs } = yield* launching("1.7.7", plan, [
          { match: (argv) => argv[2] === "create" && argv.includes("--allow-host") },
          { match: ["smolvm", "machine", "delete", "-f", "--name", plan.machine] }
        ])
        assert.deepStrictEqual(
          runs.map(({ argv }) => argv[2]),
          ["create", "delete"]
        )
        assert.isTrue(result._tag === "Left" && result.left._tag === "PolicyDropped")
        if (result._tag !== "Left" || result.left._tag !== "PolicyDropped") return
        assert.deepInclude(result.left, { machine: plan.machine, option: "--allow-host", neededVersion: "1.8.0" })
        assert.include(result.left.message, "--allow-host: create --from drops it in silence")
        assert.include(result.left.suggestion, "1.8.0 or newer")
      })
    )
  )

  it.live("takes one whose plan knows that the policy is dropped, and leaves it to the proof", () =>
    Effect.gen(function* () {
      const { moved, result } = yield* launched("1.7.7", { _tag: "Pack", path: "/p/x.smolmachine" }, true, true)
      assert.isNotNull(moved.proof.doubt)
      assert.strictEqual(moved.proof.demand, "proven")
      assert.strictEqual(result._tag, "Right")
    })
  )
})
