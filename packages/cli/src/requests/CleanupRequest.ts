/**
 * What a `cleanup` line asks for.
 *
 * @since 0.1.0
 */
import type * as Option from "effect/Option"
import { type Format, formatOf } from "../FlagValues.js"

/**
 * The flags of a `cleanup` line, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface CleanupFlags {
  readonly dryRun: boolean
  readonly all: boolean
  readonly format: Option.Option<string>
}

/**
 * A `cleanup` line, understood.
 *
 * @since 0.1.0
 * @category models
 */
export interface CleanupRequest {
  readonly dryRun: boolean
  readonly all: boolean
  readonly format: Format
}

/**
 * The request of a `cleanup` line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ all, dryRun, format }: CleanupFlags): CleanupRequest => ({
  dryRun,
  all,
  format: formatOf(format)
})
