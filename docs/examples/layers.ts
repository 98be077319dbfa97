/**
 * What the other examples stand on: bottles of the local runtime, launched by this process. With smolvm installed, leave
 * the local runtime out and say `runtime: "smolvm"`.
 */
import * as Bundle from "@bottle/engine/Bundle"
import * as Directories from "@bottle/engine/Directories"
import * as Engine from "@bottle/engine/Engine"
import * as LocalExecutor from "@bottle/local/LocalExecutor"
import * as Executor from "@bottle/process/Executor"
import * as Smolvm from "@bottle/smolvm/Smolvm"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Layer from "effect/Layer"
import * as process from "node:process"

const program = LocalExecutor.defaultProgram

/** The local runtime: the same commands as smolvm's, interpreted in this process. */
const runtime = Smolvm.layer({ program }).pipe(
  Layer.provide(LocalExecutor.layer({ program })),
  Layer.provide(Executor.layer)
)

const engine = Engine.layer({
  directories: Directories.fromEnvironment(process.env),
  runtime: "local",
  arch: process.arch,
  superuser: process.getuid?.() === 0
})

/** All that a launch needs: the runtime, the engine's settings, and the proxy in this process. */
export const layer = Layer.mergeAll(runtime, engine, Bundle.layerProcess, NodeFileSystem.layer)
