/**
 * The stages of a launch, in the order in which they are shown; `bundle` and `create` go side by side.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * - `workspace`: a directory is copied, for the guest to work on
 * - `pack`: the machine's image is made into a pack, or a cached one is found
 * - `image`: the bundle's image is found, or built
 * - `network`: the bottle's own container network exists
 * - `bundle`: the proxy listens
 * - `create`, `start`: the machine exists, runs
 * - `ready`: a command can be run in it
 * - `relay`: the guest's proxy port leads to the bundle
 * - `proof`: the guest reaches its bundle, and nothing else
 *
 * @since 0.1.0
 * @category models
 */
export const Stage = Schema.Literal(
  "workspace",
  "pack",
  "image",
  "network",
  "bundle",
  "create",
  "start",
  "ready",
  "relay",
  "proof"
)

/**
 * @since 0.1.0
 * @category models
 */
export type Stage = typeof Stage.Type
