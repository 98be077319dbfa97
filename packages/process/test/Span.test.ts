import * as Attach from "@bottle/process/Attach"
import * as Capture from "@bottle/process/Capture"
import * as Detached from "@bottle/process/Detached"
import * as Executor from "@bottle/process/Executor"
import * as Follow from "@bottle/process/Follow"
import type { Program } from "@bottle/process/Program"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { randomBytes } from "node:crypto"

interface Seen {
  readonly name: string
  readonly parent: string | undefined
  readonly attributes: Record<string, unknown>
  outcome: Exit.Exit<unknown, unknown>["_tag"] | "Open"
}

/** Runs an effect under a tracer that remembers what it is told. */
const traced = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const seen: Array<Seen> = []
    const tracer = Tracer.make({
      span: (name, parent, context, links, startTime, kind) => {
        const attributes = new Map<string, unknown>()
        const one: Seen = {
          name,
          parent: Option.getOrUndefined(Option.filterMap(parent, (it) => Option.liftPredicate(it, isSpan)))?.name,
          get attributes() {
            return Object.fromEntries(attributes)
          },
          outcome: "Open"
        }
        seen.push(one)
        return {
          _tag: "Span",
          name,
          spanId: String(seen.length),
          traceId: "1",
          parent,
          context,
          links: [...links],
          kind,
          sampled: true,
          status: { _tag: "Started", startTime },
          attributes,
          attribute: (key, value) => void attributes.set(key, value),
          event: () => {},
          addLinks: () => {},
          end: (_, exit) => {
            one.outcome = exit._tag
          }
        }
      },
      context: (run) => run()
    })
    return Effect.map(Effect.exit(Effect.withTracer(effect, tracer)), () => seen)
  })

const isSpan = (span: Tracer.AnySpan): span is Tracer.Span => span._tag === "Span"

const secret = randomBytes(8).toString("hex")

const holding = (script: string): Program => ({
  program: "/bin/sh",
  args: ["-c", `${script} # ${secret}`],
  env: { TOKEN: secret },
  subcommand: "machine exec"
})

const shell = { "process.program": "sh", "process.subcommand": "machine exec" }

describe("the span of a process", () => {
  it.scopedLive("says which program it was, its subcommand and its exit, however it is run", () =>
    Effect.gen(function* () {
      const runs = Effect.gen(function* () {
        yield* Effect.withSpan(Capture.capture(holding("exit 3")), "bottle.create")
        yield* Stream.runDrain(Follow.follow(holding("exit 4")))
        yield* Attach.attach(holding("exit 5"))
      })
      const seen = yield* traced(runs)
      const [stage, captured, followed, attached] = seen
      assert.strictEqual(seen.length, 4)
      assert.strictEqual(stage?.name, "bottle.create")
      assert.deepStrictEqual(
        [captured, followed, attached].map((one) => one?.name),
        ["process", "process", "process"]
      )
      assert.strictEqual(captured?.parent, "bottle.create")
      assert.deepStrictEqual(captured?.attributes, { ...shell, "process.exit_code": 3 })
      assert.deepStrictEqual(followed?.attributes, { ...shell, "process.exit_code": 4 })
      assert.deepStrictEqual(attached?.attributes, { ...shell, "process.exit_code": 5 })
      assert.notInclude(JSON.stringify(seen), secret)
    }).pipe(Effect.provide(Executor.layer))
  )

  it.scopedLive("says which signal ended it, and ends where it could not be started or was interrupted", () =>
    Effect.gen(function* () {
      const signalled = yield* traced(Capture.capture({ program: "sh", args: ["-c", "kill -TERM $$"] }))
      assert.deepStrictEqual(signalled[0]?.attributes, {
        "process.program": "sh",
        "process.exit_code": 143,
        "process.signal": "SIGTERM"
      })
      const missing = yield* traced(Capture.capture({ program: `/nowhere/${secret}/missing`, args: [] }))
      assert.deepStrictEqual(missing[0]?.attributes, { "process.program": "missing" })
      assert.strictEqual(missing[0]?.outcome, "Failure")
      const slow = yield* traced(Capture.capture({ program: "sleep", args: ["60"] }, { timeoutMillis: 50 }))
      assert.strictEqual(slow[0]?.outcome, "Failure")
    }).pipe(Effect.provide(Executor.layer))
  )

  it.live("of one that outlives us is over when it has started", () =>
    Effect.gen(function* () {
      const seen = yield* traced(
        Effect.flatMap(
          Detached.start({ argv: ["/bin/true", secret], env: { TOKEN: secret }, stdin: "null", stdout: "null" }),
          ({ exit }) => exit
        )
      )
      assert.deepStrictEqual(
        seen.map(({ attributes, name, outcome }) => ({ attributes, name, outcome })),
        [{ name: "process.detach", attributes: { "process.program": "true" }, outcome: "Success" }]
      )
    })
  )
})
