import type { PolicyDocument } from "@bottle/egress/PolicyDocument"
import * as Smolvm from "@bottle/smolvm/Smolvm"
import * as CommandScript from "@bottle/testing/CommandScript"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { CommandExit } from "../src/Bottle.js"
import { ReloadFailed } from "../src/BundleError.js"
import { CommitFailed } from "../src/CommitError.js"
import * as Control from "../src/Control.js"
import * as Backlog from "../src/internal/control/backlog.js"
import * as Client from "../src/internal/control/client.js"
import { LaunchPlan } from "../src/LaunchPlan.js"
import { egressing, refusal, unchanging } from "./fixtures/egressing.js"
import { proven } from "./fixtures/launching.js"
import * as Plans from "./fixtures/plans.js"

const plan = Plans.planOf({ source: { _tag: "Bare" }, secrets: ["TOKEN"] })

const about = { name: "demo", kind: "keeper", ttlMillis: 60_000, idleMillis: null } as const

const bottleOf = (its: LaunchPlan): Control.ServeOptions["bottle"] => ({
  id: its.id,
  plan: its,
  proof: proven(0),
  ...unchanging
})

/** A bottle's control in a directory of its own, and what was asked of the bottle. */
const inDirectory = <A, E>(
  over: Partial<Control.ServeOptions>,
  use: (served: {
    readonly serving: Control.Serving
    readonly address: Control.ControlAddress
    readonly asked: Deferred.Deferred<void>
    readonly path: string
  }) => Effect.Effect<A, E, Scope.Scope>
) =>
  Temp.withTempDir((directory) =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const serving = yield* Control.serve({
        about,
        secrets: new Map([["TOKEN", Redacted.make("s3cret")]]),
        down: Effect.asVoid(Deferred.succeed(asked, undefined)),
        ...over,
        bottle: { ...(over.bottle ?? bottleOf(plan)), plan: new LaunchPlan({ ...plan, directory }) }
      })
      const address = { id: plan.id, directory }
      return yield* Effect.scoped(use({ serving, address, asked, path: Control.socketOf(directory) }))
    })
  ).pipe(Effect.scoped)

