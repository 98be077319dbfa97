import * as Commands from "@bottle/cli/Commands"
import * as RunRequest from "@bottle/cli/RunRequest"
import * as UpRequest from "@bottle/cli/requests/UpRequest"
import * as Tail from "@bottle/cli/Tail"
import type { UsageError } from "@bottle/cli/UsageError"
import * as Words from "@bottle/cli/Words"
import type { Manifest } from "@bottle/engine/Manifest"
import type { ManifestRead } from "@bottle/engine/Settings"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"

const surroundings: RunRequest.Surroundings = {
  cwd: "/home/me/project",
  environment: { HOME: "/home/me", TOKEN: "s3cret", OTHER: "other", BOTTLE_RUNTIME: "local" }
}

const manifest: Manifest = {
  bottle: "dev",
  bottles: {
    dev: {
      image: "alpine:3.20",
      isolation: "microvm",
      runtime: "smolvm",
      bundle: "process",
      topology: "socket",
      limits: { cpus: 2, mem: "2G" },
      workdir: "/project",
      env: { LANG: "C.UTF-8", TOKEN: { from: "TOKEN" } },
      mounts: [{ host: "~/src", guest: "/project" }],
      policy: { allow: ["a.example"] },
      ttl: "2h",
      idle: "30m",
      timeout: "90s"
    },
    filed: { policy: "policies/dev.json" },
    missing: { env: { KEY: { from: "NOT_THERE" } } }
  },
  agents: {
    flagged: { command: ["agent", "-y"], prompt: { flag: "-p" }, allow: ["b.example"], env: { LANG: "C" } },
    listening: { command: ["agent"], prompt: "stdin", workspace: "ro" }
  }
}

const read: ManifestRead = {
  manifest,
  file: "/home/me/.config/bottle/bottle.json",
  directory: "/home/me/.config/bottle"
}

const parsedOf = (...argv: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { tail, words } = Tail.split(argv)
    const reading = yield* Words.read(words, tail)
    if (reading._tag !== "Command") return yield* Effect.dieMessage("not a command")
    return { parsed: yield* Commands.parse(reading), tail }
  }).pipe(Effect.provide(FileSystem.layerNoop({})))

const withManifest =
  (from: ManifestRead | null) =>
  (...argv: ReadonlyArray<string>): Effect.Effect<RunRequest.RunRequest, UsageError> =>
    Effect.flatMap(parsedOf(...argv), ({ parsed, tail }) =>
      parsed._tag === "Run" || parsed._tag === "Plan"
        ? RunRequest.make(parsed.flags, tail, surroundings, from)
        : Effect.dieMessage("not a launch")
    )

const request = withManifest(read)

const up = (...argv: ReadonlyArray<string>): Effect.Effect<UpRequest.UpRequest, UsageError> =>
  Effect.flatMap(parsedOf(...argv), ({ parsed, tail }) =>
    parsed._tag === "Up" ? UpRequest.make(parsed.flags, tail, surroundings, read) : Effect.dieMessage("not up")
  )

const refusal = (asked: Effect.Effect<unknown, UsageError>) =>
  Effect.map(Effect.flip(asked), (error) => `${error.message} | ${error.suggestion}`)

