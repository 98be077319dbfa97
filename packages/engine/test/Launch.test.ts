import { SmolvmTimedOut } from "@bottle/smolvm/SmolvmError"
import * as CommandScript from "@bottle/testing/CommandScript"
import * as Temp from "@bottle/testing/Temp"
import * as Wait from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Launch from "../src/Launch.js"
import type { LaunchOptions } from "../src/LaunchOptions.js"
import type { LaunchPlan } from "../src/LaunchPlan.js"
import { EgressNotEnforced, EgressUnproven } from "../src/ProofError.js"
import { Probe, ProofRecord } from "../src/ProofRecord.js"
import { decided } from "./fixtures/containing.js"
import { indexOfStage, onStage, proven, repliesFor, status } from "./fixtures/launching.js"

const packed: LaunchOptions = { source: { _tag: "Pack", path: "/p/x.smolmachine" } }
const offline: LaunchOptions = { source: { _tag: "Bare" }, bundle: "none" }

/** What a delete answers, as often as it is asked, when the machine never came to be. */
const neverThere = (plan: LaunchPlan): CommandScript.Reply => ({
  match: plan.steps.at(-1)?.argv ?? [],
  exit: 1,
  stderr: `Error: vm not found: ${plan.machine}\n`,
  times: "any"
})

/** What a delete answers, so many times in a row, when nothing is there. */
const absent = (plan: LaunchPlan, times: number): CommandScript.Reply => ({ ...neverThere(plan), times })

/** How often a release looks for a machine whose creator was cut off. */
const LOOKS = 6

const deleted = (plan: LaunchPlan): CommandScript.Reply => ({ match: plan.steps.at(-1)?.argv ?? [] })