/** A peer that says what it likes, and keeps what it hears. */
const peer = (path: string) =>
  Effect.acquireRelease(
    Effect.async<{ readonly socket: Net.Socket; readonly heard: () => string; readonly isClosed: () => boolean }>(
      (resume) => {
        let heard = ""
        let isClosed = false
        const socket = Net.connect({ path })
        socket.on("error", () => {})
        socket.on("data", (chunk) => {
          heard += chunk.toString()
        })
        socket.on("close", () => {
          isClosed = true
        })
        socket.on("connect", () => resume(Effect.succeed({ socket, heard: () => heard, isClosed: () => isClosed })))
      }
    ),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

const until = (what: string, condition: () => boolean, boundMillis = 10_000) =>
  waitUntil(Effect.sync(condition), { boundMillis, what })

const mainCommand = () => {
  const output = Backlog.make()
  const taken: Array<string> = []
  const main: Control.MainCommand = {
    command: ["agent"],
    output,
    input: (bytes) => Effect.sync(() => void taken.push(Buffer.from(bytes).toString()))
  }
  const print = (text: string, from: "out" | "err" = "out") => output.push({ from, bytes: Buffer.from(text) })
  const end = () => output.end(new CommandExit({ exitCode: 3, origin: "guest", timedOut: false }))
  return { main, print, end, taken }
}

const textOf = (outputs: Iterable<Control.AttachOutput>): string =>
  [...outputs]
    .map((output) => {
      switch (output._tag) {
        case "Exit":
          return `[exit ${output.exit.exitCode}]`
        case "Lost":
          return `[lost ${output.bytes}]`
        default:
          return Buffer.from(output.bytes).toString()
      }
    })
    .join("")

describe("the control of a bottle", { timeout: 30_000 }, () => {
  it.live("is a socket of its user's alone, and tells what the bottle is", () =>
    inDirectory({}, ({ address, path }) =>
      Effect.gen(function* () {
        assert.strictEqual(Fs.statSync(path).mode & 0o777, 0o600)
        const client = yield* Control.connect(address)
        const told = yield* client.describe
        assert.strictEqual(client.pid, process.pid)
        assert.deepStrictEqual(
          [told.id, told.name, told.kind, told.ttlMillis, told.sessions, told.main, told.closing],
          [plan.id, "demo", "keeper", 60_000, 0, null, null]
        )
        assert.deepStrictEqual(told.plan.steps, plan.steps)
        // What a list asks of each of many is the same, and says nothing long.
        const { plan: _plan, policy: _policy, proof: _proof, ...rest } = told
        const status = yield* Client.status(address, 5000)
        assert.deepStrictEqual({ ...status }, { ...rest, ttlLeftMillis: status.ttlLeftMillis })
        assert.notProperty(status, "plan")
        assert.notInclude(JSON.stringify(told), "s3cret")
        const secrets = yield* client.secrets
        assert.deepStrictEqual(
          [...secrets].map(([name, value]) => [name, Redacted.value(value)]),
          [["TOKEN", "s3cret"]]
        )
      })
    )
  )

  it.live("counts a session for as long as its scope lives, and reaps nothing when it has ended well", () => {
    const reaped: Array<string> = []
    const busy: Array<number> = []
    return inDirectory(
      {
        reap: (witness) => Effect.sync(() => void reaped.push(witness)),
        onBusy: (count) => void busy.push(count)
      },
      ({ address, serving }) =>
        Effect.gen(function* () {
          const client = yield* Control.connect(address)
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* client.session({ witness: "/tmp/w1" })
              yield* client.session()
              assert.strictEqual(yield* serving.sessions, 2)
              assert.strictEqual((yield* client.describe).sessions, 2)
            })
          )
          yield* waitUntil(
            Effect.map(serving.sessions, (count) => count === 0),
            { boundMillis: 20_000, what: "no session" }
          )
          assert.deepStrictEqual(reaped, [])
          assert.deepStrictEqual(busy, [1, 2, 1, 0])
        })
    )
  })

  it.live("ends in the guest what a client that died had begun", () => {
    const reaped: Array<string> = []
    return inDirectory({ reap: (witness) => Effect.sync(() => void reaped.push(witness)) }, ({ path, serving }) =>
      Effect.gen(function* () {
        const { heard, socket } = yield* peer(path)
        socket.write(`{"call":"session","witness":"/tmp/w1"}\n`)
        yield* until("a session", () => heard().includes("started"))
        assert.strictEqual(yield* serving.sessions, 1)
        socket.destroy()
        yield* until("a reap", () => reaped.length > 0)
        assert.deepStrictEqual(reaped, ["/tmp/w1"])
        yield* waitUntil(
          Effect.map(serving.sessions, (count) => count === 0),
          { boundMillis: 20_000, what: "no session" }
        )
      })
    )
  })

  it.live("tells everybody that the bottle goes down, and why", () =>
    inDirectory({}, ({ address, serving }) =>
      Effect.gen(function* () {
        const client = yield* Control.connect(address)
        const { gone } = yield* client.session()
        yield* serving.closing("idle")
        const calls: ReadonlyArray<Effect.Effect<unknown, Control.ControlError>> = [
          client.gone,
          gone,
          client.secrets,
          Effect.scoped(client.session())
        ]
        for (const effect of calls) {
          const error = yield* Effect.flip(effect)
          assert.deepStrictEqual([error._tag, "reason" in error && error.reason], ["BottleGone", "idle"])
        }
        assert.strictEqual((yield* client.describe).closing, "idle")
      })
    )
  )

  it.live("answers all who want the bottle down when it is, with what may be left", () => {
    let asked = 0
    return inDirectory({ down: Effect.sync(() => void (asked += 1)) }, ({ address, serving }) =>
      Effect.gen(function* () {
        const client = yield* Control.connect(address)
        const downs = yield* Effect.fork(Effect.all([client.down, client.down], { concurrency: 2 }))
        yield* until("two", () => asked === 2)
        yield* serving.closing("asked")
        const third = yield* Effect.fork(client.down)
        yield* until("three", () => asked === 3)
        // While it closes it still answers, and nobody is told too early.
        assert.strictEqual((yield* client.describe).closing, "asked")
        assert.isTrue(Option.isNone(yield* Fiber.poll(downs)))
        const failure = { resource: "machine m", reason: "it hangs", suggestion: "Remove it." }
        yield* serving.closed([failure])
        assert.deepStrictEqual(yield* Fiber.join(downs), [[failure], [failure]])
        assert.deepStrictEqual(yield* Fiber.join(third), [failure])
      })
    )
  })

  it.live("says that its owner died when it ends without a word", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Temp.withTempDir((directory) =>
        Effect.gen(function* () {
          yield* Control.serve({
            bottle: bottleOf(new LaunchPlan({ ...plan, directory })),
            about,
            secrets: new Map(),
            down: Effect.void
          }).pipe(Scope.extend(scope))
          const client = yield* Control.connect({ id: plan.id, directory })
          yield* Scope.close(scope, Exit.void)
          const error = yield* Effect.flip(client.gone)
          assert.deepStrictEqual([error._tag, error.reason], ["BottleGone", null])
          const later = yield* Effect.flip(client.describe)
          assert.strictEqual(later._tag, "ControlUnreachable")
        }).pipe(Effect.scoped)
      )
    })
  )

  it.live("puts another policy in force, or tells why it is not", () => {
    const rules: Array<number> = []
    const reload: Control.ServeOptions["bottle"]["reload"] = (policy) =>
      policy.allow.length > 1
        ? new ReloadFailed({ reason: "too many", advice: "Fewer." })
        : Effect.sync(() => void rules.push(policy.allow.length))
    return inDirectory({ bottle: { ...bottleOf(plan), reload } }, ({ address }) =>
      Effect.gen(function* () {
        const client = yield* Control.connect(address)
        yield* client.reload({ allow: ["example.com"] })
        assert.deepStrictEqual(rules, [1])
        const failed = yield* Effect.flip(client.reload({ allow: ["a.example", "b.example"] }))
        assert.deepStrictEqual([failed._tag, failed.message], ["ReloadFailed", "the policy was not reloaded: too many"])
      })
    )
  })

  const watched = (put?: Parameters<typeof egressing>[0]) =>
    Effect.map(egressing(put), ({ ring, ...egress }) => ({ ring, bottle: { ...bottleOf(plan), ...egress } }))

  it.live("adds what is allowed to the policy in force, tells which that is, and notes it", () =>
    Effect.gen(function* () {
      const { bottle } = yield* watched()
      const noted: Array<number | undefined> = []
      const reloaded = (policy: PolicyDocument) => Effect.sync(() => void noted.push(policy.allow?.length))
      yield* inDirectory({ bottle, reloaded }, ({ address }) =>
        Effect.gen(function* () {
          const client = yield* Control.connect(address)
          const other = yield* Control.connect(address)
          assert.deepStrictEqual((yield* client.describe).policy, { allow: [], resolve: {} })
          const names = Array.from({ length: 8 }, (_, at) => `h${at}.example:443`)
          // Of many at once none is lost.
          yield* Effect.forEach(names, (name, at) => (at % 2 === 0 ? client : other).allow([name]), {
            concurrency: "unbounded"
          })
          const told = yield* client.describe
          assert.sameMembers([...(told.policy.allow ?? [])], names)
          assert.strictEqual(told.rules, names.length)
          assert.deepStrictEqual(noted, [1, 2, 3, 4, 5, 6, 7, 8])
          const again = yield* other.allow(["h3.example:443", "h9.example"])
          assert.strictEqual(again.allow?.length, names.length + 1)
          // What is put in force as a whole is all that there is then.
          yield* client.reload({ allow: ["example.com"] })
          assert.deepStrictEqual((yield* client.describe).policy, { allow: ["example.com"], resolve: {} })
        })
      )
    })
  )

  it.live("adds no entry that is none, and not one of several beside it", () =>
    Effect.gen(function* () {
      const { bottle } = yield* watched((policy) =>
        policy.allow.some(({ text }) => text.startsWith("bad"))
          ? new ReloadFailed({ reason: "not that one", advice: "Another." })
          : Effect.void
      )
      yield* inDirectory({ bottle }, ({ address }) =>
        Effect.gen(function* () {
          const client = yield* Control.connect(address)
          const malformed = yield* Effect.flip(client.allow(["good.example:443", "no host:443"]))
          assert.deepStrictEqual(
            [malformed._tag, "reason" in malformed && malformed.reason],
            ["AllowRefused", "malformed"]
          )
          const failed = yield* Effect.flip(client.allow(["bad.example:443"]))
          assert.strictEqual(failed._tag, "ReloadFailed")
          const tooLong = yield* Effect.flip(client.allow(Array.from({ length: 65 }, (_, at) => `h${at}.example`)))
          assert.strictEqual(tooLong._tag, "AllowRefused")
          for (const from of [0, 64, 128, 192]) {
            yield* client.allow(Array.from({ length: 64 }, (_, at) => `h${from + at}.example`))
          }
          const tooMany = yield* Effect.flip(client.allow(["one.more.example"]))
          assert.deepStrictEqual([tooMany._tag, "reason" in tooMany && tooMany.reason], ["AllowRefused", "too-many"])
          const { allow } = (yield* client.describe).policy
          assert.strictEqual(allow?.length, 256)
          assert.notInclude(JSON.stringify(allow), "good.example")
        })
      )
    })
  )

  it.live("tells decisions as they are made, those that it keeps first, until the bottle goes down", () =>
    Effect.gen(function* () {
      const { bottle, ring } = yield* watched()
      ring.push(refusal(1))
      ring.push(refusal(2, { verdict: "allow", reason: "allowed" }))
      yield* inDirectory({ bottle }, ({ address, serving }) =>
        Effect.gen(function* () {
          const client = yield* Control.connect(address)
          const follow = (options: Control.EventsOptions) =>
            Effect.gen(function* () {
              const heard: Array<number> = []
              const fiber = yield* client.events(options).pipe(
                Stream.runForEach((event) => Effect.sync(() => void heard.push(event.sequence))),
                Effect.flip,
                Effect.fork
              )
              return { heard, fiber }
            })
          const all = yield* follow({})
          const refused = yield* follow({ verdict: "deny" })
          yield* until("what was kept", () => all.heard.length === 2 && refused.heard.length === 1)
          const later = yield* follow({ since: "now" })
          // Nothing shows that it has begun but what it is told.
          let sequence = 2
          yield* waitUntil(
            Effect.sync(() => {
              ring.push(refusal((sequence += 1)))
              return later.heard.length > 0
            }),
            { boundMillis: 10_000, what: "a decision from now on" }
          )
          assert.isAbove(later.heard[0] ?? 0, 2)
          yield* serving.closing("asked")
          ring.push(refusal(sequence + 1))
          ring.end()
          for (const { fiber, heard } of [all, refused, later]) {
            const error = yield* Fiber.join(fiber)
            assert.deepStrictEqual([error._tag, "reason" in error && error.reason], ["BottleGone", "asked"])
            assert.strictEqual(heard.at(-1), sequence + 1)
          }
          assert.deepStrictEqual(refused.heard.slice(0, 2), [1, 3])
        })
      )
    })
  )

  it.live("commits what it can, and passes on why it cannot", () =>
    inDirectory(
      {
        commit: ({ output }) =>
          output === "/good"
            ? Effect.succeed({ output, proof: proven(7) })
            : new CommitFailed({
                id: plan.id,
                output,
                step: "pack",
                reason: "no room",
                isWritten: false,
                bottle: "up"
              })
      },
      ({ address }) =>
        Effect.gen(function* () {
          const client = yield* Control.connect(address)
          assert.strictEqual((yield* client.commit({ output: "/good" })).proof.lastEvent, 7)
          assert.strictEqual((yield* client.describe).proof.lastEvent, 7)
          const failed = yield* Effect.flip(client.commit({ output: "/bad" }))
          assert.deepStrictEqual([failed._tag, "step" in failed && failed.step], ["CommitFailed", "pack"])
          yield* client.session()
          const busy = yield* Effect.flip(client.commit({ output: "/good" }))
          assert.deepStrictEqual([busy._tag, "reason" in busy && busy.reason], ["CommitRefused", "busy"])
          assert.strictEqual((yield* client.commit({ output: "/good", force: true })).output, "/good")
        })
    )
  )

  it.live("commits no bottle with a main command, forced or not", () =>
    inDirectory({ main: mainCommand().main, commit: () => Effect.dieMessage("it was committed") }, ({ address }) =>
      Effect.gen(function* () {
        const client = yield* Control.connect(address)
        for (const force of [false, true]) {
          const error = yield* Effect.flip(client.commit({ output: "/a", force }))
          assert.deepStrictEqual([error._tag, "reason" in error && error.reason], ["CommitRefused", "main-command"])
        }
      })
    )
  )

  it.live("ends a commit when the bottle goes down, or its client goes", () => {
    const ended: Array<string> = []
    return inDirectory(
      { commit: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => void ended.push("commit"))) },
      ({ address, serving }) =>
        Effect.gen(function* () {
          const client = yield* Control.connect(address)
          const isCommitting = (is: boolean) =>
            waitUntil(
              Effect.map(serving.committing, (it) => it === is),
              { boundMillis: 20_000, what: `committing ${is}` }
            )
          const first = yield* Effect.fork(client.commit({ output: "/a" }))
          yield* isCommitting(true)
          const second = yield* Effect.flip(client.commit({ output: "/b" }))
          assert.deepStrictEqual([second._tag, "reason" in second && second.reason], ["ControlRefused", "committing"])
          const session = yield* Effect.flip(Effect.scoped(client.session()))
          assert.strictEqual(session._tag, "ControlRefused")
          yield* Fiber.interrupt(first)
          yield* isCommitting(false)
          assert.deepStrictEqual(ended, ["commit"])
          const third = yield* Effect.fork(Effect.flip(client.commit({ output: "/c" })))
          yield* isCommitting(true)
          yield* serving.closing("time-to-live")
          assert.strictEqual((yield* Fiber.join(third))._tag, "BottleGone")
          assert.deepStrictEqual(ended, ["commit", "commit"])
        })
    )
  })

  it.live("goes down under a commit that ends with the bottle's machine only, and says so to who waits for it", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const released = yield* Deferred.make<void>()
      yield* inDirectory(
        {
          commit: () =>
            Effect.onInterrupt(Effect.zipRight(Deferred.succeed(asked, undefined), Effect.never), () =>
              Deferred.await(released)
            )
        },
        ({ address, serving }) =>
          Effect.gen(function* () {
            const client = yield* Control.connect(address)
            const committing = yield* Effect.fork(Effect.flip(client.commit({ output: "/a" })))
            yield* Deferred.await(asked)
            yield* serving.closing("asked")
            assert.isFalse(yield* Deferred.isDone(released))
            yield* Deferred.succeed(released, undefined)
            assert.strictEqual((yield* Fiber.join(committing))._tag, "BottleGone")
          })
      )
    })
  )
})

