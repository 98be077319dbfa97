import * as BundleConfig from "@bottle/bundle/BundleConfig"
import type * as BundleOutput from "@bottle/bundle/BundleOutput"
import * as DockerError from "@bottle/docker/DockerError"
import * as Policy from "@bottle/egress/Policy"
import type * as CommandScript from "@bottle/testing/CommandScript"
import * as Wait from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Fs from "node:fs"
import * as Net from "node:net"
import type { RunningBundle } from "../src/Bundle.js"
import * as LaunchPlan from "../src/LaunchPlan.js"
import { allowing, decided, type Dock, type DockOptions, ready, replying, withDock } from "./fixtures/containing.js"

const BOUND = { boundMillis: 10_000 }

/** The answers of a docker with which all goes well, to the end. */
const well: DockOptions["replies"] = (plan, container) => {
  const reply = replying(plan, container)
  return [reply.image, reply.network, reply.run, reply.removeContainer, reply.removeNetwork]
}

const failing = (reply: CommandScript.Reply, reason: string, exit = 1): CommandScript.Reply => ({
  ...reply,
  exit,
  stdout: "",
  stderr: `Error response from daemon: ${reason}\n`
})

const OVERLAP = "Pool overlaps with other one on this address space"

/** Prepares and starts the bundle of a dock. */
const up = (dock: Dock, policy: Policy.Policy = Policy.empty, secrets?: Readonly<Record<string, Redacted.Redacted>>) =>
  Effect.gen(function* () {
    const plan = yield* dock.bundle.prepare(dock.plan)
    return yield* dock.bundle.start({ plan, policy, proof: "n0nce", secrets })
  })

/** The same, of a container that says at once that it is ready. */
const ready_ = (dock: Dock, policy?: Policy.Policy) => Effect.zipRight(dock.say(ready), up(dock, policy))

/** Waits until every line that was said is heard. */
const untilFollowed = (dock: Dock) => Wait.waitUntil(dock.isHeard, { ...BOUND, what: "the container's lines" })

const readConfig = (dock: Dock, name: string): string => Fs.readFileSync(`${dock.container.config}/${name}`, "utf8")

/** What the policy is called in an answer to a reload: the one of the configuration now, and any. */
const digestThere = (dock: Dock): string => BundleConfig.policyDigest(readConfig(dock, "policy.json"))
const digestOf = (policy: Policy.Policy): string =>
  BundleConfig.policyDigest(`${JSON.stringify(Policy.toDocument(policy))}\n`)

