/**
 * Run a program on the caller's own terminal.
 *
 * @since 0.1.0
 */
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import type { Exit } from "./Exit.js"
import * as Running from "./internal/running.js"
import * as Span from "./internal/span.js"
import { defaultGraceMillis } from "./internal/terminate.js"
import type { ProcessError } from "./ProcessError.js"
import type { Program } from "./Program.js"

/**
 * Runs a program with our standard input, output and error, in the foreground of our terminal: it gets size changes and
 * Ctrl-C, and while it runs Ctrl-C is its business alone. Interruption ends it and its descendants.
 *
 * @since 0.1.0
 * @category constructors
 */
export const attach = (program: Program): Effect.Effect<Exit, ProcessError, CommandExecutor> =>
  Span.traced(
    program,
    Effect.scoped(
      Effect.flatMap(
        Running.start(program, { stdin: "inherit", output: "inherit", graceMillis: defaultGraceMillis }),
        Running.awaitExit
      )
    ),
    (exit) => exit
  )
