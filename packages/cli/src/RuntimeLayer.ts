/**
 * The layers under a launch, for the runtime that was chosen.
 *
 * @since 0.1.0
 */
import * as Docker from "@bottle/docker/Docker"
import * as DeadMansHandle from "@bottle/engine/DeadMansHandle"
import * as Bundle from "@bottle/engine/Bundle"
import * as Directories from "@bottle/engine/Directories"
import type { ContainerSettings } from "@bottle/engine/Engine"
import * as Engine from "@bottle/engine/Engine"
import { Surroundings } from "@bottle/engine/Places"
import * as Sweep from "@bottle/engine/Sweep"
import * as LocalExecutor from "@bottle/local/LocalExecutor"
import * as Capture from "@bottle/process/Capture"
import type { Variables } from "@bottle/process/Environment"
import * as Smolvm from "@bottle/smolvm/Smolvm"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import type { FileSystem } from "@effect/platform/FileSystem"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BundleImage from "./BundleImage.js"
import { Invocation } from "./Invocation.js"
import type { ContainerChoice, RunRequest } from "./RunRequest.js"
import type { RuntimeChoice } from "./RuntimeChoice.js"
import * as RuntimesLayer from "./RuntimesLayer.js"

const VERSION_TIMEOUT_MILLIS = 10_000

/** Whether a program is `packages/local` under a name of its own: its `--version` says so, and no smolvm's does. */
const isLocal = (
  program: string,
  env: Readonly<Record<string, string>>
): Effect.Effect<boolean, never, CommandExecutor> =>
  Capture.capture({ program, args: ["--version"], env }, { timeoutMillis: VERSION_TIMEOUT_MILLIS }).pipe(
    Effect.map((captured) => Capture.stdoutText(captured).includes("namespaces, shared kernel")),
    // Whoever uses the program next meets the same error, and tells it.
    Effect.orElseSucceed(() => false)
  )

const kindOf = (
  choice: RuntimeChoice,
  env: Readonly<Record<string, string>>
): Effect.Effect<"smolvm" | "local", never, CommandExecutor> => {
  switch (choice._tag) {
    case "Local":
      return Effect.succeed("local")
    case "Smolvm":
      return Effect.succeed("smolvm")
    case "Program":
      return Effect.map(isLocal(choice.program, env), (itIs) => (itIs ? "local" : "smolvm"))
  }
}

/**
 * What looks after bottles whose owner dies: their handles, and the sweep of a launch. Both get the runtime's environment.
 *
 * @since 0.1.0
 * @category layers
 */
export const abandoned = ({
  environment,
  keeper
}: Pick<Context.Tag.Service<Invocation>, "environment" | "keeper">): Layer.Layer<never> => {
  if (keeper === null) return Layer.empty
  const env = RuntimesLayer.environmentOf(environment)
  return Layer.merge(
    DeadMansHandle.layer({ command: [...keeper, "recover"], env }),
    Sweep.layer({ command: [...keeper, "sweep"], env })
  )
}

/**
 * smolvm's service, the engine's settings, the bundle, and what looks after bottles whose owner dies.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (choice: RuntimeChoice, container: ContainerSettings | null = null): ReturnType<typeof build> =>
  build(choice, container, RuntimesLayer.capabilitiesDirectory)

/**
 * As `layer`, but what the program can do is asked of the program, whatever is kept of it: for a diagnosis.
 *
 * @since 0.1.0
 * @category layers
 */
export const diagnosed = (choice: RuntimeChoice): ReturnType<typeof build> => build(choice, null, () => undefined)

const build = (
  choice: RuntimeChoice,
  container: ContainerSettings | null,
  cacheDirectory: (environment: Variables) => string | undefined
): Layer.Layer<Smolvm.Smolvm | Engine.Engine | Bundle.Bundle, never, Invocation | CommandExecutor | FileSystem> =>
  Layer.unwrapEffect(
    Effect.map(Invocation, (invocation) => {
      const { arch, environment, superuser } = invocation
      const env = RuntimesLayer.environmentOf(environment)
      const { program } = choice
      const runtime =
        choice._tag === "Local"
          ? Layer.provide(Smolvm.layer({ program, env }), LocalExecutor.layer({ program }))
          : Smolvm.layer({ program, env, cacheDirectory: cacheDirectory(environment) })
      const directories = Directories.fromEnvironment(environment)
      const engine = Layer.unwrapEffect(
        Effect.map(kindOf(choice, env), (kind) =>
          Engine.layer({ directories, runtime: kind, arch, superuser, container })
        )
      )
      const bundle = Bundle.layer.pipe(
        Layer.provide(Docker.layer(container === null ? {} : { program: container.program })),
        Layer.provide(engine)
      )
      const surroundings = Layer.succeed(Surroundings, Effect.succeed(environment))
      return Layer.mergeAll(engine, runtime, bundle, abandoned(invocation), surroundings)
    })
  )

/**
 * The layers under the launch of a request: as `layer`, with what a container bundle is made with where it may have one.
 *
 * @since 0.1.0
 * @category layers
 */
export const forLaunch = (choice: RuntimeChoice, { container, options }: RunRequest): ReturnType<typeof withImage> =>
  options.bundle === "process" || options.bundle === "none" ? layer(choice) : withImage(choice, container)

const withImage = (choice: RuntimeChoice, container: ContainerChoice) =>
  Layer.unwrapEffect(
    Effect.flatMap(Invocation, ({ programDirectory }) =>
      Effect.map(BundleImage.settings(container, programDirectory), (settings) => layer(choice, settings))
    )
  )
