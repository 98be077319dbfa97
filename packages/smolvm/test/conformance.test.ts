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

// The last version before a change and the first one with it, where those are not lines of their own. Before 1.0.2 the
// fake parses by the grammar of the line below.
const edges = "1.0.2 1.1.2 1.1.3 1.2.2 1.3.0 1.6.4 1.7.0 1.7.2 1.7.3 1.7.7 1.8.0 1.8.1".split(" ")

describe.concurrent.each(edges)("what has changed at the fake smolvm %s", (version) => {
  const changed = Conformance.casesOf(version).filter(({ before, since }) => (before ?? since) !== undefined)
  for (const one of changed) it.scopedLive(one.name, () => run(one, version))
})
