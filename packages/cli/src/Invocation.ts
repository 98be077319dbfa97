/**
 * What the program was started with, read once by its bin and nowhere else.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * The surroundings of one run of the program.
 *
 * @since 0.1.0
 * @category services
 */
export class Invocation extends Context.Tag("@bottle/cli/Invocation")<
  Invocation,
  {
    /** The words after the program's own name. */
    readonly argv: ReadonlyArray<string>
    /** The directory that relative paths mean. */
    readonly cwd: string
    readonly environment: Readonly<Record<string, string>>
    /** The directory of the program's own file. */
    readonly programDirectory: string
    /** The words that start `bottle-keeper`, which is beside the program; `null` where it is not. */
    readonly keeper: readonly [program: string, ...words: ReadonlyArray<string>] | null
    /** Whether this is root. */
    readonly superuser: boolean
    /** As Node names them: "x64", "linux", "20.20.2". */
    readonly arch: string
    readonly platform: string
    readonly nodeVersion: string
  }
>() {}
