import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { type Fault, run } from "./fault.js"
import * as Life from "./life.js"
import type { Scene } from "./scene.js"

const fault = (provoke: Fault["provoke"]): Fault => ({ name: "it", about: "", boundedRuns: 1, provoke })

const SEED = 7

const assertFails = async (provoke: Fault["provoke"], reason: RegExp) => {
  const { failure } = await run(fault(provoke), SEED)
  assert.match(failure ?? "it did not fail", reason)
  assert.match(failure ?? "", /^it with seed 7: /)
}

const record = (scene: Scene, ...ends: ReadonlyArray<object>) => {
  Fs.mkdirSync(`${scene.home.records}/box-00000`, { recursive: true })
  const lines = ends.map((end) => JSON.stringify({ _tag: "Ended", origin: "guest", ...end }))
  Fs.writeFileSync(`${scene.home.records}/box-00000/launch.jsonl`, lines.join("\n"))
}

describe("a run of a fault", () => {
  it("fails when something is left, and says what", async () => {
    await assertFails(async (scene) => {
      Fs.mkdirSync(`${scene.state}/run/box-00000`, { recursive: true })
      await scene.cleared(0)
    }, /still there[^]*\/run\/box-00000/)
    await assertFails(async (scene) => {
      scene.home.spawn(["sleep", "1000"], { env: { MARKER: scene.home.marker } })
      await scene.cleared(0)
    }, /still there[^]*process \d+ sleep 1000/)
    const { clearedMillis, failure } = await run(
      fault(async (scene) => {
        Fs.mkdirSync(`${scene.state}/run`, { recursive: true })
        scene.fault("nothing")
        await scene.cleared(0)
      }),
      SEED
    )
    assert.isUndefined(failure, failure)
    assert.isAtLeast(clearedMillis, 0)
  })

  it("fails when a code is told that no command ended with", async () => {
    await assertFails(async (scene) => record(scene, { code: 0 }), /tells the code 0/)
    await assertFails(async (scene) => record(scene, { code: 5 }), /tells the code 5/)
    await assertFails(async (scene) => record(scene, { code: 130 }, { code: null }), /tells 2 ends/)
    const allowed: ReadonlyArray<Fault["provoke"]> = [
      async (scene) => record(scene, { code: 130 }),
      async (scene) => record(scene, { code: null }),
      async (scene) => {
        scene.witnessed.add(5)
        record(scene, { code: 5 })
      }
    ]
    for (const provoke of allowed) {
      const { failure } = await run(fault(provoke), SEED)
      assert.isUndefined(failure, failure)
    }
  })

  it("fails when it does not come to its end", async () => {
    const endless: Fault = { ...fault(() => new Promise(() => {})), boundMillis: 50 }
    const { failure } = await run(endless, SEED)
    assert.match(failure ?? "", /took longer than 50 ms/)
  })

  it("finds the machine of a bottle, and its end", async () => {
    const { failure } = await run(
      fault(async (scene) => {
        const bottle = Life.run(scene)
        await bottle.begun()
        assert.lengthOf(scene.machines(), 1)
        assert.isNotEmpty(scene.inMachines((argv) => argv.includes(scene.home.marker)))
        bottle.finish()
        assert.strictEqual((await scene.end(bottle.running)).code, bottle.code)
        assert.lengthOf(scene.machines(), 0)
      }),
      SEED
    )
    assert.isUndefined(failure, failure)
  })
})
