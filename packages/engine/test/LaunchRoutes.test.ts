import * as Smolvm from "@bottle/smolvm/Smolvm"
import * as CommandScript from "@bottle/testing/CommandScript"
import { SystemError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Engine from "../src/Engine.js"
import * as Launch from "../src/Launch.js"
import type { BundleKind } from "../src/LaunchOptions.js"
import { containerSettings } from "./fixtures/launching.js"
import { bare, settings } from "./fixtures/plans.js"

const TITLE = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"

/** A host that routes all of 192.168.0.0/16. */
const ROUTED = `${TITLE}eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n`

const missing = new SystemError({ module: "FileSystem", method: "readFileString", reason: "NotFound" })

/** The networks of a plan, and the files that were read for it. */
const planned = (bundle: BundleKind, container: Engine.ContainerSettings | null, routes: string | null) =>
  Effect.gen(function* () {
    const read: Array<string> = []
    const fs = FileSystem.layerNoop({
      readFileString: (path) =>
        Effect.suspend(() => {
          read.push(path)
          return routes === null ? Effect.fail(missing) : Effect.succeed(routes)
        })
    })
    const plan = yield* Launch.plan({ ...bare, bundle }).pipe(
      Effect.provide(fs),
      Effect.provide(Smolvm.layer({ program: "smolvm", env: {} })),
      Effect.provideService(Engine.Engine, { ...settings, container }),
      Effect.provide(CommandScript.layer([{ match: ["smolvm", "--version"], stdout: "smolvm 1.9.3\n", times: "any" }]))
    )
    const subnets = plan.bundle._tag === "Container" ? plan.bundle.candidates.map(({ subnet }) => subnet) : []
    return { subnets, read }
  })

const isRouted = (subnet: string): boolean => subnet.startsWith("192.168.")

describe("Launch.plan", () => {
  it.effect("keeps a container bundle out of the networks that the host routes", () =>
    Effect.gen(function* () {
      const { read, subnets } = yield* planned("container", containerSettings, ROUTED)
      assert.deepStrictEqual(read, ["/proc/net/route"])
      assert.isNotEmpty(subnets)
      assert.isEmpty(subnets.filter(isRouted))
    })
  )

  it.effect("knows of no routes where there is no such file", () =>
    Effect.gen(function* () {
      const { subnets } = yield* planned("container", containerSettings, null)
      assert.isNotEmpty(subnets.filter(isRouted))
    })
  )

  for (const [what, bundle, container] of [
    ["a bundle beside the launch", "process", containerSettings],
    ["no bundle", "none", containerSettings],
    ["a program that has no containers", "process", null]
  ] as const) {
    it.effect(`does not look at routes for ${what}`, () =>
      Effect.map(planned(bundle, container, ROUTED), ({ read }) => assert.deepStrictEqual(read, []))
    )
  }
})