describe("a launch and its manifest", () => {
  it.effect("begin with the manifest's own bottle", () =>
    Effect.gen(function* () {
      const made = yield* request("run", "--", "true")
      assert.deepStrictEqual(made.options, {
        name: "true",
        source: { _tag: "Image", reference: "alpine:3.20" },
        allow: [],
        deny: [],
        resolve: [],
        env: [["LANG", "C.UTF-8"]],
        secrets: ["TOKEN"],
        mounts: [{ host: "/home/me/src", guest: "/project", readonly: false }],
        workdir: "/project",
        cpus: 2,
        memMib: 2048,
        bundle: "process",
        topology: "socket",
        unprovenEgress: false,
        keepOnFailure: false,
        isolation: "microvm",
        policy: { allow: ["a.example"] }
      })
      assert.deepStrictEqual(
        [made.runtime, made.timeoutMillis, made.policyFile, made.beginning.bottle, made.beginning.file],
        ["smolvm", 90_000, null, "dev", read.file]
      )
      assert.deepStrictEqual(
        [...made.secrets].map(([name, value]) => [name, Redacted.value(value)]),
        [["TOKEN", "s3cret"]]
      )
    })
  )

  it.effect("are told apart from a line without a manifest, whose runtime the environment names", () =>
    Effect.gen(function* () {
      const made = yield* withManifest(null)("run", "--", "true")
      assert.deepStrictEqual([made.options.source._tag, made.runtime, made.beginning.bottle], ["Bare", null, null])
      assert.strictEqual(
        yield* refusal(withManifest(null)("run", "--bottle", "dev", "--", "true")),
        '--bottle "dev": there is no manifest | bottle init writes a manifest'
      )
      assert.strictEqual(
        (yield* request("run", "--bottle", "filed", "--", "true")).policyFile,
        "/home/me/.config/bottle/policies/dev.json"
      )
    })
  )

  it.effect("let flags win, and add what they hold lists of", () =>
    Effect.gen(function* () {
      const line =
        "run --from dev.smolmachine --cpus 4 --mem 512 -w /src --timeout 5s --runtime local --bundle container " +
        "--topology address --policy p.json -e LANG=de -e TOKEN=open -e OTHER -v ./a:/project/ -v ./b:/b --allow c.example -- true"
      const { options, policyFile, runtime, timeoutMillis } = yield* request(...line.split(" "))
      assert.deepStrictEqual(
        [options.source, options.cpus, options.memMib, options.workdir, timeoutMillis, runtime, policyFile],
        [
          { _tag: "Pack", path: "/home/me/project/dev.smolmachine" },
          4,
          512,
          "/src",
          5000,
          "local",
          "/home/me/project/p.json"
        ]
      )
      assert.deepStrictEqual([options.bundle, options.topology, options.policy], ["container", "address", undefined])
      assert.deepStrictEqual(options.env, [
        ["LANG", "de"],
        ["TOKEN", "open"]
      ])
      assert.deepStrictEqual(options.secrets, ["OTHER"])
      assert.deepStrictEqual(options.mounts, [
        { host: "/home/me/project/a", guest: "/project/", readonly: false },
        { host: "/home/me/project/b", guest: "/b", readonly: false }
      ])
      assert.deepStrictEqual(options.allow, ["c.example"])
    })
  )

  it.effect("let whatever a line says of one value win over the manifest", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.record({
            cpus: fc.option(fc.integer({ min: 1, max: 9 })),
            mem: fc.option(fc.integer({ min: 1, max: 9 }))
          }),
          fc.record({
            cpus: fc.option(fc.integer({ min: 1, max: 9 })),
            mem: fc.option(fc.integer({ min: 1, max: 9 }))
          }),
          async (said, flags) => {
            const limits = {
              ...(said.cpus === null ? {} : { cpus: said.cpus }),
              ...(said.mem === null ? {} : { mem: `${said.mem}G` })
            }
            const line = [
              ...(flags.cpus === null ? [] : ["--cpus", String(flags.cpus)]),
              ...(flags.mem === null ? [] : ["--mem", `${flags.mem}G`])
            ]
            const own = { ...read, manifest: { bottle: "x", bottles: { x: { limits } } } }
            const { options } = await Effect.runPromise(withManifest(own)("run", ...line, "--", "true"))
            const mem = flags.mem ?? said.mem
            assert.deepStrictEqual(
              [options.cpus, options.memMib],
              [flags.cpus ?? said.cpus ?? undefined, mem === null ? undefined : mem * 1024]
            )
          }
        ),
        { seed: 1, numRuns: 30 }
      )
    )
  )

  it.effect("want the variables that they refer to, unless the line gives another value", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* refusal(request("run", "--bottle", "missing", "--", "true")),
        "bottles.missing.env.KEY: your environment has no NOT_THERE | export NOT_THERE first"
      )
      const made = yield* request("run", "--bottle", "missing", "-e", "KEY=x", "--", "true")
      assert.deepStrictEqual(made.options.env, [["KEY", "x"]])
    })
  )
})

