/**
 * `smolvm pack create`: makes an artifact that a machine can be created from without pulling.
 *
 * `-o X` writes `X`, an executable, and `X.smolmachine`, which is what `machine create --from` takes.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import { checks, valued } from "./internal/arguments.js"
import type { ArgumentError } from "./SmolvmError.js"

/**
 * A pack of an image: pulled if need be.
 *
 * @since 0.1.0
 * @category models
 */
export interface PackCreateOptions {
  readonly image: string
  /** Where to write; must not end in `.smolmachine`, which 1.7.0 and later refuse. */
  readonly output: string
}

/**
 * A pack of a machine, which must be stopped.
 *
 * @since 0.1.0
 * @category models
 */
export interface PackCreateFromVmOptions {
  readonly name: string
  /** Where to write; must not end in `.smolmachine`, which 1.7.0 and later refuse. */
  readonly output: string
}

/**
 * The arguments of `pack create --image`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  options: PackCreateOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> =>
  Either.gen(function* () {
    yield* check.text("--image", options.image)
    yield* output(options.output, capabilities)
    return yield* check.whole([
      "pack",
      "create",
      // The source.
      ...valued("--image", "--image", options.image),
      // Where it goes.
      ...valued("-o", "--output", options.output)
    ])
  })

/**
 * The arguments of `pack create --from-vm`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argvFromVm = (
  options: PackCreateFromVmOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> =>
  Either.gen(function* () {
    yield* check.name(options.name)
    yield* output(options.output, capabilities)
    return yield* check.whole([
      "pack",
      "create",
      // The source.
      "--from-vm",
      options.name,
      // Where it goes.
      ...valued("-o", "--output", options.output)
    ])
  })

const check = checks("pack create")

const output = (path: string, capabilities: Capabilities): Either.Either<void, ArgumentError> =>
  capabilities.packSuffixRefused && path.endsWith(".smolmachine")
    ? check.refuse("--output", "must not end in .smolmachine: smolvm appends that itself")
    : check.text("--output", path)
