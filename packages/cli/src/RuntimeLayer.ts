/**
 * The layers under a launch, for the runtime that was chosen.
 *
 * @since 0.1.0
 */
import * as Bundle from "@bottle/engine/Bundle"
import * as Directories from "@bottle/engine/Directories"
import * as Engine from "@bottle/engine/Engine"
import * as LocalExecutor from "@bottle/local/LocalExecutor"
import * as Environment from "@bottle/process/Environment"
import * as RuntimeEnvironment from "@bottle/smolvm/RuntimeEnvironment"
import * as Smolvm from "@bottle/smolvm/Smolvm"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Invocation } from "./Invocation.js"
import type { RuntimeChoice } from "./RuntimeChoice.js"

/** What `--version` of `packages/local` says, and of no smolvm. */
const isLocal = (versionText: string): boolean => versionText.includes("namespaces")

const kindOf = (choice: RuntimeChoice): Effect.Effect<"smolvm" | "local", never, Smolvm.Smolvm> => {
  switch (choice._tag) {
    case "Local":
      return Effect.succeed("local")
    case "Smolvm":
      return Effect.succeed("smolvm")
    case "Program":
      return Effect.flatMap(Smolvm.Smolvm, (smolvm) => smolvm.capabilities).pipe(
        Effect.map((capabilities) => (isLocal(capabilities.versionText) ? ("local" as const) : ("smolvm" as const))),
        // Whoever uses it next meets the same error, and tells it.
        Effect.orElseSucceed(() => "smolvm" as const)
      )
  }
}

/**
 * smolvm's service, the engine's settings and the bundle. The runtime's environment is the caller's without what would
 * weaken a policy, replace whom it trusts, or change how it boots.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  choice: RuntimeChoice
): Layer.Layer<Smolvm.Smolvm | Engine.Engine | Bundle.Bundle, never, Invocation | CommandExecutor> =>
  Layer.unwrapEffect(
    Effect.map(Invocation, ({ arch, environment, superuser }) => {
      const env = RuntimeEnvironment.scrub(Environment.scrub(environment))
      const smolvm = Smolvm.layer({ program: choice.program, env })
      const runtime =
        choice._tag === "Local" ? Layer.provide(smolvm, LocalExecutor.layer({ program: choice.program })) : smolvm
      const engine = Layer.unwrapEffect(
        Effect.map(kindOf(choice), (kind) =>
          Engine.layer({ directories: Directories.fromEnvironment(environment), runtime: kind, arch, superuser })
        )
      )
      return Layer.merge(Layer.provideMerge(engine, runtime), Bundle.layerProcess)
    })
  )
