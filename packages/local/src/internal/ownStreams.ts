/* This process's own standard output and error, which stay open: who writes last is not known here. */

import * as Effect from "effect/Effect"
import type { Writable } from "node:stream"

const guarded = new Set<Writable>()

// A reader of ours that leaves (EPIPE) is told to whoever writes, and must not become an uncaught exception.
const guard = (writable: Writable): Writable => {
  if (!guarded.has(writable)) writable.on("error", () => {})
  guarded.add(writable)
  return writable
}

/** Writes to one of them, and waits until that has left; `false` when nobody reads there any more. */
export const write = (to: "stdout" | "stderr", bytes: Uint8Array | string): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    guard(process[to]).write(bytes, (cause) => resume(Effect.succeed(!cause)))
  })
