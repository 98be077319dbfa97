/**
 * `bottle shell`: a shell in a bottle that is up.
 *
 * @since 0.1.0
 */
import type { Bottles } from "@bottle/engine/Bottles"
import type { FileSystem } from "@effect/platform/FileSystem"
import type * as Effect from "effect/Effect"
import type { Invocation } from "../Invocation.js"
import type { ShellRequest } from "../requests/ExecRequest.js"
import type * as Stdio from "../Stdio.js"
import { exec } from "./Exec.js"

/** The better of the two that a guest may have. */
const SHELL = "command -v bash >/dev/null 2>&1 && exec bash; exec sh"

/**
 * Runs a shell in a bottle, on the caller's terminal where there is one and on standard input where there is none, and
 * gives its exit code.
 *
 * @since 0.1.0
 * @category constructors
 */
export const shell = (
  request: ShellRequest
): Effect.Effect<number, never, Bottles | Invocation | Stdio.Stdio | FileSystem> =>
  exec({ ...request, command: ["sh", "-c", SHELL], timeoutMillis: undefined, interactive: true, tty: "auto" })
