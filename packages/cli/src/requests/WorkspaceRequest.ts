/**
 * What a line about the copy of a bottle's workspace asks for: `diff` and `apply`.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { ApplyFlags, DiffFlags } from "../Commands.js"
import { type Format, formatOf, parseBottle, usage } from "../FlagValues.js"
import type { UsageError } from "../UsageError.js"

/**
 * A `diff` line, understood; `bottle` is an id, a name, or what either begins with.
 *
 * @since 0.1.0
 * @category models
 */
export interface DiffRequest {
  readonly bottle: string
  readonly stat: boolean
  readonly format: Format
}

/**
 * An `apply` line, understood.
 *
 * @since 0.1.0
 * @category models
 */
export interface ApplyRequest {
  readonly bottle: string
  readonly dryRun: boolean
  readonly force: boolean
  readonly discard: boolean
  readonly format: Format
}

/**
 * The request of a `diff` line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeDiff = ({ bottle, format, stat }: DiffFlags): Either.Either<DiffRequest, UsageError> =>
  Either.map(parseBottle(bottle), (name) => ({ bottle: name, stat, format: formatOf(format) }))

/**
 * The request of an `apply` line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeApply = ({
  bottle,
  discard,
  dryRun,
  force,
  format
}: ApplyFlags): Either.Either<ApplyRequest, UsageError> =>
  discard && (dryRun || force)
    ? Either.left(
        usage("--discard takes nothing, so nothing is left to try or to force", "bottle apply --discard NAME")
      )
    : Either.map(parseBottle(bottle), (name) => ({ bottle: name, discard, dryRun, force, format: formatOf(format) }))