describe("an agent's launch", () => {
  it.effect("gives what follows -- as its prompt", () =>
    Effect.gen(function* () {
      const made = yield* request("run", "--agent", "flagged", "--", "fix", "the", "--tests", "in  here")
      assert.deepStrictEqual(made.command, ["agent", "-y", "-p", "fix the --tests in  here"])
      assert.deepStrictEqual([made.isConversation, made.input, made.options.name], [false, null, "flagged"])
      assert.deepStrictEqual(made.options.allow, ["b.example"])
      assert.deepStrictEqual(made.options.env, [["LANG", "C"]])
      const listening = yield* request("run", "--agent", "listening", "-t", "--", "do it")
      assert.deepStrictEqual([listening.command, listening.input, listening.tty], [["agent"], "do it", "never"])
    })
  )

  it.effect("needs no prompt and no --, and no manifest where it is known without one", () =>
    Effect.gen(function* () {
      const made = yield* withManifest(null)("run", "--agent", "claude")
      assert.strictEqual(made.command[0], "claude")
      assert.isFalse(made.command.includes("-p"))
      assert.deepStrictEqual([made.isConversation, made.beginning.agent], [true, "claude"])
      assert.deepStrictEqual(Object.keys(made.options.credentials ?? {}), ["anthropic"])
      assert.strictEqual((yield* withManifest(null)("run", "--", "true")).options.credentials, undefined)
      assert.strictEqual(
        yield* refusal(withManifest(null)("run", "--agent", "claude", "--")),
        "no prompt follows -- | leave out --, or write the prompt after it"
      )
      assert.include(yield* refusal(withManifest(null)("run")), "no command was given to run | ")
      assert.strictEqual(
        yield* refusal(withManifest(null)("run", "--agent", "cluade")),
        '--agent "cluade": no agent has that name, and there is no manifest | --agent claude'
      )
    })
  )

  it.effect("has its workspace as the line says, else as the agent does, else a copy", () =>
    Effect.gen(function* () {
      const workspace = (...argv: ReadonlyArray<string>) =>
        Effect.map(request("run", ...argv, "--", "x"), (made) => made.workspace)
      const directory = "/home/me/project/a:b"
      assert.strictEqual(yield* workspace(), null)
      assert.deepStrictEqual(yield* workspace("--workspace", "."), { directory: "/home/me/project", mode: "copy" })
      assert.deepStrictEqual(yield* workspace("--workspace", "a:b:rw"), { directory, mode: "rw" })
      const listening = ["--agent", "listening", "--workspace"]
      assert.deepStrictEqual(yield* workspace(...listening, "."), { directory: "/home/me/project", mode: "ro" })
      assert.deepStrictEqual(yield* workspace(...listening, ".:copy"), { directory: "/home/me/project", mode: "copy" })
      assert.strictEqual(
        yield* refusal(workspace("--workspace", "a:wr")),
        '--workspace "a:wr" is not DIR, DIR:copy, DIR:ro or DIR:rw | --workspace a, or --workspace a:ro'
      )
    })
  )
})

describe("a bottle that stays, and its manifest", () => {
  it.effect("has its lifetime from the manifest, or from the line", () =>
    Effect.gen(function* () {
      const plain = yield* up("up")
      assert.deepStrictEqual(
        [plain.ttlMillis, plain.idleMillis, plain.launch.timeoutMillis],
        [7_200_000, 1_800_000, undefined]
      )
      const said = yield* up("up", "--ttl", "1h")
      assert.deepStrictEqual([said.ttlMillis, said.idleMillis], [3_600_000, 1_800_000])
    })
  )

  it.effect("runs an agent only where it is given a prompt, and no agent that listens for one", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* up("up", "--agent", "flagged")).launch.command, [])
      assert.deepStrictEqual((yield* up("up", "--agent", "flagged", "--", "go")).launch.command, [
        "agent",
        "-y",
        "-p",
        "go"
      ])
      assert.deepStrictEqual((yield* up("up", "--agent", "listening")).launch.command, [])
      assert.include(
        yield* refusal(up("up", "--agent", "listening", "--", "go")),
        "listening takes its prompt on standard input"
      )
    })
  )
})
