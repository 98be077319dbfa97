import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Tracer from "effect/Tracer"
import { randomBytes } from "node:crypto"
import * as Launch from "../src/Launch.js"
import { onStage, repliesFor } from "./fixtures/launching.js"

/** The spans of what an effect does, as a tracer of somebody else's would meet them. */
const spansOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.tracer, (native) => {
    const spans: Array<Tracer.Span> = []
    const tracer = Tracer.make({
      span: (...made) => {
        const span = native.span(...made)
        spans.push(span)
        return span
      },
      context: (run, fiber) => native.context(run, fiber)
    })
    return Effect.as(Effect.exit(Effect.withTracer(effect, tracer)), spans)
  })

const attributesOf = (spans: ReadonlyArray<Tracer.Span>, name: string): ReadonlyArray<Record<string, unknown>> =>
  spans.filter((span) => span.name === name).map((span) => Object.fromEntries(span.attributes))

const parentOf = (spans: ReadonlyArray<Tracer.Span>, span: Tracer.Span | undefined): string | undefined => {
  const id = span === undefined ? undefined : Option.getOrUndefined(span.parent)?.spanId
  return spans.find(({ spanId }) => spanId === id)?.name
}

describe("the spans of a launch", () => {
  it.live("are its stages, their processes and each release, with the bottle's id", () =>
    Temp.withTempDir((directory) =>
      onStage(directory, { replies: (plan) => repliesFor(plan) }, (stage) =>
        Effect.gen(function* () {
          const spans = yield* spansOf(Effect.scoped(Launch.launch(stage.plan)))
          const { id } = stage.plan
          for (const name of ["pack", "bundle", "create", "start", "ready", "relay", "proof"]) {
            assert.deepStrictEqual(attributesOf(spans, `bottle.${name}`), [{ "bottle.id": id, "bottle.stage": name }])
          }
          assert.deepStrictEqual(attributesOf(spans, "bottle.release"), [
            { "bottle.id": id, "bottle.resource": "machine" }
          ])
          const create = spans.find(({ attributes }) => attributes.get("process.subcommand") === "machine create")
          assert.deepStrictEqual(Object.fromEntries(create?.attributes ?? []), {
            "bottle.id": id,
            "process.program": "smolvm",
            "process.subcommand": "machine create",
            "process.exit_code": 0
          })
          assert.strictEqual(parentOf(spans, create), "bottle.create")
          const stages = spans.find(({ name }) => name === "bottle.create")
          assert.strictEqual(parentOf(spans, stages), "bottle.launch")
          assert.isTrue(spans.every(({ status }) => status._tag === "Ended"))
        })
      )
    )
  )

  it.live("end when a stage fails, and hold nothing of a secret", () =>
    Temp.withTempDir((directory) => {
      const secret = randomBytes(8).toString("hex")
      const options = { source: { _tag: "Bare" }, secrets: ["TOKEN"], env: [["SHOWN", secret]] } as const
      const replies: Parameters<typeof onStage>[1]["replies"] = (plan) => [
        { match: (argv) => argv[2] === "create", exit: 1, stderr: `Error: no room for ${secret}\n` },
        {
          match: plan.steps.at(-1)?.argv ?? [],
          exit: 1,
          stderr: `Error: vm not found: ${plan.machine}\n`,
          times: "any"
        }
      ]
      return onStage(directory, { options, replies }, (stage) =>
        Effect.gen(function* () {
          const secrets = new Map([["TOKEN", Redacted.make(secret)]])
          const spans = yield* spansOf(Effect.scoped(Launch.launch(stage.plan, { secrets })))
          const create = spans.find(({ name }) => name === "bottle.create")
          assert.strictEqual(create?.status._tag === "Ended" ? create.status.exit._tag : "Open", "Failure")
          assert.isTrue(spans.every(({ status }) => status._tag === "Ended"))
          const told = spans.map(({ attributes, name }) => JSON.stringify([name, ...attributes])).join("\n")
          assert.include(told, "machine create")
          assert.notInclude(told, secret)
        })
      )
    })
  )
})
