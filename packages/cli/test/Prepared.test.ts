import { Invocation } from "@bottle/cli/Invocation"
import * as Prepared from "@bottle/cli/Prepared"
import type { RunRequest } from "@bottle/cli/RunRequest"
import * as Stdio from "@bottle/cli/Stdio"
import * as BottleId from "@bottle/engine/BottleId"
import { Directories } from "@bottle/engine/Directories"
import * as LaunchPlan from "@bottle/engine/LaunchPlan"
import * as Capabilities from "@bottle/smolvm/Capabilities"
import * as CommandScript from "@bottle/testing/CommandScript"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Fs from "node:fs"

const api = { header: "x-api-key", upstream: "https://api.example.com" }

const planOf = (credentials: LaunchPlan.LaunchPlan["egress"]["credentials"]) =>
  LaunchPlan.make({
    id: BottleId.fromParts("demo", "abc12"),
    options: { source: { _tag: "Bare" }, credentials },
    capabilities: Capabilities.fromVersion("1.9.3"),
    program: "smolvm",
    settings: {
      directories: new Directories({ cache: "/c/bottle", state: "/s/bottle", run: "/r/bottle" }),
      runtime: "smolvm",
      arch: "x64",
      superuser: false
    }
  }).pipe(Either.getOrThrowWith((error) => error))

type Manner = Pick<RunRequest, "format" | "quiet" | "secrets">

/** What a launch is given, by name, and what its user was told meanwhile. */
const given = (
  plan: LaunchPlan.LaunchPlan,
  over: Partial<Manner> = {},
  environment: Readonly<Record<string, string>> = {}
) =>
  Effect.gen(function* () {
    const told: Array<string> = []
    const stdio = Layer.succeed(Stdio.Stdio, {
      isInteractive: false,
      stdout: () => Effect.void,
      stderr: (bytes) => Effect.sync(() => void told.push(Buffer.from(bytes).toString())),
      stdin: Stream.empty
    })
    const invocation = Layer.succeed(Invocation, {
      argv: [],
      cwd: "/",
      environment,
      programDirectory: "/",
      keeper: null,
      superuser: false,
      arch: "x64",
      platform: "linux",
      nodeVersion: "20.0.0"
    })
    const request: Manner = { format: "text", quiet: false, secrets: new Map(), ...over }
    const { credentials } = yield* Effect.provide(
      Prepared.given(request, plan),
      Layer.mergeAll(stdio, invocation, NodeFileSystem.layer)
    )
    return {
      values: [...(credentials ?? [])].map(([name, value]) => `${name} ${Redacted.value(value)}`),
      told: told.join("")
    }
  })

describe("Prepared.given", () => {
  it.effect("reads the credentials of a plan, and runs nothing for a plan that has none", () =>
    Effect.gen(function* () {
      const plan = planOf({ api: { ...api, source: { env: "API_KEY" } } })
      const { told, values } = yield* given(plan, {}, { API_KEY: "hunter2" })
      assert.deepStrictEqual([values, told], [["api hunter2"], ""])
      const error = yield* Effect.flip(given(plan))
      assert.strictEqual(error._tag, "CredentialUnavailable")
      assert.deepStrictEqual((yield* given(planOf({}))).values, [])
    }).pipe(Effect.provide(CommandScript.layer([])))
  )

  it.live("tells of a file that others can read, but not where nobody is to be told", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const file = `${directory}/key`
        Fs.writeFileSync(file, "hunter2\n")
        Fs.chmodSync(file, 0o644)
        const plan = planOf({ api: { ...api, source: { file } } })
        const { told, values } = yield* given(plan)
        assert.deepStrictEqual(values, ["api hunter2"])
        assert.strictEqual(
          told,
          `bottle: other users of this machine can read ${file}, which holds the credential api\n`
        )
        assert.strictEqual((yield* given(plan, { quiet: true })).told, "")
        assert.strictEqual((yield* given(plan, { format: "json" })).told, "")
      })
    ).pipe(Effect.provide(CommandScript.layer([])))
  )

  it.effect("tells of a command that somebody may have to unlock", () =>
    Effect.gen(function* () {
      const plan = planOf({ api: { ...api, source: { command: ["op", "read"] } } })
      const fiber = yield* Effect.fork(given(plan))
      yield* TestClock.adjust("3 seconds")
      const { told, values } = yield* Fiber.join(fiber)
      assert.deepStrictEqual(values, ["api hunter2"])
      assert.strictEqual(told, "bottle: waiting for op, for the credential api: at most 30 s\n")
    }).pipe(
      Effect.provide(
        CommandScript.layer([{ match: ["op", "read"], stdout: "hunter2\n", before: Effect.sleep("3 seconds") }])
      )
    )
  )
})
