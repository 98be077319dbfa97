/**
 * `bottle completion`.
 *
 * @since 0.1.0
 */
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type { Invocation } from "../Invocation.js"
import type { Stdio } from "../Stdio.js"

/**
 * Does what the line asks for, and gives the exit code.
 *
 * @since 0.1.0
 * @category constructors
 */
export const completion = (
  _request: { readonly asked: string; readonly format: "text" | "json" }
): Effect.Effect<number, never, Invocation | Stdio | CommandExecutor | FileSystem> =>
  Effect.dieMessage("completion is not there yet")
