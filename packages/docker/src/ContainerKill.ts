/**
 * `docker kill`: sends a signal to the first process of a container.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { Argv } from "./internal/arguments.js"
import { checks } from "./internal/arguments.js"

/**
 * The signals that can be sent.
 *
 * @since 0.1.0
 * @category models
 */
export const Signal = Schema.Literal("SIGHUP", "SIGINT", "SIGTERM", "SIGKILL", "SIGUSR1", "SIGUSR2")

/**
 * A signal that can be sent.
 *
 * @since 0.1.0
 * @category models
 */
export type Signal = typeof Signal.Type

/**
 * Which container to send what.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContainerKillOptions {
  readonly name: string
  readonly signal: Signal
}

/**
 * The arguments of `kill`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = ({ name, signal }: ContainerKillOptions): Argv =>
  Either.map(check.name("the name", name), () => ["kill", "--signal", signal, name])

const check = checks("kill")
