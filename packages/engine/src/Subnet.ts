/**
 * The private network that a container bundle gets: chosen from the bottle's id, so that a plan can print it before
 * anything exists, and never one that the host routes already.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A network of its own for one bottle: the range, the host's address in it, and the bundle's.
 *
 * @since 0.1.0
 * @category models
 */
export class Subnet extends Schema.Class<Subnet>("@bottle/engine/Subnet")({
  /** A CIDR of 256 addresses. */
  subnet: Schema.String,
  gateway: Schema.String,
  address: Schema.String
}) {}
