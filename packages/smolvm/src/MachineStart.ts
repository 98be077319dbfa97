/**
 * `smolvm machine start`: boots a machine. A machine that runs already is a success.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import { checks } from "./internal/arguments.js"
import type { ArgumentError } from "./SmolvmError.js"

/**
 * Which machine to start.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineStartOptions {
  readonly name: string
}

/**
 * The arguments of `machine start`, the same on every release line.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  { name }: MachineStartOptions,
  _capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> =>
  Either.gen(function* () {
    yield* check.name(name)
    return ["machine", "start", "--name", name]
  })

const check = checks("machine start")
