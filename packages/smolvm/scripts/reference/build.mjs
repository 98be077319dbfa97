import * as Either from "effect/Either"

/** The argv of a subcommand's module; that of one without options is the same for all. */
export const build = ({ argv }, options, capabilities) =>
  typeof argv === "function" ? argv(options, capabilities) : Either.right(argv)
