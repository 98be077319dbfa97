import * as Conformance from "@bottle/testing/Conformance"
import * as FakeSmolvm from "@bottle/testing/FakeSmolvm"
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Grammar from "../src/Grammar.js"

const run = ({ run: effect }: Conformance.Case, version: string) =>
  Effect.provide(
    effect,
    Layer.provide(Conformance.layer({ program: "smolvm", env: {} }), FakeSmolvm.layer({ version, host: "real" }))
  )

describe.concurrent.each(Grammar.lines)("the conformance of the fake smolvm %s", (line) => {
  for (const one of Conformance.casesOf(line)) it.scopedLive(one.name, () => run(one, line))
})

// The first version with a change, where that is no line of its own. 0.8.1 is parsed as 0.8.0 is.
const edges = ["1.0.0", "1.0.2", "1.1.3", "1.2.2", "1.3.0", "1.6.4", "1.7.0", "1.7.3", "1.8.0", "1.8.1"]

describe.concurrent.each(edges)("what is new at the fake smolvm %s", (version) => {
  for (const one of Conformance.casesOf(version).filter(({ since }) => since === version)) {
    it.scopedLive(one.name, () => run(one, version))
  }
})
