/** Every command under `--format json`: whatever it is asked, one document answers, where the reference says. */
import * as Documents from "@bottle/cli/Documents"
import * as Exits from "@bottle/cli/Exits"
import * as Flags from "@bottle/cli/Flags"
import { Invocation } from "@bottle/cli/Invocation"
import { main } from "@bottle/cli/Main"
import * as Stdio from "@bottle/cli/Stdio"
import * as Temp from "@bottle/testing/Temp"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { problems } from "./fixtures/jsonSchema.js"

/** A whole line, in a home of its own in which there is nothing. */
const bottle = (...argv: ReadonlyArray<string>) =>
  Temp.withTempDir((home) =>
    Effect.gen(function* () {
      const out: Array<Uint8Array> = []
      const err: Array<Uint8Array> = []
      const stdio = Layer.succeed(Stdio.Stdio, {
        isInteractive: false,
        stdout: (bytes) => Effect.sync(() => void out.push(bytes)),
        stderr: (bytes) => Effect.sync(() => void err.push(bytes)),
        stdin: Stream.empty
      })
      const invocation = Layer.succeed(Invocation, {
        argv,
        cwd: home,
        environment: { HOME: home },
        programDirectory: home,
        keeper: null,
        superuser: false,
        arch: "x64",
        platform: "linux",
        nodeVersion: "20.0.0"
      })
      const code = yield* Effect.provide(main, Layer.mergeAll(stdio, invocation, NodeContext.layer))
      return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }
    })
  ).pipe(Effect.orDie)

/** Their standard output is a command's own, so a failure is the only thing on standard error. */
const passing = new Set(["run", "exec", "shell", "attach"])

const parsed = (name: Documents.Name, text: string) => {
  const document: unknown = JSON.parse(text)
  const schema: unknown = JSON.parse(Documents.toText(name))
  assert.deepStrictEqual(problems(schema, document, { closed: true }), [], text)
  return document
}

/** The one failure of a line, which stands where it has to and names the exit code. */
const failureOf = (line: string) =>
  Effect.map(bottle(...line.split(" ")), ({ code, stderr, stdout }) => {
    const isPassing = passing.has(line.split(" ")[0] ?? "") && !line.includes("--dry-run")
    if (isPassing) assert.strictEqual(stdout, "")
    const document = parsed("error", isPassing ? stderr : stdout)
    assert.nestedPropertyVal(document, "failure.exitCode", code)
    assert.match(isPassing ? stderr : stdout, /^[^\n]+\n$/)
    return document
  })

const nobody = "/nowhere/at/all"

const failing: ReadonlyArray<readonly [line: string, error: string]> = [
  ["run --format json", "UsageError"],
  ["run --format=json --cpus x -- true", "UsageError"],
  ["run --format json --agent nobody -- x", "UsageError"],
  [`run --format json --policy ${nobody} -- true`, "PolicyFileRefused"],
  [`run --format json --manifest ${nobody} -- true`, "ManifestUnreadable"],
  [`run --format json --workspace ${nobody} -- true`, "WorkspaceUnusable"],
  [`run --format json --trace ${nobody}/x -- true`, "TraceUnwritable"],
  [`run --format json --report ${nobody}/x -- true`, "ReportUnwritable"],
  [`run --format json --runtime ${nobody} -- true`, "SmolvmNotInstalled"],
  [`run --format json --dry-run --runtime ${nobody} -- true`, "SmolvmNotInstalled"],
  [`plan --format json --runtime ${nobody}`, "SmolvmNotInstalled"],
  ["plan --format json --allow !!!", "UsageError"],
  ["up --format json --ttl x", "UsageError"],
  [`up --format json --runtime ${nobody}`, "SmolvmNotInstalled"],
  ["exec nobody --format json -- true", "BottleNotFound"],
  ["shell nobody --format json", "BottleNotFound"],
  ["attach nobody --format json", "BottleNotFound"],
  ["cp a b --format json", "UsageError"],
  ["cp nobody:/a b --format json", "BottleNotFound"],
  ["logs nobody --format json", "BottleNotFound"],
  ["inspect nobody --format json", "BottleNotFound"],
  ["wait nobody --format json", "BottleNotFound"],
  ["commit nobody -o x.smolmachine --format json", "BottleNotFound"],
  ["diff nobody --format json", "BottleNotFound"],
  ["apply nobody --format json", "BottleNotFound"],
  ["policy watch nobody --format json", "BottleNotFound"],
  [`policy check ${nobody} --format json`, "PolicyFileRefused"],
  [`policy explain ${nobody} a.test --format json`, "PolicyFileRefused"],
  ["policy --format json", "UsageError"],
  ["prune --older x --format json", "UsageError"],
  [`config --manifest ${nobody} --format json`, "ManifestUnreadable"],
  ["schema nothing --format json", "UsageError"],
  ["completion tcsh --format json", "UsageError"],
  ["--version now --format json", "UsageError"],
  ["nonsense --format json", "UsageError"],
  ["ls --format jsn --format json", "UsageError"]
]

const answering: ReadonlyArray<readonly [line: string, name: Documents.Name]> = [
  ["ls --format json", "ls"],
  ["prune --dry-run --format json", "prune"],
  ["cleanup --dry-run --format json", "cleanup"],
  ["config --format json", "config"],
  ["init --format json", "init"],
  ["down --all --format json", "down"],
  ["down nobody --format json", "down"],
  [`doctor --runtime ${nobody} --format json`, "doctor"],
  ["--version --format json", "version"]
]

describe.concurrent("under --format json", () => {
  for (const name of Flags.subcommands) {
    it.live(`bottle ${name} refuses a flag that it does not have in one document`, () =>
      Effect.map(failureOf(`${name} --nonsense --format json`), (document) => {
        assert.nestedPropertyVal(document, "failure.kind", "usage")
      })
    )
  }

  for (const [line, error] of failing) {
    it.live(`bottle ${line} fails with one ${error}`, () =>
      Effect.map(failureOf(line), (document) => assert.nestedPropertyVal(document, "failure.error", error))
    )
  }

  for (const [line, name] of answering) {
    it.live(`bottle ${line} answers with one document`, () =>
      Effect.map(bottle(...line.split(" ")), ({ code, stderr, stdout }) => {
        parsed(name, stdout)
        assert.strictEqual(stderr, "")
        assert.include([0, 125], code)
      })
    )
  }
})

describe("without a word", () => {
  it.live("the help is told, and nothing was asked for", () =>
    Effect.map(bottle(), ({ code, stderr, stdout }) => {
      assert.strictEqual(stdout, "")
      assert.include(stderr, "Try: bottle run -- uname -a\n")
      assert.deepStrictEqual(Exits.common[0]?.codes, [code])
    })
  )

  it.live("of help, or of the flag for it, it is what was asked for", () =>
    Effect.gen(function* () {
      for (const line of [["help"], ["--help"], ["-h"]]) {
        const { code, stderr, stdout } = yield* bottle(...line)
        assert.deepStrictEqual([code, stderr], [0, ""])
        assert.include(stdout, "Try: bottle run -- uname -a\n")
      }
      const one = yield* bottle("help", "policy", "check")
      assert.deepStrictEqual(one, yield* bottle("policy", "check", "--help"))
      assert.include(one.stdout, "bottle policy check FILE")
    })
  )
})
