import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Containers from "./containers.js"
import { run } from "./fault.js"
import { all } from "./faults/all.js"
import * as Random from "./random.js"

const SEEDS = 2 ** 31

/** Several runs after each other, on a machine that does other things too. */
const TIMEOUT_MILLIS = 600_000

// Another moment each time; a failure says which, and `pnpm faults --runs 1 --only NAME --seed S` repeats it.
const random = Random.make(Math.floor(Math.random() * SEEDS))

const bounded = all.filter(({ boundedRuns, disturbs }) => boundedRuns > 0 && disturbs !== true)

describe.concurrent("nothing is left, and no exit code is invented, when", () => {
  beforeAll(async () => {
    if (Containers.lacking() === undefined) await Containers.containerFlags()
  }, TIMEOUT_MILLIS)

  afterAll(Containers.close, TIMEOUT_MILLIS)

  for (const fault of bounded) {
    const lacks = fault.lacks?.()
    it.skipIf(lacks !== undefined)(
      `${fault.about}${lacks === undefined ? "" : ` (skipped: ${lacks})`}`,
      async () => {
        for (let time = 0; time < fault.boundedRuns; time++) {
          const { failure } = await run(fault, Random.seedOf(random))
          assert.isUndefined(failure, failure)
        }
      },
      TIMEOUT_MILLIS
    )
  }
})
