/**
 * `smolvm machine cp`: copies one file into or out of a running machine.
 *
 * Files only, one per call, the destination a whole file path; parents are created in the guest. Before 1.7.3 a file
 * copied into a machine made from an image is seen by its commands only below `/workspace` (PR #810).
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { Capabilities } from "./Capabilities.js"
import * as MachineName from "./MachineName.js"
import type { ArgumentError } from "./SmolvmError.js"
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * From where to where, and as what: exactly one side is written `machine:path`. An empty side means that nothing is to be copied.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineCpOptions {
  /** A file of the host, or of a machine as `machine:path`. */
  readonly src: string
  /** The whole path of the file that is written. */
  readonly dst: string
  /** The permissions of the file in the machine, 0 to 0o7777, from 1.9.0; into a machine only. */
  readonly mode?: number | undefined
  /** The user id that the file in the machine belongs to, from 1.9.0; into a machine only. */
  readonly uid?: number | undefined
  /** The group id that the file in the machine belongs to, from 1.9.0; into a machine only. */
  readonly gid?: number | undefined
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
export const isNothing = ({ dst, src }: Pick<MachineCpOptions, "src" | "dst">): boolean => src === "" || dst === ""

/**
 * The machine that one of the sides names, where one does.
 *
 * @since 0.1.0
 * @category accessors
 */
export const machineOf = ({ dst, src }: Pick<MachineCpOptions, "src" | "dst">): string | undefined =>
  [src, dst].find(isRemote)?.split(":")[0]

const isRemote = (text: string): boolean => text.includes(":")

const problem = (text: string): string | undefined => {
  if (text.trim() === "") return "must not be empty"
  if (!isRemote(text)) return undefined
  const at = text.indexOf(":")
  if (!MachineName.isValid(text.slice(0, at))) {
    return "has a ':' but does not begin with the name of a machine; host paths cannot have a ':'"
  }
  return at === text.length - 1 ? "names a machine but no path in it" : undefined
}

/** A side; one that begins with `-` is written `./-…`. */
const Side = Value.text({
  problem,
  write: (text) => (text.startsWith("-") ? `./${text}` : text)
})

const { one, value } = Subcommand.builders<MachineCpOptions>()

const oneMachine: Subcommand.Rule<MachineCpOptions> = {
  sentence: "Exactly one side names a machine, as `machine:path`.",
  check: ({ dst, src }) =>
    isRemote(src) === isRemote(dst)
      ? { option: "SRC and DST", problem: "must name a machine on exactly one side, as machine:path" }
      : undefined
}

const ownerIsOfTheGuest: Subcommand.Rule<MachineCpOptions> = {
  sentence: "`--mode`, `--uid` and `--gid` are for files that are copied into a machine.",
  check: ({ gid, mode, src, uid }) => {
    const option =
      (mode === undefined ? undefined : "--mode") ??
      (uid === undefined ? undefined : "--uid") ??
      (gid === undefined ? undefined : "--gid")
    return option !== undefined && isRemote(src)
      ? { option, problem: "is for files that are copied into a machine: set it on the host afterwards" }
      : undefined
  }
}

/**
 * `machine cp` as data.
 *
 * @since 0.1.0
 * @category constants
 */
export const subcommand: Subcommand.Subcommand<MachineCpOptions> = {
  command: "machine cp",
  summary: "Copies one file into or out of a running machine.",
  options: [
    value("mode", "--mode", Value.FileMode),
    value("uid", "--uid", Value.Whole),
    value("gid", "--gid", Value.Whole)
  ],
  positionals: [one("src", "SRC", Side), one("dst", "DST", Side)],
  rules: [oneMachine, ownerIsOfTheGuest]
}

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
  options: MachineCpOptions,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<string>, ArgumentError> => Subcommand.argv(subcommand, options, capabilities)
