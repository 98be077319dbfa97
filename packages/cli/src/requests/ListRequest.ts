/**
 * What an `ls` line asks for.
 *
 * @since 0.1.0
 */
import type * as Option from "effect/Option"
import { type Format, formatOf } from "../FlagValues.js"

/**
 * The flags of an `ls` line, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListFlags {
  readonly all: boolean
  readonly quiet: boolean
  readonly format: Option.Option<string>
}

/**
 * An `ls` line, understood: `all` lists bottles that are down too, `idsOnly` prints nothing but ids.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListRequest {
  readonly all: boolean
  readonly idsOnly: boolean
  readonly format: Format
}

/**
 * The request of an `ls` line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ all, format, quiet }: ListFlags): ListRequest => ({
  all,
  idsOnly: quiet,
  format: formatOf(format)
})
