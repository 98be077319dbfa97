/**
 * The `CommandExecutor` that runs programs as children of this process.
 *
 * @since 0.1.0
 */
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import { BadArgument } from "@effect/platform/Error"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Spawn from "./internal/spawn.js"

/**
 * Runs commands as children of this process. A child gets a session and a process group of its own, except one that
 * inherits both standard input and output: that one stays in ours and so owns the terminal. Pipelines (`Command.pipeTo`)
 * are refused: they lose the exit codes of all but the last program; start each program by itself.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: CommandExecutor.CommandExecutor = CommandExecutor.makeExecutor((command) =>
  command._tag === "StandardCommand"
    ? Spawn.start(command)
    : Effect.fail(
        new BadArgument({
          module: "Command",
          method: "start",
          description: "pipelines are refused: run each program by itself"
        })
      )
)

/**
 * Runs commands as children of this process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<CommandExecutor.CommandExecutor> = Layer.succeed(CommandExecutor.CommandExecutor, make)
