import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { skip } from "./missing.js"
import { layer, type Runner, type Who } from "./runner.js"

/** What a test does with the runtime, as one user. */
export type Body = (runner: Runner) => Effect.Effect<void, never, Scope.Scope | CommandExecutor.CommandExecutor>

/** Tests with the runtime of one user; skipped where this host cannot make machines, or lacks what the test needs. */
export const testsFor =
  (make: Who["make"], timeoutMillis: number) =>
  (name: string, body: Body, options: { readonly skip?: boolean } = {}): void =>
    it.scopedLive.skipIf(skip || options.skip === true)(
      name,
      () => Effect.flatMap(make, body).pipe(Effect.provide(layer)),
      timeoutMillis
    )
