/**
 * `docker network rm`: removes a network that no container is in.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Argv } from "./internal/arguments.js"
import { checks } from "./internal/arguments.js"

/**
 * The arguments of `network rm`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (name: string): Argv => Either.map(check.name("the name", name), () => ["network", "rm", name])

const check = checks("network rm")
