import * as Executor from "@bottle/process/Executor"
import * as Effect from "effect/Effect"
import * as Prerequisites from "../../src/Prerequisites.js"

/** What this host lacks; suites that need it are skipped, and their name says what is missing. */
const lacking: ReadonlyArray<string> = await Effect.runPromise(
  Prerequisites.check.pipe(
    Effect.map((found) => found.filter((one) => !one.ok).map((one) => one.name)),
    Effect.provide(Executor.layer)
  )
)

export const missing = lacking.filter((name) => !name.startsWith("overlayfs"))
export const hasOverlay = missing.length === lacking.length
export const skip = missing.length > 0
export const note = skip ? ` (skipped, this host lacks: ${missing.join(", ")})` : ""
