/**
 * `docker image inspect`: what an image is, if it is there.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { Argv } from "./internal/arguments.js"
import { asJson, checks } from "./internal/arguments.js"
import * as Wire from "./internal/wire.js"

/**
 * The arguments of `image inspect`. Nothing is fetched: an image that is not there is not found.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (reference: string): Argv =>
  Either.map(check.image("the image", reference), () => ["image", "inspect", ...asJson, reference])

const check = checks("image inspect")

/**
 * An image as docker knows it.
 *
 * @since 0.1.0
 * @category models
 */
export class Image extends Schema.Class<Image>("@bottle/docker/Image")({
  /** `sha256:` and 64 hexadecimal digits. */
  id: Schema.String,
  labels: Wire.Labels
}) {}

const Document = Schema.Struct({
  Id: Schema.String,
  Config: Schema.optional(Schema.NullOr(Schema.Struct({ Labels: Wire.NullableLabels })))
})

/**
 * Reads the lines that `image inspect` prints.
 *
 * @since 0.1.0
 * @category parsing
 */
export const decode = Wire.decodeLines(
  Document,
  ({ Config, Id }) => new Image({ id: Id, labels: Config?.Labels ?? {} })
)
