/**
 * `bottle apply`.
 *
 * @since 0.1.0
 */
import type { Bottles } from "@bottle/engine/Bottles"
import type { Runtimes } from "@bottle/engine/Runtimes"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type { ApplyFlags } from "../Commands.js"
import type { Invocation } from "../Invocation.js"
import type { Stdio } from "../Stdio.js"

/**
 * Does what the line asks for, and gives the exit code.
 *
 * @since 0.1.0
 * @category constructors
 */
export const apply = (
  _request: ApplyFlags
): Effect.Effect<number, never, Bottles | Runtimes | Invocation | Stdio | CommandExecutor | FileSystem> =>
  Effect.dieMessage("apply is not there yet")
