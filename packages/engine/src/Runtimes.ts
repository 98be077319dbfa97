/**
 * The programs that bottles were made with, for who takes down bottles that others made: each bottle names its own.
 *
 * @since 0.1.0
 */
import type { Docker } from "@bottle/docker/Docker"
import type { Smolvm } from "@bottle/smolvm/Smolvm"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { PlannedRuntime } from "./LaunchPlan.js"
import type { Places, PlacesUnknown } from "./Places.js"

/**
 * What tells a runtime from another one: what a ledger's claim says of it.
 *
 * @since 0.1.0
 * @category models
 */
export type RuntimeName = Pick<PlannedRuntime, "kind" | "program" | "version" | "line">

/**
 * Drives the runtime and the container engine that a ledger names. Nothing is run until the service is used: a program
 * that is gone fails there, with the error of its package.
 *
 * @since 0.1.0
 * @category services
 */
export class Runtimes extends Context.Tag("@bottle/engine/Runtimes")<
  Runtimes,
  {
    /**
     * The runtime of a machine; `smolvm-local` by that name is the embedded one. Without places it is looked for in the
     * environment at hand.
     */
    readonly smolvm: (
      runtime: RuntimeName,
      places?: Places | undefined
    ) => Effect.Effect<Context.Tag.Service<Smolvm>, never, Scope.Scope>
    /** The container engine of a bundle. It fails only where places are given. */
    readonly docker: (
      program: string,
      places?: Places | undefined
    ) => Effect.Effect<Context.Tag.Service<Docker>, PlacesUnknown, Scope.Scope>
  }
>() {}
