/**
 * `smolvm machine stop`: stops a machine. A machine that does not run is a success; one that does not exist is a failure from 0.8.1 on.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import { checks } from "./internal/arguments.js"
import type { ArgumentError } from "./SmolvmError.js"

/**
 * Which machine to stop.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineStopOptions {
  readonly name: string
}

/**
 * The arguments of `machine stop`, the same on every release line.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  { name }: MachineStopOptions,
  _capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> =>
  Either.gen(function* () {
    yield* check.name(name)
    return ["machine", "stop", "--name", name]
  })

const check = checks("machine stop")
