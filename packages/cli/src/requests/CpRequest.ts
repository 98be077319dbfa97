/**
 * What a `cp` line asks for.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import { type Format, formatOf, parseBottle, type Surroundings, usage } from "../FlagValues.js"
import type { UsageError } from "../UsageError.js"

/**
 * The flags of a `cp` line, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface CpFlags {
  readonly source: string
  readonly destination: string
  readonly quiet: boolean
  readonly format: Option.Option<string>
}

/**
 * A `cp` line, understood: `in` copies from the host to the guest, `out` the other way.
 *
 * - `host`: absolute, and otherwise as it was written: a slash at the end, and `/.`, have a meaning
 * - `guest`: as it was written; a relative path begins in the bottle's working directory
 *
 * @since 0.1.0
 * @category models
 */
export interface CpRequest {
  readonly direction: "in" | "out"
  readonly bottle: string
  readonly host: string
  readonly guest: string
  readonly quiet: boolean
  readonly format: Format
}

type Side =
  | { readonly _tag: "Host"; readonly path: string }
  | { readonly _tag: "Guest"; readonly bottle: string; readonly path: string }

const parseSide = (text: string, cwd: string): Either.Either<Side, UsageError> => {
  if (text === "-") {
    const advice = "bottle exec NAME -- cat FILE, or bottle exec NAME -- tar -cf - DIRECTORY"
    return Either.left(usage("cp has no standard input or output to copy from or to", advice))
  }
  const colon = text.indexOf(":")
  // A slash before the colon makes it a path of the host, whatever it is called.
  if (colon < 0 || text.slice(0, colon).includes("/")) {
    return Either.right({ _tag: "Host", path: text.startsWith("/") ? text : `${cwd}/${text}` })
  }
  return Either.map(parseBottle(text.slice(0, colon)), (bottle) => ({
    _tag: "Guest",
    bottle,
    path: text.slice(colon + 1) || "."
  }))
}

/**
 * The request of a `cp` line: one side names a bottle, `NAME:path`, and the other is a path of the host.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (flags: CpFlags, { cwd }: Surroundings): Either.Either<CpRequest, UsageError> =>
  Either.gen(function* () {
    const source = yield* parseSide(flags.source, cwd)
    const destination = yield* parseSide(flags.destination, cwd)
    const how = { quiet: flags.quiet, format: formatOf(flags.format) }
    if (source._tag === "Host" && destination._tag === "Guest") {
      return { direction: "in", bottle: destination.bottle, host: source.path, guest: destination.path, ...how }
    }
    if (source._tag === "Guest" && destination._tag === "Host") {
      return { direction: "out", bottle: source.bottle, host: destination.path, guest: source.path, ...how }
    }
    return yield* Either.left(
      source._tag === "Guest"
        ? usage("both sides are in a bottle", "bottle cp NAME:/path FILE first, then bottle cp FILE NAME:/path")
        : usage("neither side is in a bottle", "bottle cp FILE NAME:/path, or bottle cp NAME:/path FILE")
    )
  })
