import { assert, describe, it } from "@effect/vitest"
import { run } from "../faults/fault.js"
import { hold } from "../faults/faults/hundred.js"

/** `pnpm faults --only hundred` holds a hundred, and measures. */
const COUNT = 20

const TIMEOUT_MILLIS = 300_000

describe("many bottles at once", () => {
  it(
    `are up, listed, and all taken down: ${COUNT} of them`,
    async () => {
      const fault = {
        name: "many",
        about: "nothing goes wrong with many bottles at once",
        boundedRuns: 1,
        boundMillis: TIMEOUT_MILLIS,
        provoke: (scene: Parameters<typeof hold>[0]) => hold(scene, COUNT)
      }
      const { failure } = await run(fault, 1)
      assert.isUndefined(failure, failure)
    },
    TIMEOUT_MILLIS
  )
})
