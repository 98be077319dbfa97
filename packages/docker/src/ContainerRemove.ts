/**
 * `docker rm`: ends a container and removes it.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Argv } from "./internal/arguments.js"
import { checks } from "./internal/arguments.js"

/**
 * The arguments of `rm`, with force: a container that runs is killed, not asked. Its anonymous volumes go with it.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (name: string): Argv =>
  Either.map(check.name("the name", name), () => ["rm", "--force", "--volumes", name])

const check = checks("rm")
