/**
 * What a `down` line asks for.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import { type Format, formatOf, parseBottle } from "../FlagValues.js"
import type { UsageError } from "../UsageError.js"

/**
 * The flags of a `down` line, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface DownFlags {
  readonly bottles: ReadonlyArray<string>
  readonly all: boolean
  readonly format: Option.Option<string>
}

/**
 * A `down` line, understood: each bottle once; `all` stands for every one, and then none is named.
 *
 * @since 0.1.0
 * @category models
 */
export interface DownRequest {
  readonly bottles: ReadonlyArray<string>
  readonly all: boolean
  readonly format: Format
}

/**
 * The request of a `down` line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ all, bottles, format }: DownFlags): Either.Either<DownRequest, UsageError> =>
  Either.map(Either.all([...new Set(bottles)].map(parseBottle)), (names) => ({
    bottles: names,
    all,
    format: formatOf(format)
  }))
