import * as Conformance from "@bottle/testing/Conformance"
import * as FakeSmolvm from "@bottle/testing/FakeSmolvm"
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Grammar from "../src/Grammar.js"

const lacking: Conformance.Lacking = { volumes: "machines in memory see no directory of the host" }

describe.concurrent.each(Grammar.lines)("the conformance of the fake smolvm %s", (line) => {
  for (const one of Conformance.casesOf(line).filter((found) => Conformance.lack(found, lacking) === undefined)) {
    it.scopedLive(one.name, () =>
      one.run.pipe(
        Effect.provide(
          Layer.provide(Conformance.layer({ program: "smolvm", env: {} }), FakeSmolvm.layer({ line, host: "real" }))
        )
      )
    )
  }
})
