/**
 * What an `exec` or a `shell` line asks for.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import {
  type Format,
  formatOf,
  parseBottle,
  parseEnvironment,
  parseTimeout,
  parseTty,
  parseWorkdir,
  type Surroundings,
  type TtyChoice
} from "../FlagValues.js"
import type { UsageError } from "../UsageError.js"

/**
 * The flags of a `shell` line, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface ShellFlags {
  readonly bottle: string
  readonly env: ReadonlyArray<string>
  readonly workdir: Option.Option<string>
  readonly format: Option.Option<string>
}

/**
 * The flags of an `exec` line, values still text.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExecFlags extends ShellFlags {
  readonly timeout: Option.Option<string>
  readonly interactive: boolean
  readonly tty: boolean
  readonly noTty: boolean
}

/**
 * A shell that is asked for in a bottle.
 *
 * - `bottle`: an id, a name, or what either begins with
 * - `env`, `secrets`: added to the bottle's own, which they override; values of secrets are apart from all that is printed
 *
 * @since 0.1.0
 * @category models
 */
export interface ShellRequest {
  readonly bottle: string
  readonly env: ReadonlyArray<readonly [name: string, value: string]>
  readonly secrets: ReadonlyMap<string, Redacted.Redacted<string>>
  readonly workdir: string | undefined
  readonly format: Format
}

/**
 * A command that is to run in a bottle; there is always one.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExecRequest extends ShellRequest {
  readonly command: ReadonlyArray<string>
  readonly timeoutMillis: number | undefined
  readonly interactive: boolean
  readonly tty: TtyChoice
}

/**
 * The request of a `shell` line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeShell = (flags: ShellFlags, { environment }: Surroundings): Either.Either<ShellRequest, UsageError> =>
  Either.gen(function* () {
    const bottle = yield* parseBottle(flags.bottle)
    const { env, secrets } = yield* parseEnvironment(flags.env, environment)
    const workdir = yield* parseWorkdir(flags.workdir)
    return { bottle, env, secrets, workdir, format: formatOf(flags.format) }
  })

/**
 * The request of an `exec` line, whose command was read.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  flags: ExecFlags,
  command: ReadonlyArray<string>,
  surroundings: Surroundings
): Either.Either<ExecRequest, UsageError> =>
  Either.gen(function* () {
    const shell = yield* makeShell(flags, surroundings)
    const timeoutMillis = yield* parseTimeout(flags.timeout)
    const tty = yield* parseTty(flags)
    return { ...shell, command, timeoutMillis, interactive: flags.interactive, tty }
  })
