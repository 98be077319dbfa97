/**
 * What a `policy watch` line asks for.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Path from "node:path"
import type { PolicyWatchFlags } from "../Commands.js"
import { type Format, formatOf, parseBottle, type Surroundings } from "../FlagValues.js"
import type { UsageError } from "../UsageError.js"

/**
 * A `policy watch` line, understood; `save` is where what is allowed for good is written, `null` for the bottle's own
 * policy document.
 *
 * @since 0.1.0
 * @category models
 */
export interface PolicyWatchRequest {
  readonly bottle: string
  readonly save: string | null
  readonly format: Format
}

/**
 * The request of a `policy watch` line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  { bottle, format, save }: PolicyWatchFlags,
  { cwd }: Pick<Surroundings, "cwd">
): Either.Either<PolicyWatchRequest, UsageError> =>
  Either.map(parseBottle(bottle), (name) => ({
    bottle: name,
    save: Option.getOrNull(Option.map(save, (file) => Path.resolve(cwd, file))),
    format: formatOf(format)
  }))
