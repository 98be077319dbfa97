/**
 * What a machine tried to reach, as `machine egress-events --json` tells it, from 1.8.1.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { absentOr } from "./internal/fields.js"

/**
 * One attempt of a machine to reach something. Fields that are not named here are ignored.
 *
 * @since 0.1.0
 * @category schemas
 */
export const EgressEvent = Schema.Struct({
  /** When, as RFC 3339; `null` where smolvm does not know, which it writes as an empty text. */
  timestamp: Schema.optionalWith(
    Schema.transform(Schema.NullOr(Schema.String), Schema.NullOr(Schema.String), {
      strict: true,
      decode: (text) => (text === "" ? null : text),
      encode: (text) => text
    }),
    { default: () => null }
  ),
  /** `connect`, `sendto` or `resolve`; newer releases may have other words. */
  operation: absentOr(Schema.String),
  /** What was to be reached, as smolvm writes it: an address with its port, or a name. */
  destination: absentOr(Schema.String).pipe(Schema.fromKey("dest"))
})

/**
 * One attempt of a machine to reach something.
 *
 * @since 0.1.0
 * @category models
 */
export type EgressEvent = typeof EgressEvent.Type

/**
 * What `machine egress-events --json` prints: a list, in smolvm's order.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Output = Schema.parseJson(Schema.Array(EgressEvent))