const connects = (path: string) =>
  Effect.async<boolean>((resume) => {
    const socket = Net.connect(path)
    socket.once("connect", () => resume(Effect.succeed(true)))
    socket.once("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => socket.destroy())
  })

describe("a container bundle", () => {
  it.live("runs the very commands of its plan, and removes the container before its network", () =>
    withDock({ replies: well }, (dock) =>
      Effect.gen(function* () {
        yield* Effect.scoped(ready_(dock))
        assert.deepStrictEqual(yield* dock.happened, [
          "image inspect",
          "network create",
          "run",
          "logs bottle-demo-abc12",
          "rm",
          "network rm"
        ])
        const planned = dock.plan.steps.filter((step) => step.argv[0] === "docker").map((step) => step.argv)
        assert.deepStrictEqual((yield* dock.executed).slice(1), planned)
        const ended = (yield* dock.noticed).flatMap((event) =>
          event._tag === "StageEnded" ? [`${event.stage} ${event.ok}`] : []
        )
        assert.deepStrictEqual(ended, ["image true", "network true"])
      })
    )
  )

  it.live("shows the container its policy and its nonce, to read, and nobody else of the host", () =>
    withDock({ replies: well }, (dock) =>
      Effect.scoped(
        Effect.gen(function* () {
          yield* ready_(dock, allowing("api.example.com"))
          const { config } = dock.container
          assert.deepStrictEqual(JSON.parse(readConfig(dock, "policy.json")).allow, ["api.example.com"])
          assert.strictEqual(readConfig(dock, "proof").trim(), "n0nce")
          assert.include(readConfig(dock, "host-addresses").split("\n"), "127.0.0.1/8")
          assert.deepStrictEqual(Fs.readdirSync(config).toSorted(), ["host-addresses", "policy.json", "proof"])
          assert.strictEqual(Fs.statSync(config).mode & 0o777, 0o755)
          for (const name of Fs.readdirSync(config)) {
            assert.strictEqual(Fs.statSync(`${config}/${name}`).mode & 0o777, 0o644, name)
          }
          assert.strictEqual(Fs.statSync(dock.plan.directory).mode & 0o777, 0o700)
        })
      )
    )
  )

  it.live("gives secrets by the client's environment, in no argv", () =>
    withDock(
      {
        replies: (plan, container) =>
          well(plan, container).map((reply, index) =>
            index === 2 ? { ...reply, match: (argv) => argv[1] === "run" } : reply
          )
      },
      (dock) =>
        Effect.gen(function* () {
          yield* dock.say(ready)
          yield* Effect.scoped(up(dock, Policy.empty, { UPSTREAM_TOKEN: Redacted.make("hunter2") }))
          const run = (yield* dock.recorded).find(({ argv }) => argv[1] === "run")
          assert.include(run?.argv ?? [], "UPSTREAM_TOKEN")
          assert.strictEqual(run?.env["UPSTREAM_TOKEN"], "hunter2")
          assert.notInclude(JSON.stringify(yield* dock.executed), "hunter2")
        })
    )
  )

  describe("with credentials", () => {
    const api = { source: { env: "K" }, header: "x-api-key", upstream: "https://api.example.com" }
    const policyOf = (credentials: Readonly<Record<string, typeof api>>) =>
      Either.getOrThrow(Policy.fromDocument({ credentials }))
    const credentials = new Map([["api", Redacted.make("hunter2")]])

    /** With answers to the hand-over, and whatever comes between it and the release. */
    const replies =
      (between: (reply: ReturnType<typeof replying>) => ReadonlyArray<CommandScript.Reply>): DockOptions["replies"] =>
      (plan, container) => {
        const [image, network, run, ...release] = well(plan, container)
        return [image, network, run, ...between(replying(plan, container)), ...release].flatMap((reply) => reply ?? [])
      }

    const started = (dock: Dock) =>
      Effect.gen(function* () {
        yield* dock.say(ready)
        const plan = yield* dock.bundle.prepare(dock.plan)
        return yield* dock.bundle.start({ plan, policy: policyOf({ api }), proof: "n0nce", credentials })
      })

    it.live("hands them over by what the command of its plan reads, and by nothing else", () =>
      withDock({ options: { credentials: { api } }, replies: replies((reply) => [reply.credentials]) }, (dock) =>
        Effect.gen(function* () {
          const config = yield* Effect.scoped(
            Effect.map(started(dock), () =>
              Fs.readdirSync(dock.container.config)
                .map((name) => readConfig(dock, name))
                .join("\n")
            )
          )
          assert.include(config, "api.example.com")
          const planned = dock.plan.steps.filter((step) => step.argv[0] === "docker").map((step) => step.argv)
          const recorded = yield* dock.recorded
          assert.deepStrictEqual(
            recorded.slice(1).map(({ argv }) => argv),
            planned
          )
          const exec = recorded.find(({ argv }) => argv[1] === "exec")
          assert.strictEqual(
            yield* exec?.stdin ?? Effect.succeed("nothing was run"),
            `{"version":1,"credentials":{"api":"hunter2"}}\n`
          )
          assert.notInclude(
            JSON.stringify([config, recorded.map(({ argv, env }) => [argv, env]), dock.plan]),
            "hunter2"
          )
        })
      )
    )

    it.live("does not start where they are not taken, and says nothing of what the command said", () =>
      withDock(
        {
          options: { credentials: { api } },
          replies: replies((reply) => [failing(reply.credentials, "what is hunter2?")])
        },
        (dock) =>
          Effect.gen(function* () {
            const error = yield* Effect.flip(Effect.scoped(started(dock)))
            assert.strictEqual(error._tag, "BundleFailed")
            assert.match(error.message, /it did not take the credentials: .*exec failed with exit code 1/)
            assert.notInclude(JSON.stringify([error, error.message, yield* dock.noticed]), "hunter2")
          })
      )
    )

    it.live("is taken down when it is interrupted while it hands them over", () =>
      withDock(
        { options: { credentials: { api } }, replies: replies((reply) => [{ ...reply.credentials, hang: true }]) },
        (dock) =>
          Effect.gen(function* () {
            const fiber = yield* Effect.fork(Effect.scoped(started(dock)))
            const isHandedOver = Effect.map(dock.recorded, (runs) => runs.some(({ argv }) => argv[1] === "exec"))
            yield* Wait.waitUntil(isHandedOver, { ...BOUND, what: "the hand-over" })
            yield* Fiber.interrupt(fiber)
            assert.deepStrictEqual((yield* dock.happened).slice(-2), ["rm", "network rm"])
          })
      )
    )

    it.live("refuses a policy that needs another value, without asking the container", () =>
      withDock({ options: { credentials: { api } }, replies: replies((reply) => [reply.credentials]) }, (dock) =>
        Effect.scoped(
          Effect.gen(function* () {
            const running = yield* started(dock)
            const before = readConfig(dock, "policy.json")
            const other = yield* Effect.flip(running.reload(policyOf({ api: { ...api, source: { env: "OTHER" } } })))
            assert.match(other.message, /the value of the credential api was read from another source/)
            const more = yield* Effect.flip(running.reload(policyOf({ api, more: api })))
            assert.match(more.message, /launched without the credential more/)
            assert.strictEqual(readConfig(dock, "policy.json"), before)
          })
        )
      )
    )
  })

  it.live("takes the next candidate where docker says that a network overlaps, and hands that plan on", () =>
    withDock(
      {
        replies: (plan, container) => {
          const reply = replying(plan, container)
          const third = replying(LaunchPlan.withSubnet(plan, 2), container)
          const second = replying(LaunchPlan.withSubnet(plan, 1), container)
          return [
            reply.image,
            failing(reply.network, OVERLAP),
            failing(second.network, OVERLAP),
            third.network,
            third.run,
            reply.removeContainer,
            reply.removeNetwork
          ]
        }
      },
      (dock) =>
        Effect.scoped(
          Effect.gen(function* () {
            const plan = yield* dock.bundle.prepare(dock.plan)
            assert.deepStrictEqual(plan, LaunchPlan.withSubnet(dock.plan, 2))
            yield* dock.say(ready)
            yield* dock.bundle.start({ plan, policy: Policy.empty, proof: "n0nce" })
          })
        )
    )
  )

  it.live("gives up when every candidate overlaps", () =>
    withDock(
      {
        replies: (plan, container) => [
          replying(plan, container).image,
          ...container.candidates.map((_, index) =>
            failing(replying(LaunchPlan.withSubnet(plan, index), container).network, OVERLAP)
          ),
          replying(plan, container).noNetwork
        ]
      },
      (dock) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(Effect.scoped(dock.bundle.prepare(dock.plan)))
          assert.strictEqual(error._tag, "StageFailed")
          assert.match(error.message, /^network: .* overlaps/)
        })
    )
  )

  describe("in the topology address", () => {
    it.live("has no socket on the host", () =>
      withDock({ options: { topology: "address" }, replies: well }, (dock) =>
        Effect.scoped(
          Effect.gen(function* () {
            yield* ready_(dock)
            assert.deepStrictEqual(Fs.readdirSync(dock.plan.directory), ["bundle"])
          })
        )
      )
    )
  })

  describe("fails, and takes down what was there by then:", () => {
    const cases: ReadonlyArray<
      readonly [string, (reply: ReturnType<typeof replying>) => ReadonlyArray<CommandScript.Reply>, RegExp]
    > = [
      [
        "no daemon",
        ({ image }) => [
          {
            ...image,
            exit: 1,
            stdout: "",
            stderr: "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n"
          }
        ],
        /^image: docker reaches no daemon/
      ],
      ["no docker", ({ image }) => [{ ...image, notFound: true }], /^image: docker is not installed/],
      ["no image, and none to build", ({ noImage }) => [noImage], /^image: image bundle:test is not here/],
      [
        "a network that cannot be made",
        ({ image, network, noNetwork }) => [image, failing(network, "no"), noNetwork],
        /^network: docker network create failed with exit code 1: no/
      ],
      [
        "a network that cannot be made, where a part of it is there",
        ({ image, network, removeNetwork, someNetwork }) => [
          image,
          failing(network, "no"),
          someNetwork("demo-abc12"),
          removeNetwork
        ],
        /^network: docker network create failed with exit code 1: no/
      ],
      [
        "a network that cannot be made, where somebody else's of that name is there, which stays",
        ({ image, network, someNetwork }) => [image, failing(network, "no"), someNetwork("demo-other")],
        /^network: docker network create failed with exit code 1: no/
      ],
      [
        "somebody else's network, which stays",
        ({ image, network }) => [image, failing(network, "network with name bottle-demo-abc12 already exists")],
        /^network: network bottle-demo-abc12 exists already/
      ],
      [
        "a container that cannot be made",
        ({ ended, image, network, removeContainer, removeNetwork, run }) => [
          image,
          network,
          failing(run, "Address already in use.", 125),
          ended(128),
          removeContainer,
          removeNetwork
        ],
        /^bundle: container bottle-demo-abc12: the address \S+ is in use/
      ],
      [
        "somebody else's container, which stays",
        ({ image, network, removeNetwork, run }) => [
          image,
          network,
          failing(run, 'Conflict. The container name "/x" is already in use by container "0".', 125),
          removeNetwork
        ],
        /^bundle: container bottle-demo-abc12 exists already/
      ]
    ]
    for (const [what, replies, message] of cases) {
      it.live(what, () =>
        withDock({ replies: (plan, container) => replies(replying(plan, container)) }, (dock) =>
          Effect.gen(function* () {
            const error = yield* Effect.flip(Effect.scoped(up(dock)))
            assert.match(error.message, message)
            assert.notInclude(error.message, "\n")
            assert.notStrictEqual(error.suggestion, "")
            assert.deepStrictEqual(
              yield* dock.noticed.pipe(Effect.map((all) => all.filter(({ _tag }) => _tag === "ReleaseFailed"))),
              []
            )
          })
        )
      )
    }

    it.live("a container that ends before it listens, with the last that it said", () =>
      withDock(
        {
          replies: (plan, container) => {
            const reply = replying(plan, container)
            return [reply.image, reply.network, reply.run, reply.ended(1), reply.removeContainer, reply.removeNetwork]
          }
        },
        (dock) =>
          Effect.gen(function* () {
            yield* dock.say({ _tag: "Said", name: "egress", text: "policy.json cannot be used\u001b[2J" })
            yield* dock.end
            const error = yield* Effect.flip(Effect.scoped(up(dock)))
            assert.strictEqual(error._tag, "BundleFailed")
            assert.match(
              error.message,
              /its container ended with exit code 1; it said: policy\.json cannot be used\?\[2J$/
            )
            // Whoever observes the launch is told of it too, and so it is in the record.
            const said = (yield* dock.noticed).filter(({ _tag }) => _tag === "BundleSaid")
            assert.deepStrictEqual(said, [
              { _tag: "BundleSaid", daemon: "egress", text: "policy.json cannot be used?[2J" }
            ])
          })
      )
    )

    it.live("a container whose daemon ends before it listens", () =>
      withDock({ replies: well }, (dock) =>
        Effect.gen(function* () {
          yield* dock.say({ _tag: "DaemonEnded", name: "egress", code: 3, signal: null })
          const error = yield* Effect.flip(Effect.scoped(up(dock)))
          assert.match(error.message, /its egress daemon ended with exit code 3/)
        })
      )
    )

    it.effect("a container that never listens", () =>
      withDock({ replies: well }, (dock) =>
        Effect.gen(function* () {
          yield* dock.say({ _tag: "Ready", daemons: ["other"] }, { _tag: "Said", name: "egress", text: "one moment" })
          const fiber = yield* Effect.fork(Effect.flip(Effect.scoped(up(dock))))
          yield* untilFollowed(dock)
          yield* TestClock.adjust("60 seconds")
          const error = yield* Fiber.join(fiber)
          assert.strictEqual(error._tag, "BundleFailed")
          assert.match(error.message, /did not listen within 60 s; it said: one moment$/)
        })
      )
    )

    it.live("a host's end of the socket that somebody else has", () =>
      withDock({ replies: well }, (dock) =>
        Effect.gen(function* () {
          Fs.writeFileSync(`${dock.plan.directory}/egress.sock`, "")
          const error = yield* Effect.flip(Effect.scoped(ready_(dock)))
          assert.strictEqual(error._tag, "BundleFailed")
          assert.match(error.message, /not a socket/)
        })
      )
    )
  })

  it.live("looks again for what a killed client may have begun", () =>
    withDock(
      {
        replies: (plan, container) => {
          const { ended, image, network, noContainer, removeContainer, removeNetwork, run } = replying(plan, container)
          const looks = [noContainer, ended(0), removeContainer, { ...noContainer, times: 4 }]
          return [image, network, { ...run, stdout: "", signal: "SIGKILL" }, ...looks, removeNetwork]
        }
      },
      (dock) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(Effect.scoped(up(dock)))
          assert.match(error.message, /^bundle: docker run failed/)
        })
    )
  )

  describe("is interrupted", () => {
    const cases: ReadonlyArray<
      readonly [
        string,
        (reply: ReturnType<typeof replying>, gate: Partial<CommandScript.Reply>) => ReadonlyArray<CommandScript.Reply>
      ]
    > = [
      ["while it looks for the image", ({ image }, gate) => [{ ...image, ...gate }]],
      [
        "while its network is made, which then comes and is removed",
        ({ image, network, noNetwork, removeNetwork, someNetwork }, gate) => [
          image,
          { ...network, ...gate },
          someNetwork("demo-abc12"),
          removeNetwork,
          { ...noNetwork, times: 4 }
        ]
      ],
      [
        "while its network is made, and somebody else's of that name stays",
        ({ image, network, someNetwork }, gate) => [
          image,
          { ...network, ...gate },
          { ...someNetwork("demo-other"), times: 4 }
        ]
      ],
      [
        "while its container is made, which then comes and is removed before its network",
        ({ ended, image, network, noContainer, removeContainer, removeNetwork, run }, gate) => [
          image,
          network,
          { ...run, ...gate },
          { ...noContainer, times: 2 },
          ended(0),
          removeContainer,
          { ...noContainer, times: 4 },
          removeNetwork
        ]
      ]
    ]
    for (const [what, replies] of cases) {
      it.live(what, () =>
        Effect.gen(function* () {
          const reached = yield* Deferred.make<void>()
          const gate = yield* Deferred.make<void>()
          const before = Effect.zipRight(Deferred.succeed(reached, undefined), Deferred.await(gate))
          yield* withDock({ replies: (plan, container) => replies(replying(plan, container), { before }) }, (dock) =>
            Effect.gen(function* () {
              const fiber = yield* Effect.fork(Effect.scoped(up(dock)))
              yield* Effect.timeout(Deferred.await(reached), "10 seconds")
              const interrupting = yield* Effect.fork(Fiber.interrupt(fiber))
              // The daemon is done only after the interruption has come.
              yield* Effect.yieldNow()
              yield* Deferred.succeed(gate, undefined)
              const exit = yield* Fiber.join(interrupting)
              assert.isTrue(Exit.isFailure(exit) && Cause.isInterrupted(exit.cause))
              assert.deepStrictEqual(
                (yield* dock.noticed).filter(({ _tag }) => _tag === "ReleaseFailed"),
                []
              )
            })
          )
        })
      )
    }

    it.live("while it waits for the container to listen", () =>
      withDock({ replies: well }, (dock) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.fork(Effect.scoped(up(dock)))
          yield* untilFollowed(dock)
          yield* Fiber.interrupt(fiber)
          assert.deepStrictEqual((yield* dock.happened).slice(-2), ["rm", "network rm"])
        })
      )
    )
  })

  describe("reports what it cannot remove, and how to do it by hand:", () => {
    const failure = (noticed: Effect.Effect.Success<Dock["noticed"]>) =>
      noticed.flatMap((event) => (event._tag === "ReleaseFailed" ? [`${event.resource}: ${event.suggestion}`] : []))

    it.live("the container, and tries the network all the same", () =>
      withDock(
        {
          replies: (plan, container) => {
            const reply = replying(plan, container)
            return [
              reply.image,
              reply.network,
              reply.run,
              { ...failing(reply.removeContainer, "device is busy"), times: 4 },
              reply.removeNetwork
            ]
          }
        },
        (dock) =>
          Effect.gen(function* () {
            yield* Effect.scoped(ready_(dock))
            assert.deepStrictEqual(failure(yield* dock.noticed), [
              "container bottle-demo-abc12: Remove it by hand: docker rm --force --volumes bottle-demo-abc12"
            ])
          })
      )
    )

    it.live("the network", () =>
      withDock(
        {
          replies: (plan, container) => {
            const reply = replying(plan, container)
            return [
              reply.image,
              reply.network,
              reply.run,
              reply.removeContainer,
              {
                ...failing(reply.removeNetwork, "error while removing network: network x id 0 has active endpoints"),
                times: 4
              }
            ]
          }
        },
        (dock) =>
          Effect.gen(function* () {
            yield* Effect.scoped(ready_(dock))
            assert.deepStrictEqual(failure(yield* dock.noticed), [
              "network bottle-demo-abc12: Remove it by hand: docker network rm bottle-demo-abc12"
            ])
          })
      )
    )
  })

  describe("tells its decisions", () => {
    const hosts = (running: RunningBundle) =>
      Effect.map(Stream.runCollect(running.events), (events) => [...Chunk.map(events, (event) => event.host)])

    it.live("to readers that come late, and ends when the bundle has ended", () =>
      withDock({ replies: well }, (dock) =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const running = yield* Scope.extend(ready_(dock), scope)
          yield* dock.say({ _tag: "Event", name: "egress", event: decided(1, "a.example.com") })
          yield* dock.say("egress ! {}", "egress | {not json", { _tag: "Said", name: null, text: "x" })
          yield* dock.say({ _tag: "Event", name: "egress", event: decided(2, "b.example.com") })
          const first = yield* Stream.runCollect(Stream.take(running.events, 2))
          assert.deepStrictEqual([...Chunk.map(first, (event) => event.sequence)], [1, 2])
          yield* Scope.close(scope, Exit.void)
          assert.deepStrictEqual(yield* hosts(running), ["a.example.com", "b.example.com"])
        })
      )
    )

    it.live("once each, though docker gives some lines twice where its log goes on in a new file", () =>
      withDock({ replies: well }, (dock) =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const running = yield* Scope.extend(ready_(dock), scope)
          for (const sequence of [1, 2, 3, 2, 3, 4, 7]) {
            yield* dock.say({ _tag: "Event", name: "egress", event: decided(sequence, `${sequence}.example.com`) })
          }
          yield* Stream.runDrain(Stream.take(running.events, 5))
          yield* Scope.close(scope, Exit.void)
          assert.deepStrictEqual(
            yield* hosts(running),
            [1, 2, 3, 4, 7].map((sequence) => `${sequence}.example.com`)
          )
        })
      )
    )

    it.live("without holding docker up: of more than it keeps the oldest go", () =>
      withDock({ replies: well }, (dock) =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const running = yield* Scope.extend(ready_(dock), scope)
          const count = 5000
          for (let sequence = 1; sequence <= count; sequence++) {
            yield* dock.say({ _tag: "Event", name: "egress", event: decided(sequence, "a.example.com") })
          }
          yield* Stream.runDrain(Stream.takeUntil(running.events, (event) => event.sequence === count))
          yield* Scope.close(scope, Exit.void)
          const kept = yield* Stream.runCollect(running.events)
          assert.strictEqual(Chunk.size(kept), 4096)
          assert.deepStrictEqual(Chunk.unsafeHead(kept).sequence, count - 4096 + 1)
        })
      )
    )
  })

  describe("has died", () => {
    const dying = (
      dies: (dock: Dock) => Effect.Effect<unknown>,
      message: RegExp,
      extra: (reply: ReturnType<typeof replying>) => ReadonlyArray<CommandScript.Reply> = () => []
    ) =>
      withDock(
        {
          replies: (plan, container) => {
            const [image, network, run, ...release] = well(plan, container)
            return [image, network, run, ...extra(replying(plan, container)), ...release].flatMap(
              (reply) => reply ?? []
            )
          }
        },
        (dock) =>
          Effect.scoped(
            Effect.gen(function* () {
              const running = yield* ready_(dock)
              const socket = `${dock.plan.directory}/egress.sock`
              assert.isTrue(yield* connects(socket))
              yield* dies(dock)
              const error = yield* Effect.timeout(Effect.flip(running.died), "10 seconds")
              assert.strictEqual(error._tag, "BundleDied")
              assert.match(error.message, message)
              // Whatever has its address then, nothing is carried there.
              yield* Wait.waitUntil(Effect.negate(connects(socket)), BOUND)
              yield* Stream.runDrain(running.events)
              const refused = yield* Effect.flip(running.reload(Policy.empty))
              assert.strictEqual(refused._tag, "ReloadFailed")
            })
          )
      )

    it.live("when its container has ended", () =>
      dying(
        (dock) => dock.end,
        /its container ended with exit code 137/,
        ({ ended, hangup }) => [ended(137), failing(hangup, "Cannot kill container: x: Container x is not running")]
      )
    )

    it.live("when its container is gone", () =>
      dying(
        (dock) => dock.end,
        /its container is gone/,
        ({ hangup, noContainer }) => [noContainer, failing(hangup, "Cannot kill container: x: No such container: x")]
      )
    )

    it.live("when its egress daemon has ended, and not when another one has", () =>
      dying(
        (dock) =>
          dock.say(
            { _tag: "DaemonEnded", name: "other", code: 1, signal: null },
            { _tag: "DaemonEnded", name: "egress", code: null, signal: "SIGKILL" }
          ),
        /its egress daemon ended with SIGKILL/,
        ({ hangup }) => [hangup]
      )
    )

    it.live("when it can no longer be followed", () =>
      dying(
        (dock) =>
          dock.cut(new DockerError.DaemonUnreachable({ program: "docker", clientVersion: null, reason: "gone" })),
        /its output can no longer be followed: docker reaches no daemon: gone/,
        ({ hangup }) => [hangup]
      )
    )
  })

  describe("reloads its policy", () => {
    const reloading = (
      answer: (dock: Dock) => Effect.Effect<unknown>,
      use: (dock: Dock, running: RunningBundle) => Effect.Effect<void, unknown>
    ) =>
      Effect.gen(function* () {
        const asked = yield* Deferred.make<Dock>()
        const before = Effect.flatMap(Deferred.await(asked), answer)
        yield* withDock(
          {
            replies: (plan, container) => {
              const [image, network, run, ...release] = well(plan, container)
              const hangup = { ...replying(plan, container).hangup, before }
              return [image, network, run, hangup, ...release].flatMap((reply) => reply ?? [])
            }
          },
          (dock) =>
            Effect.scoped(
              Effect.gen(function* () {
                yield* Deferred.succeed(asked, dock)
                const running = yield* ready_(dock, allowing("old.example.com"))
                yield* use(dock, running)
              })
            )
        )
      })

    it.live("by its file and a signal, and waits until it is followed", () =>
      reloading(
        (dock) => dock.say({ _tag: "Reloaded", name: "egress", policy: digestThere(dock) }),
        (dock, running) =>
          Effect.gen(function* () {
            yield* running.reload(allowing("new.example.com"))
            assert.deepStrictEqual(JSON.parse(readConfig(dock, "policy.json")).allow, ["new.example.com"])
            assert.deepStrictEqual(Fs.readdirSync(dock.container.config).toSorted(), [
              "host-addresses",
              "policy.json",
              "proof"
            ])
          })
      )
    )

    it.live("or says why it is refused", () =>
      reloading(
        (dock) => dock.say({ _tag: "ReloadRefused", name: "egress", policy: digestThere(dock), reason: "unknown key" }),
        (_dock, running) =>
          Effect.gen(function* () {
            const error = yield* Effect.flip(running.reload(allowing("new.example.com")))
            assert.strictEqual(error._tag, "ReloadFailed")
            assert.match(error.message, /unknown key/)
          })
      )
    )

    for (const [answers, late] of [
      [
        "a refusal",
        { _tag: "ReloadRefused", name: "egress", policy: digestOf(allowing("old.example.com")), reason: "no" }
      ],
      ["a success", { _tag: "Reloaded", name: "egress", policy: digestOf(allowing("old.example.com")) }]
    ] satisfies ReadonlyArray<readonly [string, BundleOutput.Line]>) {
      it.live(`and takes ${answers} for another policy, which came late, for no answer to this one`, () =>
        reloading(
          (dock) => dock.say(late, { _tag: "ReloadRefused", name: "egress", policy: digestThere(dock), reason: "yes" }),
          (_dock, running) =>
            Effect.gen(function* () {
              const error = yield* Effect.flip(running.reload(allowing("new.example.com")))
              assert.strictEqual(error.message, "the policy was not reloaded: yes")
            })
        )
      )
    }

    it.live("but not by one whose upstream proxy would be looked for in the container, which it never sees", () =>
      reloading(
        (dock) => dock.say({ _tag: "Reloaded", name: "egress", policy: digestThere(dock) }),
        (dock, running) =>
          Effect.gen(function* () {
            const through = (upstream: string) => Policy.fromDocument({ allow: ["new.example.com"], upstream })
            const error = yield* Effect.flip(running.reload(yield* through("http://127.0.0.1:3128")))
            assert.strictEqual(error._tag, "ReloadFailed")
            assert.match(error.message, /the upstream 127\.0\.0\.1:3128 is the bundle's container itself/)
            assert.deepStrictEqual(JSON.parse(readConfig(dock, "policy.json")).allow, ["old.example.com"])
            yield* running.reload(yield* through("http://192.168.1.1:3128"))
            assert.deepStrictEqual(JSON.parse(readConfig(dock, "policy.json")).allow, ["new.example.com"])
          })
      )
    )

    it.effect("or says that nobody answered, and that nothing is known then", () =>
      reloading(
        (dock) => dock.say({ _tag: "ReloadRefused", name: "egress", policy: null, reason: "it cannot be read" }),
        (dock, running) =>
          Effect.gen(function* () {
            const fiber = yield* Effect.fork(Effect.flip(running.reload(allowing("new.example.com"))))
            yield* Wait.waitUntil(
              Effect.map(dock.happened, (happened) => happened.includes("kill")),
              BOUND
            )
            yield* untilFollowed(dock)
            yield* TestClock.adjust("10 seconds")
            assert.match(
              (yield* Fiber.join(fiber)).message,
              /did not answer within 10 s; which policy holds is not known; it said: it cannot be read$/
            )
          })
      )
    )

    it.live("or says that the bundle has died meanwhile", () =>
      reloading(
        (dock) => dock.say({ _tag: "DaemonEnded", name: "egress", code: 1, signal: null }),
        (_dock, running) =>
          Effect.gen(function* () {
            const error = yield* Effect.flip(running.reload(allowing("new.example.com")))
            assert.match(error.message, /its egress daemon ended with exit code 1/)
          })
      )
    )
  })
})
