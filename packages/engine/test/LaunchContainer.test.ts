import type * as CommandScript from "@bottle/testing/CommandScript"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Fs from "node:fs"
import * as Launch from "../src/Launch.js"
import * as LaunchPlan from "../src/LaunchPlan.js"
import { type Dock, type DockOptions, ready, replying, withDock } from "./fixtures/containing.js"

const version = (release: string): CommandScript.Reply => ({
  match: ["smolvm", "--version"],
  stdout: `smolvm ${release}\n`,
  times: "any"
})

/** What is answered to every command of a plan, and to the question for its image. */
const answers = (
  plan: LaunchPlan.LaunchPlan,
  container: LaunchPlan.PlannedContainer
): ReadonlyArray<CommandScript.Reply> => {
  const { image } = replying(plan, container)
  const identifier = image.stdout.slice(image.stdout.indexOf(":") + 1)
  const id = /[0-9a-f]{64}/.exec(identifier)?.[0] ?? ""
  return [
    version(plan.runtime.version),
    image,
    ...plan.steps.map(({ argv }) => ({ match: argv, ...(argv[0] === "docker" ? { stdout: `${id}\n` } : {}) }))
  ]
}

/** A launch whose container is ready at once. */
const launch = (dock: Dock) => Effect.zipRight(dock.say(ready), Launch.launch(dock.plan))

const launching = (over: Partial<DockOptions> = {}): DockOptions => ({
  isLaunch: true,
  // The container and the machine are made side by side.
  ordered: false,
  replies: answers,
  ...over
})

describe("Launch with a container bundle", () => {
  for (const [what, options, release] of [
    ["at a socket", {}, "1.9.3"],
    ["at an address", { topology: "address" }, "1.9.3"],
    ["at an address, on a line that needs a word for private addresses", { topology: "address" }, "1.1.1"]
  ] as const) {
    it.live(`runs the very commands of its plan: ${what}`, () =>
      withDock(launching({ options, version: release }), (dock) =>
        Effect.gen(function* () {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const bottle = yield* launch(dock)
              assert.strictEqual(bottle.plan, dock.plan)
              if (what !== "at a socket") {
                // The machine goes all the same.
                assert.strictEqual((yield* Effect.flip(bottle.keep))._tag, "OptionRefused")
              }
              assert.strictEqual(Fs.existsSync(`${dock.plan.directory}/egress.sock`), what === "at a socket")
            })
          )
          const executed = (yield* dock.executed).filter((argv) => argv[1] !== "--version" && argv[1] !== "image")
          const planned = dock.plan.steps.map(({ argv }) => argv)
          const sorted = (all: ReadonlyArray<ReadonlyArray<string>>) => all.map((argv) => argv.join(" ")).toSorted()
          assert.deepStrictEqual(sorted(executed), sorted(planned))
          assert.isFalse(Fs.existsSync(dock.plan.directory))
        })
      )
    )
  }

  it.live("makes the network before the machine, starts no machine before its bundle, and takes down in reverse", () =>
    withDock(launching(), (dock) =>
      Effect.gen(function* () {
        yield* Effect.scoped(launch(dock))
        const happened = yield* dock.happened
        const at = (name: string) => happened.findIndex((event) => event.startsWith(name))
        assert.isBelow(at("network create"), at("machine create"))
        assert.isBelow(at("logs"), at("machine start"))
        assert.deepStrictEqual(happened.slice(-3), ["machine delete", "rm", "network rm"])
        const stages = (yield* dock.noticed).flatMap((event) =>
          event._tag === "StageEnded" ? [`${event.stage} ${event.ok}`] : []
        )
        for (const stage of ["image", "network", "bundle", "create", "start", "ready", "relay", "proof"]) {
          assert.include(stages, `${stage} true`)
        }
      })
    )
  )

  it.live("executes and hands on the plan with the network that was taken", () =>
    withDock(
      launching({
        options: { topology: "address" },
        replies: (plan, container) => {
          const { network } = replying(plan, container)
          const stderr = "Error response from daemon: Pool overlaps with other one on this address space\n"
          return [{ ...network, exit: 1, stdout: "", stderr }, ...answers(LaunchPlan.withSubnet(plan, 1), container)]
        }
      }),
      (dock) =>
        Effect.scoped(
          Effect.gen(function* () {
            const bottle = yield* launch(dock)
            assert.deepStrictEqual(bottle.plan, LaunchPlan.withSubnet(dock.plan, 1))
            const address = dock.container.candidates[1]?.address ?? ""
            const create = (yield* dock.executed).find((argv) => argv[2] === "create" && argv[0] === "smolvm")
            assert.include(create ?? [], address)
            assert.include(JSON.stringify(bottle.plan.guest.env), `http://${address}:3128`)
          })
        )
    )
  )

  it.live("fails what runs when its container dies", () =>
    Effect.gen(function* () {
      const running = yield* Deferred.make<void>()
      const hanging: CommandScript.Reply = {
        match: (argv) => argv.at(-1) === "x",
        hang: true,
        before: Effect.asVoid(Deferred.succeed(running, undefined))
      }
      yield* withDock(
        launching({
          replies: (plan, container) => [
            hanging,
            { match: (argv) => argv.includes("bottle-reap"), stdout: "gone" },
            replying(plan, container).ended(137),
            ...answers(plan, container)
          ]
        }),
        (dock) =>
          Effect.scoped(
            Effect.gen(function* () {
              const bottle = yield* launch(dock)
              const fiber = yield* Effect.fork(Effect.flip(bottle.exec({ command: ["x"] })))
              yield* Effect.timeout(Deferred.await(running), "10 seconds")
              yield* dock.end
              const error = yield* Effect.timeout(Fiber.join(fiber), "10 seconds")
              assert.strictEqual(error._tag, "BundleDied")
              assert.match(error.message, /its container ended with exit code 137/)
            })
          )
      )
    })
  )

  it.live("starts no machine when its bundle does not come up, and removes the one that was being made", () =>
    withDock(
      launching({
        replies: (plan, container) => {
          const isMade = (reply: CommandScript.Reply) =>
            typeof reply.match !== "function" &&
            (reply.match[0] === "docker" || reply.match[2] === "create" || reply.match[1] === "--version")
          const gone: CommandScript.Reply = {
            match: plan.steps.find(({ argv }) => argv[2] === "delete")?.argv ?? [],
            exit: 1,
            stderr: `Error: vm not found: ${plan.machine}\n`,
            times: "any"
          }
          return [...answers(plan, container).filter(isMade), gone]
        }
      }),
      (dock) =>
        Effect.gen(function* () {
          yield* dock.say({ _tag: "DaemonEnded", name: "egress", code: 1, signal: null })
          const error = yield* Effect.flip(Effect.scoped(Launch.launch(dock.plan)))
          assert.strictEqual(error._tag, "BundleFailed")
          assert.notInclude(yield* dock.happened, "machine start")
          assert.deepStrictEqual((yield* dock.happened).slice(-2), ["rm", "network rm"])
        })
    )
  )
})
