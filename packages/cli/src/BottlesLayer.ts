/**
 * The bottles of the user that the program runs for, and the keepers that it starts.
 *
 * @since 0.1.0
 */
import * as Bottles from "@bottle/engine/Bottles"
import * as Directories from "@bottle/engine/Directories"
import type { Runtimes } from "@bottle/engine/Runtimes"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Invocation } from "./Invocation.js"
import * as KeeperMemory from "./KeeperMemory.js"
import * as RuntimesLayer from "./RuntimesLayer.js"

/** What stands for a keeper where its program is missing: it cannot be started, and says why. */
const MISSING = ["/bin/sh", "-c", `echo "bottle-keeper.mjs is not beside bottle" >&2; exit 1`] as const

/**
 * The words that start a keeper, where `bottle-keeper` is started by these.
 *
 * @since 0.1.0
 * @category conversions
 */
export const keeperCommand = (
  keeper: readonly [program: string, ...words: ReadonlyArray<string>] | null
): readonly [program: string, ...words: ReadonlyArray<string>] => {
  if (keeper === null) return MISSING
  const [node, ...words] = keeper
  return [node, ...KeeperMemory.NODE_FLAGS, ...words, "keep"]
}

/**
 * The bottles below the directories of the program's environment, and the runtimes that they were made with.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Bottles.Bottles | Runtimes, never, Invocation | CommandExecutor | FileSystem> =
  Layer.unwrapEffect(
    Effect.map(Invocation, ({ environment, keeper }) => {
      const directories = Directories.fromEnvironment(environment)
      return Bottles.layer({
        directories,
        keeper: { command: keeperCommand(keeper), env: { ...environment, ...KeeperMemory.ENVIRONMENT } }
      }).pipe(Layer.provideMerge(RuntimesLayer.layer({ environment, state: directories.state })))
    })
  )