describe("a main command", { timeout: 30_000 }, () => {
  it.live("is shown from its newest output on, to its end, to any number of clients", () => {
    const { end, main, print } = mainCommand()
    return inDirectory({ main }, ({ address }) =>
      Effect.gen(function* () {
        const client = yield* Control.connect(address)
        print("before ")
        const reading = yield* Effect.fork(
          Effect.all([Stream.runCollect(client.attach()), Stream.runCollect(client.attach())], { concurrency: 2 })
        )
        yield* waitUntil(
          Effect.map(client.describe, () => true),
          { boundMillis: 20_000 }
        )
        print("during ")
        print("err ", "err")
        end()
        const [first, second] = yield* Fiber.join(reading)
        assert.strictEqual(textOf(first), "before during err [exit 3]")
        assert.strictEqual(textOf(second), "before during err [exit 3]")
        assert.deepStrictEqual((yield* client.describe).main, {
          command: ["agent"],
          interactive: true,
          exit: new CommandExit({ exitCode: 3, origin: "guest", timedOut: false })
        })
      })
    )
  })

  it.live("is shown from 64 KiB before, and holds nobody up who reads slowly", () => {
    const { end, main, print } = mainCommand()
    return inDirectory({ main }, ({ address, path }) =>
      Effect.gen(function* () {
        const client = yield* Control.connect(address)
        print("x".repeat(1024 * 1024))
        const slow = yield* peer(path)
        slow.socket.pause()
        slow.socket.write(`{"call":"attach","input":false}\n`)
        const reading = yield* Effect.fork(Stream.runCollect(client.attach()))
        yield* Effect.zipRight(client.describe, client.describe)
        end()
        assert.strictEqual(textOf(yield* Fiber.join(reading)).length, 64 * 1024 + "[exit 3]".length)
      })
    )
  })

  it("says how much a reader has lost that has fallen behind", () => {
    const output = Backlog.make()
    const place = output.start()
    for (let index = 0; index < 20; index++) output.push({ from: "out", bytes: Buffer.alloc(32 * 1024, index) })
    const batch = output.read(place)
    assert.deepStrictEqual([batch.lostBytes, batch.pieces.length, batch.next], [12 * 32 * 1024, 8, 20 * 32 * 1024])
    assert.deepStrictEqual(output.read(batch.next), { pieces: [], lostBytes: 0, next: batch.next })
  })

  it.live("is given input where it takes some, and a client's leaving ends nothing", () => {
    const { end, main, print, taken } = mainCommand()
    return inDirectory({ main }, ({ address }) =>
      Effect.gen(function* () {
        const client = yield* Control.connect(address)
        const stdin = Stream.make(Buffer.from("one "), Buffer.from("two"))
        yield* client
          .attach({ stdin })
          .pipe(Stream.runDrain, Effect.raceFirst(until("input", () => taken.join("") === "one two")))
        print("still there")
        end()
        assert.include(textOf(yield* Stream.runCollect(client.attach())), "still there[exit 3]")
      })
    )
  })

  it.live("is refused where there is none, and input where it takes none", () =>
    inDirectory({}, ({ address }) =>
      Effect.gen(function* () {
        const client = yield* Control.connect(address)
        const none = yield* Effect.flip(Stream.runDrain(client.attach()))
        assert.deepStrictEqual([none._tag, "reason" in none && none.reason], ["ControlRefused", "no-main"])
      })
    ).pipe(
      Effect.zipRight(
        inDirectory({ main: { ...mainCommand().main, input: null } }, ({ address }) =>
          Effect.gen(function* () {
            const client = yield* Control.connect(address)
            const refused = yield* Effect.flip(Stream.runDrain(client.attach({ stdin: Stream.empty })))
            assert.deepStrictEqual(
              [refused._tag, "reason" in refused && refused.reason],
              ["ControlRefused", "no-input"]
            )
          })
        )
      )
    )
  )
})

