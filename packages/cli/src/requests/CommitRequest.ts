/**
 * What a `commit` line asks for.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Path from "node:path"
import { type Format, formatOf, parseBottle, shown, type Surroundings, usage } from "../FlagValues.js"
import type { UsageError } from "../UsageError.js"

/**
 * The flags of a `commit` line, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommitFlags {
  readonly bottle: string
  readonly output: Option.Option<string>
  readonly force: boolean
  readonly format: Option.Option<string>
}

/**
 * A `commit` line, understood: `output` is the absolute path of the file that the pack becomes.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommitRequest {
  readonly bottle: string
  readonly output: string
  readonly force: boolean
  readonly format: Format
}

/**
 * The request of a `commit` line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (flags: CommitFlags, { cwd }: Surroundings): Either.Either<CommitRequest, UsageError> =>
  Either.gen(function* () {
    const bottle = yield* parseBottle(flags.bottle)
    const written = Option.getOrElse(flags.output, () => "")
    if (/(?:^|\/)\.{0,2}$/.test(written)) {
      const advice = `-o ${bottle}.smolmachine`
      return yield* Either.left(usage(`-o ${shown(written)} is a directory, and a pack is one file`, advice))
    }
    return { bottle, output: Path.resolve(cwd, written), force: flags.force, format: formatOf(flags.format) }
  })
