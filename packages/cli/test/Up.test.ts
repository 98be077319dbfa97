import { up, UpDocument } from "@bottle/cli/commands/Up"
import * as RunRequest from "@bottle/cli/RunRequest"
import type { UpRequest } from "@bottle/cli/requests/UpRequest"
import { type Bottles, type UpBottle, type UpOptions } from "@bottle/engine/Bottles"
import { NameTaken } from "@bottle/engine/LedgerError"
import type { LaunchPlan } from "@bottle/engine/LaunchPlan"
import { ProofRecord } from "@bottle/engine/ProofRecord"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Fixture from "./fixtures/bottles.js"

const none = Option.none()

const requestOf = (
  home: string,
  more: Partial<UpRequest> = {},
  flags: Partial<RunRequest.LaunchFlags> = {}
): UpRequest => ({
  launch: Either.getOrThrow(
    RunRequest.make(
      {
        image: none,
        from: none,
        allow: [],
        deny: [],
        policy: none,
        resolve: [],
        env: [],
        volume: [],
        workdir: none,
        timeout: none,
        interactive: false,
        tty: false,
        noTty: true,
        cpus: none,
        mem: none,
        name: none,
        keepOnFailure: false,
        runtime: Option.some("local"),
        bundle: none,
        topology: none,
        unprovenEgress: false,
        bundleImage: none,
        bundleBase: none,
        manifest: none,
        bottle: none,
        agent: none,
        workspace: none,
        trace: none,
        format: none,
        report: none,
        quiet: false,
        ...flags
      },
      null,
      { cwd: home, environment: { TOKEN: "s3cret" } }
    )
  ),
  name: null,
  ttlMillis: null,
  idleMillis: null,
  ...more
})

const upOf = (plan: LaunchPlan, name: string | null): UpBottle => ({
  id: plan.id,
  name,
  plan,
  proof: Fixture.proof,
  record: "/r",
  keeper: { pid: 12, startTime: "1", bootId: "b" }
})

interface Asked {
  readonly plan: LaunchPlan
  readonly options: UpOptions
}

/** Bottles that come up as they are asked to, what was asked, and what was taken down. */
const answering = (said: (options: UpOptions) => Effect.Effect<void> = () => Effect.void) => {
  const asked: Array<Asked> = []
  const down: Array<string> = []
  const service: Partial<Context.Tag.Service<Bottles>> = {
    up: (plan, options = {}) =>
      Effect.zipRight(
        said(options),
        Effect.sync(() => {
          asked.push({ plan, options })
          return upOf(plan, options.name ?? null)
        })
      ),
    down: (word) =>
      Effect.sync(() => {
        down.push(word)
        return { id: asked[0]?.plan.id ?? Fixture.planOf("/", "x").id, how: "owner", failures: [] }
      })
  }
  return { asked, down, bottles: Fixture.bottlesOf([], service) }
}

const live = <A, E>(name: string, test: (home: string) => Effect.Effect<A, E>) =>
  it.live(name, () => Temp.withTempDir(test))

