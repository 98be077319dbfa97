/**
 * `smolvm machine cp`: copies one file into or out of a running machine.
 *
 * Files only, one per call, the destination a whole file path; parents are created in the guest. Before 1.7.3 a file
 * copied into a machine made from an image is seen by its commands only below `/workspace` (PR #810).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import { checks } from "./internal/arguments.js"
import * as MachineName from "./MachineName.js"
import type { ArgumentError } from "./SmolvmError.js"

/**
 * From where to where: exactly one side is written `machine:path`. An empty side means that nothing is to be copied.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineCpOptions {
  readonly src: string
  readonly dst: string
}

/**
 * A path in a machine as `machine cp` writes it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const inMachine = (options: { readonly name: string; readonly path: string }): string =>
  `${options.name}:${options.path}`

/**
 * Whether there is nothing to copy, because a side is empty.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isNothing = ({ dst, src }: MachineCpOptions): boolean => src === "" || dst === ""

/**
 * The machine that one of the sides names, where one does.
 *
 * @since 0.1.0
 * @category accessors
 */
export const machineOf = ({ dst, src }: MachineCpOptions): string | undefined =>
  [src, dst].find(isRemote)?.split(":")[0]

/**
 * The arguments of `machine cp`.
 *
 * smolvm splits a side at its first `:`, so a path of the host with `:` in it cannot be named and is refused here; one
 * that begins with `-` is written `./-…`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (
  { dst, src }: MachineCpOptions,
  _capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> =>
  Either.gen(function* () {
    yield* check.text("SRC", src)
    yield* check.text("DST", dst)
    yield* side("SRC", src)
    yield* side("DST", dst)
    if (isRemote(src) === isRemote(dst)) {
      return yield* check.refuse("SRC and DST", "must name a machine on exactly one side, as machine:path")
    }
    return yield* check.whole(["machine", "cp", written(src), written(dst)])
  })

const check = checks("machine cp")

const isRemote = (text: string): boolean => text.includes(":")

const written = (text: string): string => (text.startsWith("-") ? `./${text}` : text)

const side = (option: string, text: string): Either.Either<void, ArgumentError> => {
  if (!isRemote(text)) return Either.void
  const at = text.indexOf(":")
  if (!MachineName.isValid(text.slice(0, at))) {
    return check.refuse(option, "has a ':' but does not begin with the name of a machine; host paths cannot have a ':'")
  }
  return at === text.length - 1 ? check.refuse(option, "names a machine but no path in it") : Either.void
}
