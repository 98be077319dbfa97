/**
 * What to run: a program, its arguments, its whole environment and its working directory.
 *
 * @since 0.1.0
 */

/**
 * A program with its arguments, as array elements: nothing is split, joined or read by a shell.
 *
 * `program` is looked up in the `PATH` of the child's own environment when it holds no slash. `env` is the whole
 * environment of the child; when it is absent the child gets `Environment.childDefault`. `cwd` defaults to ours.
 *
 * `subcommand` is for traces only: the words of the program's own grammar that it is called with ("machine create"), which
 * whoever builds the arguments knows. It is a literal, never taken from `args`: those may hold secrets.
 *
 * @since 0.1.0
 * @category models
 */
export interface Program {
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly cwd?: string | undefined
  readonly subcommand?: string | undefined
}

/**
 * A `Program` from its words, for call sites that need neither `env` nor `cwd`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (program: string, ...args: ReadonlyArray<string>): Program => ({ program, args })
