import { Invocation } from "@bottle/cli/Invocation"
import * as RuntimeLayer from "@bottle/cli/RuntimeLayer"
import * as RuntimesLayer from "@bottle/cli/RuntimesLayer"
import { Runtimes } from "@bottle/engine/Runtimes"
import * as Executor from "@bottle/process/Executor"
import * as Capabilities from "@bottle/smolvm/Capabilities"
import * as Grammar from "@bottle/smolvm/Grammar"
import { Smolvm } from "@bottle/smolvm/Smolvm"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Path from "node:path"

/** A program newer than the data, which notes what it is asked, and an environment with a cache directory. */
const place = Effect.map(Temp.directory, (root) => {
  const program = Path.join(root, "smolvm")
  const helps = Path.join(root, "helps")
  const calls = Path.join(root, "calls")
  Fs.mkdirSync(helps)
  for (const command of Capabilities.subcommands) {
    Fs.writeFileSync(Path.join(helps, `${command} --help`), Grammar.help("1.9.3", command) ?? "")
  }
  Fs.writeFileSync(Path.join(helps, "--version"), "smolvm 1.22.2\n")
  Fs.writeFileSync(program, `#!/bin/sh\necho "$*" >>'${calls}'\nexec cat '${helps}'/"$*"\n`, { mode: 0o755 })
  const environment = { PATH: "/usr/bin:/bin", HOME: root, XDG_CACHE_HOME: Path.join(root, "cache") }
  const asked = (): ReadonlyArray<string> => {
    const lines = Fs.existsSync(calls) ? Fs.readFileSync(calls, "utf8").trim().split("\n") : []
    Fs.rmSync(calls, { force: true })
    return lines
  }
  return { root, program, environment, asked }
})

type Place = Effect.Effect.Success<typeof place>

const everything = 1 + Capabilities.subcommands.length

/** The capabilities as a new process reads them through one of the layers. */
const through = (
  { environment, program, root }: Place,
  layer: typeof RuntimeLayer.diagnosed
): Effect.Effect<Capabilities.Capabilities> => {
  const invocation = Layer.succeed(Invocation, {
    argv: [],
    cwd: root,
    environment,
    programDirectory: root,
    keeper: null,
    superuser: false,
    arch: "x64",
    platform: "linux",
    nodeVersion: "20.0.0"
  })
  return Effect.flatMap(Smolvm, ({ capabilities }) => capabilities).pipe(
    Effect.provide(layer({ _tag: "Smolvm", program })),
    Effect.provide(Layer.mergeAll(invocation, Executor.layer, NodeFileSystem.layer)),
    Effect.orDie
  )
}

describe("what a program can do", () => {
  it.scopedLive("is kept below bottle's cache by whichever layer runs it first, for the others", () =>
    Effect.gen(function* () {
      const at = yield* place
      const first = yield* through(at, RuntimeLayer.layer)
      assert.lengthOf(at.asked(), everything)
      assert.lengthOf(Fs.readdirSync(Path.join(at.root, "cache/bottle/capabilities")), 1)
      assert.strictEqual(first.version, "1.22.2")
      // A script may run another program by now: its version is asked for.
      assert.deepStrictEqual(yield* through(at, RuntimeLayer.layer), first)
      assert.deepStrictEqual(at.asked(), ["--version"])
      const again = Effect.gen(function* () {
        const runtimes = yield* Runtimes
        const smolvm = yield* runtimes.smolvm({ kind: "smolvm", program: at.program, version: "1.22.2", line: "1.9.3" })
        return yield* smolvm.capabilities
      }).pipe(
        Effect.provide(RuntimesLayer.layer({ environment: at.environment, state: Path.join(at.root, "state") })),
        Effect.provide(Executor.layer)
      )
      assert.deepStrictEqual(yield* again, first)
      assert.deepStrictEqual(at.asked(), ["--version"])
    })
  )

  it.scopedLive("is asked anew for a diagnosis, and where what was kept is deleted", () =>
    Effect.gen(function* () {
      const at = yield* place
      yield* through(at, RuntimeLayer.layer)
      at.asked()
      yield* through(at, RuntimeLayer.diagnosed)
      assert.lengthOf(at.asked(), everything)
      Fs.rmSync(RuntimesLayer.capabilitiesDirectory(at.environment), { recursive: true })
      yield* through(at, RuntimeLayer.layer)
      assert.lengthOf(at.asked(), everything)
    })
  )
})
