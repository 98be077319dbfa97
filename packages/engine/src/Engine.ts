/**
 * What the engine has to be told once per program: where its files are and which runtime its `Smolvm` layer drives.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { Directories } from "./Directories.js"

/**
 * The settings of an engine.
 *
 * - `runtime`: whether the `Smolvm` layer drives a real smolvm or the embedded local runtime; a plan says which, and a
 *   plan that demands a microVM refuses the second
 * - `arch`: the machine architecture as Node names it ("x64"), part of a pack's cache key
 * - `superuser`: whether we run as root; the proxy's socket must then be open to the unprivileged uid that a machine
 *   acts as, inside its directory that only root can enter
 *
 * @since 0.1.0
 * @category models
 */
export interface EngineSettings {
  readonly directories: Directories
  readonly runtime: "smolvm" | "local"
  readonly arch: string
  readonly superuser: boolean
}

/**
 * @since 0.1.0
 * @category services
 */
export class Engine extends Context.Tag("@bottle/engine/Engine")<Engine, EngineSettings>() {}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (settings: EngineSettings): Layer.Layer<Engine> => Layer.succeed(Engine, settings)