describe("a bottle that its launcher uses itself", { timeout: 30_000 }, () => {
  /** Holds a bottle as a run does, and uses it; gives what came of that, and what somebody else was told. */
  const holding = <A>(work: Effect.Effect<A>, meanwhile: (client: Control.ControlClient) => Effect.Effect<unknown>) =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const failure = { resource: "machine m", reason: "it hangs", suggestion: "Remove it." }
        const outer = yield* Scope.make()
        const held = Effect.gen(function* () {
          const { during } = yield* Control.hold({
            bottle: bottleOf(new LaunchPlan({ ...plan, directory })),
            about: { ...about, kind: "run" },
            secrets: new Map(),
            outer,
            failures: Effect.succeed([failure])
          })
          const client = yield* Scope.extend(Control.connect({ id: plan.id, directory }), outer)
          const other = yield* Effect.forkDaemon(meanwhile(client))
          return { came: yield* Effect.exit(during(work)), client, other }
        })
        const { came, client, other } = yield* Effect.scoped(held)
        const gone = yield* Effect.flip(client.gone)
        yield* Scope.close(outer, Exit.void)
        return { came, gone: gone.reason, told: yield* Fiber.join(other) }
      })
    ).pipe(
      Effect.provide(Smolvm.layer({ program: "smolvm", env: {} })),
      Effect.provide(CommandScript.layer([])),
      Effect.scoped
    )

  it.live("goes down when its work has ended, and says so", () =>
    Effect.gen(function* () {
      const { came, gone } = yield* holding(Effect.succeed(1), () => Effect.void)
      assert.deepStrictEqual(came, Exit.succeed(1))
      assert.strictEqual(gone, "ended")
    })
  )

  it.live("ends its work when somebody asks for it to go down, and answers that one when it has", () =>
    Effect.gen(function* () {
      let isEnded = false
      const work = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (isEnded = true)))
      const { came, told } = yield* holding(work, ({ down }) => Effect.orDie(down))
      assert.isTrue(isEnded)
      assert.deepStrictEqual(came, Exit.fail(new Control.BottleGone({ id: plan.id, reason: "asked" })))
      assert.deepStrictEqual(told, [{ resource: "machine m", reason: "it hangs", suggestion: "Remove it." }])
    })
  )
})

