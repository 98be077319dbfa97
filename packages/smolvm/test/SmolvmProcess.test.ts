import * as Survivors from "@bottle/testing/Survivors"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Smolvm from "../src/Smolvm.js"

/** A program with smolvm's command line, whose monitor and run go on until they are ended, with a child each. */
const script = (directory: string): string => `#!/bin/sh
case "$1 $2" in
  "--version "*) echo "smolvm 1.9.3" ;;
  "machine monitor") echo "looking"; printf 'well\\r\\nha'; sleep 1000 & echo "lf"; wait ;;
  "machine run") echo "Running 1 init command(s)"; : > "${directory}/running"; sleep 1000 & wait ;;
esac
`

/** Uses that program in a directory of its own. Afterwards nothing of it may run. */
const using = <A, E>(use: (smolvm: Smolvm.Smolvm["Type"], directory: string) => Effect.Effect<A, E>) =>
  Temp.withTempDir((directory) =>
    Effect.gen(function* () {
      const program = `${directory}/smolvm`
      yield* Effect.sync(() => Fs.writeFileSync(program, script(directory), { mode: 0o755 }))
      const layer = Smolvm.layerProcess({ program, env: { PATH: "/usr/bin:/bin", HERE: directory } })
      const result = yield* Effect.flatMap(Smolvm.Smolvm, (smolvm) => use(smolvm, directory)).pipe(
        Effect.provide(layer)
      )
      yield* waitUntil(
        Effect.map(Survivors.find(directory), (survivors) => Survivors.count(survivors) === 0),
        { boundMillis: 20_000, what: "the end of all that smolvm has started" }
      )
      return result
    })
  )

describe("smolvm as a process", () => {
  it.live("is ended, with its children, when its monitor is left", () =>
    using((smolvm) =>
      Effect.gen(function* () {
        const lines = yield* Stream.runCollect(Stream.take(smolvm.machineMonitor({ name: "box" }), 3))
        assert.deepStrictEqual(Chunk.toReadonlyArray(lines), ["looking", "well", "half"])
      })
    )
  )

  it.live("is ended, with its children, when a run is interrupted half-way", () =>
    using((smolvm, directory) =>
      Effect.gen(function* () {
        const running = yield* Effect.fork(smolvm.machineRun({ image: "a", command: ["x"] }))
        yield* waitUntil(
          Effect.sync(() => Fs.existsSync(`${directory}/running`)),
          { boundMillis: 20_000, what: "the run" }
        )
        yield* Fiber.interrupt(running)
      })
    )
  )

  it.live("is there while its file may be run, and is refused by the system when it may not", () =>
    using((smolvm, directory) =>
      Effect.gen(function* () {
        assert.isTrue(yield* smolvm.isAvailable)
        yield* Effect.sync(() => Fs.chmodSync(`${directory}/smolvm`, 0o644))
        const error = yield* Effect.flip(smolvm.machineStop({ name: "box" }))
        assert.strictEqual(error._tag, "SmolvmNotStarted")
        assert.include(error.message, "machine stop could not be started: ")
        assert.include(error.suggestion, "executable")
      })
    )
  )
})
