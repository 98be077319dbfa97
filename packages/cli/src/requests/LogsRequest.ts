/**
 * What a `logs` line asks for.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import { type Format, formatOf, parseBottle } from "../FlagValues.js"
import type { UsageError } from "../UsageError.js"

/**
 * Where a line of a bottle's logs comes from, in the order in which lines of one moment are told.
 *
 * @since 0.1.0
 * @category models
 */
export const sources = ["launch", "bundle", "decisions", "output"] as const

/**
 * Where a line of a bottle's logs comes from.
 *
 * @since 0.1.0
 * @category models
 */
export type LogSource = (typeof sources)[number]

/**
 * The flags of a `logs` line, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface LogsFlags {
  readonly bottle: string
  readonly follow: boolean
  readonly only: ReadonlyArray<string>
  readonly format: Option.Option<string>
}

/**
 * A `logs` line, understood. Without `--only` it is launch, bundle and decisions: what the main command printed is
 * asked for by its name.
 *
 * @since 0.1.0
 * @category models
 */
export interface LogsRequest {
  readonly bottle: string
  readonly follow: boolean
  readonly sources: ReadonlyArray<LogSource>
  readonly format: Format
}

/**
 * The request of a `logs` line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ bottle, follow, format, only }: LogsFlags): Either.Either<LogsRequest, UsageError> =>
  Either.map(parseBottle(bottle), (name) => ({
    bottle: name,
    follow,
    sources: sources.filter((source) => (only.length === 0 ? source !== "output" : only.includes(source))),
    format: formatOf(format)
  }))
