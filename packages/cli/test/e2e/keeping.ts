/** Bottles of a directory of a test's own, held by the built keeper. */
import { Bottles, make as makeBottles } from "@bottle/engine/Bottles"
import { Directories } from "@bottle/engine/Directories"
import * as Engine from "@bottle/engine/Engine"
import * as Launch from "@bottle/engine/Launch"
import type { LaunchOptions } from "@bottle/engine/LaunchOptions"
import type { LaunchPlan } from "@bottle/engine/LaunchPlan"
import { Runtimes } from "@bottle/engine/Runtimes"
import * as Executor from "@bottle/process/Executor"
import { Smolvm } from "@bottle/smolvm/Smolvm"
import * as Survivors from "@bottle/testing/Survivors"
import { waitUntil } from "@bottle/testing/Wait"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { keeperCommand } from "../../src/BottlesLayer.js"
import * as RuntimesLayer from "../../src/RuntimesLayer.js"

const KEEPER = fileURLToPath(new URL("../../dist/bottle-keeper.mjs", import.meta.url))

export const directoriesIn = (directory: string): Directories =>
  new Directories({ cache: `${directory}/cache`, state: `${directory}/state`, run: `${directory}/run` })

/** The whole of a keeper's environment; the directory marks what is started in it. */
export const environmentIn = (directory: string): Record<string, string> => ({
  PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: directory
})

/** The command of the built keeper. */
export const command = keeperCommand([process.execPath, KEEPER])

const runtime = { kind: "local", program: "smolvm-local", version: "1.9.3", line: "1.9.3" } as const

/** All that a program needs to plan a bottle and to have it kept; `keeper` is another command than the built one's. */
export const layersIn = (
  directory: string,
  keeper: readonly [string, ...ReadonlyArray<string>] = command
): Layer.Layer<Bottles | Engine.Engine | Smolvm | Runtimes | NodeFileSystem_> => {
  const directories = directoriesIn(directory)
  const environment = environmentIn(directory)
  const runtimes = Layer.provide(RuntimesLayer.layer({ environment, state: directories.state }), Executor.layer)
  return Layer.mergeAll(
    Layer.effect(Bottles, makeBottles({ directories, keeper: { command: keeper, env: environment } })),
    Layer.scoped(
      Smolvm,
      Effect.flatMap(Runtimes, ({ smolvm }) => smolvm(runtime))
    ),
    Engine.layer({ directories, runtime: "local", arch: process.arch, superuser: process.getuid?.() === 0 })
  ).pipe(Layer.provideMerge(Layer.merge(runtimes, NodeFileSystem.layer)))
}

type NodeFileSystem_ = Layer.Layer.Success<typeof NodeFileSystem.layer>

/** A plan of a bottle on the local runtime. */
export const planned = (options: Partial<LaunchOptions> = {}) => Launch.plan({ source: { _tag: "Bare" }, ...options })

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).trim()

/** Everything that is left in or of a directory, but for records. */
export const left = (directory: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(Survivors.find(Path.basename(directory)), ({ mounts, namespaces, processes, sockets }) => [
    ...processes,
    ...mounts,
    ...namespaces,
    ...sockets,
    ...files(directory)
  ])

const files = (directory: string): ReadonlyArray<string> =>
  Fs.readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => Path.join(entry.parentPath, entry.name))
    .filter((file) => !file.startsWith(`${directory}/state/records/`))

/** Waits until nothing is left, for as long as a handle may take. */
export const nothingLeft = (directory: string): Effect.Effect<void> =>
  waitUntil(
    Effect.map(left(directory), (found) => found.length === 0),
    { boundMillis: 30_000, everyMillis: 100, what: "nothing to be left" }
  ).pipe(
    Effect.catchAllDefect(() =>
      Effect.map(left(directory), (found) => {
        assert.deepStrictEqual(found, [])
      })
    )
  )

export type { LaunchPlan }
