/**
 * What a `prune` line asks for.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import { type Format, formatOf, parseMaxSize, parseOlder } from "../FlagValues.js"
import type { UsageError } from "../UsageError.js"

/**
 * The flags of a `prune` line, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface PruneFlags {
  readonly older: Option.Option<string>
  readonly maxSize: Option.Option<string>
  readonly packs: boolean
  readonly records: boolean
  readonly dryRun: boolean
  readonly format: Option.Option<string>
}

/**
 * A `prune` line, understood. Neither of `packs` and `records` on the line means both, and `workspaces`; a bound that was
 * not given is null.
 *
 * @since 0.1.0
 * @category models
 */
export interface PruneRequest {
  readonly olderMillis: number | null
  readonly maxSizeBytes: number | null
  readonly packs: boolean
  readonly records: boolean
  readonly workspaces: boolean
  readonly dryRun: boolean
  readonly format: Format
}

/**
 * The request of a `prune` line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (flags: PruneFlags): Either.Either<PruneRequest, UsageError> =>
  Either.gen(function* () {
    const olderMillis = yield* parseOlder(flags.older)
    const maxSizeBytes = yield* parseMaxSize(flags.maxSize)
    const isAll = !flags.packs && !flags.records
    return {
      olderMillis: olderMillis ?? null,
      maxSizeBytes: maxSizeBytes ?? null,
      packs: flags.packs || isAll,
      records: flags.records || isAll,
      workspaces: isAll,
      dryRun: flags.dryRun,
      format: formatOf(flags.format)
    }
  })