describe("a peer that does not keep to the protocol", { timeout: 30_000 }, () => {
  const answersStill = (address: Control.ControlAddress) =>
    Effect.scoped(Effect.flatMap(Control.connect(address), ({ describe: told }) => told))

  it.live("is refused for garbage, and for a call that nobody knows", () =>
    inDirectory({}, ({ address, path }) =>
      Effect.gen(function* () {
        for (const [line, reason] of [
          ["GET / HTTP/1.1", "malformed"],
          ["", "malformed"],
          [`{"call":"fly"}`, "unknown-call"],
          [`{"call":"commit"}`, "unknown-call"],
          ["\0\xff\xfe", "malformed"],
          ["[".repeat(100_000), "malformed"]
        ]) {
          const { heard, isClosed, socket } = yield* peer(path)
          socket.write(`${line}\n`)
          yield* until("the end", isClosed)
          assert.include(heard(), `"reason":"${reason}"`)
        }
        yield* answersStill(address)
      })
    )
  )

  it.live("is cut off in the midst of a line that is too long, long before it is in memory", () =>
    inDirectory({}, ({ address, path }) =>
      Effect.gen(function* () {
        const { isClosed, socket } = yield* peer(path)
        const chunk = Buffer.alloc(64 * 1024, 120)
        let sentBytes = 0
        const send = (error?: Error | null): void => {
          if (error != null || isClosed() || sentBytes > 1024 ** 3) return
          sentBytes += chunk.length
          socket.write(chunk, send)
        }
        send()
        yield* until("the end", isClosed)
        // What an owner reads, and what two sockets hold.
        assert.isBelow(sentBytes, 16 * 1024 * 1024)
        yield* answersStill(address)
      })
    )
  )

  it.live("keeps nobody from being answered while it is silent, or half-way through a line", () =>
    inDirectory({}, ({ address, path }) =>
      Effect.gen(function* () {
        const peers = yield* Effect.forEach(Array.from({ length: 40 }), () => peer(path))
        for (const [index, { socket }] of peers.entries()) if (index % 2 === 0) socket.write(`{"call":"desc`)
        yield* answersStill(address)
        yield* until("all to be cut off", () => peers.every(({ isClosed }) => isClosed()), 15_000)
      })
    )
  )

  it.live("finds the door closed where too many have not said what they want", () =>
    inDirectory({}, ({ address, path }) =>
      Effect.gen(function* () {
        const peers = yield* Effect.forEach(Array.from({ length: 64 }), () => peer(path))
        yield* until("greetings", () => peers.every(({ heard }) => heard() !== ""))
        const refused = yield* Effect.flip(answersStill(address))
        assert.deepStrictEqual(
          [refused._tag, "reason" in refused && refused.reason],
          ["ControlUnreachable", "too-many"]
        )
        for (const { socket } of peers) socket.destroy()
        yield* waitUntil(Effect.isSuccess(answersStill(address)), { boundMillis: 20_000, what: "an answer" })
      })
    )
  )

  it.live("leaves room for short calls however many last", () =>
    inDirectory({}, ({ address }) =>
      Effect.gen(function* () {
        const client = yield* Control.connect(address)
        const sessions = yield* Effect.forEach(Array.from({ length: 260 }), () => Effect.either(client.session()), {
          concurrency: 20
        })
        const refused = sessions.flatMap((it) => (it._tag === "Left" ? [it.left] : []))
        assert.strictEqual(sessions.length - refused.length, 239)
        for (const error of refused) assert.strictEqual("reason" in error && error.reason, "too-many")
        assert.strictEqual((yield* client.describe).sessions, 239)
      })
    )
  )
})

