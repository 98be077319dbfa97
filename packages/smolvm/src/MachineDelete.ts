/**
 * `smolvm machine delete`: removes a machine and its disks.
 *
 * 0.8.0 does not stop a running machine and so orphans it; `Smolvm.machineDelete` stops it first there.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import { checks } from "./internal/arguments.js"
import type { ArgumentError } from "./SmolvmError.js"

/**
 * Which machine to delete.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineDeleteOptions {
  readonly name: string
}

/**
 * The arguments of `machine delete`, always with `-f`: without it smolvm prompts, and at the end of its input prints
 * "Cancelled", exits 0 and keeps the machine.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  { name }: MachineDeleteOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> =>
  Either.gen(function* () {
    yield* check.name(name)
    return ["machine", "delete", "-f", ...(capabilities.nameStyle === "flag" ? ["--name", name] : [name])]
  })

const check = checks("machine delete")
