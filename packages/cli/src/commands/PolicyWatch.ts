/**
 * `bottle policyWatch`.
 *
 * @since 0.1.0
 */
import type { Bottles } from "@bottle/engine/Bottles"
import type { Runtimes } from "@bottle/engine/Runtimes"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type { PolicyWatchFlags } from "../Commands.js"
import type { Invocation } from "../Invocation.js"
import type { Stdio } from "../Stdio.js"

/**
 * Does what the line asks for, and gives the exit code.
 *
 * @since 0.1.0
 * @category constructors
 */
export const policyWatch = (
  _request: PolicyWatchFlags
): Effect.Effect<number, never, Bottles | Runtimes | Invocation | Stdio | CommandExecutor | FileSystem> =>
  Effect.dieMessage("policyWatch is not there yet")
