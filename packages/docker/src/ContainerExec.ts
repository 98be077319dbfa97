/**
 * `docker exec --interactive`: runs a program in a container that runs, with something to read.
 *
 * What it reads is in no argv and no environment, and the daemon keeps nothing of it: neither `docker inspect` nor
 * `docker events` nor a file of the daemon's shows it.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Argv } from "./internal/arguments.js"
import { checks } from "./internal/arguments.js"

/**
 * What to run in which container.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContainerExecOptions {
  readonly name: string
  /** The program and its words. They can be seen by whoever may talk to the daemon. */
  readonly command: readonly [program: string, ...words: ReadonlyArray<string>]
}

/**
 * The arguments of `exec`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = ({ command, name }: ContainerExecOptions): Argv =>
  Either.gen(function* () {
    yield* check.name("the name", name)
    yield* check.words("the command", command)
    return ["exec", "--interactive", name, ...command]
  })

const check = checks("exec")
