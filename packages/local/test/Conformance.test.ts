import * as Executor from "@bottle/process/Executor"
import * as Conformance from "@bottle/testing/Conformance"
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { note, skip } from "./support/missing.js"
import { asOrdinaryUser, layer, ourselves, type Runner } from "./support/runner.js"

const version = "1.9.3"
const lacking: Conformance.Lacking = {
  network: "machines of the local runtime have none",
  subcommands: "the local runtime leaves some out"
}

const cases = Conformance.casesOf(version).filter((found) => Conformance.lack(found, lacking) === undefined)

/** A refusal takes many calls, and most of what each takes of the program is its start. */
const refuses = ({ name }: Conformance.Case): boolean => name.startsWith("machine create refuses ")

/** The program with a state of its own, so that a case is alone in it. */
const subject = ({ directory, env, uid, words }: Runner) => {
  const [program = "", ...first] = words
  const files = Path.join(directory, "files")
  Fs.mkdirSync(files)
  Fs.chownSync(files, uid, uid)
  return Conformance.layer({ program, first, env, directory: files })
}

describe.concurrent(`the conformance of the program, as an ordinary user${note}`, () => {
  for (const one of cases.filter((found) => !refuses(found))) {
    it.scopedLive.skipIf(skip)(
      one.name,
      () =>
        Effect.flatMap(asOrdinaryUser, (runner) => Effect.provide(one.run, subject(runner))).pipe(
          Effect.provide(Executor.layer)
        ),
      120_000
    )
  }
})

describe.concurrent(`the conformance of the runtime in this process${note}`, () => {
  for (const one of cases.filter(refuses)) {
    it.scopedLive.skipIf(skip)(
      one.name,
      () =>
        Effect.flatMap(ourselves.make, (runner) => Effect.provide(one.run, subject(runner))).pipe(
          Effect.provide(layer)
        ),
      120_000
    )
  }
})
