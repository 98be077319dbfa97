/**
 * `smolvm machine status --json`: one machine, in the shape of an element of `machine ls`.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { Capabilities } from "./Capabilities.js"
import { checks } from "./internal/arguments.js"
import { Machine } from "./Machine.js"
import type { ArgumentError } from "./SmolvmError.js"

/**
 * Which machine to ask for.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineStatusOptions {
  readonly name: string
}

/**
 * The arguments of `machine status`, the same on every release line.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  { name }: MachineStatusOptions,
  _capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> =>
  Either.gen(function* () {
    yield* check.name(name)
    return ["machine", "status", "--name", name, "--json"]
  })

const check = checks("machine status")

/**
 * What it prints.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Output = Schema.parseJson(Machine)
