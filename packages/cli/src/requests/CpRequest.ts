/**
 * What a `cp` line asks for.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import * as Path from "node:path"
import { type Format, formatOf, parseBottle, shown, type Surroundings, usage } from "../FlagValues.js"
import * as Printable from "../Printable.js"
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
  readonly format: Option.Option<string>
}

/**
 * One side of a copy: an absolute path, of the host or of a bottle's guest. `isDirectory` where it was written with a
 * slash at its end, so that it can mean a directory only.
 *
 * @since 0.1.0
 * @category models
 */
export interface Place {
  readonly path: string
  readonly isDirectory: boolean
}

/**
 * A `cp` line, understood: `in` copies from the host to the guest, `out` the other way.
 *
 * @since 0.1.0
 * @category models
 */
export interface CpRequest {
  readonly direction: "in" | "out"
  readonly bottle: string
  readonly host: Place
  readonly guest: Place
  readonly format: Format
}

type Side =
  | { readonly _tag: "Host"; readonly place: Place }
  | { readonly _tag: "Guest"; readonly bottle: string; readonly place: Place }

const isDirectory = (text: string): boolean => /(?:^|\/)\.{0,2}$/.test(text)

const parseSide = (text: string, cwd: string): Either.Either<Side, UsageError> => {
  const colon = text.indexOf(":")
  // A slash before the colon makes it a path of the host, whatever it is called.
  if (colon < 0 || text.slice(0, colon).includes("/")) {
    return Either.right({
      _tag: "Host",
      place: { path: Path.resolve(cwd, text), isDirectory: isDirectory(text) }
    })
  }
  const path = text.slice(colon + 1)
  return Either.flatMap(parseBottle(text.slice(0, colon)), (bottle): Either.Either<Side, UsageError> => {
    if (!path.startsWith("/")) {
      const advice = `${bottle}:/${Printable.line(path, 80)}, or ./${Printable.line(text, 80)} for a file of yours`
      return Either.left(usage(`${shown(text)}: the guest's path is not absolute`, advice))
    }
    return Either.right({
      _tag: "Guest",
      bottle,
      place: { path: Path.posix.resolve(path), isDirectory: isDirectory(path) }
    })
  })
}

/**
 * The request of a `cp` line: one side names a bottle, `NAME:/path`, and the other is a path of the host.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (flags: CpFlags, { cwd }: Surroundings): Either.Either<CpRequest, UsageError> =>
  Either.gen(function* () {
    const source = yield* parseSide(flags.source, cwd)
    const destination = yield* parseSide(flags.destination, cwd)
    const format = formatOf(flags.format)
    if (source._tag === "Host" && destination._tag === "Guest") {
      const { bottle, place } = destination
      return { direction: "in", bottle, host: source.place, guest: place, format }
    }
    if (source._tag === "Guest" && destination._tag === "Host") {
      const { bottle, place } = source
      return { direction: "out", bottle, host: destination.place, guest: place, format }
    }
    return yield* Either.left(
      source._tag === "Guest"
        ? usage("both sides are in a bottle", "copy to a file of yours first")
        : usage("neither side is in a bottle", "bottle cp FILE NAME:/path, or bottle cp NAME:/path FILE")
    )
  })
