/**
 * What a line about one bottle asks for: `inspect`, `attach` and `wait`.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import { type Format, formatOf, parseBottle, parseTimeout } from "../FlagValues.js"
import type { UsageError } from "../UsageError.js"

/**
 * The flags of an `inspect` line, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface InspectFlags {
  readonly bottle: string
  readonly format: Option.Option<string>
}

/**
 * The flags of an `attach` line, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface AttachFlags extends InspectFlags {
  readonly interactive: boolean
}

/**
 * The flags of a `wait` line, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface WaitFlags extends InspectFlags {
  readonly timeout: Option.Option<string>
}

/**
 * An `inspect` line, understood; `bottle` is an id, a name, or what either begins with.
 *
 * @since 0.1.0
 * @category models
 */
export interface InspectRequest {
  readonly bottle: string
  readonly format: Format
}

/**
 * An `attach` line, understood; `interactive` passes standard input on where it is no terminal, too.
 *
 * @since 0.1.0
 * @category models
 */
export interface AttachRequest extends InspectRequest {
  readonly interactive: boolean
}

/**
 * A `wait` line, understood.
 *
 * @since 0.1.0
 * @category models
 */
export interface WaitRequest extends InspectRequest {
  readonly timeoutMillis: number | undefined
}

/**
 * The request of an `inspect` line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeInspect = ({ bottle, format }: InspectFlags): Either.Either<InspectRequest, UsageError> =>
  Either.map(parseBottle(bottle), (name) => ({ bottle: name, format: formatOf(format) }))

/**
 * The request of an `attach` line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeAttach = (flags: AttachFlags): Either.Either<AttachRequest, UsageError> =>
  Either.map(makeInspect(flags), (request) => ({ ...request, interactive: flags.interactive }))

/**
 * The request of a `wait` line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeWait = (flags: WaitFlags): Either.Either<WaitRequest, UsageError> =>
  Either.gen(function* () {
    const request = yield* makeInspect(flags)
    return { ...request, timeoutMillis: yield* parseTimeout(flags.timeout) }
  })
