import { Diagnosis } from "@bottle/cli/Diagnosis"
import { Invocation } from "@bottle/cli/Invocation"
import * as Stdio from "@bottle/cli/Stdio"
import { doctor } from "@bottle/cli/commands/Doctor"
import * as CommandScript from "@bottle/testing/CommandScript"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Path from "node:path"

const docker = JSON.stringify({ Client: { Version: "28.1.0" }, Server: { Version: "28.2.0" } })

/** What is different from a host on which all is well. */
interface Ills {
  readonly version?: string
  readonly docker?: { readonly exit: number; readonly stderr: string }
  readonly keeper?: null
  readonly manifest?: string
  readonly nodeVersion?: string
  readonly runtime?: string
}

/** Runs doctor on a host whose programs answer as the script says. */
const diagnosed = (ills: Ills): Effect.Effect<{ readonly code: number; readonly found: Diagnosis }> =>
  Temp.withTempDir((home) =>
    Effect.gen(function* () {
      const configuration = Path.join(home, ".config/bottle")
      Fs.mkdirSync(configuration, { recursive: true, mode: 0o700 })
      Fs.writeFileSync(Path.join(configuration, "bottle.json"), ills.manifest ?? "{}", { mode: 0o600 })
      let out = ""
      const script = CommandScript.layer(
        [
          {
            match: ([program, word]) => program === "smolvm" && word === "--version",
            stdout: `${ills.version ?? "smolvm 1.9.3"}\n`,
            times: "any"
          },
          {
            match: ([program, word]) => program === "docker" && word === "version",
            ...(ills.docker ?? { stdout: docker }),
            times: "any"
          },
          { match: () => true, times: "any" }
        ],
        { ordered: false }
      )
      const stdio = Layer.succeed(Stdio.Stdio, {
        isInteractive: false,
        stdout: (bytes) => Effect.sync(() => void (out += Buffer.from(bytes).toString())),
        stderr: () => Effect.void,
        stdin: Stream.empty
      })
      const invocation = Layer.succeed(Invocation, {
        argv: [],
        cwd: home,
        environment: { HOME: home, PATH: home },
        programDirectory: home,
        keeper: ills.keeper === null ? null : (["node", "/there/bottle-keeper.mjs"] as const),
        superuser: false,
        arch: "x64",
        platform: "linux",
        nodeVersion: ills.nodeVersion ?? "20.0.0"
      })
      const code = yield* Effect.provide(
        doctor({ runtime: ills.runtime ?? "smolvm", format: "json" }),
        Layer.mergeAll(stdio, invocation, script, NodeFileSystem.layer)
      )
      return { code, found: Schema.decodeUnknownSync(Schema.parseJson(Diagnosis))(out) }
    })
  )

const checkOf = ({ found }: { readonly found: Diagnosis }, id: string) => found.checks.find((check) => check.id === id)

describe("doctor", () => {
  it.live("finds well what is well, by ids that are each there once", () =>
    Effect.gen(function* () {
      const all = yield* diagnosed({})
      const ids = all.found.checks.map(({ id }) => id)
      assert.strictEqual(new Set(ids).size, ids.length)
      for (const id of [
        "runtime",
        "policy",
        "node",
        "platform",
        "docker",
        "keeper",
        "leftovers",
        "manifest",
        "state"
      ]) {
        assert.deepInclude(checkOf(all, id), { id, verdict: "ok", fix: null })
      }
      assert.deepStrictEqual(all.found.runtime, {
        kind: "smolvm",
        program: "smolvm",
        version: "smolvm 1.9.3",
        isolation: "microvm"
      })
      assert.strictEqual(all.code, all.found.ok ? 0 : 125)
    })
  )

  const cases: ReadonlyArray<readonly [id: string, ills: Ills, verdict: "missing" | "optional", detail: RegExp]> = [
    ["runtime", { version: "smolvm 0.7.0" }, "missing", /0\.7\.0/],
    ["policy", { version: "smolvm 1.5.2" }, "optional", /1\.5\.2/],
    ["node", { nodeVersion: "18.1.0" }, "missing", /18\.1\.0/],
    ["docker", { docker: { exit: 1, stderr: "Cannot connect to the Docker daemon" } }, "optional", /Cannot connect/],
    ["keeper", { keeper: null }, "optional", /no bottle-keeper\.mjs/],
    ["manifest", { manifest: '{"botles": {}}' }, "missing", /botles/]
  ]
  for (const [id, ills, verdict, detail] of cases) {
    it.live(`tells what is not as it should be: ${id}`, () =>
      Effect.gen(function* () {
        const ended = yield* diagnosed(ills)
        const check = checkOf(ended, id)
        assert.deepInclude(check, { id, verdict })
        assert.match(check?.detail ?? "", detail)
        assert.isAbove((check?.fix ?? "").length, 0)
        if (verdict === "missing") {
          assert.deepStrictEqual([ended.code, ended.found.ok, ended.found.isolation], [125, false, "none"])
        }
      })
    )
  }
})
