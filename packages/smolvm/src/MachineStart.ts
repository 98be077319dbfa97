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
  /**
   * Lets the machine reach the private addresses that its egress policy allows, on the releases that refuse them
   * otherwise (`Capabilities.policyFloorsPrivate`). What the policy does not allow stays refused.
   */
  readonly allowPrivate?: boolean | undefined
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

/**
 * The variables that smolvm itself is given for this start, and for no other call: the machine's boot reads them from
 * the environment of `machine start`. None where the release has no use for them.
 *
 * @since 0.1.0
 * @category argv
 */
export const environment = (
  { allowPrivate }: Pick<MachineStartOptions, "allowPrivate">,
  { policyFloorsPrivate }: Capabilities
): ReadonlyArray<readonly [name: string, value: string]> =>
  allowPrivate === true && policyFloorsPrivate ? [["SMOLVM_EGRESS_ALLOW_PRIVATE", "1"]] : []

const check = checks("machine start")