describe("bottle up", () => {
  live("prints the id of the bottle, and nothing else", (home) =>
    Effect.gen(function* () {
      const { asked, bottles } = answering()
      const { code, stderr, stdout } = yield* Fixture.run(home, up(requestOf(home)), { bottles })
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.match(stdout, /^box-[a-z0-9]{5}\n$/)
      assert.strictEqual(asked[0]?.options.command, undefined)
    })
  )

  live("hands over what was asked for", (home) =>
    Effect.gen(function* () {
      const { asked, bottles } = answering()
      const launch = requestOf(home, {}, { env: ["TOKEN"], name: Option.some("agent"), interactive: true }).launch
      const request = { launch: { ...launch, command: ["sleep", "9"] }, name: "agent", ttlMillis: 5, idleMillis: 6 }
      assert.strictEqual((yield* Fixture.run(home, up(request), { bottles })).code, 0)
      const { options, plan } = asked[0] ?? assert.fail("nothing was brought up")
      assert.match(plan.id, /^agent-/)
      assert.deepStrictEqual(plan.guest.secrets, ["TOKEN"])
      assert.deepStrictEqual([options.name, options.ttlMillis, options.idleMillis], ["agent", 5, 6])
      assert.deepStrictEqual(options.command, { command: ["sleep", "9"], interactive: true })
      assert.strictEqual(Redacted.value(options.secrets?.get("TOKEN") ?? Redacted.make("")), "s3cret")
    })
  )

  live("writes a document", (home) =>
    Effect.gen(function* () {
      const { bottles } = answering()
      const request = requestOf(home, { name: "agent" }, { format: Option.some("json") })
      const { stdout } = yield* Fixture.run(home, up(request), { bottles })
      const { bottle } = Schema.decodeSync(Schema.parseJson(UpDocument))(stdout)
      assert.deepStrictEqual({ ...bottle, id: "" }, { id: "", name: "agent", pid: 12, proof: "proven", record: "/r" })
    })
  )

  live("tells what a launch tells", (home) =>
    Effect.gen(function* () {
      const tell = ({ onEvent = () => Effect.void }: UpOptions) =>
        onEvent({ _tag: "ReleaseSlow", resource: "network n" }).pipe(
          Effect.zipRight(onEvent({ _tag: "ReleaseFailed", resource: "n", reason: "r", suggestion: "s" })),
          Effect.zipRight(onEvent({ _tag: "RecordFailed", message: "m", suggestion: "s" }))
        )
      const { bottles } = answering(tell)
      const text = yield* Fixture.run(home, up(requestOf(home)), { bottles })
      assert.strictEqual(
        text.stderr,
        "bottle: still removing network n ...\nbottle: n may be left behind: r\ntry: s\nbottle: m\ntry: s\n"
      )
      const json = yield* Fixture.run(home, up(requestOf(home, {}, { format: Option.some("json") })), { bottles })
      assert.deepStrictEqual(
        json.stderr
          .trimEnd()
          .split("\n")
          .map((line) => Object.keys(JSON.parse(line))[1]),
        ["releaseFailure", "recordFailure"]
      )
    })
  )

  live("says when a bottle is not proven closed", (home) =>
    Effect.gen(function* () {
      const proof = new ProofRecord({ ...Fixture.proof, outcome: "unproven", reason: "no program" })
      const bottles = Fixture.bottlesOf([], { up: (plan) => Effect.succeed({ ...upOf(plan, null), proof }) })
      const told = yield* Fixture.run(home, up(requestOf(home)), { bottles })
      assert.strictEqual(told.stderr, "bottle: not proven closed: no program\n")
    })
  )

  live("fails as the launch does", (home) =>
    Effect.gen(function* () {
      const bottles = Fixture.bottlesOf([], { up: () => new NameTaken({ name: "agent", id: "agent-1a2b3" }) })
      const text = yield* Fixture.run(home, up(requestOf(home)), { bottles })
      assert.deepStrictEqual([text.code, text.stdout], [125, ""])
      assert.match(text.stderr, /^bottle: the name agent is taken by the bottle agent-1a2b3\ntry: /)
      const json = yield* Fixture.run(home, up(requestOf(home, {}, { format: Option.some("json") })), { bottles })
      assert.strictEqual(JSON.parse(json.stdout).failure.error, "NameTaken")
    })
  )

  live("leaves no bottle of which nobody learns", (home) =>
    Effect.gen(function* () {
      const { asked, bottles, down } = answering()
      const told = yield* Fixture.run(home, up(requestOf(home)), { bottles, writesMax: 0 })
      assert.deepStrictEqual([told.code, told.stderr], [141, ""])
      assert.deepStrictEqual<ReadonlyArray<string>>(
        down,
        asked.map(({ plan }) => plan.id)
      )
      assert.lengthOf(down, 1)
    })
  )

  live("interrupts the launch when it is interrupted", (home) =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      const bottles = Fixture.bottlesOf([], {
        up: () =>
          Deferred.succeed(begun, undefined).pipe(
            Effect.zipRight(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(ended, undefined))
          )
      })
      const fiber = yield* Effect.fork(Fixture.run(home, up(requestOf(home)), { bottles }))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(yield* Deferred.isDone(ended))
    })
  )
})