describe("a client", { timeout: 30_000 }, () => {
  const dead = (directory: string) => Control.connect({ id: plan.id, directory }, { timeoutMillis: 300 })

  const listening = (path: string, onConnection: (socket: Net.Socket) => void) =>
    Effect.acquireRelease(
      Effect.async<Net.Server>((resume) => {
        const server = Net.createServer((socket) => {
          socket.on("error", () => {})
          onConnection(socket)
        })
        server.listen({ path }, () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    )

  const reasonOf = (directory: string) =>
    Effect.map(Effect.flip(Effect.scoped(dead(directory))), (error) =>
      error._tag === "ControlUnreachable" ? error.reason : error._tag
    )

  it.live("says whether there is no socket, nobody behind it, or nobody who answers", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const path = Control.socketOf(directory)
        assert.strictEqual(yield* reasonOf(directory), "no-socket")
        Fs.writeFileSync(path, "")
        assert.strictEqual(yield* reasonOf(directory), "not-ours")
        Fs.rmSync(path)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* listening(path, () => {})
            assert.strictEqual(yield* reasonOf(directory), "silent")
          })
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* listening(path, (socket) => socket.write(`{"protocol":1,"bottle":"other-abc12","pid":1}\n`))
            assert.strictEqual(yield* reasonOf(directory), "not-ours")
          })
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            // Where others can put a socket in place of the owner's, nobody is told anything.
            yield* listening(path, () => {})
            const { mode } = Fs.statSync(directory)
            Fs.chmodSync(directory, 0o777)
            assert.strictEqual(yield* reasonOf(directory), "not-ours")
            Fs.chmodSync(directory, mode)
            assert.strictEqual(yield* reasonOf(directory), "silent")
          })
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* listening(path, (socket) => socket.write(`{"protocol":2,"bottle":"${plan.id}","pid":1}\n`))
            assert.strictEqual(yield* reasonOf(directory), "ControlRefused")
          })
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* listening(path, (socket) => socket.write("x".repeat(1024 * 1024)))
            assert.strictEqual(yield* reasonOf(directory), "silent")
          })
        )
      }).pipe(Effect.scoped)
    )
  )

  it.live("is told of a socket whose path is too long", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const long = `${directory}/${"x".repeat(100)}`
        Fs.mkdirSync(long)
        const error = yield* Control.serve({
          bottle: bottleOf(new LaunchPlan({ ...plan, directory: long })),
          about,
          secrets: new Map(),
          down: Effect.void
        }).pipe(Effect.flip, Effect.scoped)
        assert.strictEqual(error._tag, "ControlFailed")
        assert.include(error.message, "longer than 107 bytes")
      })
    )
  )
})
