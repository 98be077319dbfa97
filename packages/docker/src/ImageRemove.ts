/**
 * `docker image rm`: takes a name from an image, and removes the image with its last name.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Argv } from "./internal/arguments.js"
import { checks } from "./internal/arguments.js"

/**
 * The arguments of `image rm`. Without force: an image that a container uses stays.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (reference: string): Argv =>
  Either.map(check.image("the image", reference), () => ["image", "rm", reference])

const check = checks("image rm")