describe("Launch", () => {
  for (const [what, options, version] of [
    ["a bare machine", { source: { _tag: "Bare" } }, "1.9.3"],
    ["a pack", packed, "1.9.3"],
    ["a machine without any network", offline, "1.9.3"],
    ["the oldest release line", { source: { _tag: "Bare" } }, "0.8.0"],
    ["a line between", { source: { _tag: "Bare" } }, "1.5.2"]
  ] satisfies ReadonlyArray<readonly [string, LaunchOptions, string]>) {
    it.live(`runs the very commands of its plan: ${what}`, () =>
      Temp.withTempDir((directory) =>
        onStage(directory, { options, version, replies: (plan) => repliesFor(plan) }, (stage) =>
          Effect.gen(function* () {
            yield* Effect.scoped(Launch.launch(stage.plan))
            assert.deepStrictEqual(
              yield* stage.executed,
              stage.plan.steps.map((step) => step.argv)
            )
          })
        )
      )
    )
  }

  it.live("releases the machine before its bundle, and says how each stage went", () =>
    Temp.withTempDir((directory) =>
      onStage(directory, { replies: (plan) => repliesFor(plan) }, (stage) =>
        Effect.gen(function* () {
          yield* Effect.scoped(Launch.launch(stage.plan))
          const happened = yield* stage.happened
          assert.isBelow(happened.indexOf("bundle up"), happened.indexOf("machine start"))
          assert.deepStrictEqual(happened.slice(-2), ["machine delete", "bundle down"])
          const ended = (yield* stage.noticed).flatMap((event) =>
            event._tag === "StageEnded" ? [`${event.stage} ${event.ok}`] : []
          )
          assert.deepStrictEqual(ended.toSorted(), [
            "bundle true",
            "create true",
            "pack true",
            "proof true",
            "ready true",
            "relay true",
            "start true"
          ])
        })
      )
    )
  )

  it.live("starts no machine before its bundle answers", () =>
    Temp.withTempDir((directory) =>
      onStage(
        directory,
        {
          bundle: "hangs",
          replies: (plan) => [...repliesFor(plan).slice(0, 1), deleted(plan)]
        },
        (stage) =>
          Effect.gen(function* () {
            const fiber = yield* Effect.fork(Effect.scoped(Launch.launch(stage.plan)))
            yield* Wait.waitUntil(
              Effect.map(stage.happened, (happened) => happened.includes("machine create")),
              { boundMillis: 10_000, what: "the machine" }
            )
            yield* Fiber.interrupt(fiber)
            const happened = yield* stage.happened
            assert.notInclude(happened, "machine start")
            assert.include(happened, "bundle given up")
          })
      )
    )
  )

  describe("when a command fails", () => {
    for (const stageName of ["create", "start"] as const) {
      it.live(`${stageName}: it says so, and takes everything down`, () =>
        Temp.withTempDir((directory) =>
          onStage(
            directory,
            {
              replies: (plan) => {
                const index = indexOfStage(plan, stageName)
                const failing = { [index]: { exit: 1, stderr: "Error: storage operation failed: no space left\n" } }
                const end = stageName === "create" ? neverThere(plan) : deleted(plan)
                return [...repliesFor(plan, failing).slice(0, index + 1), end]
              }
            },
            (stage) =>
              Effect.gen(function* () {
                const error = yield* Effect.flip(Effect.scoped(Launch.launch(stage.plan)))
                assert.strictEqual(error._tag, "StageFailed")
                assert.match(error.message, new RegExp(`^${stageName}: .*no space left`))
                assert.notInclude(error.message, "\n")
                assert.notStrictEqual(error.suggestion, "")
                assert.deepStrictEqual((yield* stage.happened).slice(-1), ["bundle down"])
              })
          )
        )
      )
    }

    it.live("start: it says what was run and what that said, without the values that the launch was given", () =>
      Temp.withTempDir((directory) =>
        onStage(
          directory,
          {
            options: { source: { _tag: "Bare" }, secrets: ["TOKEN"] },
            replies: (plan) => {
              const index = indexOfStage(plan, "start")
              const stderr = "console: TOKEN=s3cr3t-value\nError: agent operation failed: boot: s3cr3t-value is odd\n"
              return [...repliesFor(plan, { [index]: { exit: 1, stderr } }).slice(0, index + 1), deleted(plan)]
            }
          },
          (stage) =>
            Effect.gen(function* () {
              const given = { secrets: new Map([["TOKEN", Redacted.make("s3cr3t-value")]]) }
              const error = yield* Effect.flip(Effect.scoped(Launch.launch(stage.plan, given)))
              if (error._tag !== "StageFailed") return assert.fail(`expected StageFailed, got ${error._tag}`)
              assert.deepStrictEqual(error.command, ["smolvm", "machine", "start", "--name", stage.plan.machine])
              assert.include(error.stderr, "console: TOKEN=<redacted>\nError: agent operation failed: boot: ")
              assert.notInclude(`${error.message}${JSON.stringify(error)}${String(error.cause)}`, "s3cr3t")
            })
        )
      )
    )

    it.live("ready: a machine that runs nothing in its time is taken down", () =>
      Temp.withTempDir((directory) =>
        onStage(
          directory,
          {
            options: { source: { _tag: "Bare" }, readyTimeoutMillis: 50 },
            replies: (plan) => {
              const index = indexOfStage(plan, "ready")
              return [...repliesFor(plan, { [index]: { exit: 137, times: "any" } }).slice(0, index + 1), deleted(plan)]
            }
          },
          (stage) =>
            Effect.gen(function* () {
              const error = yield* Effect.flip(Effect.scoped(Launch.launch(stage.plan)))
              assert.match(error.message, /^ready: .*not ready/)
              assert.deepStrictEqual((yield* stage.happened).slice(-2), ["machine delete", "bundle down"])
            })
        )
      )
    )

    for (const [exit, stderr, reason] of [
      [65, "", "no-program"],
      [66, "", "no-socket"],
      [67, "", "port-taken"],
      [68, "", "not-listening"],
      [127, "sh: not found", "no-shell"],
      [1, "Error: agent operation failed: exec: failed to spawn command: sh", "no-shell"],
      [9, "what\u001b[31m is this", "unknown"]
    ] as const) {
      it.live(`relay: exit ${exit} is "${reason}"`, () =>
        Temp.withTempDir((directory) =>
          onStage(
            directory,
            {
              replies: (plan) => {
                const index = indexOfStage(plan, "relay")
                return [...repliesFor(plan, { [index]: { exit, stderr } }).slice(0, index + 1), deleted(plan)]
              }
            },
            (stage) =>
              Effect.gen(function* () {
                const error = yield* Effect.flip(Effect.scoped(Launch.launch(stage.plan)))
                if (error._tag !== "RelayFailed") return assert.fail(`expected RelayFailed, got ${error._tag}`)
                assert.strictEqual(error.reason, reason)
                assert.match(error.message, /^[\x20-\x7e]*$/)
                assert.deepStrictEqual((yield* stage.happened).slice(-2), ["machine delete", "bundle down"])
              })
          )
        )
      )
    }

    it.live("bundle: the machine that was being created is removed", () =>
      Temp.withTempDir((directory) =>
        onStage(
          directory,
          {
            bundle: "fails",
            ordered: false,
            replies: (plan) => [{ match: plan.steps[0]?.argv ?? [], hang: true, times: "any" }, neverThere(plan)]
          },
          (stage) =>
            Effect.gen(function* () {
              const error = yield* Effect.flip(Effect.scoped(Launch.launch(stage.plan)))
              assert.strictEqual(error._tag, "BundleFailed")
              assert.notInclude(yield* stage.happened, "machine start")
            })
        )
      )
    )
  })

  describe("is interrupted", () => {
    for (const stageName of ["create", "start", "ready", "relay", "proof"] as const) {
      it.live(`at ${stageName}: ends the command and takes everything down`, () =>
        Temp.withTempDir((directory) =>
          Effect.gen(function* () {
            const reached = yield* Deferred.make<void>()
            yield* onStage(
              directory,
              {
                replies: (plan) => {
                  const index = indexOfStage(plan, stageName)
                  const hanging = { hang: true, before: Effect.asVoid(Deferred.succeed(reached, undefined)) }
                  const isCut = stageName === "create" || stageName === "start"
                  return [
                    ...repliesFor(plan, { [index]: hanging }).slice(0, index + 1),
                    deleted(plan),
                    ...(isCut ? [absent(plan, LOOKS)] : [])
                  ]
                }
              },
              (stage) =>
                Effect.gen(function* () {
                  const fiber = yield* Effect.fork(Effect.scoped(Launch.launch(stage.plan)))
                  yield* Effect.timeout(Deferred.await(reached), "10 seconds")
                  const exit = yield* Fiber.interrupt(fiber)
                  assert.isTrue(Exit.isFailure(exit) && Cause.isInterrupted(exit.cause))
                  const index = indexOfStage(stage.plan, stageName)
                  const hung = (yield* stage.recorded)[index]
                  assert.deepStrictEqual(hung?.signals, ["SIGTERM"])
                  assert.deepStrictEqual((yield* stage.happened).slice(-2), ["machine delete", "bundle down"])
                })
            )
          })
        )
      )
    }

    it.live("at create: looks again for a machine that its runtime may still be making", () =>
      Temp.withTempDir((directory) =>
        Effect.gen(function* () {
          const reached = yield* Deferred.make<void>()
          yield* onStage(
            directory,
            {
              replies: (plan) => [
                {
                  match: plan.steps[0]?.argv ?? [],
                  hang: true,
                  before: Effect.asVoid(Deferred.succeed(reached, undefined))
                },
                absent(plan, 2),
                deleted(plan),
                deleted(plan),
                absent(plan, LOOKS)
              ]
            },
            (stage) =>
              Effect.gen(function* () {
                const fiber = yield* Effect.fork(Effect.scoped(Launch.launch(stage.plan)))
                yield* Effect.timeout(Deferred.await(reached), "10 seconds")
                yield* Fiber.interrupt(fiber)
                assert.strictEqual((yield* stage.executed).length, 1 + 2 + 2 + 6)
              })
          )
        })
      )
    )
  })

  it.live("ends its looking with a runtime that deletes what is not there", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const reached = yield* Deferred.make<void>()
        const before = Effect.asVoid(Deferred.succeed(reached, undefined))
        yield* onStage(
          directory,
          {
            replies: (plan) => [
              { match: plan.steps[0]?.argv ?? [], hang: true, before },
              { ...deleted(plan), times: LOOKS * 2 }
            ]
          },
          (stage) =>
            Effect.gen(function* () {
              const fiber = yield* Effect.fork(Effect.scoped(Launch.launch(stage.plan)))
              yield* Effect.timeout(Deferred.await(reached), "10 seconds")
              yield* Fiber.interrupt(fiber)
              assert.strictEqual((yield* stage.happened).at(-1), "bundle down")
            })
        )
      })
    )
  )

  describe("is not handed over", () => {
    const keeping: LaunchOptions = { source: { _tag: "Bare" }, keepOnFailure: true }
    const leak = new Probe({
      name: "host-loopback-tcp",
      target: "tcp 127.0.0.1:40123",
      expectation: "unreachable",
      observation: "connected",
      verdict: "leaked",
      durationMillis: 1
    })
    const record = new ProofRecord({ ...proven(0), outcome: "leaked", probes: [leak] })
    const machine = "bottle-demo-abc12"
    const untilProof = (plan: LaunchPlan) => [...repliesFor(plan).slice(0, indexOfStage(plan, "proof")), deleted(plan)]

    for (const [what, prove, expected] of [
      [
        "a bottle that leaks",
        () => new EgressNotEnforced({ machine, runtime: "smolvm 1.9.3", probe: leak, record }),
        "EgressNotEnforced"
      ],
      [
        "a bottle that is not proven closed",
        () => new EgressUnproven({ machine, reason: "no-shell", detail: "", record }),
        "EgressUnproven"
      ],
      [
        "a bottle whose machine cannot be probed",
        () =>
          new SmolvmTimedOut({ program: "smolvm", command: "machine exec", argv: [], timeoutMillis: 1, stderr: "" }),
        "StageFailed"
      ]
    ] as const) {
      it.live(`${what}: its machine goes even where failures are kept`, () =>
        Temp.withTempDir((directory) =>
          onStage(directory, { options: keeping, prove, replies: untilProof }, (stage) =>
            Effect.gen(function* () {
              const error = yield* Effect.flip(Effect.scoped(Launch.launch(stage.plan)))
              assert.strictEqual(error._tag, expected)
              assert.deepStrictEqual((yield* stage.happened).slice(-2), ["machine delete", "bundle down"])
              assert.deepInclude(yield* stage.noticed, { _tag: "StageStarted", stage: "proof" })
              assert.notInclude(
                (yield* stage.noticed).map(({ _tag }) => _tag),
                "Kept"
              )
            })
          )
        )
      )
    }

    it.live("a bottle whose bundle dies under the proof: its machine goes even where failures are kept", () =>
      Temp.withTempDir((directory) =>
        Effect.gen(function* () {
          const reached = yield* Deferred.make<void>()
          const prove = () => Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never)
          yield* onStage(directory, { options: keeping, prove, replies: untilProof }, (stage) =>
            Effect.gen(function* () {
              const fiber = yield* Effect.fork(Effect.flip(Effect.scoped(Launch.launch(stage.plan))))
              yield* Effect.timeout(Deferred.await(reached), "10 seconds")
              yield* stage.killBundle
              assert.strictEqual((yield* Fiber.join(fiber))._tag, "BundleDied")
              assert.deepStrictEqual((yield* stage.happened).slice(-2), ["machine delete", "bundle down"])
            })
          )
        })
      )
    )
  })

  it.live("hands over what was proven, and no event of the proof's own", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const nonces: Array<string> = []
        const prove = ({ proof }: { readonly proof: string }) =>
          Effect.sync(() => {
            nonces.push(proof)
            return proven(2)
          })
        const replies = (plan: LaunchPlan) =>
          repliesFor(plan).filter((_, index) => index !== indexOfStage(plan, "proof"))
        for (let launch = 0; launch < 2; launch++) {
          const handedOver = yield* Deferred.make<void>()
          const those = (...numbers: ReadonlyArray<number>) =>
            Stream.fromIterable(numbers.map((sequence) => decided(sequence, `${sequence}.example.com`)))
          const events = Stream.concat(those(1, 2), Stream.unwrap(Effect.as(Deferred.await(handedOver), those(3, 4))))
          yield* onStage(directory, { events, prove, replies }, (stage) =>
            Effect.scoped(
              Effect.gen(function* () {
                const bottle = yield* Launch.launch(stage.plan)
                yield* Deferred.succeed(handedOver, undefined)
                assert.deepStrictEqual(bottle.proof, proven(2))
                const seen = (stream: typeof bottle.events) =>
                  Effect.map(Stream.runCollect(stream), (all) => [...all].map(({ sequence }) => sequence))
                assert.deepStrictEqual(yield* seen(bottle.events), [3, 4])
                assert.deepStrictEqual(yield* seen(bottle.denials), [3, 4])
              })
            )
          )
        }
        assert.match(nonces[0] ?? "", /^[0-9a-f]{32}$/)
        assert.notStrictEqual(nonces[0], nonces[1])
      })
    )
  )

  it.live("shows no event that came while it proved, also where the proof has not waited for it", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const late = yield* Deferred.make<void>()
        const handedOver = yield* Deferred.make<void>()
        const events = Stream.concat(
          Stream.mapEffect(Stream.make(1, 2, 3), (sequence) =>
            Effect.as(
              sequence === 3 ? Deferred.succeed(late, undefined) : Effect.void,
              decided(sequence, "169.254.169.254")
            )
          ),
          Stream.fromEffect(Effect.as(Deferred.await(handedOver), decided(4, "169.254.169.254")))
        )
        // Bounded, for a launch that does not read what comes.
        const prove = () => Effect.as(Effect.timeoutOption(Deferred.await(late), 2000), proven(2))
        const replies = (plan: LaunchPlan) =>
          repliesFor(plan).filter((_, index) => index !== indexOfStage(plan, "proof"))
        yield* onStage(directory, { events, prove, replies }, (stage) =>
          Effect.scoped(
            Effect.gen(function* () {
              const bottle = yield* Launch.launch(stage.plan)
              yield* Deferred.succeed(handedOver, undefined)
              const seen = yield* Stream.runCollect(bottle.denials)
              assert.deepStrictEqual(
                [...seen].map(({ sequence }) => sequence),
                [4]
              )
            })
          )
        )
      })
    )
  )

  describe("when the bundle dies", () => {
    for (const stageName of ["start", "ready", "relay", "proof"] as const) {
      it.live(`at ${stageName}: the launch fails and nothing is handed over`, () =>
        Temp.withTempDir((directory) =>
          Effect.gen(function* () {
            const reached = yield* Deferred.make<void>()
            yield* onStage(
              directory,
              {
                replies: (plan) => {
                  const index = indexOfStage(plan, stageName)
                  const hanging = { hang: true, before: Effect.asVoid(Deferred.succeed(reached, undefined)) }
                  const rest = stageName === "start" ? [deleted(plan), absent(plan, LOOKS)] : [deleted(plan)]
                  return [...repliesFor(plan, { [index]: hanging }).slice(0, index + 1), ...rest]
                }
              },
              (stage) =>
                Effect.gen(function* () {
                  const fiber = yield* Effect.fork(Effect.flip(Effect.scoped(Launch.launch(stage.plan))))
                  yield* Effect.timeout(Deferred.await(reached), "10 seconds")
                  yield* stage.killBundle
                  const error = yield* Fiber.join(fiber)
                  assert.strictEqual(error._tag, "BundleDied")
                })
            )
          })
        )
      )
    }
  })

  it.live("never deletes a machine that was there before it", () =>
    Temp.withTempDir((directory) =>
      onStage(
        directory,
        {
          replies: (plan) => [
            {
              match: plan.steps[0]?.argv ?? [],
              exit: 1,
              stderr: `Error: config operation failed: create machine: machine '${plan.machine}' already exists\n`
            }
          ]
        },
        (stage) =>
          Effect.gen(function* () {
            const error = yield* Effect.flip(Effect.scoped(Launch.launch(stage.plan)))
            assert.match(error.message, /exists already/)
            assert.notInclude(yield* stage.happened, "machine delete")
          })
      )
    )
  )

  it.live("refuses a pack that brings a network of its own, before it starts", () =>
    Temp.withTempDir((directory) =>
      onStage(
        directory,
        {
          options: packed,
          replies: (plan) => [
            ...repliesFor(plan, { 1: { stdout: status(plan.machine, true) } }).slice(0, 2),
            deleted(plan)
          ]
        },
        (stage) =>
          Effect.gen(function* () {
            const error = yield* Effect.flip(Effect.scoped(Launch.launch(stage.plan)))
            assert.strictEqual(error._tag, "NetworkNotOff")
            assert.notInclude(yield* stage.happened, "machine start")
          })
      )
    )
  )

  it.live("reports a release that fails, and what to do by hand", () =>
    Temp.withTempDir((directory) =>
      onStage(
        directory,
        {
          replies: (plan) =>
            repliesFor(plan, {
              [plan.steps.length - 1]: { exit: 1, stderr: "Error: io operation failed: busy\n", times: 3 }
            })
        },
        (stage) =>
          Effect.gen(function* () {
            yield* Effect.scoped(Launch.launch(stage.plan))
            const failed = (yield* stage.noticed).find((event) => event._tag === "ReleaseFailed")
            if (failed?._tag !== "ReleaseFailed") return assert.fail("nothing was reported")
            assert.include(failed.resource, stage.plan.machine)
            assert.include(failed.suggestion, `smolvm machine delete -f --name ${stage.plan.machine}`)
            assert.include(yield* stage.happened, "bundle down")
          })
      )
    )
  )

  it.live("keeps no machine that could not be created", () =>
    Temp.withTempDir((directory) =>
      onStage(
        directory,
        {
          options: { source: { _tag: "Bare" }, keepOnFailure: true },
          replies: (plan) => {
            const [create, ...rest] = repliesFor(plan, {
              0: { exit: 1, stderr: "Error: config operation failed: no\n" }
            })
            const last = rest.at(-1)
            return create === undefined || last === undefined ? [] : [create, last]
          }
        },
        (stage) =>
          Effect.gen(function* () {
            const error = yield* Effect.flip(Effect.scoped(Launch.launch(stage.plan)))
            assert.strictEqual(error._tag, "StageFailed")
            const tags = (yield* stage.noticed).map(({ _tag }) => _tag)
            assert.notInclude(tags, "Kept")
            assert.include(yield* stage.happened, "machine delete")
          })
      )
    )
  )

  it.live("keeps the machine of a failure where the plan says so, and not of a success", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const options: LaunchOptions = { source: { _tag: "Bare" }, keepOnFailure: true }
        yield* onStage(directory, { options, replies: (plan) => repliesFor(plan).slice(0, -1) }, (stage) =>
          Effect.gen(function* () {
            yield* Effect.exit(Effect.scoped(Effect.zipRight(Launch.launch(stage.plan), Effect.fail("no"))))
            assert.deepInclude(yield* stage.noticed, { _tag: "Kept", machine: stage.plan.machine })
            assert.deepStrictEqual((yield* stage.happened).slice(-1), ["bundle down"])
          })
        )
        // The ledger of what was kept is still there, and its bottle has the same id.
        yield* onStage(`${directory}/other`, { options, replies: (plan) => repliesFor(plan) }, (stage) =>
          Effect.scoped(Launch.launch(stage.plan))
        )
      })
    )
  )

  it.live("starts nothing without the value of a credential", () =>
    Temp.withTempDir((directory) => {
      const credentials = { api: { source: { env: "K" }, header: "x-api-key", upstream: "https://api.example.com" } }
      return onStage(directory, { options: { source: { _tag: "Bare" }, credentials }, replies: () => [] }, (stage) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(Effect.scoped(Launch.launch(stage.plan, { credentials: new Map() })))
          assert.strictEqual(error._tag, "CredentialMissing")
        })
      )
    })
  )

  it.live("starts nothing where a secret has the value of a credential", () =>
    Temp.withTempDir((directory) => {
      const api = { source: { env: "API_KEY" }, header: "x-api-key", upstream: "https://api.example" } as const
      const options = { source: { _tag: "Bare" }, secrets: ["TOKEN"], credentials: { api } } as const
      return onStage(directory, { options, replies: () => [] }, (stage) =>
        Effect.gen(function* () {
          const values = (name: string) => new Map([[name, Redacted.make("the-same-value")]])
          const given = { secrets: values("TOKEN"), credentials: values("api") }
          const error = yield* Effect.flip(Effect.scoped(Launch.launch(stage.plan, given)))
          assert.strictEqual(
            error.message,
            "env: TOKEN would give the guest the value that the credential api keeps from it"
          )
        })
      )
    })
  )

  it.live("starts nothing without the value of a secret", () =>
    Temp.withTempDir((directory) =>
      onStage(directory, { options: { source: { _tag: "Bare" }, secrets: ["TOKEN"] }, replies: () => [] }, (stage) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(Effect.scoped(Launch.launch(stage.plan)))
          assert.strictEqual(error._tag, "SecretMissing")
        })
      )
    )
  )
})
