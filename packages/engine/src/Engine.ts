/**
 * What the engine has to be told once per program: where its files are and which runtime its `Smolvm` layer drives.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { Directories } from "./Directories.js"

/**
 * How the image of the bundle is built where it is not there.
 *
 * - `dockerfile`: the path of the Dockerfile
 * - `program`: the path of the one file that the image is to hold, `bottle-bundle.mjs`
 * - `base`: the reference of the image it is built on, which must bring Node.js and be there already
 *
 * @since 0.1.0
 * @category models
 */
export interface BundleBuild {
  readonly dockerfile: string
  readonly program: string
  readonly base: string
}

/**
 * The container engine, and the image that a container bundle runs.
 *
 * - `program`: `docker`, or a program with its command line
 * - `image`: the reference of the bundle's image
 * - `build`: how to build it where it is not there; `null` where it is expected to be
 *
 * @since 0.1.0
 * @category models
 */
export interface ContainerSettings {
  readonly program: string
  readonly image: string
  readonly build: BundleBuild | null
}

/**
 * The settings of an engine.
 *
 * - `runtime`: whether the `Smolvm` layer drives a real smolvm or the embedded local runtime; a plan says which, and a
 *   plan that demands a microVM refuses the second
 * - `arch`: the machine architecture as Node names it ("x64"), part of a pack's cache key
 * - `superuser`: whether we run as root; the proxy's socket must then be open to the unprivileged uid that a machine
 *   acts as, inside its directory that only root can enter
 * - `container`: what a container bundle is made with; where it is absent or `null`, no plan has one
 *
 * @since 0.1.0
 * @category models
 */
export interface EngineSettings {
  readonly directories: Directories
  readonly runtime: "smolvm" | "local"
  readonly arch: string
  readonly superuser: boolean
  readonly container?: ContainerSettings | null | undefined
}

/**
 * The settings of the engine, given once per program.
 *
 * @since 0.1.0
 * @category services
 */
export class Engine extends Context.Tag("@bottle/engine/Engine")<Engine, EngineSettings>() {}

/**
 * These settings.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (settings: EngineSettings): Layer.Layer<Engine> => Layer.succeed(Engine, settings)
